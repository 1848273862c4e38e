/** The epoch chain as a part of a node: opening, checkpoints, and what the verifier gets. */
import assert from "node:assert/strict";
import { type HsyncError, ManualClock, nullLogger, nullMeter, to0x } from "../../src/base/mod.ts";
import { decodeShardState, encodeShardState, makeHeader, networkParams } from "../../src/chain/mod.ts";
import { unwindEpochs } from "../../src/node/epoch_store.ts";
import { EpochPart } from "../../src/node/epochs.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import type { Checkpoint } from "../../src/sync/mod.ts";
import { curves, memoryStore, VerifierBench } from "../sync/support/certified.ts";
import { recordedChain, variant } from "../sync/support/chains.ts";
import { EpochWorld, fullNode, until } from "../sync/support/epoch_world.ts";

const params = networkParams("localnet");
const beacon = recordedChain(0).blocks;
const shard1 = recordedChain(1).blocks;
const LAST_6 = params.schedule.lastBlock(6);

function checkpoint(shardId: number, block: DeliveredBlock): Checkpoint {
  return { shardId, number: block.block.number, hash: block.block.hash };
}
const ofBeacon = checkpoint(0, beacon[LAST_6] as DeliveredBlock);
const handOver = shard1.find(({ block: { header } }) => header.epoch === 7 && header.shardState.length > 0);
const own = checkpoint(1, handOver as DeliveredBlock);

function open(
  store: ChainStore,
  clock: ManualClock,
  shard: number,
  checkpoints: Checkpoint[] = [],
  anchorFile?: string,
  ownChain = false,
) {
  return EpochPart.open({
    ownChain,
    config: { shard, sync: { checkpoints, anchorFile } },
    params,
    store,
    certificates: curves,
    clock,
    logger: nullLogger,
    meter: nullMeter,
  });
}
async function settled<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  const watched = promise.finally(() => done = true);
  watched.catch(() => undefined);
  await until(clock, () => done);
  return await watched;
}

Deno.test("a shard's node follows the beacon chain and hands its committees to the verifier, across restarts", async () => {
  const clock = new ManualClock();
  const store = await memoryStore(params, 1, clock);
  const world = new EpochWorld(clock);
  world.add("beacon", fullNode(beacon));
  const part = await open(store, clock, 1);
  assert.equal(await part.beaconStateAt(1), undefined, "nothing is known before it follows");
  assert.equal(part.status(), undefined);
  const follower = await part.follow(world);
  const state = await settled(clock, Promise.resolve(part.beaconStateAt(9)));
  assert.deepEqual(state, beacon[params.schedule.lastBlock(8)]?.block.header.shardState);
  await until(clock, () => follower.chain.epoch === 27);
  assert.deepEqual(part.status()?.check, { unchecked: 0, checked: 1, contradicted: undefined });
  const stopping = part.stop();
  await clock.advance(0);
  await stopping;
  assert.equal((await open(store, clock, 1)).chain.epoch, 27);

  const wrong = { ...ofBeacon, hash: new Uint8Array(32).fill(5) };
  await assert.rejects(open(store, clock, 0, [wrong]), (error: HsyncError) => {
    assert.equal(error.exitCode, 11);
    assert.ok(error.message.includes(to0x(wrong.hash)) && error.message.includes(to0x(ofBeacon.hash)));
    return true;
  });
  await store.close();
  assert.equal(clock.pending, 0);
});

Deno.test("a store begins at the shard's checkpoint once the beacon chain has confirmed its committees", async () => {
  const clock = new ManualClock();
  const store = await memoryStore(params, 1, clock);
  const shards = new EpochWorld(clock);
  const beacons = new EpochWorld(clock);
  shards.add("shard", fullNode(shard1));
  beacons.add("beacon", fullNode(beacon));
  const part = await open(store, clock, 1, [own, ofBeacon]);
  await part.follow(beacons);
  const found = await settled(clock, part.beginChain(shards, new AbortController().signal));
  assert.equal(found?.block.number, own.number);
  assert.equal(store.lowest(), own.number);
  assert.equal(part.chain.origin, "checkpoint");
  const { time } = (handOver as DeliveredBlock).block.header;
  assert.equal(
    part.checkpointAge()?.days,
    Math.max(0, Math.floor((clock.now() / 1000 - Number(time)) / 86_400)),
  );
  assert.equal(await settled(clock, part.beginChain(shards, new AbortController().signal)), undefined);
  const stopping = part.stop();
  await clock.advance(0);
  await stopping;
  await store.close();
});

Deno.test("a checkpoint with committees that the beacon chain did not elect is refused, exit 128", async () => {
  const clock = new ManualClock();
  const store = await memoryStore(params, 1, clock);
  const shards = new EpochWorld(clock);
  const beacons = new EpochWorld(clock);
  const { header } = (handOver as DeliveredBlock).block;
  const state = decodeShardState(header.shardState);
  const committees = state.committees.map((c) => ({ ...c, slots: c.slots.slice(1) }));
  const bent = makeHeader({ ...header, shardState: encodeShardState({ ...state, committees }) });
  const forged = variant(handOver as DeliveredBlock, bent);
  shards.add("shard", fullNode([...shard1.slice(0, forged.block.number), forged]));
  beacons.add("beacon", fullNode(beacon));
  const part = await open(store, clock, 1, [checkpoint(1, forged), ofBeacon]);
  await part.follow(beacons);
  await assert.rejects(settled(clock, part.beginChain(shards, new AbortController().signal)), {
    code: "CHECKPOINT_INVALID",
    exitCode: 128,
  });
  assert.deepEqual([store.head().number, store.lowest()], [0, 0]);
  const stopping = part.stop();
  await clock.advance(0);
  await stopping;
  await store.close();
});

Deno.test("an epoch chain that the anchors exclude is not opened; an unwind mends it with all that rests on it", async () => {
  const anchorFile = await Deno.makeTempFile();
  const number = params.schedule.lastBlock(9);
  const other = { shard: 0, number, hash: `0x${"11".repeat(32)}` };
  await Deno.writeTextFile(anchorFile, JSON.stringify({ anchors: [other] }));
  try {
    for (const head of [0, 255]) {
      const clock = new ManualClock();
      const bench = await VerifierBench.open({ shardId: 1 });
      const { store } = bench;
      if (head > 0) assert.equal(await bench.follow(recordedChain(1)), undefined);
      const world = new EpochWorld(clock);
      world.add("beacon", fullNode(beacon));
      const part = await open(store, clock, 1);
      const follower = await part.follow(world);
      await until(clock, () => follower.chain.epoch === 27);
      const stopping = part.stop();
      await clock.advance(0);
      await stopping;

      // The last block of the shard that epochs up to the ninth vouch for.
      const to = head === 0 ? 0 : shard1.findLastIndex(({ block: { header } }) => header.epoch === 9);
      await assert.rejects(open(store, clock, 1, [], anchorFile), (error: HsyncError) => {
        assert.deepEqual([error.code, error.exitCode, error.blockNumber], ["ANCHOR_BREACH", 11, number]);
        assert.match(error.hint ?? "", new RegExp(`^hsync db unwind --to ${to} `));
        return true;
      });
      await store.unwindTo(to);
      assert.equal(await unwindEpochs(store, params), head === 0 ? 27 : 18);
      const mended = await open(store, clock, 1, [], anchorFile);
      assert.equal(mended.chain.epoch, head === 0 ? 0 : 9);
      const again = await mended.follow(new EpochWorld(clock));
      const ending = mended.stop();
      await clock.advance(0);
      await ending;
      assert.equal(again.chain.epoch, head === 0 ? 0 : 9);
      await bench.close();
    }
  } finally {
    await Deno.remove(anchorFile);
  }
});

Deno.test("a checkpoint of the beacon chain alone, or a newer one than the shard's, is no place for a shard to begin", async () => {
  const clock = new ManualClock();
  const signal = new AbortController().signal;
  const store = await memoryStore(params, 1, clock);
  await assert.rejects(open(store, clock, 1, [ofBeacon], undefined, true), (error: HsyncError) => {
    assert.deepEqual([error.code, error.exitCode], ["CHECKPOINT_INVALID", 128]);
    assert.match(`${error.message}; ${error.hint}`, /of shard 0 alone.*add one for shard 1/);
    return true;
  });
  // Light mode keeps no chain of the shard.
  assert.ok(await open(store, clock, 1, [ofBeacon]) instanceof EpochPart);

  const newer = checkpoint(0, beacon[params.schedule.lastBlock(8)] as DeliveredBlock);
  const part = await open(store, clock, 1, [own, newer], undefined, true);
  const shards = new EpochWorld(clock);
  shards.add("shard", fullNode(shard1));
  await part.follow(new EpochWorld(clock));
  await assert.rejects(settled(clock, part.beginChain(shards, signal)), {
    code: "CHECKPOINT_INVALID",
    exitCode: 128,
    message: /ends epoch 7, and the epoch chain begins at the end of epoch 8/,
  });
  assert.deepEqual([store.head().number, store.lowest()], [0, 0]);
  const stopping = part.stop();
  await clock.advance(0);
  await stopping;
  await store.close();

  // A chain that has begun goes on.
  const bench = await VerifierBench.open({ shardId: 1 });
  assert.equal(await bench.follow(recordedChain(1), { to: 20 }), undefined);
  assert.ok(await open(bench.store, clock, 1, [ofBeacon], undefined, true) instanceof EpochPart);
  await bench.close();
});
