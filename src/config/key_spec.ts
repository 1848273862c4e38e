/**
 * The shape of one row of the schema table, and the shorthand the tables are written in.
 *
 * Why it exists: a key's type, default, flag, help and fate are one fact each and stand in one row, from which
 * loading, flags, dump, check and explain are all derived. What must stay true: a path occurs once, and a flag
 * name belongs to one row.
 */
import type { ConfigValue } from "./types.ts";
import type { NetworkName } from "./networks.ts";

export type ValueType = "bool" | "int" | "uint" | "float" | "string" | "strings" | "ints" | "duration";

/** `used`: it changes what hsync does; `ignored`: read and passed over; `rejected`: setting it is an error. */
export type KeyClass = "used" | "ignored" | "rejected";

/** The chapters of the help text. */
export type FlagGroup = "common" | "network" | "sync" | "logging" | "monitoring" | "ignored" | "command";

/** One key of the file. */
export interface KeySpec {
  /** Section and key, for example `Sync.StagedSyncCfg.UseMemDB`. */
  readonly path: string;
  readonly type: ValueType;
  readonly class: KeyClass;
  readonly group: FlagGroup;
  /** The default of a network; undefined: the key is optional and has none. */
  readonly fallback: (network: NetworkName) => ConfigValue | undefined;
  /** What it does, one line. */
  readonly help: string;
  /** What the Go node does, where that differs. */
  readonly go: string | undefined;
  /** Main flag, without dashes. */
  readonly flag: string | undefined;
  readonly short: string | undefined;
  /** Further flag names, as good as the main one. */
  readonly aliases: readonly string[];
  /** Old flag names: used, with one warning. */
  readonly deprecated: readonly string[];
  /** Not in `--help`, only in `--help-all`. */
  readonly hidden: boolean;
  /** Not part of the Go node's dump (1.4), so not part of ours. */
  readonly undumped: boolean;
  /** Text to dump instead of the value's own form. */
  readonly raw: string | undefined;
}

type Default = ConfigValue | undefined | ((network: NetworkName) => ConfigValue | undefined);

/** What a row may say beyond name, type, default and help. */
export interface RowOptions {
  readonly flag?: string;
  readonly short?: string;
  readonly aliases?: readonly string[];
  readonly deprecated?: readonly string[];
  readonly hidden?: boolean;
  readonly undumped?: boolean;
  readonly raw?: string;
  readonly go?: string;
  readonly class?: KeyClass;
  readonly group?: FlagGroup;
}

/** Name, type, default, help, the rest. */
export type Row = readonly [
  name: string,
  type: ValueType,
  fallback: Default,
  help: string,
  options?: RowOptions,
];

/** The rows of one section. */
export function section(
  name: string,
  common: { readonly class: KeyClass; readonly group: FlagGroup; readonly undumped?: boolean },
  rows: readonly Row[],
): KeySpec[] {
  return rows.map(([key, type, fallback, help, options = {}]) => ({
    path: `${name}.${key}`,
    type,
    class: options.class ?? common.class,
    group: options.group ?? common.group,
    fallback: typeof fallback === "function" ? fallback : () => fallback,
    help,
    go: options.go,
    flag: options.flag,
    short: options.short,
    aliases: options.aliases ?? [],
    deprecated: options.deprecated ?? [],
    hidden: options.hidden ?? false,
    undumped: options.undumped ?? common.undumped ?? false,
    raw: options.raw,
  }));
}

/** A default that differs between networks; `other` is for those without a value of their own. */
export function per<T extends ConfigValue>(
  values: Partial<Record<NetworkName, T>> & { readonly other: T },
): (network: NetworkName) => T {
  return (network) => values[network] ?? values.other;
}
