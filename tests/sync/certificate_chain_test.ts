/** The recorded chains and built ones end to end through the certifying verifier. */
import assert from "node:assert/strict";
import { MemoryMeter } from "../stream/support/meter.ts";
import { concat, createLogger, equalBytes, type LogRecord } from "../../src/base/mod.ts";
import { createCertificateVerifier } from "../../src/crypto/mod.ts";
import { decodeCrossLinks } from "../../src/chain/mod.ts";
import { DEFAULT_POLICY } from "../../src/consensus/mod.ts";
import { ChainBuilder } from "../builder/mod.ts";
import { at, hashAt, tip } from "./support/chains.ts";
import {
  CountingCurves,
  delivered,
  flipped,
  recordedChain,
  sent,
  signedChain,
  signedNetwork,
  VerifierBench,
  withSideCar,
} from "./support/certified.ts";

const ALL = { ...DEFAULT_POLICY, everyBlock: true };

for (const shardId of [0, 1] as const) {
  const chain = recordedChain(shardId);
  for (const [everyBlock, batch] of [[false, 128], [true, 50]] as const) {
    const policy = everyBlock ? "all signatures" : "default policy";
    Deno.test(`recorded shard ${shardId} is certified from its own genesis: ${policy}, batches of ${batch}`, async () => {
      const certificates = new CountingCurves();
      const bench = await VerifierBench.open({
        shardId,
        policy: { everyBlock, everyNth: 100 },
        certificates,
      });
      try {
        assert.equal(await bench.follow(chain, { batch }), undefined);
        assert.equal(bench.store.head().number, tip(chain));
        assert.equal(bench.store.lowestAssurance(), "signed");
        for (let n = 1; n <= tip(chain); n++) {
          assert.deepEqual(
            await bench.store.commitSigAt(n),
            at(chain, n).commitSig,
            `certificate of block ${n}`,
          );
        }
        if (everyBlock) assert.equal(certificates.certificates, tip(chain));
        else assert.ok(certificates.certificates < tip(chain));
      } finally {
        await bench.close();
      }
    });
  }
  Deno.test(`recorded shard ${shardId} one block at a time, each with only what came beside it`, async () => {
    const bench = await VerifierBench.open({ shardId });
    try {
      assert.equal(await bench.follow(chain, { batch: 1, childAtHand: false, to: 25 }), undefined);
      assert.equal(bench.store.head().number, 25);
      for (let n = 1; n <= 25; n++) {
        assert.deepEqual(await bench.store.commitSigAt(n), at(chain, n).commitSig);
      }
    } finally {
      await bench.close();
    }
  });
}

Deno.test("the same through the worker pool's verifier", async () => {
  const certificates = createCertificateVerifier({ workers: 1 });
  const bench = await VerifierBench.open({ shardId: 1, certificates, policy: ALL });
  try {
    assert.equal(await bench.follow(recordedChain(1)), undefined);
    assert.equal(bench.store.head().number, tip(recordedChain(1)));
  } finally {
    await bench.close();
    certificates.close();
  }
});

Deno.test("far from the target only tips, hundreds and ends of epochs are verified; near it every block", async () => {
  const network = signedNetwork({ seed: 5, epochLength: 60, electedSlots: 3 });
  const chain = signedChain(network, 140);
  const certificates = new CountingCurves();
  const bench = await VerifierBench.open({ params: network.params, certificates });
  try {
    await bench.follow(chain, { to: 128, target: 100_000 });
    // Epochs end at 59 and 119; 100; the batch's tip 128.
    assert.equal(certificates.certificates, 4);
    await bench.follow(chain, { to: 132, target: 100_000, batch: 2 });
    assert.equal(certificates.certificates, 4 + 2);
    await bench.follow(chain, { to: 140, target: 140 });
    assert.equal(certificates.certificates, 4 + 2 + 8, "near the target each block has its own");
  } finally {
    await bench.close();
  }
});

Deno.test("committees change hands inside a batch, and blocks of the new epoch count only after the hand-over", async () => {
  for (const shardId of [0, 1]) {
    const network = signedNetwork({ seed: 17, epochLength: 9, electedSlots: 3 });
    const chain = signedChain(network, 64, { shardId });
    const certificates = new CountingCurves();
    const bench = await VerifierBench.open({ params: network.params, shardId, certificates });
    try {
      const verdict = await bench.take(sent(chain.blocks.slice(1)), 100_000);
      assert.equal(verdict.refusal, undefined);
      assert.equal(verdict.accepted.length, 64);
      assert.ok(verdict.accepted.every((a) => a.assurance === "signed"));
      assert.ok(certificates.calls >= 6, "each committee was asked in its turn");
    } finally {
      await bench.close();
    }
  }
});

Deno.test("a hand-over to committees of one's own is refused with the block that hands over", async () => {
  const network = signedNetwork({ seed: 18, epochLength: 10, electedSlots: 3 });
  const intruder = signedNetwork({ seed: 19, epochLength: 10, electedSlots: 3, name: network.params.name });
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 28) blocks.push(delivered(builder.next()));
  // Block 29 ends an epoch: it names the intruder's committee, which then signs everything that follows.
  const foreign = ChainBuilder.start(intruder);
  while (foreign.head.number < 29) foreign.next();
  const state = foreign.head.block.header.shardState;
  blocks.push(delivered(builder.next({
    header: { shardState: state },
    certify: (block) => ({
      signature: foreign.honestCertificate(block).signature,
      bitmap: new Uint8Array([0xff]),
    }),
  })));
  for (let i = 0; i < 20; i++) {
    const next = builder.next({
      certify: (block) => {
        const committee = intruder.committee(3, 0);
        const bitmap = new Uint8Array([0xff, 0xff]).subarray(0, (committee.slots.length + 7) >> 3);
        return foreign.certificate(block, committee, bitmap, true);
      },
    });
    blocks.push(delivered(next));
  }
  const bench = await VerifierBench.open({ params: network.params });
  try {
    const verdict = await bench.take(sent(blocks.slice(1), (n) => n < 29 ? "honest" : "liar"), 100_000);
    assert.equal(bench.store.head().number, 28);
    assert.equal(verdict.refusal?.number, 29);
    assert.deepEqual(verdict.refusal?.culprits.map((c) => c.streamId), ["liar"]);
    await assert.rejects(
      bench.verifier.committees.committee(3, 0).then((found) => {
        assert.notEqual(found.provisionalFrom, undefined);
        throw new Error("only provisional");
      }),
      /only provisional|COMMITTEE_UNKNOWN|is not known/,
    );
  } finally {
    await bench.close();
  }
});

Deno.test("after an unwind below a hand-over another chain with other committees is followed", async () => {
  const network = signedNetwork({ seed: 23, epochLength: 10, electedSlots: 3 });
  const chain = signedChain(network, 45);
  const bench = await VerifierBench.open({ params: network.params });
  try {
    await bench.follow(chain, { batch: 16 });
    await bench.store.unwindTo(17);
    const builder = ChainBuilder.start(network);
    while (builder.head.number < 17) builder.next();
    assert.deepEqual(builder.head.hash, hashAt(chain, 17));
    const fork = builder.fork(3);
    const other = [...chain.blocks.slice(0, 18)];
    while (fork.head.number < 45) other.push(delivered(fork.next()));
    assert.equal(await bench.follow({ blocks: other }, { batch: 16 }), undefined);
    assert.deepEqual(bench.store.head(), { number: 45, hash: hashAt({ blocks: other }, 45) });
    assert.ok(!equalBytes(hashAt(chain, 45), bench.store.head().hash));
  } finally {
    await bench.close();
  }
});

Deno.test("a batch whose append failed is judged again without harm", async () => {
  const chain = recordedChain(0);
  const bench = await VerifierBench.open();
  try {
    const batch = sent(chain.blocks.slice(1, 101));
    assert.equal((await bench.verify(batch, 1_000)).accepted.length, 100);
    assert.equal((await bench.verify(batch, 1_000)).accepted.length, 100);
    assert.equal(await bench.follow(chain, { batch: 60, to: 200 }), undefined);
  } finally {
    await bench.close();
  }
});

for (const shardId of [0, 1] as const) {
  Deno.test(`every bit beside the tip of recorded shard ${shardId} matters, but the spare ones of the bitmap`, async () => {
    const chain = recordedChain(shardId);
    const bench = await VerifierBench.open({ shardId });
    try {
      await bench.follow(chain, { to: 50 });
      const block = at(chain, 51);
      const { committee } = await bench.verifier.committees.committee(block.block.header.epoch, shardId);
      const slots = committee.slots.length;
      for (let bit = 96 * 8; bit < 8 * block.commitSig.length; bit++) {
        const spare = bit - 96 * 8 >= slots;
        const changed = sent([withSideCar(block, flipped(block.commitSig, bit))]);
        const { accepted, refusal } = await bench.verify(changed, 51);
        assert.equal(accepted.length, spare ? 1 : 0, `bitmap bit ${bit - 96 * 8} of ${slots}`);
        assert.equal(refusal?.remedy, spare ? undefined : "anotherSender");
      }
      for (let bit = 0; bit < 96 * 8; bit += 61) {
        const { accepted } = await bench.verify(
          sent([withSideCar(block, flipped(block.commitSig, bit))]),
          51,
        );
        assert.equal(accepted.length, 0, `signature bit ${bit}`);
      }
    } finally {
      await bench.close();
    }
  });
}

Deno.test("what came beside a block is kept only where no child is held, and only once verified", async () => {
  const network = signedNetwork({ seed: 29, epochLength: 20 });
  const builder = ChainBuilder.start(network, { absence: 0 });
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 12) blocks.push(delivered(builder.next()));
  // Other signers beside the blocks than in the children's headers.
  const others = ChainBuilder.start(network, { absence: 0.4 });
  const beside = blocks.map(({ block }) => {
    if (block.number === 0) return withSideCar({ block, commitSig: new Uint8Array(96) }, new Uint8Array(96));
    const sig = others.honestCertificate(block);
    return withSideCar({ block, commitSig: new Uint8Array(0) }, concat(sig.signature, sig.bitmap));
  });
  const bench = await VerifierBench.open({ params: network.params });
  try {
    await bench.take(sent(beside.slice(1, 6)), 12, sent(beside.slice(6, 7))[0]);
    assert.deepEqual(
      await bench.store.commitSigAt(5),
      at({ blocks }, 5).commitSig,
      "the child at hand speaks first",
    );
    await bench.take(sent(beside.slice(6, 9)), 12);
    assert.deepEqual(await bench.store.commitSigAt(8), at({ blocks: beside }, 8).commitSig);
    await bench.take(sent(beside.slice(9, 11)), 12);
    assert.deepEqual(
      await bench.store.commitSigAt(8),
      at({ blocks }, 8).commitSig,
      "it gives way to the child's",
    );
  } finally {
    await bench.close();
  }
});

Deno.test("odd headers pass, and the log says so a few times only", async () => {
  const network = signedNetwork({ seed: 31, epochLength: 200, electedSlots: 3 });
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 60) {
    blocks.push(delivered(builder.next({ header: { time: 1n, viewId: 7n, extra: new Uint8Array([1]) } })));
  }
  const records: LogRecord[] = [];
  const logger = createLogger({ level: "info", sinks: [(r) => records.push(r)] });
  const meter = new MemoryMeter();
  const bench = await VerifierBench.open({ params: network.params, logger, meter });
  try {
    assert.equal(await bench.follow({ blocks }), undefined);
    const count = (rule: string) => meter.get("hmy_sync_odd_headers", { ShardID: "0", rule });
    assert.deepEqual([count("EXTRA"), count("VIEW_ID")], [60, 59], "the metric counts each of them");
    const extra = records.filter((r) => r.fields["rule"] === "EXTRA").map((r) => r.fields["soFar"]);
    assert.deepEqual(extra, [1, 2, 3, 10]);
  } finally {
    await bench.close();
  }
});

Deno.test("another shard's committees must be the beacon chain's, where those are known", async () => {
  const network = signedNetwork({ seed: 37, epochLength: 10, electedSlots: 3 });
  const chain = signedChain(network, 40, { shardId: 1 });
  const beacon = signedChain(network, 40, { shardId: 0 });
  const state = (
    chain: { blocks: readonly { block: { header: { shardState: Uint8Array } } }[] },
    n: number,
  ) => chain.blocks.map((b) => b.block.header.shardState).filter((s) => s.length > 0)[n];
  const known = new Map([[2, state(beacon, 2)], [3, state(beacon, 3)]]);
  const bench = await VerifierBench.open({
    params: network.params,
    shardId: 1,
    beaconStateAt: (epoch) => Promise.resolve(known.get(epoch)),
  });
  try {
    assert.equal(await bench.follow(chain), undefined);
  } finally {
    await bench.close();
  }
  known.set(3, new Uint8Array([0xc0]));
  const wary = await VerifierBench.open({
    params: network.params,
    shardId: 1,
    beaconStateAt: (epoch) => Promise.resolve(known.get(epoch)),
  });
  try {
    const verdict = await wary.follow(chain, { sender: (n) => `p${n}` });
    const last = chain.blocks.filter((b) => b.block.header.shardState.length > 0)[3];
    assert.equal(verdict?.refusal?.number, last?.block.number);
    assert.deepEqual(verdict?.refusal?.culprits.map((c) => c.streamId), [`p${last?.block.number}`]);
    assert.match(verdict?.refusal?.text ?? "", /beacon chain elected/);
  } finally {
    await wary.close();
  }
});

Deno.test("anchors and known-bad blocks are enforced on blocks, cross-links and proofs", async () => {
  const chain = recordedChain(0);
  const hash = (n: number) => hashAt(chain, n);
  const other = hash(1);
  const cases = [
    { lists: { anchors: [{ shardId: 0, number: 40, hash: other }], never: [] }, at: 40 },
    { lists: { anchors: [], never: [{ shardId: 0, hash: hash(77) }] }, at: 77 },
  ];
  const linking = chain.blocks.find((b) => b.block.header.crossLinks.length > 0);
  const taking = chain.blocks.find((b) => b.block.incomingReceiptItems().length > 0);
  assert.ok(linking !== undefined && taking !== undefined);
  const source = taking.block.incomingReceipts()[0]?.header;
  assert.ok(source !== undefined);
  cases.push({ lists: { anchors: [], never: [{ shardId: 1, hash: source.hash }] }, at: taking.block.number });
  const linked = decodeCrossLinks(linking.block.header.crossLinks)[0];
  assert.ok(linked !== undefined);
  cases.push({
    lists: { anchors: [{ shardId: 1, number: linked.blockNumber, hash: other }], never: [] },
    at: linking.block.number,
  });
  for (const { lists, at: place } of cases) {
    const bench = await VerifierBench.open({ anchors: lists });
    try {
      const verdict = await bench.follow(chain, { sender: (n) => `p${n}` });
      assert.equal(verdict?.refusal?.number, place);
      assert.equal(bench.store.head().number, place - 1);
      assert.deepEqual(verdict?.refusal?.culprits.map((c) => c.streamId), [`p${place}`]);
    } finally {
      await bench.close();
    }
  }
});

Deno.test("a header that breaks a rule is refused by its number, and the blocks below it are kept", async () => {
  const network = signedNetwork({ seed: 41, epochLength: 10, electedSlots: 3 });
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 24) blocks.push(delivered(builder.next()));
  // Signed by the right committee, but for an epoch that is not due.
  const odd = builder.fork(1).next({ header: { epoch: 9 } });
  const bench = await VerifierBench.open({ params: network.params });
  try {
    const batch = [...blocks.slice(1), delivered(odd)];
    const verdict = await bench.take(sent(batch, (n) => n === 25 ? "liar" : "honest"), 100);
    assert.equal(bench.store.head().number, 24);
    assert.equal(verdict.refusal?.number, 25);
    assert.equal(verdict.refusal?.remedy, "anotherCandidate");
    assert.deepEqual(verdict.refusal?.culprits.map((c) => c.streamId), ["liar"]);
    assert.deepEqual(await bench.store.commitSigAt(24), at({ blocks }, 24).commitSig);
  } finally {
    await bench.close();
  }
});
