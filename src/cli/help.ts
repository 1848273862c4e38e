/**
 * The help text.
 *
 * Why it exists: the flags that matter come first, in groups; the rest is one flag away (config-cli-metrics.md §8.1).
 * What must stay true: it is made from the command and flag tables, so it cannot go stale.
 */
import type { FlagGroup, FlagSpec } from "../config/mod.ts";
import type { Command } from "./command.ts";

const TITLES: ReadonlyArray<readonly [FlagGroup, string]> = [
  ["common", "Common flags"],
  ["network", "Network"],
  ["sync", "Sync"],
  ["logging", "Logging"],
  ["monitoring", "Monitoring"],
  ["command", "Flags of single commands"],
  ["ignored", "Read and ignored (they concern validators and RPC)"],
];

function flagLine(flag: FlagSpec): string {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.type === "bool" ? "[=true|false]" : ` ${flag.type.toUpperCase()}`;
  const old = flag.insteadUse === undefined
    ? ""
    : flag.insteadUse === ""
    ? " (old, no effect)"
    : ` (old name of ${flag.insteadUse})`;
  return `  ${short}${`--${flag.name}${value}`.padEnd(44)} ${flag.help}${old}`;
}

/** The whole text. @param all hidden flags and old names too. */
export function helpText(commands: readonly Command[], flags: readonly FlagSpec[], all: boolean): string[] {
  const lines = [
    "hsync synchronises a Harmony chain from its peers, verifies it, stores it and serves it.",
    "",
    "Usage: hsync [COMMAND] [flags]        without a command: run",
    "",
    "Commands",
    ...commands.filter((c) => all || c.hidden !== true)
      .map((c) => `  ${c.name.padEnd(16)} ${c.help}`),
  ];
  for (const [group, title] of TITLES) {
    const shown = flags.filter((f) => f.group === group && (all || !f.hidden));
    if (shown.length > 0) lines.push("", title, ...shown.map(flagLine));
  }
  lines.push(
    "",
    "A yes-or-no flag takes its value after an equals sign: --sync.client=false.",
    all ? "" : "`hsync --help-all` also lists hidden flags and old names.",
  );
  return lines;
}

/** The text about one command. */
export function commandHelp(command: Command, flags: readonly FlagSpec[]): string[] {
  const own = flags.filter((f) => command.flags.includes(f.name));
  const lines = [`hsync ${command.name} ${command.usage}`.trimEnd(), "", command.help];
  if (own.length > 0) lines.push("", ...own.map(flagLine));
  lines.push("", "The flags of `hsync run` that name network, shard, data and file count here too.");
  return lines;
}
