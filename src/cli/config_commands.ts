/**
 * `hsync config …`: what the settings are, where they come from, what is wrong with them.
 *
 * Why it exists: most trouble with a node is a setting; these commands answer without starting one
 * (config-cli-metrics.md §8.1). What must stay true: no file is overwritten without `--force`.
 */
import { ExitCode, HsyncError } from "../base/mod.ts";
import {
  type ConfigValue,
  dumpConfig,
  KEYS,
  type KeySpec,
  loadConfig,
  type LoadedConfig,
  nearest,
  type NetworkName,
  networkOf,
  noticeLines,
  usageError,
} from "../config/mod.ts";
import { type Command, type CommandCall, isSet, textOf } from "./command.ts";
import { outcome } from "./report_error.ts";
import { load } from "./run_command.ts";

/** The network of a plain dump; a wrong name is a slip here, not a broken configuration. */
function dumpNetwork(call: CommandCall): NetworkName {
  const text = textOf(call, "network") ?? "mainnet";
  const network = networkOf(text);
  if (network !== undefined) return network;
  throw usageError(
    "UNKNOWN_NETWORK",
    `there is no network ${JSON.stringify(text)}`,
    "try mainnet or testnet",
  );
}

function dumpText(call: CommandCall): string {
  const onlyUsed = isSet(call, "only-used");
  if (!isSet(call, "effective")) return dumpConfig(dumpNetwork(call), { onlyUsed });
  const loaded = load(call);
  return dumpConfig(loaded.config.network, { values: loaded.values, onlyUsed });
}

async function writeNew(path: string, text: string, force: boolean): Promise<void> {
  try {
    await Deno.writeTextFile(path, text, force ? { create: true } : { createNew: true });
  } catch (error) {
    const exists = error instanceof Deno.errors.AlreadyExists;
    throw new HsyncError(
      "CONFIG_WRITE",
      exists ? `${path} is there already` : `cannot write ${path}: ${String(error)}`,
      { hint: exists ? "pass --force to overwrite it" : "choose another place", cause: error },
    );
  }
}

const dump: Command = {
  name: "config dump",
  usage: "[FILE] [-n NETWORK] [--effective] [--only-used] [--force]",
  help: "print or write a harmony.conf",
  flags: ["effective", "only-used", "force"],
  args: [0, 1],
  run: async (call) => {
    const text = dumpText(call);
    const file = call.args[0];
    if (file === undefined) call.io.out(text.trimEnd());
    else await writeNew(file, text, isSet(call, "force"));
    return ExitCode.OK;
  },
};

const check: Command = {
  name: "config check",
  usage: "[FILE] [--strict] [--json]",
  help: "say what is wrong or worth knowing about a configuration",
  flags: ["strict", "json"],
  args: [0, 1],
  run: (call) => {
    const path = call.args[0];
    const loaded = loadConfig({ flags: call.flags, ...(path === undefined ? {} : { path }) });
    const { notices, config } = loaded;
    if (isSet(call, "json")) {
      call.io.out(
        JSON.stringify({ schema: 1, valid: true, network: config.network, shard: config.shard, notices }),
      );
    } else {
      const where = loaded.file === undefined ? "defaults and flags" : loaded.file.path;
      call.io.out(`${where}: valid; ${config.network}, shard ${config.shard}`);
      for (const line of noticeLines(notices)) call.io.out(`notice: ${line}`);
    }
    if (isSet(call, "strict") && notices.length > 0) {
      throw outcome(
        ExitCode.CONFIG_NOTICES,
        `the configuration has ${notices.length} notices`,
        "see the lines above",
      );
    }
    return Promise.resolve(ExitCode.OK);
  },
};

function show(value: ConfigValue | undefined): string {
  if (value === undefined) return "(not set)";
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

function explainKey(spec: KeySpec, loaded: LoadedConfig): string[] {
  const origin = loaded.origins.get(spec.path);
  const lines = [
    `${spec.path} = ${show(loaded.values.get(spec.path))}`,
    `  from     ${origin === undefined ? "nowhere" : `${origin.source}: ${origin.where}`}`,
    `  default  ${show(spec.fallback(loaded.config.network))} on ${loaded.config.network}`,
    `  does     ${spec.help}${spec.class === "used" ? "" : ` (${spec.class} by hsync)`}`,
  ];
  if (spec.flag !== undefined) lines.push(`  flag     --${spec.flag}`);
  if (spec.go !== undefined) lines.push(`  Go node  ${spec.go}`);
  return lines;
}

const explain: Command = {
  name: "config explain",
  usage: "[KEY]",
  help: "where a setting comes from and what it does; without KEY: everything that is not the default",
  flags: [],
  args: [0, 1],
  run: (call) => {
    const loaded = load(call);
    const key = call.args[0];
    if (key === undefined) {
      for (const [path, origin] of loaded.origins) {
        if (origin.source !== "default") {
          call.io.out(`${path} = ${show(loaded.values.get(path))}   ${origin.source}: ${origin.where}`);
        }
      }
      return Promise.resolve(ExitCode.OK);
    }
    const wanted = key.toLowerCase();
    const found = KEYS.filter((k) => {
      const path = k.path.toLowerCase();
      return path === wanted || path.endsWith(`.${wanted}`) || k.flag === key.replace(/^--/, "");
    });
    if (found.length === 0) {
      const guess = nearest(key, KEYS.map((k) => k.path));
      throw usageError(
        "UNKNOWN_KEY",
        `there is no key ${JSON.stringify(key)}`,
        guess === undefined ? "`hsync config dump` lists the keys" : `did you mean ${guess}?`,
      );
    }
    for (const spec of found) explainKey(spec, loaded).forEach((l) => call.io.out(l));
    return Promise.resolve(ExitCode.OK);
  },
};

export const CONFIG_COMMANDS: readonly Command[] = [
  dump,
  check,
  explain,
  { ...dump, name: "dumpconfig", usage: "FILE", args: [1, 1], hidden: true },
];
