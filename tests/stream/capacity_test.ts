import assert from "node:assert/strict";
import { Capacity } from "../../src/stream/capacity.ts";

/** A stream with a round trip of `rttMs` that carries `perSecond` blocks, asked for what it is thought to carry. */
function after(answers: number, rttMs: number, perSecond: number, capacity = new Capacity()): number {
  for (let i = 0; i < answers; i++) {
    if (i % 4 === 0) capacity.answered(0, rttMs);
    const blocks = capacity.blocksPerRequest();
    capacity.answered(blocks, rttMs + blocks * 1000 / perSecond);
  }
  return capacity.blocksPerRequest();
}

Deno.test("capacity: a stream is asked for as many blocks as it carries in about a second", () => {
  assert.equal(new Capacity().blocksPerRequest(), 10, "nobody is thought slow before he was seen");
  assert.equal(after(1, 10, 2_000), 10);
  assert.equal(after(30, 10, 5), 6, "five a second, and one more to be able to show more");
  assert.equal(after(30, 10, 0.5), 1);
  assert.equal(after(30, 200, 3), 4);
});

Deno.test("capacity: distance is not slowness, wherever the estimate begins", () => {
  for (const rttMs of [100, 900, 1_100, 3_000]) {
    assert.equal(after(20, rttMs, 500), 10, `${rttMs} ms away`);
    const doubted = new Capacity();
    for (let i = 0; i < 3; i++) doubted.answered(0, rttMs);
    doubted.answered(1, rttMs + 2);
    assert.equal(after(20, rttMs, 500, doubted), 10, `${rttMs} ms away, after an answer of one block`);
  }
});

Deno.test("capacity: without a small answer to compare with, all of the time counts", () => {
  const capacity = new Capacity();
  for (let i = 0; i < 20; i++) capacity.answered(2, 1_000);
  assert.equal(capacity.blocksPerRequest(), 3);
});

Deno.test("capacity: one answer that is out of the ordinary changes little once a stream is known", () => {
  const capacity = new Capacity();
  const known = after(20, 50, 4, capacity);
  capacity.answered(10, 51);
  assert.ok(
    Math.abs(capacity.blocksPerRequest() - known) <= 5,
    `${capacity.blocksPerRequest()} after ${known}`,
  );
  const before = capacity.itemsPerSecond ?? 0;
  capacity.timedOut();
  assert.equal(capacity.itemsPerSecond, before / 2);
});

Deno.test("capacity: the latency is the median of the last answers", () => {
  const capacity = new Capacity();
  assert.equal(capacity.latencyMs, undefined);
  for (const ms of [5, 1_000, 7, 6, 900]) capacity.answered(0, ms);
  assert.equal(capacity.latencyMs, 7);
  for (let i = 0; i < 16; i++) capacity.answered(1, 20);
  assert.equal(capacity.latencyMs, 20);
});
