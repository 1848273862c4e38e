/**
 * Where log records go: the file, and standard error as far as it helps.
 *
 * Why it exists: a terminal shows everything, the journal of a service only what matters, and `--log.console`
 * replaces the file (config-cli-metrics.md §4.2). What must stay true: the same record reads the same everywhere.
 */
import { formatRecord, LOG_LEVELS, type LogRecord, type LogSink } from "../base/mod.ts";
import type { LogConfig } from "../config/mod.ts";
import { LogFile } from "./log_file.ts";
import { jsonLine } from "./log_json.ts";
import { limitRepeats } from "./log_repeat.ts";

export interface LogSinks {
  readonly sinks: readonly LogSink[];
  /** Path of the log file; undefined when everything goes to standard error. */
  readonly path: string | undefined;
  /** Opens the file anew (SIGHUP). */
  reopen(): void;
  close(): Promise<void>;
}

export interface LogTarget {
  readonly terminal: boolean;
  readonly color: boolean;
  /** One line to standard error. */
  err(line: string): void;
}

const COLORS: Partial<Record<LogRecord["level"], string>> = {
  error: "31",
  warn: "33",
  debug: "2",
  trace: "2",
};

function consoleSink(target: LogTarget, least: LogRecord["level"]): LogSink {
  const limit = LOG_LEVELS.indexOf(least);
  return (record) => {
    if (LOG_LEVELS.indexOf(record.level) > limit) return;
    const line = formatRecord(record);
    const color = target.color && target.terminal ? COLORS[record.level] : undefined;
    target.err(color === undefined ? line : `\u001b[${color}m${line}\u001b[0m`);
  };
}

/**
 * Opens the sinks of a configuration.
 *
 * @throws {HsyncError} LOG_FILE when the log file cannot be written
 */
export function openLogSinks(config: LogConfig, target: LogTarget, now: () => number = Date.now): LogSinks {
  if (config.level === "off") {
    return {
      sinks: [],
      path: undefined,
      reopen() {},
      close: () => Promise.resolve(),
    };
  }
  if (config.console) {
    const sink = limitRepeats(consoleSink(target, "trace"));
    return { sinks: [sink], path: undefined, reopen() {}, close: () => Promise.resolve() };
  }
  const file = new LogFile({ ...config, now });
  const extra = config.context === undefined ? {} : { ip: config.context.ip, port: config.context.port };
  const toFile: LogSink = (record) => file.write(jsonLine(record, extra));
  const toConsole = consoleSink(target, target.terminal ? "info" : "warn");
  return {
    sinks: [limitRepeats(toFile), limitRepeats(toConsole)],
    path: file.path,
    reopen: () => file.reopen(),
    close: () => file.close(),
  };
}
