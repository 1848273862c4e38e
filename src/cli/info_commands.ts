/**
 * Commands that only tell: version, metrics, shipped files.
 *
 * Why it exists: scripts parse them (config-cli-metrics.md §8.1). What must stay true: the word after the first comma of
 * the version line is `version`, as in the Go node's.
 */
import { ExitCode } from "../base/mod.ts";
import { BUILD, CATALOGUE, DASHBOARD, RULES, SYSTEMD_UNIT } from "../api/mod.ts";
import { usageError } from "../config/mod.ts";
import { type Command, isSet } from "./command.ts";

/** The line of `hsync version`. */
export function versionLine(): string {
  return `hsync (C) 2026, version ${BUILD.version} (commit ${BUILD.commit}, deno ${BUILD.deno}, ${BUILD.target})`;
}

export const versionCommand: Command = {
  name: "version",
  usage: "[--json]",
  help: "show the version",
  flags: ["json"],
  args: [0, 0],
  run: (call) => {
    call.io.out(isSet(call, "json") ? JSON.stringify({ schema: 1, ...BUILD }) : versionLine());
    return Promise.resolve(ExitCode.OK);
  },
};

const metricsList: Command = {
  name: "metrics list",
  usage: "[--json]",
  help: "every metric with its type, labels and meaning",
  flags: ["json"],
  args: [0, 0],
  run: (call) => {
    for (const { name, type, labels, help } of CATALOGUE) {
      const names = Object.keys(labels);
      call.io.out(
        isSet(call, "json")
          ? JSON.stringify({ name, type, labels: names, help })
          : `${name}${names.length === 0 ? "" : `{${names.join(",")}}`}  ${type}  ${help}`,
      );
    }
    return Promise.resolve(ExitCode.OK);
  },
};

/** A command that prints a file of the project. */
function printed(name: string, help: string, text: string): Command {
  return {
    name,
    usage: "",
    help,
    flags: [],
    args: [0, 0],
    run: (call) => {
      call.io.out(text.trimEnd());
      return Promise.resolve(ExitCode.OK);
    },
  };
}

/** Commands of the Go node that work on its LevelDB. */
function foreign(name: string): Command {
  return {
    name,
    usage: "",
    help: "belongs to the Go node",
    flags: [],
    args: [0, 9],
    hidden: true,
    run: () => {
      throw usageError(
        "FOREIGN_COMMAND",
        `${name} works on the Go node's LevelDB, which hsync never opens`,
        "see `hsync db export`",
      );
    },
  };
}

export const INFO_COMMANDS: readonly Command[] = [
  versionCommand,
  metricsList,
  printed("metrics dashboard", "print a Grafana dashboard", DASHBOARD),
  printed("metrics rules", "print recording and alert rules for Prometheus", RULES),
  printed("systemd unit", "print a unit file for systemd", SYSTEMD_UNIT),
  foreign("dumpdb"),
  foreign("inspectdb"),
];
