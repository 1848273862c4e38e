/**
 * From flags as typed to values of the schema table.
 *
 * Why it exists: old names, flags that set several keys and flags of features that hsync lacks need a decision
 * each (config-cli-metrics.md §2.2). What must stay true: the newest name of a setting wins over its old ones, and
 * a flag whose silent loss would be dangerous ends the program.
 */
import { configError } from "./config_error.ts";
import type { FlagSpec } from "./flags.ts";
import type { FlagUse } from "./argv.ts";
import type { ConfigValue, Notice } from "./types.ts";

export interface FlagValues {
  /** By key path; `flag` with its dashes. */
  readonly values: ReadonlyMap<string, { readonly value: ConfigValue; readonly flag: string }>;
  readonly notices: readonly Notice[];
}

/** How far each service's port lay from the one port of the oldest command lines (§2.2, `--port P`). */
const PORT_OFFSETS: ReadonlyArray<readonly [key: string, offset: number]> = [
  ["P2P.Port", 0],
  ["HTTP.Port", 500],
  ["HTTP.AuthPort", 501],
  ["HTTP.RosettaPort", 700],
  ["WS.Port", 800],
  ["WS.AuthPort", 801],
  ["DNSSync.Port", -3000],
  ["DNSSync.ServerPort", -3000],
];

/** What a flag without a key of its own sets. */
function spread(spec: FlagSpec, value: ConfigValue): ReadonlyArray<readonly [string, ConfigValue]> {
  if (spec.key !== undefined) return [[spec.key, value]];
  switch (spec.name) {
    case "port":
      return PORT_OFFSETS.map(([key, offset]) => [key, Number(value) + offset]);
    case "staking":
      return [["General.NoStaking", value !== true]];
    case "dns":
      return value === false ? [["DNSSync.Client", false]] : [];
    case "public_rpc":
      return [["HTTP.IP", value === true ? "0.0.0.0" : "127.0.0.1"]];
    case "log.verbose-prints":
      return [[
        "Log.VerbosePrints.Config",
        Array.isArray(value) && value.some((v) => String(v).toLowerCase() === "config"),
      ]];
    default:
      return [];
  }
}

/** Old names first, so that newer ones overwrite what they set. */
function byAge(a: FlagUse, b: FlagUse): number {
  return Number(a.spec.insteadUse === undefined) - Number(b.spec.insteadUse === undefined);
}

function groupOf(spec: FlagSpec): string {
  const source = spec.insteadUse?.startsWith("--") ? spec.insteadUse.slice(2) : spec.name;
  return source.split(".")[0] as string;
}

/**
 * The values that flags set.
 *
 * @throws {HsyncError} FLAG_REJECTED (exit 128) for flags that ask for work only the Go node can do
 */
export function readFlags(flags: ReadonlyMap<string, FlagUse>): FlagValues {
  const values = new Map<string, { value: ConfigValue; flag: string }>();
  const notices: Notice[] = [];
  const ignoredGroups = new Map<string, string[]>();
  for (const { spec, value } of [...flags.values()].sort(byAge)) {
    const flag = `--${spec.name}`;
    if (spec.class === "rejected") {
      throw configError(
        "FLAG_REJECTED",
        `${flag}: hsync does not do this (${spec.help}), and starting without it would hide that`,
        "run that job with the Go node, or leave the flag out",
      );
    }
    if (spec.class === "ignored") {
      const group = groupOf(spec);
      ignoredGroups.set(group, [...ignoredGroups.get(group) ?? [], flag]);
    } else if (spec.insteadUse !== undefined) {
      notices.push({ code: "CFG-OLD-FLAG", text: `${flag} is an old name; write ${spec.insteadUse}` });
    }
    for (const [key, keyValue] of spread(spec, value)) values.set(key, { value: keyValue, flag });
  }
  for (const [group, names] of ignoredGroups) {
    notices.push({
      code: `CFG-IGN-FLAG-${group.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`,
      text: `no effect in hsync: ${names.join(" ")}`,
    });
  }
  return { values, notices };
}
