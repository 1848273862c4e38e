/**
 * How long a peer stays away after its stream ended (guide, "Cooldown Process and Failures"; sync-protocol.md §3.4).
 *
 * Why it exists: the table 0, 5, 10 … 60 minutes is a promise to operators and wants exact tests. What must stay
 * true: times are on the monotonic clock, so that a clock that is set right neither ends nor starts a cooldown; and
 * no cooldown is longer than the longest that was agreed, an hour unless the operator chose otherwise.
 */
import { MANAGER_TIMES, type ManagerTimes } from "./constants.ts";
import type { RemovalReason } from "./types.ts";

/** After this long without a removal the count starts anew. */
const QUIET_MS = 60 * 60_000;
/** Records older than this say nothing any more. */
const FORGET_MS = 2 * 60 * 60_000;
/** Most peers remembered; the ones that end soonest are dropped first. */
const MAX_RECORDS = 2_000;

/** What is remembered of a removed peer. Times are ms on the monotonic clock. */
export interface Removal {
  /** Removals so far, this one included. */
  readonly count: number;
  readonly removedAt: number;
  readonly expireAt: number;
  readonly reason: RemovalReason;
  readonly critical: boolean;
}

/** How long a cooldown is. */
export type CooldownTimes = Pick<ManagerTimes, "removalCooldownMs" | "maxRemovalCooldownMs">;

/** The record after one more removal. */
export function afterRemoval(
  times: CooldownTimes,
  before: Removal | undefined,
  now: number,
  reason: RemovalReason,
  critical: boolean,
): Removal {
  const known = before !== undefined && now - before.removedAt <= QUIET_MS ? before.count : 0;
  const cooldown = critical
    ? times.maxRemovalCooldownMs
    : Math.min(times.removalCooldownMs * known, times.maxRemovalCooldownMs);
  return { count: known + 1, removedAt: now, expireAt: now + cooldown, reason, critical };
}

/** The removed peers of one protocol. */
export class CooldownTable {
  readonly #records = new Map<string, Removal>();

  constructor(readonly times: CooldownTimes = MANAGER_TIMES) {}

  get(peer: string): Removal | undefined {
    return this.#records.get(peer);
  }
  /** Sets or, with undefined, forgets a record: how a mass disconnect is undone. */
  restore(peer: string, record: Removal | undefined): void {
    if (record === undefined) this.#records.delete(peer);
    else this.#records.set(peer, record);
  }
  /** True while the peer may not come back. */
  active(peer: string, now: number): boolean {
    const record = this.#records.get(peer);
    return record !== undefined && now < record.expireAt;
  }
  /** Number of peers that may not come back now. */
  activeCount(now: number): number {
    let n = 0;
    for (const r of this.#records.values()) if (now < r.expireAt) n++;
    return n;
  }
  /** Notes a removal. @returns the record before it, to undo with `restore`. */
  note(peer: string, now: number, reason: RemovalReason, critical: boolean): Removal | undefined {
    const before = this.#records.get(peer);
    this.#records.delete(peer);
    this.#records.set(peer, afterRemoval(this.times, before, now, reason, critical));
    if (this.#records.size > MAX_RECORDS) {
      let soonest: string | undefined;
      let at = Infinity;
      for (const [id, r] of this.#records) {
        if (r.expireAt < at) {
          soonest = id;
          at = r.expireAt;
        }
      }
      if (soonest !== undefined) this.#records.delete(soonest);
    }
    return before;
  }
  /** Ends a cooldown by hand; the history goes with it. @returns how many were in one. */
  forgive(peer: string | undefined, now: number): number {
    const ids = peer === undefined ? [...this.#records.keys()] : [peer];
    let n = 0;
    for (const id of ids) {
      if (this.active(id, now)) n++;
      this.#records.delete(id);
    }
    return n;
  }
  purge(now: number): void {
    for (const [id, r] of this.#records) {
      if (now >= r.expireAt && now - r.removedAt > FORGET_MS) this.#records.delete(id);
    }
  }
  entries(): IterableIterator<[string, Removal]> {
    return this.#records.entries();
  }
}
