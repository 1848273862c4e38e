import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import type { BatchVerifier, Verdict } from "../../src/sync/mod.ts";
import { madeChain, recordedChain, tip, upTo } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = recordedChain(1);
const TIP = tip(CHAIN);
const LONG = madeChain(900);

Deno.test("a stop in the middle ends within a moment, and the next run goes on from the head", async () => {
  const store = new FakeStore(CHAIN, 1);
  const first = new Rig(store, {
    shardId: 1,
    staged: { maxBlocksPerSyncCycle: 50, maxBackgroundBlocks: 50 },
  });
  first.peers.add("p", { chain: CHAIN, latencyMs: 50 });
  first.driver.start();
  await first.untilHead(50);
  await first.stop();
  const head = store.head().number;
  assert.ok(head < TIP);
  const second = new Rig(store, { shardId: 1 });
  second.peers.add("p", { chain: CHAIN });
  second.driver.start();
  await second.untilHead(TIP);
  second.assertHead(CHAIN, TIP);
  const lowest = Math.min(
    ...second.peers.requests.filter((r) => r.kind === "bodies").flatMap((r) => r.numbers),
  );
  assert.ok(lowest > head, `block ${lowest} was downloaded again`);
  await second.stop();
});

Deno.test("a stop at any moment leaves no timer and no request behind", async () => {
  for (let ms = 0; ms < 200; ms += 7) {
    const rig = new Rig(new FakeStore(CHAIN, 1), { shardId: 1 });
    rig.peers.add("a", { chain: CHAIN, latencyMs: 9 });
    rig.peers.add("b", { chain: CHAIN, silent: () => ms > 100 });
    rig.driver.start();
    await rig.clock.advance(ms);
    await rig.stop();
    const head = rig.store.head().number;
    await rig.clock.advance(100_000);
    assert.equal(rig.store.head().number, head);
  }
});

Deno.test("staged on disk, downloaded blocks survive a restart with the names of their senders", async () => {
  const store = new FakeStore(LONG);
  const staged = { useMemDb: false, maxBlocksPerSyncCycle: 300 };
  const slow: BatchVerifier = {
    certifies: false,
    verify: (_batch, context) =>
      new Promise((_resolve, reject) => {
        context.signal.addEventListener("abort", () => reject(new HsyncError("CANCELLED", "stopped")));
      }),
  };
  const first = new Rig(store, { staged, verifier: slow });
  first.peers.add("sender", { chain: LONG });
  first.driver.start();
  await first.until(() => store.checkpoints["BlockBodies"] === 300);
  await first.stop();
  assert.equal(store.head().number, 0);
  assert.ok([...store.staged.values()].every((row) => row.streamId === "sender"));
  assert.ok(store.hashes.size > 0);

  const second = new Rig(store, { staged });
  second.peers.add("other", { chain: LONG });
  second.driver.start();
  await second.untilHead(900);
  second.assertHead(LONG, 900);
  const asked = second.peers.requests.filter((r) => r.kind === "bodies").flatMap((r) => r.numbers);
  assert.ok(Math.min(...asked) > 300);
  assert.equal(store.staged.size, 0);
  await second.stop();
});

Deno.test("staged rows of another chain are dropped, not imported", async () => {
  const store = new FakeStore(LONG);
  const other = madeChain(50, 3);
  for (let n = 1; n <= 20; n++) {
    const { block, commitSig } = other.blocks[n] as typeof other.blocks[number];
    store.staged.set(n, { number: n, hash: block.hash, bytes: block.bytes, commitSig, streamId: "x" });
  }
  store.checkpoints["BlockBodies"] = 20;
  const rig = new Rig(store, { staged: { useMemDb: false } });
  rig.peers.add("p", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900);
  rig.assertHead(LONG, 900);
  await rig.stop();
});

Deno.test("a full disk pauses the import, blames nobody, and the import resumes", async () => {
  const store = new FakeStore(CHAIN, 1);
  const rig = new Rig(store, { shardId: 1, staged: { insertChainBatchSize: 50 } });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(50);
  store.writable = false;
  await rig.until(() => rig.driver.status().phase === "paused", 20_000);
  const status = rig.driver.status();
  assert.equal(status.diagnosis[0]?.code, "DISK_LOW");
  assert.equal(status.waiting[0]?.what, "free space on the disk");
  await rig.clock.advance(60_000);
  store.writable = true;
  await rig.untilHead(TIP, 30_000);
  assert.deepEqual(rig.peers.reports, []);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

Deno.test("a write that fails is tried again, and blames nobody", async () => {
  const store = new FakeStore(CHAIN, 1);
  for (let i = 0; i < 3; i++) store.failures.push(new HsyncError("STORE_WRITE_FAILED", "the disk said no"));
  const rig = new Rig(store, { shardId: 1 });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.until(() => store.failures.length < 2);
  assert.match(rig.driver.status().diagnosis[0]?.text ?? "", /the disk said no/);
  await rig.untilHead(TIP, 30_000);
  assert.equal(
    rig.meter.count("hmy_staged_stream_sync_failed_download", { ShardID: "0", error: "storage" }) +
      rig.meter.count("hmy_staged_stream_sync_failed_download", { ShardID: "1", error: "storage" }),
    3,
  );
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

Deno.test("a lost lease ends the run and says why", async () => {
  const store = new FakeStore(CHAIN, 1);
  store.failures.push(new HsyncError("STORE_LEASE_LOST", "another process took the store"));
  const rig = new Rig(store, { shardId: 1 });
  rig.peers.add("p", { chain: CHAIN });
  rig.driver.start();
  await rig.until(() => rig.event("failed").length > 0);
  assert.equal(rig.driver.status().stalled, true);
  assert.match(rig.driver.status().waiting[0]?.what ?? "", /another process/);
  await rig.clock.advance(100_000);
  assert.equal(store.head().number, 0);
  await rig.stop();
});

Deno.test("a refused block is unwound and fetched elsewhere; what was good before it is kept", async () => {
  const store = new FakeStore(LONG);
  const refused: string[] = [];
  const verifier: BatchVerifier = {
    certifies: true,
    verify(batch): Promise<Verdict> {
      const bad = batch.findIndex((b) => b.streamId === "liar" && b.number >= 200);
      const accepted = batch.slice(0, bad < 0 ? batch.length : bad)
        .map((b) => ({ assurance: "signed" as const, commitSig: b.delivered.commitSig }));
      const block = batch[bad];
      if (block === undefined) return Promise.resolve({ accepted });
      refused.push(block.streamId);
      const text = "side-car does not verify";
      const culprits = [{ streamId: block.streamId, reason: "invalid_blocks" as const, text }];
      return Promise.resolve({
        accepted,
        refusal: { number: block.number, label: "bad_signature", text, culprits, remedy: "anotherSender" },
      });
    },
  };
  const rig = new Rig(store, { verifier, minPeers: 2, initStreams: 2 });
  rig.peers.add("liar", { chain: LONG, latencyMs: 1 });
  rig.peers.add("honest", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900);
  rig.assertHead(LONG, 900);
  assert.equal(refused.length, 1);
  assert.deepEqual(rig.peers.reports.map((r) => [r.id, r.fault]), [["liar", "DATA"]]);
  assert.ok(rig.peers.has("honest"));
  const labels = { ShardID: "0", error: "bad_signature" };
  assert.equal(rig.meter.count("hmy_staged_stream_sync_num_blocks_failed_long_range", labels), 1);
  await rig.stop();
});

Deno.test("when a hash cannot be made good the next candidate is tried, and a mere voter is not punished", async () => {
  const fork = madeChain(900, 1, { from: 333, of: LONG });
  const store = new FakeStore(LONG);
  const verifier: BatchVerifier = {
    certifies: true,
    verify(batch): Promise<Verdict> {
      const bad = batch.findIndex((b) => b.delivered.block.header.extra[0] === 1);
      const accepted = batch.slice(0, bad < 0 ? batch.length : bad)
        .map((b) => ({ assurance: "signed" as const, commitSig: b.delivered.commitSig }));
      const block = batch[bad];
      if (block === undefined) return Promise.resolve({ accepted });
      const text = "no certificate";
      return Promise.resolve({
        accepted,
        refusal: {
          number: block.number,
          label: "bad_signature",
          text,
          culprits: [],
          remedy: "anotherCandidate",
        },
      });
    },
  };
  const rig = new Rig(store, { verifier, minPeers: 3, initStreams: 3 });
  rig.peers.add("x", { chain: fork, latencyMs: 1 });
  rig.peers.add("y", { chain: fork, latencyMs: 1 });
  rig.peers.add("honest", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900, 120_000);
  rig.assertHead(LONG, 900);
  assert.deepEqual(rig.peers.reports, []);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

// T-12
Deno.test("nobody has old blocks: the node says so within a minute, and goes on when somebody comes", async () => {
  const rig = new Rig(new FakeStore(CHAIN, 1), { shardId: 1 });
  rig.peers.add("pruned", {
    chain: CHAIN,
    hashes: (numbers, honest) => honest.map((h, i) => (numbers[i] as number) < 200 ? undefined : h),
  });
  rig.driver.start();
  await rig.clock.advance(60_000);
  const status = rig.driver.status();
  assert.ok(status.diagnosis.some((d) => d.code === "RANGE_UNAVAILABLE"), JSON.stringify(status.diagnosis));
  assert.equal(status.waiting[0]?.what, "a peer that has block 1");
  assert.equal(status.driver, "LongRange");
  assert.ok(rig.peers.requests.length < 200, `${rig.peers.requests.length} requests in a minute of nothing`);
  rig.peers.add("archive", { chain: CHAIN });
  await rig.untilHead(TIP, 10_000);
  assert.deepEqual(rig.peers.removed, []);
  await rig.stop();
});

const certifying: BatchVerifier = {
  certifies: true,
  verify: (batch) =>
    Promise.resolve({
      accepted: batch.map((b) => ({ assurance: "signed" as const, commitSig: b.delivered.commitSig })),
    }),
};

// T-11
Deno.test("with certificates, a block that only one peer has yet is taken", async () => {
  const rig = new Rig(new FakeStore(LONG), { verifier: certifying, minPeers: 4, initStreams: 4 });
  for (let i = 0; i < 3; i++) rig.peers.add(`p${i}`, { chain: upTo(LONG, 890) });
  rig.peers.add("ahead", { chain: LONG });
  rig.driver.start();
  await rig.untilHead(900);
  rig.assertHead(LONG, 900);
  await rig.stop();
});

Deno.test("with certificates, a claim that leads nowhere is tried ever more rarely, and delays no new block", async () => {
  const rig = new Rig(new FakeStore(LONG), { verifier: certifying, minPeers: 4, initStreams: 4 });
  let height = 850;
  for (let i = 0; i < 3; i++) rig.peers.add(`p${i}`, { chain: LONG, claims: () => height });
  rig.peers.add("liar", {
    chain: upTo(LONG, 850),
    claims: () => 5_000,
    hashes: (numbers, honest) =>
      honest.map((h, i) => h ?? new Uint8Array(32).fill((numbers[i] as number) & 255)),
  });
  rig.driver.start();
  await rig.until(() => rig.event("synced").length > 0);
  for (height = 851; height <= 860; height++) await rig.untilHead(height, 8_000);
  await rig.clock.advance(600_000);
  assert.ok(rig.event("cycle").length < 40, `${rig.event("cycle").length} cycles`);
  assert.deepEqual(rig.peers.removed.filter((r) => r.id !== "liar"), []);
  await rig.stop();
});

Deno.test("blocks that contradict the head are shown to the verifier, and whom it convicts is removed", async () => {
  const fork = madeChain(900, 1, { from: 333, of: LONG });
  const store = new FakeStore(LONG);
  const seen: number[] = [];
  const verifier: BatchVerifier = {
    ...certifying,
    examineFork(blocks, head) {
      seen.push(head.number);
      const [first] = blocks;
      assert.ok(first !== undefined && first.number === head.number + 1);
      return Promise.resolve([{ streamId: first.streamId, reason: "invalid_blocks", text: "old committee" }]);
    },
  };
  const rig = new Rig(store, { verifier, stopAt: 400 });
  rig.peers.add("honest", { chain: LONG });
  rig.driver.start();
  await rig.until(() => rig.event("stopAt").length > 0);
  await rig.stop();
  const second = new Rig(store, { verifier });
  second.peers.add("forked", { chain: fork });
  second.driver.start();
  await second.until(() => !second.peers.has("forked"), 20_000);
  assert.deepEqual(seen, [400]);
  second.peers.add("honest", { chain: LONG });
  await second.untilHead(900);
  second.assertHead(LONG, 900);
  await second.stop();
});

Deno.test("two certified blocks of one height end the run", async () => {
  const fork = madeChain(900, 1, { from: 333, of: LONG });
  const store = new FakeStore(LONG);
  const verifier: BatchVerifier = {
    ...certifying,
    examineFork: () => Promise.reject(new HsyncError("CONFLICTING_CERTIFICATES", "two certified blocks 401")),
  };
  const first = new Rig(store, { verifier, stopAt: 400 });
  first.peers.add("honest", { chain: LONG });
  first.driver.start();
  await first.until(() => first.event("stopAt").length > 0);
  await first.stop();
  const rig = new Rig(store, { verifier });
  rig.peers.add("forked", { chain: fork });
  rig.driver.start();
  await rig.until(() => rig.event("failed").length > 0, 20_000);
  assert.equal(store.head().number, 400);
  await rig.stop();
});
