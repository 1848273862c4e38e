/**
 * From a command line to an exit code.
 *
 * Why it exists: one place parses, dispatches and reports (config-cli-metrics.md §2.6, §8.1, §8.2). What must stay true:
 * every failure prints exactly one `error:` line; a slip never ends with 0; the terminal is tidy afterwards.
 */
import { ExitCode } from "../base/mod.ts";
import type { CliIo, NodeCommands } from "../api/mod.ts";
import { FLAGS, nearest, parseArgv, type ParsedArgv, type ProgressMode, usageError } from "../config/mod.ts";
import type { Command } from "./command.ts";
import { COMMAND_FLAGS, GLOBAL_FLAGS } from "./command_flags.ts";
import { CONFIG_COMMANDS } from "./config_commands.ts";
import { DB_COMMANDS } from "./db_commands.ts";
import { commandHelp, helpText } from "./help.ts";
import { INFO_COMMANDS, versionCommand } from "./info_commands.ts";
import { QUERY_COMMANDS } from "./query_commands.ts";
import { reportError } from "./report_error.ts";
import { demoCommand, lightCommand, runCommand } from "./run_command.ts";
import { STREAMS_COMMANDS } from "./streams_commands.ts";
import { TerminalIo } from "./terminal_io.ts";
import { TROUBLE_COMMANDS } from "./trouble_commands.ts";

/** Every command. */
export const COMMANDS: readonly Command[] = [
  runCommand,
  lightCommand,
  ...QUERY_COMMANDS,
  ...STREAMS_COMMANDS,
  ...TROUBLE_COMMANDS,
  ...CONFIG_COMMANDS,
  ...DB_COMMANDS,
  demoCommand,
  ...INFO_COMMANDS,
];

const ALL_FLAGS = [...FLAGS, ...COMMAND_FLAGS];

/** The command that the words name, and how many words its name takes. */
function findCommand(words: readonly string[]): { readonly command: Command; readonly taken: number } {
  const [first, second] = words;
  if (first === undefined) return { command: runCommand, taken: 0 };
  const double = COMMANDS.find((c) => c.name === `${first} ${second ?? ""}`);
  if (double !== undefined) return { command: double, taken: 2 };
  const single = COMMANDS.find((c) => c.name === first);
  if (single !== undefined) return { command: single, taken: 1 };
  const group = COMMANDS.filter((c) => c.name.startsWith(`${first} `) && c.hidden !== true);
  if (group.length > 0) {
    const names = group.map((c) => c.name.split(" ")[1]).join(", ");
    throw usageError(
      "UNKNOWN_COMMAND",
      second === undefined
        ? `${first} needs to know what to do`
        : `there is no command ${JSON.stringify(`${first} ${second}`)}`,
      `hsync ${first} … takes ${names}`,
    );
  }
  const guess = nearest(
    first,
    COMMANDS.filter((c) => c.hidden !== true).map((c) => c.name.split(" ")[0] ?? ""),
  );
  throw usageError(
    "UNKNOWN_COMMAND",
    `there is no command ${JSON.stringify(first)}`,
    guess === undefined ? "`hsync --help` lists the commands" : `did you mean \`hsync ${guess}\`?`,
  );
}

function checkFlags(command: Command, parsed: ParsedArgv): void {
  for (const { spec } of parsed.flags.values()) {
    if (spec.group !== "command" || GLOBAL_FLAGS.has(spec.name) || command.flags.includes(spec.name)) {
      continue;
    }
    const takers = COMMANDS.filter((c) => c.flags.includes(spec.name) && c.hidden !== true);
    throw usageError(
      "FLAG_OF_OTHER_COMMAND",
      `--${spec.name} means nothing to \`hsync ${command.name}\``,
      `it belongs to ${takers.map((c) => `\`hsync ${c.name}\``).join(", ")}`,
    );
  }
}

function checkArgs(command: Command, args: readonly string[]): void {
  const [least, most] = command.args;
  if (args.length < least) {
    throw usageError(
      "MISSING_ARGUMENT",
      `\`hsync ${command.name}\` needs more words`,
      `hsync ${command.name} ${command.usage}`,
    );
  }
  const extra = args[most];
  if (extra !== undefined) {
    throw usageError(
      "EXTRA_ARGUMENT",
      `\`hsync ${command.name}\` does not know what to do with ${JSON.stringify(extra)}`,
      `hsync ${command.name} ${command.usage}`.trimEnd(),
    );
  }
}

function showHelp(parsed: ParsedArgv, words: readonly string[], io: CliIo): ExitCode {
  const all = parsed.flags.has("help-all");
  const lines = words.length === 0
    ? helpText(COMMANDS, ALL_FLAGS, all)
    : commandHelp(findCommand(words).command, ALL_FLAGS);
  lines.forEach((l) => io.out(l));
  return ExitCode.OK;
}

async function dispatch(
  parsed: ParsedArgv,
  io: CliIo,
  node: () => Promise<NodeCommands>,
): Promise<ExitCode> {
  const { words, flags } = parsed;
  if (words[0] === "help") return showHelp(parsed, words.slice(1), io);
  if (flags.get("help")?.value === true || flags.get("help-all")?.value === true) {
    return showHelp(parsed, words, io);
  }
  if (flags.get("version")?.value === true) return await versionCommand.run({ args: [], flags, io, node });
  const { command, taken } = findCommand(words);
  const args = words.slice(taken);
  checkFlags(command, parsed);
  checkArgs(command, args);
  return await command.run({ args, flags, io, node });
}

/** Where `main` writes, and the node it drives; tests pass their own. */
export interface MainOptions {
  /** Default: the real node, loaded when a command needs it. */
  readonly node?: () => Promise<NodeCommands>;
  /** Default: the process's own terminal. */
  readonly io?: CliIo;
}

function terminalFor(parsed: ParsedArgv | undefined): TerminalIo {
  const progress = parsed?.flags.get("progress")?.value;
  const known: readonly string[] = ["auto", "tty", "plain", "off"];
  return new TerminalIo({
    progress: typeof progress === "string" && known.includes(progress) ? progress as ProgressMode : "auto",
    color: parsed?.flags.get("no-color")?.value !== true && (Deno.env.get("NO_COLOR") ?? "") === "",
    quiet: parsed?.flags.get("quiet")?.value === true,
  });
}

async function realNode(): Promise<NodeCommands> {
  return await import("../node/mod.ts");
}

/** Runs a command line (without the program's name) to its end. */
export async function main(argv: readonly string[], options: MainOptions = {}): Promise<ExitCode> {
  let parsed: ParsedArgv | undefined;
  let slip: unknown;
  try {
    parsed = parseArgv(argv, ALL_FLAGS);
  } catch (error) {
    slip = error;
  }
  const terminal = options.io === undefined ? terminalFor(parsed) : undefined;
  const io = options.io ?? terminal as CliIo;
  try {
    if (parsed === undefined) throw slip;
    return await dispatch(parsed, io, options.node ?? realNode);
  } catch (error) {
    terminal?.close();
    return reportError(error, (line) => io.err(line), parsed?.flags.get("sync.debug")?.value === true);
  } finally {
    terminal?.close();
  }
}
