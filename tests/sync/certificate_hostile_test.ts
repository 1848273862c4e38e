/** Thirty liars and one honest peer, with certificates on: what the whole pipeline makes of it. */
import assert from "node:assert/strict";
import { equalBytes, ManualClock } from "../../src/base/mod.ts";
import {
  decodeBlock,
  encodeBlock,
  encodeCXReceiptsProof,
  makeHeader,
  networkParams,
} from "../../src/chain/mod.ts";
import { type ConflictEvidence, ConflictingCertificates } from "../../src/consensus/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { ChainBuilder, forgeNext, type Forgery } from "../builder/mod.ts";
import { at, hashAt, type TestChain, tip } from "./support/chains.ts";
import {
  certifying,
  delivered,
  flipped,
  memoryStore,
  recordedChain,
  signedChain,
  signedNetwork,
  withSideCar,
} from "./support/certified.ts";
import type { Script } from "./support/peers.ts";
import { Rig } from "./support/rig.ts";

const SEED = 83;
const NETWORK = signedNetwork({ seed: SEED, epochLength: 16, electedSlots: 3 });
const HONEST = signedChain(NETWORK, 70, { absence: 0 });
const LIARS = 30;

/** The honest chain up to `from - 1`, then forged blocks up to `to`. */
function forkedAt(from: number, to: number, kind: Forgery): TestChain {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  const blocks = HONEST.blocks.slice(0, from);
  while (builder.head.number < from - 1) builder.next();
  assert.ok(equalBytes(builder.head.hash, hashAt(HONEST, from - 1)));
  const fork = builder.fork(1);
  const rest = kind === "epoch-jump" ? "noise-signature" : kind;
  for (let n = from; n <= to; n++) blocks.push(delivered(forgeNext(fork, n === from ? kind : rest)));
  return { blocks };
}

interface Outcome {
  readonly rig: Rig;
  readonly store: ChainStore;
}

async function against(
  liar: Script,
  check: (outcome: Outcome) => Promise<void> | void,
  options: { readonly liars?: number; readonly honest?: Script; readonly ms?: number } = {},
): Promise<void> {
  const clock = new ManualClock();
  const store = await memoryStore(NETWORK.params, 0, clock);
  const rig = new Rig(store, {
    clock,
    verifier: certifying(store, NETWORK.params, { clock }),
    minPeers: 4,
    initStreams: 4,
    concurrency: 6,
  });
  try {
    for (let i = 0; i < (options.liars ?? LIARS); i++) {
      rig.peers.add(`liar${i}`, { latencyMs: 3 + i, ...liar });
    }
    rig.peers.add("honest", options.honest ?? { chain: HONEST, latencyMs: 40 });
    rig.driver.start();
    await rig.until(
      () => store.head().number >= tip(HONEST) && equalBytes(store.head().hash, hashAt(HONEST, tip(HONEST))),
      // Virtual time runs ahead of real writes.
      options.ms ?? 3_600_000,
      20,
    );
    for (let n = 1; n <= tip(HONEST); n++) {
      assert.deepEqual(await store.hashAt(n), hashAt(HONEST, n), `block ${n}`);
      assert.equal((await store.recordAt(n))?.assurance, "signed");
    }
    for (const { id, fault } of rig.peers.reports) {
      assert.match(id, /^liar/);
      assert.equal(fault, "DATA");
    }
    assert.ok(rig.peers.has("honest"));
    assert.equal(rig.driver.status().assurance.lowest, "signed");
    await check({ rig, store });
  } finally {
    await rig.stop();
    await store.close();
  }
}

const KINDS: readonly Forgery[] = [
  "noise-signature",
  "old-committee",
  "below-quorum",
  "short-bitmap",
  "swapped-signature",
  "infinity-signature",
  "infinity-everything",
  "epoch-jump",
];
for (const kind of KINDS) {
  // T-10
  Deno.test(`${LIARS} peers with the same fork ("${kind}") and one honest peer: the head is reached, and all liars are convicted (seed ${SEED})`, async () => {
    // Above the honest head they claim something that is always tried.
    await against({ chain: forkedAt(25, tip(HONEST) + 5, kind) }, async ({ rig }) => {
      await rig.until(() => rig.peers.streams().length === 1, 3_600_000, 20);
      assert.equal(new Set(rig.peers.reports.map((r) => r.id)).size, LIARS);
      assert.ok(rig.peers.has("honest"));
    });
  });
}

Deno.test("a fork that is longer, and forks of several lengths and places, do not hold the honest chain up", async () => {
  const forks = [
    forkedAt(33, 90, "below-quorum"),
    forkedAt(12, 70, "noise-signature"),
    forkedAt(51, 64, "old-committee"),
  ];
  const clock = new ManualClock();
  const store = await memoryStore(NETWORK.params, 0, clock);
  const rig = new Rig(store, {
    clock,
    verifier: certifying(store, NETWORK.params, { clock }),
    concurrency: 6,
  });
  try {
    for (let i = 0; i < 12; i++) {
      rig.peers.add(`liar${i}`, { chain: forks[i % 3] as TestChain, latencyMs: 5 + i });
    }
    rig.peers.add("honest", { chain: HONEST, latencyMs: 35 });
    rig.driver.start();
    await rig.until(() => equalBytes(store.head().hash, hashAt(HONEST, tip(HONEST))), 300_000, 20);
    assert.ok(rig.peers.has("honest"));
    assert.ok(rig.peers.reports.every((r) => r.id.startsWith("liar")));
  } finally {
    await rig.stop();
    await store.close();
  }
});

Deno.test(`${LIARS} peers with bad certificates beside good blocks are removed one by one`, async () => {
  const spoiled = { blocks: HONEST.blocks.map((b) => withSideCar(b, flipped(b.commitSig, 3))) };
  await against({ chain: spoiled }, () => {});
});

Deno.test(`${LIARS} peers that serve a certified-looking child on the honest tip's parent`, async () => {
  const last = tip(HONEST);
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < last - 5) builder.next();
  const fork = builder.fork(2);
  const liars: DeliveredBlock[] = [...HONEST.blocks.slice(0, last - 4)];
  // Its header carries the certificate of another block; its own is made by the right committee.
  liars.push(
    delivered(fork.next({ header: { lastCommitSignature: at(HONEST, 3).commitSig.subarray(0, 96) } })),
  );
  await against({ chain: { blocks: liars }, claims: () => last }, () => {});
});

/** Forged incoming receipts that hold together, by what they are made of. */
const RECEIPT_FORGERIES: Readonly<
  Record<string, (chain: TestChain, b: DeliveredBlock) => readonly Uint8Array[]>
> = {
  "of a source block made up": (_, b) => {
    const [proof] = b.block.incomingReceipts();
    if (proof === undefined) return [];
    const header = makeHeader({ ...proof.header, gasUsed: proof.header.gasUsed + 1n });
    const merkleProof = { ...proof.merkleProof, blockHash: header.hash };
    return [encodeCXReceiptsProof({ ...proof, header, merkleProof })];
  },
  "that a later block will take in": (chain, b) =>
    takerFrom(chain, b.block.number + 3, 1)?.block.incomingReceiptItems() ?? [],
  "that an earlier block has taken in": (chain, b) =>
    takerFrom(chain, b.block.number - 3, -1)?.block.incomingReceiptItems() ?? [],
};
function takerFrom(chain: TestChain, from: number, step: 1 | -1): DeliveredBlock | undefined {
  for (let n = from; n > 0 && n <= tip(chain); n += step) {
    if (at(chain, n).block.incomingReceiptItems().length > 0) return at(chain, n);
  }
  return undefined;
}

for (const [what, forge] of Object.entries(RECEIPT_FORGERIES)) {
  Deno.test(`forged incoming receipts ${what}: the head is reached, no honest peer is blamed, no forgery is proven`, async () => {
    const chain = recordedChain(0);
    const forged = {
      blocks: chain.blocks.map((b) => {
        const items = b.block.incomingReceiptItems().length === 0 ? [] : forge(chain, b);
        if (items.length === 0) return b;
        const bytes = encodeBlock({ header: b.block.header, ...b.block.body, incomingReceipts: items });
        return { ...b, block: decodeBlock(bytes) };
      }),
    };
    const params = networkParams("localnet");
    const clock = new ManualClock();
    const store = await memoryStore(params, 0, clock);
    const rig = new Rig(store, { clock, verifier: certifying(store, params, { clock }), concurrency: 6 });
    try {
      for (let i = 0; i < LIARS; i++) rig.peers.add(`liar${i}`, { chain: forged, latencyMs: 5 + i });
      rig.peers.add("honest", { chain, latencyMs: 5 });
      rig.driver.start();
      // Virtual time runs ahead of real writes.
      await rig.until(() => store.head().number >= tip(chain), 3_600_000, 20);
      assert.ok(rig.peers.has("honest"));
      for (const { id, text } of rig.peers.reports) assert.match(id, /^liar/, text);
      for (let n = 1; n <= tip(chain); n++) {
        const record = await store.recordAt(n);
        assert.equal(record?.assurance, "signed");
        const bytes = (await store.blockAt(n))?.bytes;
        if (record?.body === "proven") {
          assert.deepEqual(bytes, at(chain, n).block.bytes, "a forgery counts as proven");
        }
      }
    } finally {
      await rig.stop();
      await store.close();
    }
  });
}

Deno.test(`two certified chains: the node stops at the fork, keeps both sides, and says so (seed ${SEED})`, async () => {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < 40) builder.next();
  const fork = builder.fork(4);
  const other = { blocks: HONEST.blocks.slice(0, 41) };
  for (let n = 41; n <= 75; n++) other.blocks.push(delivered(fork.next()));
  const clock = new ManualClock();
  const store = await memoryStore(NETWORK.params, 0, clock);
  const evidence: ConflictEvidence[] = [];
  const rig = new Rig(store, {
    clock,
    verifier: certifying(store, NETWORK.params, { clock }, evidence),
  });
  try {
    rig.peers.add("one", { chain: HONEST });
    rig.driver.start();
    await rig.until(() => store.head().number === tip(HONEST), 60_000, 20);
    rig.peers.add("two", { chain: other });
    await rig.until(() => rig.event("failed").length > 0, 60_000, 20);
    const [failed] = rig.event("failed");
    assert.ok(failed?.error instanceof ConflictingCertificates);
    assert.equal(failed.error.exitCode, 11);
    assert.equal(evidence.length, 1);
    assert.deepEqual(evidence[0]?.ours.hash, hashAt(HONEST, tip(HONEST)));
    assert.deepEqual(evidence[0]?.theirs.hash, hashAt(other, tip(HONEST)));
    assert.deepEqual(store.head(), { number: tip(HONEST), hash: hashAt(HONEST, tip(HONEST)) });
    assert.deepEqual(rig.peers.reports, [], "nobody is to blame for showing it");
    const status = rig.driver.status();
    assert.ok(status.stalled);
    assert.match(status.waiting[0]?.what ?? "", /^the operator's decision: two blocks .* are certified/);
    assert.equal(status.target, undefined, "nobody is asked any more");
  } finally {
    await rig.stop();
    await store.close();
  }
});
