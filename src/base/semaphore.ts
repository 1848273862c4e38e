/**
 * A counting semaphore with cancellation.
 *
 * Why it exists: set-ups (16), writes (32) and downloads are bounded (DESIGN.md rule 5). What must stay
 * true: waiters are served in order, and an aborted waiter never keeps a permit.
 */
import { cancelled } from "./errors.ts";

/** Gives the permit back; calling it twice is harmless. */
export type Release = () => void;

export class Semaphore {
  #free: number;
  readonly #waiting: Array<(release: Release) => void> = [];

  /** @param permits how many holders there may be at once, at least 1. */
  constructor(readonly permits: number) {
    if (!Number.isInteger(permits) || permits < 1) {
      throw new RangeError(`semaphore needs at least 1 permit, got ${permits}`);
    }
    this.#free = permits;
  }
  /** Permits nobody holds now. */
  get free(): number {
    return this.#free;
  }
  /** Callers that wait now. */
  get waiting(): number {
    return this.#waiting.length;
  }
  #grant(): Release {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = this.#waiting.shift();
      if (next !== undefined) next(this.#grant());
      else this.#free++;
    };
  }
  /** Waits for a permit. @throws {HsyncError} CANCELLED when `signal` aborts first. */
  acquire(signal?: AbortSignal): Promise<Release> {
    if (signal?.aborted) return Promise.reject(cancelled("waiting for a permit"));
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(this.#grant());
    }
    return new Promise((resolve, reject) => {
      const take = (release: Release) => {
        signal?.removeEventListener("abort", onAbort);
        resolve(release);
      };
      const onAbort = () => {
        const i = this.#waiting.indexOf(take);
        if (i >= 0) this.#waiting.splice(i, 1);
        reject(cancelled("waiting for a permit"));
      };
      this.#waiting.push(take);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
  /** Runs `fn` while holding a permit. */
  async run<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await fn();
    } finally {
      release();
    }
  }
}
