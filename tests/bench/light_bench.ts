/**
 * How fast light mode follows epochs: fetched, certified one after the other, stored.
 *
 * Committees are as large as mainnet's (two shards of 200 seats), nearly all of whose members change from epoch to epoch, which
 * is the worst case: every key is decoded anew. Peers answer at once, so that nothing but our own work is measured.
 *
 * deno run -A tests/bench/light_bench.ts [EPOCHS]
 */
import process from "node:process";
import { nullLogger, SystemClock } from "../../src/base/mod.ts";
import { AnchorBook, type BatchVerifier, inThread } from "../../src/consensus/mod.ts";
import { createCertificateVerifier, WasmBls } from "../../src/crypto/mod.ts";
import { openChain } from "../../src/node/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { EpochChain } from "../../src/sync/epoch/epoch_chain.ts";
import { EpochFollower } from "../../src/sync/epoch/epoch_follower.ts";
import { RecordEpochStore, type RecordTable } from "../../src/sync/epoch/record_store.ts";
import { blsSigner, ChainBuilder, testNetwork } from "../builder/mod.ts";
import { EpochWorld, fullNode, MemoryRecords } from "../sync/support/epoch_world.ts";
import { figure, quick } from "./support/figures.ts";

const EPOCHS = Number(Deno.args[0] ?? (quick ? 60 : 300));
const bls = await WasmBls.create();
const clock = new SystemClock();

/** A beacon chain of epochs of two blocks; only the ends of epochs are kept. */
function build() {
  const signer = blsSigner(bls);
  const network = testNetwork({ seed: 4, epochLength: 2, electedSlots: 190, reservedSlots: 10, signer });
  const builder = ChainBuilder.start(network, { absence: 0.05 });
  const blocks: DeliveredBlock[] = [builder.head];
  while (blocks.length < 2 * EPOCHS + 1) blocks.push(builder.next());
  return { params: network.params, blocks };
}

async function follow(
  chainOf: ReturnType<typeof build>,
  verifier: BatchVerifier,
  records: RecordTable,
): Promise<[number, number]> {
  const { params, blocks } = chainOf;
  const anchors = new AnchorBook();
  const world = new EpochWorld(clock);
  world.add("peer", { ...fullNode(blocks), latencyMs: 0 });
  const chain = await EpochChain.open({ params, store: new RecordEpochStore(records), anchors });
  const follower = new EpochFollower({ chain, peers: world, anchors, verifier, clock, logger: nullLogger });
  const begun = performance.now();
  const cpu = process.cpuUsage();
  follower.start();
  if (!await follower.reach(EPOCHS)) throw new Error(`not reached: ${chain.epoch}`);
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await follower.stop();
  return [EPOCHS / seconds, EPOCHS * 1e6 / (user + system)];
}

const begun = performance.now();
const chain = build();
const size = (chain.blocks[3] as DeliveredBlock).block.bytes.length;
console.log(
  `${EPOCHS} epochs built in ${((performance.now() - begun) / 1000).toFixed(1)} s; ` +
    `200 seats a shard, 2 shards, ${(size / 1024).toFixed(0)} KB an epoch block`,
);
/** The second figure tells more while other programs compete for the machine. */
function rate(what: string, [perSecond, perCpuSecond]: [number, number]): void {
  console.log(`${what}: ${perSecond.toFixed(0)} epochs/s, ${perCpuSecond.toFixed(0)} per CPU second`);
  figure({ what: `epochs, ${what}`, value: perSecond, unit: "epochs/s" });
}

rate(
  "one thread, records in memory",
  await follow(chain, inThread(await WasmBls.create()), new MemoryRecords()),
);
const pool = createCertificateVerifier({ clock });
rate("worker pool, records in memory", await follow(chain, pool, new MemoryRecords()));
const dir = await Deno.makeTempDir({ prefix: "hsync-light-" });
try {
  const store = await openChain({
    params: chain.params,
    shardId: 0,
    location: { kind: "file", dir: `${dir}/store` },
    clock,
  });
  rate("worker pool, records in a file store", await follow(chain, pool, store));
  await store.close();
} finally {
  pool.close();
  await Deno.remove(dir, { recursive: true });
}
