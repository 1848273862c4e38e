/** A full node of another shard than 0 follows the beacon chain's epochs over real sockets. */
import assert from "node:assert/strict";
import { createLogger, type HsyncError, type LogRecord, nullLogger, to0x } from "../../src/base/mod.ts";
import { decodeShardState, encodeShardState, networkParams } from "../../src/chain/mod.ts";
import { importInto, makeVerifier, openChain } from "../../src/node/mod.ts";
import { type DeliveredBlock, protocolId } from "../../src/stream/mod.ts";
import { ChainBuilder } from "../builder/mod.ts";
import { delivered, signedChain, signedNetwork } from "../sync/support/certified.ts";
import { recordedChain } from "../sync/support/chains.ts";
import {
  askerOf,
  beaconPeer,
  clock,
  failureOf,
  holds,
  nodeConfig,
  reaches,
  readerOf,
  shardPeer,
  Started,
  startNode,
} from "./peers.ts";

Deno.test("a full node of shard 1 syncs from genesis, compares its committees with the beacon chain's, and serves the epochs", async () => {
  const all = new Started();
  try {
    const beacon = all.add(await beaconPeer(readerOf(recordedChain(0).blocks)));
    const shard = all.add(await shardPeer(readerOf(recordedChain(1).blocks)));
    const node = all.add(await startNode(nodeConfig(all.dir, 1, [beacon, shard])));
    await reaches(node, 255);
    assert.deepEqual(node.store.head().hash, recordedChain(1).blocks[255]?.block.hash);
    assert.equal(node.store.lowestAssurance(), "signed");
    await holds(() => node.status().epochChain?.caughtUp === true);

    const { epochChain, checkpoint, sync, streams } = node.status();
    const { schedule } = networkParams("localnet");
    assert.equal(epochChain?.epoch, 27);
    assert.equal(epochChain?.head?.number, schedule.lastBlock(26));
    assert.equal(typeof epochChain?.headAgeSeconds, "number");
    assert.deepEqual([epochChain?.origin, epochChain?.failed, epochChain?.refused], ["genesis", null, null]);
    assert.equal(epochChain?.committees?.unchecked, 0);
    // Epochs 3 to 17 of the staking era were handed over in this chain.
    assert.ok((epochChain?.committees?.checked ?? 0) >= 14, JSON.stringify(epochChain));
    assert.equal(checkpoint, null);
    assert.ok(!sync.diagnosis.some((d) => d.code === "EPOCH_CHAIN"), JSON.stringify(sync.diagnosis));
    assert.deepEqual(streams.protocols.map((p) => [p.topic, p.advertised]), [
      [protocolId("sync", "localnet", 1), true],
      [protocolId("epochsync", "localnet", 0), true],
    ]);

    const others = await askerOf(node, "epochsync", 0, all);
    const wanted = [6, 7, 8].map((epoch) => schedule.lastBlock(epoch));
    const { value } = await others.client.getBlocksByNumber(wanted);
    assert.deepEqual(value.map(({ block }) => block.number), wanted);
    assert.deepEqual(value[0]?.block.hash, recordedChain(0).blocks[wanted[0] as number]?.block.hash);
  } finally {
    await all.end();
  }
});

const network = signedNetwork({ seed: 53, epochLength: 10, electedSlots: 3 });
const shardChain = signedChain(network, 60, { shardId: 1 }).blocks;

/** The beacon chain, certified by its right committees, that elects another committee of shard 1 for `epoch`. */
function otherElection(epoch: number): DeliveredBlock[] {
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  const state = network.shardState(epoch);
  const committees = state.committees.map((c) => c.shardId === 1 ? { ...c, slots: c.slots.slice(1) } : c);
  const bent = { ...state, committees };
  const last = network.params.schedule.lastBlock(epoch - 1);
  while (blocks.length <= 70) {
    const header = { shardState: encodeShardState(bent) };
    blocks.push(delivered(builder.next(blocks.length === last ? { header } : {})));
  }
  return blocks;
}
/** The block of shard 1 that hands over to `epoch`. */
function handOver(epoch: number): number {
  return shardChain.findLast(({ block: { header } }) =>
    header.shardState.length > 0 && decodeShardState(header.shardState).epoch === epoch
  )?.block.number as number;
}

async function builtStore(all: Started) {
  const store = await openChain({ params: network.params, shardId: 1, location: { kind: "memory" }, clock });
  all.defer(() => store.close());
  return store;
}

Deno.test("committees that the beacon chain did not elect are refused, and their senders removed", async () => {
  const all = new Started();
  try {
    const at = handOver(4);
    const beacon = all.add(await beaconPeer(readerOf(otherElection(4)), network.params.name));
    const shard = all.add(await shardPeer(readerOf(shardChain), network.params.name));
    const store = await builtStore(all);
    // A trusted peer keeps its stream, whatever it sends.
    const loaded = nodeConfig(all.dir, 1, [beacon], ["--bootnodes", shard.address]);
    const node = all.add(await startNode(loaded, { params: network.params, store }));
    const removed: string[] = [];
    node.protocol.on((event) => event.type === "removed" && event.critical && removed.push(event.id));
    await holds(() => node.status().sync.diagnosis.some((d) => d.code === "BAD_BLOCK"));
    const bad = node.status().sync.diagnosis.find((d) => d.code === "BAD_BLOCK");
    assert.match(bad?.text ?? "", new RegExp(`block ${at} was refused .*beacon chain elected`));
    await holds(() => removed.length > 0);
    assert.deepEqual(removed, [shard.id]);
    assert.equal(store.head().number, at - 1, "what came before it is certified and stays");
    assert.equal(node.driver?.failed, undefined, "another peer may have the right block");
  } finally {
    await all.end();
  }
});

Deno.test("without an epochsync peer a node goes on and says so; a beacon chain that contradicts later ends it, again and again", async () => {
  const all = new Started();
  try {
    const at = handOver(4);
    const { params } = network;
    const shard = all.add(await shardPeer(readerOf(shardChain), params.name));
    const store = await builtStore(all);
    const records: LogRecord[] = [];
    const logger = createLogger({ level: "warn", sinks: [(record) => records.push(record)] });
    const alone = all.add(await startNode(nodeConfig(all.dir, 1, [shard]), { params, store, logger }));
    await reaches(alone, 60);
    const { sync, epochChain } = alone.status();
    const said = sync.diagnosis.find((d) => d.code === "EPOCH_CHAIN");
    assert.equal(said?.severity, "warn");
    assert.match(
      said?.text ?? "",
      /committees of \d+ epochs stand on the shard's own word.*waiting for a stream/,
    );
    assert.ok((epochChain?.committees?.unchecked ?? 0) >= 2);
    assert.ok(records.some((r) => /stand on the shard's own word/.test(r.message)));
    await alone.stop();

    const beacon = all.add(await beaconPeer(readerOf(otherElection(4)), params.name));
    const loaded = nodeConfig(all.dir, 1, [beacon, shard]);
    for (const run of ["a run with a beacon node", "the run after it"]) {
      const node = all.add(await startNode(loaded, { params, store }));
      const error = await failureOf(node) as HsyncError;
      assert.deepEqual([error.code, error.exitCode], ["BEACON_CONTRADICTS", 11], run);
      assert.match(error.hint ?? "", new RegExp(`hsync db unwind --to ${at - 1}`));
      const status = node.status();
      assert.equal(status.sync.diagnosis[0]?.code, "BEACON_CONTRADICTS");
      assert.match(status.epochChain?.committees?.contradicted ?? "", /epoch 4/);
      await node.stop();
    }
    await store.unwindTo(at - 1);
    const mended = all.add(await startNode(loaded, { params, store }));
    await holds(() => mended.status().sync.diagnosis.some((d) => d.code === "BAD_BLOCK"));
    assert.deepEqual([store.head().number, mended.driver?.failed], [at - 1, undefined]);
  } finally {
    await all.end();
  }
});

Deno.test("committees that came out of a file are held against the beacon chain as soon as a node follows it", async () => {
  const all = new Started();
  try {
    const { params } = network;
    const store = await builtStore(all);
    const config = { staged: nodeConfig(all.dir, 1, []).config.sync.staged };
    const judge = makeVerifier({ params, store, config, logger: nullLogger, clock });
    all.defer(() => judge.close());
    const lines = shardChain.slice(1).map(({ block, commitSig }) =>
      JSON.stringify({ number: block.number, blockRLP: to0x(block.bytes), commitSig: to0x(commitSig) }) + "\n"
    );
    const file = new Blob(lines).stream();
    await importInto({ store, params, shardId: 1, verifier: judge.verifier }, file);
    assert.equal(store.head().number, 60);
    const beacon = all.add(await beaconPeer(readerOf(otherElection(4)), params.name));
    const shard = all.add(await shardPeer(readerOf(shardChain), params.name));
    const node = all.add(await startNode(nodeConfig(all.dir, 1, [beacon, shard]), { params, store }));
    const error = await failureOf(node) as HsyncError;
    assert.deepEqual([error.code, error.exitCode], ["BEACON_CONTRADICTS", 11]);
    assert.match(error.hint ?? "", new RegExp(`hsync db unwind --to ${handOver(4) - 1}`));
    await node.stop();
  } finally {
    await all.end();
  }
});
