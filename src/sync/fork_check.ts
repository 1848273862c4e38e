/**
 * Blocks that do not continue our certified head: a lie, or a committee that signed against itself.
 *
 * Why it exists: a fork is no candidate for the next block, yet if it is certified the node must not simply go on
 * . What must stay true: a conflict is declared only after both sides' certificates verified here, and
 * evidence of both is kept first; where the operator's anchors tell the sides apart there is none; a fork that cannot
 * be judged blames nobody.
 */
import { equalBytes, HsyncError, type Logger } from "../base/mod.ts";
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
  /** ms since 1970. */
  readonly now: () => number;
  readonly committees: CommitteeSource;
  readonly certifier: RunCertifier;
  /** Finds where a peer's chain leaves ours; undefined: only what is at hand is looked at. */
  readonly rootOf: ((streamId: string) => Promise<readonly RunBlock[] | undefined>) | undefined;
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

/** What came of judging a block of a fork. */
type Judged =
  /** Nothing is to be said about it: it does not differ, or an anchor has settled it. */
  | { readonly kind: "settled" }
  /** It is not ours to judge: our chain does not know who had to sign it. */
  | { readonly kind: "strange" }
  /** The committee that we know has not signed it. */
  | { readonly kind: "unsigned"; readonly culprits: readonly Culprit[] };

/**
 * Judges some linked blocks against the stored chain up to `head`: the lowest, and where our committees have not signed that
 * one, the first block at which its sender's chain leaves ours, since the fork may have elected committees of its own.
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
  const tip = await judge(blocks, head, check);
  const streamId = blocks[0]?.streamId;
  if (tip.kind === "settled" || streamId === undefined) return culpritsOf(tip);
  const root = await check.rootOf?.(streamId);
  if (root === undefined) return culpritsOf(tip);
  const first = await judge(root, head, check);
  // What stands on an unsigned block is worth nothing, whoever signed it.
  return first.kind === "settled" ? [] : merged(culpritsOf(tip), culpritsOf(first));
}
function culpritsOf(judged: Judged): readonly Culprit[] {
  return judged.kind === "unsigned" ? judged.culprits : [];
}
function merged(some: readonly Culprit[], more: readonly Culprit[]): readonly Culprit[] {
  return [...some, ...more.filter((m) => some.every((s) => s.streamId !== m.streamId))];
}

/** Judges the lowest of some linked blocks. @throws {ConflictingCertificates} */
async function judge(blocks: readonly RunBlock[], head: ChainPoint, check: ForkCheck): Promise<Judged> {
  const [lowest] = blocks;
  const dispute = lowest === undefined ? undefined : await disputeOf(lowest.header, head, check);
  if (lowest === undefined || dispute === undefined || settled(lowest.header, dispute, check)) {
    return { kind: "settled" };
  }
  if (!await judgeable(lowest.header, dispute, check)) return { kind: "strange" };
  const { good, culprits } = await check.certifier.certificateOf(lowest, blocks[1], check.signal);
  if (good === undefined) return { kind: "unsigned", culprits };
  const ours = await ourCertificate(dispute.stored, check);
  if (ours === undefined) {
    check.logger.error("a certified fork of a block whose own certificate is not at hand", {
      number: dispute.number,
    });
    return { kind: "settled" };
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
 * True when an anchor has judged the fork's block already, or it is of another shard.
 *
 * After a recovery by hand the abandoned branch stays certified, and anybody may show it for ever: in an epoch in which our
 * chain passes an anchor, a fork says nothing that the anchor did not settle.
 */
function settled(header: Header, { number, hash }: Dispute, { store, params, anchors }: ForkCheck): boolean {
  const { shardId } = store.meta;
  if (header.shardId !== shardId || anchors.verdict(shardId, number, hash).kind !== "unknown") return true;
  return anchors.anchorsOf(shardId).some((a) =>
    a.number <= number && params.schedule.epochOf(a.number) >= params.schedule.epochOf(number)
  );
}

/** True when our committees can judge the fork's block. */
async function judgeable(header: Header, dispute: Dispute, check: ForkCheck): Promise<boolean> {
  const { params, committees } = check;
  const { shardId } = check.store.meta;
  const { stored, number } = dispute;
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
