import assert from "node:assert/strict";
import { certificateDue, DEFAULT_POLICY, dueCertificates, NEAR_TARGET } from "../../src/consensus/mod.ts";

const NONE = new Uint8Array(0);
const STATE = new Uint8Array([0xc0]);
const block = (number: number, ends = false) => ({ number, shardState: ends ? STATE : NONE });
const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => block(from + i));
const FAR = 1_000_000;

Deno.test("far from the target: hundreds, ends of epochs, and the tip of a run", () => {
  const blocks = run(150, 277);
  blocks[20] = block(170, true);
  assert.deepEqual(dueCertificates(blocks, FAR, DEFAULT_POLICY).map((i) => blocks[i]?.number), [
    170,
    200,
    277,
  ]);
  assert.deepEqual(dueCertificates(run(201, 240), FAR, DEFAULT_POLICY), [39]);
  assert.deepEqual(dueCertificates([], FAR, DEFAULT_POLICY), []);
});

Deno.test("the last block of every group is verified", () => {
  assert.deepEqual(dueCertificates(run(201, 250), FAR, DEFAULT_POLICY, 20), [19, 39, 49]);
  assert.deepEqual(dueCertificates(run(201, 240), FAR, DEFAULT_POLICY, 20), [19, 39]);
});

Deno.test("within 128 of the target every block, at and beyond it too", () => {
  const due = (number: number) => certificateDue(block(number), 1_001, DEFAULT_POLICY);
  assert.equal(NEAR_TARGET, 128);
  assert.deepEqual([872, 873, 874, 1_001, 1_002, 5_001].map(due), [false, true, true, true, true, true]);
});

Deno.test("VerifyAllSig means every block, and a step below one is one", () => {
  const all = { everyBlock: true, everyNth: 100 };
  assert.equal(dueCertificates(run(1, 50), FAR, all).length, 50);
  for (const everyNth of [0, -3, 0.5]) {
    assert.equal(dueCertificates(run(1, 50), FAR, { everyBlock: false, everyNth }).length, 50);
  }
  assert.deepEqual(dueCertificates(run(1, 50), FAR, { everyBlock: false, everyNth: 20 }), [19, 39, 49]);
});
