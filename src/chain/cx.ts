/**
 * Receipts of transfers between shards, and the hash a source block commits to them with
 * (chain-format.md §8.1, §8.2).
 *
 * Why it exists: the outgoing hash covers the receipts by destination, and two ways of building it are valid.
 * What must stay true: receipts keep their order in the source block.
 */
import { be32, concat, equalBytes } from "../base/mod.ts";
import { keccak256 } from "../crypto/mod.ts";
import { EMPTY_ROOT, indexedTrieRoot } from "./index_trie.ts";
import { rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** One transfer that leaves a shard. */
export interface CXReceipt {
  /** 32 bytes: hash of the transaction, or its eth hash for a transfer by precompile. */
  readonly txHash: Uint8Array;
  /** 20 bytes. */
  readonly from: Uint8Array;
  /** 20 bytes. */
  readonly to: Uint8Array;
  /** Source shard. */
  readonly shardId: number;
  /** Destination shard. */
  readonly toShardId: number;
  /** In atto. */
  readonly amount: bigint;
}

/** Reads the next item as a receipt. @throws {HsyncError} fault DATA; a missing `to` is an error. */
export function readCXReceipt(reader: RlpReader): CXReceipt {
  const r = reader.list("receipt");
  const receipt = {
    txHash: r.fixed(32, "txHash"),
    from: r.fixed(20, "from"),
    to: r.fixed(20, "to"),
    shardId: r.uint32("shardId"),
    toShardId: r.uint32("toShardId"),
    amount: r.bigint("amount"),
  };
  r.finish();
  return receipt;
}

/** A receipt from its RLP. @throws {HsyncError} fault DATA. */
export function decodeCXReceipt(bytes: Uint8Array): CXReceipt {
  const reader = new RlpReader(bytes, "cross-shard receipt");
  const receipt = readCXReceipt(reader);
  reader.finish();
  return receipt;
}

/** RLP of a receipt. @throws {RangeError} a field of another length or out of range. */
export function encodeCXReceipt(receipt: CXReceipt): Uint8Array {
  return rlpList([
    rlpFixed(receipt.txHash, 32, "txHash"),
    rlpFixed(receipt.from, 20, "from"),
    rlpFixed(receipt.to, 20, "to"),
    rlpUint(receipt.shardId),
    rlpUint(receipt.toShardId),
    rlpUint(receipt.amount),
  ]);
}

/** Hash over pairs of shard and root, in the order given; `EMPTY_ROOT` for none. */
export function shardRootsHash(
  pairs: readonly { readonly shardId: number; readonly root: Uint8Array }[],
): Uint8Array {
  if (pairs.length === 0) return EMPTY_ROOT;
  return keccak256(concat(...pairs.flatMap((pair) => [be32(pair.shardId), pair.root])));
}

/**
 * The hash that a header commits to a block's outgoing receipts with.
 *
 * @param receipts all receipts of the block, in block order.
 * @param form `current`: receipts are numbered anew per destination; `legacy`: they keep their number in the block.
 * @returns 32 bytes, `EMPTY_ROOT` without receipts.
 */
export function outgoingReceiptHash(
  receipts: readonly CXReceipt[],
  form: "current" | "legacy" = "current",
): Uint8Array {
  const byShard = new Map<number, { items: Uint8Array[]; indexes: number[] }>();
  receipts.forEach((receipt, index) => {
    let group = byShard.get(receipt.toShardId);
    if (group === undefined) byShard.set(receipt.toShardId, group = { items: [], indexes: [] });
    group.indexes.push(form === "legacy" ? index : group.items.length);
    group.items.push(encodeCXReceipt(receipt));
  });
  const shards = [...byShard].sort(([a], [b]) => a - b);
  return shardRootsHash(
    shards.map(([shardId, group]) => ({ shardId, root: indexedTrieRoot(group.items, group.indexes) })),
  );
}

/** True when `hash` commits to exactly these receipts in either valid form. */
export function acceptsOutgoingReceiptHash(hash: Uint8Array, receipts: readonly CXReceipt[]): boolean {
  return equalBytes(hash, outgoingReceiptHash(receipts)) ||
    equalBytes(hash, outgoingReceiptHash(receipts, "legacy"));
}
