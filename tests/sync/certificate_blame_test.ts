/** Who is blamed for what, how much of a batch is kept, and what is tried next. */
import assert from "node:assert/strict";
import { concat, HsyncError } from "../../src/base/mod.ts";
import { createCertificateVerifier } from "../../src/crypto/mod.ts";
import { ConflictingCertificates, evidenceName, evidenceText } from "../../src/consensus/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import type { Verdict } from "../../src/sync/mod.ts";
import { ChainBuilder, forgeNext, FORGERIES, type Forgery, type TestNetwork } from "../builder/mod.ts";
import { at } from "./support/chains.ts";
import {
  certifying,
  CountingCurves,
  delivered,
  flipped,
  recordedChain,
  sent,
  signedNetwork,
  VerifierBench,
  withSideCar,
} from "./support/certified.ts";

const SEED = 43;
const FAR = 100_000;

/** Signing is what takes time: each network's chain is made once, and every test goes on from a place in it. */
class Grown {
  readonly #blocks: DeliveredBlock[];
  readonly #places: ChainBuilder[];
  readonly #builder: ChainBuilder;

  constructor(readonly network: TestNetwork) {
    this.#builder = ChainBuilder.start(network, { absence: 0 });
    this.#blocks = [delivered(this.#builder.head)];
    this.#places = [this.#builder.fork(0)];
  }
  /** The chain up to `height`, and a builder that goes on there. */
  to(height: number): { readonly builder: ChainBuilder; readonly blocks: DeliveredBlock[] } {
    while (this.#builder.head.number < height) {
      this.#blocks.push(delivered(this.#builder.next()));
      this.#places.push(this.#builder.fork(0));
    }
    const builder = (this.#places[height] as ChainBuilder).fork(99);
    return { builder, blocks: this.#blocks.slice(0, height + 1) };
  }
}
const SHORT_EPOCHS = new Grown(signedNetwork({ seed: SEED, epochLength: 10 }));
const SMALL = new Grown(signedNetwork({ seed: SEED, name: "small", epochLength: 10, electedSlots: 3 }));
const LONG_EPOCHS = new Grown(signedNetwork({ seed: SEED, name: "long", epochLength: 30, electedSlots: 3 }));

function blamed(verdict: Verdict): string[] {
  return (verdict.refusal?.culprits ?? []).map((c) => c.streamId).sort();
}
async function withBench(network: TestNetwork, job: (bench: VerifierBench) => Promise<void>): Promise<void> {
  const bench = await VerifierBench.open({ params: network.params });
  try {
    await job(bench);
  } finally {
    await bench.close();
  }
}

/** Before staking and after, inside an epoch (10 blocks) and at its first block. */
const PLACES = [14, 25, 30];

for (const kind of Object.keys(FORGERIES) as Forgery[]) {
  Deno.test(`a fork by "${kind}" is refused at its first block, wherever that lies in a batch (seed ${SEED})`, async () => {
    const grown = SHORT_EPOCHS;
    const { network } = grown;
    for (const place of PLACES) {
      const { builder, blocks } = grown.to(place - 1);
      const fork = builder.fork(1);
      const forged = [delivered(forgeNext(fork, kind))];
      const jump = kind === "epoch-jump";
      // Whoever cannot sign the first block cannot sign those on top of it either.
      for (let i = 0; i < 4; i++) forged.push(delivered(forgeNext(fork, jump ? "below-quorum" : kind)));
      const sender = (n: number) => n < place ? "honest" : n === place ? "liar" : "accomplice";
      await withBench(network, async (bench) => {
        const verdict = await bench.take(sent([...blocks.slice(1), ...forged], sender), FAR);
        assert.equal(bench.store.head().number, place - 1, `${kind} at ${place}`);
        assert.deepEqual(bench.store.head().hash, at({ blocks }, place - 1).block.hash);
        assert.equal(verdict.refusal?.number, place);
        assert.equal(verdict.refusal?.remedy, "anotherCandidate");
        assert.equal(verdict.refusal?.hopeless, jump ? undefined : place + 1);
        assert.deepEqual(blamed(verdict), jump ? ["liar"] : ["accomplice", "liar"]);
        assert.deepEqual(await bench.store.commitSigAt(place - 1), at({ blocks }, place - 1).commitSig);
        // The honest block is still welcome.
        const honest = delivered(builder.next());
        assert.equal((await bench.take(sent([honest]), FAR)).refusal, undefined);
      });
      // The forged block is the batch's last: only what came beside it is wrong for sure.
      await withBench(network, async (bench) => {
        const verdict = await bench.take(sent([...blocks.slice(1), ...forged.slice(0, 1)], sender), FAR);
        assert.equal(bench.store.head().number, place - 1);
        assert.equal(verdict.refusal?.number, place);
        assert.equal(verdict.refusal?.remedy, jump ? "anotherCandidate" : "anotherSender");
        assert.deepEqual(blamed(verdict), ["liar"]);
      });
    }
  });
}

Deno.test("a bad certificate beside the tip convicts its sender alone; another sender's makes the block good", async () => {
  const grown = LONG_EPOCHS;
  const { network } = grown;
  const { blocks } = grown.to(20);
  const tip = at({ blocks }, 20);
  const sender = (n: number) => n === 20 ? "liar" : "honest";
  for (
    const commitSig of [
      flipped(tip.commitSig, 5),
      at({ blocks }, 19).commitSig,
      concat(tip.commitSig, new Uint8Array(1)),
    ]
  ) {
    await withBench(network, async (bench) => {
      const bad = [...blocks.slice(1, 20), withSideCar(tip, commitSig)];
      const verdict = await bench.take(sent(bad, sender), FAR);
      assert.equal(verdict.accepted.length, 19, "the block below is certified by the tip's header");
      assert.equal(verdict.refusal?.number, 20);
      assert.equal(verdict.refusal?.remedy, "anotherSender");
      assert.equal(verdict.refusal?.label, "bad_signature");
      assert.deepEqual(blamed(verdict), ["liar"]);
      assert.deepEqual(await bench.store.commitSigAt(19), at({ blocks }, 19).commitSig);
      const again = await bench.take(sent([tip]), FAR);
      assert.equal(again.refusal, undefined);
      assert.deepEqual(await bench.store.commitSigAt(20), tip.commitSig);
    });
  }
});

Deno.test("what comes beside a block in the middle is not even looked at", async () => {
  const grown = LONG_EPOCHS;
  const { network } = grown;
  const { blocks } = grown.to(20);
  await withBench(network, async (bench) => {
    const noise = blocks.slice(1, 20).map((b) => withSideCar(b, new Uint8Array(98).fill(1)));
    const verdict = await bench.take(sent([...noise, at({ blocks }, 20)]), 20);
    assert.equal(verdict.refusal, undefined);
    assert.equal(bench.store.head().number, 20);
  });
});

Deno.test("a child's header with a bad certificate condemns the child; its parent stays, by what came beside it", async () => {
  const grown = LONG_EPOCHS;
  const { network } = grown;
  const { builder, blocks } = grown.to(12);
  const child = builder.fork(2).next({
    header: { lastCommitSignature: at({ blocks }, 11).commitSig.subarray(0, 96) },
  });
  const sender = (n: number) => n === 13 ? "liar" : "honest";
  const inBatch = sent([...blocks.slice(1), delivered(child)], sender);
  await withBench(network, async (bench) => {
    const verdict = await bench.take(inBatch, FAR);
    // The child's own certificate, beside it, is good: only looking at all certificates near the target tells.
    assert.equal(verdict.refusal, undefined, "far from the target the tip speaks for all below it");
  });
  await withBench(network, async (bench) => {
    const verdict = await bench.take(inBatch, 13);
    assert.equal(bench.store.head().number, 12);
    assert.deepEqual(await bench.store.commitSigAt(12), at({ blocks }, 12).commitSig);
    assert.equal(verdict.refusal?.number, 13);
    assert.equal(verdict.refusal?.remedy, "anotherCandidate");
    assert.equal(verdict.refusal?.hopeless, undefined);
    assert.deepEqual(blamed(verdict), ["liar"]);
  });
  // The child waits behind the batch.
  await withBench(network, async (bench) => {
    const verdict = await bench.take(inBatch.slice(0, 12), FAR, inBatch[12]);
    assert.equal(bench.store.head().number, 12);
    assert.equal(verdict.accepted.length, 12);
    assert.deepEqual(await bench.store.commitSigAt(12), at({ blocks }, 12).commitSig);
    assert.equal(verdict.refusal?.number, 13);
    assert.deepEqual(blamed(verdict), ["liar"]);
  });
  // It comes when its parent is in the store already.
  await withBench(network, async (bench) => {
    await bench.take(inBatch.slice(0, 12), FAR);
    const verdict = await bench.take(inBatch.slice(12), FAR);
    assert.equal(bench.store.head().number, 12);
    assert.equal(verdict.refusal?.number, 13);
    assert.deepEqual(blamed(verdict), ["liar"]);
    assert.equal((await bench.take(sent([delivered(builder.next())]), FAR)).refusal, undefined);
  });
  // And when what came beside the parent is bad too, both senders lied, and only the child is beyond hope.
  await withBench(network, async (bench) => {
    const batch = sent(
      [
        ...blocks.slice(1, 12),
        withSideCar(at({ blocks }, 12), flipped(at({ blocks }, 12).commitSig, 9)),
        delivered(child),
      ],
      (n) => n === 13 ? "liar" : n === 12 ? "other liar" : "honest",
    );
    const verdict = await bench.take(batch, 13);
    assert.equal(bench.store.head().number, 11);
    assert.equal(verdict.refusal?.number, 12);
    assert.equal(verdict.refusal?.hopeless, 13);
    assert.deepEqual(blamed(verdict), ["liar", "other liar"]);
  });
});

Deno.test("identical bytes from many peers stay what they are: each sender is convicted of its own", async () => {
  const grown = LONG_EPOCHS;
  const { network } = grown;
  const { builder, blocks } = grown.to(9);
  const forged = delivered(forgeNext(builder.fork(1), "below-quorum"));
  await withBench(network, async (bench) => {
    await bench.follow({ blocks });
    for (let i = 0; i < 30; i++) {
      const verdict = await bench.take(sent([forged], () => `liar${i}`), 10);
      assert.deepEqual(blamed(verdict), [`liar${i}`]);
      assert.equal(bench.store.head().number, 9);
    }
    assert.equal((await bench.take(sent([delivered(builder.next())]), 10)).refusal, undefined);
  });
});

Deno.test("an error of our own rejects with fault NONE, whatever it is, and changes nothing", async () => {
  const chain = recordedChain(0);
  const certificates = new CountingCurves();
  const bench = await VerifierBench.open({ certificates });
  const ours = (error: unknown) => error instanceof HsyncError && error.fault === "NONE";
  try {
    const batch = sent(chain.blocks.slice(1, 41));
    const failures = [
      new HsyncError("WORKER_FAILED", "a worker died", { retryable: true }),
      new HsyncError("BLS_INTERNAL", "no verdict"),
      new HsyncError("RLP_TOO_FEW", "what our own store gave does not decode", { fault: "DATA" }),
      new TypeError("a mistake of ours"),
    ];
    for (const failure of failures) {
      certificates.failure = failure;
      await assert.rejects(bench.take(batch, FAR), ours);
      assert.equal(bench.store.head().number, 0);
    }
    assert.equal((await bench.take(batch, FAR)).refusal, undefined);
    bench.signal.abort();
    const pool = createCertificateVerifier({ workers: 0 });
    const aborted = await VerifierBench.open({ certificates: pool, store: bench.store });
    aborted.signal.abort();
    await assert.rejects(
      aborted.take(sent(chain.blocks.slice(41, 60)), FAR),
      (e: unknown) => e instanceof HsyncError && e.code === "CANCELLED",
    );
    pool.close();
  } finally {
    await bench.close();
  }
});

Deno.test("committees that our own store does not have are our own trouble", async () => {
  const chain = recordedChain(0);
  const bench = await VerifierBench.open();
  try {
    await bench.follow(chain, { to: 40 });
    const holed: ChainStore = new Proxy(bench.store, {
      get: (store, name) =>
        name === "shardStateAt"
          ? () => Promise.resolve(undefined)
          : typeof store[name as keyof ChainStore] === "function"
          ? (store[name as keyof ChainStore] as () => unknown).bind(store)
          : store[name as keyof ChainStore],
    });
    const verifier = certifying(holed, bench.params);
    await assert.rejects(
      verifier.verify(sent(chain.blocks.slice(41, 50)), {
        parent: bench.store.head(),
        target: 50,
        child: undefined,
        signal: bench.signal.signal,
      }),
      (e: unknown) => e instanceof HsyncError && e.code === "COMMITTEE_UNKNOWN" && e.fault === "NONE",
    );
  } finally {
    await bench.close();
  }
});

/** A chain in the store up to `height`, and a fork from `from` on that is longer, both certified. */
async function forkedBench(grown: Grown, height: number, from: number) {
  const { network } = grown;
  const { builder, blocks } = grown.to(from);
  const fork = builder.fork(5);
  const other = [...blocks];
  while (fork.head.number < height + 8) other.push(delivered(fork.next()));
  while (builder.head.number < height) blocks.push(delivered(builder.next()));
  const bench = await VerifierBench.open({ params: network.params });
  await bench.follow({ blocks });
  return { bench, blocks, other };
}

Deno.test(`two certified blocks of one height stop everything, and both are kept as evidence (seed ${SEED})`, async () => {
  const grown = SMALL;
  for (const [height, from] of [[25, 20], [25, 24], [39, 37]] as const) {
    const { bench, blocks, other } = await forkedBench(grown, height, from);
    try {
      const foreign = sent(other.slice(height + 1), () => "somebody");
      await assert.rejects(
        bench.verifier.examineFork(foreign, bench.store.head(), bench.signal.signal),
        (e: unknown) => {
          assert.ok(e instanceof ConflictingCertificates, String(e));
          assert.equal(e.code, "CONFLICTING_CERTIFICATES");
          assert.equal(e.fault, "NONE");
          assert.equal(e.evidence.number, height);
          return true;
        },
      );
      const [evidence] = bench.evidence;
      assert.ok(evidence !== undefined);
      assert.deepEqual(evidence.ours.hash, at({ blocks }, height).block.hash);
      assert.deepEqual(evidence.theirs.hash, at({ blocks: other }, height).block.hash);
      const text = evidenceText(evidence);
      const document: unknown = JSON.parse(text);
      assert.ok(
        typeof document === "object" && document !== null && "ours" in document && "theirs" in document,
      );
      assert.match(evidenceName(evidence), /^conflict-shard0-block\d+-[0-9a-f]{12}-[0-9a-f]{12}\.json$/);
    } finally {
      await bench.close();
    }
  }
});

Deno.test("the same height as the head's, directly", async () => {
  const grown = SMALL;
  const { bench, other } = await forkedBench(grown, 25, 20);
  try {
    const foreign = sent(other.slice(25), () => "somebody");
    await assert.rejects(
      bench.verifier.examineFork(foreign, bench.store.head(), bench.signal.signal),
      (e: unknown) => e instanceof ConflictingCertificates && e.evidence.number === 25,
    );
  } finally {
    await bench.close();
  }
});

Deno.test("a fork without good certificates is no conflict, and those who sent it are named", async () => {
  const grown = SHORT_EPOCHS;
  const { network } = grown;
  for (const kind of ["below-quorum", "old-committee", "noise-signature", "short-bitmap"] as const) {
    const { builder, blocks } = grown.to(24);
    const fork = builder.fork(5);
    fork.next();
    const foreign = [delivered(forgeNext(fork, kind)), delivered(fork.next())];
    blocks.push(delivered(builder.next()));
    await withBench(network, async (bench) => {
      await bench.follow({ blocks });
      const culprits = await bench.verifier.examineFork(
        sent(foreign, (n) => `sender of ${n}`),
        bench.store.head(),
        bench.signal.signal,
      );
      assert.deepEqual(culprits.map((c) => c.streamId).sort(), ["sender of 26", "sender of 27"]);
      assert.deepEqual(bench.evidence, []);
    });
  }
});

Deno.test("where an anchor tells the branches apart there is no conflict", async () => {
  const grown = SMALL;
  const { network } = grown;
  const { bench, blocks, other } = await forkedBench(grown, 25, 20);
  try {
    for (const number of [22, 25]) {
      const anchors = {
        anchors: [{ shardId: 0, number, hash: at({ blocks }, number).block.hash }],
        never: [],
      };
      const wise = await VerifierBench.open({ params: network.params, anchors, store: bench.store });
      const foreign = sent(other.slice(26));
      assert.deepEqual(await wise.verifier.examineFork(foreign, bench.store.head(), bench.signal.signal), []);
    }
  } finally {
    await bench.close();
  }
});

Deno.test("when the evidence cannot be written it still stops", async () => {
  const grown = SMALL;
  const { bench, other } = await forkedBench(grown, 25, 20);
  try {
    bench.evidence.push = () => {
      throw new HsyncError("DISK_FULL", "no room");
    };
    await assert.rejects(
      bench.verifier.examineFork(sent(other.slice(26)), bench.store.head(), bench.signal.signal),
      (e: unknown) => e instanceof ConflictingCertificates,
    );
  } finally {
    await bench.close();
  }
});
