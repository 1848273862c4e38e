/**
 * `hsync db …`: the store without a running node.
 *
 * Why it exists: import, export and checks work on the same store as `run`, with the same settings. What must stay
 * true: network, shard and data directory come from the same flags and file as for `run`.
 */
import type { Command } from "./command.ts";
import { isSet, numberOf } from "./command.ts";
import { prepareDataDir, usageError } from "../config/mod.ts";
import { load } from "./run_command.ts";

/** Refuses a range that ends before it begins. */
function checkRange(from: number | undefined, to: number | undefined): void {
  if (from !== undefined && to !== undefined && from > to) {
    throw usageError("BAD_RANGE", `--from ${from} is above --to ${to}`, "give the lower height to --from");
  }
}

export const DB_COMMANDS: readonly Command[] = [
  {
    name: "db import",
    usage: "FILE [-n NETWORK] [--shard N] [-d DIR]",
    help: "check and store the blocks of a recording or an export",
    flags: [],
    args: [1, 1],
    run: async (call) => {
      const loaded = load(call);
      prepareDataDir(loaded.config.dataDir);
      return await (await call.node()).dbImport(loaded, { file: call.args[0] as string }, call.io);
    },
  },
  {
    name: "db export",
    usage: "FILE [--from N] [--to N]",
    help: "write the stored blocks to a file",
    flags: ["from", "to"],
    args: [1, 1],
    run: async (call) => {
      const [from, to] = [numberOf(call, "from"), numberOf(call, "to")];
      checkRange(from, to);
      const options = { file: call.args[0] as string, from, to };
      return await (await call.node()).dbExport(load(call), options, call.io);
    },
  },
  {
    name: "db info",
    usage: "[--json]",
    help: "what the store holds",
    flags: ["json"],
    args: [0, 0],
    run: async (call) => await (await call.node()).dbInfo(load(call), { json: isSet(call, "json") }, call.io),
  },
  {
    name: "db verify",
    usage: "[--from N] [--to N] [--all-signatures] [--json]",
    help: "check the stored blocks again; exit 10 at the first that is not in order",
    flags: ["from", "to", "all-signatures", "json"],
    args: [0, 0],
    run: async (call) => {
      const [from, to] = [numberOf(call, "from"), numberOf(call, "to")];
      checkRange(from, to);
      const options = { from, to, allSignatures: isSet(call, "all-signatures"), json: isSet(call, "json") };
      return await (await call.node()).dbVerify(load(call), options, call.io);
    },
  },
  {
    name: "db unwind",
    usage: "--to N [--json]",
    help: "take away every block above N; needs the store for itself",
    flags: ["to", "json"],
    args: [0, 0],
    run: async (call) => {
      const to = numberOf(call, "to");
      if (to === undefined) {
        throw usageError(
          "MISSING_VALUE",
          "`hsync db unwind` needs to know how far",
          "write `hsync db unwind --to N`: block N becomes the head",
        );
      }
      return await (await call.node()).dbUnwind(load(call), { to, json: isSet(call, "json") }, call.io);
    },
  },
];
