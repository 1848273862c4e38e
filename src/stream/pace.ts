/**
 * When the next look for peers may begin: cooldowns, back-offs, outages.
 *
 * Why it exists: a node that asks too often burns the network, one that asks too seldom stands alone (sync-protocol.md
 * §3.5, §10.1 S7, S14); the rules between the two are a table of their own. What must stay true: a node without any
 * stream waits a minute at most, a removal below the hard cap waits seconds, and runs that find nobody grow rarer.
 */
import { REOPEN_PAUSE_MS } from "./constants.ts";
import type { DiscoveryTrigger } from "./manager_events.ts";

/** How long after a mass disconnect we keep trying quickly. */
const OUTAGE_MS = 5 * 60_000;
const OUTAGE_RETRY_MS = 10_000;
/** Waits between fruitless runs while there is no stream at all … */
const ALONE_BACKOFF_MS = [1, 2, 4, 8, 16, 30, 60].map((s) => s * 1_000);
/** … and while there are some, but fewer than the hard cap (§3.5). */
const FEW_BACKOFF_MS = [30, 60, 120, 240, 300].map((s) => s * 1_000);
/** Least time between two runs that a removal or the operator is the reason for; what comes sooner is kept until then. */
const PAUSE_MS = 5_000;

export class Pace {
  readonly #cooldownMs: number;
  #cooldownUntil = 0;
  #retryAt: number | undefined;
  #step = 0;
  #outageUntil = 0;
  #lastAt: number | undefined;

  /** @param cooldownMs after a run that found nobody while there are streams enough. */
  constructor(cooldownMs: number) {
    this.#cooldownMs = cooldownMs;
  }

  /** When the last run began. */
  get lastAt(): number | undefined {
    return this.#lastAt;
  }
  /** When the next one begins by itself. */
  get retryAt(): number | undefined {
    return this.#retryAt;
  }
  get cooldownUntil(): number {
    return this.#cooldownUntil;
  }
  get outageUntil(): number {
    return this.#outageUntil;
  }
  inOutage(now: number): boolean {
    return now < this.#outageUntil;
  }

  /** True when a run may begin now. `low`: there are fewer streams than the hard cap. */
  allows(why: DiscoveryTrigger, low: boolean, now: number): boolean {
    switch (why) {
      case "retry":
      case "online":
        return true;
      case "manual":
        if (this.#justRan(now)) this.#retryBy((this.#lastAt ?? now) + PAUSE_MS);
        return !this.#justRan(now);
      case "hard":
        // An outage has its own pace: nobody can be found before the network is back.
        if (this.#retryAt === undefined) return true;
        if (this.inOutage(now)) return false;
        if (!this.#justRan(now)) return true;
        this.#retryBy((this.#lastAt ?? now) + PAUSE_MS);
        return false;
      default:
        // Below the hard cap the back-off alone decides; above it the cooldown after an empty run.
        return low ? this.#retryAt === undefined || now >= this.#retryAt : now >= this.#cooldownUntil;
    }
  }

  #justRan(now: number): boolean {
    return this.#lastAt !== undefined && now - this.#lastAt < PAUSE_MS;
  }
  #retryBy(at: number): void {
    this.#retryAt = Math.min(this.#retryAt ?? Infinity, at);
  }

  began(now: number): void {
    this.#retryAt = undefined;
    this.#lastAt = now;
  }
  /** The run has found somebody. */
  fruitful(): void {
    this.#step = 0;
  }
  /** The run has found nobody. `low` as above; `alone`: there is no stream at all. */
  fruitless(low: boolean, alone: boolean, now: number): void {
    if (low) this.backOff(alone, now);
    else this.#cooldownUntil = now + this.#cooldownMs;
  }
  backOff(alone: boolean, now: number): void {
    if (this.inOutage(now)) {
      this.#retryAt = now + OUTAGE_RETRY_MS;
      return;
    }
    const table = alone ? ALONE_BACKOFF_MS : FEW_BACKOFF_MS;
    this.#retryAt = now + (table[Math.min(this.#step, table.length - 1)] as number);
    this.#step++;
  }

  /** The last stream is gone: however long the waits have become, now they begin anew. */
  isolated(now: number): void {
    if (this.inOutage(now)) return;
    this.#step = 0;
    if (this.#retryAt !== undefined) this.#retryBy(now + (ALONE_BACKOFF_MS[0] as number));
  }

  /** Our own network failed: no back-off of old is worth anything. `again` false: no run is to follow. */
  outage(again: boolean, now: number): void {
    this.#outageUntil = now + OUTAGE_MS;
    this.#step = 0;
    this.#cooldownUntil = 0;
    if (again) this.#retryAt = now + REOPEN_PAUSE_MS;
  }

  /** True once when the time for another try has come. */
  due(now: number): boolean {
    if (this.#retryAt === undefined || now < this.#retryAt) return false;
    this.#retryAt = undefined;
    return true;
  }
}
