/** Two blocks that take in the same receipts: which body is forged only a proof can say, and nobody is blamed before. */
import assert from "node:assert/strict";
import { createLogger } from "../../src/base/mod.ts";
import {
  checkBody,
  decodeBlock,
  decodeCXReceiptsProof,
  encodeBlock,
  encodeCXReceiptsProof,
  indexTrieRoot,
  makeHeader,
  networkParams,
} from "../../src/chain/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { appendRow, certifyOnOpen, verifyStore } from "../../src/sync/mod.ts";
import { ChainBuilder } from "../builder/mod.ts";
import { at, tip } from "./support/chains.ts";
import {
  curves,
  delivered,
  memoryStore,
  recordedChain,
  sent,
  signedNetwork,
  type TestChain,
  VerifierBench,
} from "./support/certified.ts";

const CHAIN = recordedChain(0);
const LOCALNET = networkParams("localnet");
/** Recorded blocks that take in one proof each, ascending; cross-links prove all from the third on. */
const TAKERS = CHAIN.blocks.filter((b) => b.block.incomingReceiptItems().length === 1).map((b) =>
  b.block.number
);
const [FIRST, SECOND, THIRD] = [TAKERS[4], TAKERS[9], TAKERS[14]] as [number, number, number];

/** A block with other proofs than it was signed with: its hash does not cover them. */
function withProofs(block: DeliveredBlock, items: readonly Uint8Array[]): DeliveredBlock {
  const { header, body } = block.block;
  const bytes = encodeBlock({ header, ...body, incomingReceipts: items });
  return { ...block, block: decodeBlock(bytes) };
}
/** The recorded chain in which block `liar` takes in what block `honest` takes in. */
function repeating(liar: number, honest: number): TestChain {
  const items = at(CHAIN, honest).block.incomingReceiptItems();
  return { blocks: CHAIN.blocks.map((b) => b.block.number === liar ? withProofs(b, items) : b) };
}
const sender = (liar: number) => (number: number) => number === liar ? "liar" : "honest";
async function bodyAt(bench: VerifierBench, number: number): Promise<string | undefined> {
  return (await bench.store.recordAt(number))?.body;
}

for (const batch of [128, 1]) {
  Deno.test(`a forged body that takes in what a later block will: the chain goes on, the later body is proven (batches of ${batch})`, async () => {
    const lines: string[] = [];
    const logger = createLogger({
      level: "info",
      sinks: [(r) => lines.push(r.message)],
    });
    const bench = await VerifierBench.open({ logger });
    try {
      const forged = repeating(FIRST, SECOND);
      const refused = await bench.follow(forged, { batch, to: SECOND + 12, sender: sender(FIRST) });
      assert.equal(refused, undefined, refused?.refusal?.text);
      assert.equal(await bodyAt(bench, FIRST), "unproven");
      assert.equal(await bodyAt(bench, SECOND), "proven");
      const told = lines.filter((line) => line.includes("both take in"));
      assert.equal(told.length, 1, "told once");
      assert.match(
        told[0] ?? "",
        new RegExp(`blocks ${FIRST} and ${SECOND} .* one of the two bodies is forged`),
      );
      // The proven one is the taker from now on, after a restart too.
      const again = await VerifierBench.open({ store: bench.store });
      const third = withProofs(at(CHAIN, SECOND + 13), at(CHAIN, SECOND).block.incomingReceiptItems());
      const verdict = await again.verify(sent([third], () => "liar"), tip(CHAIN));
      assert.match(verdict.refusal?.text ?? "", new RegExp(`which block ${SECOND} has taken in already`));
    } finally {
      await bench.close();
    }
  });
}

Deno.test("a forged body that repeats what a proven one took in is refused: in a batch, across batches, after a restart", async () => {
  const forged = repeating(THIRD, SECOND);
  const bench = await VerifierBench.open();
  try {
    for (const batch of [128, 7]) {
      const verdict = await bench.follow(forged, { batch, sender: sender(THIRD), target: tip(CHAIN) });
      assert.equal(verdict?.refusal?.number, THIRD);
      assert.equal(verdict?.refusal?.remedy, "anotherSender", "the hash does not cover the proofs");
      assert.deepEqual(verdict?.refusal?.culprits.map((c) => c.streamId), ["liar"]);
      assert.equal(bench.store.head().number, THIRD - 1);
      if (batch === 128) await bench.store.unwindTo(0);
    }
    const restarted = await VerifierBench.open({ store: bench.store });
    assert.equal((await restarted.verify(sent([at(forged, THIRD)]), THIRD)).refusal?.number, THIRD);
    assert.equal(await bench.follow(CHAIN, { to: THIRD + 12 }), undefined);
    assert.equal(await bodyAt(bench, THIRD), "proven");
  } finally {
    await bench.close();
  }
});

/** A signed chain of shard 1, where nothing can be proven: these blocks take in these proofs. */
function unprovable(takers: ReadonlyMap<number, readonly number[]>, length: number) {
  const network = signedNetwork({ seed: 61, epochLength: 50, electedSlots: 3 });
  const builder = ChainBuilder.start(network);
  const all = CHAIN.blocks.flatMap((b) => b.block.incomingReceiptItems());
  const blocks = [delivered(builder.head)];
  while (blocks.length <= length) {
    const items = takers.get(blocks.length)?.map((i) => all[i] as Uint8Array);
    const change = items === undefined ? {} : {
      incomingReceipts: items,
      header: { incomingReceiptHash: indexTrieRoot(items) },
    };
    blocks.push(delivered(builder.next(change)));
  }
  return { network, chain: { blocks } };
}

for (const batch of [128, 3]) {
  Deno.test(`where nothing can be proven, a repeated pair blames nobody and stops nothing (batches of ${batch})`, async () => {
    const { network, chain } = unprovable(new Map([[5, [0, 1]], [9, [2, 0]], [13, [0]]]), 20);
    const bench = await VerifierBench.open({ params: network.params });
    try {
      const refused = await bench.follow(chain, { batch, to: 10 });
      assert.equal(refused, undefined, refused?.refusal?.text);
      const restarted = await VerifierBench.open({ params: network.params, store: bench.store });
      assert.equal(await restarted.follow(chain, { batch }), undefined);
      for (const n of [5, 9, 13]) assert.equal(await bodyAt(bench, n), "unproven");
      // Unwound below both and taken in again.
      await bench.store.unwindTo(4);
      assert.equal(await restarted.follow(chain, { batch }), undefined);
    } finally {
      await bench.close();
    }
  });
}

Deno.test("a pair twice within one body is the sender's fault, whatever else is stored", async () => {
  const { network, chain } = unprovable(new Map([[5, [0, 1]], [8, [2, 2]]]), 12);
  const bench = await VerifierBench.open({ params: network.params });
  try {
    const verdict = await bench.follow(chain, { sender: sender(8) });
    assert.equal(verdict?.refusal?.number, 8);
    assert.equal(verdict?.refusal?.remedy, "anotherSender");
    assert.match(verdict?.refusal?.text ?? "", /twice/);
    assert.deepEqual(verdict?.refusal?.culprits.map((c) => c.streamId), ["liar"]);
  } finally {
    await bench.close();
  }
});

Deno.test("receipts of a shard that the network has not got are their sender's fault", async () => {
  const [item] = at(CHAIN, FIRST).block.incomingReceiptItems();
  assert.ok(item !== undefined);
  const proof = decodeCXReceiptsProof(item);
  const bench = await VerifierBench.open();
  try {
    await bench.follow(CHAIN, { to: FIRST - 1 });
    for (const shardId of [2, 1_000, 0xffff_ffff]) {
      const header = makeHeader({ ...proof.header, shardId });
      const merkleProof = { ...proof.merkleProof, shardId, blockHash: header.hash };
      const forged = withProofs(at(CHAIN, FIRST), [encodeCXReceiptsProof({ ...proof, header, merkleProof })]);
      checkBody(forged.block, { shardId: 0 });
      const verdict = await bench.verify(sent([forged], () => "liar"), tip(CHAIN));
      assert.equal(verdict.refusal?.remedy, "anotherSender");
      assert.match(verdict.refusal?.text ?? "", /there are 2 shards/);
      assert.deepEqual(verdict.refusal?.culprits.map((c) => c.streamId), ["liar"]);
    }
  } finally {
    await bench.close();
  }
});

Deno.test("a body that is not proven writes a bounded number of records, however far apart its sources are", async () => {
  const [item] = at(CHAIN, FIRST).block.incomingReceiptItems();
  assert.ok(item !== undefined);
  const proof = decodeCXReceiptsProof(item);
  const items = Array.from({ length: 200 }, (_, i) => {
    const header = makeHeader({ ...proof.header, number: 1 + i * 10_000 });
    const merkleProof = { ...proof.merkleProof, blockNumber: header.number, blockHash: header.hash };
    return encodeCXReceiptsProof({ ...proof, header, merkleProof });
  });
  const store = await memoryStore(LOCALNET, 0);
  const names = new Set<string>();
  const counting = new Proxy(store, {
    get: (target, name) => {
      const value = target[name as keyof ChainStore];
      if (typeof value !== "function") return value;
      if (name !== "putRecord") return value.bind(target);
      return (record: string, bytes: Uint8Array) => {
        names.add(record);
        return target.putRecord(record, bytes);
      };
    },
  });
  const bench = await VerifierBench.open({ store: counting });
  try {
    await bench.follow(CHAIN, { to: FIRST - 1 });
    names.clear();
    const forged = withProofs(at(CHAIN, FIRST), items);
    checkBody(forged.block, { shardId: 0 });
    assert.equal((await bench.take(sent([forged]), tip(CHAIN))).refusal, undefined);
    assert.equal(await bodyAt(bench, FIRST), "unproven");
    assert.ok(names.size <= 16, `${names.size} records`);
    assert.ok(names.size > 0);
  } finally {
    await bench.close();
  }
});

Deno.test("certified on opening, a store with a forged body keeps its honest blocks, and checking it names both", async () => {
  const forged = repeating(FIRST, SECOND);
  const store = await memoryStore(LOCALNET, 0);
  try {
    for (let n = 1; n < forged.blocks.length; n += 128) {
      await store.append(
        forged.blocks.slice(n, n + 128).map(({ block, commitSig }) =>
          appendRow(block, { assurance: "linked", commitSig }, LOCALNET)
        ),
      );
    }
    const before = await verifyStore(store, LOCALNET, curves);
    assert.equal(before.failure, undefined);
    const pair = { first: FIRST, second: SECOND, proven: undefined };
    assert.equal(before.disputes.count, 1);
    assert.deepEqual(before.disputes.named.map(({ source: _, ...rest }) => rest), [pair]);
    const { removed, reason } = await certifyOnOpen(store, LOCALNET, curves);
    assert.deepEqual([removed, reason], [0, undefined]);
    assert.equal((await store.recordAt(FIRST))?.body, "unproven");
    assert.equal((await store.recordAt(SECOND))?.body, "proven");
    const after = await verifyStore(store, LOCALNET, curves);
    assert.equal(after.failure, undefined);
    assert.equal(after.disputes.named[0]?.proven, SECOND);
  } finally {
    await store.close();
  }
});

Deno.test("checking a store stops at a body that repeats a proven one", async () => {
  const forged = repeating(THIRD, SECOND);
  const store = await memoryStore(LOCALNET, 0);
  try {
    const rows = (from: number, to: number, body?: "proven") =>
      forged.blocks.slice(from, to + 1).map(({ block, commitSig }) =>
        appendRow(
          block,
          { assurance: "signed", commitSig, ...(body === undefined ? {} : { body }) },
          LOCALNET,
        )
      );
    await store.append(rows(1, SECOND - 1));
    await store.append(rows(SECOND, SECOND, "proven"));
    await store.append(rows(SECOND + 1, Math.min(tip(CHAIN), SECOND + 100)));
    const { failure } = await verifyStore(store, LOCALNET, curves);
    assert.deepEqual([failure?.number, failure?.error.code], [THIRD, "RECEIPTS_REFUSED"]);
  } finally {
    await store.close();
  }
});
