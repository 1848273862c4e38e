/** The stage SyncEpoch: goes ahead of a shard's chain, and never holds it up for long. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { type EpochSource, SyncEpochStage } from "../../src/sync/stages/sync_epoch.ts";
import { recordedChain } from "./support/chains.ts";
import { EpochRig } from "./support/epoch_rig.ts";
import { fullNode } from "./support/epoch_world.ts";

const cycle = { number: 1, from: 7, to: 20, target: 20, range: "long", startedAt: 0 } as const;
const never = new AbortController().signal;

Deno.test("it is skipped on the beacon chain, and where nobody follows that", () => {
  const common = { ownEpoch: () => Promise.resolve(0), clock: new ManualClock() };
  assert.equal(new SyncEpochStage({ ...common, shardId: 0, epochs: undefined }).skip(), "beacon shard");
  assert.match(
    new SyncEpochStage({ ...common, shardId: 1, epochs: undefined }).skip() ?? "",
    /is not followed/,
  );
});

Deno.test("the committees that a cycle may meet are there before it goes on", async () => {
  const rig = await EpochRig.start();
  const stage = new SyncEpochStage({
    shardId: 1,
    epochs: rig.follower,
    ownEpoch: () => Promise.resolve(20),
    clock: rig.clock,
  });
  assert.equal(stage.skip(), undefined);
  rig.world.add("beacon", fullNode(recordedChain(0).blocks));
  let ready = false;
  const wait = stage.ready(cycle, never).then(() => ready = true);
  await rig.until(() => ready);
  await wait;
  assert.ok(rig.chain.epoch >= 21);
  const { height, done } = await stage.execute(cycle);
  assert.ok(done && height >= 324);
  await rig.untilEpoch(27);

  // In the running epoch nothing is asked for at every cycle.
  const asked = rig.world.asked.length;
  const current = new SyncEpochStage({
    shardId: 1,
    epochs: rig.follower,
    ownEpoch: () => Promise.resolve(27),
    clock: rig.clock,
  });
  await current.ready(cycle, never);
  assert.equal(rig.world.asked.length, asked);
  await rig.stop();
});

Deno.test("a source that never answers holds a cycle up for a minute, and a stop for nothing", async () => {
  const clock = new ManualClock();
  const epochs: EpochSource = {
    chain: { epoch: 0, head: () => undefined },
    status: () => ({ target: 5 }),
    reach: (_epoch, signal) =>
      new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")))
      ),
  };
  const stage = new SyncEpochStage({ shardId: 1, epochs, ownEpoch: () => Promise.resolve(3), clock });
  let ready = false;
  const wait = stage.ready(cycle, never).then(() => ready = true);
  await clock.advance(59_000);
  assert.ok(!ready);
  await clock.advance(1_000);
  await wait;
  assert.equal((await stage.execute(cycle)).height, 7);
  const abort = new AbortController();
  const stopped = stage.ready(cycle, abort.signal);
  await clock.advance(0);
  abort.abort();
  await assert.rejects(stopped);
  assert.equal(clock.pending, 0);
});
