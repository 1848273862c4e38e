/**
 * One log record as one line of JSON, with the Go node's keys.
 *
 * Why it exists: `jq` habits and log shippers keep working (config-cli-metrics.md §4.1, §4.2): `level`, `time`,
 * `message` and the fields. What must stay true: text that a peer supplied is escaped and cut; a field never
 * overwrites one of the common keys.
 */
import { HsyncError, type LogRecord, safeText, to0x } from "../base/mod.ts";

const MAX_TEXT = 1_000;
const COMMON: ReadonlySet<string> = new Set(["level", "time", "message", "area"]);

function jsonValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return safeText(value, MAX_TEXT);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "boolean" || value === null || value === undefined) return value;
  if (value instanceof Uint8Array) return value.length > 64 ? to0x(value.subarray(0, 64)) + "…" : to0x(value);
  if (value instanceof Error) return safeText(value.message, MAX_TEXT);
  if (depth >= 3) return "…";
  if (Array.isArray(value)) return value.slice(0, 50).map((v) => jsonValue(v, depth + 1));
  if (typeof value === "object") {
    const entries = Object.entries(value).slice(0, 50).map((
      [k, v],
    ) => [safeText(k, 60), jsonValue(v, depth + 1)]);
    return Object.fromEntries(entries);
  }
  return typeof value;
}

/** What an error field adds beside its text. */
function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return {};
  const stack = error.stack === undefined ? {} : { stack: safeText(error.stack, 4_000) };
  return error instanceof HsyncError ? { errorCode: error.code, ...stack } : stack;
}

/**
 * The line without its newline.
 *
 * @param extra added to every line (`[Log.Context]`).
 */
export function jsonLine(record: LogRecord, extra: Readonly<Record<string, string | number>> = {}): string {
  const line: Record<string, unknown> = {
    level: record.level,
    ...extra,
    area: record.area,
    time: new Date(record.time).toISOString(),
  };
  for (const [key, value] of Object.entries(record.fields)) {
    line[COMMON.has(key) ? `field_${key}` : key] = jsonValue(value);
  }
  if (record.level === "error") Object.assign(line, errorFields(record.fields["error"]));
  line["message"] = safeText(record.message, MAX_TEXT);
  return JSON.stringify(line);
}
