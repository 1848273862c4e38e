import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { type ChainStore, openStore } from "../../src/store/mod.ts";
import { buildChain, type BuiltChain } from "../builder/mod.ts";
import { at, recordedChain, type TestChain, tip } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { LinkedOnlyVerifier } from "./support/linked_only.ts";

function openFor(
  chain: TestChain,
  network: string,
  clock: ManualClock,
  useMemDb = true,
): Promise<ChainStore> {
  const { header, hash, bytes } = at(chain, 0).block;
  return openStore({
    location: { kind: "memory" },
    network,
    shardId: header.shardId,
    genesis: { hash, bytes, headerBytes: header.bytes },
    clock,
    ...(useMemDb ? {} : { staging: { blocks: 0, bytes: 0 } }),
  });
}
const asTestChain = (built: BuiltChain): TestChain => ({
  blocks: built.blocks.map(({ block, commitSig }) => ({ block, commitSig })),
});

Deno.test("the recorded chain in the real store: every block, certificate and committee can be read back", async () => {
  const chain = recordedChain(1);
  const clock = new ManualClock();
  const store = await openFor(chain, "localnet", clock);
  const rig = new Rig(store, { clock, shardId: 1 });
  for (let i = 0; i < 3; i++) rig.peers.add(`p${i}`, { chain });
  rig.driver.start();
  await rig.untilHead(tip(chain), 3_600_000);
  for (let n = 1; n <= tip(chain); n++) {
    const read = await store.blockAt(n);
    assert.deepEqual(read?.bytes, at(chain, n).block.bytes);
    assert.deepEqual(read?.commitSig, at(chain, n).commitSig);
    assert.equal((await store.recordAt(n))?.assurance, "linked");
  }
  assert.equal(store.lowestAssurance(), "linked");
  assert.ok(await store.shardStateAt(5) !== undefined);
  assert.equal(store.checkpoint("States"), tip(chain));
  await rig.stop();
  await store.close();
});

Deno.test("a made chain of several epochs through the real store's staged tables, stopped and resumed", async () => {
  const built = buildChain({ seed: 7, length: 700 });
  const chain = asTestChain(built);
  const clock = new ManualClock();
  const store = await openFor(chain, built.params.name, clock, false);
  const staged = { useMemDb: false, maxBlocksPerSyncCycle: 200, insertChainBatchSize: 50 };
  const verifier = new LinkedOnlyVerifier(built.params, 0);
  const first = new Rig(store, { clock, verifier, staged });
  first.peers.add("a", { chain, latencyMs: 20 });
  first.driver.start();
  // Virtual time runs ahead of real writes.
  await first.untilHead(250, 3_600_000);
  await first.stop();
  const second = new Rig(store, { clock, verifier, staged });
  second.peers.add("b", { chain });
  second.driver.start();
  await second.untilHead(700, 3_600_000);
  second.assertHead(chain, 700);
  const asked = second.peers.requests.filter((r) => r.kind === "bodies").flatMap((r) => r.numbers);
  assert.ok(Math.min(...asked) > 250);
  await second.stop();
  await store.close();
});
