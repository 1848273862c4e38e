import assert from "node:assert/strict";
import { HsyncError, ManualClock, nullLogger, nullMeter } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { Pipeline } from "../../src/sync/pipeline.ts";
import { Checkpoints, type Cycle, type Stage, UnwindRequest } from "../../src/sync/stage.ts";
import { StageTracker } from "../../src/sync/stage_tracker.ts";
import { fetched, MemoryStaging, StoreStaging } from "../../src/sync/staging.ts";
import { cycleEnd } from "../../src/sync/stages/heads.ts";
import { StatesStage } from "../../src/sync/stages/states.ts";
import type { StageId } from "../../src/sync/types.ts";
import { at, hashAt, madeChain, variant } from "./support/chains.ts";
import { FakeStore } from "./support/store.ts";
import { LinkedOnlyVerifier } from "./support/linked_only.ts";

const CHAIN = madeChain(60);
const cycle = (from: number, to: number): Cycle => ({
  number: 1,
  from,
  to,
  target: to,
  range: "long",
  startedAt: 0,
});

Deno.test("where a cycle ends", () => {
  const table: Array<[number, number, number, number, number]> = [
    // head, target, stored, max → end
    [0, 426, 0, 512, 426],
    [0, 5_000, 0, 512, 510],
    [510, 5_000, 510, 512, 1_020],
    [3, 5_000, 0, 512, 510],
    [0, 5_000, 300, 512, 300],
    [0, 200, 300, 512, 200],
    [300, 5_000, 300, 512, 810],
    [0, 5_000, 0, 0, 5_000],
    [0, 5_000, 0, 5, 5],
    [12, 5_000, 0, 5, 17],
    [12, 5_000, 0, 8, 20],
    [100, 100, 0, 512, 100],
    [100, 90, 0, 512, 100],
  ];
  for (const [head, target, stored, max, end] of table) {
    assert.equal(
      cycleEnd(head, target, stored, max),
      end,
      `${head} → ${target}, stored ${stored}, max ${max}`,
    );
  }
});

/** A stage that records its verbs. */
function recorder(id: StageId, log: string[], act: Partial<Stage> = {}): Stage {
  return {
    id,
    skip: () => undefined,
    ready: () => (log.push(`${id}.ready`), Promise.resolve()),
    execute: (c) => (log.push(`${id}.execute`), Promise.resolve({ height: c.to, done: true })),
    unwind: (to) => (log.push(`${id}.unwind ${to.number}`), Promise.resolve()),
    prune: () => (log.push(`${id}.prune`), Promise.resolve()),
    ...act,
  };
}
function pipeline(stages: Stage[], head: () => number = () => 9): Pipeline {
  const tracker = new StageTracker(new ManualClock(), nullMeter, "0");
  return new Pipeline(stages, tracker, head, nullLogger);
}
const never = new AbortController().signal;

Deno.test("stages run in order, ready before execute, and are pruned in reverse", async () => {
  const log: string[] = [];
  const stages = [recorder("Heads", log), recorder("BlockBodies", log), recorder("Finish", log)];
  await pipeline(stages).run(cycle(0, 9), never);
  assert.deepEqual(log, [
    "Heads.ready",
    "Heads.execute",
    "BlockBodies.ready",
    "BlockBodies.execute",
    "Finish.ready",
    "Finish.execute",
    "Finish.prune",
    "BlockBodies.prune",
    "Heads.prune",
  ]);
});

Deno.test("a stage that is not done is called again; a skipped one is not called", async () => {
  const log: string[] = [];
  let left = 3;
  const states = recorder("States", log, {
    execute: () => (log.push("States.execute"), Promise.resolve({ height: 0, done: --left === 0 })),
  });
  await pipeline([recorder("ShortRange", log, { skip: () => "far" }), states]).run(cycle(0, 9), never);
  assert.equal(log.filter((l) => l === "States.execute").length, 3);
  assert.ok(!log.some((l) => l.startsWith("ShortRange.ready")));
});

Deno.test("a refused block unwinds all stages in reverse order, and the cycle ends without an error", async () => {
  const log: string[] = [];
  const bad = recorder("States", log, {
    execute: () => Promise.reject(new UnwindRequest({ number: 5, hash: hashAt(CHAIN, 5) }, undefined, "bad")),
  });
  await pipeline([recorder("Heads", log), bad, recorder("Finish", log)]).run(cycle(0, 9), never);
  const unwound = log.filter((l) => l.includes("unwind"));
  assert.deepEqual(unwound, ["Finish.unwind 5", "States.unwind 5", "Heads.unwind 5"]);
  assert.ok(!log.includes("Finish.execute"));
});

Deno.test("an error ends the cycle at once; a failing prune does not", async () => {
  const log: string[] = [];
  const failing = recorder("States", log, { execute: () => Promise.reject(new HsyncError("X", "no")) });
  await assert.rejects(pipeline([failing, recorder("Finish", log)]).run(cycle(0, 9), never), { code: "X" });
  assert.ok(!log.includes("Finish.ready"));
  const untidy = recorder("Finish", log, { prune: () => Promise.reject(new HsyncError("Y", "no")) });
  await pipeline([untidy]).run(cycle(0, 9), never);
});

Deno.test("an abort is noticed between the verbs", async () => {
  const log: string[] = [];
  const stop = new AbortController();
  const heads = recorder("Heads", log, { ready: () => (stop.abort(), Promise.resolve()) });
  await assert.rejects(pipeline([heads]).run(cycle(0, 9), stop.signal), { code: "CANCELLED" });
  assert.deepEqual(log, []);
});

function states(
  store: FakeStore,
  staging = new MemoryStaging(),
  batchSize = 16,
  onCommitted: () => void = () => {},
): [StatesStage, Checkpoints] {
  const checkpoints = new Checkpoints(store);
  const params = networkParams("localnet");
  return [
    new StatesStage({
      store,
      staging,
      checkpoints,
      verifier: new LinkedOnlyVerifier(params, 0),
      params,
      batchSize,
      onCommitted,
      onRefused: () => {},
      monotonic: () => 0,
    }),
    checkpoints,
  ];
}
const blocks = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => fetched(at(CHAIN, from + i), "s"));

Deno.test("States writes blocks and checkpoint together, in batches", async () => {
  const store = new FakeStore(CHAIN);
  const staging = new MemoryStaging();
  const heights: number[] = [];
  const [stage, checkpoints] = states(store, staging, 10, () => {
    heights.push(store.head().number);
    assert.equal(store.checkpoints["States"], store.head().number);
    assert.equal(store.checkpoints["BlockBodies"], 55);
  });
  staging.add(blocks(1, 55));
  checkpoints.set("BlockBodies", 55);
  // Four batches are judged at once.
  assert.deepEqual(await stage.execute(cycle(0, 100), never), { height: 40, done: false });
  assert.deepEqual(await stage.execute(cycle(0, 100), never), { height: 55, done: true });
  assert.deepEqual(heights, [10, 20, 30, 40, 50, 55]);
});

Deno.test("States stops between two batches when it is told to; what was written stays", async () => {
  const store = new FakeStore(CHAIN);
  const staging = new MemoryStaging();
  const stop = new AbortController();
  const [stage, checkpoints] = states(store, staging, 16, () => stop.abort());
  staging.add(blocks(1, 40));
  checkpoints.set("BlockBodies", 40);
  await assert.rejects(stage.execute(cycle(0, 40), stop.signal), { code: "CANCELLED" });
  assert.equal(store.head().number, 16);
  assert.equal(store.checkpoints["States"], 16);
});

Deno.test("States with nothing to do is done", async () => {
  const [stage] = states(new FakeStore(CHAIN));
  assert.deepEqual(await stage.execute(cycle(0, 0), never), { height: 0, done: true });
});

Deno.test("States asks for an unwind when a staged block has gone missing", async () => {
  const [stage, checkpoints] = states(new FakeStore(CHAIN));
  checkpoints.set("BlockBodies", 40);
  await assert.rejects(stage.execute(cycle(0, 40), never), (error: unknown) => {
    assert.ok(error instanceof UnwindRequest);
    assert.equal(error.to.number, 0);
    return true;
  });
});

Deno.test("unwinding States takes blocks out of the store, and lowers the checkpoint in the same step", async () => {
  const store = new FakeStore(CHAIN);
  const staging = new MemoryStaging();
  const [stage, checkpoints] = states(store, staging, 40);
  staging.add(blocks(1, 40));
  checkpoints.set("BlockBodies", 40);
  await stage.execute(cycle(0, 40), never);
  await stage.unwind({ number: 25, hash: hashAt(CHAIN, 25) });
  assert.equal(store.head().number, 25);
  assert.equal(store.checkpoints["States"], 25);
  await stage.unwind({ number: 30, hash: hashAt(CHAIN, 30) });
  assert.equal(store.head().number, 25);
});

Deno.test("linked-only judging: link, number and shard; and a committee that does not decode is a lie", async () => {
  const params = networkParams("localnet");
  const verifier = new LinkedOnlyVerifier(params, 0);
  const context = {
    parent: { number: 0, hash: hashAt(CHAIN, 0) },
    target: 9,
    child: undefined,
    signal: never,
  };
  const good = blocks(1, 3);
  assert.equal((await verifier.verify(good, context)).accepted.length, 3);
  const gap = await verifier.verify([good[0], good[2]] as never, context);
  assert.deepEqual([gap.accepted.length, gap.refusal?.number, gap.refusal?.culprits.length], [1, 3, 0]);
  for (const change of [{ shardId: 1 }, { shardState: new Uint8Array([0xc1]) }]) {
    const bad = fetched(variant(at(CHAIN, 1), change), "liar");
    const { accepted, refusal } = await verifier.verify([bad], context);
    assert.equal(accepted.length, 0);
    assert.deepEqual(refusal?.culprits.map((c) => c.streamId), ["liar"]);
    assert.equal(refusal?.remedy, "anotherCandidate");
  }
});

Deno.test("staging: both kinds hold a run, give it back, and drop what is told", async () => {
  for (const kind of ["memory", "store"]) {
    const store = new FakeStore(CHAIN);
    const staging = kind === "memory" ? new MemoryStaging() : new StoreStaging(store, 16);
    staging.add(blocks(1, 30));
    const full = staging.bytes;
    assert.ok(full > 0);
    await staging.flush(30);
    assert.equal(staging.bytes, kind === "memory" ? full : 0);
    assert.deepEqual((await staging.read(5, 3)).map((b) => b.number), [5, 6, 7]);
    assert.deepEqual((await staging.read(29, 9)).map((b) => b.number), [29, 30]);
    assert.equal((await staging.read(5, 1))[0]?.streamId, "s");
    await staging.dropAbove(20);
    assert.equal((await staging.read(21, 1)).length, 0);
    staging.committed(10);
    if (kind === "memory") assert.equal((await staging.read(10, 1)).length, 0);
    assert.equal((await staging.read(11, 1)).length, 1);
  }
});

Deno.test("a failed background write of staged blocks surfaces at the next flush", async () => {
  const store = new FakeStore(CHAIN);
  const staging = new StoreStaging(store, 16);
  store.failures.push(new HsyncError("STORE_WRITE_FAILED", "no"));
  const big = blocks(1, 10).map((b) => ({ ...b, size: 4 * 1024 * 1024 }));
  staging.add(big);
  await Promise.resolve();
  await assert.rejects(async () => {
    await staging.flush(10);
    await staging.flush(10);
  }, { code: "STORE_WRITE_FAILED" });
  await staging.flush(10);
  assert.equal(store.staged.size, 10);
  assert.equal(staging.bytes, 0);
});

Deno.test("what an earlier process left is taken up as far as it links", async () => {
  const store = new FakeStore(CHAIN);
  const staging = new StoreStaging(store, 16);
  staging.add(blocks(1, 20));
  await staging.flush(20);
  store.staged.delete(15);
  const head = { number: 0, hash: hashAt(CHAIN, 0) };
  const top = await new StoreStaging(store, 16).resume(head);
  assert.equal(top.number, 14);
  assert.deepEqual(top.hash, hashAt(CHAIN, 14));
  assert.equal(store.staged.size, 14);
  const foreign = await new StoreStaging(store, 16).resume({ number: 0, hash: new Uint8Array(32) });
  assert.equal(foreign.number, 0);
  assert.equal(store.staged.size, 0);
});
