/**
 * One signal for "the caller gave up", "the time is over" and "the host stops", that still tells them apart.
 *
 * Why it exists: the network library takes a single signal, while our errors say whose doing it was. What must stay
 * true: `end()` frees the timer and the listeners, so nothing outlives the call it was made for; the time runs on the
 * injected clock.
 */
import { type Cancel, cancelled, type Clock } from "../base/mod.ts";

export class Deadline {
  readonly #controller = new AbortController();
  readonly #parents: AbortSignal[];
  readonly #stopTimer: Cancel;
  #timedOut = false;
  #cancelled = false;

  /** @param timeoutMs from now on. @param parents signals that count as cancellation; undefined ones are ignored. */
  constructor(clock: Clock, readonly timeoutMs: number, ...parents: ReadonlyArray<AbortSignal | undefined>) {
    this.#parents = parents.filter((p) => p !== undefined);
    this.#stopTimer = clock.after(timeoutMs, () => {
      this.#timedOut = true;
      this.#controller.abort(new DOMException("time is over", "TimeoutError"));
    });
    for (const parent of this.#parents) {
      if (parent.aborted) this.#onParent();
      else parent.addEventListener("abort", this.#onParent, { once: true });
    }
  }

  /** Aborts on whichever comes first. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  get timedOut(): boolean {
    return this.#timedOut;
  }
  get cancelled(): boolean {
    return this.#cancelled;
  }
  /** True when nothing more should be waited for. */
  get over(): boolean {
    return this.#controller.signal.aborted;
  }

  /** @throws {HsyncError} CANCELLED when the caller or the host gave up. */
  throwIfCancelled(what: string): void {
    if (this.#cancelled) throw cancelled(what);
  }

  /** The work is done: the timer and the listeners go. The signal stays as it is, since what was made may hold it. */
  end(): void {
    this.#stopTimer();
    for (const parent of this.#parents) parent.removeEventListener("abort", this.#onParent);
  }

  readonly #onParent = (): void => {
    if (this.#timedOut) return;
    this.#cancelled = true;
    this.#stopTimer();
    this.#controller.abort(new DOMException("cancelled", "AbortError"));
  };
}
