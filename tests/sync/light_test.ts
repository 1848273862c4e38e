/** Light mode: the certified head of a shard out of the epoch chain, from honest peers and in spite of the others. */
import assert from "node:assert/strict";
import { equalBytes, fromHex, HsyncError, to0x } from "../../src/base/mod.ts";
import { type Header, makeHeader, networkParams, parseAddress } from "../../src/chain/mod.ts";
import { ConflictingCertificates, isConflict } from "../../src/consensus/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { decodeHead, encodeHead } from "../../src/sync/light/certified_head.ts";
import { disputeOf } from "../../src/sync/light/light_rules.ts";
import { lightStatusJson } from "../../src/sync/light/light_status.ts";
import { ChainBuilder, forgeNext, type Forgery, type TestNetwork } from "../builder/mod.ts";
import { delivered, signedNetwork } from "./support/certified.ts";
import { recordedChain } from "./support/chains.ts";
import { fullNode, headersOnly, MemoryRecords } from "./support/epoch_world.ts";
import { LightRig } from "./support/light_rig.ts";

const SEED = 77;
const beacon = recordedChain(0).blocks;
const shard1 = recordedChain(1).blocks;
const { schedule } = networkParams("localnet");
/** A height of the beacon chain in the epoch in which the recording of shard 1 ends. */
const WHEN_SHARD_1_ENDS = 270;

function blockOf(blocks: readonly DeliveredBlock[], number: number): DeliveredBlock {
  const block = blocks[number];
  assert.ok(block !== undefined, `no block ${number}`);
  return block;
}

Deno.test("the recorded head of the beacon chain is reached with one certificate an epoch and one for the head", async () => {
  const rig = await LightRig.start({ shardId: 0, at: blockOf(beacon, 426) });
  rig.beacon.add("b1", fullNode(beacon));
  rig.shard.add("s1", fullNode(beacon));
  rig.shard.add("s2", fullNode(beacon));
  await rig.until(() => rig.seen("synced").length > 0);
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.equal(json.state, "synced");
  assert.equal(json.head?.number, 426);
  assert.equal(json.head?.hash, to0x(blockOf(beacon, 426).block.hash));
  assert.equal(json.head?.epoch, 27);
  assert.ok((json.head?.ageSeconds ?? 99) < 60);
  const certificate = json.head?.certificate;
  assert.ok(certificate !== undefined);
  assert.equal(certificate.quorum, "stake");
  assert.ok(Number(certificate.votingPower) > 2 / 3 && Number(certificate.votingPower) <= 1);
  assert.equal(certificate.addresses.length, certificate.signers);
  assert.ok(certificate.signers <= certificate.slots);
  for (const address of certificate.addresses) assert.equal(parseAddress(address).length, 20);
  const sig = blockOf(beacon, 426).commitSig;
  assert.equal(certificate.signature, to0x(sig.subarray(0, 96)));
  assert.equal(certificate.bitmap, to0x(sig.subarray(96)));
  assert.deepEqual(json.epochChain.head, {
    epoch: 26,
    number: 420,
    hash: to0x(blockOf(beacon, 420).block.hash),
  });
  assert.equal(json.checkpoint, null);
  // Nothing is fetched but ends of epochs and heads.
  assert.equal(rig.beacon.count("b1"), 3);
  assert.ok(rig.shard.count("s1") + rig.shard.count("s2") <= 4);
  assert.deepEqual([...rig.shard.reports, ...rig.beacon.reports], []);
});

Deno.test("the recorded head of shard 1 is certified by the committee that the beacon chain elected", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255) });
  rig.beacon.add("headers", headersOnly(beacon, schedule));
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  rig.shard.add("s1", fullNode(shard1));
  await rig.untilHead(255);
  await rig.stop();
  const head = rig.light.head;
  assert.equal(head?.shardId, 1);
  assert.ok(equalBytes(head?.hash ?? new Uint8Array(), blockOf(shard1, 255).block.hash));
  assert.deepEqual(rig.shard.reports, []);
});

Deno.test("a shard that stands still in an epoch long gone has no head, and its peers are not blamed", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(beacon, 426) });
  rig.beacon.add("b1", fullNode(beacon));
  rig.shard.add("s1", fullNode(shard1));
  await rig.until(() => rig.seen("refused").length > 0);
  await rig.clock.advance(60_000);
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.equal(rig.light.head, undefined);
  assert.notEqual(json.state, "synced");
  assert.equal(json.refused?.code, "LIGHT_OLD_COMMITTEE");
  assert.match(json.refused?.text ?? "", /its epoch is 17, the beacon chain is in epoch 27/);
  assert.deepEqual(rig.shard.reports, []);
  assert.ok(rig.shard.count("s1") <= 6, "it is not asked over and over");
});

/** A network of short epochs that signs, and its two chains. */
function built(epochs: number, epochLength = 6): {
  readonly network: TestNetwork;
  readonly beacon: DeliveredBlock[];
  readonly shard: ChainBuilder;
  readonly blocks: DeliveredBlock[];
} {
  const network = signedNetwork({ seed: SEED, epochLength });
  const chain = (shardId: number) => {
    const builder = ChainBuilder.start(network, { shardId });
    const blocks = [delivered(builder.head)];
    while (builder.head.block.header.epoch < epochs) blocks.push(delivered(builder.next()));
    return { builder, blocks };
  };
  const shard = chain(1);
  return { network, beacon: chain(0).blocks, shard: shard.builder, blocks: shard.blocks };
}

/**
 * Blocks of shard 1 in which the committee of `epoch` goes on by itself: higher, newer, and perfectly signed.
 *
 * @param above how far above the end of `blocks`.
 */
function ruledOn(
  network: TestNetwork,
  blocks: readonly DeliveredBlock[],
  epoch: number,
  above: number,
): { readonly forged: DeliveredBlock[]; readonly last: DeliveredBlock } {
  const rogue = ChainBuilder.start(network, { shardId: 1 });
  while (rogue.head.block.header.epoch < epoch) rogue.next();
  const forged = blocks.slice(0, rogue.head.number + 1);
  while (forged.length < blocks.length + above) {
    forged.push(delivered(rogue.next({ header: { shardState: new Uint8Array(0), epoch } })));
  }
  const last = blockOf(forged, forged.length - 1);
  assert.equal(last.block.header.epoch, epoch);
  return { forged, last };
}

Deno.test("a committee that has served its time cannot sign itself a new head", async () => {
  const { network, beacon: beaconBlocks, blocks } = built(6);
  const { params } = network;
  const { forged, last } = ruledOn(network, blocks, 3, 20);
  const rig = await LightRig.start({ shardId: 1, params, at: last });
  rig.beacon.add("b", fullNode(beaconBlocks));
  await rig.until(() => rig.chain.epoch === 6);
  rig.shard.add("rogue", fullNode(forged));
  await rig.until(() => rig.seen("refused").length > 0);
  assert.equal(rig.seen("refused")[0]?.refusal.code, "LIGHT_OLD_COMMITTEE");
  rig.shard.add("honest", fullNode(blocks));
  await rig.untilHead(blocks.length - 1);
  await rig.clock.advance(300_000);
  assert.equal(rig.light.head?.number, blocks.length - 1);
  await rig.stop();
  assert.ok(rig.shard.has("honest"));
});

Deno.test("a head of a committee that has served its time goes when the epoch chain learns of it, for good", async () => {
  const { network, beacon: beaconBlocks, blocks } = built(6);
  const { params } = network;
  const { schedule } = params;
  const { forged, last } = ruledOn(network, blocks, 3, 20);
  const records = new MemoryRecords();
  const rig = await LightRig.start({ shardId: 1, params, records, at: last });
  // Whoever is asked first hides that epochs have ended since.
  rig.beacon.add("low", fullNode(beaconBlocks, () => schedule.lastBlock(2) + 2));
  rig.shard.add("rogue", fullNode(forged));
  await rig.untilHead(last.block.number);
  assert.equal(rig.light.head?.epoch, 3);
  for (const id of ["a", "b", "c"]) {
    rig.beacon.add(id, fullNode(beaconBlocks));
    rig.shard.add(id, fullNode(blocks));
  }
  await rig.until(() => rig.chain.epoch === 6);
  assert.notEqual(rig.light.status().state, "synced", "not even for a moment");
  await rig.until(() => rig.light.status().state === "synced");
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.equal(json.head?.number, blocks.length - 1);
  assert.equal(json.head?.hash, to0x(blockOf(blocks, blocks.length - 1).block.hash));
  assert.equal(rig.seen("synced").at(-1)?.head.number, blocks.length - 1);

  const again = await LightRig.start({ shardId: 1, params, records, at: last });
  await again.clock.advance(100);
  assert.equal(again.light.head?.number, blocks.length - 1);
  await again.stop();
});

Deno.test("a stored head whose committee is too old or unknown is no head", async () => {
  const { network, beacon: beaconBlocks, blocks } = built(4);
  const { params } = network;
  const { schedule } = params;
  const old = new MemoryRecords();
  const first = await LightRig.start({ shardId: 1, params, records: old, at: blockOf(blocks, 13) });
  first.beacon.add("b", fullNode(beaconBlocks, () => 13));
  first.shard.add("s", fullNode(blocks, () => 13));
  await first.untilHead(13);
  await first.stop();
  const head = await old.record("light/head");
  assert.ok(head !== undefined);
  // Epochs went on while nobody looked; and a store without the epochs that the head rests on.
  const ahead = new MemoryRecords();
  const follower = await LightRig.start({ shardId: 1, params, records: ahead, at: blockOf(blocks, 23) });
  follower.beacon.add("b", fullNode(beaconBlocks, () => schedule.lastBlock(3) + 1));
  await follower.until(() => follower.chain.epoch === 4);
  await follower.stop();
  await ahead.putRecord("light/head", head);
  const empty = new MemoryRecords();
  await empty.putRecord("light/head", head);
  for (const records of [ahead, empty]) {
    const rig = await LightRig.start({ shardId: 1, params, records, at: blockOf(blocks, 23) });
    await rig.clock.advance(100);
    assert.equal(rig.light.head, undefined);
    await rig.stop();
    assert.equal(await records.record("light/head"), undefined);
  }
});

Deno.test("a head far above what peers name is not taken for the end of the chain", async () => {
  const { network, beacon: beaconBlocks, blocks } = built(4);
  const { params } = network;
  // The committee that has just been relieved: its headers still count, so that a slow shard has a head.
  const { forged, last } = ruledOn(network, blocks, 3, 60);
  const rig = await LightRig.start({ shardId: 1, params, at: last });
  rig.beacon.add("b", fullNode(beaconBlocks));
  rig.shard.add("rogue", fullNode(forged));
  for (const id of ["a", "b", "c"]) rig.shard.add(id, fullNode(blocks));
  await rig.untilHead(last.block.number);
  await rig.clock.advance(30_000);
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.equal(json.state, "seeking");
  assert.match(json.waiting?.what ?? "", /above what most peers name/);
  assert.deepEqual(rig.seen("synced"), []);
});

Deno.test("on a network that goes on by itself an old head is not the end of the chain, whatever peers say", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255), maxHeadAgeSeconds: 60 });
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  rig.shard.add("s1", fullNode(shard1));
  const changes = () =>
    ["in_sync", "out_of_sync"].map((consensus) => rig.meter.get("hmy_consensus_sync", { consensus }));
  await rig.until(() => changes()[0] === 1);
  assert.equal(rig.light.status().state, "synced");
  await rig.clock.advance(61_000);
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.deepEqual(changes(), [1, 1], "each change is counted once");
  assert.deepEqual([json.state, json.synced, json.head?.number], ["seeking", false, 255]);
  assert.match(json.waiting?.what ?? "", /no more than 60 s old/);
});

Deno.test("on the beacon chain the schedule gives an old committee away at once", async () => {
  const network = signedNetwork({ seed: SEED, epochLength: 6 });
  const builder = ChainBuilder.start(network);
  const blocks = [delivered(builder.head)];
  while (builder.head.number < 28) blocks.push(delivered(builder.next()));
  const rogue = builder.fork(3);
  const forged = [...blocks, delivered(rogue.next()), delivered(rogue.next({ header: { epoch: 4 } }))];
  const rig = await LightRig.start({ shardId: 0, params: network.params, at: blockOf(forged, 30) });
  rig.beacon.add("b", fullNode(blocks));
  rig.shard.add("rogue", fullNode(forged));
  await rig.until(() => rig.seen("refused").length > 0);
  assert.equal(rig.seen("refused")[0]?.refusal.code, "HEADER_EPOCH_HEIGHT");
  assert.deepEqual(rig.shard.reports.map((r) => [r.id, r.fault]), [["rogue", "DATA"]]);
  await rig.untilHead(23);
  await rig.stop();
  assert.equal(rig.light.head?.number, 23, "the end of the last epoch is certified, and no more");
});

Deno.test("thirty liars of every kind and one honest peer: the head is reached, and only liars are removed", async () => {
  const { network, beacon: beaconBlocks, shard, blocks } = built(5);
  const top = shard.head.number;
  const kinds: Forgery[] = [
    "below-quorum",
    "noise-signature",
    "infinity-signature",
    "infinity-everything",
    "short-bitmap",
    "old-committee",
  ];
  const rig = await LightRig.start({ shardId: 1, params: network.params, at: blockOf(blocks, top) });
  rig.beacon.add("b", fullNode(beaconBlocks));
  for (let i = 0; i < 30; i++) {
    // Each kind claims more than there is, and all of a kind send the same bytes.
    const liar = shard.fork(100);
    const forged = [...blocks, delivered(forgeNext(liar, kinds[i % kinds.length] as Forgery))];
    rig.shard.add(`liar${i}`, fullNode(forged));
  }
  rig.shard.add("honest", fullNode(blocks));
  await rig.untilHead(top);
  await rig.clock.advance(30_000);
  await rig.stop();
  assert.equal(rig.light.head?.number, top);
  assert.ok(equalBytes(rig.light.head?.hash ?? new Uint8Array(), blockOf(blocks, top).block.hash));
  assert.ok(rig.shard.has("honest"));
  assert.ok(rig.shard.reports.length > 0);
  assert.ok(rig.shard.reports.every((r) => r.id.startsWith("liar") && r.fault === "DATA"));
});

Deno.test("peers that claim heaven and say nothing do not keep the head away", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255) });
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  for (let i = 0; i < 8; i++) {
    rig.shard.add(`empty${i}`, { height: () => 1_000_000 + i });
    rig.shard.add(`silent${i}`, { height: () => 2_000_000 + i, latencyMs: 20_000 });
  }
  rig.shard.add("s1", fullNode(shard1));
  const begun = rig.clock.monotonic();
  await rig.untilHead(255, 180_000);
  assert.ok(rig.clock.monotonic() - begun < 120_000);
  await rig.stop();
  assert.deepEqual(rig.shard.reports, []);
});

Deno.test("peers that claim epochs that they cannot show do not keep the head away either", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255) });
  for (let i = 0; i < 5; i++) {
    rig.beacon.add(`empty${i}`, { height: () => 100_000 + i });
    rig.beacon.add(`silent${i}`, { height: () => 200_000 + i, latencyMs: 40_000 });
  }
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  rig.shard.add("s1", fullNode(shard1));
  await rig.clock.advance(200_000);
  assert.equal(rig.light.head?.number, 255);
  assert.equal(rig.light.status().epochs.caughtUp, true);
  await rig.stop();
  assert.deepEqual(rig.beacon.reports, []);
});

Deno.test("the head is followed across a change of epoch, on both shards", async () => {
  const { network, beacon: beaconBlocks, blocks } = built(5, 5);
  const { params } = network;
  for (const shardId of [0, 1]) {
    const own = shardId === 0 ? beaconBlocks : blocks;
    let height = 6;
    // What the beacon chain has when the shard is at `height`.
    const beaconHeight = () => {
      const { time } = blockOf(own, height).block.header;
      return beaconBlocks.findLastIndex(({ block }) => block.header.time <= time);
    };
    const rig = await LightRig.start({ shardId, params, at: blockOf(own, height) });
    rig.beacon.add("b", fullNode(beaconBlocks, beaconHeight));
    rig.shard.add("s", fullNode(own, () => height));
    rig.shard.add("t", fullNode(own, () => height));
    await rig.untilHead(height);
    const epochs = new Set<number>();
    while (height < own.length - 1) {
      height++;
      for (let i = 0; i < 10 && rig.light.head?.number !== height; i++) await rig.clock.advance(1_000);
      assert.equal(rig.light.head?.number, height, "a new head is certified within seconds");
      epochs.add(rig.light.head?.epoch ?? -1);
    }
    await rig.until(() => rig.light.status().state === "synced");
    await rig.stop();
    assert.ok(epochs.size >= 4, `${epochs.size} epochs`);
    assert.equal(
      rig.seen("head").length,
      rig.seen("head").map((e) => e.head.number).filter((n, i, all) => i === 0 || n > (all[i - 1] as number))
        .length,
      "the head only ever rises",
    );
    assert.deepEqual([...rig.shard.reports, ...rig.beacon.reports], []);
  }
});

Deno.test("a header from the future does not count, and nobody is blamed for it: the clock may be ours", async () => {
  const rig = await LightRig.start({ shardId: 0, at: blockOf(beacon, 200) });
  rig.beacon.add("b1", fullNode(beacon, () => 205));
  rig.shard.add("s1", fullNode(beacon));
  await rig.until(() => rig.seen("refused").length > 0);
  await rig.stop();
  const refusal = rig.seen("refused")[0]?.refusal;
  assert.equal(refusal?.code, "LIGHT_FUTURE");
  assert.deepEqual(rig.shard.reports, []);
});

Deno.test("a peer without a certificate for its newest block is asked for the one before", async () => {
  const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255) });
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  const honest = fullNode(shard1);
  rig.shard.add("s1", {
    ...honest,
    blocks: (numbers) => honest.blocks?.(numbers.filter((n) => n < 255)) ?? [],
  });
  await rig.untilHead(254);
  await rig.until(() => rig.seen("synced").length > 0);
  await rig.stop();
  assert.equal(rig.light.head?.number, 254);
  assert.deepEqual(rig.shard.reports, []);
});

Deno.test("the head survives a restart and never moves backwards", async () => {
  const records = new MemoryRecords();
  const first = await LightRig.start({ shardId: 0, records, at: blockOf(beacon, 426) });
  first.beacon.add("b1", fullNode(beacon));
  first.shard.add("s1", fullNode(beacon));
  await first.untilHead(426);
  await first.stop();

  const second = await LightRig.start({ shardId: 0, records, at: blockOf(beacon, 426) });
  await second.clock.advance(100);
  assert.equal(second.light.head?.number, 426);
  assert.equal(second.light.status().state, "waitingForStreams");
  second.beacon.add("b1", fullNode(beacon));
  second.shard.add("behind", fullNode(beacon, () => 300));
  await second.clock.advance(30_000);
  assert.equal(second.light.head?.number, 426);
  assert.equal(second.shard.count("behind"), 0);
  await second.stop();

  // A head that the operator's anchors exclude is not kept.
  const never = { anchors: [], never: [{ shardId: 0, hash: blockOf(beacon, 426).block.hash }] };
  const third = await LightRig.start({ shardId: 0, records, anchors: never });
  await third.clock.advance(100);
  assert.notEqual(third.light.head?.number, 426);
  await third.stop();
});

Deno.test("from a checkpoint: nothing below is fetched, and its age is told", async () => {
  const number = schedule.lastBlock(12);
  const { block } = blockOf(beacon, number);
  const checkpoint = { shardId: 0, number, hash: block.hash };
  const rig = await LightRig.start({ shardId: 1, checkpoint, at: blockOf(shard1, 255) });
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  rig.shard.add("s1", fullNode(shard1));
  await rig.untilHead(255);
  const json = lightStatusJson(rig.light.status());
  await rig.stop();
  assert.deepEqual(json.checkpoint, {
    given: `0:${number}:${to0x(block.hash)}`,
    begun: true,
    ageDays: 0,
    old: false,
  });
  assert.equal(json.epochChain.origin, "checkpoint");
  assert.equal(rig.chain.base()?.epoch, 12);
  const late = lightStatusJson({ ...rig.light.status(), now: rig.clock.now() + 91 * 86_400_000 });
  assert.deepEqual([late.checkpoint?.ageDays, late.checkpoint?.old], [91, true]);
});

Deno.test("two certified neighbours that are not parent and child stop it", async () => {
  const { network, beacon: beaconBlocks, shard, blocks } = built(4);
  const top = shard.head.number;
  const other = ChainBuilder.start(network, { shardId: 1 });
  while (other.head.number < top - 1) other.next();
  const fork = other.fork(9);
  const theirs = [...blocks.slice(0, top), delivered(fork.next()), delivered(fork.next())];
  const rig = await LightRig.start({ shardId: 1, params: network.params, at: blockOf(theirs, top + 1) });
  rig.beacon.add("b", fullNode(beaconBlocks));
  rig.shard.add("ours", fullNode(blocks));
  await rig.untilHead(top);
  rig.shard.add("theirs", fullNode(theirs));
  await rig.until(() => rig.seen("failed").length > 0);
  await rig.stop();
  const error = rig.seen("failed")[0]?.error;
  assert.ok(error instanceof HsyncError);
  assert.equal(error.code, "CONFLICTING_CERTIFICATES");
  assert.equal(error.exitCode, 11);
  assert.equal(rig.light.head?.number, top);
  assert.equal(rig.light.status().state, "failed");
  assert.deepEqual(rig.shard.reports, []);
});

/** A signed beacon chain up to the end of its second epoch, and one that differs in that block and goes on. */
function twoEnds() {
  const network = signedNetwork({ seed: SEED, epochLength: 10, electedSlots: 3, shardCount: 1 });
  const top = network.params.schedule.lastBlock(2);
  const builder = ChainBuilder.start(network, { absence: 0 });
  const blocks = [delivered(builder.head)];
  while (blocks.length < top) blocks.push(delivered(builder.next()));
  const fork = builder.fork(9);
  const theirs = [...blocks, delivered(fork.next()), delivered(fork.next())];
  blocks.push(delivered(builder.next()));
  return { params: network.params, top, blocks, theirs };
}

Deno.test("another certified block at the head's own height stops it", async () => {
  const { params, top, blocks, theirs } = twoEnds();
  const rig = await LightRig.start({ shardId: 0, params, at: blockOf(theirs, top + 1) });
  rig.beacon.add("before", fullNode(blocks, () => top - 1));
  rig.shard.add("ours", fullNode(blocks));
  await rig.untilHead(top);
  // The epoch chain hands over by the other one.
  rig.beacon.remove("before");
  rig.beacon.add("theirs", fullNode(theirs));
  await rig.until(() => rig.seen("failed").length > 0);
  await rig.stop();
  assert.ok(rig.light.failed instanceof ConflictingCertificates);
  const { number, ours, theirs: other } = rig.light.failed.evidence;
  assert.equal(number, top);
  assert.deepEqual(ours.hash, blockOf(blocks, top).block.hash);
  assert.deepEqual(other.hash, blockOf(theirs, top).block.hash);
  assert.deepEqual([...rig.shard.reports, ...rig.beacon.reports], []);
});

Deno.test("a head of an earlier run is held against its child, too; an anchor settles it", async () => {
  const { network, beacon: beaconBlocks, shard, blocks } = built(4);
  const top = shard.head.number;
  const other = ChainBuilder.start(network, { shardId: 1 });
  while (other.head.number < top - 1) other.next();
  const fork = other.fork(9);
  const theirs = [...blocks.slice(0, top), delivered(fork.next()), delivered(fork.next())];
  const records = new MemoryRecords();
  const open = (more = {}) =>
    LightRig.start({ shardId: 1, params: network.params, at: blockOf(theirs, top + 1), records, ...more });
  const rig = await open();
  rig.beacon.add("b", fullNode(beaconBlocks));
  rig.shard.add("ours", fullNode(blocks));
  await rig.untilHead(top);
  await rig.stop();
  const again = await open();
  again.beacon.add("b", fullNode(beaconBlocks));
  again.shard.add("theirs", fullNode(theirs));
  await again.until(() => again.seen("failed").length > 0);
  await again.stop();
  assert.ok(isConflict(again.light.failed));
  assert.match(again.light.failed.message, new RegExp(`height ${top} are certified`));
  const { number, hash } = blockOf(theirs, top).block;
  const settled = await open({ anchors: { anchors: [{ shardId: 1, number, hash }], never: [] } });
  settled.beacon.add("b", fullNode(beaconBlocks));
  settled.shard.add("theirs", fullNode(theirs));
  await settled.untilHead(top + 1);
  await settled.stop();
  assert.equal(settled.light.failed, undefined);
});

Deno.test("two headers contradict each other at one height, or as neighbours that are not parent and child", () => {
  const { header } = blockOf(shard1, 50).block;
  const child = blockOf(shard1, 51).block.header;
  const parent = blockOf(shard1, 49).block.header;
  const changed = (from: Header) => makeHeader({ ...from, gasUsed: from.gasUsed + 1n });
  const heightOf = (theirs: Header, known: Header | undefined = header) =>
    disputeOf(header, known, theirs)?.number;
  for (const honest of [header, child, parent, blockOf(shard1, 80).block.header]) {
    assert.equal(heightOf(honest), undefined);
  }
  assert.equal(heightOf(changed(header)), 50);
  assert.equal(heightOf(makeHeader({ ...child, parentHash: changed(header).hash })), 50);
  assert.equal(heightOf(changed(parent)), 49);
  assert.deepEqual(disputeOf(header, header, changed(parent))?.ours, parent.hash);
  assert.equal(disputeOf(header, undefined, changed(parent)), undefined, "our own parent is not known");
});

Deno.test("a peer on an abandoned branch is not asked for heads", async () => {
  const anchor = { shardId: 1, number: 100, hash: blockOf(shard1, 100).block.hash };
  const rig = await LightRig.start({
    shardId: 1,
    at: blockOf(shard1, 255),
    anchors: { anchors: [anchor], never: [] },
  });
  rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
  const honest = fullNode(shard1);
  rig.shard.add("abandoned", {
    ...honest,
    hashes: (numbers) => numbers.map(() => fromHex("11".repeat(32))),
  });
  await rig.until(() => !rig.shard.has("abandoned"));
  assert.equal(rig.shard.count("abandoned"), 0);
  rig.shard.add("honest", honest);
  await rig.untilHead(255);
  await rig.stop();
  assert.deepEqual(rig.shard.reports.map((r) => r.id), ["abandoned"]);
});

Deno.test("a live header of an abandoned branch is refused, its child too, and its sender removed", async () => {
  const lists = [
    { anchors: [], never: [{ shardId: 1, hash: blockOf(shard1, 255).block.hash }] },
    { anchors: [], never: [{ shardId: 1, hash: blockOf(shard1, 254).block.hash }] },
    { anchors: [{ shardId: 1, number: 255, hash: new Uint8Array(32).fill(9) }], never: [] },
    { anchors: [{ shardId: 1, number: 254, hash: new Uint8Array(32).fill(9) }], never: [] },
  ];
  for (const anchors of lists) {
    const rig = await LightRig.start({ shardId: 1, at: blockOf(shard1, 255), anchors });
    rig.beacon.add("b1", fullNode(beacon, () => WHEN_SHARD_1_ENDS));
    // It does not say what it has at the heights of the anchors.
    rig.shard.add("abandoned", { ...fullNode(shard1), hashes: (numbers) => numbers.map(() => undefined) });
    await rig.until(() => rig.seen("refused").length > 0);
    await rig.stop();
    assert.equal(rig.seen("refused")[0]?.refusal.code, "ANCHOR_BREACH");
    assert.deepEqual(rig.shard.reports.map((r) => [r.id, r.fault]), [["abandoned", "DATA"]]);
    assert.equal(rig.light.head, undefined);
  }
});

Deno.test("a head comes back out of its record as it was; anything else is no head", async () => {
  const rig = await LightRig.start({ shardId: 0, at: blockOf(beacon, 426) });
  rig.beacon.add("b1", fullNode(beacon));
  rig.shard.add("s1", fullNode(beacon));
  await rig.untilHead(426);
  await rig.stop();
  const head = rig.light.head;
  assert.ok(head !== undefined);
  assert.deepEqual(decodeHead(encodeHead(head)), head);
  for (const text of ["", "{}", "[1]", '{"number":1,"hash":"0x00"}', "\xff"]) {
    assert.equal(decodeHead(new TextEncoder().encode(text)), undefined, text);
  }
});
