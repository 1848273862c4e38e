/**
 * Those who wait for an epoch, each with an answer in the end.
 *
 * Why it exists: verification must not wait for ever for committees that nobody gives (DESIGN.md rule 6). What must stay
 * true: "no" is said only after a pass over the peers that began after the question; nobody is forgotten.
 */
import { cancelled } from "../../base/mod.ts";

interface Waiter {
  readonly epoch: number;
  /** The first pass whose end answers the question. */
  readonly pass: number;
  readonly answer: (reached: boolean) => void;
}

export class Waiters {
  readonly #waiting = new Set<Waiter>();
  #passes = 0;

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }
  /** A pass begins. @returns its number, for `passed`. */
  begin(): number {
    return ++this.#passes;
  }
  /** Resolves true once `epoch` is reached, false once a pass that begins after now has ended without it. */
  wait(epoch: number, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(cancelled(`waiting for epoch ${epoch}`));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(waiter);
        reject(cancelled(`waiting for epoch ${epoch}`));
      };
      const waiter: Waiter = {
        epoch,
        pass: this.#passes + 1,
        answer: (reached) => {
          this.#waiting.delete(waiter);
          signal?.removeEventListener("abort", onAbort);
          resolve(reached);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }
  /** The committees of `epoch` are known. */
  reached(epoch: number): void {
    for (const waiter of [...this.#waiting]) if (waiter.epoch <= epoch) waiter.answer(true);
  }
  /** Pass `pass` has ended. */
  passed(pass: number): void {
    for (const waiter of [...this.#waiting]) if (waiter.pass <= pass) waiter.answer(false);
  }
}
