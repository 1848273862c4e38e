/**
 * Two certified blocks of one height: the committee has signed against itself, and no rule can say which is right.
 *
 * Why it exists: choosing one would be trusting somebody; so the node stops there and keeps what both sides signed. What must
 * stay true: a conflict is declared only when both certificates verify under the committee of their own epoch; the
 * evidence can be checked by anybody who has the committee; no peer is blamed for having shown it.
 */
import { ExitCode, fromHex, HsyncError, to0x } from "../base/mod.ts";
import { type CommitSig, type Header, joinCommitSig } from "../chain/mod.ts";

/** One side: a header with its certificate that makes the block at the disputed height count. */
export interface ConflictSide {
  /** 32 bytes: the block at the disputed height. */
  readonly hash: Uint8Array;
  /** That block, or its child: a certified child certifies its parent. */
  readonly header: Header;
  /** The verified certificate of `header`. */
  readonly certificate: CommitSig;
  /** Who sent it, where known: for the record, not for blame. */
  readonly streamId: string | undefined;
}

/** What is kept of a conflict. */
export interface ConflictEvidence {
  readonly network: string;
  readonly shardId: number;
  /** The disputed height. */
  readonly number: number;
  /** The side that this node holds. */
  readonly ours: ConflictSide;
  readonly theirs: ConflictSide;
  /** ms since 1970. */
  readonly foundAt: number;
}

/** Keeps evidence where it outlives the process. */
export interface EvidenceSink {
  /** Resolves when the record is durable. @throws {HsyncError} when it cannot be kept. */
  save(evidence: ConflictEvidence): Promise<void>;
}

/** Which two blocks contradict each other. */
export interface ConflictSummary {
  readonly network: string;
  readonly shardId: number;
  readonly number: number;
  /** 32 bytes: the block that this node held when the conflict was found. */
  readonly ours: Uint8Array;
  /** 32 bytes. */
  readonly theirs: Uint8Array;
}

const CODE = "CONFLICTING_CERTIFICATES";

function conflictText({ shardId, number, ours, theirs }: ConflictSummary): string {
  return `two blocks of shard ${shardId} at height ${number} are certified: ${
    to0x(ours)
  }, which is stored, and ${to0x(theirs)}`;
}
function conflictOptions({ number }: ConflictSummary) {
  return {
    blockNumber: number,
    exitCode: ExitCode.STORE_LOCKED,
    hint:
      "find out which one the network goes on with, and name it in a file given by --sync.anchor-file; if it " +
      `is not the stored one, stop this node and run: hsync db unwind --to ${Math.max(0, number - 1)}`,
  };
}

/** Stops everything: the operator decides, by anchor or by unwinding. */
export class ConflictingCertificates extends HsyncError {
  constructor(readonly evidence: ConflictEvidence) {
    const summary = summaryOf(evidence);
    super(CODE, conflictText(summary), conflictOptions(summary));
  }
}

/** The error of a conflict that an earlier run found and nobody has settled. */
export function standingConflict(summary: ConflictSummary): HsyncError {
  return new HsyncError(CODE, conflictText(summary), conflictOptions(summary));
}
/** True for the error of a conflict, found now or by an earlier run. */
export function isConflict(error: Error | undefined): error is HsyncError {
  return error instanceof HsyncError && error.code === CODE;
}

function summaryOf({ network, shardId, number, ours, theirs }: ConflictEvidence): ConflictSummary {
  return { network, shardId, number, ours: ours.hash, theirs: theirs.hash };
}

const KIND = "conflicting certificates";

function sideText(side: ConflictSide): Record<string, unknown> {
  const { hash, header, certificate, streamId } = side;
  return {
    hash: to0x(hash),
    certified: { number: header.number, epoch: header.epoch, viewId: header.viewId.toString() },
    header: to0x(header.bytes),
    commitSig: to0x(joinCommitSig(certificate)),
    ...(streamId === undefined ? {} : { peer: streamId }),
  };
}

/** Evidence as one JSON document: headers and certificates whole, as `0x` hex. */
export function evidenceText(evidence: ConflictEvidence): string {
  const { network, shardId, number, ours, theirs, foundAt } = evidence;
  const document = {
    kind: KIND,
    network,
    shardId,
    number,
    foundAt: new Date(foundAt).toISOString(),
    ours: sideText(ours),
    theirs: sideText(theirs),
  };
  return JSON.stringify(document, null, 2) + "\n";
}

/** A file name for the evidence: the same for the same conflict, whichever way it was found. */
export function evidenceName(evidence: ConflictEvidence): string {
  const { shardId, number, ours, theirs } = evidence;
  const short = (hash: Uint8Array) => to0x(hash).slice(2, 14);
  return `conflict-shard${shardId}-block${number}-${short(ours.hash)}-${short(theirs.hash)}.json`;
}

/** What a document of `evidenceText` is about. @throws {HsyncError} EVIDENCE_DAMAGED: it is no such document */
export function readEvidence(text: string): ConflictSummary {
  try {
    const { kind, network, shardId, number, ours, theirs } = JSON.parse(text);
    const whole = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
    if (kind !== KIND || typeof network !== "string" || !whole(shardId) || !whole(number)) {
      throw new HsyncError("EVIDENCE_DAMAGED", "it is not about two certified blocks");
    }
    return { network, shardId, number, ours: hashOf(ours), theirs: hashOf(theirs) };
  } catch (cause) {
    if (cause instanceof HsyncError && cause.code === "EVIDENCE_DAMAGED") throw cause;
    throw new HsyncError("EVIDENCE_DAMAGED", "it cannot be read as evidence", { cause });
  }
}
function hashOf(side: { readonly hash: string }): Uint8Array {
  const hash = fromHex(side.hash);
  if (hash.length !== 32) throw new HsyncError("EVIDENCE_DAMAGED", `a hash has ${hash.length} bytes`);
  return hash;
}
