/**
 * Proofs that receipts left another shard (chain-format.md §8.3).
 *
 * Why it exists: the destination block carries them, and no root of that block covers them in a way that can be
 * checked on blocks from a reference node (§8.4), so what ties a proof together inside is all there is to check.
 * What must stay true: decoding is complete (a proof is never passed on half-read), and a proof that does not
 * hold together names the reason.
 */
import { equalBytes, HsyncError } from "../base/mod.ts";
import { type CXReceipt, encodeCXReceipt, readCXReceipt, shardRootsHash } from "./cx.ts";
import { decodeHeader, type Header } from "./header.ts";
import { indexTrieRoot } from "./index_trie.ts";
import { rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** What the source block commits to, by destination. */
export interface CXMerkleProof {
  /** Number of the source block. */
  readonly blockNumber: number;
  /** 32 bytes: hash of the source block. */
  readonly blockHash: Uint8Array;
  /** Source shard. */
  readonly shardId: number;
  /** 32 bytes: the source header's `outgoingReceiptHash`. */
  readonly receiptHash: Uint8Array;
  /** Destination shards, ascending. */
  readonly shardIds: readonly number[];
  /** 32 bytes each: root of the receipts to the shard at the same place of `shardIds`. */
  readonly shardRoots: readonly Uint8Array[];
}

/** Receipts from one block of another shard, with what proves them. */
export interface CXReceiptsProof {
  readonly receipts: readonly CXReceipt[];
  readonly merkleProof: CXMerkleProof;
  /** Of the source block. */
  readonly header: Header;
  /** 96 bytes in good proofs. */
  readonly commitSig: Uint8Array;
  /** On blocks from a reference node this is the signature again (chain-format.md §8.4). */
  readonly commitBitmap: Uint8Array;
}

function readMerkleProof(reader: RlpReader): CXMerkleProof {
  const r = reader.list("merkleProof");
  const proof = {
    blockNumber: r.safeInteger("blockNumber"),
    blockHash: r.fixed(32, "blockHash"),
    shardId: r.uint32("shardId"),
    receiptHash: r.fixed(32, "receiptHash"),
    shardIds: r.each("shardIds", (items) => items.uint32("shardIds")),
    shardRoots: r.each("shardRoots", (items) => items.fixed(32, "shardRoots")),
  };
  r.finish();
  return proof;
}

function encodeMerkleProof(proof: CXMerkleProof): Uint8Array {
  return rlpList([
    rlpUint(proof.blockNumber),
    rlpFixed(proof.blockHash, 32, "blockHash"),
    rlpUint(proof.shardId),
    rlpFixed(proof.receiptHash, 32, "receiptHash"),
    rlpList(proof.shardIds.map(rlpUint)),
    rlpList(proof.shardRoots.map((root) => rlpFixed(root, 32, "shardRoots"))),
  ]);
}

/** A merkle proof from its RLP. @throws {HsyncError} fault DATA. */
export function decodeCXMerkleProof(bytes: Uint8Array): CXMerkleProof {
  const reader = new RlpReader(bytes, "cross-shard merkle proof");
  const proof = readMerkleProof(reader);
  reader.finish();
  return proof;
}

/** A proof from its RLP. @throws {HsyncError} fault DATA. */
export function decodeCXReceiptsProof(bytes: Uint8Array): CXReceiptsProof {
  const reader = new RlpReader(bytes, "cross-shard proof");
  const r = reader.list("proof");
  reader.finish();
  const proof = {
    receipts: r.each("receipts", readCXReceipt),
    merkleProof: readMerkleProof(r),
    header: decodeHeader(r.raw("header")),
    commitSig: r.bytes("commitSig"),
    commitBitmap: r.bytes("commitBitmap"),
  };
  r.finish();
  return proof;
}

/** RLP of a proof. @throws {RangeError} a field of another length or out of range. */
export function encodeCXReceiptsProof(proof: CXReceiptsProof): Uint8Array {
  return rlpList([
    rlpList(proof.receipts.map(encodeCXReceipt)),
    encodeMerkleProof(proof.merkleProof),
    proof.header.bytes,
    rlpBytes(proof.commitSig),
    rlpBytes(proof.commitBitmap),
  ]);
}

function fail(proof: CXReceiptsProof, why: string): never {
  const { shardId, number } = proof.header;
  throw new HsyncError("CX_PROOF", `proof of receipts from shard ${shardId} block ${number}: ${why}`, {
    fault: "DATA",
  });
}

/**
 * Checks that a proof holds together and brings receipts to `toShardId` (chain-format.md §8.3 steps 1 to 4,
 * sync-protocol.md §2.9). Whether the source committee signed its header is not looked at.
 *
 * @throws {HsyncError} CX_PROOF, fault DATA.
 */
export function checkCXReceiptsProof(proof: CXReceiptsProof, toShardId: number): void {
  const { receipts, merkleProof, header } = proof;
  if (merkleProof.shardId !== header.shardId) fail(proof, `it names shard ${merkleProof.shardId}`);
  if (merkleProof.blockNumber !== header.number) fail(proof, `it names block ${merkleProof.blockNumber}`);
  if (header.shardId === toShardId) fail(proof, "it comes from the destination shard itself");
  if (receipts.length === 0) fail(proof, "it holds no receipt");
  for (const receipt of receipts) {
    if (receipt.toShardId !== toShardId) {
      fail(proof, `a receipt goes to shard ${receipt.toShardId} instead of ${toShardId}`);
    }
  }
  const { shardIds, shardRoots } = merkleProof;
  if (shardIds.length !== shardRoots.length) {
    fail(proof, `${shardIds.length} shards but ${shardRoots.length} roots`);
  }
  for (let i = 1; i < shardIds.length; i++) {
    if ((shardIds[i] as number) <= (shardIds[i - 1] as number)) {
      fail(proof, "shards are not in ascending order");
    }
  }
  const root = shardRoots[shardIds.indexOf(toShardId)];
  if (root === undefined) fail(proof, `shard ${toShardId} is not among the destinations`);
  if (!equalBytes(root, indexTrieRoot(receipts.map(encodeCXReceipt)))) {
    fail(proof, "the receipts do not have the root that it names");
  }
  const pairs = shardIds.map((shardId, i) => ({ shardId, root: shardRoots[i] as Uint8Array }));
  if (!equalBytes(shardRootsHash(pairs), merkleProof.receiptHash)) {
    fail(proof, "the roots do not hash to the receipt hash that it names");
  }
  if (!equalBytes(header.hash, merkleProof.blockHash)) {
    fail(proof, "the header does not have the hash that it names");
  }
  if (!equalBytes(header.outgoingReceiptHash, merkleProof.receiptHash)) {
    fail(proof, "the header commits to other receipts");
  }
}
