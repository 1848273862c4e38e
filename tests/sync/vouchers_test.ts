/** Peers that only vouch for a block whose bytes were found to be wrong: asked, judged by what they send, or in nobody's way. */
import assert from "node:assert/strict";
import { equalBytes, ManualClock } from "../../src/base/mod.ts";
import type { BatchVerifier, Culprit } from "../../src/sync/mod.ts";
import { DownloadCore } from "../../src/sync/download_core.ts";
import type { Effect, Order, ProofOrder } from "../../src/sync/orders.ts";
import { fetched } from "../../src/sync/staging.ts";
import { VoucherCheck } from "../../src/sync/voucher_check.ts";
import { Vouchers } from "../../src/sync/vouchers.ts";
import { ChainBuilder, forgeNext, type Forgery } from "../builder/mod.ts";
import { at, hashAt, madeChain, type TestChain, tip } from "./support/chains.ts";
import {
  certifying,
  delivered,
  flipped,
  memoryStore,
  signedChain,
  signedNetwork,
  withSideCar,
} from "./support/certified.ts";
import type { Script } from "./support/peers.ts";
import { Rig } from "./support/rig.ts";

const SEED = 97;
const NETWORK = signedNetwork({ seed: SEED, epochLength: 16, electedSlots: 3 });
const HONEST = signedChain(NETWORK, 60, { absence: 0 });
const FORKS_AT = 35;
const LIARS = 30;

/** The honest chain below `FORKS_AT`, forged blocks up to `to`. */
function fork(kind: Forgery, to = tip(HONEST) + 5): TestChain {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < FORKS_AT - 1) builder.next();
  const branch = builder.fork(1);
  const blocks = HONEST.blocks.slice(0, FORKS_AT);
  while (blocks.length <= to) blocks.push(delivered(forgeNext(branch, kind)));
  return { blocks };
}

/** ms; virtual time runs ahead of real writes. */
const LONG = 3_600_000;

async function rigged(run: (rig: Rig, reached: () => boolean) => Promise<void>): Promise<void> {
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
    await run(rig, () => equalBytes(store.head().hash, hashAt(HONEST, tip(HONEST))));
  } finally {
    await rig.stop();
    await store.close();
  }
}
const blamed = (rig: Rig) => new Set(rig.peers.reports.map((r) => r.id));
/** Questions for exactly the first bad block and the one after. */
const proofs = (rig: Rig, id: string) =>
  rig.peers.requests.filter((r) =>
    r.kind === "bodies" && r.id === id && r.numbers[0] === FORKS_AT && r.numbers.length <= 2
  ).length;

// T-10
Deno.test(`${LIARS} peers with three forks: each is convicted by its own bytes, the honest peer is not, and nothing is waited for (seed ${SEED})`, async () => {
  const kinds: Forgery[] = ["below-quorum", "old-committee", "epoch-jump"];
  const forks = kinds.map((kind) => fork(kind === "epoch-jump" ? "noise-signature" : kind));
  await rigged(async (rig, reached) => {
    for (let i = 0; i < LIARS; i++) {
      rig.peers.add(`liar${i}`, { chain: forks[i % 3] as TestChain, latencyMs: 3 + i });
    }
    rig.peers.add("honest", { chain: HONEST, latencyMs: 40 });
    rig.driver.start();
    await rig.until(() => reached() && blamed(rig).size === LIARS, LONG, 20);
    assert.ok(rig.peers.has("honest"));
    for (const { id, fault } of rig.peers.reports) {
      assert.match(id, /^liar/);
      assert.equal(fault, "DATA");
    }
    for (let i = 0; i < LIARS; i++) assert.ok(proofs(rig, `liar${i}`) <= 1, `liar${i} was asked again`);
    await rig.until(() => rig.driver.status().driver === "Synced", LONG, 20);
    const status = rig.driver.status();
    assert.equal(status.target?.height, tip(HONEST));
    assert.deepEqual(status.waiting, []);
    assert.ok(status.diagnosis.every((d) => d.code !== "BAD_BLOCK"), JSON.stringify(status.diagnosis));
  });
});

Deno.test("with liars alone all are convicted, and the peer that comes after them is followed to the head", async () => {
  await rigged(async (rig, reached) => {
    for (let i = 0; i < 10; i++) rig.peers.add(`liar${i}`, { chain: fork("below-quorum") });
    rig.driver.start();
    await rig.until(() => blamed(rig).size === 10, LONG, 20);
    rig.peers.add("honest", { chain: HONEST });
    await rig.until(reached, LONG, 20);
    assert.ok(!blamed(rig).has("honest"));
  });
});

/** Names a fork's hashes without having its blocks. */
const passesOn = (silent: boolean): Script => {
  const named = fork("below-quorum");
  return {
    chain: HONEST,
    claims: () => tip(named),
    hashes: (numbers) => numbers.map((n) => named.blocks[n]?.block.hash),
    bodies: (_, honest) => honest.filter(({ block }) => block.number < FORKS_AT),
    silent: (kind) => silent && kind === "bodies",
  };
};
for (const silent of [false, true]) {
  const how = silent ? "does not answer" : "has not got its blocks";
  Deno.test(`who passed a fork's hashes on and ${how} is not blamed, and makes way where nobody has anything usable`, async () => {
    await rigged(async (rig, reached) => {
      rig.peers.add("liar", { chain: fork("below-quorum"), latencyMs: 1 });
      for (let i = 0; i < 6; i++) rig.peers.add(`bystander${i}`, passesOn(silent));
      rig.driver.start();
      await rig.until(() => blamed(rig).has("liar"), LONG, 20);
      await rig.until(() => rig.peers.streams().length === 0, LONG, 20);
      assert.deepEqual([...blamed(rig)], ["liar"]);
      assert.ok(rig.peers.wants.length > 0);
      rig.peers.add("honest", { chain: HONEST });
      await rig.until(reached, LONG, 20);
      assert.deepEqual([...blamed(rig)], ["liar"]);
    });
  });
}

/** Judges as told and counts; the rest is not called. */
class CountingJudge implements BatchVerifier {
  readonly certifies = true;
  calls = 0;
  constructor(private readonly guilty: boolean) {}
  verify(): never {
    throw new Error("not called");
  }
  examineNext: NonNullable<BatchVerifier["examineNext"]> = ([block]) => {
    this.calls++;
    const text = "no quorum";
    const culprit: Culprit = { streamId: block?.streamId ?? "", reason: "invalid_blocks", text };
    return Promise.resolve(this.guilty ? [culprit] : []);
  };
}
const STORE = {
  head: () => ({ number: FORKS_AT - 1, hash: hashAt(HONEST, FORKS_AT - 1) }),
  hashAt: (n: number) => Promise.resolve(at(HONEST, n).block.hash),
};
const { signal } = new AbortController();

Deno.test("equal bytes of thirty vouchers are verified once, other bytes by themselves, and each answers for its own", async () => {
  const judge = new CountingJudge(true);
  const check = new VoucherCheck(STORE, judge);
  const forged = fork("below-quorum");
  const [block, child] = [at(forged, FORKS_AT), at(forged, FORKS_AT + 1)];
  const verdicts = await Promise.all(
    Array.from({ length: LIARS }, (_, i) =>
      check.guilt(
        [block, child].map((b) => fetched(b, `liar${i}`)),
        signal,
      )),
  );
  assert.deepEqual(verdicts.map((v) => v?.streamId), verdicts.map((_, i) => `liar${i}`));
  assert.equal(judge.calls, 1);
  await check.guilt([
    fetched(withSideCar(block, flipped(block.commitSig, 3)), "other"),
    fetched(child, "other"),
  ], signal);
  await check.guilt([fetched(block, "short")], signal);
  // What does not follow the block says nothing about it.
  await check.guilt([fetched(block, "short"), fetched(at(HONEST, FORKS_AT + 1), "short")], signal);
  assert.equal(judge.calls, 3);
  // Nor does its hash cover what stands beside the child: nobody answers for another's.
  await check.guilt([
    fetched(block, "beside"),
    fetched(withSideCar(child, flipped(child.commitSig, 3)), "beside"),
  ], signal);
  assert.equal(judge.calls, 4);
});

Deno.test("bytes that are not wrong convict nobody, and are looked at again under another head", async () => {
  const judge = new CountingJudge(false);
  const check = new VoucherCheck(STORE, judge);
  for (let i = 0; i < 2; i++) {
    assert.equal(await check.guilt([fetched(at(HONEST, FORKS_AT), "a")], signal), undefined);
  }
  assert.equal(judge.calls, 2);
  assert.equal(await check.guilt([], signal), undefined);
  assert.equal(
    await check.guilt([fetched(at(HONEST, FORKS_AT + 5), "a")], signal),
    undefined,
    "beyond the head",
  );
  assert.equal(judge.calls, 2);
});

Deno.test("a first block above another genesis is its sender's lie", async () => {
  const check = new VoucherCheck(
    { head: () => ({ number: 0, hash: hashAt(HONEST, 0) }), hashAt: STORE.hashAt },
    new CountingJudge(false),
  );
  const other = madeChain(3, 7);
  assert.match((await check.guilt([fetched(at(other, 1), "a")], signal))?.text ?? "", /genesis/);
});

const HASH = hashAt(HONEST, 40);
const CONDEMNED = { number: 40, hash: HASH, bad: FORKS_AT };
const ids = (n: number) => Array.from({ length: n }, (_, i) => `p${i}`);
function ask(vouchers: Vouchers, id: string, now = 0, claimed?: number): ProofOrder | undefined {
  const order = vouchers.question(id, claimed, now);
  if (order !== undefined) vouchers.asked(order, now + 1_000);
  return order;
}

Deno.test("vouchers are asked three at a time, each once, for the bad block and the one above if they have it", () => {
  const vouchers = new Vouchers();
  vouchers.condemn(CONDEMNED, ids(5));
  const orders = ids(5).map((id) => ask(vouchers, id));
  assert.deepEqual(orders.map((o) => o?.numbers), [[35, 36], [35, 36], [35, 36], undefined, undefined]);
  vouchers.vain(orders[0] as ProofOrder);
  assert.equal(ask(vouchers, "p0"), undefined);
  assert.deepEqual(ask(vouchers, "p3", 0, FORKS_AT)?.numbers, [35]);
  // Who does not answer in time holds nobody up.
  assert.deepEqual(ask(vouchers, "p4", 1_000)?.numbers, [35, 36]);
  assert.equal(ask(vouchers, "stranger"), undefined);
});

Deno.test("who names a refused hash later is asked like the others; who did not show it and names it again is heard of", () => {
  const vouchers = new Vouchers();
  vouchers.condemn(CONDEMNED, []);
  assert.equal(vouchers.voted("late", [30, 40], [hashAt(HONEST, 30), HASH]), undefined);
  assert.equal(vouchers.voted("other", [30, 40], [hashAt(HONEST, 30), hashAt(HONEST, 41)]), undefined);
  assert.equal(ask(vouchers, "other"), undefined);
  const order = ask(vouchers, "late") as ProofOrder;
  assert.ok(vouchers.again(order));
  vouchers.vain(ask(vouchers, "late") as ProofOrder);
  assert.deepEqual(vouchers.useless(0), ["late"]);
  assert.deepEqual(vouchers.useless(0), [], "named once");
  assert.equal(vouchers.voted("late", [40], [HASH]), FORKS_AT);
});

Deno.test("a voucher that has always something in the way is not asked for ever", () => {
  const vouchers = new Vouchers();
  vouchers.condemn(CONDEMNED, ["busy"]);
  const again = () => vouchers.again(ask(vouchers, "busy") as ProofOrder);
  assert.deepEqual([again(), again(), again()], [true, true, false]);
});

Deno.test("refused hashes and their vouchers are remembered up to a bound", () => {
  const vouchers = new Vouchers();
  vouchers.condemn(CONDEMNED, ids(1_000));
  for (const id of ids(1_000)) {
    const order = ask(vouchers, id);
    if (order !== undefined) vouchers.vain(order);
  }
  assert.equal(vouchers.useless(0).length, 256);
  vouchers.condemn(CONDEMNED, ["new"]);
  for (let n = 41; n < 57; n++) vouchers.condemn({ number: n, hash: hashAt(HONEST, n), bad: 41 }, [`v${n}`]);
  vouchers.voted("late", [40], [HASH]);
  assert.equal(ask(vouchers, "late"), undefined, "the oldest is forgotten");
  assert.ok(ask(vouchers, "v56") !== undefined);
});

Deno.test("vouchers are asked beside the search for another candidate: they take none of its slots, and it does not wait for them", () => {
  const chain = madeChain(20);
  const other = madeChain(20, 1, { from: 5, of: chain });
  const core = new DownloadCore({ concurrency: 1, votes: 1, budgetBytes: 2 ** 28 }, {
    number: 0,
    hash: hashAt(chain, 0),
  }, 0);
  const effects: Effect[] = [];
  const orders = (): Order[] => {
    const out = core.orders(0);
    effects.push(...core.takeEffects());
    return out;
  };
  core.setStreams(["a", "b", "c"].map((id) => ({ id, reach: 10, claimed: 10, batch: 10 })), 0);
  core.setGoal(10, 10);
  const named: Record<string, TestChain> = { a: other, b: other, c: chain };
  for (let i = 0; i < 3; i++) {
    const [order] = orders();
    assert.ok(order !== undefined);
    if (order.kind === "hashes") {
      const from = named[order.streamId] as TestChain;
      core.onHashes(order, order.numbers.map((n) => from.blocks[n]?.block.hash), 0, 1);
    }
    if (order.kind === "bodies") core.onFailure(order, "NONE", 0);
  }
  core.condemn(10, hashAt(other, 10), 5);
  const sent = orders();
  assert.ok(sent.some((o) => o.kind === "proof"));
  assert.equal(core.ledger.inFlight(0), sent.filter((o) => o.kind !== "proof").length);
});
