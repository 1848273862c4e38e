/**
 * Whether a body belongs to its header (sync-protocol.md §2.9, GetBlocksByHashes).
 *
 * Why it exists: a peer is asked for a block by its hash, which covers the header only; these checks tie the
 * rest to it, at the moment of arrival, when the sender is known. What must stay true: every reason to reject
 * is a fault of whoever sent the bytes (DATA), and no block that a healthy reference node serves is rejected.
 */
import { equalBytes, HsyncError, to0x } from "../base/mod.ts";
import { type Block, transactionsRoot } from "./block.ts";
import { bodyTagFor } from "./body.ts";
import { checkCXReceiptsProof, decodeCXReceiptsProof } from "./cx_proof.ts";
import { EMPTY_ROOT } from "./index_trie.ts";
import { decodeStakingTransaction } from "./staking.ts";
import { decodeTransaction } from "./transaction.ts";

function reject(block: Block, code: string, why: string): never {
  throw new HsyncError(code, `block ${block.number} (${to0x(block.hash)}): ${why}`, {
    fault: "DATA",
    blockNumber: block.number,
  });
}

/**
 * Checks everything of a body that can be checked without executing it.
 *
 * The root of the incoming receipts is not among it: a reference node damages the proofs that it stores, so on
 * blocks from one that root never matches (chain-format.md §8.4). Each proof must hold together instead.
 *
 * @param options.shardId the shard whose chain the block is part of.
 * @throws {HsyncError} fault DATA; code BLOCK_SHARD, BLOCK_TAG, BLOCK_UNCLES, BLOCK_TX_ROOT,
 *   BLOCK_INCOMING_RECEIPTS, CX_PROOF, or an RLP code of a transaction or proof that does not decode.
 */
export function checkBody(block: Block, options: { readonly shardId: number }): void {
  const { header } = block;
  if (header.shardId !== options.shardId) {
    reject(block, "BLOCK_SHARD", `it belongs to shard ${header.shardId}, not ${options.shardId}`);
  }
  const tag = bodyTagFor(header.version);
  if (block.tag !== tag) {
    reject(
      block,
      "BLOCK_TAG",
      `a ${header.version} header stands under block tag "${block.tag}", not "${tag}"`,
    );
  }
  if (block.body.uncles.length > 0) {
    reject(block, "BLOCK_UNCLES", `it has ${block.body.uncles.length} uncles`);
  }
  if (!equalBytes(transactionsRoot(block.body), header.txRoot)) {
    reject(block, "BLOCK_TX_ROOT", "its transactions do not have the root that its header names");
  }
  const expectsNone = equalBytes(header.incomingReceiptHash, EMPTY_ROOT);
  if (expectsNone !== (block.body.incomingReceipts.length === 0)) {
    reject(
      block,
      "BLOCK_INCOMING_RECEIPTS",
      `it has ${block.body.incomingReceipts.length} incoming receipt proofs, and its header says ${
        expectsNone ? "none" : "some"
      }`,
    );
  }
  // The root does not say where the ordinary transactions end and the staking ones begin: only their forms do.
  // Results are dropped: a block that waits to be stored must not hold its body twice.
  for (const item of block.body.transactions) decodeTransaction(item);
  for (const item of block.body.stakingTransactions) decodeStakingTransaction(item);
  for (const item of block.body.incomingReceipts) {
    checkCXReceiptsProof(decodeCXReceiptsProof(item), options.shardId);
  }
}
