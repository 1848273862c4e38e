/**
 * Keeps one message from drowning the rest.
 *
 * Why it exists: a peer can make the same thing happen a thousand times a second; logs must stay readable and
 * small (config-cli-metrics.md §4.2). What must stay true: nothing vanishes without trace: the next line that is
 * written says how many were left out; errors without a code are always written.
 */
import { type LogRecord, type LogSink, LruMap } from "../base/mod.ts";

const WINDOW_MS = 60_000;
const REMEMBERED = 1_000;

/** A sink that passes one record per `code` and peer each minute, with a `repeated` count. */
export function limitRepeats(sink: LogSink): LogSink {
  const seen = new LruMap<string, { since: number; left: number }>(REMEMBERED);
  return (record: LogRecord) => {
    const { code, peer, stream } = record.fields;
    if (typeof code !== "string") return sink(record);
    const key = `${code} ${String(peer ?? stream ?? "")}`;
    const before = seen.get(key);
    if (before !== undefined && record.time - before.since < WINDOW_MS) {
      before.left++;
      return;
    }
    seen.set(key, { since: record.time, left: 0 });
    const left = before?.left ?? 0;
    sink(left === 0 ? record : { ...record, fields: { ...record.fields, repeated: left } });
  };
}
