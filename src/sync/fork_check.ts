/**
 * Blocks that do not continue our certified head: a lie, or a committee that signed against itself.
 *
 * Why it exists: a fork is no candidate for the next block, yet if it is certified the node must not simply go on
 * . What must stay true: a conflict is declared only after both sides' certificates verified here, and
 * evidence of both is kept first; where the operator's anchors tell the sides apart there is none; a fork that cannot
 * be judged blames nobody.
 */
import { equalBytes, HsyncError, type Logger, type Meter } from "../base/mod.ts";
import { decodeHeader, type Header, type NetworkParams, nextEpoch, splitCommitSig } from "../chain/mod.ts";
import {
  type AnchorBook,
  type CommitteeSource,
  type ConflictEvidence,
  ConflictingCertificates,
  type EvidenceSink,
} from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { RunBlock, RunCertifier } from "./run_certifier.ts";
import type { ChainPoint } from "./types.ts";
import type { Culprit } from "./verify.ts";

export interface ForkCheck {
  readonly store: Pick<ChainStore, "headerAt" | "commitSigAt" | "meta">;
  readonly params: NetworkParams;
  readonly anchors: AnchorBook;
  readonly evidence: EvidenceSink;
  readonly logger: Logger;
  readonly meter: Meter;
  /** ms since 1970. */
  readonly now: () => number;
  readonly committees: CommitteeSource;
  readonly certifier: RunCertifier;
  readonly signal: AbortSignal;
}

/** What a fork says about one height. */
interface Dispute {
  readonly number: number;
  /** Their block at that height, 32 bytes. */
  readonly hash: Uint8Array;
  /** Ours. */
  readonly stored: Header;
}

/**
 * Judges the lowest of some linked blocks against the stored chain up to `head`.
 *
 * @param blocks ascending; the lowest is at most one above `head`, and does not continue it.
 * @returns who sent bytes of them that are wrong.
 * @throws {ConflictingCertificates} both sides are certified; the evidence is kept.
 */
export async function examineFork(
  blocks: readonly RunBlock[],
  head: ChainPoint,
  check: ForkCheck,
): Promise<readonly Culprit[]> {
  const [lowest] = blocks;
  if (lowest === undefined) return [];
  const dispute = await disputeOf(lowest.header, head, check);
  if (dispute === undefined || !await judgeable(lowest.header, dispute, check)) return [];
  const { good, culprits } = await check.certifier.certificateOf(lowest, blocks[1], check.signal);
  if (good === undefined) return culprits;
  const ours = await ourCertificate(dispute.stored, check);
  if (ours === undefined) {
    check.logger.error("a certified fork of a block whose own certificate is not at hand", {
      number: dispute.number,
    });
    return [];
  }
  const { network, shardId } = check.store.meta;
  const evidence: ConflictEvidence = {
    network,
    shardId,
    number: dispute.number,
    ours: { hash: dispute.stored.hash, header: dispute.stored, certificate: ours, streamId: undefined },
    theirs: { hash: dispute.hash, header: lowest.header, certificate: good, streamId: lowest.streamId },
    foundAt: check.now(),
  };
  check.meter.inc("hmy_sync_conflicting_certificates", { ShardID: String(shardId) });
  try {
    await check.evidence.save(evidence);
  } catch (error) {
    // Stopping matters more than the file.
    check.logger.error("the evidence of two certified blocks could not be written", {
      number: dispute.number,
      error,
    });
  }
  throw new ConflictingCertificates(evidence);
}

/** The highest height at which the block, or the parent that it names, differs from what is stored. */
async function disputeOf(header: Header, head: ChainPoint, check: ForkCheck): Promise<Dispute | undefined> {
  const beside = header.number <= head.number;
  const number = beside ? header.number : header.number - 1;
  if (number > head.number || number < 1) return undefined;
  const bytes = await check.store.headerAt(number);
  if (bytes === undefined) return undefined;
  const stored = decodeHeader(bytes);
  const hash = beside ? header.hash : header.parentHash;
  return equalBytes(stored.hash, hash) ? undefined : { number, hash, stored };
}

/**
 * True when our committees can judge the fork's block, and no anchor already has.
 *
 * After a recovery by hand the abandoned branch stays certified, and anybody may show it for ever: in an epoch in which our
 * chain passes an anchor, a fork says nothing that the anchor did not settle.
 */
async function judgeable(header: Header, dispute: Dispute, check: ForkCheck): Promise<boolean> {
  const { params, anchors, committees } = check;
  const { shardId } = check.store.meta;
  if (header.shardId !== shardId) return false;
  const { stored, number, hash } = dispute;
  if (anchors.verdict(shardId, number, hash).kind !== "unknown") return false;
  const settled = anchors.anchorsOf(shardId).some((a) =>
    a.number <= number && params.schedule.epochOf(a.number) >= params.schedule.epochOf(number)
  );
  if (settled) return false;
  const above = header.number > number && header.epoch === nextEpoch(stored, undefined, params);
  if (header.epoch !== stored.epoch && !above) return false;
  try {
    return (await committees.committee(header.epoch, shardId)).provisionalFrom === undefined;
  } catch (error) {
    if (error instanceof HsyncError && error.code === "COMMITTEE_UNKNOWN") return false;
    throw error;
  }
}

/** The certificate that the store shows for its own block, verified. */
async function ourCertificate(stored: Header, check: ForkCheck) {
  const sideCar = await check.store.commitSigAt(stored.number);
  if (sideCar === undefined) return undefined;
  const block: RunBlock = { header: stored, sideCar, streamId: undefined };
  const { good } = await check.certifier.certificateOf(block, undefined, check.signal);
  return good === undefined ? undefined : splitCommitSig(sideCar);
}
