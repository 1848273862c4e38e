/** ShortRange: who is in charge near the head, how much it takes at once, and what is counted. */
import assert from "node:assert/strict";
import { equalBytes } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { type BatchVerifier } from "../../src/sync/mod.ts";
import { at, madeChain, recordedChain, type TestChain } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";
import { LinkedOnlyVerifier } from "./support/linked_only.ts";

const CHAIN = recordedChain(0);
const SHORT_RUNS = "hmy_staged_stream_sync_num_short_range";
const LONG_BLOCKS = "hmy_staged_stream_sync_num_blocks_synced_long_range";

function stageOf(rig: Rig, name: string) {
  return rig.driver.status().stages.find((stage) => stage.name === name);
}

Deno.test("new blocks near the head come by ShortRange, and the stages of the long range say so", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  let height = 400;
  for (let i = 0; i < 3; i++) rig.peers.add(`p${i}`, { chain: CHAIN, claims: () => height });
  rig.driver.start();
  await rig.untilHead(400);
  assert.equal(stageOf(rig, "ShortRange")?.why, "400 blocks behind");
  assert.equal(rig.meter.count(SHORT_RUNS, { ShardID: "0" }), 0);
  assert.equal(rig.meter.count(LONG_BLOCKS, { ShardID: "0" }), 400);

  height = 407;
  await rig.untilHead(407);
  await rig.until(() => rig.event("cycle").at(-1)?.to === 407);
  assert.deepEqual(rig.driver.status().stages.map(({ name, state, why }) => [name, state, why ?? ""]), [
    ["Heads", "done", ""],
    ["SyncEpoch", "skipped", "beacon shard"],
    ["ShortRange", "done", ""],
    ["BlockHashes", "skipped", "ShortRange takes the last blocks"],
    ["BlockBodies", "skipped", "ShortRange takes the last blocks"],
    ["States", "skipped", "ShortRange takes the last blocks"],
    ["Finish", "done", ""],
  ]);
  assert.equal(stageOf(rig, "ShortRange")?.height, 407);
  assert.equal(rig.meter.count(SHORT_RUNS, { ShardID: "0" }), 1);
  assert.equal(rig.meter.count(LONG_BLOCKS, { ShardID: "0" }), 400, "counted apart");
  const changes = (consensus: string) => rig.meter.count("hmy_consensus_sync", { consensus });
  assert.deepEqual([changes("in_sync"), changes("out_of_sync")], [1, 0], "the next blocks are no change");
  rig.assertHead(CHAIN, 407);
  await rig.stop();
});

/** Takes what links, but no block of the fork. */
function refusing(fork: TestChain, from: number): BatchVerifier {
  const inner = new LinkedOnlyVerifier(networkParams("localnet"), 0);
  return {
    certifies: true,
    async verify(batch, context) {
      const bad = batch.findIndex((b) =>
        b.number >= from && equalBytes(b.hash, at(fork, b.number).block.hash)
      );
      const { accepted } = await inner.verify(bad < 0 ? batch : batch.slice(0, bad), context);
      const block = batch[bad];
      if (block === undefined) return { accepted };
      const text = `block ${block.number} is not certified`;
      return {
        accepted,
        refusal: {
          number: block.number,
          label: "bad_signature",
          text,
          culprits: [{ streamId: block.streamId, reason: "invalid_blocks", text }],
          remedy: "anotherCandidate",
        },
      };
    },
  };
}

Deno.test("a refused block is taken out of ShortRange and comes from somebody else in the same way", async () => {
  const chain = madeChain(60);
  const fork = madeChain(60, 7, { from: 46, of: chain });
  const rig = new Rig(new FakeStore(chain), { verifier: refusing(fork, 46) });
  let height = 40;
  rig.peers.add("liar0", { chain: fork, claims: () => height });
  rig.peers.add("liar1", { chain: fork, claims: () => height });
  rig.peers.add("honest", { chain, claims: () => height });
  rig.driver.start();
  await rig.untilHead(40);
  height = 49;
  await rig.untilHead(49);
  rig.assertHead(chain, 49);
  assert.ok(rig.meter.count(SHORT_RUNS, { ShardID: "0" }) >= 1);
  assert.equal(rig.meter.count(LONG_BLOCKS, { ShardID: "0" }), 40);
  assert.ok(rig.peers.has("honest"));
  assert.ok(rig.peers.reports.length > 0 && rig.peers.reports.every(({ id }) => id.startsWith("liar")));
  await rig.stop();
});

Deno.test("twenty blocks at once, and after three full windows the long range takes over", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  const ids = ["a", "b", "c"];
  for (const id of ids) rig.peers.add(id, { chain: CHAIN, claims: () => 200 });
  rig.driver.start();
  await rig.untilHead(200);
  const claim = (height: number) => {
    for (const id of ids) rig.peers.change(id, { chain: CHAIN, claims: () => height, latencyMs: 300 });
  };
  claim(208);
  await rig.until(() => rig.driver.status().driver === "ShortRange");
  // While these blocks are under way the network is found to be far ahead.
  claim(426);
  await rig.untilHead(426);
  await rig.until(() => rig.event("cycle").at(-1)?.to === 426);
  const cycles = rig.event("cycle").filter((c) => c.from >= 200);
  assert.deepEqual(cycles.map((c) => [c.from, c.to]), [[200, 208], [208, 220], [220, 240], [240, 260], [
    260,
    426,
  ]]);
  assert.equal(rig.meter.count(SHORT_RUNS, { ShardID: "0" }), 4);
  rig.assertHead(CHAIN, 426);
  await rig.stop();
});
