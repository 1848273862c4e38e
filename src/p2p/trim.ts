/**
 * Which connections go when there are too many (`ConnManagerLowWatermark`, `ConnManagerHighWatermark`).
 *
 * Why it exists: the network library knows one limit, above which it refuses whoever comes; a Go node lets everybody in,
 * and now and then sends those away who are of the least use. What must stay true: a peer that anybody protects stays, and
 * so does a connection that carries a sync stream or is younger than a minute, a quarter of that if nothing ever came of it;
 * between two rounds others get time to come; and a round needs no newcomer, since a full house lets nobody in.
 */
import type { Connection } from "@libp2p/interface";
import type { Cancel, Clock, Logger } from "../base/mod.ts";

/** Numbers of connections. `high` 0: nobody is ever sent away. */
export interface Watermarks {
  /** What is left after a round. */
  readonly low: number;
  /** A round begins above it. */
  readonly high: number;
}

/** A connection younger than this has not had the time to show its use. */
const GRACE_MS = 60_000;
/** One whose peer has not even said who it is. A Go node does within a second. */
const MUTE_GRACE_MS = 15_000;
/** Between two rounds. */
const PAUSE_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5_000;

export interface TrimOptions {
  readonly marks: Watermarks;
  readonly clock: Clock;
  readonly log: Logger;
  /** All connections, each with how many of our streams it carries. */
  readonly connections: () => Connection[];
  readonly streamsOn: (connection: Connection) => number;
  /** True once a peer has told what it speaks. */
  readonly identified: (peerId: string) => boolean;
  /** True for a peer that the operator named. */
  readonly isStatic: (peerId: string) => boolean;
}

export class Trim {
  readonly #o: TrimOptions;
  /** Protected peers, and on whose account. */
  readonly #guarded = new Map<string, Set<string>>();
  #lastAt: number | undefined;

  constructor(options: TrimOptions) {
    this.#o = options;
  }

  guard(peerId: string, tag: string): void {
    this.#guarded.set(peerId, new Set([...this.#guarded.get(peerId) ?? [], tag]));
  }
  unguard(peerId: string, tag: string): void {
    const tags = this.#guarded.get(peerId);
    if (tags?.delete(tag) === true && tags.size === 0) this.#guarded.delete(peerId);
  }

  /** Looks from now on, also while nobody comes. @param run keeps the promise of a look, which never rejects. */
  begin(run: (look: Promise<void>) => void): Cancel {
    return this.#o.clock.every(PAUSE_MS, () => run(this.look()));
  }

  /** Looks whether there are too many connections now. Never rejects. */
  async look(): Promise<void> {
    const { marks, clock, log, connections } = this.#o;
    const now = clock.monotonic();
    if (marks.high === 0 || (this.#lastAt !== undefined && now - this.#lastAt < PAUSE_MS)) return;
    const all = connections();
    if (all.length <= marks.high) return;
    this.#lastAt = now;
    const chosen = this.choose(all);
    log.debug("connections are trimmed", { connections: all.length, closed: chosen.length, ...marks });
    const signal = AbortSignal.timeout(CLOSE_TIMEOUT_MS);
    await Promise.all(
      chosen.map((c) => c.close({ signal }).catch((error) => c.abort(error))),
    );
  }

  /** Those that go: the fewest streams of any kind first, then those that others opened, then the youngest. */
  choose(all: readonly Connection[]): Connection[] {
    const { marks, clock, streamsOn, identified, isStatic } = this.#o;
    const grace = (c: Connection) =>
      c.streams.length === 0 && !identified(c.remotePeer.toString()) ? MUTE_GRACE_MS : GRACE_MS;
    const stays = (peerId: string) => this.#guarded.has(peerId) || isStatic(peerId);
    const now = clock.now();
    return all
      .filter((c) => now - c.timeline.open >= grace(c) && streamsOn(c) === 0)
      .filter((c) => !stays(c.remotePeer.toString()))
      .sort((a, b) =>
        a.streams.length - b.streams.length ||
        Number(a.direction === "outbound") - Number(b.direction === "outbound") ||
        b.timeline.open - a.timeline.open
      )
      .slice(0, Math.max(0, all.length - marks.low));
  }
}
