/**
 * Blocks that look right and are not: what a liar with real keys, or with none, could serve.
 *
 * Why it exists: refusing such blocks is what the product is for, and each kind must be refused for its own reason. What must
 * stay true: a forged block is linked, decodes and has good roots; only its certificate or its epoch is false.
 */
import type { Block, CommitSig } from "../../src/chain/mod.ts";
import { bitmapLength } from "../../src/consensus/mod.ts";
import type { BlockChange, BuiltBlock, ChainBuilder } from "./chain_builder.ts";

/** Kinds of forgery, with the error code that refuses them first. */
export const FORGERIES = {
  /** Signed, with everybody present, by the committee of the epoch before. */
  "old-committee": "CERT_*",
  /** Signed by as many as possible without quorum. */
  "below-quorum": "CERT_BELOW_QUORUM",
  /** The good certificate of the parent. */
  "swapped-signature": "CERT_SIGNATURE_MISMATCH",
  /** Nobody's signature under everybody's bits. */
  "noise-signature": "CERT_SIGNATURE_*",
  /** The point at infinity under everybody's bits. */
  "infinity-signature": "CERT_SIGNATURE_INFINITY",
  /** The point at infinity, and nobody's bits: their keys add up to infinity too. */
  "infinity-everything": "CERT_NO_SIGNERS",
  /** One byte of the bitmap missing. */
  "short-bitmap": "CERT_BITMAP_LENGTH",
  /** One byte of the bitmap too many. */
  "long-bitmap": "CERT_BITMAP_LENGTH",
  /** An epoch that is not due, signed by the committee that it would have. */
  "epoch-jump": "HEADER_EPOCH",
} as const;
export type Forgery = keyof typeof FORGERIES;

/** All bits of a committee's slots. */
function everybody(slots: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapLength(slots));
  for (let i = 0; i < slots; i++) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
  return bitmap;
}

function certifiedBy(builder: ChainBuilder, epoch: number): (block: Block) => CommitSig {
  return (block) => {
    const committee = builder.network.committee(epoch, builder.shardId);
    const staking = builder.network.params.isStaking(block.header.epoch);
    return builder.certificate(block, committee, everybody(committee.slots.length), staking);
  };
}

/** Changes an honest certificate. */
function spoiled(builder: ChainBuilder, change: (sig: CommitSig, slots: number) => CommitSig): BlockChange {
  return {
    certify: (block) => {
      const slots = builder.committee(block.header.epoch).slots.length;
      return change(builder.honestCertificate(block), slots);
    },
  };
}

function changeFor(builder: ChainBuilder, kind: Forgery): BlockChange {
  const { head, network, shardId } = builder;
  const parentSig = { signature: head.commitSig.subarray(0, 96), bitmap: head.commitSig.subarray(96) };
  const epochAfter = builder.epochAfterHead();
  switch (kind) {
    case "old-committee":
      return { certify: certifiedBy(builder, Math.max(0, epochAfter - 1)) };
    case "below-quorum":
      return {
        certify: (block) => {
          const committee = builder.committee(block.header.epoch);
          const bitmap = everybody(committee.slots.length);
          for (let i = 0; i < committee.slots.length && committee.quorum.tally(bitmap).reached; i++) {
            bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) & ~(1 << (i & 7));
          }
          const plain = { shardId, slots: committee.slots };
          return builder.certificate(block, plain, bitmap, committee.staking);
        },
      };
    case "swapped-signature":
      return { certify: () => parentSig };
    case "noise-signature":
      return spoiled(builder, (_sig, slots) => ({
        signature: network.random(99, head.number).bytes(96),
        bitmap: everybody(slots),
      }));
    case "infinity-signature":
      return spoiled(builder, (_sig, slots) => ({ signature: new Uint8Array(96), bitmap: everybody(slots) }));
    case "infinity-everything":
      return spoiled(builder, (sig) => ({
        signature: new Uint8Array(96),
        bitmap: new Uint8Array(sig.bitmap.length),
      }));
    case "short-bitmap":
      return spoiled(builder, (sig) => ({ ...sig, bitmap: sig.bitmap.subarray(1) }));
    case "long-bitmap":
      return spoiled(builder, (sig) => ({ ...sig, bitmap: new Uint8Array([...sig.bitmap, 0]) }));
    case "epoch-jump":
      return { header: { epoch: epochAfter + 1 }, certify: certifiedBy(builder, epochAfter + 1) };
  }
}

/**
 * Appends a forged block; what the builder makes next stands on it.
 *
 * "swapped-signature" needs a head that is signed and has the same committee, "old-committee" an epoch after the first.
 */
export function forgeNext(builder: ChainBuilder, kind: Forgery): BuiltBlock {
  return builder.next(changeFor(builder, kind));
}
