/**
 * Tells "everybody left us" from "we lost the network".
 *
 * Why it exists: a local outage ends all streams at once, and treating each end as the peer's fault sent nodes into
 * hour-long cooldowns (sync-protocol.md appendix B, anchors T-15). What must stay true: only losses of transport and
 * time count, never lies: three liars caught within ten seconds stay caught.
 */
import type { Removal } from "./cooldown.ts";

const WINDOW_MS = 10_000;
const LEAST = 3;

/** A stream that was lost, and what the cooldown table said before. */
export interface Loss {
  readonly peer: string;
  readonly at: number;
  readonly before: Removal | undefined;
}

export class OutageDetector {
  #losses: Loss[] = [];

  /**
   * Notes a loss. `left` is the number of streams that still stand.
   *
   * @returns the losses to forgive when this is an outage: all of the last ten seconds; else none.
   */
  note(loss: Loss, left: number): readonly Loss[] {
    this.#losses = this.#losses.filter((l) => loss.at - l.at < WINDOW_MS);
    this.#losses.push(loss);
    const before = left + this.#losses.length;
    return this.#losses.length >= Math.max(LEAST, Math.ceil(before / 2)) ? this.#losses : [];
  }
}
