import assert from "node:assert/strict";
import { directionBreaches, findCycle, readGraph } from "./graph.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("the rules catch an import that points backwards, one that skips mod.ts, and a cycle", () => {
  assert.equal(directionBreaches([{ from: "src/base/a.ts", to: "src/chain/mod.ts" }]).length, 1);
  assert.equal(directionBreaches([{ from: "src/store/a.ts", to: "src/stream/mod.ts" }]).length, 1);
  assert.equal(directionBreaches([{ from: "src/sync/a.ts", to: "src/chain/block.ts" }]).length, 1);
  assert.equal(directionBreaches([{ from: "main.ts", to: "src/node/mod.ts" }]).length, 1);
  assert.deepEqual(directionBreaches([{ from: "src/sync/a.ts", to: "src/base/mod.ts" }]), []);
  assert.deepEqual(
    findCycle([{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "c", to: "a" }]),
    ["a", "b", "c", "a"],
  );
  assert.equal(
    findCycle([{ from: "a", to: "b" }, { from: "a", to: "c" }, { from: "b", to: "c" }]),
    undefined,
  );
});

Deno.test("the house stands: imports point downwards, through mod.ts, without a cycle", async () => {
  const edges = await readGraph(ROOT);
  assert.ok(edges.length > 50, `the graph has ${edges.length} edges: was it read at all?`);
  assert.deepEqual(directionBreaches(edges), []);
  assert.equal(findCycle(edges), undefined);
});
