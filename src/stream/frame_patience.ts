/**
 * How long a frame may be under way (sync-protocol.md §2).
 *
 * Why it exists: a peer that begins a frame and lets it hang holds our memory and whoever waits for the answer. What must
 * stay true: between two frames no time runs; a frame has a limit for standing still and one for the whole, so that neither
 * silence nor a byte now and then gets past both.
 */
import { FRAME_TIMEOUT_MS, PROGRESS_BYTES, PROGRESS_TIMEOUT_MS } from "./constants.ts";

export class FramePatience {
  #startedAt = 0;
  #progressAt = 0;
  #progressBytes = 0;

  /** A frame begins. @param now ms, monotonic. */
  begin(now: number): void {
    this.#startedAt = this.#progressAt = now;
    this.#progressBytes = 0;
  }

  /** `held` bytes of the frame have arrived. @returns true when that is progress. */
  grown(held: number, now: number): boolean {
    if (held - this.#progressBytes < PROGRESS_BYTES) return false;
    this.#progressBytes = held;
    this.#progressAt = now;
    return true;
  }

  /** What is wrong with a frame that is under way still, of which `held` bytes have arrived; undefined: nothing yet. */
  spent(held: number, now: number): string | undefined {
    if (now - this.#progressAt >= PROGRESS_TIMEOUT_MS) return `a frame stopped after ${held} bytes`;
    if (now - this.#startedAt >= FRAME_TIMEOUT_MS) {
      return `a frame took longer than ${FRAME_TIMEOUT_MS / 1000} s (${held} bytes)`;
    }
    return undefined;
  }
}
