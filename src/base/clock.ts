/**
 * Time as a parameter.
 *
 * Why it exists: no test sleeps (DESIGN.md rule 10). Everything that waits takes a `Clock`; tests pass a
 * `ManualClock` and turn it by hand. What must stay true: timers of one clock fire in time order, and a
 * cancelled timer never fires.
 */
import { cancelled } from "./errors.ts";

/** Cancels a timer or an interval; calling it twice is harmless. */
export type Cancel = () => void;

export interface Clock {
  /** Wall-clock time, ms since 1970. */
  now(): number;
  /** Time that never jumps, ms since an arbitrary start. */
  monotonic(): number;
  /** Calls `fn` once after `ms`. */
  after(ms: number, fn: () => void): Cancel;
  /** Calls `fn` every `ms` until cancelled. */
  every(ms: number, fn: () => void): Cancel;
  /** Resolves after `ms`; rejects with code CANCELLED when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(cancelled("sleep"));
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      stop();
      reject(cancelled("sleep"));
    };
    const stop = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The real clock. Timers keep the process alive until cancelled. */
export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }
  monotonic(): number {
    return performance.now();
  }
  after(ms: number, fn: () => void): Cancel {
    const id = setTimeout(fn, ms);
    return () => clearTimeout(id);
  }
  every(ms: number, fn: () => void): Cancel {
    const id = setInterval(fn, ms);
    return () => clearInterval(id);
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
}

interface Timer {
  at: number;
  readonly seq: number;
  readonly period: number | undefined;
  readonly fn: () => void;
  live: boolean;
}

/** A clock that moves only when told to. */
export class ManualClock implements Clock {
  #now: number;
  readonly #start: number;
  #jumped = 0;
  #seq = 0;
  #timers: Timer[] = [];

  /** @param start wall-clock time to begin with, ms since 1970. */
  constructor(start = 1_700_000_000_000) {
    this.#now = start;
    this.#start = start;
  }
  now(): number {
    return this.#now + this.#jumped;
  }
  monotonic(): number {
    return this.#now - this.#start;
  }
  /** Sets the wall clock forward, or back where `ms` is negative: no timer and no monotonic time notices. */
  jump(ms: number): void {
    this.#jumped += ms;
  }
  /** Number of timers that are still to fire: a test can assert that nothing leaks. */
  get pending(): number {
    return this.#timers.filter((t) => t.live).length;
  }
  #add(ms: number, fn: () => void, period?: number): Cancel {
    const timer: Timer = { at: this.#now + Math.max(0, ms), seq: this.#seq++, period, fn, live: true };
    this.#timers.push(timer);
    return () => {
      timer.live = false;
    };
  }
  after(ms: number, fn: () => void): Cancel {
    return this.#add(ms, fn);
  }
  every(ms: number, fn: () => void): Cancel {
    return this.#add(ms, fn, Math.max(1, ms));
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
  /**
   * Moves time forward by `ms`, firing due timers in order and letting promises settle between them.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      this.#timers = this.#timers.filter((t) => t.live);
      let next: Timer | undefined;
      for (const t of this.#timers) {
        if (t.at <= end && (next === undefined || t.at < next.at || (t.at === next.at && t.seq < next.seq))) {
          next = t;
        }
      }
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.period === undefined) next.live = false;
      else next.at += next.period;
      next.fn();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets already resolved promises run their continuations. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
