/**
 * Puts a configuration together: network first, then its defaults, the file, the flags, the rules, the checks.
 *
 * Why it exists: precedence is one sequence in one place (config-cli-metrics.md §1.2): defaults, then the file
 * (`-c`, else the path in `HSYNC_CONFIG`), then flags. What must stay true: loading reads one file and changes
 * nothing on disk; an error names the key and where its value comes from.
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import type { FlagUse } from "./argv.ts";
import { build } from "./build.ts";
import { configError, shown } from "./config_error.ts";
import { type FileConfig, readConfigText } from "./file.ts";
import { readFlags } from "./flag_values.ts";
import { noticeIgnored } from "./ignored.ts";
import { NETWORK_NAMES, type NetworkName, networkOf } from "./networks.ts";
import { addWarnings, applyRules } from "./rules.ts";
import { Settings } from "./settings.ts";
import type { LoadedConfig } from "./types.ts";
import { validate, validateAdjusted } from "./validate.ts";

/** The outside world of loading; every part has the real one as its default. */
export interface LoadOptions {
  readonly flags: ReadonlyMap<string, FlagUse>;
  /** Reads this file instead of the one that `-c` or `HSYNC_CONFIG` names. */
  readonly path?: string;
  readonly env?: (name: string) => string | undefined;
  readonly readText?: (path: string) => string;
  readonly exists?: (path: string) => boolean;
}

function parseNetwork(text: string, where: string): NetworkName {
  const network = networkOf(text);
  if (network !== undefined) return network;
  throw configError(
    "CONFIG_NETWORK",
    `${where}: there is no network ${shown(text)}`,
    `use one of ${NETWORK_NAMES.join(", ")}`,
  );
}

function readFile(path: string, readText: (path: string) => string, strict: boolean): FileConfig {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    const why = error instanceof Error && "code" in error && typeof error.code === "string"
      ? error.code
      : String(error);
    throw configError(
      "CONFIG_UNREADABLE",
      `cannot read the configuration file ${shown(path)}: ${why}`,
      "check the path after -c, or write one with `hsync config dump FILE`",
      error,
    );
  }
  return readConfigText(text, path, { strict });
}

/** The network that file and flags agree on. */
function resolveNetwork(
  file: { readonly path: string; readonly config: FileConfig } | undefined,
  flags: ReturnType<typeof readFlags>,
): NetworkName {
  const fromFlag = flags.values.get("Network.NetworkType");
  const fromFile = file?.config.values.get("Network.NetworkType");
  const flagged = fromFlag === undefined ? undefined : parseNetwork(String(fromFlag.value), fromFlag.flag);
  const filed = fromFile === undefined || file === undefined
    ? undefined
    : parseNetwork(String(fromFile.value), `${file.path}:${fromFile.line}`);
  if (flagged !== undefined && filed !== undefined && flagged !== filed) {
    throw configError(
      "CONFIG_NETWORK_DIFFERS",
      `the file says ${filed}, the flag says ${flagged}`,
      `leave out ${fromFlag?.flag ?? "--network"}, or use a file for ${flagged}`,
    );
  }
  return flagged ?? filed ?? "mainnet";
}

/**
 * Loads the configuration of a run.
 *
 * @throws {HsyncError} exit code 128 for an invalid configuration, 2 for a slip on the command line
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const env = options.env ?? ((name: string) => process.env[name]);
  const readText = options.readText ?? ((path: string) => readFileSync(path, "utf8"));
  const exists = options.exists ?? existsSync;
  const named = options.path ?? options.flags.get("config")?.value ?? env("HSYNC_CONFIG");
  const flags = readFlags(options.flags);
  const strict = options.flags.get("config.strict")?.value === true;
  const file = typeof named === "string" && named !== ""
    ? { path: named, config: readFile(named, readText, strict) }
    : undefined;

  const settings = new Settings(resolveNetwork(file, flags));
  settings.notices.push(...file?.config.notices ?? []);
  if (file !== undefined) {
    for (const [path, { value, line }] of file.config.values) {
      settings.set(path, value, { source: "file", where: `${file.path}:${line}` });
    }
    noticeIgnored(settings, file.config);
  }
  settings.notices.push(...flags.notices);
  for (const [path, { value, flag }] of flags.values) {
    settings.set(path, value, { source: "flag", where: flag });
  }
  const networkOrigin = settings.origins.get("Network.NetworkType");
  if (networkOrigin !== undefined) settings.set("Network.NetworkType", settings.network, networkOrigin);

  validate(settings);
  applyRules(settings);
  validateAdjusted(settings);
  addWarnings(settings, file?.config.sections ?? new Set(), file !== undefined);
  const config = build(settings, { flags: options.flags, env, exists });
  return {
    config,
    notices: settings.notices,
    values: settings.values,
    origins: settings.origins,
    file: file === undefined ? undefined : { path: file.path, version: file.config.version },
  };
}
