/**
 * Flags of single commands, beside those of `run`.
 *
 * Why it exists: `--json` and its like belong to commands, not to a configuration (config-cli-metrics.md §8.1). What
 * must stay true: using one with a command that does not take it is an error, not a silent nothing.
 */
import { extraFlags, type FlagSpec } from "../config/mod.ts";

export const COMMAND_FLAGS: readonly FlagSpec[] = extraFlags("command", [
  ["help", "bool", "show help", { short: "h" }],
  ["help-all", "bool", "show every flag, old names too"],
  ["version", "bool", "show the version", { short: "V" }],
  ["json", "bool", "machine-readable output"],
  ["force", "bool", "overwrite an existing file"],
  ["strict", "bool", "notices count as failure (exit 5)"],
  ["effective", "bool", "dump what is in force after file and flags"],
  ["only-used", "bool", "leave out what hsync ignores"],
  ["from", "uint", "first block"],
  ["to", "uint", "last block"],
  ["all-signatures", "bool", "verify the certificate of every block"],
  ["url", "string", "status listener to ask, for example http://127.0.0.1:9900"],
]);

/** Flags that every command takes. */
export const GLOBAL_FLAGS: ReadonlySet<string> = new Set(["help", "help-all", "version"]);
