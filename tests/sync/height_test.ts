import assert from "node:assert/strict";
import { ManualClock, nullLogger } from "../../src/base/mod.ts";
import type { PeerSource, StreamEvent } from "../../src/stream/mod.ts";
import { estimateHeight, HeightBook, heightQuorum } from "../../src/sync/height.ts";
import { Heights } from "../../src/sync/heights.ts";

const claims = (...heights: number[]) =>
  heights.map((height, i) => ({ streamId: `p${i}`, height, at: 1_000 + i }));

Deno.test("the quorum is a third of the answers, at least two, and never more than there are", () => {
  const table: Array<[number, number]> = [[1, 1], [2, 2], [3, 2], [4, 2], [6, 2], [7, 3], [9, 3], [10, 4], [
    31,
    11,
  ]];
  for (const [n, q] of table) assert.equal(heightQuorum(n), q, `n = ${n}`);
});

Deno.test("the target is the q-th highest height", () => {
  const table: Array<[number[], number | undefined]> = [
    [[], undefined],
    [[0], undefined],
    [[0, 0, 7], 7],
    [[5], 5],
    [[5, 9], 5],
    [[1_000_000, 9, 8], 9],
    [[1_000_000, 9, 8, 7, 7, 7], 9],
    [[10, 10, 10, 3], 10],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 2 ** 50], 7],
  ];
  for (const [heights, target] of table) {
    assert.equal(estimateHeight(claims(...heights))?.height, target, `${heights}`);
  }
});

Deno.test("the estimate is as old as the oldest claim that carries it", () => {
  const estimate = estimateHeight([
    { streamId: "a", height: 9, at: 50 },
    { streamId: "b", height: 9, at: 40 },
    { streamId: "c", height: 1, at: 10 },
  ]);
  assert.deepEqual(estimate, { height: 9, peers: 3, quorum: 2, asOf: 40 });
});

Deno.test("no target before enough peers told a height that is not zero", () => {
  const clock = new ManualClock();
  const book = new HeightBook(clock);
  book.note("a", 10, clock.now());
  book.note("b", 0, clock.now());
  assert.equal(book.estimate(2), undefined);
  assert.equal(book.estimate(1)?.height, 10);
  book.note("c", 12, clock.now());
  assert.equal(book.estimate(2)?.height, 10);
});

Deno.test("fresh claims decide alone when there are enough of them; old ones expire", async () => {
  const clock = new ManualClock();
  const book = new HeightBook(clock);
  for (const id of ["a", "b", "c"]) book.note(id, 10, clock.now());
  await clock.advance(11_000);
  book.note("a", 15, clock.now());
  assert.equal(book.estimate(2)?.height, 10);
  book.note("b", 16, clock.now());
  assert.equal(book.estimate(2)?.height, 15);
  await clock.advance(60_001);
  assert.equal(book.estimate(1), undefined);
});

Deno.test("a claim that the peer could not support is cut, for longer at every relapse", async () => {
  const clock = new ManualClock();
  const book = new HeightBook(clock);
  book.note("liar", 5_000, clock.now());
  book.discredit("liar", 400);
  assert.equal(book.effective("liar"), 400);
  assert.equal(book.claimed("liar"), 5_000);
  await clock.advance(30_000);
  assert.equal(book.effective("liar"), 5_000);
  book.discredit("liar", 400);
  await clock.advance(59_000);
  assert.equal(book.effective("liar"), 400);
  await clock.advance(1_000);
  assert.equal(book.effective("liar"), 5_000);
});

Deno.test("an old claim never replaces a newer one, and a peer that left is forgotten", () => {
  const book = new HeightBook(new ManualClock());
  book.note("a", 7, 100);
  book.note("a", 3, 90);
  assert.equal(book.effective("a"), 7);
  book.forget("a");
  assert.equal(book.effective("a"), undefined);
});

Deno.test("what peers in reserve tell changes nothing about how many active ones are waited for", () => {
  let tell: (event: StreamEvent) => void = () => {};
  const peers = {
    streams: () => ["a", "b"].map((id) => ({ id })),
    on: (listener: typeof tell) => (tell = listener, () => {}),
  };
  const heights = new Heights({
    peers: peers as unknown as PeerSource,
    clock: new ManualClock(),
    logger: nullLogger,
    minPeers: 2,
    stopAt: undefined,
  });
  heights.start();
  for (const id of ["r1", "r2", "r3"]) tell({ type: "height", id, height: 0 });
  assert.equal(heights.needed, 2);
  tell({ type: "height", id: "a", height: 0 });
  assert.equal(heights.needed, 1, "an active peer without blocks is not waited for");
});
