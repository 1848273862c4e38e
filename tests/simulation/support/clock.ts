/**
 * The clock of a simulation: many thousand timers, and every promise come to rest between two moments.
 *
 * Why it exists: the tests' hand-turned clock looks through all its timers at every step, which twenty nodes make too
 * many; and a run replays only if nothing is still on its way when time goes on. What must stay true: moments are whole
 * milliseconds; timers of one moment fire in the order in which they were set; the wall clock may jump, the monotonic
 * one never.
 */
import { setImmediate } from "node:timers";
import { type Cancel, cancelled, type Clock } from "../../../src/base/mod.ts";

interface Timer {
  at: number;
  seq: number;
  readonly period: number | undefined;
  readonly fn: () => void;
  live: boolean;
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

export class SimClock implements Clock {
  /** ms since 1970 at the start, jumps included. */
  #epoch: number;
  #now = 0;
  #seq = 0;
  #live = 0;
  /** A binary heap, the next timer first. */
  readonly #heap: Timer[] = [];

  /** @param epoch wall-clock time to begin with, ms since 1970. */
  constructor(epoch = 1_700_000_000_000) {
    this.#epoch = epoch;
  }
  now(): number {
    return this.#epoch + this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  /** Sets the wall clock forward or back. */
  jump(ms: number): void {
    this.#epoch += ms;
  }
  /** Timers that are still to fire: none may be left at the end. */
  get pending(): number {
    return this.#live;
  }
  after(ms: number, fn: () => void): Cancel {
    return this.#add(ms, fn, undefined);
  }
  every(ms: number, fn: () => void): Cancel {
    return this.#add(ms, fn, Math.max(1, Math.ceil(ms)));
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(cancelled("sleep"));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        stop();
        reject(cancelled("sleep"));
      };
      const stop = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + Math.ceil(ms);
    await settle();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#now = Math.max(this.#now, next.at);
      // Timers that these set for the same moment come after what they set off has come to rest.
      const last = this.#seq;
      for (let t = this.#heap[0]; t !== undefined && t.at <= this.#now && t.seq < last; t = this.#heap[0]) {
        this.#fire(t);
      }
      await settle();
    }
    this.#now = end;
  }

  #fire(timer: Timer): void {
    this.#pop();
    if (!timer.live) return;
    if (timer.period === undefined) {
      timer.live = false;
      this.#live--;
    } else {
      timer.at += timer.period;
      timer.seq = this.#seq++;
      this.#push(timer);
    }
    timer.fn();
  }
  #add(ms: number, fn: () => void, period: number | undefined): Cancel {
    const timer = { at: Math.ceil(this.#now + Math.max(0, ms)), seq: this.#seq++, period, fn, live: true };
    this.#live++;
    this.#push(timer);
    return () => {
      if (timer.live) this.#live--;
      timer.live = false;
    };
  }
  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Timer;
      if (!before(timer, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = timer;
  }
  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const child = right < heap.length && before(heap[right] as Timer, heap[left] as Timer) ? right : left;
      if (!before(heap[child] as Timer, last)) break;
      heap[i] = heap[child] as Timer;
      i = child;
    }
    heap[i] = last;
  }
}

/** Resolves once no promise can go on by itself any more. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
