/**
 * Asks peers how high they are, one pinned question per stream, and keeps the target (sync-protocol.md §6.4.1 [TS]).
 *
 * Why it exists: an unpinned question lets a fast stream answer for the others. What must stay true: a silent peer
 * delays nobody longer than the patience below, and no peer is asked again while it still owes an answer.
 */
import { type Cancel, type Clock, type Logger, Signal } from "../base/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import { HEIGHT_MAX_AGE_MS, HeightBook, type HeightEstimate } from "./height.ts";

const POLL_TIMEOUT_MS = 10_000;
/** Once anybody has answered, the rest is waited for no longer than this. */
const PATIENCE_MS = 3_000;
/** Peers asked at once: enough for a quorum, bearable for a network where everybody asks. */
const WIDTH = 8;
/** A claim that led nowhere is tried again after twice this time, then four times and so on. */
const DOUBT_MS = 5_000;
const MAX_DOUBT_MS = 600_000;

/** Before anything on the monotonic clock. */
const NEVER = -Number.MAX_SAFE_INTEGER;

export interface HeightsOptions {
  readonly peers: PeerSource;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly minPeers: number;
  /** Height that the operator asked to stop at. */
  readonly stopAt: number | undefined;
}

export class Heights {
  readonly book: HeightBook;
  readonly #doubts = new Map<string, { readonly until: number; readonly times: number }>();
  readonly #asking = new Map<string, Promise<void>>();
  /** Streams whose last question failed. */
  readonly #silent = new Set<string>();
  readonly #stop = new AbortController();
  readonly #answered = new Signal();
  #listening: Cancel | undefined;
  #lastPollAt: number | undefined;

  constructor(private readonly options: HeightsOptions) {
    this.book = new HeightBook(options.clock);
  }

  /** Takes heights that peers announce without being asked, and forgets peers that left. */
  start(): void {
    const { peers, clock } = this.options;
    const { book } = this;
    for (const s of peers.streams()) {
      if (s.height !== undefined) book.note(s.id, s.height, s.heightAt ?? clock.now());
    }
    this.#listening = peers.on((event) => {
      this.#silent.delete(event.id);
      if (event.type === "height") book.note(event.id, event.height, clock.now());
      else if (event.type === "removed") {
        book.forget(event.id);
        this.#doubts.delete(event.id);
      } else {
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
  /**
   * How many peers must tell their height: `MinPeers`, or all if there are fewer, and at least one. Those that have no
   * blocks (a light node, one that has just begun) have nothing to tell and are not waited for; neither are those
   * that were asked and did not answer.
   */
  get needed(): number {
    const { minPeers, peers } = this.options;
    const empty = this.book.claims(HEIGHT_MAX_AGE_MS).filter((c) => c.height === 0);
    const idle = new Set([...empty.map((c) => c.streamId), ...this.#silent]);
    // Peers in reserve tell their height too, and are not among those that are counted here.
    return Math.max(1, Math.min(minPeers, peers.streams().filter(({ id }) => !idle.has(id)).length));
  }
  /** How many have done so within the last minute. */
  get told(): number {
    return this.book.claims(HEIGHT_MAX_AGE_MS).filter((c) => c.height > 0).length;
  }
  /** Where the chain ends as far as peers say; undefined while too few do. */
  estimate(): HeightEstimate | undefined {
    return this.book.estimate(this.needed);
  }
  /** The height to reach: the estimate, cut at the height that the operator asked for. */
  target(): number | undefined {
    return this.#cut(this.estimate()?.height);
  }
  /** The highest claim of any peer that is not in doubt, cut likewise. */
  highest(): number | undefined {
    const now = this.options.clock.monotonic();
    const heights = this.book.claims(HEIGHT_MAX_AGE_MS)
      .filter((c) => (this.#doubts.get(c.streamId)?.until ?? 0) <= now).map((c) => c.height);
    return heights.length === 0 ? undefined : this.#cut(Math.max(...heights));
  }
  /**
   * Trying the claims above `height` led nowhere: they are not tried again for a while, longer each time. They go on
   * counting towards the quorum: whoever was merely slow is not to hold the others back.
   */
  doubtAbove(height: number): void {
    const now = this.options.clock.monotonic();
    for (const { streamId, height: claimed } of this.book.claims(HEIGHT_MAX_AGE_MS)) {
      if (claimed <= height) continue;
      const times = (this.#doubts.get(streamId)?.times ?? 0) + 1;
      const term = Math.min(MAX_DOUBT_MS, DOUBT_MS * 2 ** Math.min(times, 10));
      this.#doubts.set(streamId, { until: now + term, times });
    }
  }
  #cut(height: number | undefined): number | undefined {
    const { stopAt } = this.options;
    return height === undefined || stopAt === undefined ? height : Math.min(height, stopAt);
  }
  /** Asks again, unless that was done less than `maxAgeMs` ago. @throws {HsyncError} CANCELLED. */
  async refresh(maxAgeMs: number, signal: AbortSignal): Promise<void> {
    if (this.age >= maxAgeMs) await this.#poll(Math.max(WIDTH, this.needed), this.needed, signal);
  }
  /** ms since the last poll began; Infinity before the first. */
  get age(): number {
    return this.#lastPollAt === undefined ? Infinity : this.options.clock.monotonic() - this.#lastPollAt;
  }

  /**
   * Asks up to `max` streams, those first that were not asked for longest. Resolves when at least two thirds of
   * them, and no fewer than `enough`, have answered, or when patience ends.
   */
  async #poll(max: number, enough: number, signal: AbortSignal): Promise<void> {
    const { peers, clock } = this.options;
    const { book } = this;
    const begun = clock.monotonic();
    this.#lastPollAt = begun;
    const ids = peers.streams().map((s) => s.id).filter((id) => !this.#asking.has(id))
      .sort((a, b) => (book.askedAt(a) ?? NEVER) - (book.askedAt(b) ?? NEVER)).slice(0, max);
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
    const { peers, clock, logger } = this.options;
    try {
      const answer = await peers.client.getBlockNumber({
        priority: "high",
        whitelist: new Set([id]),
        timeoutMs: POLL_TIMEOUT_MS,
        signal: this.#stop.signal,
      });
      // A peer that left meanwhile must not come back into the book.
      if (peers.streams().some((s) => s.id === id)) this.book.note(id, answer.value, clock.now());
      this.#silent.delete(id);
      return true;
    } catch (error) {
      if (peers.streams().some((s) => s.id === id)) this.#silent.add(id);
      if (!this.#stop.signal.aborted) logger.debug("a peer did not tell its height", { peer: id, error });
      return false;
    }
  }
}
