/**
 * Structured logging.
 *
 * Why it exists: one line has one shape (time, level, area, message, fields) whoever writes it, so that an
 * operator can grep and a test can capture. What must stay true: text that a peer supplied is escaped and
 * cut before it reaches a sink, and logging never throws.
 */

export const LOG_LEVELS = ["off", "error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = typeof LOG_LEVELS[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogRecord {
  /** ms since 1970. */
  readonly time: number;
  readonly level: Exclude<LogLevel, "off">;
  readonly area: string;
  readonly message: string;
  readonly fields: LogFields;
}

export type LogSink = (record: LogRecord) => void;

export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  trace(message: string, fields?: LogFields): void;
  /** A logger for a part of the program: `root.child("stream")`. */
  child(area: string): Logger;
  /** True when a record of this level would be written: spares building costly fields. */
  enabled(level: Exclude<LogLevel, "off">): boolean;
}

const MAX_FIELD = 300;

/** C0 and C1 controls, line separators and bidirectional overrides: they can rewrite a terminal or a log line. */
function isUnsafe(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0x2028 || code === 0x2029 ||
    (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

function escape(c: string): string {
  return "\\u" + (c.codePointAt(0) as number).toString(16).padStart(4, "0");
}

/** Text safe for a terminal and a log line: control characters escaped, cut to `max` characters. */
export function safeText(text: string, max = MAX_FIELD): string {
  const cut = text.length > max ? text.slice(0, max) + "…" : text;
  let out = "";
  for (const c of cut) out += isUnsafe(c.codePointAt(0) as number) ? escape(c) : c;
  return out;
}

function fieldText(value: unknown): string {
  if (value instanceof Uint8Array) {
    let hex = "0x";
    for (const b of value.subarray(0, 32)) hex += b.toString(16).padStart(2, "0");
    return value.length > 32 ? hex + "…" : hex;
  }
  if (value instanceof Error) return safeText(value.message);
  if (typeof value === "string") {
    return /[\s="]/.test(value) ? JSON.stringify(safeText(value)) : safeText(value);
  }
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  if (value === null || value === undefined) return "-";
  try {
    return safeText(JSON.stringify(value, (_k, v) => typeof v === "bigint" ? v.toString() : v));
  } catch {
    return "[unprintable]";
  }
}

/** One record as one text line without the newline. */
export function formatRecord(record: LogRecord): string {
  const level = record.level.toUpperCase().padEnd(5);
  let line = `${new Date(record.time).toISOString()} ${level} ${record.area.padEnd(7)} ${
    safeText(record.message, 1000)
  }`;
  for (const [key, value] of Object.entries(record.fields)) line += ` ${key}=${fieldText(value)}`;
  return line;
}

class SinkLogger implements Logger {
  constructor(
    private readonly area: string,
    private readonly config: {
      level: LogLevel;
      readonly now: () => number;
      readonly sinks: readonly LogSink[];
    },
  ) {}
  #write(level: Exclude<LogLevel, "off">, message: string, fields: LogFields = {}): void {
    if (!this.enabled(level)) return;
    const record: LogRecord = { time: this.config.now(), level, area: this.area, message, fields };
    for (const sink of this.config.sinks) {
      try {
        sink(record);
      } catch {
        // A sink that fails (closed terminal, full disk) must not take the node with it.
      }
    }
  }
  enabled(level: Exclude<LogLevel, "off">): boolean {
    return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(this.config.level);
  }
  error(m: string, f?: LogFields): void {
    this.#write("error", m, f);
  }
  warn(m: string, f?: LogFields): void {
    this.#write("warn", m, f);
  }
  info(m: string, f?: LogFields): void {
    this.#write("info", m, f);
  }
  debug(m: string, f?: LogFields): void {
    this.#write("debug", m, f);
  }
  trace(m: string, f?: LogFields): void {
    this.#write("trace", m, f);
  }
  child(area: string): Logger {
    return new SinkLogger(area, this.config);
  }
}

/** A root logger that writes to `sinks` what is at least as important as `level`. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly sinks: readonly LogSink[];
  readonly area?: string;
  readonly now?: () => number;
}): Logger {
  return new SinkLogger(options.area ?? "node", {
    level: options.level,
    now: options.now ?? Date.now,
    sinks: options.sinks,
  });
}

/** A logger that writes nothing. */
export const nullLogger: Logger = createLogger({ level: "off", sinks: [] });
