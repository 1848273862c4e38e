/**
 * Whether the certified head is where the chain ends.
 *
 * Why it exists: "synced" is what scripts wait for, so it must not be had by a certificate alone. What must stay true: it takes the
 * epoch chain, the heights that peers name now, and the head, all three; the answer is a reason, so that a wait is never
 * without one.
 */
import type { HeightEstimate } from "../height.ts";
import type { CertifiedHead } from "./certified_head.ts";

/** A target counts as named just now up to this age, ms. */
const TARGET_FRESH_MS = 10_000;
/** A minute of blocks: the oldest claims that count are as old. */
const MAX_ABOVE = 30;

export interface SyncedFacts {
  readonly head: CertifiedHead | undefined;
  /** Why the head no longer counts, if so. */
  readonly outdated: string | undefined;
  /** No peer is known to have newer epochs. */
  readonly caughtUp: boolean;
  readonly target: HeightEstimate | undefined;
  /** ms since 1970. */
  readonly now: number;
  /** A head that is older is not the end of the chain; undefined: its age says nothing. */
  readonly maxAgeSeconds: number | undefined;
}

/** Why the head is not known to be the newest; undefined: it is. The text stays the same while the reason does. */
export function whyNotSynced(facts: SyncedFacts): string | undefined {
  const { head, outdated, caughtUp, target, now, maxAgeSeconds } = facts;
  if (head === undefined) return "a header that can be certified";
  if (outdated !== undefined) return "a header of a committee that still serves";
  if (!caughtUp) return "the newest epoch of the beacon chain";
  if (target === undefined) return "peers that tell their height";
  if (now - target.asOf > TARGET_FRESH_MS) return "peers that tell their height again";
  // The newest block may have no certificate yet; its parent's is in its header.
  if (head.number < target.height - 1) return "a certificate for the newest block";
  // A committee that is about to leave could sign heights that the chain has not reached.
  if (head.number > target.height + MAX_ABOVE) {
    return `peers for the certified head: it is more than ${MAX_ABOVE} blocks above what most peers name`;
  }
  if (maxAgeSeconds !== undefined && now / 1000 - Number(head.time) > maxAgeSeconds) {
    return `a header that is no more than ${maxAgeSeconds} s old`;
  }
  return undefined;
}
