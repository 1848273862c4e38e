/**
 * How often a peer may break the rules of asking before it is turned out, counted per peer.
 *
 * Why it exists: a stream is opened anew in a tenth of a second; an allowance that belonged to the stream would come back
 * with it. What must stay true: ending a stream gains the peer nothing; what is remembered is bounded, per peer and over
 * all peers; a peer that behaves for the length of a window starts afresh.
 */
import { type Clock, LruMap } from "../base/mod.ts";
import {
  BUSY_ABUSE,
  BUSY_WINDOW_MS,
  CAP_VIOLATIONS_ALLOWED,
  CAP_WINDOW_MS,
  EMPTY_PER_MINUTE,
  OPENED_PER_MINUTE,
  UNSOLICITED_PER_MINUTE,
} from "./constants.ts";

/**
 * What is counted: requests turned away as `too busy`, requests above a cap, answers to questions never asked, frames and
 * messages with nothing in them, streams opened: these belong to nobody but the peer.
 */
export type Breach = "busy" | "cap" | "unasked" | "empty" | "open";

interface Allowance {
  readonly most: number;
  readonly windowMs: number;
}

const ALLOWANCES: Readonly<Record<Breach, Allowance>> = {
  busy: { most: BUSY_ABUSE, windowMs: BUSY_WINDOW_MS },
  cap: { most: CAP_VIOLATIONS_ALLOWED, windowMs: CAP_WINDOW_MS },
  unasked: { most: UNSOLICITED_PER_MINUTE, windowMs: 60_000 },
  empty: { most: EMPTY_PER_MINUTE, windowMs: 60_000 },
  open: { most: OPENED_PER_MINUTE, windowMs: 60_000 },
};
/** Peers remembered at once. */
const MAX_PEERS = 1_024;

export class Allowances {
  readonly #clock: Clock;
  /** Per breach and peer the times of the breaches, ms on the monotonic clock, oldest first: one more than allowed. */
  readonly #times: Readonly<Record<Breach, LruMap<string, number[]>>>;

  constructor(clock: Clock, peers = MAX_PEERS) {
    this.#clock = clock;
    this.#times = {
      busy: new LruMap(peers),
      cap: new LruMap(peers),
      unasked: new LruMap(peers),
      empty: new LruMap(peers),
      open: new LruMap(peers),
    };
  }

  /**
   * Notes a breach that counts as `n`. @returns how many there were within the window when that is more than allowed,
   * else 0.
   */
  breach(peer: string, what: Breach, n = 1): number {
    const { most, windowMs } = ALLOWANCES[what];
    const now = this.#clock.monotonic();
    const times = (this.#times[what].get(peer) ?? []).filter((at) => now - at < windowMs);
    for (let i = 0; i < Math.min(n, most + 1); i++) times.push(now);
    if (times.length > most + 1) times.splice(0, times.length - most - 1);
    this.#times[what].set(peer, times);
    return times.length > most ? times.length : 0;
  }
}
