/** The chain builder itself: what it makes by default must be what an honest chain looks like. */
import assert from "node:assert/strict";
import { equalBytes, isZero, toHex } from "../../src/base/mod.ts";
import {
  checkBody,
  decodeBlock,
  decodeReceipt,
  decodeShardState,
  nextEpoch,
  receiptsRoot,
  splitCommitSig,
} from "../../src/chain/mod.ts";
import { epochCommittee } from "../../src/consensus/mod.ts";
import { buildBlocks, buildChain, ChainBuilder, testNetwork } from "./mod.ts";

const SEED = 20_261_122;

for (const shardId of [0, 1]) {
  Deno.test(`a built chain of shard ${shardId} is linked, decodes, and its roots hold (seed ${SEED})`, () => {
    const { params, blocks } = buildChain({
      seed: SEED,
      length: 300,
      epochLength: 40,
      bytesPerBlock: 2000,
      shardId,
    });
    assert.equal(blocks.length, 301);
    let epochs = 0;
    for (const [n, built] of blocks.entries()) {
      const block = decodeBlock(built.bytes);
      assert.equal(built.number, n);
      assert.equal(block.number, n);
      assert.ok(equalBytes(block.hash, built.hash));
      checkBody(block, { shardId });
      assert.ok(equalBytes(receiptsRoot(built.receipts), block.header.receiptsRoot));
      for (const receipt of built.receipts) decodeReceipt(receipt);
      const parent = blocks[n - 1];
      if (parent === undefined) continue;
      assert.ok(equalBytes(block.header.parentHash, parent.hash));
      assert.equal(block.header.epoch, nextEpoch(parent.block.header, undefined, params));
      assert.equal(block.header.version, params.headerVersionAt(block.header.epoch));
      const carried = [...block.header.lastCommitSignature, ...block.header.lastCommitBitmap];
      assert.deepEqual(carried, [...parent.commitSig]);
      if (shardId === 0) assert.equal(block.header.epoch, params.schedule.epochOf(n));
      if (block.header.shardState.length > 0) epochs++;
    }
    assert.ok(epochs >= 6);
  });
}

Deno.test("the same seed gives the same chain, another seed another", () => {
  const hash = (seed: number) =>
    toHex(
      buildChain({ seed, length: 30, name: "twins", bytesPerBlock: 1500 }).blocks.at(-1)?.hash ??
        new Uint8Array(0),
    );
  assert.equal(hash(1), hash(1));
  assert.notEqual(hash(1), hash(2));
});

Deno.test("blocks come out at about the size that was asked for", () => {
  for (const bytesPerBlock of [1024, 2000, 10_000, 200_000]) {
    const { blocks } = buildChain({ seed: 3, length: 20, epochLength: 100, bytesPerBlock });
    const size = blocks.slice(1).reduce((sum, b) => sum + b.bytes.length, 0) / 20;
    assert.ok(Math.abs(size / bytesPerBlock - 1) < 0.1, `${size} instead of ${bytesPerBlock}`);
  }
  const empty = buildChain({ seed: 3, length: 20 }).blocks.slice(1);
  assert.ok(empty.every((b) => b.block.transactionItems().length === 0 && b.bytes.length < 1000));
});

Deno.test("transactions in built blocks have senders", () => {
  const { blocks } = buildChain({ seed: 4, length: 3, bytesPerBlock: 1500 });
  const transactions = blocks.flatMap((b) => b.block.transactions());
  assert.ok(transactions.length >= 3);
  for (const tx of transactions) assert.equal(tx.sender.length, 20);
});

Deno.test("committees change from epoch to epoch, and every certificate has quorum on paper", () => {
  const network = testNetwork({ seed: SEED, epochLength: 12 });
  const blocks = buildBlocks(network, 100, { absence: 0.5 });
  let partial = 0;
  for (const built of blocks.slice(1)) {
    const { epoch } = built.block.header;
    const committee = epochCommittee(network.params, epoch, network.committee(epoch, 0));
    const tally = committee.quorum.tally(splitCommitSig(built.commitSig).bitmap);
    assert.ok(tally.reached, `block ${built.number}`);
    if (tally.signers < tally.slots) partial++;
  }
  assert.ok(partial > 20, `only ${partial} partial certificates`);
  for (let epoch = 1; epoch < 8; epoch++) {
    const keys = (e: number) => new Set(network.committee(e, 0).slots.map((slot) => toHex(slot.blsKey)));
    const before = keys(epoch - 1);
    const fresh = [...keys(epoch)].filter((key) => !before.has(key)).length;
    assert.ok(fresh * 2 > before.size, `epoch ${epoch}: only ${fresh} new members`);
  }
  assert.ok(isZero(blocks[0]?.commitSig ?? new Uint8Array(1)), "genesis is signed by nobody");
});

Deno.test("all shards hand over the same committees", () => {
  const network = testNetwork({ seed: 5, epochLength: 10, shardCount: 3 });
  const states = [0, 1, 2].map((shardId) =>
    buildBlocks(network, 60, { shardId }).filter((b) => b.number > 0 && b.block.header.shardState.length > 0)
      .map((b) => [b.block.header.epoch + 1, toHex(b.block.header.shardState)] as const)
  );
  const beacon = new Map(states[0]);
  for (const [epoch, state] of [...states[1] ?? [], ...states[2] ?? []]) {
    assert.equal(state, beacon.get(epoch));
  }
  assert.equal(decodeShardState(network.params.genesisBlock(2).header.shardState).committees.length, 1);
});

Deno.test("a fork shares its past and nothing after; a change shows in the block alone", () => {
  const network = testNetwork({ seed: 6 });
  const builder = ChainBuilder.start(network);
  for (let i = 0; i < 5; i++) builder.next();
  const other = builder.fork(1);
  const [a, b] = [builder.next(), other.next()];
  assert.ok(equalBytes(a.block.header.parentHash, b.block.header.parentHash));
  assert.notEqual(toHex(a.hash), toHex(b.hash));
  const bent = other.next({ header: { epoch: 9 } });
  assert.equal(bent.block.header.epoch, 9);
  assert.ok(equalBytes(other.next().block.header.parentHash, bent.hash));
});
