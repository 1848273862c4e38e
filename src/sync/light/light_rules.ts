/**
 * Which header may count as the newest of a shard for somebody who does not follow the shard.
 *
 * Why it exists: light mode holds no parents, so all it has to go by are the header, the clock and the beacon chain's epochs. What must
 * stay true: a committee that served its time cannot sign itself a new head; what our own clock or our own lag may have
 * caused is not called a lie.
 */
import { equalBytes, HsyncError, to0x } from "../../base/mod.ts";
import { decodeShardState, type Header, type NetworkParams, type ShardState } from "../../chain/mod.ts";
import type { AnchorBook } from "../../consensus/mod.ts";
import { parentlessBreach } from "../epoch/epoch_rules.ts";

/** Seconds by which a header may be ahead of our clock. */
export const FUTURE_SLACK_SECONDS = 60;

export interface LightContext {
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly anchors: AnchorBook;
  /** The newest epoch that the epoch chain knows to have begun. */
  readonly beaconEpoch: number;
  /** Seconds since 1970. */
  readonly now: number;
}

export type LightVerdict =
  /** The committee of its epoch may judge it. */
  | { readonly kind: "judge" }
  /** Its epoch has not begun as far as we know: the epoch chain must go on first. */
  | { readonly kind: "ahead" }
  /** It does not count. Fault DATA: no honest peer has such a header; fault NONE: it may be. */
  | { readonly kind: "refused"; readonly error: HsyncError };

function refused(header: Header, code: string, why: string, fault: "DATA" | "NONE"): LightVerdict {
  const { number, hash, shardId } = header;
  const name = `header ${number} of shard ${shardId} (${to0x(hash).slice(0, 18)}…)`;
  return {
    kind: "refused",
    error: new HsyncError(code, `${name} is refused: ${why}`, { fault, blockNumber: number }),
  };
}

/** A shard may still be in the epoch that the beacon chain has just left, and in no older one. */
export function hasServedItsTime(epoch: number, beaconEpoch: number): boolean {
  return epoch < beaconEpoch - 1;
}

/** Says what a header is worth before its certificate is looked at. */
export function judgeLightHeader(header: Header, context: LightContext): LightVerdict {
  const { params, shardId, anchors, beaconEpoch, now } = context;
  if (header.shardId !== shardId) {
    return refused(header, "LIGHT_SHARD", `shard ${shardId} was asked for`, "DATA");
  }
  let state: ShardState | undefined;
  try {
    anchors.requireHeader(header);
    state = header.shardState.length === 0 ? undefined : decodeShardState(header.shardState);
  } catch (error) {
    if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
    return { kind: "refused", error };
  }
  const breach = parentlessBreach(header, state, params);
  if (breach !== undefined) return refused(header, breach.code, breach.why, "DATA");
  const ahead = header.time - BigInt(Math.floor(now));
  if (ahead > BigInt(FUTURE_SLACK_SECONDS)) {
    return refused(header, "LIGHT_FUTURE", `it is ${ahead} s ahead of this machine's clock`, "NONE");
  }
  if (hasServedItsTime(header.epoch, beaconEpoch)) {
    const why = `its epoch is ${header.epoch}, the beacon chain is in epoch ${beaconEpoch}: ` +
      "that committee has served its time";
    return refused(header, "LIGHT_OLD_COMMITTEE", why, "NONE");
  }
  return header.epoch > beaconEpoch ? { kind: "ahead" } : { kind: "judge" };
}

/** Two hashes for one height. */
export interface HeightDispute {
  readonly number: number;
  /** 32 bytes each. */
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
}

/**
 * The height at which two certified headers contradict each other; undefined: they do not, or are too far apart to tell.
 * @param known header of `head`, where it is at hand.
 */
export function disputeOf(
  head: { readonly number: number; readonly hash: Uint8Array },
  known: Header | undefined,
  header: Header,
): HeightDispute | undefined {
  const { number } = head;
  const [ours, theirs] = header.number === number
    ? [head.hash, header.hash]
    : header.number === number + 1
    ? [head.hash, header.parentHash]
    : header.number === number - 1 && known !== undefined
    ? [known.parentHash, header.hash]
    : [undefined, undefined];
  if (ours === undefined || equalBytes(ours, theirs)) return undefined;
  return { number: Math.min(number, header.number), ours, theirs };
}
