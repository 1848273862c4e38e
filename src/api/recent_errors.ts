/**
 * The newest warnings and errors, for `/status`.
 *
 * Why it exists: whoever looks at the status page should not need the log file for the last thing that went wrong
 * (config-cli-metrics.md §8.4, `lastErrors`). What must stay true: bounded; a text is as safe as in the log.
 */
import { type LogRecord, type LogSink, safeText } from "../base/mod.ts";
import type { StatusDocument } from "./status_types.ts";

const KEPT = 20;

export class RecentErrors {
  readonly #kept: Array<StatusDocument["lastErrors"][number]> = [];

  /** Takes records of level warn and error. */
  readonly sink: LogSink = (record: LogRecord) => {
    if (record.level !== "warn" && record.level !== "error") return;
    const { code, peer, stream, error } = record.fields;
    const cause = error instanceof Error ? `: ${error.message}` : "";
    const from = peer ?? stream;
    this.#kept.unshift({
      at: new Date(record.time).toISOString(),
      code: typeof code === "string" ? safeText(code, 60) : record.area,
      text: safeText(record.message + cause),
      peer: typeof from === "string" ? safeText(from, 80) : null,
    });
    this.#kept.length = Math.min(this.#kept.length, KEPT);
  };

  /** Newest first. */
  list(): StatusDocument["lastErrors"] {
    return [...this.#kept];
  }
}
