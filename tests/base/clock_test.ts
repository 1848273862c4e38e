import assert from "node:assert/strict";
import { HsyncError, ManualClock, Signal } from "../../src/base/mod.ts";

Deno.test("a manual clock fires timers in time order and never a cancelled one", async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  clock.after(30, () => seen.push("c"));
  clock.after(10, () => seen.push("a"));
  const stop = clock.after(20, () => seen.push("never"));
  stop();
  clock.after(10, () => seen.push("b"));
  await clock.advance(25);
  assert.deepEqual(seen, ["a", "b"]);
  await clock.advance(5);
  assert.deepEqual(seen, ["a", "b", "c"]);
  assert.equal(clock.pending, 0);
});

Deno.test("an interval repeats until it is cancelled", async () => {
  const clock = new ManualClock();
  let n = 0;
  const stop = clock.every(10, () => n++);
  await clock.advance(35);
  assert.equal(n, 3);
  stop();
  await clock.advance(100);
  assert.equal(n, 3);
});

Deno.test("an aborted sleep rejects as cancelled and leaves no timer behind", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const sleeping = clock.sleep(1000, controller.signal);
  controller.abort();
  await assert.rejects(
    sleeping,
    (e) => e instanceof HsyncError && e.code === "CANCELLED" && e.fault === "NONE",
  );
  assert.equal(clock.pending, 0);
});

Deno.test("a signal raised while nobody waits is remembered once", async () => {
  const clock = new ManualClock();
  const signal = new Signal();
  signal.raise();
  signal.raise();
  assert.equal(await signal.wait(clock, 1000), true);
  const second = signal.wait(clock, 50);
  await clock.advance(50);
  assert.equal(await second, false);
  assert.equal(clock.pending, 0);
});
