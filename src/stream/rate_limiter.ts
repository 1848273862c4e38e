/**
 * How fast others may ask us: token buckets per stream and for all together (sync-protocol.md §5).
 *
 * Why it exists: one eager peer must not take the server from the others. What must stay true: a request first
 * pays its own stream's bucket and only then queues for the common one, so that a stream which is over its rate
 * never occupies a common slot; waiting streams take turns; an answer's size is paid for as soon as it is known, before
 * it is written; and what large answers cost all together never holds up a small question for long.
 */
import { type Cancel, cancelled, type Clock } from "../base/mod.ts";

export interface RateLimits {
  /** Requests a second of one stream; 0 switches the limit off. Default 10. */
  readonly perStream?: number;
  /** Requests a second of all streams, as many of which may pile up unused; 0 switches the limit off. Default 50. */
  readonly global?: number;
  /** Unused slots of one stream that may pile up. Default 10. */
  readonly burst?: number;
  /** Bytes of answer that one token pays for; larger answers cost more tokens. Default 512 KiB. */
  readonly bytesPerToken?: number;
}

/** The common bucket owes at most this long's worth of tokens, s: a height query waits no longer for others' blocks. */
const COMMON_DEBT_S = 0.5;

/** A refilling allowance. It may go into debt, which later requests wait off. */
class TokenBucket {
  #tokens: number;
  #at: number;
  /** @param debt how far it may go below nothing. */
  constructor(readonly rate: number, readonly size: number, readonly debt: number, now: number) {
    this.#tokens = size;
    this.#at = now;
  }
  #refill(now: number): void {
    this.#tokens = Math.min(this.size, this.#tokens + (now - this.#at) * this.rate / 1000);
    this.#at = now;
  }
  /** ms until one token is there; 0 when it is. */
  waitMs(now: number): number {
    if (this.rate <= 0) return 0;
    this.#refill(now);
    return this.#tokens >= 1 - 1e-9 ? 0 : (1 - this.#tokens) * 1000 / this.rate;
  }
  take(now: number, tokens: number): void {
    if (this.rate <= 0) return;
    this.#refill(now);
    this.#tokens = Math.max(-this.debt, this.#tokens - tokens);
  }
  full(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.size;
  }
}

interface Turn {
  readonly grant: () => void;
}

/** The limiter of one protocol instance. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #perStream: number;
  readonly #burst: number;
  readonly #bytesPerToken: number;
  readonly #global: TokenBucket;
  readonly #streams = new Map<string, TokenBucket>();
  /** Streams that wait for the common bucket, first come first served: at most one entry a stream. */
  readonly #turns: Turn[] = [];
  #timer: Cancel | undefined;

  constructor(clock: Clock, limits: RateLimits = {}) {
    this.#clock = clock;
    this.#perStream = limits.perStream ?? 10;
    this.#burst = Math.max(1, limits.burst ?? 10);
    this.#bytesPerToken = limits.bytesPerToken ?? 512 * 1024;
    const global = limits.global ?? 50;
    this.#global = new TokenBucket(
      global,
      Math.max(1, global),
      global * COMMON_DEBT_S,
      clock.monotonic(),
    );
  }

  /**
   * Waits until the stream may be served one request. One call a stream at a time.
   *
   * @returns how long it waited, ms. @throws {HsyncError} CANCELLED when `signal` aborts.
   */
  async take(streamId: string, signal?: AbortSignal): Promise<number> {
    const start = this.#clock.monotonic();
    const bucket = this.#bucket(streamId);
    for (;;) {
      const wait = bucket.waitMs(this.#clock.monotonic());
      if (wait <= 0) break;
      await this.#clock.sleep(wait, signal);
    }
    bucket.take(this.#clock.monotonic(), 1);
    if (this.#turns.length > 0 || this.#global.waitMs(this.#clock.monotonic()) > 0) await this.#turn(signal);
    else this.#global.take(this.#clock.monotonic(), 1);
    return this.#clock.monotonic() - start;
  }

  /** Settles the bill of an answer of `bytes` bytes: what exceeds one token's worth is charged on top. */
  charge(streamId: string, bytes: number): void {
    const extra = Math.floor(bytes / this.#bytesPerToken);
    if (extra <= 0) return;
    const now = this.#clock.monotonic();
    this.#bucket(streamId).take(now, extra);
    this.#global.take(now, extra);
  }

  /** Forgets streams whose bucket is full again: a new bucket would be the same. Call now and then. */
  purge(): void {
    const now = this.#clock.monotonic();
    for (const [id, bucket] of this.#streams) if (bucket.full(now)) this.#streams.delete(id);
  }

  /** Peers with a bucket, for tests and the status page. */
  get tracked(): number {
    return this.#streams.size;
  }

  #bucket(streamId: string): TokenBucket {
    let bucket = this.#streams.get(streamId);
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#perStream, this.#burst, Infinity, this.#clock.monotonic());
      this.#streams.set(streamId, bucket);
    }
    return bucket;
  }

  #turn(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelled("waiting for the rate limit"));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const i = this.#turns.indexOf(turn);
        if (i >= 0) this.#turns.splice(i, 1);
        reject(cancelled("waiting for the rate limit"));
      };
      const turn: Turn = {
        grant: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#turns.push(turn);
      this.#arm();
    });
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#turns.length === 0) return;
    const wait = Math.max(1, this.#global.waitMs(this.#clock.monotonic()));
    this.#timer = this.#clock.after(wait, () => {
      this.#timer = undefined;
      const now = this.#clock.monotonic();
      if (this.#global.waitMs(now) <= 0) {
        // Paid here and not by the woken call: nobody may slip in between.
        this.#global.take(now, 1);
        this.#turns.shift()?.grant();
      }
      this.#arm();
    });
  }

  /** Stops the timer; waiting calls end through their own signals. */
  stop(): void {
    this.#timer?.();
    this.#timer = undefined;
  }
}
