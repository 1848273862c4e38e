/**
 * `hsync doctor` and `hsync peers test`: what is wrong here, what is wrong with that peer.
 *
 * Why it exists: the two questions before anybody is asked for help (config-cli-metrics.md §8.1). What must stay true: the
 * settings are those of `hsync run` with the same flags and file.
 */
import { type Command, isSet } from "./command.ts";
import { load } from "./run_command.ts";

export const TROUBLE_COMMANDS: readonly Command[] = [
  {
    name: "doctor",
    usage: "[--json]",
    help: "look at everything that is usually wrong; exit 6 when something is",
    flags: ["json"],
    args: [0, 0],
    run: async (call) =>
      await (await call.node()).runDoctor(load(call), { json: isSet(call, "json") }, call.io),
  },
  {
    name: "peers test",
    usage: "MULTIADDR [--json]",
    help: "dial one peer, open the sync protocol, ask its height; each step with its time",
    flags: ["json"],
    args: [1, 1],
    run: async (call) => {
      const options = { address: call.args[0] as string, json: isSet(call, "json") };
      return await (await call.node()).tryPeer(load(call), options, call.io);
    },
  },
];
