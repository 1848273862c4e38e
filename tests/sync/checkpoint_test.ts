/** Beginning at a block that the operator vouches for, on the beacon chain and on another shard. */
import assert from "node:assert/strict";
import { equalBytes, HsyncError, ManualClock, nullLogger, to0x, toHex } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { AnchorBook } from "../../src/consensus/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import {
  beginAtCheckpoint,
  checkAgainstStore,
  type Checkpoint,
  checkpointAge,
  chooseCheckpoints,
  fetchCheckpoint,
  HISTORY_BLOCKS,
  servesHistory,
} from "../../src/sync/checkpoint.ts";
import { BeaconCheck } from "../../src/sync/epoch/beacon_committees.ts";
import { certifyOnOpen } from "../../src/sync/mod.ts";
import { curves, memoryStore, VerifierBench } from "./support/certified.ts";
import { recordedChain } from "./support/chains.ts";
import { EpochRig } from "./support/epoch_rig.ts";
import { EpochWorld, fullNode, headersOnly, MemoryRecords, until } from "./support/epoch_world.ts";

const params = networkParams("localnet");
const { schedule } = params;
const beacon = recordedChain(0).blocks;
const shard1 = recordedChain(1).blocks;

function checkpoint(shardId: 0 | 1, number: number): Checkpoint {
  const { hash } = ((shardId === 0 ? beacon : shard1)[number] as DeliveredBlock).block;
  return { shardId, number, hash };
}
/** The block of shard 1 that hands over to `epoch`. */
function handOverTo(epoch: number): number {
  return shard1.findIndex(({ block }) =>
    block.number > 0 && block.header.shardState.length > 0 && block.header.epoch + 1 === epoch
  );
}
const own = checkpoint(1, handOverTo(8));
const ofBeacon = checkpoint(0, schedule.lastBlock(6));

Deno.test("what may be given: ends of epochs, of shards that exist, with the beacon's beside another shard's", () => {
  const chosen = chooseCheckpoints([own, checkpoint(0, 4), ofBeacon], 1, params);
  assert.deepEqual(chosen.own, own);
  assert.deepEqual(chosen.beacon, ofBeacon, "the newest of several");
  assert.equal(chosen.anchors.anchors.length, 3, "the others still bind");
  assert.deepEqual(chooseCheckpoints([], 1, params), {
    own: undefined,
    beacon: undefined,
    anchors: { anchors: [], never: [] },
  });
  assert.deepEqual(chooseCheckpoints([ofBeacon], 1, params).own, undefined);
  for (const bad of [[checkpoint(0, 5)], [own], [{ ...ofBeacon, shardId: 7 }]]) {
    assert.throws(() => chooseCheckpoints(bad, 1, params), (error: HsyncError) => {
      assert.equal(error.code, "CHECKPOINT_INVALID");
      assert.equal(error.exitCode, 128);
      return true;
    });
  }
  assert.throws(() => chooseCheckpoints([checkpoint(0, 5)], 0, params), /does not end an epoch/);
});

Deno.test("a conflict with the store is exit code 11 with both hashes", async () => {
  const stored = (number: number) => Promise.resolve(beacon[number]?.block.hash);
  await checkAgainstStore([ofBeacon, own], 0, stored);
  await checkAgainstStore([{ ...ofBeacon, number: 10_000 }], 0, stored);
  const other = { ...ofBeacon, hash: new Uint8Array(32).fill(8) };
  await assert.rejects(checkAgainstStore([other], 0, stored), (error: HsyncError) => {
    assert.equal(error.exitCode, 11);
    assert.ok(error.message.includes(to0x(other.hash)) && error.message.includes(to0x(ofBeacon.hash)));
    return true;
  });
});

Deno.test("age in days; from 91 on it is old", () => {
  const day = 86_400_000;
  const time = 1_700_000_000n;
  const at = (days: number) => checkpointAge(time, Number(time) * 1000 + days * day);
  assert.deepEqual(at(0), { days: 0, old: false });
  assert.deepEqual(at(90.9), { days: 90, old: false });
  assert.deepEqual(at(91), { days: 91, old: true });
  assert.deepEqual(at(-3), { days: 0, old: false });
});

async function fetched(world: EpochWorld, clock: ManualClock, what: Checkpoint, anchors = new AnchorBook()) {
  const signal = new AbortController().signal;
  const options = { peers: world, checkpoint: what, params, anchors, clock, logger: nullLogger, signal };
  let done = false;
  const found = fetchCheckpoint(options).finally(() => done = true);
  found.catch(() => undefined);
  await until(clock, () => done);
  return await found;
}

Deno.test("the block is fetched by hash from whoever has it", async () => {
  const clock = new ManualClock();
  const world = new EpochWorld(clock);
  world.add("headers", headersOnly(beacon, schedule));
  world.add("young", fullNode(beacon.slice(0, 40)));
  const signal = new AbortController();
  const common = { peers: world, params, anchors: new AnchorBook(), clock, logger: nullLogger };
  let found = false;
  const fetching = fetchCheckpoint({ ...common, checkpoint: ofBeacon, signal: signal.signal })
    .then((f) => (found = true, f));
  await clock.advance(12_000);
  assert.ok(!found);
  world.add("beacon", fullNode(beacon));
  await until(clock, () => found);
  const { block, serves } = await fetching;
  assert.ok(equalBytes(block.hash, ofBeacon.hash));
  assert.equal(serves, 7);
  assert.deepEqual(world.reports, []);

  const waiting = fetchCheckpoint({
    ...common,
    checkpoint: { ...ofBeacon, hash: new Uint8Array(32) },
    signal: signal.signal,
  });
  await clock.advance(100);
  signal.abort();
  await assert.rejects(waiting, { code: "CANCELLED" });
  assert.equal(clock.pending, 0);
});

Deno.test("a checkpoint that names another block, or one that ends nothing, cannot be used", async () => {
  const clock = new ManualClock();
  const world = new EpochWorld(clock);
  world.add("beacon", fullNode(beacon));
  const wrong = { ...ofBeacon, number: schedule.lastBlock(5) };
  await assert.rejects(fetched(world, clock, wrong), /the block with this hash is block 100/);
  await assert.rejects(fetched(world, clock, checkpoint(0, 50)), {
    code: "CHECKPOINT_INVALID",
    exitCode: 128,
  });
  await assert.rejects(fetched(world, clock, { ...ofBeacon, shardId: 1 }), /of shard 0, not of shard 1/);
  const never = new AnchorBook({ anchors: [], never: [{ shardId: 0, hash: ofBeacon.hash }] });
  await assert.rejects(fetched(world, clock, ofBeacon, never), { code: "ANCHOR_BREACH", exitCode: 11 });
  assert.deepEqual(world.reports, [], "who serves what we asked for is not to blame");
});

Deno.test("the epoch chain begins at the beacon's checkpoint, and goes on from there after a restart", async () => {
  const records = new MemoryRecords();
  const rig = await EpochRig.start({ records, checkpoint: ofBeacon });
  rig.world.add("headers", headersOnly(beacon, schedule));
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  await rig.stop();
  assert.equal(rig.chain.origin, "checkpoint");
  assert.equal(rig.chain.base()?.number, ofBeacon.number);
  assert.equal(rig.chain.length, 21);
  const first = rig.world.asked.find((a) => a.kind === "blocks" && a.id === "beacon");
  assert.equal(first?.what[0], schedule.lastBlock(7), "no block below it was asked for");
  assert.equal(await rig.chain.shardStateAt(6), undefined);
  assert.ok(await rig.chain.shardStateAt(7) !== undefined);
  await assert.rejects(rig.chain.committees.committee(5, 0), { code: "COMMITTEE_UNKNOWN" });
  const reader = rig.chain.reader();
  assert.equal(reader.lowest(), ofBeacon.number);
  assert.equal(
    (await reader.blockAt(ofBeacon.number))?.commitSig,
    undefined,
    "its certificate was not judged",
  );
  assert.equal(await reader.hashAt(schedule.lastBlock(5)), undefined);

  const again = await EpochRig.start({ records, checkpoint: checkpoint(0, schedule.lastBlock(20)) });
  assert.equal(again.chain.epoch, 27);
  assert.equal(again.chain.base()?.number, ofBeacon.number, "what is there is not begun anew");
  await again.stop();
  const hashAt = (number: number) => Promise.resolve(again.chain.at(schedule.epochOf(number))?.hash);
  await checkAgainstStore([ofBeacon], 0, hashAt);
  await assert.rejects(checkAgainstStore([{ ...ofBeacon, hash: new Uint8Array(32) }], 0, hashAt), {
    exitCode: 11,
  });
});

Deno.test("while nobody gives the checkpoint of the epoch chain, whoever waits for an epoch learns it", async () => {
  const rig = await EpochRig.start({ checkpoint: ofBeacon });
  rig.world.add("young", fullNode(beacon.slice(0, 40)));
  let answer: boolean | undefined;
  const waiting = rig.follower.reach(8).then((reached) => answer = reached);
  await rig.until(() => answer !== undefined, 30_000);
  assert.equal(await waiting, false);
  assert.match(rig.follower.status().waiting?.what ?? "", /the checkpoint block 0:/);
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  await rig.stop();
});

Deno.test("a checkpoint that is no good ends the follower with its exit code", async () => {
  const rig = await EpochRig.start({ checkpoint: { ...ofBeacon, number: schedule.lastBlock(9) } });
  rig.world.add("beacon", fullNode(beacon));
  await rig.until(() => rig.events.some((e) => e.type === "failed"));
  assert.equal(await rig.follower.reach(3), false);
  await rig.stop();
  const failed = rig.events.find((e) => e.type === "failed")?.error;
  assert.equal(failed?.exitCode, 128);
});

Deno.test("a shard begins at its checkpoint and is certified from there on, by committees that the beacon chain confirms", async () => {
  const clock = new ManualClock();
  const world = new EpochWorld(clock);
  world.add("shard", fullNode(shard1));
  const store = await memoryStore(params, 1, clock);
  const rig = await EpochRig.start({ checkpoint: ofBeacon });
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  const check = await BeaconCheck.open({
    follower: rig.follower,
    shardId: 1,
    ownStateAt: (epoch) => store.shardStateAt(epoch),
    records: rig.records,
    clock: rig.clock,
    logger: nullLogger,
  });
  const bench = await VerifierBench.open({
    store,
    shardId: 1,
    beaconStateAt: (epoch) => check.stateAt(epoch),
  });
  try {
    const options = {
      peers: world,
      checkpoint: own,
      params,
      anchors: new AnchorBook(),
      clock,
      logger: nullLogger,
      signal: new AbortController().signal,
    };
    let begun = false;
    const beginning = beginAtCheckpoint(store, options).then((found) => (begun = true, found));
    await until(clock, () => begun);
    const found = await beginning;
    assert.ok(found !== undefined);
    assert.deepEqual(await check.check(found.block.header), { kind: "ok" });
    assert.deepEqual(store.head(), { number: own.number, hash: own.hash });
    assert.equal(store.lowest(), own.number);
    assert.equal(await store.hashAt(own.number - 1), undefined);
    assert.ok(!servesHistory(store), "nobody should come to us for blocks that are not here");
    assert.equal(await beginAtCheckpoint(store, options), undefined);

    assert.equal(await bench.follow({ blocks: shard1 }, { batch: 20 }), undefined);
    assert.equal(store.head().number, 255);
    assert.equal(store.lowestAssurance(), "signed");
    assert.deepEqual(check.status(), {
      unchecked: 0,
      checked: check.status().checked,
      contradicted: undefined,
    });
    // The checkpoint's own certificate is the one that its certified child carries.
    const pair = await store.commitSigAt(own.number);
    const child = shard1[own.number + 1] as DeliveredBlock;
    assert.ok(toHex(pair ?? new Uint8Array()).startsWith(toHex(child.block.header.lastCommitSignature)));
    assert.deepEqual(await certifyOnOpen(store, params, curves), {
      raised: 0,
      removed: 0,
      reason: undefined,
    });
  } finally {
    await check.stop();
    await rig.stop();
    await store.close();
  }
});

Deno.test("history is worth announcing from genesis, or a good stretch above a checkpoint", () => {
  const chain = (lowest: number, head: number) => ({
    lowest: () => lowest,
    head: () => ({ number: head, hash: new Uint8Array(32) }),
  });
  assert.ok(servesHistory(chain(0, 0)));
  assert.ok(!servesHistory(chain(5_000, 5_000 + HISTORY_BLOCKS - 1)));
  assert.ok(servesHistory(chain(5_000, 5_000 + HISTORY_BLOCKS)));
});
