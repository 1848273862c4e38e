import assert from "node:assert/strict";
import { createLogger, type Logger } from "../../src/base/mod.ts";
import type { BatchVerifier } from "../../src/sync/mod.ts";
import { recordedChain, tip } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = recordedChain(0);
const TIP = tip(CHAIN);

for (const peers of [1, 4]) {
  Deno.test(`the recorded chain is synchronised from genesis with ${peers} peer(s)`, async () => {
    const store = new FakeStore(CHAIN);
    const rig = new Rig(store, { minPeers: peers, initStreams: peers });
    for (let i = 0; i < peers; i++) rig.peers.add(`p${i}`, { chain: CHAIN });
    rig.driver.start();
    await rig.untilHead(TIP);
    await rig.until(() => rig.event("synced").length > 0);
    rig.assertHead(CHAIN, TIP);
    assert.deepEqual(rig.peers.reports, []);
    assert.deepEqual(store.batches, [128, 128, 128, 42]);
    assert.ok(store.rows.every((row) => row.assurance === "linked"));
    assert.deepEqual(store.rows.map((row) => row.commitSig), CHAIN.blocks.slice(1).map((b) => b.commitSig));
    // 43 legs of ten blocks or fewer, and no block asked for twice.
    assert.equal(rig.peers.count("bodies"), 43);
    assert.ok(rig.peers.requests.every((r) => r.kind !== "hashes" || r.numbers.length <= 50));
    await rig.stop();
  });
}

Deno.test("committees that a block hands over are stored under the epoch that they serve in", async () => {
  const store = new FakeStore(CHAIN);
  const rig = new Rig(store);
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  const epochs = store.rows.flatMap((row) => row.shardState === undefined ? [] : [row.shardState.epoch]);
  assert.deepEqual(epochs, Array.from({ length: 27 }, (_, i) => i + 1));
  await rig.stop();
});

Deno.test("requests under way never exceed Concurrency, and every stream is kept busy", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { concurrency: 3 });
  for (let i = 0; i < 6; i++) rig.peers.add(`p${i}`, { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  assert.equal(rig.peers.mostInFlight, 3);
  await rig.stop();
});

Deno.test("once in sync it follows new blocks, and says so each time", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  let height = 400;
  for (let i = 0; i < 3; i++) rig.peers.add(`p${i}`, { chain: CHAIN, claims: () => height });
  rig.driver.start();
  await rig.untilHead(400);
  for (height = 401; height <= 410; height++) await rig.untilHead(height, 4_000);
  rig.assertHead(CHAIN, 410);
  await rig.until(() => rig.event("synced").at(-1)?.head.number === 410);
  const synced = rig.event("synced");
  assert.ok(synced.every((e) => e.targetAgeMs <= 5_000 && e.target <= e.head.number));
  assert.equal(rig.driver.status().driver, "Synced");
  await rig.stop();
});

Deno.test("an announced block wakes the node before the next poll, and is counted", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  rig.peers.add("p", { chain: CHAIN, claims: () => 400 });
  rig.driver.start();
  await rig.until(() => rig.event("synced").length > 0);
  rig.peers.change("p", { chain: CHAIN, claims: () => 401 });
  await rig.untilHead(401, 200);
  assert.equal(rig.meter.count("hmy_staged_stream_sync_consensus_trigger", { ShardID: "0" }), 1);
  await rig.stop();
});

Deno.test("it stops at the height asked for, and goes no further", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { stopAt: 123 });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.until(() => rig.event("stopAt").length > 0);
  await rig.clock.advance(10_000);
  rig.assertHead(CHAIN, 123);
  assert.equal(rig.event("stopAt").length, 1);
  assert.equal(rig.driver.status().driver, "Finished");
  await rig.stop();
});

// T-14
Deno.test("it waits ten seconds for InitStreams, then goes on with what there is and says so", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { initStreams: 4, minPeers: 3 });
  rig.driver.start();
  await rig.clock.advance(5_000);
  assert.equal(rig.driver.status().phase, "waitingForStreams");
  assert.equal(rig.driver.status().diagnosis[0]?.code, "STREAMS_BELOW_INIT");
  assert.ok(rig.peers.wants.length > 0);
  rig.peers.add("p", { chain: CHAIN });
  await rig.clock.advance(9_900);
  assert.equal(rig.store.head().number, 0);
  await rig.untilHead(TIP, 5_000);
  const codes = rig.driver.status().diagnosis.map((d) => d.code);
  assert.ok(codes.includes("STREAMS_BELOW_MIN"), codes.join());
  assert.equal(rig.driver.status().degraded, true);
  await rig.stop();
});

Deno.test("peers that have no blocks themselves are not waited for: one that has is enough", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { initStreams: 4, minPeers: 4 });
  rig.peers.add("light", { chain: CHAIN, claims: () => 0 });
  rig.peers.add("newcomer", { chain: CHAIN, claims: () => 0 });
  rig.peers.add("full", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP, 20_000);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

Deno.test("peers that do not tell their height are not waited for longer than one question takes", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { initStreams: 3, minPeers: 3 });
  for (const id of ["a", "b"]) {
    rig.peers.add(id, {
      chain: CHAIN,
      silent: (kind) => kind === "height",
    }, false);
  }
  rig.peers.add("full", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP, 20_000);
  rig.assertHead(CHAIN, TIP);
  await rig.stop();
});

Deno.test("with streams to peers without blocks only, it goes on looking for others, twice a minute at most", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { initStreams: 2, minPeers: 2 });
  for (const id of ["a", "b", "c"]) rig.peers.add(id, { chain: CHAIN, claims: () => 0 });
  rig.driver.start();
  await rig.clock.advance(60_000);
  assert.equal(rig.driver.status().diagnosis[0]?.code, "TARGET_UNKNOWN");
  assert.deepEqual(rig.peers.wants, ["no peer has blocks", "no peer has blocks"]);
  await rig.stop();
});

Deno.test("it starts at once when InitStreams are there", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { initStreams: 2, minPeers: 2 });
  rig.peers.add("a", { chain: CHAIN });
  rig.peers.add("b", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(10, 1_000);
  await rig.stop();
});

Deno.test("it loses all streams, waits, and goes on when one comes back", async () => {
  const rig = new Rig(new FakeStore(CHAIN), {
    minPeers: 2,
    initStreams: 1,
    staged: { maxBlocksPerSyncCycle: 50 },
  });
  rig.peers.add("a", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(50);
  rig.peers.remove("a");
  await rig.until(() => rig.driver.status().driver === "WaitingPeers", 30_000);
  const head = rig.store.head().number;
  await rig.clock.advance(90_000);
  const status = rig.driver.status();
  assert.equal(status.waiting[0]?.what, "a stream to a peer");
  assert.equal(status.diagnosis[0]?.code, "STREAMS_BELOW_MIN");
  assert.equal(rig.store.head().number, head);
  rig.peers.add("b", { chain: CHAIN });
  await rig.untilHead(TIP);
  assert.deepEqual(rig.peers.reports, []);
  await rig.stop();
});

Deno.test("the stages stand in the guide's order, and skipped ones say why", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  const stages = rig.driver.status().stages;
  assert.deepEqual(stages.map((s) => s.name), [
    "Heads",
    "SyncEpoch",
    "ShortRange",
    "BlockHashes",
    "BlockBodies",
    "States",
    "Finish",
  ]);
  assert.equal(stages[1]?.why, "beacon shard");
  assert.equal(stages[2]?.why, "426 blocks behind");
  await rig.stop();
});

Deno.test("a cycle takes no more than MaxBlocksPerSyncCycle, and cuts at an even ten", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { staged: { maxBlocksPerSyncCycle: 64 } });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  await rig.until(() => rig.event("cycle").length >= 8);
  assert.deepEqual(rig.event("cycle").map((c) => c.to), [60, 120, 180, 240, 300, 360, 420, 426]);
  await rig.stop();
});

Deno.test("MaxBlocksPerSyncCycle 0 takes everything in one cycle, in parts that fit in memory", async () => {
  const staged = { maxBlocksPerSyncCycle: 0, maxMemSyncCycleSize: 100, maxBackgroundBlocks: 50 };
  const store = new FakeStore(CHAIN);
  const rig = new Rig(store, { staged });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  let most = 0;
  while (store.head().number < TIP) {
    await rig.clock.advance(5);
    const { bodiesTo } = {
      bodiesTo: rig.driver.status().stages.find((s) => s.name === "BlockBodies")?.height ?? 0,
    };
    most = Math.max(most, bodiesTo - store.head().number);
  }
  await rig.until(() => rig.event("cycle").length > 0);
  assert.deepEqual(rig.event("cycle").map((c) => [c.from, c.to]), [[0, TIP]]);
  assert.ok(most <= 160, `${most} blocks were held ahead of the head`);
  assert.ok(store.batches.every((n) => n <= 100));
  await rig.stop();
});

Deno.test("InsertChainBatchSize is the size of a commit", async () => {
  const store = new FakeStore(CHAIN);
  const rig = new Rig(store, { staged: { insertChainBatchSize: 100 } });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(TIP);
  assert.deepEqual(store.batches, [100, 100, 100, 100, 26]);
  await rig.stop();
});

Deno.test("blocks are counted under the guide's name, and going on with few streams is shown", async () => {
  const rig = new Rig(new FakeStore(CHAIN), { minPeers: 2 });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.until(() => rig.event("synced").length > 0);
  assert.equal(rig.meter.count("hmy_staged_stream_sync_num_blocks_synced_long_range", { ShardID: "0" }), TIP);
  assert.equal(rig.meter.gauges.get("hmy_sync_degraded{ShardID=0}"), 1);
  await rig.stop();
});

Deno.test("a head that nobody exceeds but that is old is called so", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.until(() => rig.event("synced").length > 0);
  // The recorded chain ended long before the test's clock begins, or will end long after it: both are judged.
  const age = rig.clock.now() / 1000 - rig.driver.status().head.time / 1000;
  assert.deepEqual(rig.driver.status().diagnosis.map((d) => d.code), [
    age > 120 ? "PEERS_BEHIND" : "IDLE_IN_SYNC",
  ]);
  await rig.stop();
});

/** A logger that keeps what it is told, with its level. */
function listener(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const logger = createLogger({ level: "debug", sinks: [(r) => lines.push(`${r.level} ${r.message}`)] });
  return { logger, lines };
}

Deno.test("LogProgress writes the guide's four lines after each cycle, and nothing without it", async () => {
  for (const logProgress of [true, false]) {
    const { logger, lines } = listener();
    const rig = new Rig(new FakeStore(CHAIN), { logger, staged: { logProgress } });
    rig.peers.add("p", { chain: CHAIN });
    rig.driver.start();
    await rig.until(() => rig.event("cycle").length > 0);
    await rig.stop();
    for (const text of ["downloading block hash progress: 426 / 426 (", "sync speed: "]) {
      assert.equal(lines.some((l) => l.startsWith(`info ${text}`)), logProgress, text);
    }
  }
});

Deno.test("DebugMode logs every request; otherwise none is logged at info", async () => {
  for (const debugMode of [true, false]) {
    const { logger, lines } = listener();
    const rig = new Rig(new FakeStore(CHAIN), { logger, staged: { debugMode } });
    rig.peers.add("p", { chain: CHAIN });
    rig.driver.start();
    await rig.untilHead(TIP);
    await rig.stop();
    const asked = lines.filter((l) => l === "info asking").length;
    assert.equal(asked, debugMode ? rig.peers.count("bodies") + rig.peers.count("hashes") : 0);
  }
});

Deno.test("at the head the log has one line in thirty seconds, not one for each block", async () => {
  const { logger, lines } = listener();
  const rig = new Rig(new FakeStore(CHAIN), { logger });
  let height = 300;
  rig.peers.add("p", { chain: CHAIN, claims: () => height });
  rig.driver.start();
  await rig.until(() => rig.event("synced").length > 0);
  lines.length = 0;
  for (let i = 0; i < 30; i++) {
    height++;
    await rig.clock.advance(2_000);
  }
  assert.ok(rig.store.head().number >= 329);
  assert.deepEqual(lines.filter((l) => !l.startsWith("debug")), [
    "info following the head",
    "info following the head",
  ]);
  await rig.stop();
});

Deno.test("DoubleCheckBlockHashes asks as many peers again for each hash", async () => {
  for (const [doubleCheckBlockHashes, votes] of [[false, 3], [true, 6]] as const) {
    const rig = new Rig(new FakeStore(CHAIN), { concurrency: 6, staged: { doubleCheckBlockHashes } });
    for (let i = 0; i < 8; i++) rig.peers.add(`p${i}`, { chain: CHAIN, latencyMs: 50 });
    rig.driver.start();
    await rig.until(() => rig.peers.count("hashes") > 0);
    await rig.clock.advance(20);
    assert.equal(rig.peers.count("hashes"), votes);
    await rig.stop();
  }
});

Deno.test("while States is busy the next blocks are downloaded, MaxBackgroundBlocks ahead and no more", async () => {
  for (const maxBackgroundBlocks of [0, 50]) {
    const store = new FakeStore(CHAIN);
    const busy: BatchVerifier = { certifies: false, verify: () => new Promise(() => {}) };
    const rig = new Rig(store, {
      verifier: busy,
      staged: { maxBlocksPerSyncCycle: 100, maxBackgroundBlocks },
    });
    rig.peers.add("p", { chain: CHAIN });
    rig.driver.start();
    await rig.clock.advance(5_000);
    const asked = rig.peers.requests.filter((r) => r.kind === "bodies").flatMap((r) => r.numbers);
    assert.equal(Math.max(...asked), 100 + maxBackgroundBlocks);
    void rig.driver.stop();
    await rig.clock.advance(0);
  }
});

Deno.test("coming into sync and falling out of it are counted, following the head is neither", async () => {
  const rig = new Rig(new FakeStore(CHAIN));
  rig.peers.add("p", { chain: CHAIN, claims: () => 300 });
  const changes = () =>
    ["in_sync", "out_of_sync"].map((consensus) => rig.meter.count("hmy_consensus_sync", { consensus }));
  assert.deepEqual(changes(), [0, 0]);
  rig.driver.start();
  await rig.until(() => rig.driver.status().driver === "Synced");
  assert.deepEqual(changes(), [1, 0]);
  rig.peers.change("p", { chain: CHAIN, claims: () => 305 });
  await rig.untilHead(305);
  assert.deepEqual(changes(), [1, 0]);
  rig.peers.change("p", { chain: CHAIN, claims: () => 400 });
  await rig.untilHead(400);
  await rig.until(() => rig.driver.status().driver === "Synced");
  assert.deepEqual(changes(), [2, 1]);
  await rig.stop();
});
