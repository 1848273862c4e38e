/** The epoch chain over scripted peers: recorded and built beacon chains, honest and not. */
import assert from "node:assert/strict";
import { equalBytes, fromHex, HsyncError, ManualClock, toHex } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { AnchorBook, type AnchorLists } from "../../src/consensus/mod.ts";
import { WasmBls } from "../../src/crypto/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { EpochChain } from "../../src/sync/epoch/epoch_chain.ts";
import { RecordEpochStore } from "../../src/sync/epoch/record_store.ts";
import { blsSigner, ChainBuilder, forgeNext, type Forgery, testNetwork } from "../builder/mod.ts";
import { recordedChain } from "./support/chains.ts";
import { blindVerifier, EpochRig } from "./support/epoch_rig.ts";
import { CountingMeter } from "./support/rig.ts";
import { EpochWorld, fullNode, headersOnly, MemoryRecords } from "./support/epoch_world.ts";
import { vectorLines } from "../vectors/load.ts";

const SEED = 20_261_122;
const params = networkParams("localnet");
const beacon = recordedChain(0).blocks;
const { schedule } = params;
const signer = blsSigner(await WasmBls.create());

function hashOf(blocks: readonly DeliveredBlock[], number: number): Uint8Array {
  const block = blocks[number];
  assert.ok(block !== undefined, `no block ${number}`);
  return block.block.hash;
}

/** A liar who changes the end of one epoch. */
function forging(epoch: number, change: (block: DeliveredBlock) => DeliveredBlock) {
  const honest = fullNode(beacon);
  return {
    ...honest,
    blocks: (numbers: readonly number[]) =>
      (honest.blocks?.(numbers) as DeliveredBlock[]).map((d) =>
        d.block.number === schedule.lastBlock(epoch) ? change(d) : d
      ),
  };
}

Deno.test("the recorded beacon chain is followed to its last ended epoch, committees as recorded", async () => {
  const rig = await EpochRig.start();
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  await rig.stop();
  assert.equal(rig.chain.head()?.number, schedule.lastBlock(26));
  assert.ok(
    equalBytes(rig.chain.head()?.hash ?? new Uint8Array(), hashOf(beacon, 420)),
  );
  assert.deepEqual(rig.world.reports, []);
  // Ten epochs a request, and never a request for what nobody has.
  assert.equal(rig.world.count("beacon"), 3);
  interface Recorded {
    readonly epoch: number;
    readonly shardStateRLP: string;
  }
  for (const { epoch, shardStateRLP } of vectorLines<Recorded>("localnet/s0.epochs.jsonl.gz")) {
    const state = await rig.chain.shardStateAt(epoch);
    if (epoch === 0) continue; // recorded as the node stores it; ours is the header's
    assert.equal(toHex(state ?? new Uint8Array()), shardStateRLP.slice(2), `epoch ${epoch}`);
  }
  for (const shard of [0, 1]) {
    const { committee, provisionalFrom } = await rig.chain.committees.committee(27, shard);
    assert.equal(committee.shardId, shard);
    assert.equal(provisionalFrom, undefined);
  }
  await assert.rejects(rig.chain.committees.committee(28, 0), { code: "COMMITTEE_UNKNOWN" });
});

Deno.test("epoch blocks are counted as help only where the node's own chain is another one", async () => {
  const name = "hmy_staged_stream_sync_num_blocks_inserted_beacon_helper";
  for (const helps of [true, false]) {
    const meter = new CountingMeter();
    const rig = await EpochRig.start({ meter, helps });
    rig.world.add("beacon", fullNode(beacon));
    await rig.untilEpoch(12);
    await rig.stop();
    assert.equal(meter.count(name), helps ? rig.chain.length : 0);
  }
});

Deno.test("a forged epoch block in the middle is refused by name, and its sender alone is removed", async () => {
  const bend = (bytes: Uint8Array) => {
    const bent = bytes.slice();
    bent[40] = (bent[40] as number) ^ 1;
    return bent;
  };
  const rig = await EpochRig.start();
  rig.world.add("liar", forging(13, (d) => ({ ...d, commitSig: bend(d.commitSig) })));
  await rig.until(() => rig.events.some((e) => e.type === "refused"));
  assert.equal(rig.chain.epoch, 13, "what was good before it is kept");
  rig.world.add("honest", fullNode(beacon));
  rig.world.add("other", fullNode(beacon));
  await rig.untilEpoch(27);
  await rig.stop();
  const [report, ...more] = rig.world.reports;
  assert.deepEqual(more, []);
  assert.equal(report?.id, "liar");
  assert.equal(report?.fault, "DATA");
  assert.match(report?.text ?? "", /epoch block 212 \(0x[0-9a-f]{16}…, last of epoch 13\) is refused/);
  assert.ok(rig.world.has("honest") && rig.world.has("other"));
  assert.equal(rig.follower.status().refused, undefined, "forgotten once that epoch is certified");
});

Deno.test("every kind of forged epoch block is refused for its own reason", async () => {
  const network = testNetwork({ seed: SEED, epochLength: 6, signer });
  // As in the table of forgeries; what the epoch chain sees first of a jump is that the epoch is not due.
  const kinds: Array<readonly [Forgery, RegExp]> = [
    ["old-committee", /^CERT_/],
    ["below-quorum", /^CERT_BELOW_QUORUM$/],
    ["swapped-signature", /^CERT_SIGNATURE_MISMATCH$/],
    ["noise-signature", /^CERT_SIGNATURE_/],
    ["infinity-signature", /^CERT_SIGNATURE_INFINITY$/],
    ["infinity-everything", /^CERT_NO_SIGNERS$/],
    ["short-bitmap", /^CERT_BITMAP_LENGTH$/],
    ["long-bitmap", /^CERT_BITMAP_LENGTH$/],
    ["epoch-jump", /^EPOCH_BLOCK_EPOCH$/],
  ];
  for (const [kind, code] of kinds) {
    const builder = ChainBuilder.start(network, { absence: 0.3 });
    const blocks: DeliveredBlock[] = [builder.head];
    while (blocks.length < 6 * 5) {
      const ends = blocks.length === 6 * 4 - 1;
      blocks.push(ends ? forgeNext(builder, kind) : builder.next());
    }
    const rig = await EpochRig.start({ params: network.params });
    rig.world.add("liar", fullNode(blocks));
    await rig.until(() => rig.events.some((e) => e.type === "refused"));
    await rig.stop();
    const refusal = rig.events.find((e) => e.type === "refused")?.refusal;
    assert.equal(rig.chain.epoch, 3, kind);
    assert.equal(refusal?.number, 23);
    assert.match(refusal?.code ?? "", code, kind);
    assert.deepEqual(rig.world.reports.map((r) => [r.id, r.fault]), [["liar", "DATA"]]);
  }
});

Deno.test("a block that ends no epoch, or another one, is refused whoever signed it", async () => {
  const network = testNetwork({ seed: SEED, epochLength: 6 });
  const cases: Array<[string, Parameters<ChainBuilder["next"]>[0]]> = [
    ["HEADER_SHARD_STATE_FORM", { header: { shardState: Uint8Array.of(0xc1, 0xc0, 0x00) } }],
    ["EPOCH_BLOCK_EMPTY", { header: { shardState: new Uint8Array(0) } }],
    ["EPOCH_BLOCK_EPOCH", { header: { epoch: 4 } }],
  ];
  for (const [code, change] of cases) {
    const builder = ChainBuilder.start(network);
    const blocks: DeliveredBlock[] = [builder.head];
    while (blocks.length < 17) blocks.push(builder.next());
    const forged = builder.fork(1).next({ certify: (b) => builder.honestCertificate(b), ...change });
    const rig = await EpochRig.start({ params: network.params, verifier: blindVerifier });
    rig.world.add("liar", fullNode([...blocks, forged]));
    await rig.until(() => rig.events.some((e) => e.type === "refused"));
    await rig.stop();
    assert.equal(rig.events.find((e) => e.type === "refused")?.refusal.code, code);
    assert.equal(rig.chain.epoch, 2);
  }
});

Deno.test("nodes with headers only are asked rarely, never blamed, and beacon nodes come first", async () => {
  const rig = await EpochRig.start();
  rig.world.add("headers1", headersOnly(beacon, schedule));
  rig.world.add("headers2", headersOnly(beacon, schedule));
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  assert.equal(rig.world.count("headers1") + rig.world.count("headers2"), 0);
  await rig.stop();

  const alone = await EpochRig.start();
  alone.world.add("headers1", headersOnly(beacon, schedule));
  assert.equal(await settled(alone, alone.follower.reach(5)), false);
  // It closes the stream and comes back, again and again.
  for (let i = 0; i < 5; i++) {
    alone.world.add("headers1", headersOnly(beacon, schedule));
    await alone.until(() => true);
    await alone.clock.advance(1_000);
  }
  assert.equal(alone.world.count("headers1"), 1);
  assert.deepEqual(alone.world.reports, []);
  assert.match(alone.follower.status().waiting?.what ?? "", /none of them gives its block/);
  alone.world.add("beacon", fullNode(beacon));
  await alone.untilEpoch(27);
  await alone.stop();
});

async function settled<T>(rig: EpochRig, promise: Promise<T>): Promise<T> {
  let done = false;
  const watched = promise.finally(() => done = true);
  await rig.until(() => done);
  return await watched;
}

Deno.test("whoever waits for an epoch is told when nobody can give it", async () => {
  const rig = await EpochRig.start();
  const begun = rig.clock.monotonic();
  assert.equal(await settled(rig, rig.follower.reach(3)), false);
  assert.ok(rig.clock.monotonic() - begun >= 9_000, "streams get some time to come");
  rig.world.add("beacon", fullNode(beacon));
  assert.equal(await settled(rig, rig.follower.reach(3)), true);
  await rig.untilEpoch(27);
  assert.equal(await settled(rig, rig.follower.reach(28)), false, "epoch 27 has not ended");
  const abort = new AbortController();
  const waiting = rig.follower.reach(28, abort.signal);
  abort.abort();
  await assert.rejects(waiting, { code: "CANCELLED" });
  await rig.stop();
  assert.equal(await rig.follower.reach(28), false);
});

Deno.test("new epochs are taken as they end", async () => {
  let height = 99;
  const rig = await EpochRig.start();
  rig.world.add("beacon", fullNode(beacon, () => height));
  await rig.untilEpoch(6);
  assert.equal(rig.follower.status().caughtUp, true);
  height = 115;
  await rig.untilEpoch(7, 40_000);
  const requests = rig.world.count("beacon");
  await rig.clock.advance(300_000);
  assert.equal(rig.world.count("beacon"), requests, "nothing is asked for that nobody claims to have");
  await rig.stop();
});

Deno.test("blocks that do not begin with the first one asked for are not used, and their sender is not blamed", async () => {
  const rig = await EpochRig.start();
  const honest = fullNode(beacon);
  rig.world.add("pruned", {
    ...honest,
    blocks: (numbers) => (honest.blocks?.(numbers) as DeliveredBlock[]).slice(1),
  });
  await rig.clock.advance(5_000);
  assert.equal(rig.chain.length, 0);
  rig.world.add("gappy", {
    ...honest,
    blocks: (numbers) => (honest.blocks?.(numbers) as DeliveredBlock[]).filter((_, i) => i !== 4),
  });
  await rig.until(() => rig.chain.epoch >= 4);
  await rig.untilEpoch(27);
  assert.deepEqual(rig.world.reports, []);
  await rig.stop();
});

Deno.test("what comes after a wrong block is not used, though it stands in its right place", async () => {
  const rig = await EpochRig.start();
  const honest = fullNode(beacon);
  rig.world.add("repeating", {
    ...honest,
    blocks: (numbers) =>
      (honest.blocks?.(numbers) as DeliveredBlock[]).map((d, i, all) => i === 1 ? all[2] ?? d : d),
  });
  await rig.untilEpoch(27);
  await rig.stop();
  assert.deepEqual(rig.world.reports, [], "what came before it is good");
});

Deno.test("a restart goes on where the chain stood; a write that was cut off changes nothing", async () => {
  const records = new MemoryRecords();
  const first = await EpochRig.start({ records });
  first.world.add("beacon", fullNode(beacon, () => 99));
  await first.untilEpoch(6);
  // The next window is cut off in the middle of its rows.
  records.failAfter = 7;
  first.world.change("beacon", fullNode(beacon));
  await first.clock.advance(31_000);
  await first.stop();
  assert.equal(first.chain.epoch, 6);
  assert.deepEqual(first.world.reports, [], "our own store's failure is nobody's fault");

  records.failAfter = Infinity;
  const second = await EpochRig.start({ records });
  assert.equal(second.chain.epoch, 6);
  assert.equal(second.chain.headTime, beacon[84]?.block.header.time);
  second.world.add("beacon", fullNode(beacon));
  await second.untilEpoch(27);
  await second.stop();
  const asked = second.world.asked.find((a) => a.kind === "blocks")?.what;
  assert.equal(asked?.[0], schedule.lastBlock(6));

  const store = new RecordEpochStore(records);
  const chain = await EpochChain.open({ params, store, anchors: AnchorBook.of("localnet") });
  for (let epoch = 0; epoch < 27; epoch++) {
    const stored = await chain.block(epoch);
    const recorded = beacon[schedule.lastBlock(epoch)];
    assert.ok(equalBytes(stored?.bytes ?? new Uint8Array(), recorded?.block.bytes ?? new Uint8Array()));
    assert.ok(equalBytes(stored?.commitSig ?? new Uint8Array(), recorded?.commitSig ?? new Uint8Array()));
  }
});

Deno.test("the chain never moves backwards and takes no epoch out of order", async () => {
  const rig = await EpochRig.start();
  rig.world.add("beacon", fullNode(beacon, () => 99));
  await rig.untilEpoch(6);
  await rig.stop();
  const row = (epoch: number) => {
    const { block, commitSig } = beacon[schedule.lastBlock(epoch)] as DeliveredBlock;
    const { number, hash, bytes, header } = block;
    return { epoch, number, hash, bytes, commitSig, time: header.time };
  };
  await rig.chain.append([row(2)]);
  assert.equal(rig.chain.epoch, 6);
  await assert.rejects(rig.chain.append([row(7)]), { code: "EPOCH_NOT_NEXT" });
  await rig.chain.append([row(5), row(6), row(7)]);
  assert.equal(rig.chain.head()?.epoch, 7);
});

Deno.test("what cannot be read of a stored chain counts as not there; a chain that new anchors exclude is not opened", async () => {
  const records = new MemoryRecords();
  const rig = await EpochRig.start({ records });
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  await rig.stop();
  const reopened = (rows: Map<string, Uint8Array>, ...lists: readonly AnchorLists[]) => {
    const copy = new MemoryRecords();
    for (const [name, value] of rows) copy.rows.set(name, value);
    return EpochChain.open({ params, store: new RecordEpochStore(copy), anchors: new AnchorBook(...lists) });
  };
  assert.equal((await reopened(records.rows)).epoch, 27);
  const anchor = { shardId: 0, number: schedule.lastBlock(9), hash: new Uint8Array(32).fill(7) };
  const breach = { code: "ANCHOR_BREACH", exitCode: 11 };
  await assert.rejects(reopened(records.rows, { anchors: [anchor], never: [] }), {
    ...breach,
    blockNumber: schedule.lastBlock(9),
  });
  const never = { shardId: 0, hash: hashOf(beacon, schedule.lastBlock(0)) };
  await assert.rejects(reopened(records.rows, { anchors: [], never: [never] }), breach);
  for (const name of records.rows.keys()) {
    // The ends of the chain are read at once, the blocks between when they are needed.
    const [, kind, epoch] = name.split("/");
    if (kind === "block" && epoch !== "0" && epoch !== "26") continue;
    const damaged = new Map(records.rows);
    damaged.set(name, Uint8Array.of(1, 2, 3));
    assert.equal((await reopened(damaged)).epoch, epoch === "26" ? 26 : 0, name);
  }
  const longer = await EpochChain.open({
    params: networkParams("localnet", { localnetBlocksPerEpochV2: 32 }),
    store: new RecordEpochStore(records),
    anchors: AnchorBook.of("localnet"),
  });
  assert.equal(longer.epoch, 0);
});

Deno.test("a damaged record of an epoch block cuts the chain below it, and it is fetched again", async () => {
  const records = new MemoryRecords();
  const first = await EpochRig.start({ records });
  first.world.add("beacon", fullNode(beacon));
  await first.untilEpoch(27);
  await first.stop();
  const record = records.rows.get("epochs/block/13/0") as Uint8Array;
  const bent = record.slice();
  bent[record.length - 40] = (bent[record.length - 40] as number) ^ 1;
  for (const damage of [Uint8Array.of(1, 2, 3), bent, record.subarray(0, record.length - 9)]) {
    records.rows.set("epochs/block/13/0", damage);
    const rig = await EpochRig.start({ records });
    assert.equal(rig.chain.epoch, 27, "blocks between the ends are read when they are needed");
    // Served to others, and asked for committees, both at the same time.
    const [served, state] = await Promise.all([
      rig.chain.reader().blockAt(schedule.lastBlock(13)),
      rig.chain.shardStateAt(14),
    ]);
    assert.deepEqual([served, state], [undefined, undefined]);
    assert.equal(rig.chain.epoch, 13);
    assert.equal(rig.chain.headTime, beacon[schedule.lastBlock(12)]?.block.header.time);
    await assert.rejects(rig.chain.committees.committee(20, 0), { code: "COMMITTEE_UNKNOWN" });
    rig.world.add("beacon", fullNode(beacon));
    await rig.untilEpoch(27);
    await rig.stop();
    assert.ok(await rig.chain.shardStateAt(14) !== undefined);
    assert.deepEqual(records.rows.get("epochs/block/13/0"), record);
  }
});

Deno.test("blocks larger than a record are kept whole", async () => {
  const records = new MemoryRecords();
  const store = new RecordEpochStore(records);
  const bytes = (n: number, fill: number) => new Uint8Array(n).fill(fill);
  const block = (epoch: number, size: number) => ({
    epoch,
    number: epoch * 10,
    hash: bytes(32, epoch),
    bytes: bytes(size, epoch),
    commitSig: bytes(100, epoch),
  });
  for (const [epoch, size] of [[0, 10], [1, 57_893], [2, 57_894], [3, 300_000], [4, 1]] as const) {
    await store.append([block(epoch, size)], "genesis");
    assert.deepEqual(await store.block(epoch), { bytes: bytes(size, epoch), commitSig: bytes(100, epoch) });
  }
  await store.cut({ epoch: 2, number: 20, hash: bytes(32, 2) });
  assert.equal(await store.block(3), undefined);
  assert.equal((await new RecordEpochStore(records).load())?.hashes.length, 3);
  assert.ok(![...records.rows.keys()].some((name) => name.startsWith("epochs/block/3")));
});

Deno.test("thousands of epochs fit the records", async () => {
  const records = new MemoryRecords();
  const store = new RecordEpochStore(records);
  const rows = Array.from({ length: 3_100 }, (_, epoch) => ({
    epoch,
    number: epoch,
    hash: fromHex(epoch.toString(16).padStart(64, "0")),
    bytes: new Uint8Array(100),
    commitSig: new Uint8Array(97),
  }));
  for (let i = 0; i < rows.length; i += 10) await store.append(rows.slice(i, i + 10), "genesis");
  const index = await new RecordEpochStore(records).load();
  assert.equal(index?.hashes.length, 3_100);
  assert.ok(index?.hashes.every((hash, i) => equalBytes(hash, rows[i]?.hash ?? new Uint8Array())));
});

Deno.test("two certified blocks for one epoch stop the chain, and nobody is blamed", async () => {
  const network = testNetwork({ seed: SEED, epochLength: 6, signer });
  const builder = ChainBuilder.start(network);
  while (builder.head.number < 16) builder.next();
  const fork = builder.fork(5);
  const blocks = (own: ChainBuilder): DeliveredBlock[] => {
    const past = ChainBuilder.start(network);
    const out: DeliveredBlock[] = [past.head];
    while (past.head.number < 16) out.push(past.next());
    while (own.head.number < 22) out.push(own.next());
    return out;
  };
  const ours = [...blocks(builder), builder.next()];
  // The committee of epoch 2 has signed two last blocks; what comes after theirs does not convince us.
  const theirs = [...blocks(fork), forgeNext(fork, "noise-signature")];
  assert.notEqual(toHex(hashOf(ours, 17)), toHex(hashOf(theirs, 17)));
  const rig = await EpochRig.start({ params: network.params });
  rig.world.add("ours", fullNode(ours, () => 20));
  await rig.untilEpoch(3);
  rig.world.add("theirs", fullNode(theirs));
  await rig.until(() => rig.events.some((e) => e.type === "failed"));
  await rig.stop();
  const failed = rig.events.find((e) => e.type === "failed")?.error;
  assert.ok(failed instanceof HsyncError);
  assert.equal(failed.code, "CONFLICTING_CERTIFICATES");
  assert.equal(failed.exitCode, 11);
  assert.equal(failed.blockNumber, 17);
  assert.deepEqual(rig.world.reports, []);
  assert.match(rig.follower.status().failed ?? "", /two blocks of shard 0 at height 17/);
});

Deno.test("an epoch block that stands on an excluded block is refused with it", async () => {
  const number = schedule.lastBlock(13) - 1;
  const rig = await EpochRig.start({
    anchors: { anchors: [], never: [{ shardId: 0, hash: hashOf(beacon, number) }] },
  });
  rig.world.add("abandoned", fullNode(beacon));
  await rig.until(() => rig.events.some((e) => e.type === "refused"));
  await rig.stop();
  assert.equal(rig.chain.epoch, 13);
  assert.equal(rig.events.find((e) => e.type === "refused")?.refusal.code, "ANCHOR_BREACH");
  assert.deepEqual(rig.world.reports.map((r) => [r.id, r.fault]), [["abandoned", "DATA"]]);
});

Deno.test("a peer on a branch that the anchors exclude is refused before it is asked for blocks", async () => {
  const clock = new ManualClock();
  const world = new EpochWorld(clock);
  const right = hashOf(beacon, 50);
  const rig = await EpochRig.start({
    clock,
    world,
    anchors: { anchors: [{ shardId: 0, number: 50, hash: right }], never: [] },
  });
  const honest = fullNode(beacon);
  world.add("abandoned", { ...honest, hashes: (numbers) => numbers.map(() => new Uint8Array(32).fill(9)) });
  await clock.advance(5_000);
  assert.equal(world.count("abandoned"), 0);
  assert.equal(world.reports[0]?.id, "abandoned");
  world.add("silent", { ...honest, hashes: (numbers) => numbers.map(() => undefined) });
  await rig.untilEpoch(27);
  await rig.stop();
  assert.equal(world.reports.length, 1);
});
