/** Headers of other shards over real libp2p: what they prove, what liars among their nodes can do, and what is opened. */
import assert from "node:assert/strict";
import { nullLogger, nullMeter, SeededRandom, SystemClock } from "../../src/base/mod.ts";
import { encodeBlock, type HeaderFields, makeHeader, networkParams } from "../../src/chain/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { bodyWaits, SourceHeaders } from "../../src/node/source_headers.ts";
import { createHost, type LibP2PHost, newIdentity } from "../../src/p2p/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import { type ChainReader, protocolId, type StreamEvent } from "../../src/stream/mod.ts";
import { appendRow } from "../../src/sync/mod.ts";
import { RecordedChain } from "../stream/support/chain.ts";
import { memoryStore, recordedChain } from "../sync/support/certified.ts";
import { type Peer, startPeer } from "./peers.ts";
import { localFlags } from "./support.ts";

const PARAMS = networkParams("localnet");
const clock = new SystemClock();
/** Blocks that take in receipts, and those of them that headers of the source shard prove. */
const TAKING = [56, 36] as const;
const PROVABLE = [56, 34] as const;

async function host(bootnodes: readonly string[] = []): Promise<LibP2PHost> {
  return await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "test",
    bootnodes,
    privateNetwork: true,
  });
}

const serve = (shardId: number, reader: ChainReader) => startPeer([{ service: "sync", shardId, reader }]);

/** A stored chain whose receipts are unproven. */
async function unprovenStore(shardId: 0 | 1): Promise<ChainStore> {
  const store = await memoryStore(PARAMS, shardId);
  const { blocks } = recordedChain(shardId);
  for (let from = 1; from < blocks.length; from += 128) {
    await store.append(
      blocks.slice(from, from + 128).map(({ block, commitSig }) => {
        const body = block.incomingReceiptItems().length === 0 ? {} : { body: "unproven" as const };
        return appendRow(block, { assurance: "signed", commitSig, ...body }, PARAMS);
      }),
    );
  }
  return store;
}
async function proven(store: ChainStore): Promise<number> {
  let count = 0;
  for (let n = 1; n <= store.head().number; n++) {
    if ((await store.recordAt(n))?.body === "proven") count++;
  }
  return count;
}

interface Bench {
  readonly part: SourceHeaders;
  readonly store: ChainStore;
  readonly host: LibP2PHost;
  /** What became of streams to the source shard. */
  readonly removed: StreamEvent[];
  /** Waits until the prover says so. */
  until(done: () => boolean): Promise<void>;
}
/** A prover of a shard's node beside these peers. */
async function withBench(
  shardId: 0 | 1,
  peers: readonly Peer[],
  story: (bench: Bench) => Promise<void>,
): Promise<void> {
  const store = await unprovenStore(shardId);
  const own = await host(peers.map((p) => p.address));
  const { config } = loadConfig({
    flags: parseArgv(localFlags("/nonexistent", ["--run.shard", String(shardId)]), FLAGS).flags,
    env: () => undefined,
  });
  const parts = { clock, random: new SeededRandom(5), logger: nullLogger, meter: nullMeter };
  const part = new SourceHeaders({ config, params: PARAMS, host: own, store, parts });
  const removed: StreamEvent[] = [];
  const peersOf = part.peersOf.bind(part);
  part.peersOf = async (id) => {
    const first = part.protocols.length === 0;
    const source = await peersOf(id);
    if (first) source?.on((event) => event.type === "removed" && removed.push(event));
    return source;
  };
  // What is proven is written down; each write is a reason to look.
  const looks = new Set<() => void>();
  const mark = store.markBodies.bind(store);
  store.markBodies = async (marks) => {
    await mark(marks);
    for (const look of looks) look();
  };
  const until = async (done: () => boolean): Promise<void> => {
    const reached = Promise.withResolvers<void>();
    const look = () => done() && reached.resolve();
    const late = clock.after(180_000, () => reached.reject(new Error(JSON.stringify(part.status()))));
    const tick = clock.every(50, look);
    looks.add(look);
    try {
      look();
      await reached.promise;
    } finally {
      looks.delete(look);
      late();
      tick();
    }
  };
  try {
    part.start();
    await story({ part, store, host: own, removed, until });
  } finally {
    await part.stop();
    await own.stop();
    await store.close();
    for (const peer of peers) await peer.stop();
  }
}

for (const shardId of [0, 1] as const) {
  Deno.test(`over libp2p ${PROVABLE[shardId]} of ${TAKING[shardId]} blocks of shard ${shardId} are proven by the other shard's node`, async () => {
    const source = new RecordedChain(1 - shardId as 0 | 1);
    // A node of the same shard is of no use here, and is left alone.
    const peers = [await serve(1 - shardId, source), await serve(shardId, new RecordedChain(shardId))];
    await withBench(shardId, peers, async ({ part, store, host, removed, until }) => {
      await until(() => part.status().proven === PROVABLE[shardId]);
      await until(() => part.status().reasons.other === TAKING[shardId] - PROVABLE[shardId]);
      assert.equal(await proven(store), PROVABLE[shardId]);
      assert.deepEqual(part.protocols.map((p) => p.id), [protocolId("sync", "localnet", 1 - shardId)]);
      const status = part.status();
      assert.deepEqual(status.streams, [{ shard: 1 - shardId, streams: 1 }]);
      assert.deepEqual(removed, []);
      // Nobody is told that this node knows the other shard.
      assert.deepEqual(peers[0]?.speaking(), []);
      assert.ok(host.connectedPeers() > 0);
      assert.equal(part.protocols[0]?.snapshot().active, 1);
      for (const { block } of recordedChain(shardId).blocks) {
        if (block.incomingReceiptItems().length === 0) continue;
        assert.deepEqual((await store.blockAt(block.number))?.bytes, block.bytes, "served as it came");
      }
    });
  });
}

Deno.test("a node without incoming receipts opens nothing", async () => {
  const store = await memoryStore(PARAMS, 0);
  const own = await host();
  const { config } = loadConfig({
    flags: parseArgv(localFlags("/nonexistent"), FLAGS).flags,
    env: () => undefined,
  });
  const parts = { clock, random: new SeededRandom(5), logger: nullLogger, meter: nullMeter };
  const part = new SourceHeaders({ config, params: PARAMS, host: own, store, parts });
  part.start();
  part.prover.notice();
  assert.equal(await part.peersOf(2), undefined, "no such shard");
  assert.equal(await part.peersOf(4_000_000_000), undefined);
  await part.stop();
  assert.deepEqual(part.protocols, []);
  assert.equal(await part.peersOf(1), undefined, "it has stopped");
  await own.stop();
  await store.close();
});

Deno.test("what waits longer than a minute is named in the status", () => {
  const now = Date.parse("2026-01-01T00:05:00Z");
  const bodies = {
    proven: 3,
    waiting: 2,
    lowest: 7,
    since: "2026-01-01T00:04:30Z",
    reasons: { nobody: 2, lacking: 0, other: 0 },
    doubtful: 0,
    givenUp: 0,
    lookedTo: 9,
    streams: [],
  };
  assert.deepEqual(bodyWaits(undefined, now), []);
  assert.deepEqual(bodyWaits(bodies, now), []);
  const [wait] = bodyWaits({ ...bodies, since: "2026-01-01T00:03:00Z" }, now);
  assert.match(wait?.what ?? "", /headers of other shards.* of 2 blocks$/);
  assert.equal(wait?.since, now - 120_000);
  const disputed = { ...bodies, since: null, reasons: { nobody: 0, lacking: 0, other: 2 } };
  assert.deepEqual(bodyWaits(disputed, now), []);
});

/** The recorded chain with other header fields in every block. */
function altering(change: (fields: HeaderFields) => Partial<HeaderFields>): RecordedChain {
  const chain = new RecordedChain(1);
  for (const { block } of recordedChain(1).blocks.slice(1)) {
    const header = makeHeader({ ...block.header, ...change(block.header) });
    chain.forged.set(block.number, { bytes: encodeBlock({ ...block.body, header }) });
  }
  return chain;
}
const LIARS: ReadonlyArray<
  { readonly what: string; readonly reader: () => ChainReader; readonly caught: boolean }
> = [
  {
    what: "headers of another branch",
    reader: () => altering(() => ({ parentHash: new Uint8Array(32).fill(3) })),
    caught: false,
  },
  {
    what: "a forged signature",
    reader: () => altering(() => ({ lastCommitSignature: new Uint8Array(96).fill(3) })),
    caught: false,
  },
  {
    what: "a bitmap of its own beside the true signature",
    reader: () =>
      altering(({ lastCommitBitmap }) => ({ lastCommitBitmap: lastCommitBitmap.map((b) => b ^ 1) })),
    caught: false,
  },
  {
    what: "a header of another number",
    reader: () => altering(({ number }) => ({ number: number + 1 })),
    caught: true,
  },
];

for (const { what, reader, caught } of LIARS) {
  Deno.test(`over libp2p a liar with ${what} proves nothing, and cannot keep an honest node from proving`, async () => {
    const liar = await serve(1, reader());
    let honest: Peer | undefined;
    await withBench(0, [liar], async ({ part, store, host, removed, until }) => {
      await until(() => caught ? removed.length > 0 : part.status().reasons.other === TAKING[0]);
      assert.equal(await proven(store), 0);
      honest = await serve(1, new RecordedChain(1));
      try {
        // As a discovery would find it.
        await host.connect(honest.address, { timeoutMs: 30_000 });
        await until(() => part.status().proven === TAKING[0]);
        assert.equal(await proven(store), TAKING[0]);
        assert.deepEqual(removed.map((e) => e.id), caught ? [liar.id] : []);
        assert.ok(part.protocols[0]?.streams().some((s) => s.id === honest?.id));
      } finally {
        await part.stop();
        await honest.stop();
      }
    });
  });
}

Deno.test("over libp2p a silent node holds nobody up, and stopping does not wait for it", async () => {
  const released = Promise.withResolvers<undefined>();
  const chain = new RecordedChain(1);
  const silent: ChainReader = {
    head: () => chain.head(),
    lowest: () => 0,
    hashAt: (n) => chain.hashAt(n),
    numberOf: (h) => chain.numberOf(h),
    receiptsAt: (n) => chain.receiptsAt(n),
    blockAt: () => released.promise,
  };
  const peers = [await serve(1, silent), await serve(1, chain)];
  try {
    await withBench(0, peers, async ({ part, store, until }) => {
      // The questions that the silent one holds are put to the other when its time is up; all the others at once.
      await until(() => part.status().proven >= TAKING[0] - 10);
      assert.ok(await proven(store) >= TAKING[0] - 10);
      const begun = clock.monotonic();
      await part.stop();
      // Its request would be given up after minutes.
      assert.ok(clock.monotonic() - begun < 60_000);
      released.resolve(undefined);
    });
  } finally {
    released.resolve(undefined);
  }
});
