/** Several batches judged together: each is kept with a certificate of its own, and a bad one costs no more. */
import assert from "node:assert/strict";
import { DEFAULT_POLICY } from "../../src/consensus/mod.ts";
import { appendRow } from "../../src/sync/mod.ts";
import { ChainBuilder } from "../builder/mod.ts";
import { at, tip } from "./support/chains.ts";
import {
  CountingCurves,
  delivered,
  flipped,
  recordedChain,
  sent,
  signedNetwork,
  type TestChain,
  VerifierBench,
  withSideCar,
} from "./support/certified.ts";

const FAR = 100_000;

/** Judges blocks `from`..`to` as one batch of groups. */
function judge(bench: VerifierBench, chain: TestChain, to: number, group: number) {
  const from = bench.store.head().number + 1;
  const child = chain.blocks[to + 1];
  return bench.verifier.verify(sent(chain.blocks.slice(from, to + 1)), {
    parent: bench.store.head(),
    target: FAR,
    child: child === undefined ? undefined : sent([child])[0],
    group,
    signal: bench.signal.signal,
  });
}

for (const shardId of [0, 1] as const) {
  Deno.test(`recorded shard ${shardId}: after every group the head has its certificate`, async () => {
    const chain = recordedChain(shardId);
    const bench = await VerifierBench.open({ shardId });
    try {
      const group = 50;
      while (bench.store.head().number < tip(chain)) {
        const from = bench.store.head().number + 1;
        const to = Math.min(tip(chain), from + 4 * group - 1);
        const verdict = await judge(bench, chain, to, group);
        assert.equal(verdict.refusal, undefined);
        assert.equal(verdict.accepted.length, to - from + 1);
        for (let start = 0; start < verdict.accepted.length; start += group) {
          const rows = verdict.accepted.slice(start, start + group).map((acceptance, i) =>
            appendRow(at(chain, from + start + i).block, acceptance, bench.params)
          );
          await bench.store.append(rows);
          const head = bench.store.head().number;
          assert.deepEqual(await bench.store.commitSigAt(head), at(chain, head).commitSig, `block ${head}`);
        }
      }
    } finally {
      await bench.close();
    }
  });
}

/** Signed blocks; the certificate of `bad` has one signer too few, in its child's header too. */
function chainWithBadCertificate(length: number, bad: number) {
  const network = signedNetwork({ seed: 31, epochLength: 1_000, electedSlots: 3, shardCount: 1 });
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  for (let n = 1; n <= length; n++) {
    blocks.push(delivered(builder.next(
      n !== bad ? {} : {
        certify: (block) => builder.certificate(block, network.committee(0, 0), new Uint8Array([0b1]), false),
      },
    )));
  }
  return { params: network.params, chain: { blocks } };
}

Deno.test("a bad tip inside: what comes before it is certified, and only its own group is searched", async () => {
  const { params, chain } = chainWithBadCertificate(90, 60);
  const certificates = new CountingCurves();
  const bench = await VerifierBench.open({ params, certificates, policy: DEFAULT_POLICY });
  try {
    const verdict = await judge(bench, chain, 80, 20);
    assert.equal(verdict.refusal?.number, 60);
    assert.equal(verdict.accepted.length, 59);
    const kept = verdict.accepted.flatMap((a, i) => a.commitSig === undefined ? [] : [i + 1]);
    assert.deepEqual(kept, [20, 40, 59]);
    assert.deepEqual(verdict.accepted[58]?.commitSig, at(chain, 59).commitSig);
    // Those of four groups' tips, then the other nineteen of the third; too few signers need no curve.
    assert.equal(certificates.certificates, 3 + 19);
  } finally {
    await bench.close();
  }
});

Deno.test("a bad certificate between two groups' tips is covered by what follows it", async () => {
  const { params, chain } = chainWithBadCertificate(90, 50);
  const bench = await VerifierBench.open({ params });
  try {
    const verdict = await judge(bench, chain, 80, 20);
    assert.equal(verdict.refusal, undefined);
    assert.equal(verdict.accepted.length, 80);
  } finally {
    await bench.close();
  }
});

Deno.test("behind a bad tip, blocks count up to the highest certified one, and what it covers is nobody's fault", async () => {
  const { params, chain } = chainWithBadCertificate(20, 4);
  const bench = await VerifierBench.open({ params });
  try {
    const run = chain.blocks.slice(1).map((b) =>
      b.block.number === 20 ? withSideCar(b, flipped(b.commitSig, 5)) : b
    );
    const verdict = await bench.take(
      sent(run, (n) => n === 20 ? "liar" : n <= 5 ? "honest" : "other"),
      FAR,
    );
    assert.equal(verdict.refusal?.number, 20);
    assert.equal(verdict.refusal?.remedy, "anotherSender");
    assert.deepEqual(verdict.refusal?.culprits.map((c) => c.streamId), ["liar"]);
    assert.equal(bench.store.head().number, 19);
    assert.deepEqual(await bench.store.commitSigAt(19), at(chain, 19).commitSig);
  } finally {
    await bench.close();
  }
});

Deno.test("where every certificate counts, the lowest bad one is the end", async () => {
  const { params, chain } = chainWithBadCertificate(20, 4);
  for (const policy of [{ ...DEFAULT_POLICY, everyBlock: true }, { ...DEFAULT_POLICY, everyNth: 4 }]) {
    const bench = await VerifierBench.open({ params, policy });
    try {
      const verdict = await judge(bench, chain, 19, 20);
      assert.deepEqual([verdict.refusal?.number, verdict.accepted.length], [4, 3]);
    } finally {
      await bench.close();
    }
  }
});
