/**
 * Every flag: those of the schema table, their old names, and those that belong to no key.
 *
 * Why it exists: an operator's unit file with the Go node's flags must start hsync (config-cli-metrics.md §2.2,
 * §2.4, §2.5). What must stay true: a name means one thing; boolean flags take a value only after `=`.
 */
import type { FlagGroup, KeyClass, ValueType } from "./key_spec.ts";
import { KEYS } from "./schema.ts";

export interface FlagSpec {
  /** Without dashes. */
  readonly name: string;
  /** One letter. */
  readonly short: string | undefined;
  readonly type: ValueType;
  /** The key it sets; undefined: see `name`. */
  readonly key: string | undefined;
  readonly class: KeyClass;
  readonly group: FlagGroup;
  readonly help: string;
  readonly hidden: boolean;
  /** An old name: what to write instead; empty text: nothing, it has no effect. */
  readonly insteadUse: string | undefined;
}

type Extra = readonly [
  name: string,
  type: ValueType,
  help: string,
  options?: Partial<Omit<FlagSpec, "name" | "type" | "help">>,
];

/** Builds flags that belong to no key of the file. */
export function extraFlags(group: FlagGroup, rows: readonly Extra[]): FlagSpec[] {
  return rows.map(([name, type, help, options = {}]) => ({
    name,
    type,
    help,
    short: undefined,
    key: undefined,
    class: "used",
    group,
    hidden: false,
    insteadUse: undefined,
    ...options,
  }));
}

const IGNORED = { class: "ignored", hidden: true } as const;

const RUN_FLAGS: readonly FlagSpec[] = [
  ...extraFlags("common", [
    ["config", "string", "read this harmony.conf", { short: "c" }],
    ["config.strict", "bool", "unknown keys in the file are errors", { hidden: true }],
    ["stop-at", "uint", "stop once this height is stored"],
    ["exit-when-synced", "bool", "stop once the head has reached what peers have"],
    ["deadline", "uint", "give up after this many seconds (exit 1)"],
    ["progress", "string", "auto, tty, plain or off"],
  ]),
  ...extraFlags("logging", [
    ["log.verbose-prints", "strings", "what to print at start: config or nothing", { hidden: true }],
    ["no-color", "bool", "no colours"],
    ["quiet", "bool", "no progress, no start banner", { short: "q" }],
  ]),
  ...extraFlags("ignored", [
    ["metrics", "bool", "second metrics registry of the Go node", IGNORED],
    ["metrics.expensive", "bool", "second metrics registry of the Go node", IGNORED],
    ["delay_commit", "string", "no effect", { ...IGNORED, insteadUse: "" }],
    ["block_period", "int", "no effect", { ...IGNORED, insteadUse: "" }],
  ]),
  ...extraFlags("network", [
    ["port", "int", "old way to shift every port", {
      hidden: true,
      insteadUse: "--p2p.port, --http.port and --prometheus.port",
    }],
    ["public_rpc", "bool", "old name", { hidden: true, insteadUse: "--http.ip" }],
    ["dns", "bool", "old name", { hidden: true, insteadUse: "--dns.client=false" }],
    ["staking", "bool", "old opposite of --run.legacy", { hidden: true, insteadUse: "--run.legacy" }],
  ]),
];

/** Every flag of `hsync run`. */
export const FLAGS: readonly FlagSpec[] = [
  ...KEYS.flatMap((k): FlagSpec[] => {
    const common = { type: k.type, key: k.path, class: k.class, group: k.group, help: k.help };
    const names = k.flag === undefined ? [] : [k.flag];
    return [
      ...names.map((name) => ({
        ...common,
        name,
        short: k.short,
        hidden: k.hidden || k.class !== "used",
        insteadUse: undefined,
      })),
      ...k.aliases.map((name) => ({
        ...common,
        name,
        short: undefined,
        hidden: true,
        insteadUse: undefined,
      })),
      ...k.deprecated.map((name) => ({
        ...common,
        name,
        short: undefined,
        hidden: true,
        insteadUse: k.flag === undefined ? "" : `--${k.flag}`,
      })),
    ];
  }),
  ...RUN_FLAGS,
];
