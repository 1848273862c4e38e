/**
 * What a command is.
 *
 * Why it exists: the dispatcher, the help text and the tests read the same table. What must stay true: a command
 * returns its exit code or throws an error that carries one; it never ends the process itself.
 */
import type { ExitCode } from "../base/mod.ts";
import type { CliIo, NodeCommands } from "../api/mod.ts";
import type { FlagUse } from "../config/mod.ts";

/** What a command gets. */
export interface CommandCall {
  /** Words after the command's name. */
  readonly args: readonly string[];
  readonly flags: ReadonlyMap<string, FlagUse>;
  readonly io: CliIo;
  /** Loaded on demand: most commands need no node. */
  readonly node: () => Promise<NodeCommands>;
}

export interface Command {
  /** One or two words: `run`, `db import`. */
  readonly name: string;
  /** What follows the name, for the help text. */
  readonly usage: string;
  readonly help: string;
  /** Names of command flags that it takes beside those of `run`. */
  readonly flags: readonly string[];
  /** Words it takes: least and most. */
  readonly args: readonly [number, number];
  readonly hidden?: boolean;
  run(call: CommandCall): Promise<ExitCode>;
}

/** True when a yes-or-no flag was given. */
export function isSet(call: CommandCall, flag: string): boolean {
  return call.flags.get(flag)?.value === true;
}

/** The value of a number flag. */
export function numberOf(call: CommandCall, flag: string): number | undefined {
  const value = call.flags.get(flag)?.value;
  return typeof value === "number" ? value : undefined;
}

/** The value of a text flag. */
export function textOf(call: CommandCall, flag: string): string | undefined {
  const value = call.flags.get(flag)?.value;
  return typeof value === "string" ? value : undefined;
}
