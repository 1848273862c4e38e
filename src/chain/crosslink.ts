/**
 * Cross-links: the beacon chain's record of what other shards committed (chain-format.md §9).
 *
 * Why it exists: beacon headers carry them as a byte string, and they are certificates of other shards' blocks.
 * What must stay true: a list that decodes is in the one valid order.
 */
import { HsyncError } from "../base/mod.ts";
import { rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** All values describe the block that is linked. */
export interface CrossLink {
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly blockNumber: number;
  readonly viewId: bigint;
  /** 96 bytes, from the block's child. */
  readonly signature: Uint8Array;
  readonly bitmap: Uint8Array;
  readonly shardId: number;
  readonly epoch: number;
}

function readCrossLink(reader: RlpReader): CrossLink {
  const r = reader.list("cross-link");
  const link = {
    hash: r.fixed(32, "hash"),
    blockNumber: r.safeInteger("blockNumber"),
    viewId: r.uint64("viewId"),
    signature: r.fixed(96, "signature"),
    bitmap: r.bytes("bitmap"),
    shardId: r.uint32("shardId"),
    epoch: r.safeInteger("epoch"),
  };
  r.finish();
  return link;
}

/** A cross-link from its RLP. @throws {HsyncError} fault DATA. */
export function decodeCrossLink(bytes: Uint8Array): CrossLink {
  const reader = new RlpReader(bytes, "cross-link");
  const link = readCrossLink(reader);
  reader.finish();
  return link;
}

/** RLP of a cross-link. @throws {RangeError} a field of another length or out of range. */
export function encodeCrossLink(link: CrossLink): Uint8Array {
  return rlpList([
    rlpFixed(link.hash, 32, "hash"),
    rlpUint(link.blockNumber),
    rlpUint(link.viewId),
    rlpFixed(link.signature, 96, "signature"),
    rlpBytes(link.bitmap),
    rlpUint(link.shardId),
    rlpUint(link.epoch),
  ]);
}

/** Order of cross-links in a header: by shard, then number, then view. */
export function compareCrossLinks(a: CrossLink, b: CrossLink): number {
  if (a.shardId !== b.shardId) return a.shardId - b.shardId;
  if (a.blockNumber !== b.blockNumber) return a.blockNumber - b.blockNumber;
  return a.viewId < b.viewId ? -1 : a.viewId > b.viewId ? 1 : 0;
}

/**
 * The cross-links of a header.
 *
 * @param bytes content of the header field; empty for none.
 * @throws {HsyncError} fault DATA: an RLP code, or CROSSLINK_ORDER, CROSSLINK_NUMBER for a list that is out of
 *   order or links block 0 or 1.
 */
export function decodeCrossLinks(bytes: Uint8Array): CrossLink[] {
  if (bytes.length === 0) return [];
  const reader = new RlpReader(bytes, "cross-links");
  const links = reader.each("cross-links", readCrossLink);
  reader.finish();
  links.forEach((link, i) => {
    const before = links[i - 1];
    if (before !== undefined && compareCrossLinks(before, link) > 0) {
      throw new HsyncError(
        "CROSSLINK_ORDER",
        `cross-link of shard ${link.shardId} block ${link.blockNumber} is out of order`,
        { fault: "DATA" },
      );
    }
    if (link.blockNumber <= 1) {
      throw new HsyncError(
        "CROSSLINK_NUMBER",
        `cross-link of shard ${link.shardId} names block ${link.blockNumber}`,
        { fault: "DATA" },
      );
    }
  });
  return links;
}

/** Content of the header field for these links; empty for none. */
export function encodeCrossLinks(links: readonly CrossLink[]): Uint8Array {
  return links.length === 0 ? new Uint8Array(0) : rlpList(links.map(encodeCrossLink));
}
