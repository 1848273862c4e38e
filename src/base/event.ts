/**
 * Typed listeners without a shared global bus, and an edge-triggered wake-up that is never lost.
 *
 * Why it exists: managers announce changes to whoever cares, without one slow or failing listener stopping
 * the others (sync-protocol.md §3.8). What must stay true: `emit` never throws, and a `Signal` raised while
 * nobody waits is remembered once.
 */
import { cancelled } from "./errors.ts";
import type { Cancel, Clock } from "./clock.ts";

export type Listener<T> = (event: T) => void;

export class Emitter<T> {
  readonly #listeners = new Set<Listener<T>>();
  /** Called when a listener throws; defaults to reporting on the console. */
  onError: (error: unknown) => void = (e) => console.error("listener failed", e);

  /** Adds a listener; the result removes it. */
  on(listener: Listener<T>): Cancel {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
  emit(event: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.onError(error);
      }
    }
  }
  get size(): number {
    return this.#listeners.size;
  }
}

/** One remembered "something changed". */
export class Signal {
  #raised = false;
  #waiters: Array<() => void> = [];

  raise(): void {
    this.#raised = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const w of waiters) w();
  }
  /**
   * Resolves when raised (at once when it was raised since the last wait) or after `ms`; clears the mark.
   * @returns true when raised, false when the time passed. @throws {HsyncError} CANCELLED on abort.
   */
  wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(cancelled("waiting for an event"));
    if (this.#raised) {
      this.#raised = false;
      return Promise.resolve(true);
    }
    return new Promise((resolve, reject) => {
      const done = () => {
        stop();
        signal?.removeEventListener("abort", onAbort);
        const i = this.#waiters.indexOf(wake);
        if (i >= 0) this.#waiters.splice(i, 1);
      };
      const wake = () => {
        this.#raised = false;
        done();
        resolve(true);
      };
      const onAbort = () => {
        done();
        reject(cancelled("waiting for an event"));
      };
      const stop = clock.after(ms, () => {
        done();
        resolve(false);
      });
      this.#waiters.push(wake);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
