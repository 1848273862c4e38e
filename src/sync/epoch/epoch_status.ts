/**
 * What the epoch chain says about itself.
 *
 * Why it exists: status page, light mode and the stage show the same facts. What must stay true: times are ms since
 * 1970; what is unknown is undefined.
 */
import { to0x } from "../../base/mod.ts";
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

/** A block as plain JSON. */
export interface EpochPointDocument {
  readonly epoch: number;
  readonly number: number;
  /** `0x` hex. */
  readonly hash: string;
}

/** The epoch chain as plain JSON; times are ISO 8601, `null` means unknown or none. */
export interface EpochChainDocument {
  readonly origin: EpochOrigin;
  readonly base: EpochPointDocument | null;
  readonly head: EpochPointDocument | null;
  /** Time in the head's header, and how old that is. */
  readonly headTimestamp: string | null;
  readonly headAgeSeconds: number | null;
  /** The newest epoch whose committees are known. */
  readonly epoch: number;
  /** The newest epoch that peers say has ended. */
  readonly endedEpoch: number | null;
  readonly caughtUp: boolean;
  readonly streams: number;
  readonly delivering: number;
  readonly epochsPerSecond: number;
  readonly waiting: { readonly what: string; readonly since: string } | null;
  readonly refused:
    | {
      readonly epoch: number;
      readonly number: number;
      readonly code: string;
      readonly text: string;
      /** Peer id text. */
      readonly from: string;
      readonly at: string;
    }
    | null;
  readonly failed: string | null;
}

function pointJson(point: EpochPoint | undefined): EpochPointDocument | null {
  return point === undefined ? null : { epoch: point.epoch, number: point.number, hash: to0x(point.hash) };
}
function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The epoch chain as plain JSON. @param now ms since 1970 */
export function epochChainJson(status: EpochStatus, now: number): EpochChainDocument {
  const { headTime, waiting, refused } = status;
  return {
    origin: status.origin,
    base: pointJson(status.base),
    head: pointJson(status.head),
    headTimestamp: headTime === undefined ? null : iso(headTime),
    headAgeSeconds: headTime === undefined ? null : Math.max(0, Math.round((now - headTime) / 1000)),
    epoch: status.epoch,
    endedEpoch: status.target ?? null,
    caughtUp: status.caughtUp,
    streams: status.streams,
    delivering: status.delivering,
    epochsPerSecond: Math.round(status.rate * 10) / 10,
    waiting: waiting === undefined ? null : { what: waiting.what, since: iso(waiting.since) },
    refused: refused === undefined ? null : { ...refused, at: iso(refused.at) },
    failed: status.failed ?? null,
  };
}
