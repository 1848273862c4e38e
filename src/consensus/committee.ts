/**
 * The committee that judges the blocks of one epoch of one shard.
 *
 * Why it exists: keys in bit order, quorum rule and payload form always go together, and the keys' handle must be kept,
 * because decoded keys are cached under it. What must stay true: which committee judges a block follows from the
 * block's own epoch and shard alone (consensus-verification.md §c.1).
 */
import { HsyncError, LruMap, toHex } from "../base/mod.ts";
import { CommitteeKeys, keccak256 } from "../crypto/mod.ts";
import { committeeOfShard } from "../chain/mod.ts";
import type { Committee, NetworkParams, ShardState, Slot } from "../chain/mod.ts";
import { stakeQuorum, uniformQuorum } from "./quorum.ts";
import type { QuorumRule } from "./quorum.ts";

/** A committee at work. */
export interface EpochCommittee {
  readonly epoch: number;
  readonly shardId: number;
  readonly slots: readonly Slot[];
  /** The slots' keys in bit order. */
  readonly keys: CommitteeKeys;
  readonly quorum: QuorumRule;
  /** Whether blocks of this epoch sign their view id too. */
  readonly staking: boolean;
}

/**
 * Handles by the keys they hold: committees often stay the same for many epochs, and one handle means that their
 * points are decoded once. Bounded; a forgotten handle costs time, nothing else.
 */
const handles = new LruMap<string, CommitteeKeys>(64);

function keysOf(slots: readonly Slot[]): CommitteeKeys {
  const fresh = CommitteeKeys.of(slots.map((slot) => slot.blsKey));
  const name = toHex(keccak256(fresh.bytes));
  const known = handles.get(name);
  if (known !== undefined) return known;
  handles.set(name, fresh);
  return fresh;
}

/**
 * A committee ready to judge blocks of `epoch`.
 *
 * @throws {HsyncError} COMMITTEE_UNUSABLE when it has no slots.
 */
export function epochCommittee(params: NetworkParams, epoch: number, committee: Committee): EpochCommittee {
  const { shardId, slots } = committee;
  if (slots.length === 0) {
    throw new HsyncError(
      "COMMITTEE_UNUSABLE",
      `the committee of shard ${shardId} in epoch ${epoch} has no slots`,
    );
  }
  const staking = params.isStaking(epoch);
  return {
    epoch,
    shardId,
    slots,
    keys: keysOf(slots),
    quorum: staking
      ? stakeQuorum(slots, params.instanceAt(epoch).harmonyVoteShare)
      : uniformQuorum(slots.length),
    staking,
  };
}

/** The error for an epoch and shard nobody is known to judge. Blames nobody: we may simply not have got there. */
export function committeeUnknown(params: NetworkParams, epoch: number, shardId: number): HsyncError {
  return new HsyncError(
    "COMMITTEE_UNKNOWN",
    `the committee of shard ${shardId} in epoch ${epoch} of ${params.name} is not known`,
    {
      retryable: true,
      hint: "it is in the last block of the epoch before; that block must be verified first",
    },
  );
}

/**
 * The committee of a shard out of a decoded shard state.
 *
 * @throws {HsyncError} COMMITTEE_UNKNOWN when the state has none for the shard (its chain has ended), COMMITTEE_UNUSABLE.
 */
export function committeeFromState(
  params: NetworkParams,
  epoch: number,
  shardId: number,
  state: ShardState,
): EpochCommittee {
  const committee = committeeOfShard(state, shardId);
  if (committee === undefined) throw committeeUnknown(params, epoch, shardId);
  return epochCommittee(params, epoch, committee);
}
