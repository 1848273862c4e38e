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

/** A peer whose stream was lost, and what the cooldown table says of it. */
export interface Loss {
  readonly peer: string;
  /** Of the latest loss. */
  readonly at: number;
  /** The record before the first loss in the window. */
  readonly before: Removal | undefined;
  /** The record that the latest loss made. Another one in the table means that something has happened since. */
  readonly wrote: Removal;
}

export class OutageDetector {
  /** By peer: one that comes and goes is no outage. */
  #losses = new Map<string, Loss>();

  /**
   * Notes a loss. `left` is the number of streams that still stand.
   *
   * @returns the losses to forgive when this is an outage: all of the last ten seconds; else none.
   */
  note(loss: Loss, left: number): readonly Loss[] {
    for (const [peer, { at }] of this.#losses) if (loss.at - at >= WINDOW_MS) this.#losses.delete(peer);
    const earlier = this.#losses.get(loss.peer);
    const before = earlier !== undefined && earlier.wrote === loss.before ? earlier.before : loss.before;
    this.#losses.set(loss.peer, { ...loss, before });
    const stood = left + this.#losses.size;
    return this.#losses.size >= Math.max(LEAST, Math.ceil(stood / 2)) ? [...this.#losses.values()] : [];
  }
}
