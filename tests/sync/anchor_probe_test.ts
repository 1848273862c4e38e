/** Which branch a peer is on: asked once for each anchor that it reaches. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { AnchorBook } from "../../src/consensus/mod.ts";
import { AnchorProbe } from "../../src/sync/anchor_probe.ts";
import { EpochWorld, until } from "./support/epoch_world.ts";

const hash = (fill: number) => new Uint8Array(32).fill(fill);

Deno.test("a peer that grows past an anchor is asked about it then, and about no height twice", async () => {
  const clock = new ManualClock();
  const world = new EpochWorld(clock);
  const anchors = new AnchorBook({
    anchors: [{ shardId: 1, number: 10, hash: hash(1) }, { shardId: 1, number: 20, hash: hash(2) }],
    never: [],
  });
  const probe = new AnchorProbe(world, anchors, 1);
  let height = 15;
  // Right at the first anchor, on another branch at the second.
  world.add("peer", {
    height: () => height,
    hashes: (numbers) => numbers.map((n) => hash(n === 10 ? 1 : 9)),
  });
  const passes = async () => {
    const { signal } = new AbortController();
    let answer: boolean | undefined;
    const asked = world.client.getBlockNumber({ whitelist: new Set(["peer"]) })
      .then(() => probe.passes(world.streams().find(({ id }) => id === "peer") ?? assert.fail(), signal))
      .then((result) => answer = result);
    await until(clock, () => answer !== undefined);
    return await asked;
  };
  const questions = () => world.asked.filter((a) => a.kind === "hashes").map((a) => a.what);
  assert.equal(await passes(), true);
  assert.equal(await passes(), true);
  height = 19;
  assert.equal(await passes(), true);
  assert.deepEqual(questions(), [[10]]);
  height = 25;
  assert.equal(await passes(), false);
  assert.deepEqual(questions(), [[10], [20]]);
  assert.deepEqual(world.reports.map((r) => [r.id, r.fault]), [["peer", "DATA"]]);
});
