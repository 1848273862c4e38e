/** Stores checked again, certified after the fact, and held against anchors. */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { type NetworkParams, networkParams } from "../../src/chain/mod.ts";
import { AnchorBook } from "../../src/consensus/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import {
  appendRow,
  certifyOnOpen,
  requireAnchors,
  type StoreProgress,
  verifyStore,
} from "../../src/sync/mod.ts";
import { ChainBuilder, forgeNext } from "../builder/mod.ts";
import { at, hashAt, tip } from "./support/chains.ts";
import {
  CountingCurves,
  curves,
  delivered,
  flipped,
  memoryStore,
  recordedChain,
  signedChain,
  signedNetwork,
  type TestChain,
} from "./support/certified.ts";

const LOCALNET = networkParams("localnet");

/** A store as it was made before certificates were checked: side-cars kept as they came. */
async function linkedStore(params: NetworkParams, chain: TestChain, shardId = 0): Promise<ChainStore> {
  const store = await memoryStore(params, shardId);
  for (let n = 1; n < chain.blocks.length; n += 128) {
    const rows = chain.blocks.slice(n, n + 128).map(({ block, commitSig }) =>
      appendRow(block, { assurance: "linked", commitSig }, params)
    );
    await store.append(rows);
  }
  return store;
}
/** The store with some answers changed. */
function tampered(store: ChainStore, changes: Partial<ChainStore>): ChainStore {
  return new Proxy(store, {
    get(target, name) {
      const change = changes[name as keyof ChainStore];
      if (change !== undefined) return change;
      const value = target[name as keyof ChainStore];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

for (const shardId of [0, 1] as const) {
  Deno.test(`the recorded store of shard ${shardId} is in order, and checking it changes nothing`, async () => {
    const chain = recordedChain(shardId);
    const store = await linkedStore(LOCALNET, chain, shardId);
    try {
      const progress: StoreProgress[] = [];
      const report = await verifyStore(store, LOCALNET, curves, { onProgress: (p) => progress.push(p) });
      assert.equal(report.failure, undefined);
      assert.deepEqual([report.from, report.to, report.blocks], [1, tip(chain), tip(chain)]);
      assert.equal(progress.at(-1)?.number, tip(chain));
      assert.equal(store.lowestAssurance(), "linked");
      assert.equal(store.head().number, tip(chain));
    } finally {
      await store.close();
    }
  });
}

Deno.test("a range is checked by the committees below it, and all signatures when asked", async () => {
  const chain = recordedChain(0);
  const store = await linkedStore(LOCALNET, chain);
  try {
    const certificates = new CountingCurves();
    const report = await verifyStore(store, LOCALNET, certificates, {
      from: 60,
      to: 150,
      allSignatures: true,
    });
    assert.deepEqual({ ...report, certificates: undefined }, {
      from: 60,
      to: 150,
      blocks: 91,
      certificates: undefined,
      failure: undefined,
      disputes: { count: 0, named: [] },
    });
    // The one of block 59, in block 60's header, is looked at too.
    assert.equal(certificates.certificates, 92);
    assert.equal(report.certificates, 92);
    const refused = (e: unknown) => e instanceof HsyncError && e.code === "STORE_NO_BLOCK";
    await assert.rejects(verifyStore(store, LOCALNET, curves, { from: 10_000 }), refused);
    await assert.rejects(verifyStore(store, LOCALNET, curves, { from: 5, to: 4 }), refused);
    await assert.rejects(
      verifyStore(store, LOCALNET, curves, { signal: AbortSignal.abort() }),
      (e: unknown) => e instanceof HsyncError && e.code === "CANCELLED",
    );
  } finally {
    await store.close();
  }
});

Deno.test("the first block that is not in order is named, with the reason", async () => {
  const chain = recordedChain(0);
  const store = await linkedStore(LOCALNET, chain);
  const wrong = new Uint8Array(32).fill(7);
  const withReceipts = chain.blocks.find((b) => b.block.transactionItems().length > 0 && b.block.number > 40);
  assert.ok(withReceipts !== undefined);
  const [item] = withReceipts.block.transactionItems();
  assert.ok(item !== undefined);
  const insideTransaction = item.byteOffset - withReceipts.block.bytes.byteOffset + item.length - 5;
  const handOver = chain.blocks.find((b) => b.block.number > 40 && b.block.header.shardState.length > 0);
  assert.ok(handOver !== undefined);
  const bodyOf = async (number: number, change: (bytes: Uint8Array) => Uint8Array) => {
    const block = await store.blockAt(number);
    assert.ok(block !== undefined);
    return { ...block, bytes: change(block.bytes) };
  };
  const cases: Array<[number, string | RegExp, Partial<ChainStore>]> = [
    [50, "STORED_BLOCK_HASH", { hashAt: (n) => n === 50 ? Promise.resolve(wrong) : store.hashAt(n) }],
    [51, "STORED_BLOCK_HASH", { numberOf: (h) => store.numberOf(h).then((n) => n === 51 ? 52 : n) }],
    [52, "STORED_BLOCK_MISSING", {
      blockAt: (n) => n === 52 ? Promise.resolve(undefined) : store.blockAt(n),
    }],
    [53, "STORE_DAMAGED", {
      blockAt: (n) => n === 53 ? Promise.reject(new HsyncError("STORE_DAMAGED", "torn")) : store.blockAt(n),
    }],
    [withReceipts.block.number, /^(BLOCK_|RLP_|TX_)/, {
      blockAt: (n) =>
        n === withReceipts.block.number
          ? bodyOf(n, (bytes) => flipped(bytes, 8 * insideTransaction))
          : store.blockAt(n),
    }],
    [withReceipts.block.number, "STORED_RECEIPTS", {
      receiptsAt: (n) => Promise.resolve(n === withReceipts.block.number ? [] : undefined),
    }],
    [handOver.block.number, "STORED_COMMITTEES", {
      shardStateAt: async (e) => {
        const bytes = await store.shardStateAt(e);
        return e === handOver.block.header.epoch + 1 && bytes !== undefined ? flipped(bytes, 900) : bytes;
      },
    }],
  ];
  try {
    for (const [number, code, changes] of cases) {
      const report = await verifyStore(tampered(store, changes), LOCALNET, curves);
      assert.equal(report.failure?.number, number, String(code));
      if (typeof code === "string") assert.equal(report.failure?.error.code, code);
      else assert.match(report.failure?.error.code ?? "", code);
      assert.equal(report.blocks, number - 1);
    }
    const anchors = new AnchorBook({ anchors: [{ shardId: 0, number: 70, hash: wrong }], never: [] });
    const report = await verifyStore(store, LOCALNET, curves, { anchors });
    assert.equal(report.failure?.number, 70);
    assert.equal(report.failure?.error.code, "ANCHOR_BREACH");
  } finally {
    await store.close();
  }
});

Deno.test("a store that is linked only becomes signed; a second opening has nothing to do", async () => {
  for (const shardId of [0, 1] as const) {
    const chain = recordedChain(shardId);
    const store = await linkedStore(LOCALNET, chain, shardId);
    try {
      const done = await certifyOnOpen(store, LOCALNET, curves);
      assert.deepEqual(done, { raised: tip(chain), removed: 0, reason: undefined });
      assert.equal(store.lowestAssurance(), "signed");
      assert.equal(store.head().number, tip(chain));
      let proven = 0;
      for (let n = 1; n <= tip(chain); n++) if ((await store.recordAt(n))?.body === "proven") proven++;
      assert.equal(proven, shardId === 0 ? 54 : 0);
      const certificates = new CountingCurves();
      assert.deepEqual((await certifyOnOpen(store, LOCALNET, certificates)).raised, 0);
      assert.equal(certificates.calls, 0);
    } finally {
      await store.close();
    }
  }
});

Deno.test("what cannot be certified is removed, down to the highest block that can", async () => {
  const network = signedNetwork({ seed: 71, epochLength: 20, electedSlots: 3 });
  const builder = ChainBuilder.start(network);
  const good = [delivered(builder.head)];
  while (builder.head.number < 30) good.push(delivered(builder.next()));
  const forged = [...good];
  const fork = builder.fork(1);
  for (let i = 0; i < 5; i++) forged.push(delivered(forgeNext(fork, "below-quorum")));
  const whole = signedChain(network, 40);
  const cases: Array<{ readonly blocks: TestChain["blocks"]; readonly keeps: number }> = [
    { blocks: forged, keeps: 30 },
    // Only the head's certificate is bad, and nobody else's stands for it.
    {
      blocks: [...whole.blocks.slice(0, 40), { ...at(whole, 40), commitSig: new Uint8Array(97) }],
      keeps: 39,
    },
    { blocks: whole.blocks, keeps: 40 },
  ];
  for (const { blocks, keeps } of cases) {
    const store = await linkedStore(network.params, { blocks });
    try {
      const done = await certifyOnOpen(store, network.params, curves);
      assert.equal(done.raised, keeps);
      assert.equal(done.removed, blocks.length - 1 - keeps);
      assert.equal(done.reason === undefined, done.removed === 0);
      assert.deepEqual(store.head(), { number: keeps, hash: hashAt({ blocks }, keeps) });
      assert.equal(store.lowestAssurance(), "signed");
      // The new head's certificate is a good one.
      const report = await verifyStore(store, network.params, curves);
      assert.equal(report.failure, undefined);
      assert.ok(await store.commitSigAt(keeps) !== undefined);
    } finally {
      await store.close();
    }
  }
});

Deno.test("a store of which nothing is genuine is emptied to its first block", async () => {
  const network = signedNetwork({ seed: 72, epochLength: 20, electedSlots: 3 });
  const other = signedNetwork({ seed: 73, epochLength: 20, electedSlots: 3 });
  const builder = ChainBuilder.start(network);
  const stranger = ChainBuilder.start(other);
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 10) {
    blocks.push(delivered(builder.next({ certify: (block) => stranger.honestCertificate(block) })));
  }
  const store = await linkedStore(network.params, { blocks });
  try {
    const done = await certifyOnOpen(store, network.params, curves);
    assert.equal(done.raised, 0);
    assert.equal(done.removed, 10);
    assert.equal(done.reason?.code, "STORED_CERTIFICATE");
    assert.equal(store.head().number, 0);
  } finally {
    await store.close();
  }
});

Deno.test("certifying goes on where it was cut off", async () => {
  const chain = recordedChain(0);
  const store = await linkedStore(LOCALNET, chain);
  try {
    const stop = new AbortController();
    await assert.rejects(
      certifyOnOpen(store, LOCALNET, curves, { signal: stop.signal, onProgress: () => stop.abort() }),
      (e: unknown) => e instanceof HsyncError && e.code === "CANCELLED",
    );
    const { certified } = await store.info();
    assert.ok(certified > 0 && certified < tip(chain));
    const done = await certifyOnOpen(store, LOCALNET, curves);
    assert.equal(done.raised, tip(chain) - certified);
    assert.equal(store.lowestAssurance(), "signed");
  } finally {
    await store.close();
  }
});

Deno.test("a store on the wrong side of an anchor, or with a known-bad block, is refused with exit 11", async () => {
  const chain = recordedChain(1);
  const store = await linkedStore(LOCALNET, chain, 1);
  const breach = (e: unknown) => e instanceof HsyncError && e.code === "ANCHOR_BREACH" && e.exitCode === 11;
  try {
    const anchor = (number: number, hash: Uint8Array) => ({ shardId: 1, number, hash });
    const bad = (hash: Uint8Array) => ({ shardId: 1, hash });
    await requireAnchors(store, new AnchorBook({ anchors: [anchor(9, hashAt(chain, 9))], never: [] }));
    await requireAnchors(store, new AnchorBook({ anchors: [anchor(9_999, hashAt(chain, 9))], never: [] }));
    await requireAnchors(store, new AnchorBook({ anchors: [], never: [bad(hashAt(recordedChain(0), 9))] }));
    await assert.rejects(
      requireAnchors(store, new AnchorBook({ anchors: [anchor(9, hashAt(chain, 8))], never: [] })),
      breach,
    );
    await assert.rejects(
      requireAnchors(store, new AnchorBook({ anchors: [], never: [bad(hashAt(chain, 99))] })),
      breach,
    );
  } finally {
    await store.close();
  }
});
