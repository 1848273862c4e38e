import assert from "node:assert/strict";
import { type BodyQuestion, type Judgement, Segment } from "../../src/sync/segment.ts";
import type { FetchedBlock } from "../../src/sync/types.ts";
import { fetched } from "../../src/sync/staging.ts";
import { at, hashAt, madeChain, variant } from "./support/chains.ts";

const CHAIN = madeChain(40);
const FORK = madeChain(40, 1, { from: 6, of: CHAIN });

const run = (from: number, to: number, of = CHAIN, streamId = "s"): FetchedBlock[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => fetched(at(of, from + i), streamId));
const segment = (from = 1, to = 10) => new Segment(from, to, hashAt(CHAIN, to));
function ask(s: Segment, max = 10): BodyQuestion {
  const q = s.question(max);
  assert.ok(q !== undefined, "the segment is complete");
  return q;
}
const kind = (j: Judgement) => j.kind;

Deno.test("a whole answer completes the segment and names the block below it", () => {
  const s = segment();
  assert.deepEqual(s.question(10), { from: 1, to: 10, hash: hashAt(CHAIN, 10) });
  assert.deepEqual(s.offer(ask(s), run(1, 10)), { kind: "progress", blocks: 10 });
  assert.ok(s.complete);
  assert.equal(s.question(10), undefined);
  assert.deepEqual(s.linksTo, hashAt(CHAIN, 0));
  assert.deepEqual(s.blocks.map((b) => b.number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

Deno.test("big blocks are asked for downwards from the known hash", () => {
  const s = segment();
  const asked: number[][] = [];
  while (!s.complete) {
    const q = ask(s, 4);
    asked.push([q.from, q.to]);
    assert.deepEqual(q.hash, hashAt(CHAIN, q.to));
    assert.equal(kind(s.offer(q, run(q.from, q.to))), "progress");
  }
  assert.deepEqual(asked, [[7, 10], [3, 6], [1, 2]]);
});

Deno.test("judging an answer", () => {
  const broken = run(1, 10);
  broken[4] = fetched(variant(at(CHAIN, 5), { extra: new Uint8Array([9]) }), "s");
  const table: Array<[string, FetchedBlock[], Judgement["kind"]]> = [
    ["nothing", [], "behind"],
    ["the end", run(10, 10), "progress"],
    ["the upper part", run(4, 10), "progress"],
    ["the lower part", run(1, 7), "progress"],
    ["a hole in the middle", [...run(1, 3), ...run(8, 10)], "progress"],
    ["neither end", run(3, 7), "behind"],
    ["both ends missing and a hole", [...run(2, 3), ...run(5, 6)], "behind"],
    ["the start with a hole", [...run(1, 2), ...run(5, 6)], "behind"],
    ["another end", run(1, 10, FORK), "lie"],
    ["another block in the middle", broken, "lie"],
    ["two chains glued", [...run(1, 6, FORK), ...run(7, 10)], "lie"],
    ["another end alone", run(10, 10, FORK), "lie"],
  ];
  for (const [what, blocks, expected] of table) {
    const s = segment();
    assert.equal(kind(s.offer(ask(s), blocks)), expected, what);
  }
});

Deno.test("a lie names the sender and the block", () => {
  const s = segment();
  const judgement = s.offer(ask(s), run(1, 10, FORK, "liar"));
  assert.ok(judgement.kind === "lie");
  assert.equal(judgement.streamId, "liar");
  assert.equal(judgement.number, 10);
  assert.equal(s.bytes, 0);
});

Deno.test("a cut answer stays unjudged until the rest has come", () => {
  const s = segment();
  s.offer(ask(s), run(1, 4, CHAIN, "a"));
  assert.equal(s.blocks.length, 0);
  assert.ok(s.bytes > 0);
  assert.deepEqual([ask(s).from, ask(s).to], [5, 10]);
  s.offer(ask(s), run(5, 7, CHAIN, "b"));
  assert.deepEqual([ask(s).from, ask(s).to], [8, 10]);
  assert.deepEqual(s.offer(ask(s), run(8, 10, CHAIN, "c")), { kind: "progress", blocks: 10 });
  assert.deepEqual(s.blocks.map((b) => b.streamId).join(""), "aaaabbbccc");
});

Deno.test("a cut answer off the chain convicts its sender when the rest has come, and is asked for again", () => {
  const s = segment();
  s.offer(ask(s), run(1, 8, FORK, "liar"));
  const judgement = s.offer(ask(s), run(9, 10, CHAIN, "honest"));
  assert.ok(judgement.kind === "lie");
  assert.equal(judgement.streamId, "liar");
  assert.deepEqual([ask(s).from, ask(s).to], [1, 8]);
  s.offer(ask(s), run(1, 8, CHAIN, "honest"));
  assert.ok(s.complete);
});

Deno.test("the second of two answers to the same question is late, not wrong; a wrong one is still a lie", () => {
  const s = segment();
  const q = ask(s);
  s.offer(q, run(1, 10));
  assert.equal(kind(s.offer(q, run(1, 10, CHAIN, "slow"))), "late");
  assert.equal(kind(s.offer(q, run(1, 10, FORK, "liar"))), "lie");
  assert.equal(s.blocks.length, 10);
});

Deno.test("bytes are those of the blocks held", () => {
  const s = segment();
  const all = run(1, 10).reduce((sum, b) => sum + b.size, 0);
  s.offer(ask(s), run(1, 3));
  s.offer(ask(s), run(4, 10));
  assert.equal(s.bytes, all);
});
