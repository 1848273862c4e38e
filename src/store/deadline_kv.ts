/**
 * A limit to how long a remote database may keep us waiting.
 *
 * Why it exists: Deno's client for remote databases repeats a failing call for ever, and nothing in this program
 * waits silently (DESIGN.md rule 6). What must stay true: a call that ran into the limit may still take effect
 * later, so whoever writes treats it as a commit of unknown outcome.
 */
import { type Cancel, type Clock, HsyncError } from "../base/mod.ts";
import type { Kv, KvCheck, KvEntry, KvKey, KvListOptions, KvMutation, KvRange } from "./kv.ts";

/** Long enough for a restart of the server, short enough to be named before a minute is over. */
export const REMOTE_LIMIT_MS = 30_000;

export class DeadlineKv implements Kv {
  readonly #kv: Kv;
  readonly #clock: Clock;
  readonly #limitMs: number;

  constructor(kv: Kv, clock: Clock, limitMs: number = REMOTE_LIMIT_MS) {
    this.#kv = kv;
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  #limit<T>(what: string, call: Promise<T>): Promise<T> {
    let stop: Cancel = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      stop = this.#clock.after(this.#limitMs, () => {
        reject(
          new HsyncError("STORE_UNREACHABLE", `${what}: no answer in ${this.#limitMs / 1000} s`, {
            hint: "check that the database server of --db.url runs and can be reached",
            retryable: true,
          }),
        );
      });
    });
    return Promise.race([call, late]).finally(() => stop());
  }

  get(key: KvKey): Promise<KvEntry | undefined> {
    return this.#limit("reading from the database", this.#kv.get(key));
  }
  async *list(range: KvRange, options?: KvListOptions): AsyncIterable<KvEntry> {
    const rows = this.#kv.list(range, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#limit("reading from the database", rows.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      // Not awaited: after the limit it might never end.
      rows.return?.().catch(() => {});
    }
  }
  commit(checks: readonly KvCheck[], mutations: readonly KvMutation[]): Promise<string | undefined> {
    return this.#limit("writing to the database", this.#kv.commit(checks, mutations));
  }
  close(): void {
    this.#kv.close();
  }
}
