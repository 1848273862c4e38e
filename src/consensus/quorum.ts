/**
 * How much of a committee must have signed (consensus-verification.md §c).
 *
 * Why it exists: a certificate without quorum is nothing, however good its signature. What must stay true: the
 * decimals are the reference's to the last digit, because honest certificates may sit right at the limit; bits
 * beyond the last slot never count.
 */
import { HsyncError, toHex } from "../base/mod.ts";
import { countMarked, isMarked } from "../crypto/mod.ts";
import { DEC_ONE, decFromInt, decMul, decQuo } from "../chain/mod.ts";
import type { Dec, Slot } from "../chain/mod.ts";

/** A signing power must be strictly greater than this: 2/3, rounded up in its last digit. */
export const TWO_THIRDS: Dec = decQuo(decFromInt(2), decFromInt(3));

/** What a bitmap amounts to. */
export interface QuorumTally {
  readonly reached: boolean;
  /** How many slots are marked. */
  readonly signers: number;
  /** How many slots there are. */
  readonly slots: number;
  /** Voting power of the signers as a raw decimal, 1 being the whole committee; before staking signers/slots. */
  readonly power: Dec;
}

/** The quorum rule of one committee. */
export interface QuorumRule {
  /** `uniform`: one slot, one vote; `stake`: by voting power. */
  readonly kind: "uniform" | "stake";
  /** @throws {HsyncError} QUORUM_BITMAP when the bitmap's length does not fit the committee, fault DATA. */
  tally(bitmap: Uint8Array): QuorumTally;
}

/** The only length a bitmap over `slots` slots may have, in bytes. */
export function bitmapLength(slots: number): number {
  return (slots + 7) >> 3;
}

function requireLength(bitmap: Uint8Array, slots: number): void {
  if (bitmap.length === bitmapLength(slots)) return;
  throw new HsyncError(
    "QUORUM_BITMAP",
    `signer bitmap has ${bitmap.length} bytes, a committee of ${slots} slots needs ${bitmapLength(slots)}`,
    { fault: "DATA" },
  );
}

/** Fewest signers before staking: more than two thirds of the slots (§c.2). */
export function uniformThreshold(slots: number): number {
  return Math.floor((2 * slots) / 3) + 1;
}

/**
 * The rule before staking. Signers are counted, where the reference's header check counts slots and so lets a
 * single signature pass; counting is what the validators themselves did when the blocks were made.
 */
export function uniformQuorum(slots: number): QuorumRule {
  return {
    kind: "uniform",
    tally(bitmap) {
      requireLength(bitmap, slots);
      const signers = countMarked(bitmap, slots);
      const power = slots === 0 ? 0n : decQuo(decFromInt(signers), decFromInt(slots));
      return { reached: signers >= uniformThreshold(slots), signers, slots, power };
    },
  };
}

/** The voting power of one distinct key. */
export interface VotingPower {
  /** 48 bytes. */
  readonly blsKey: Uint8Array;
  readonly power: Dec;
  /** The slot whose bit is asked for this key: the last one that holds it. */
  readonly bit: number;
  /** True for a slot that Harmony runs. */
  readonly reserved: boolean;
}

/**
 * Voting power of every distinct key of a staking-era committee (§c.3), in the order of first occurrence.
 *
 * The reserved slots share `harmonyShare` evenly, the others the rest by stake; what rounding leaves over goes to the
 * last staked slot, negative or not. A key that holds several slots has the power of its first slot and the bit of
 * its last; should the last staked slot be such a repeat, what was left over is lost.
 *
 * @throws {HsyncError} COMMITTEE_UNUSABLE when there are staked slots but no stake at all.
 */
export function votingPowers(slots: readonly Slot[], harmonyShare: Dec): VotingPower[] {
  let totalStake = 0n;
  let staked = 0;
  for (const { stake } of slots) {
    if (stake === undefined) continue;
    totalStake += stake;
    staked++;
  }
  if (staked > 0 && totalStake === 0n) {
    throw new HsyncError("COMMITTEE_UNUSABLE", `a committee with ${staked} staked slots has no stake`);
  }
  const reservedCount = slots.length - staked;
  const reservedPower = reservedCount === 0 ? 0n : decQuo(harmonyShare, decFromInt(reservedCount));
  const stakedShare = DEC_ONE - harmonyShare;

  const byKey = new Map<string, { blsKey: Uint8Array; power: Dec; bit: number; reserved: boolean }>();
  let sum = 0n;
  let lastStaked: { power: Dec } | undefined;
  for (const [bit, slot] of slots.entries()) {
    const reserved = slot.stake === undefined;
    const power = slot.stake === undefined
      ? reservedPower
      : decMul(decQuo(slot.stake, totalStake), stakedShare);
    sum += power;
    const key = toHex(slot.blsKey);
    const known = byKey.get(key);
    const entry = { blsKey: slot.blsKey, power, bit, reserved };
    if (known === undefined) byKey.set(key, entry);
    else known.bit = bit;
    // A repeat gets an entry that nobody looks at: the remainder goes there and is gone.
    if (!reserved) lastStaked = entry;
  }
  if (lastStaked !== undefined) lastStaked.power += DEC_ONE - sum;
  return [...byKey.values()];
}

/** The rule from staking on (§c.3). The powers are computed on first use. */
export function stakeQuorum(slots: readonly Slot[], harmonyShare: Dec): QuorumRule {
  let powers: VotingPower[] | undefined;
  return {
    kind: "stake",
    tally(bitmap) {
      requireLength(bitmap, slots.length);
      powers ??= votingPowers(slots, harmonyShare);
      let power = 0n;
      for (const voter of powers) if (isMarked(bitmap, voter.bit)) power += voter.power;
      return {
        reached: power > TWO_THIRDS,
        signers: countMarked(bitmap, slots.length),
        slots: slots.length,
        power,
      };
    },
  };
}
