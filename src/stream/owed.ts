/**
 * The answers that a peer owes us on one stream.
 *
 * Why it exists: what was asked on this very stream decides which answers are expected and how large a frame may be
 * (sync-protocol.md §2.7). What must stay true: a bounded number is remembered; nothing that was not asked entitles to
 * anything.
 */
import { MAX_FRAME_BYTES, MAX_UNASKED_FRAME_BYTES } from "./constants.ts";
import type { RequestType } from "./message.ts";

/** Requests answered with at most a few kilobytes. */
const SMALL_ANSWERS: ReadonlySet<RequestType> = new Set(["getBlockNumber", "getBlockHashes"]);
/** Unanswered questions remembered; an answer to a forgotten one counts as unasked. */
const MAX_OWED = 64;

export class Owed {
  /** Request id to whether the answer may be big, oldest first. */
  readonly #big = new Map<bigint, boolean>();

  /** A question is on its way. */
  asked(id: bigint, type: RequestType): void {
    if (this.#big.size >= MAX_OWED) {
      const oldest = this.#big.keys().next();
      if (!oldest.done) this.#big.delete(oldest.value);
    }
    this.#big.set(id, !SMALL_ANSWERS.has(type));
  }

  /** An answer is here. @returns false when it was not owed. */
  answered(id: bigint): boolean {
    return this.#big.delete(id);
  }

  /** Largest frame that the peer may send now, bytes. */
  frameLimit(): number {
    for (const big of this.#big.values()) if (big) return MAX_FRAME_BYTES;
    return MAX_UNASKED_FRAME_BYTES;
  }
}
