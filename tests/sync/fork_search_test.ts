/** Forks that began before the last change of committee: found at their first block, and judged there. */
import assert from "node:assert/strict";
import { HsyncError, ManualClock, nullLogger } from "../../src/base/mod.ts";
import { ConflictingCertificates } from "../../src/consensus/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import type { Culprit } from "../../src/sync/mod.ts";
import { ForkSearch } from "../../src/sync/fork_search.ts";
import { ChainBuilder, forgeNext, type TestNetwork } from "../builder/mod.ts";
import { delivered, sent, signedNetwork, VerifierBench } from "./support/certified.ts";
import { at, madeChain, type TestChain, tip } from "./support/chains.ts";
import { until } from "./support/epoch_world.ts";
import { FakePeers, type Script } from "./support/peers.ts";
import { FakeStore } from "./support/store.ts";

const SEED = 71;
const EPOCH = 10;
const HEAD = 45;
const network = signedNetwork({ seed: SEED, epochLength: EPOCH, electedSlots: 3 });
/** The same network with other elections from an epoch on: its chain leaves the other's with the block before. */
function electing(from: number): TestNetwork {
  const shardState = (epoch: number) =>
    epoch < from ? network.shardState(epoch) : { ...network.shardState(epoch + 1), epoch };
  return {
    ...network,
    shardState,
    committee: (epoch, shardId) => {
      const committee = shardState(epoch).committees[shardId];
      assert.ok(committee !== undefined);
      return committee;
    },
  };
}
function grow(builder: ChainBuilder, height: number): DeliveredBlock[] {
  const blocks = [delivered(builder.head)];
  while (builder.head.number < height) blocks.push(delivered(builder.next()));
  return blocks;
}
const ours: TestChain = { blocks: grow(ChainBuilder.start(network, { absence: 0 }), HEAD) };
/** Leaves ours at the end of epoch 2. */
const twin: TestChain = { blocks: grow(ChainBuilder.start(electing(3), { absence: 0 }), HEAD + 6) };
const ROOT = 3 * EPOCH - 1;

/** What examining the newest blocks of a peer's chain comes to. */
async function examine(
  script: Script,
): Promise<{ culprits: readonly Culprit[]; requests: number } | HsyncError> {
  const clock = new ManualClock();
  const bench = await VerifierBench.open({ params: network.params });
  try {
    await bench.follow(ours);
    const peers = new FakePeers(clock);
    peers.add("somebody", script);
    const forks = new ForkSearch({ peers, store: bench.store, logger: nullLogger });
    const head = bench.store.head();
    const { signal } = bench.signal;
    const foreign = sent(script.chain.blocks.slice(HEAD + 1), () => "somebody");
    let result: readonly Culprit[] | HsyncError | undefined;
    const work = bench.verifier.examineFork(foreign, head, signal, (id) => forks.rootOf(id, head, signal))
      .then((culprits) => result = culprits, (error: HsyncError) => result = error);
    await until(clock, () => result !== undefined);
    await work;
    const conflicts = result instanceof ConflictingCertificates ? 1 : 0;
    assert.equal(bench.evidence.length, conflicts);
    return result instanceof HsyncError
      ? result
      : { culprits: result ?? [], requests: peers.requests.length };
  } finally {
    await bench.close();
  }
}

Deno.test(`a certified fork that elected committees of its own epochs ago stops everything, with evidence of its first block (seed ${SEED})`, async () => {
  assert.deepEqual(at(ours, ROOT - 1).block.hash, at(twin, ROOT - 1).block.hash);
  assert.notDeepEqual(at(ours, ROOT).block.hash, at(twin, ROOT).block.hash);
  const result = await examine({ chain: twin });
  assert.ok(result instanceof ConflictingCertificates, String(result));
  const { evidence } = result;
  assert.equal(evidence.number, ROOT);
  assert.deepEqual(evidence.ours.hash, at(ours, ROOT).block.hash);
  assert.deepEqual(evidence.theirs.hash, at(twin, ROOT).block.hash);
  assert.equal(result.fault, "NONE");
});

Deno.test(`a fork whose first block the common committee did not sign is a lie, however well the rest is signed (seed ${SEED})`, async () => {
  const builder = ChainBuilder.start(electing(3), { absence: 0 });
  const blocks = grow(builder, ROOT - 1);
  blocks.push(delivered(forgeNext(builder, "below-quorum")));
  while (builder.head.number < HEAD + 6) blocks.push(delivered(builder.next()));
  const result = await examine({ chain: { blocks } });
  assert.ok(!(result instanceof HsyncError), String(result));
  assert.deepEqual(result.culprits.map((c) => c.streamId), ["somebody"]);
});

Deno.test(`a peer that does not show where its fork begins is judged by what it sent (seed ${SEED})`, async () => {
  const scripts: readonly Script[] = [
    { chain: twin, silent: (kind) => kind === "hashes" },
    { chain: twin, silent: (kind) => kind === "bodies" },
    // It names hashes of a fork and has the blocks of ours.
    { chain: twin, bodies: (numbers) => numbers.map((n) => at(ours, n)) },
    { chain: twin, bodies: () => [] },
    { chain: twin, hashes: (numbers) => numbers.map(() => undefined) },
    // Nothing in common at all: its first block does not stand on ours.
    { chain: twin, hashes: (numbers) => numbers.map((n) => new Uint8Array(32).fill(n)) },
  ];
  for (const script of scripts) {
    const result = await examine(script);
    assert.ok(!(result instanceof HsyncError), String(result));
    assert.deepEqual(result.culprits.map((c) => c.streamId), ["somebody"]);
  }
});

Deno.test("the first other block is found in a few questions, wherever it is", async () => {
  const LENGTH = 3_000;
  const long = madeChain(LENGTH);
  const store = new FakeStore(long);
  await store.append(
    long.blocks.slice(1).map(({ block, commitSig }) => ({
      number: block.number,
      hash: block.hash,
      parentHash: block.header.parentHash,
      bytes: block.bytes,
      headerBytes: block.header.bytes,
      commitSig,
      assurance: "signed",
    })),
  );
  for (const from of [1, 51, 1_234, LENGTH]) {
    const clock = new ManualClock();
    const peers = new FakePeers(clock);
    const chain = madeChain(LENGTH + 5, 1, { from, of: long });
    peers.add("peer", { chain });
    const { signal } = new AbortController();
    let found: readonly number[] | undefined;
    const search = new ForkSearch({ peers, store, logger: nullLogger });
    const work = search.rootOf("peer", store.head(), signal).then((blocks) => {
      found = blocks?.map((b) => b.number) ?? [];
    });
    await until(clock, () => found !== undefined);
    await work;
    assert.deepEqual(found, [from, from + 1]);
    assert.ok(peers.count("hashes") <= 3, `${peers.count("hashes")} questions`);
    assert.deepEqual(peers.requests.every((r) => r.numbers.every((n) => n > 0 && n <= tip(chain))), true);
  }
  // Nothing of it is other than ours.
  const clock = new ManualClock();
  const peers = new FakePeers(clock);
  peers.add("peer", { chain: long });
  let result: unknown = "pending";
  const { signal } = new AbortController();
  const work = new ForkSearch({ peers, store, logger: nullLogger }).rootOf("peer", store.head(), signal)
    .then((blocks) => result = blocks);
  await until(clock, () => result !== "pending");
  await work;
  assert.equal(result, undefined);
});
