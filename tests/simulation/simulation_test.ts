/**
 * A hundred seeds of the simulated network (T-32): all honest nodes reach the head, no honest peer is punished, every
 * bound holds, nothing waits silently.
 *
 * A failure names its seed; `deno task long --from SEED --seeds 1 --watch NAME` plays it again.
 */
import assert from "node:assert/strict";
import { play } from "./support/story.ts";

const SEEDS = 100;
const EACH = 10;

for (let from = 1; from <= SEEDS; from += EACH) {
  // T-32
  Deno.test(`simulation: twenty nodes, liars, loss and churn for a minute: everybody reaches the head (seeds ${from} to ${from + EACH - 1})`, async () => {
    for (let seed = from; seed < from + EACH; seed++) await play(seed);
  });
}

// T-32
Deno.test("simulation: the same seed tells the same story", async () => {
  const [a, b, c] = [await play(1), await play(1), await play(2)];
  assert.deepEqual(a.log, b.log);
  assert.equal(a.hash, b.hash);
  assert.notEqual(a.hash, c.hash);
});
