/** Incoming cross-shard receipts: proven where the recording allows it, and never taken in twice. */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import {
  decodeBlock,
  encodeBlock,
  encodeCXReceiptsProof,
  type Header,
  makeHeader,
} from "../../src/chain/mod.ts";
import {
  CrossLinkCertificates,
  firstOf,
  HeaderCertificates,
  proveIncomingReceipts,
  type SourceCertificates,
} from "../../src/consensus/mod.ts";
import { SpentReceipts } from "../../src/sync/spent_receipts.ts";
import { at, tip } from "./support/chains.ts";
import { recordedChain, sent, type TestChain, VerifierBench } from "./support/certified.ts";

const CHAINS = [recordedChain(0), recordedChain(1)] as const;

/** The other shard's headers, as a node that follows both would have them. */
const RECORDED_HEADERS: SourceCertificates = new HeaderCertificates((shardId, number) =>
  Promise.resolve<Header | undefined>(CHAINS[shardId]?.blocks[number]?.block.header)
);
function linksOf(chain: TestChain): CrossLinkCertificates {
  const links = new CrossLinkCertificates();
  for (const { block } of chain.blocks) links.add(block.header);
  return links;
}
async function count(chain: TestChain, sources: SourceCertificates) {
  const sum = { blocks: 0, provenBlocks: 0, proofs: 0, restored: 0 };
  for (const { block } of chain.blocks) {
    if (block.incomingReceiptItems().length === 0) continue;
    const { proofs, restored, proven } = await proveIncomingReceipts(block, sources);
    sum.blocks++;
    sum.proofs += proofs;
    sum.restored += restored;
    if (proven) sum.provenBlocks++;
    assert.equal(proven, proofs === restored, "a root that does not match although every bitmap is back");
  }
  return sum;
}

Deno.test("with the source shard's headers 57 of 57 proofs into shard 0 and 36 of 38 into shard 1 get their bitmap back", async () => {
  assert.deepEqual(await count(CHAINS[0], RECORDED_HEADERS), {
    blocks: 56,
    provenBlocks: 56,
    proofs: 57,
    restored: 57,
  });
  // Two came with a certificate of other signers than the source shard's next header has; one of them shares its block.
  assert.deepEqual(await count(CHAINS[1], RECORDED_HEADERS), {
    blocks: 36,
    provenBlocks: 34,
    proofs: 38,
    restored: 36,
  });
});

Deno.test("with cross-links alone it is 55 of 57 into shard 0, and none into shard 1, which has no links", async () => {
  const into0 = await count(CHAINS[0], linksOf(CHAINS[0]));
  assert.equal(into0.restored, 55);
  assert.equal(into0.provenBlocks, 54);
  assert.deepEqual(await count(CHAINS[1], linksOf(CHAINS[1])), {
    blocks: 36,
    provenBlocks: 0,
    proofs: 38,
    restored: 0,
  });
  const both = await count(CHAINS[0], firstOf(linksOf(CHAINS[0]), RECORDED_HEADERS));
  assert.equal(both.provenBlocks, 56);
});

Deno.test("a certificate of another block, other signers or another bitmap proves nothing", async () => {
  const block = CHAINS[0].blocks.find((b) => b.block.incomingReceiptItems().length === 1)?.block;
  const proof = block?.incomingReceipts()[0];
  assert.ok(block !== undefined && proof !== undefined);
  const truth = await RECORDED_HEADERS.certificate(1, proof.header.number);
  assert.ok(truth !== undefined);
  const spoiled = [
    { ...truth, hash: new Uint8Array(32) },
    { ...truth, signature: new Uint8Array(96) },
    { ...truth, bitmap: new Uint8Array([...truth.bitmap, 0]) },
  ];
  for (const certificate of spoiled) {
    assert.equal((await proveIncomingReceipts(block, { certificate: () => certificate })).proven, false);
  }
  assert.equal((await proveIncomingReceipts(block, { certificate: () => truth })).proven, true);
});

for (const batch of [128, 5, 1]) {
  Deno.test(`on the way in with ProveBodies off, batches of ${batch}: bodies are proven as soon as their links have come`, async () => {
    const bench = await VerifierBench.open();
    try {
      const to = batch === 128 ? tip(CHAINS[0]) : 100;
      await bench.follow(CHAINS[0], { batch, to });
      let proven = 0;
      const unproven: number[] = [];
      for (let n = 1; n <= to; n++) {
        const record = await bench.store.recordAt(n);
        const takes = at(CHAINS[0], n).block.incomingReceiptItems().length > 0;
        assert.equal(record?.body !== undefined, takes, `block ${n}`);
        assert.equal(record?.assurance, "signed");
        if (record?.body === "proven") proven++;
        // The newest ones may still wait for their link.
        else if (takes && n <= to - 3) unproven.push(n);
        // The bytes are served as they came.
        if (takes) assert.deepEqual((await bench.store.blockAt(n))?.bytes, at(CHAINS[0], n).block.bytes);
      }
      // Before cross-links began.
      assert.deepEqual(unproven, [14, 20]);
      if (batch === 128) assert.equal(proven, 54);
    } finally {
      await bench.close();
    }
  });
}

Deno.test("links that were stored before a restart prove what comes after it", async () => {
  // Block 20's links, for one, come up to twelve blocks before the block that takes the receipts in.
  const early = CHAINS[0].blocks.find(({ block }) =>
    block.incomingReceipts().some(({ header }) =>
      CHAINS[0].blocks.some((b) =>
        b.block.number < block.number - 5 &&
        linksOf({ blocks: [b] }).certificate(1, header.number) !== undefined
      )
    )
  );
  assert.ok(early !== undefined);
  const bench = await VerifierBench.open();
  try {
    await bench.follow(CHAINS[0], { to: early.block.number - 1 });
    const again = await VerifierBench.open({ store: bench.store });
    await again.follow(CHAINS[0], { to: early.block.number });
    assert.equal((await bench.store.recordAt(early.block.number))?.body, "proven");
  } finally {
    await bench.close();
  }
});

Deno.test("a block that waited for its link at a restart is proven by a link that comes after it", async () => {
  const late = CHAINS[0].blocks.find(({ block }) =>
    block.number > 30 &&
    block.incomingReceipts().some(({ header }) =>
      CHAINS[0].blocks.every((b) =>
        b.block.number > block.number ||
        linksOf({ blocks: [b] }).certificate(1, header.number) === undefined
      )
    )
  )?.block.number;
  assert.ok(late !== undefined);
  const bench = await VerifierBench.open();
  try {
    await bench.follow(CHAINS[0], { to: late });
    assert.equal((await bench.store.recordAt(late))?.body, "unproven");
    const again = await VerifierBench.open({ store: bench.store });
    await again.follow(CHAINS[0], { to: late + 12 });
    assert.equal((await bench.store.recordAt(late))?.body, "proven");
  } finally {
    await bench.close();
  }
});

Deno.test("a proof that could not be written down is written with the next blocks", async () => {
  const bench = await VerifierBench.open();
  try {
    await bench.follow(CHAINS[0], { to: 60, batch: 1 });
    let lost: readonly number[] = [];
    while (lost.length === 0) {
      const batch = sent([at(CHAINS[0], bench.store.head().number + 1)]);
      const verdict = await bench.verify(batch, tip(CHAINS[0]));
      lost = verdict.bodies?.map((mark) => mark.number) ?? [];
      await bench.append(batch, { accepted: verdict.accepted });
    }
    for (const number of lost) assert.equal((await bench.store.recordAt(number))?.body, "unproven");
    await bench.follow(CHAINS[0], { to: bench.store.head().number + 1 });
    for (const number of lost) assert.equal((await bench.store.recordAt(number))?.body, "proven");
  } finally {
    await bench.close();
  }
});

Deno.test("forged receipts that hold together leave the block signed and its body unproven", async () => {
  const place = CHAINS[0].blocks.findIndex((b) =>
    b.block.number > 30 && b.block.incomingReceiptItems().length > 0
  );
  const honest = at(CHAINS[0], place);
  const [proof] = honest.block.incomingReceipts();
  assert.ok(proof !== undefined);
  const header = makeHeader({ ...proof.header, gasUsed: proof.header.gasUsed + 1n });
  const forged = encodeCXReceiptsProof({
    ...proof,
    header,
    merkleProof: { ...proof.merkleProof, blockHash: header.hash },
  });
  const bytes = encodeBlock({
    header: honest.block.header,
    ...honest.block.body,
    incomingReceipts: [forged],
  });
  const bench = await VerifierBench.open();
  try {
    await bench.follow(CHAINS[0], { to: place - 1 });
    const blocks = [
      { ...honest, block: decodeBlock(bytes) },
      ...CHAINS[0].blocks.slice(place + 1, place + 6),
    ];
    assert.equal((await bench.take(sent(blocks), 1_000)).refusal, undefined);
    assert.equal((await bench.store.recordAt(place))?.assurance, "signed");
    assert.equal((await bench.store.recordAt(place))?.body, "unproven");
  } finally {
    await bench.close();
  }
});

Deno.test("a hint that its block does not confirm counts for nothing, and a damaged page is the store's fault", async () => {
  const records = new Map<string, Uint8Array>();
  const taking = CHAINS[0].blocks.filter((b) => b.block.incomingReceiptItems().length > 0).map((b) =>
    b.block
  );
  const [block] = taking;
  const source = block?.incomingReceipts()[0]?.header;
  assert.ok(block !== undefined && source !== undefined);
  let stored = block.bytes;
  const store = {
    record: (name: string) => Promise.resolve(records.get(name)),
    putRecord: (name: string, value: Uint8Array) => Promise.resolve(void records.set(name, value.slice())),
    blockAt: () => Promise.resolve({ bytes: stored, commitSig: undefined }),
  };
  await new SpentReceipts(store).note(taking, 0, () => false);
  const spent = new SpentReceipts(store);
  assert.equal((await spent.takenBy(source, block.number))?.number, block.number);
  assert.equal(await spent.takenBy(source, block.number - 1), undefined, "not below the height asked for");
  stored = at(CHAINS[0], 1).block.bytes;
  assert.equal(await spent.takenBy(source, block.number), undefined);
  for (const [name, value] of records) records.set(name, value.subarray(1));
  await assert.rejects(
    new SpentReceipts(store).takenBy(source, 500),
    (e: unknown) => e instanceof HsyncError && e.code === "STORE_DAMAGED" && e.fault === "NONE",
  );
});
