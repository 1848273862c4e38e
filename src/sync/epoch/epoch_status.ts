/**
 * What the epoch chain says about itself.
 *
 * Why it exists: status page, light mode and the stage show the same facts. What must stay true: times are ms since
 * 1970; what is unknown is undefined.
 */
import type { EpochOrigin, EpochPoint } from "./types.ts";

/** A block that was not accepted. */
export interface EpochRefusal {
  readonly epoch: number;
  readonly number: number;
  readonly code: string;
  readonly text: string;
  /** Peer id text of the sender. */
  readonly from: string;
  readonly at: number;
}

export interface EpochStatus {
  readonly origin: EpochOrigin;
  /** The oldest block that is kept. */
  readonly base: EpochPoint | undefined;
  /** Time in its header. */
  readonly baseTime: number | undefined;
  /** The newest certified block. */
  readonly head: EpochPoint | undefined;
  /** Time in its header. */
  readonly headTime: number | undefined;
  /** The newest epoch whose committees are known. */
  readonly epoch: number;
  /** The newest epoch that peers say has ended; undefined while nobody says. */
  readonly target: number | undefined;
  /** Nobody claims more than there is, and somebody was asked. */
  readonly caughtUp: boolean;
  readonly streams: number;
  /** Streams that have delivered epoch blocks. */
  readonly delivering: number;
  /** Epochs a second of the last minute. */
  readonly rate: number;
  /** Why nothing comes, and since when; undefined while all is well. */
  readonly waiting: { readonly what: string; readonly since: number } | undefined;
  readonly refused: EpochRefusal | undefined;
  /** It has stopped for good: two certified blocks for one epoch, or a checkpoint that cannot be used. */
  readonly failed: string | undefined;
}
