/** Configuration: one schema table; file, flags, defaults, notices. */
export * from "./types.ts";
export { NETWORK_NAMES, type NetworkName, networkOf } from "./networks.ts";
export { KEYS, keySpec } from "./schema.ts";
export type { FlagGroup, KeySpec } from "./key_spec.ts";
export { extraFlags, FLAGS, type FlagSpec } from "./flags.ts";
export { type FlagUse, parseArgv, type ParsedArgv } from "./argv.ts";
export { loadConfig, type LoadOptions } from "./load.ts";
export { dumpConfig, type DumpOptions } from "./dump.ts";
export { noticeLines } from "./ignored.ts";
export { configError, usageError } from "./config_error.ts";
export { nearest } from "./nearest.ts";
export { prepareDataDir } from "./data_dir.ts";
