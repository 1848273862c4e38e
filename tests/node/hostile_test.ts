import assert from "node:assert/strict";
import { nullLogger, SeededRandom, SystemClock } from "../../src/base/mod.ts";
import { RecentErrors } from "../../src/api/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { HsyncNode, importInto, makeVerifier, openChain, paramsOf } from "../../src/node/mod.ts";
import { decodeBlock } from "../../src/chain/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { ChainReader, StreamEvent } from "../../src/stream/mod.ts";
import { vectorBytes } from "../vectors/load.ts";
import { type Peer, startPeer as startServing } from "./peers.ts";
import { localFlags } from "./support.ts";

const HEAD = 426;
const clock = new SystemClock();

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

function configOf(dir: string, more: readonly string[] = []) {
  return loadConfig({
    flags: parseArgv(localFlags(dir, ["--prometheus=false", ...more]), FLAGS).flags,
    env: () => undefined,
  });
}

/** The recorded chain in memory. */
async function recordedStore(): Promise<ChainStore> {
  const { config } = configOf("/nonexistent");
  const params = paramsOf(config);
  const store = await openChain({ params, shardId: 0, location: { kind: "memory" }, clock });
  const judge = makeVerifier({ params, store, config: config.sync, logger: nullLogger, clock });
  try {
    await importInto(
      { store, params, shardId: 0, verifier: judge.verifier },
      once(await vectorBytes("localnet/s0.blocks.jsonl.gz")),
    );
  } finally {
    await judge.close();
  }
  return store;
}

/** A peer of real libp2p whose answers a test decides. */
const startPeer = (reader: ChainReader) => startServing([{ service: "sync", shardId: 0, reader }]);

/** The store's answers with some of them changed. */
function altered(store: ChainStore, change: Partial<ChainReader>): ChainReader {
  return {
    head: () => store.head(),
    lowest: () => store.lowest(),
    hashAt: (n) => store.hashAt(n),
    numberOf: (h) => store.numberOf(h),
    blockAt: (n) => store.blockAt(n),
    receiptsAt: (n) => store.receiptsAt(n),
    ...change,
  };
}

/** Flips one byte of the block at `number` and every so many after it, counted from the start or (negative) from the end. */
function flips(store: ChainStore, number: number, offset: number, every = 5): ChainReader {
  return altered(store, {
    blockAt: async (n) => {
      const row = await store.blockAt(n);
      if (row === undefined || n % every !== number % every) return row;
      const bytes = row.bytes.slice();
      const at = offset < 0 ? bytes.length + offset : offset;
      bytes[at] = (bytes[at] as number) ^ 1;
      return { ...row, bytes };
    },
  });
}

/** Flips a byte of the first transaction of every block that has one. */
function flipsTransactions(store: ChainStore): ChainReader {
  return altered(store, {
    blockAt: async (n) => {
      const row = await store.blockAt(n);
      if (row === undefined) return row;
      const bytes = row.bytes.slice();
      const [item] = decodeBlock(bytes).transactionItems();
      // An item is a view of the block: its last byte is the last of the signature.
      if (item !== undefined) item[item.length - 1] = (item[item.length - 1] as number) ^ 1;
      return { ...row, bytes };
    },
  });
}

const LIARS: ReadonlyArray<
  { readonly what: string; readonly reader: (s: ChainStore) => ChainReader }
> = [
  { what: "flips a byte in headers", reader: (s) => flips(s, 20, 120) },
  { what: "flips a byte in transactions", reader: flipsTransactions },
  { what: "breaks the structure of blocks", reader: (s) => flips(s, 30, 1) },
];

for (const { what, reader } of LIARS) {
  Deno.test(`a peer that ${what} is removed as a liar; one that is silent and one that is behind are not, and sync completes`, async () => {
    const dir = await Deno.makeTempDir();
    const store = await recordedStore();
    const peers: Peer[] = [];
    let node: HsyncNode | undefined;
    let release = () => {};
    try {
      const liar = await startPeer(reader(store));
      const behind = await startPeer(
        altered(store, {
          head: () => ({ number: HEAD - 1, hash: store.head().hash }),
          hashAt: (n) => n >= HEAD ? Promise.resolve(undefined) : store.hashAt(n),
          blockAt: (n) => n >= HEAD ? Promise.resolve(undefined) : store.blockAt(n),
        }),
      );
      // Answers heights, then says nothing more.
      const released = Promise.withResolvers<undefined>();
      const never = () => released.promise;
      const silent = await startPeer(altered(store, { hashAt: never, blockAt: never }));
      release = () => released.resolve(undefined);
      const honest = await startPeer(store);
      peers.push(liar, behind, silent, honest);
      const trusted: string[] = [];
      for (const p of peers) trusted.push("--bootnodes", p.address);
      const loaded = configOf(dir, [
        ...trusted,
        "--sync.min-peers",
        "4",
        "--sync.init-peers",
        "4",
        "--sync.insert-batch",
        "32",
      ]);
      node = await HsyncNode.start({
        loaded,
        clock,
        random: new SeededRandom(1),
        logger: nullLogger,
        errors: new RecentErrors(),
      });
      const removed: StreamEvent[] = [];
      node.protocol.on((event) => event.type === "removed" && removed.push(event));
      const driver = node.driver;
      assert.ok(driver !== undefined);
      const head = await new Promise<number>((resolve, reject) => {
        driver.on((event) => {
          if (event.type === "synced" && event.head.number === HEAD) resolve(event.head.number);
          else if (event.type === "failed") reject(event.error);
        });
      });
      assert.equal(head, HEAD);
      assert.deepEqual(node.store.head().hash, store.head().hash);
      const critical = removed.flatMap((e) => e.type === "removed" && e.critical ? [e.id] : []);
      assert.deepEqual(critical, [liar.id]);
      assert.ok(node.protocol.streams().some((s) => s.id === behind.id), "the peer that was behind is gone");
    } finally {
      await node?.stop();
      release();
      for (const peer of peers) await peer.stop();
      await store.close();
      await Deno.remove(dir, { recursive: true });
    }
  });
}
