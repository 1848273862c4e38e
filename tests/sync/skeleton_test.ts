import assert from "node:assert/strict";
import { type AskPolicy, Skeleton } from "../../src/sync/skeleton.ts";

const hash = (n: number) => new Uint8Array(32).fill(n);
const policy: AskPolicy = { votes: 3, overdueMs: 2_000, now: 0 };
const numbers = (s: Skeleton) => s.points.map((p) => p.number);

Deno.test("points are the multiples of ten above the base, and the target last", () => {
  const table: Array<[number, number, number, number[]]> = [
    [0, 500, 35, [10, 20, 30, 35]],
    [0, 500, 40, [10, 20, 30, 40]],
    [7, 500, 12, [10, 12]],
    [9, 500, 10, [10]],
    [426, 900, 427, [427]],
    [426, 900, 429, [429]],
    [0, 20, 1_000, [10, 20]],
    [10, 500, 10, []],
    [10, 500, 5, []],
  ];
  for (const [base, limit, target, expected] of table) {
    const s = new Skeleton(base);
    s.extend(limit, target);
    assert.deepEqual(numbers(s), expected, `base ${base}, limit ${limit}, target ${target}`);
  }
});

Deno.test("planning goes on where it ended, and heights that peers claim become points", () => {
  const s = new Skeleton(0);
  s.extend(20, 100);
  s.extend(60, 47, [5, 33, 47, 90]);
  assert.deepEqual(numbers(s), [10, 20, 30, 33, 40, 47]);
  s.extend(60, 52);
  assert.deepEqual(numbers(s), [10, 20, 30, 33, 40, 47, 50, 52]);
});

Deno.test("a request asks for no more than fifty heights, none above the peer's own", () => {
  const s = new Skeleton(0);
  s.extend(900, 900);
  assert.equal(s.wanting("a", Infinity, policy).length, 50);
  assert.deepEqual(s.wanting("a", 25, policy), [10, 20]);
  assert.equal(s.wanting("a", Infinity, policy, 49).at(-1), 490);
});

Deno.test("as many peers are asked as votes are wanted; the next ones get the next heights", () => {
  const s = new Skeleton(0);
  s.extend(980, 980);
  for (const id of ["a", "b", "c"]) s.asked(id, s.wanting(id, Infinity, policy, 49), 0);
  assert.equal(s.wanting("d", Infinity, policy, 49)[0], 500);
});

Deno.test("an overdue question is put to somebody else", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  for (const id of ["a", "b", "c"]) s.asked(id, [10], 0);
  assert.deepEqual(s.wanting("d", Infinity, policy), []);
  assert.deepEqual(s.wanting("d", Infinity, { ...policy, now: 2_001 }), [10]);
});

Deno.test("a peer that has nothing does not count as an answer", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  s.asked("a", [10], 0);
  s.answered("a", [10], [undefined]);
  assert.equal(s.need(s.points[0] as never, policy), 3);
  assert.deepEqual(s.wanting("a", Infinity, policy), []);
});

Deno.test("candidates: most votes first, then whose voters delivered more, then by hash; refused ones last of all", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  const point = s.points[0] as NonNullable<typeof s.points[0]>;
  for (const [id, h] of [["a", 3], ["b", 1], ["c", 1], ["d", 2]] as const) s.answered(id, [10], [hash(h)]);
  const order = (weight?: (id: string) => number) => s.ranked(point, weight).map((c) => c.hash[0]);
  assert.deepEqual(order(), [1, 2, 3]);
  assert.deepEqual(order((id) => id === "a" ? 5 : 0), [1, 3, 2]);
  (s.ranked(point)[0] as { refused: string }).refused = "does not link";
  assert.deepEqual(order(), [2, 3]);
  assert.equal(s.need(point, policy), 0);
});

Deno.test("when every candidate is refused, peers that were not asked yet are wanted again", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  const point = s.points[0] as NonNullable<typeof s.points[0]>;
  for (const id of ["a", "b", "c"]) {
    s.asked(id, [10], 0);
    s.answered(id, [10], [hash(1)]);
  }
  assert.equal(s.need(point, policy), 0);
  (point.candidates[0] as { refused: string }).refused = "x";
  assert.deepEqual(s.wanting("d", Infinity, policy), [10]);
  assert.deepEqual(s.wanting("a", Infinity, policy), []);
});

Deno.test("a newer vote of a peer replaces its older one", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  s.answered("a", [10], [hash(1)]);
  s.answered("a", [10], [hash(2)]);
  assert.deepEqual(s.ranked(s.points[0] as never).map((c) => c.hash[0]), [2]);
});

Deno.test("the votes of a liar are void; who merely left is still believed, and may be asked anew", () => {
  const s = new Skeleton(0);
  s.extend(20, 20);
  for (const id of ["liar", "gone"]) s.asked(id, [10, 20], 0);
  s.answered("liar", [10, 20], [hash(1), hash(2)]);
  s.answered("gone", [10, 20], [hash(1), undefined]);
  assert.deepEqual(s.discard("liar"), [20]);
  s.gone("gone");
  assert.deepEqual(s.points.map((p) => s.ranked(p).length), [1, 0]);
  assert.deepEqual(s.wanting("gone", Infinity, policy), [20]);
  assert.deepEqual(s.wanting("liar", Infinity, policy), []);
});

Deno.test("asking again: those who had nothing, and voters only where asked for", () => {
  const s = new Skeleton(0);
  s.extend(10, 10);
  s.asked("lacks", [10], 0);
  s.answered("lacks", [10], [undefined]);
  s.asked("voted", [10], 0);
  s.answered("voted", [10], [hash(1)]);
  s.reask(1, false);
  assert.deepEqual(s.unasked("lacks", Infinity, () => true), [10]);
  assert.deepEqual(s.unasked("voted", Infinity, () => true), []);
  s.reask(1, true);
  assert.deepEqual(s.unasked("voted", Infinity, () => true), [10]);
});

Deno.test("stored heights are dropped, and a lower target drops what was planned above it", () => {
  const s = new Skeleton(0);
  s.extend(100, 100);
  s.trim(35);
  assert.equal(s.base, 35);
  assert.equal(s.points[0]?.number, 40);
  s.cut(57);
  assert.deepEqual(numbers(s), [40, 50]);
  s.extend(100, 58);
  assert.deepEqual(numbers(s), [40, 50, 58]);
  assert.equal(s.covering(41)?.number, 50);
  assert.equal(s.after(50)?.number, 58);
});
