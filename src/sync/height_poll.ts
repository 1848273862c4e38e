/**
 * Asks peers how high they are: one pinned question per stream (sync-protocol.md §6.4.1 [TS]).
 *
 * Why it exists: an unpinned question lets a fast stream answer for the others. What must stay true: a silent peer
 * delays nobody longer than the patience below, and no peer is asked again while it still owes an answer.
 */
import { type Cancel, type Clock, type Logger, Signal } from "../base/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import type { HeightBook } from "./height.ts";

const POLL_TIMEOUT_MS = 10_000;
/** Once anybody has answered, the rest is waited for no longer than this. */
const PATIENCE_MS = 3_000;

export interface HeightPollOptions {
  readonly peers: PeerSource;
  readonly book: HeightBook;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class HeightPoll {
  readonly #asking = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #answered = new Signal();
  #listening: Cancel | undefined;
  #lastPollAt: number | undefined;

  constructor(private readonly options: HeightPollOptions) {}

  /** Takes heights that peers announce without being asked, and forgets peers that left. */
  start(): void {
    const { peers, book, clock } = this.options;
    for (const s of peers.streams()) {
      if (s.height !== undefined) book.note(s.id, s.height, s.heightAt ?? clock.now());
    }
    this.#listening = peers.on((event) => {
      if (event.type === "height") book.note(event.id, event.height, clock.now());
      else if (event.type === "removed") book.forget(event.id);
      else {
        const info = peers.streams().find((s) => s.id === event.id);
        if (info?.height !== undefined) book.note(info.id, info.height, info.heightAt ?? clock.now());
      }
    });
  }
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#listening?.();
    await Promise.allSettled([...this.#asking.values()]);
  }
  /** ms since the last poll began; Infinity before the first. */
  get age(): number {
    return this.#lastPollAt === undefined ? Infinity : this.options.clock.monotonic() - this.#lastPollAt;
  }

  /**
   * Asks up to `max` streams, those first that were not asked for longest. Resolves when at least two thirds of
   * them, and no fewer than `enough`, have answered, or when patience ends.
   * @throws {HsyncError} CANCELLED.
   */
  async poll(max: number, enough: number, signal: AbortSignal): Promise<void> {
    const { peers, book, clock } = this.options;
    const begun = clock.monotonic();
    this.#lastPollAt = begun;
    const ids = peers.streams().map((s) => s.id).filter((id) => !this.#asking.has(id))
      .sort((a, b) => (book.askedAt(a) ?? 0) - (book.askedAt(b) ?? 0)).slice(0, max);
    const wanted = Math.max(Math.min(enough, ids.length), Math.ceil(ids.length * 2 / 3));
    let answers = 0, settled = 0;
    for (const id of ids) {
      const run = this.#ask(id).then((ok) => {
        settled++;
        if (ok) answers++;
        this.#asking.delete(id);
        this.#answered.raise();
      });
      this.#asking.set(id, run);
    }
    while (settled < ids.length && answers < wanted) {
      const spent = clock.monotonic() - begun;
      if (spent >= POLL_TIMEOUT_MS || (answers > 0 && spent >= PATIENCE_MS)) return;
      await this.#answered.wait(clock, 250, signal);
    }
  }
  /** True when the peer answered; the stream client has already acted on a failure. */
  async #ask(id: string): Promise<boolean> {
    const { peers, book, clock, logger } = this.options;
    try {
      const answer = await peers.client.getBlockNumber({
        priority: "high",
        whitelist: new Set([id]),
        timeoutMs: POLL_TIMEOUT_MS,
        signal: this.#stop.signal,
      });
      book.note(id, answer.value, clock.now());
      return true;
    } catch (error) {
      if (!this.#stop.signal.aborted) logger.debug("a peer did not tell its height", { peer: id, error });
      return false;
    }
  }
}
