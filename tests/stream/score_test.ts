import assert from "node:assert/strict";
import { healthDegraded, INITIAL_SUCCESS, score, smooth } from "../../src/stream/score.ts";

Deno.test("score: half reliability, three tenths speed, two tenths experience", () => {
  const table: Array<[number, number | undefined, number, number]> = [
    // failures, latency, success, score
    [0, 0, 1, 1],
    [0, undefined, INITIAL_SUCCESS, 0.5 + 0.15 + 0.1],
    [1, 500, 0.5, 0.25 + 0.15 + 0.1],
    [4, 1_000, 0, 0.1 + 0.1 + 0],
    [0, 500, 1, 0.85],
  ];
  for (const [failures, latencyMs, success, want] of table) {
    const got = score({ failures, latencyMs, success });
    assert.ok(
      Math.abs(got - want) < 1e-12,
      `${failures}, ${latencyMs}, ${success}: ${got} instead of ${want}`,
    );
  }
});

Deno.test("score: it falls with every failure and every millisecond, and stays between 0 and 1", () => {
  for (const latencyMs of [undefined, 0, 20, 180_000]) {
    let last = Infinity;
    for (let failures = 0; failures < 50; failures++) {
      const got = score({ failures, latencyMs, success: 0.5 });
      assert.ok(got < last && got >= 0 && got <= 1);
      last = got;
    }
  }
  const at = (latencyMs: number) => score({ failures: 0, latencyMs, success: 0.5 });
  assert.ok(at(20) > at(200) && at(200) > at(2_000));
});

Deno.test("score: the success share moves by a tenth of what is missing and never leaves 0..1", () => {
  assert.equal(smooth(0.5, true), 0.55);
  assert.equal(smooth(0.5, false), 0.45);
  let success = INITIAL_SUCCESS;
  for (let i = 0; i < 1_000; i++) success = smooth(success, true);
  assert.ok(success > 0.999 && success <= 1);
  for (let i = 0; i < 1_000; i++) success = smooth(success, false);
  assert.ok(success < 0.001 && success >= 0);
});

Deno.test("score: health is bad when half of the streams have failed twice", () => {
  assert.equal(healthDegraded([]), false);
  assert.equal(healthDegraded([1, 1, 1]), false);
  assert.equal(healthDegraded([2, 0, 0]), false);
  assert.equal(healthDegraded([2, 0]), true);
  assert.equal(healthDegraded([2, 3, 0, 1]), true);
});
