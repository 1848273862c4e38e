/** Lone claims where certificates decide: followed when they are true, cheap when they are not. */
import assert from "node:assert/strict";
import type { BatchVerifier } from "../../src/sync/mod.ts";
import { madeChain, upTo } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = madeChain(1_500);

const certifying: BatchVerifier = {
  certifies: true,
  verify: (batch) =>
    Promise.resolve({
      accepted: batch.map((b) => ({ assurance: "signed" as const, commitSig: b.delivered.commitSig })),
    }),
};
const rigOf = () => new Rig(new FakeStore(CHAIN), { verifier: certifying, minPeers: 4, initStreams: 4 });

Deno.test("attempt: a far peer that claims heaven and invents hashes for it delays no new block by more than seconds", async () => {
  const rig = rigOf();
  let height = 200;
  for (let i = 0; i < 3; i++) {
    rig.peers.add(`p${i}`, { chain: CHAIN, latencyMs: 200, claims: () => height });
  }
  rig.peers.add("boaster", {
    chain: upTo(CHAIN, 200),
    latencyMs: 1_000,
    claims: () => 5_000,
    hashes: (numbers, honest) =>
      honest.map((h, i) => h ?? new Uint8Array(32).fill((numbers[i] as number) & 255)),
  });
  rig.driver.start();
  await rig.untilHead(200, 60_000);
  let longest = 0;
  while (height < 230) {
    height++;
    const since = rig.clock.monotonic();
    await rig.untilHead(height, 20_000);
    longest = Math.max(longest, rig.clock.monotonic() - since);
    await rig.clock.advance(2_000);
  }
  assert.ok(longest <= 8_000, `a block came ${longest} ms late`);
  const asked = rig.peers.requests.filter((r) => r.id === "boaster" && r.kind === "bodies");
  const wild = asked.filter((r) => (r.numbers[0] ?? 0) > 200 + 30 + 20);
  assert.deepEqual(wild, [], "nothing far above the head is asked for on one peer's word");
  await rig.stop();
});

// T-11
Deno.test("attempt: the one peer that is ahead of many old ones is followed at its own speed", async () => {
  const seconds = async (old: number) => {
    const rig = rigOf();
    for (let i = 0; i < old; i++) rig.peers.add(`old${i}`, { chain: upTo(CHAIN, 100), latencyMs: 50 });
    rig.driver.start();
    await rig.untilHead(Math.min(100, old * 100), 60_000);
    await rig.clock.advance(30_000);
    assert.equal(rig.store.head().number, old === 0 ? 0 : 100, "their height is accepted");
    assert.ok(rig.peers.wants.length >= 0);
    const since = rig.clock.monotonic();
    rig.peers.add("fresh", { chain: CHAIN, latencyMs: 50 });
    await rig.untilHead(1_500, 120_000);
    rig.assertHead(CHAIN, 1_500);
    assert.deepEqual(rig.peers.removed, []);
    await rig.stop();
    return (rig.clock.monotonic() - since) / 1000;
  };
  const [alone, amongOld] = [await seconds(0), await seconds(7)];
  // Alone it waits ten seconds for more streams and fetches a hundred blocks more.
  assert.ok(amongOld <= 35, `${amongOld} s`);
  assert.ok(amongOld <= 2 * alone, `${amongOld} s instead of ${alone} s`);
});
