/** Every block of a real two-shard network, byte by byte against what Go said about it. */
import assert from "node:assert/strict";
import { equalBytes, to0x } from "../../src/base/mod.ts";
import {
  acceptsOutgoingReceiptHash,
  type Block,
  checkBody,
  decodeBlock,
  decodeBody,
  decodeCXReceipt,
  decodeReceipt,
  encodeBlock,
  encodeBody,
  encodeCXReceipt,
  encodeCXReceiptsProof,
  encodeReceipt,
  encodeStakingMessage,
  encodeStakingTransaction,
  encodeTransaction,
  headerBloom,
  makeHeader,
  receiptsRoot,
  rlpList,
  rlpListItems,
  type StakingTransaction,
} from "../../src/chain/mod.ts";
import { type RecordedBlock, recordedBlocks } from "../vectors/load.ts";
import { hex, sameBytes } from "./support.ts";

/** Encodes a staking transaction from its parts, the message included. */
function rebuildStaking(tx: StakingTransaction): Uint8Array {
  const { directive, nonce, gasPrice, gasLimit, v, r, s } = tx;
  const messageBytes = encodeStakingMessage(tx.message());
  return encodeStakingTransaction({ directive, messageBytes, nonce, gasPrice, gasLimit, v, r, s });
}

function checkTransactions(block: Block, recorded: RecordedBlock): void {
  const { number } = recorded;
  assert.equal(block.transactions().length, recorded.txs.length, `block ${number}`);
  block.transactions().forEach((tx, i) => {
    const expected = recorded.txs[i] ?? assert.fail();
    assert.equal(to0x(tx.hash), expected.hash, `block ${number} transaction ${i}`);
    assert.equal(to0x(tx.hashByType), expected.hashByType, `block ${number} transaction ${i}`);
    assert.equal(to0x(tx.sender), expected.sender, `block ${number} transaction ${i}`);
    assert.equal(tx.kind, expected.kind);
    assert.equal(tx.nonce, BigInt(expected.nonce));
    assert.deepEqual([tx.shardId, tx.toShardId], [expected.shardID, expected.toShardID]);
    assert.equal(tx.to === undefined ? undefined : to0x(tx.to), expected.to);
  });
  assert.equal(block.stakingTransactions().length, recorded.stakingTxs.length, `block ${number}`);
  block.stakingTransactions().forEach((tx, i) => {
    const expected = recorded.stakingTxs[i] ?? assert.fail();
    assert.equal(to0x(tx.hash), expected.hash, `block ${number} staking transaction ${i}`);
    assert.equal(to0x(tx.hashByType), expected.hashByType);
    assert.equal(to0x(tx.sender), expected.sender, `block ${number} staking transaction ${i}`);
    assert.equal(tx.message().directive, expected.kind);
    assert.equal(tx.nonce, BigInt(expected.nonce));
  });
}

function checkReceipts(block: Block, recorded: RecordedBlock): void {
  const { header } = block;
  const items = rlpListItems(hex(recorded.receiptsRLP), "receipts");
  sameBytes(receiptsRoot(items), header.receiptsRoot);
  sameBytes(header.receiptsRoot, recorded.receiptRoot);
  const receipts = items.map(decodeReceipt);
  sameBytes(rlpList(receipts.map(encodeReceipt)), recorded.receiptsRLP);
  sameBytes(headerBloom(receipts), header.bloom);
  assert.equal(receipts.at(-1)?.cumulativeGasUsed ?? 0n, header.gasUsed);
  const transactions = [...recorded.txs, ...recorded.stakingTxs];
  receipts.forEach((receipt, i) => {
    assert.equal(receipt.outcome.kind, transactions[i]?.status === 1 ? "success" : "failure");
    assert.equal(receipt.logs.length, transactions[i]?.logs);
    assert.equal(receipt.cumulativeGasUsed, BigInt(transactions[i]?.cumulativeGasUsed ?? -1));
  });
}

function checkOutgoing(block: Block, recorded: RecordedBlock): void {
  sameBytes(block.header.outgoingReceiptHash, recorded.outgoingReceiptRoot);
  const receipts = Object.values(recorded.outgoingReceiptsRLP ?? {}).flatMap((list) => {
    const items = rlpListItems(hex(list), "receipts");
    sameBytes(rlpList(items.map(decodeCXReceipt).map(encodeCXReceipt)), list);
    return items.map(decodeCXReceipt);
  });
  assert.ok(
    acceptsOutgoingReceiptHash(block.header.outgoingReceiptHash, receipts),
    `block ${recorded.number}`,
  );
}

for (const shardId of [0, 1] as const) {
  const recordings = recordedBlocks(shardId);
  const blocks = recordings.map((recorded) => decodeBlock(hex(recorded.blockRLP)));
  const each = (check: (block: Block, recorded: RecordedBlock) => void) =>
    blocks.forEach((block, i) => check(block, recordings[i] as RecordedBlock));

  Deno.test(`shard ${shardId}: every block has its recorded hash, number and facts, and links to its parent`, () => {
    assert.equal(blocks.length, shardId === 0 ? 427 : 256);
    each((block, recorded) => {
      assert.equal(block.number, recorded.number);
      assert.equal(to0x(block.hash), recorded.hash);
      assert.equal(block.header.epoch, recorded.epoch);
      assert.equal(block.header.viewId, BigInt(recorded.viewID));
      assert.equal(block.header.shardId, shardId);
      assert.equal(block.header.gasUsed, BigInt(recorded.gasUsed));
      sameBytes(block.header.bytes, recorded.headerRLP);
      sameBytes(block.header.stateRoot, recorded.stateRoot);
      sameBytes(block.header.coinbase, recorded.coinbase);
      sameBytes(block.header.txRoot, recorded.txRoot);
      sameBytes(block.header.incomingReceiptHash, recorded.incomingReceiptRoot);
      const parent = blocks[block.number - 1];
      assert.ok(
        parent === undefined || equalBytes(parent.hash, block.header.parentHash),
        `block ${block.number}`,
      );
    });
  });

  Deno.test(`shard ${shardId}: every block, taken apart to its last field, encodes to the same bytes`, () => {
    each((block, recorded) => {
      sameBytes(
        encodeBlock({
          header: makeHeader(block.header),
          transactions: block.transactions().map(encodeTransaction),
          stakingTransactions: block.stakingTransactions().map(rebuildStaking),
          incomingReceipts: block.incomingReceipts().map(encodeCXReceiptsProof),
        }),
        recorded.blockRLP,
        `block ${block.number}`,
      );
      const body = encodeBody(block.header.version, block.body);
      sameBytes(encodeBlock({ header: block.header, ...decodeBody(body) }), recorded.blockRLP);
    });
  });

  Deno.test(`shard ${shardId}: every body passes the checks of its arrival`, () => {
    each((block, recorded) => {
      checkBody(block, { shardId });
      assert.equal(block.incomingReceipts().length, recorded.incomingProofs);
    });
  });

  Deno.test(`shard ${shardId}: every transaction has its recorded hash, hash by type and sender`, () => {
    each(checkTransactions);
  });

  Deno.test(`shard ${shardId}: every block's receipts have its root and filter`, () => {
    each(checkReceipts);
  });

  Deno.test(`shard ${shardId}: every block's outgoing receipts have its outgoing hash`, () => {
    each(checkOutgoing);
  });
}
