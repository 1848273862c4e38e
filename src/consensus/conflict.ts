/**
 * Two certified blocks of one height: the committee has signed against itself, and no rule can say which is right.
 *
 * Why it exists: choosing one would be trusting somebody; so the node stops there and keeps what both sides signed. What must
 * stay true: a conflict is declared only when both certificates verify under the committee of their own epoch; the
 * evidence can be checked by anybody who has the committee; no peer is blamed for having shown it.
 */
import { ExitCode, HsyncError, to0x } from "../base/mod.ts";
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

/** Stops everything: the operator decides, by anchor or by unwinding. */
export class ConflictingCertificates extends HsyncError {
  constructor(readonly evidence: ConflictEvidence) {
    const { shardId, number, ours, theirs } = evidence;
    super(
      "CONFLICTING_CERTIFICATES",
      `two blocks of shard ${shardId} at height ${number} are certified: ${
        to0x(ours.hash)
      }, which is stored, and ` +
        `${to0x(theirs.hash)}`,
      {
        blockNumber: number,
        exitCode: ExitCode.STORE_LOCKED,
        hint:
          "find out which one the network goes on with, name it in the anchors file, and take the other one out " +
          `with: hsync db unwind --to ${Math.max(0, number - 1)}`,
      },
    );
  }
}

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
    kind: "conflicting certificates",
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
