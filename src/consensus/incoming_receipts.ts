/**
 * Incoming cross-shard receipts: whether a body's proofs are those that its header commits to.
 *
 * Why it exists: blocks from a reference node carry each proof with a damaged bitmap, so the header's root cannot be
 * held against them as they are (chain-format.md §8.4). The true bitmap stands beside the same signature in the source
 * shard's next header, and in the beacon chain's cross-link; put back, the root must match. What must stay true: only
 * a root that matches proves a body, so where a bitmap came from need not be trusted; what is served to others is never
 * changed by this.
 */
import { equalBytes, LruMap } from "../base/mod.ts";
import {
  type Block,
  decodeCrossLinks,
  encodeCXReceiptsProof,
  type Header,
  indexTrieRoot,
  parentCommitSig,
} from "../chain/mod.ts";

/** A certificate of another shard's block, as somebody recorded it. */
export interface SourceCertificate {
  /** 32 bytes: the block that it is about. */
  readonly hash: Uint8Array;
  /** 96 bytes. */
  readonly signature: Uint8Array;
  readonly bitmap: Uint8Array;
}

/** Where certificates of other shards' blocks are found. */
export interface SourceCertificates {
  /** The certificate of block `number` of `shardId`; undefined: not known (yet). */
  certificate(
    shardId: number,
    number: number,
  ): SourceCertificate | undefined | Promise<SourceCertificate | undefined>;
}

/** What came of looking for the true bitmaps of one body. */
export interface ReceiptProof {
  /** How many proofs the body holds. */
  readonly proofs: number;
  /** How many of them have their true bitmap again. */
  readonly restored: number;
  /** Every bitmap was put back, and the header's root matches: these are the proofs that the block was signed with. */
  readonly proven: boolean;
}

/**
 * Puts true bitmaps back into the proofs of a body, and holds the header's root against the result.
 *
 * @param block a block with incoming receipts that passed `checkBody`.
 * @throws {HsyncError} whatever looking up throws.
 */
export async function proveIncomingReceipts(
  block: Block,
  sources: SourceCertificates,
): Promise<ReceiptProof> {
  const proofs = block.incomingReceipts();
  const whole: Uint8Array[] = [];
  for (const proof of proofs) {
    const { shardId, number, hash } = proof.header;
    const source = await sources.certificate(shardId, number);
    if (source === undefined) continue;
    // A certificate of other signers has another bitmap, and one of another block says nothing at all.
    if (!equalBytes(source.hash, hash) || !equalBytes(source.signature, proof.commitSig)) continue;
    whole.push(encodeCXReceiptsProof({ ...proof, commitBitmap: source.bitmap }));
  }
  const proven = proofs.length > 0 && whole.length === proofs.length &&
    equalBytes(indexTrieRoot(whole), block.header.incomingReceiptHash);
  return { proofs: proofs.length, restored: whole.length, proven };
}

/** Links remembered: more than arrive between a source block and the last block that waits for it. */
const MAX_LINKS = 4_096;

/** Certificates out of the cross-links of the beacon chain that this node follows. */
export class CrossLinkCertificates implements SourceCertificates {
  readonly #links = new LruMap<string, SourceCertificate>(MAX_LINKS);

  /**
   * Takes the cross-links of a certified beacon header.
   *
   * @returns how many there were.
   * @throws {HsyncError} fault DATA: the field is no valid list.
   */
  add(header: Header): number {
    const links = decodeCrossLinks(header.crossLinks);
    for (const { shardId, blockNumber, hash, signature, bitmap } of links) {
      // Copies: a view would keep the whole block in memory.
      this.#links.set(`${shardId}/${blockNumber}`, {
        hash: hash.slice(),
        signature: signature.slice(),
        bitmap: bitmap.slice(),
      });
    }
    return links.length;
  }
  certificate(shardId: number, number: number): SourceCertificate | undefined {
    return this.#links.get(`${shardId}/${number}`);
  }
}

/** Finds a header of another shard; undefined: nobody has it (yet). */
export type FindHeader = (shardId: number, number: number) => Promise<Header | undefined>;

/** Certificates out of the source shard's own headers: that of a block is in the next one. */
export class HeaderCertificates implements SourceCertificates {
  constructor(private readonly find: FindHeader) {}

  async certificate(shardId: number, number: number): Promise<SourceCertificate | undefined> {
    const next = await this.find(shardId, number + 1);
    return next === undefined ? undefined : { hash: next.parentHash, ...parentCommitSig(next) };
  }
}

/** Asks one source after the other. */
export function firstOf(...sources: readonly SourceCertificates[]): SourceCertificates {
  return {
    async certificate(shardId, number) {
      for (const source of sources) {
        const found = await source.certificate(shardId, number);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}
