/**
 * The skeleton: sparse heights, and which hash which peer gave for each (sync-protocol.md §6.5 BlockHashes [TS]).
 *
 * Why it exists: one agreed hash every ten blocks is enough to check bodies on arrival, at a tenth of the
 * requests that asking for every hash would cost. What must stay true: answers only order candidates; a vote is
 * one peer's word, it never outlives the peer's conviction, and a candidate that was refused is not tried again
 * until somebody says it anew.
 */
import { compareBytes, equalBytes } from "../base/mod.ts";
import { MAX_HASHES_PER_REQUEST, SKELETON_STEP } from "./types.ts";

/** One hash that was named for a height. */
export interface Candidate {
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly voters: Set<string>;
  /** Why it is not tried (again); undefined while it is in play. */
  refused: string | undefined;
  /** Set when it was refused for not linking: the height that it was held against. Void once that height is given up. */
  unlinked?: number;
}

type Answer = "pending" | "voted" | "lacks" | "failed";

/** A height of the skeleton. */
export interface SkeletonPoint {
  readonly number: number;
  readonly candidates: Candidate[];
  /** Who was asked, when (ms), and what came of it. */
  readonly asks: Map<string, { at: number; answer: Answer }>;
}

/** Who may be asked, and how many must answer. */
export interface AskPolicy {
  /** Votes a point wants before it is used. */
  readonly votes: number;
  /** A question older than this is overdue: somebody else is asked too. */
  readonly overdueMs: number;
  readonly now: number;
}

export class Skeleton {
  #points: SkeletonPoint[] = [];
  #base: number;

  /** @param base height that needs no skeleton any more: everything up to it is at hand. */
  constructor(base: number) {
    this.#base = base;
  }
  get base(): number {
    return this.#base;
  }
  /** Highest planned height. */
  get tip(): number {
    return this.#points.at(-1)?.number ?? this.#base;
  }
  /** Ascending. */
  get points(): readonly SkeletonPoint[] {
    return this.#points;
  }
  at(number: number): SkeletonPoint | undefined {
    return this.#points.find((p) => p.number === number);
  }
  /** The lowest point above `number`. */
  after(number: number): SkeletonPoint | undefined {
    return this.#points.find((p) => p.number > number);
  }
  /** The lowest point at or above `number`: the one whose hash covers it. */
  covering(number: number): SkeletonPoint | undefined {
    return this.#points.find((p) => p.number >= number);
  }

  /**
   * Plans the multiples of ten above the tip up to `limit`, and the target last when the plan reaches it.
   * `extra` heights (what peers claim) become points too, so that a target that is a lie does not keep the
   * last true blocks out of reach.
   */
  extend(limit: number, target: number, extra: readonly number[] = []): void {
    const top = Math.min(limit, target);
    const tip = this.tip;
    if (top <= tip) return;
    const numbers = new Set<number>();
    for (let n = (Math.floor(tip / SKELETON_STEP) + 1) * SKELETON_STEP; n <= top; n += SKELETON_STEP) {
      numbers.add(n);
    }
    for (const n of extra) if (n > tip && n <= top) numbers.add(n);
    if (target <= limit) numbers.add(target);
    for (const number of [...numbers].sort((a, b) => a - b)) {
      this.#points.push({ number, candidates: [], asks: new Map() });
    }
  }

  /** How many further peers should be asked about the point now. */
  need(point: SkeletonPoint, policy: AskPolicy): number {
    let have = 0;
    const usable = point.candidates.some((c) => c.refused === undefined && c.voters.size > 0);
    for (const ask of point.asks.values()) {
      if (ask.answer === "pending" && policy.now - ask.at <= policy.overdueMs) have++;
      else if (ask.answer === "voted" && usable) have++;
    }
    return Math.max(0, policy.votes - have);
  }
  /**
   * Heights to ask `streamId` about: points that need answers, at most `max` (default the wire cap), none above
   * `reach` (the peer's own height).
   */
  wanting(
    streamId: string,
    reach: number,
    policy: AskPolicy,
    max: number = MAX_HASHES_PER_REQUEST,
  ): number[] {
    return this.#pick(streamId, reach, max, (p) => this.need(p, policy) > 0);
  }
  /** Points that `streamId` was not asked about and that `want` selects: a further voucher for them. */
  unasked(
    streamId: string,
    reach: number,
    want: (number: number) => boolean,
    max: number = MAX_HASHES_PER_REQUEST,
  ): number[] {
    return this.#pick(streamId, reach, max, (p) => want(p.number));
  }
  #pick(streamId: string, reach: number, max: number, want: (p: SkeletonPoint) => boolean): number[] {
    const out: number[] = [];
    for (const point of this.#points) {
      if (point.number > reach || out.length >= max) break;
      if (!point.asks.has(streamId) && want(point)) out.push(point.number);
    }
    return out;
  }

  asked(streamId: string, numbers: readonly number[], now: number): void {
    this.#each(numbers, (p) => p.asks.set(streamId, { at: now, answer: "pending" }));
  }
  /** Takes an answer; undefined entries are heights the peer does not have. Replaces an earlier vote of the peer. */
  answered(
    streamId: string,
    numbers: readonly number[],
    hashes: ReadonlyArray<Uint8Array | undefined>,
  ): void {
    numbers.forEach((number, i) => {
      const point = this.at(number);
      if (point === undefined) return;
      this.#unvote(point, streamId);
      const hash = hashes[i];
      const at = point.asks.get(streamId)?.at ?? 0;
      point.asks.set(streamId, { at, answer: hash === undefined ? "lacks" : "voted" });
      if (hash === undefined) return;
      const known = point.candidates.find((c) => equalBytes(c.hash, hash));
      if (known === undefined) {
        point.candidates.push({ hash, voters: new Set([streamId]), refused: undefined });
      } else known.voters.add(streamId);
    });
  }
  failed(streamId: string, numbers: readonly number[]): void {
    this.#each(numbers, (p) => {
      const ask = p.asks.get(streamId);
      if (ask?.answer === "pending") ask.answer = "failed";
    });
  }
  /** The stream is gone: what it said stands, what it owes is asked of others, and it may be asked anew. */
  gone(streamId: string): void {
    for (const point of this.#points) {
      if (point.asks.get(streamId)?.answer !== "voted") point.asks.delete(streamId);
    }
  }
  /** The peer's votes from `from` on are void. Returns the heights where a candidate lost its last voter. */
  discard(streamId: string, from = 0): number[] {
    const bare: number[] = [];
    for (const point of this.#points) {
      if (point.number < from) continue;
      const ask = point.asks.get(streamId);
      if (ask !== undefined) ask.answer = "failed";
      const lost = point.candidates.find((c) => c.voters.has(streamId) && c.voters.size === 1);
      this.#unvote(point, streamId);
      if (lost !== undefined) bare.push(point.number);
    }
    return bare;
  }
  /** Lets peers be asked again from `number` on: those who had nothing, and with `voters` those who voted too. */
  reask(number: number, voters: boolean): void {
    for (const point of this.#points) {
      if (point.number < number) continue;
      for (const [id, ask] of point.asks) {
        if (ask.answer === "lacks" || ask.answer === "failed" || (voters && ask.answer === "voted")) {
          point.asks.delete(id);
        }
      }
    }
  }

  /**
   * Candidates in the order in which they are tried: most votes first, then the one whose voters delivered more of
   * our chain (`weight`), then by hash, so that every run decides alike.
   */
  ranked(point: SkeletonPoint, weight: (streamId: string) => number = () => 0): Candidate[] {
    const total = (c: Candidate) => {
      let sum = 0;
      for (const v of c.voters) sum += weight(v);
      return sum;
    };
    return point.candidates
      .filter((c) => c.refused === undefined && c.voters.size > 0)
      .sort((a, b) => b.voters.size - a.voters.size || total(b) - total(a) || compareBytes(a.hash, b.hash));
  }
  /** Brings back candidates that were refused for not linking to a block above `number`, which is no longer there. */
  relink(number: number): void {
    for (const point of this.#points) {
      for (const c of point.candidates) {
        if (c.unlinked === undefined || c.unlinked <= number) continue;
        delete c.unlinked;
        c.refused = undefined;
      }
    }
  }
  /** Drops what is at or below `number`: it is in the store. */
  trim(number: number): void {
    this.#points = this.#points.filter((p) => p.number > number);
    this.#base = Math.max(this.#base, number);
  }
  /** Drops what is above `number`: the target came down. */
  cut(number: number): void {
    this.#points = this.#points.filter((p) => p.number <= number);
  }

  #each(numbers: readonly number[], fn: (p: SkeletonPoint) => void): void {
    for (const number of numbers) {
      const point = this.at(number);
      if (point !== undefined) fn(point);
    }
  }
  #unvote(point: SkeletonPoint, streamId: string): void {
    for (const c of point.candidates) c.voters.delete(streamId);
  }
}
