/**
 * From "this block, these bytes" to a certificate that is worth a pairing.
 *
 * Why it exists: lengths, signers and quorum cost microseconds, a pairing milliseconds; the cheap refusals come first, and the
 * costly part goes to whoever can do it (a worker pool, a single thread, a test). What must stay true: a block is certified only
 * when both halves said yes, for the committee of the block's own epoch and shard.
 */
import { HsyncError, to0x } from "../base/mod.ts";
import type {
  Bls,
  CertificateFault,
  CertificateInput,
  CertificateVerifier,
  CommitteeKeys,
} from "../crypto/mod.ts";
import { commitPayload, formatDec } from "../chain/mod.ts";
import type { CommitSig } from "../chain/mod.ts";
import type { EpochCommittee } from "./committee.ts";
import { bitmapLength, TWO_THIRDS, uniformThreshold } from "./quorum.ts";
import type { QuorumTally } from "./quorum.ts";

/** What a certificate is about; a `Header` fits. All values are the signed block's own. */
export interface SignedBlock {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly viewId: bigint;
  readonly epoch: number;
  readonly shardId: number;
}

/** A certificate that has quorum on paper: what is left is whether the signature is good. */
export interface CertificatePlan {
  readonly block: SignedBlock;
  readonly keys: CommitteeKeys;
  readonly input: CertificateInput;
  readonly tally: QuorumTally;
}

/** Does the curve work: the worker pool, or one thread through `inThread`. */
export type BatchVerifier = Pick<CertificateVerifier, "verifyBatch">;

/** A verifier that computes where it is called, blocking the thread: for commands and tests, not for a running node. */
export function inThread(bls: Pick<Bls, "verifyCertificates">): BatchVerifier {
  return {
    verifyBatch: (keys, inputs) => Promise.resolve(bls.verifyCertificates(keys, inputs)),
  };
}

function refuse(block: SignedBlock, code: string, why: string): HsyncError {
  return new HsyncError(
    code,
    `the certificate of block ${block.number} (${to0x(block.hash).slice(0, 18)}…) is refused: ${why}`,
    { fault: "DATA", blockNumber: block.number },
  );
}

/**
 * Everything that can be said about a certificate without touching a curve.
 *
 * @throws {HsyncError} fault DATA: CERT_BITMAP_LENGTH, CERT_SIGNATURE_LENGTH, CERT_NO_SIGNERS, CERT_BELOW_QUORUM. Fault NONE:
 *   CERT_WRONG_COMMITTEE when the caller brought the committee of another epoch or shard.
 */
export function planCertificate(
  block: SignedBlock,
  sig: CommitSig,
  committee: EpochCommittee,
): CertificatePlan {
  if (committee.epoch !== block.epoch || committee.shardId !== block.shardId) {
    throw new HsyncError(
      "CERT_WRONG_COMMITTEE",
      `block ${block.number} of shard ${block.shardId}, epoch ${block.epoch} cannot be judged by the committee of ` +
        `shard ${committee.shardId}, epoch ${committee.epoch}`,
      { blockNumber: block.number },
    );
  }
  const slots = committee.slots.length;
  const wanted = bitmapLength(slots);
  if (sig.bitmap.length !== wanted) {
    throw refuse(
      block,
      "CERT_BITMAP_LENGTH",
      `bitmap of ${sig.bitmap.length} bytes for ${slots} slots, not ${wanted}`,
    );
  }
  if (sig.signature.length !== 96) {
    throw refuse(block, "CERT_SIGNATURE_LENGTH", `signature of ${sig.signature.length} bytes, not 96`);
  }
  const tally = committee.quorum.tally(sig.bitmap);
  if (tally.signers === 0) throw refuse(block, "CERT_NO_SIGNERS", "nobody signed");
  if (!tally.reached) {
    const why = committee.quorum.kind === "uniform"
      ? `${tally.signers} of ${slots} signers, at least ${uniformThreshold(slots)} needed`
      : `signers hold ${formatDec(tally.power)} of the vote, more than ${formatDec(TWO_THIRDS)} needed`;
    throw refuse(block, "CERT_BELOW_QUORUM", why);
  }
  return {
    block,
    keys: committee.keys,
    input: {
      payload: commitPayload(block, committee.staking),
      signature: sig.signature,
      bitmap: sig.bitmap,
    },
    tally,
  };
}

const FAULT_TEXT: Readonly<Record<CertificateFault, string>> = {
  BITMAP_LENGTH: "the bitmap does not fit the committee",
  SIGNATURE_LENGTH: "the signature does not have 96 bytes",
  NO_SIGNERS: "nobody signed",
  SIGNER_KEY_UNUSABLE: "it counts on a committee key that is no usable point",
  AGGREGATE_KEY_INFINITY: "the signers' keys add up to infinity",
  SIGNATURE_ENCODING: "the signature is no point of the group",
  SIGNATURE_INFINITY: "the signature is the point at infinity",
  PAYLOAD_UNUSABLE: "the payload maps to no point",
  SIGNATURE_MISMATCH: "the signature is not by these signers over this block",
};

/** The error for a plan whose signature was found bad; its fault is DATA. */
export function certificateError(plan: CertificatePlan, reason: CertificateFault): HsyncError {
  return refuse(plan.block, `CERT_${reason}`, FAULT_TEXT[reason]);
}

/**
 * Verifies plans, those of one committee together, and reports each by its place: undefined means certified.
 *
 * @throws {HsyncError} CERT_VERIFIER when the verifier answers with another number of verdicts, or whatever it throws
 *   itself; nothing may then be taken as certified.
 */
export async function verifyPlans(
  plans: readonly CertificatePlan[],
  verifier: BatchVerifier,
  signal?: AbortSignal,
): Promise<Array<HsyncError | undefined>> {
  const groups = new Map<CommitteeKeys, number[]>();
  for (const [i, plan] of plans.entries()) {
    const group = groups.get(plan.keys);
    if (group === undefined) groups.set(plan.keys, [i]);
    else group.push(i);
  }
  const results = new Map<number, HsyncError | undefined>();
  await Promise.all(
    [...groups].map(async ([keys, places]) => {
      const members = places.map((place) => plans[place] as CertificatePlan);
      const verdicts = await verifier.verifyBatch(keys, members.map((plan) => plan.input), signal);
      for (const [i, plan] of members.entries()) {
        const verdict = verdicts[i];
        if (verdict === undefined || verdicts.length !== members.length) {
          throw new HsyncError(
            "CERT_VERIFIER",
            `${verdicts.length} verdicts for ${members.length} certificates`,
          );
        }
        results.set(places[i] as number, verdict.valid ? undefined : certificateError(plan, verdict.reason));
      }
    }),
  );
  return plans.map((_, i) => results.get(i));
}

/** {@link verifyPlans} for one certificate. @throws {HsyncError} the refusal, fault DATA. */
export async function verifyPlan(
  plan: CertificatePlan,
  verifier: BatchVerifier,
  signal?: AbortSignal,
): Promise<void> {
  const [error] = await verifyPlans([plan], verifier, signal);
  if (error !== undefined) throw error;
}
