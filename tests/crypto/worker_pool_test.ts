/** The pool's promises, kept whatever its workers do. */
import assert from "node:assert/strict";
import { createLogger, HsyncError, ManualClock } from "../../src/base/mod.ts";
import { WorkerPool } from "../../src/crypto/worker_pool.ts";
import { FakeWorkers } from "./support/fake_workers.ts";

function setUp(options: { size?: number; maxQueued?: number } = {}) {
  const workers = new FakeWorkers();
  const clock = new ManualClock();
  const lines: string[] = [];
  let sessions = 0;
  const pool = new WorkerPool({
    name: "test",
    size: options.size ?? 1,
    start: workers.start,
    newSession: () => ++sessions,
    clock,
    logger: createLogger({ level: "debug", sinks: [(record) => lines.push(record.message)] }),
    maxQueued: options.maxQueued ?? 8,
    startTimeoutMs: 1000,
    jobTimeoutMs: 5000,
  });
  return { workers, clock, lines, pool };
}

function fails(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof HsyncError && error.code === code);
}

Deno.test("workers start when there is work, and jobs run one per worker in order", async () => {
  const { workers, clock, pool } = setUp({ size: 2 });
  assert.equal(workers.all.length, 0);
  const answers = ["a", "b", "c"].map((name) => pool.run(() => name));
  assert.equal(workers.all.length, 2);
  workers.get(0).ready();
  assert.deepEqual(workers.get(0).jobs, ["a"]);
  workers.get(1).ready();
  assert.deepEqual(workers.get(1).jobs, ["b"]);
  assert.deepEqual(pool.stats, { workers: 2, busy: 2, queued: 1 });
  workers.get(1).answer("B");
  assert.deepEqual(workers.get(1).jobs, ["b", "c"]);
  workers.get(1).answer("C");
  workers.get(0).answer("A");
  assert.deepEqual(await Promise.all(answers), ["A", "B", "C"]);
  pool.close();
  assert.equal(clock.pending, 0);
  assert.ok(workers.all.every((worker) => worker.stopped));
});

Deno.test("a job sees the session of the worker it goes to", async () => {
  const { workers, pool } = setUp();
  const first = pool.run((session) => session);
  workers.get(0).ready();
  assert.deepEqual(workers.get(0).jobs, [1]);
  workers.get(0).crash();
  workers.get(1).ready();
  assert.deepEqual(workers.get(1).jobs, [2]);
  workers.get(1).answer("done");
  assert.equal(await first, "done");
  pool.close();
});

Deno.test("a crashed worker's job is tried once more on a fresh one, and the others are not disturbed", async () => {
  const { workers, lines, pool } = setUp({ size: 2 });
  const a = pool.run(() => "a");
  const b = pool.run(() => "b");
  workers.get(0).ready();
  workers.get(1).ready();
  const c = pool.run(() => "c");
  workers.get(0).crash();
  assert.ok(workers.get(0).stopped);
  assert.equal(workers.all.length, 3);
  workers.get(1).answer("B");
  assert.deepEqual(workers.get(1).jobs, ["b", "c"]); // a waits for the fresh worker
  workers.get(2).ready();
  assert.deepEqual(workers.get(2).jobs, ["a"]);
  workers.get(2).answer("A");
  workers.get(1).answer("C");
  assert.deepEqual(await Promise.all([a, b, c]), ["A", "B", "C"]);
  assert.deepEqual(lines, ["a test worker failed and is replaced"]);
  pool.close();
});

Deno.test("a job that no worker survives is an error that blames nobody, and the pool goes on", async () => {
  const { workers, pool } = setUp();
  const poison = pool.run(() => "poison");
  const next = pool.run(() => "next");
  workers.get(0).ready();
  workers.get(0).crash("one");
  workers.get(1).ready();
  assert.deepEqual(workers.get(1).jobs, ["poison"]);
  workers.get(1).crash("two");
  await assert.rejects(
    poison,
    (error) =>
      error instanceof HsyncError && error.code === "WORKER_FAILED" && error.fault === "NONE" &&
      error.retryable && error.message.includes("two"),
  );
  workers.get(2).ready();
  workers.get(2).answer("fine");
  assert.equal(await next, "fine");
  pool.close();
});

Deno.test("a job that fails inside costs the worker its place: its state is not trusted again", async () => {
  const { workers, pool } = setUp();
  const job = pool.run(() => "job");
  workers.get(0).ready();
  workers.get(0).events.message({ kind: "failed", id: workers.get(0).lastId, message: "unreachable" });
  assert.ok(workers.get(0).stopped);
  workers.get(1).ready();
  workers.get(1).answer("second time lucky");
  assert.equal(await job, "second time lucky");
  pool.close();
});

Deno.test("a worker that hangs, babbles or answers what it was not asked counts as crashed", async () => {
  const { workers, clock, pool } = setUp();
  const job = pool.run(() => "job");
  workers.get(0).ready();
  await clock.advance(5000);
  assert.ok(workers.get(0).stopped);
  workers.get(1).ready();
  workers.get(1).events.message("hello");
  await fails(job, "WORKER_FAILED");

  const other = pool.run(() => "other");
  workers.get(2).ready();
  workers.get(2).events.message({ kind: "done", id: 999, answer: 1 });
  workers.get(3).ready();
  workers.get(3).answer(2);
  assert.equal(await other, 2);
  workers.get(2).answer("late"); // from a worker that is out already
  pool.close();
});

Deno.test("an abort takes a waiting job out of the queue", async () => {
  const { workers, pool } = setUp();
  const running = pool.run(() => "running");
  workers.get(0).ready();
  const controller = new AbortController();
  const waiting = pool.run(() => "waiting", controller.signal);
  controller.abort();
  await fails(waiting, "CANCELLED");
  assert.equal(pool.stats.queued, 0);
  workers.get(0).answer("ok");
  assert.equal(await running, "ok");
  assert.deepEqual(workers.get(0).jobs, ["running"]);
  await fails(pool.run(() => "never", controller.signal), "CANCELLED");
  pool.close();
});

Deno.test("an abort of a running job is told at once, and the worker stays in use", async () => {
  const { workers, pool } = setUp();
  const controller = new AbortController();
  const job = pool.run(() => "job", controller.signal);
  workers.get(0).ready();
  const next = pool.run(() => "next");
  controller.abort();
  await fails(job, "CANCELLED");
  const id = workers.get(0).lastId;
  assert.deepEqual(workers.get(0).received.at(-1), { kind: "cancel", id });
  assert.deepEqual(workers.get(0).jobs, ["job"]); // still busy with it
  workers.get(0).events.message({ kind: "cancelled", id });
  assert.deepEqual(workers.get(0).jobs, ["job", "next"]);
  workers.get(0).answer("ok");
  assert.equal(await next, "ok");
  assert.equal(workers.all.length, 1);
  pool.close();
});

Deno.test("a worker that dies over an aborted job is replaced without a second try", async () => {
  const { workers, pool } = setUp();
  const controller = new AbortController();
  const job = pool.run(() => "job", controller.signal);
  workers.get(0).ready();
  controller.abort();
  await fails(job, "CANCELLED");
  workers.get(0).crash();
  assert.equal(workers.all.length, 1);
  const next = pool.run(() => "next");
  workers.get(1).ready();
  workers.get(1).answer("ok");
  assert.equal(await next, "ok");
  pool.close();
});

Deno.test("the queue is bounded", async () => {
  const { workers, pool } = setUp({ maxQueued: 2 });
  const jobs = [pool.run(() => 0), pool.run(() => 1)];
  await fails(pool.run(() => 2), "WORKER_QUEUE_FULL");
  workers.get(0).ready(); // takes one job out of the queue
  jobs.push(pool.run(() => 3));
  await fails(pool.run(() => 4), "WORKER_QUEUE_FULL");
  for (let i = 0; i < 3; i++) workers.get(0).answer(i);
  assert.deepEqual(await Promise.all(jobs), [0, 1, 2]);
  pool.close();
});

Deno.test("workers that cannot start leave the work to others, and to nobody when all fail", async () => {
  const { workers, lines, pool } = setUp({ size: 2 });
  const a = pool.run(() => "a");
  const b = pool.run(() => "b");
  workers.get(0).crash("no such module");
  assert.ok(pool.available);
  assert.equal(workers.all.length, 2); // not tried again
  workers.get(1).ready();
  workers.get(1).answer("A");
  assert.equal(await a, "A");
  workers.get(1).crash();
  workers.get(2).crash("no such module");
  await fails(b, "WORKERS_UNAVAILABLE");
  assert.ok(!pool.available);
  await fails(pool.run(() => "c"), "WORKERS_UNAVAILABLE");
  assert.deepEqual(lines, [
    "a test worker did not start",
    "a test worker failed and is replaced",
    "a test worker did not start",
  ]);
  pool.close();
});

Deno.test("a start that throws or never ends is a start that failed", async () => {
  const throwing = setUp();
  throwing.workers.startError = new Error("workers are forbidden here");
  await fails(throwing.pool.run(() => 1), "WORKERS_UNAVAILABLE");
  throwing.pool.close();

  const silent = setUp();
  const job = fails(silent.pool.run(() => 1), "WORKERS_UNAVAILABLE");
  await silent.clock.advance(1000);
  await job;
  silent.pool.close();
  assert.equal(silent.clock.pending, 0);
});

Deno.test("a worker that did not start is tried again after a pause that grows, and no job waits for it", async () => {
  const { workers, clock, pool } = setUp({ size: 2 });
  const lost = [
    fails(pool.run(() => 1), "WORKERS_UNAVAILABLE"),
    fails(pool.run(() => 2), "WORKERS_UNAVAILABLE"),
  ];
  workers.get(0).crash("slow machine");
  workers.get(1).crash("slow machine");
  await Promise.all(lost);
  // The pause after the second failure is twice the first; it is not tried before a job comes.
  await clock.advance(59_000);
  await fails(pool.run(() => 3), "WORKERS_UNAVAILABLE");
  assert.equal(workers.all.length, 2);
  await clock.advance(1_000);
  await fails(pool.run(() => 4), "WORKERS_UNAVAILABLE");
  await fails(pool.run(() => 5), "WORKERS_UNAVAILABLE");
  assert.equal(workers.all.length, 3, "one at a time");
  workers.get(2).crash("still slow");
  await clock.advance(119_000);
  await fails(pool.run(() => 6), "WORKERS_UNAVAILABLE");
  assert.equal(workers.all.length, 3);
  await clock.advance(1_000);
  await fails(pool.run(() => 7), "WORKERS_UNAVAILABLE");
  workers.get(3).ready();
  assert.ok(pool.available);
  const first = pool.run(() => "a");
  assert.deepEqual(workers.get(3).jobs, ["a"]);
  // The other one comes back too.
  await clock.advance(4_000);
  workers.get(3).answer("A");
  assert.equal(await first, "A");
  await clock.advance(30_000);
  const more = ["b", "c"].map((name) => pool.run(() => name));
  workers.get(4).ready();
  workers.get(3).answer("B");
  workers.get(4).answer("C");
  assert.deepEqual(await Promise.all(more), ["B", "C"]);
  assert.equal(pool.stats.workers, 2);
  // One that started after all and dies later is replaced like any other.
  const last = pool.run(() => "d");
  workers.get(3).crash();
  workers.get(5).ready();
  workers.get(5).answer("D");
  assert.equal(await last, "D");
  pool.close();
  assert.equal(clock.pending, 0);
});

Deno.test("a job that cannot be put into words fails alone", async () => {
  const { workers, pool } = setUp();
  const bad = pool.run(() => {
    throw new RangeError("no words");
  });
  const good = pool.run(() => "good");
  const refused = assert.rejects(bad, RangeError);
  workers.get(0).ready();
  await refused;
  assert.deepEqual(workers.get(0).jobs, ["good"]);
  workers.get(0).answer("ok");
  assert.equal(await good, "ok");
  pool.close();
});

Deno.test("closing rejects what waits and what runs, and later calls", async () => {
  const { workers, clock, pool } = setUp();
  const running = fails(pool.run(() => 1), "CANCELLED");
  const waiting = fails(pool.run(() => 2), "CANCELLED");
  workers.get(0).ready();
  pool.close();
  pool.close();
  await Promise.all([running, waiting]);
  await fails(pool.run(() => 3), "WORKER_POOL_CLOSED");
  assert.equal(clock.pending, 0);
  assert.throws(() => setUp({ size: 0 }), RangeError);
});
