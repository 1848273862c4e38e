/**
 * How fast the pipeline itself is: 10,000 made blocks from four peers in this process into a store in memory,
 * without network and without certificates: `deno run -A --unstable-kv tests/bench/pipeline_bench.ts [blocks]`.
 *
 * The figure is an upper bound for a sync on this machine. The longest gap between two turns of the event loop is
 * printed beside it.
 */
import { nullLogger, nullMeter, SystemClock } from "../../src/base/mod.ts";
import { openStore } from "../../src/store/mod.ts";
import { SyncDriver } from "../../src/sync/mod.ts";
import { buildChain } from "../builder/mod.ts";
import { FakePeers } from "../sync/support/peers.ts";
import { STAGED } from "../sync/support/rig.ts";
import { figure, quick } from "./support/figures.ts";
import { LinkedOnlyVerifier } from "../sync/support/linked_only.ts";

const length = Number(Deno.args[0] ?? (quick ? 3_000 : 10_000));
const built = buildChain({ seed: 1, length, epochLength: 1_000, bytesPerBlock: 1_600 });
const chain = { blocks: built.blocks.map(({ block, commitSig }) => ({ block, commitSig })) };
const clock = new SystemClock();

for (const useMemDb of [true, false]) {
  const genesis = built.params.genesisBlock(0);
  const store = await openStore({
    location: { kind: "memory" },
    network: built.params.name,
    shardId: 0,
    genesis: { hash: genesis.hash, bytes: genesis.bytes, headerBytes: genesis.header.bytes },
    clock,
    ...(useMemDb ? {} : { staging: { blocks: 0, bytes: 0 } }),
  });
  const peers = new FakePeers(clock);
  for (let i = 0; i < 4; i++) peers.add(`peer${i}`, { chain, latencyMs: 2 });
  const driver = new SyncDriver({
    store,
    peers,
    params: built.params,
    config: { concurrency: 4, minPeers: 4, initStreams: 4, staged: { ...STAGED, useMemDb } },
    verifier: new LinkedOnlyVerifier(built.params, 0),
    clock,
    logger: nullLogger,
    meter: nullMeter,
  });
  let gap = 0, last = performance.now();
  const beat = setInterval(() => {
    const now = performance.now();
    gap = Math.max(gap, now - last - 5);
    last = now;
  }, 5);
  const begun = performance.now();
  const done = new Promise<void>((resolve) => driver.on((e) => e.type === "synced" && resolve()));
  driver.start();
  await done;
  const seconds = (performance.now() - begun) / 1000;
  clearInterval(beat);
  await driver.stop();
  await store.close();
  const bodies = peers.count("bodies"), hashes = peers.count("hashes"), heights = peers.count("height");
  console.log(
    `UseMemDB ${useMemDb}: ${length} blocks in ${seconds.toFixed(2)} s, ${
      Math.round(length / seconds)
    } blocks/s; ` +
      `requests: ${bodies} bodies, ${hashes} hashes, ${heights} heights; longest loop gap ${
        gap.toFixed(0)
      } ms`,
  );
  const what = `stages alone, ${useMemDb ? "downloads in memory" : "downloads in the store"}`;
  figure({ what, value: length / seconds, unit: "blocks/s" });
}
