/**
 * `hsync run`: load the configuration, say what is worth saying, hand over to the node.
 *
 * Why it exists: the start of a node is where a wrong setting must show. What must stay true: notices are printed
 * once, before anything else starts; nothing is written to the operator's file.
 */
import { loadConfig, type LoadedConfig, noticeLines, prepareDataDir } from "../config/mod.ts";
import type { Command, CommandCall } from "./command.ts";

/** Loads the configuration of a call. @throws {HsyncError} exit code 128 or 2 */
export function load(call: CommandCall): LoadedConfig {
  return loadConfig({ flags: call.flags });
}

export const runCommand: Command = {
  name: "run",
  usage: "[flags]",
  help: "start the node (also without the word run)",
  flags: [],
  args: [0, 0],
  run: async (call) => {
    const loaded = load(call);
    if (!loaded.config.run.quiet) {
      for (const line of noticeLines(loaded.notices)) call.io.err(`notice: ${line}`);
    }
    prepareDataDir(loaded.config.dataDir);
    return await (await call.node()).runNode(loaded, call.io);
  },
};

/** What matters to a process that stays: a run that ends by itself within seconds is not worth the words. */
const OF_LONG_RUNS: readonly string[] = ["CFG-LOG-BOUNDED", "CFG-METRICS-OPEN"];

export const lightCommand: Command = {
  name: "light",
  usage: "[flags] [--json]",
  help: "only the newest certified head: its age, who signed it, with which voting power",
  flags: ["json"],
  args: [0, 0],
  run: async (call) => {
    const loaded = load(call);
    const { quiet, exitWhenSynced } = loaded.config.run;
    if (!quiet) {
      const notices = loaded.notices.filter(({ code }) => !exitWhenSynced || !OF_LONG_RUNS.includes(code));
      for (const line of noticeLines(notices)) call.io.err(`notice: ${line}`);
    }
    const json = call.flags.get("json")?.value === true;
    return await (await call.node()).runLight(loaded, { json }, call.io);
  },
};

export const demoCommand: Command = {
  name: "demo",
  usage: "",
  help: "synchronise a recorded chain from four local nodes, in under a minute",
  flags: ["json"],
  args: [0, 0],
  run: async (call) =>
    await (await call.node()).runDemo({ json: call.flags.get("json")?.value === true }, call.io),
};
