/** A shard's hand-overs against the beacon chain's: equal, different, and not to be had. */
import assert from "node:assert/strict";
import { createLogger, type HsyncError, type LogRecord } from "../../src/base/mod.ts";
import {
  decodeShardState,
  encodeShardState,
  type Header,
  makeHeader,
  networkParams,
  nextEpoch,
} from "../../src/chain/mod.ts";
import { BeaconCheck, type BeaconVerdict } from "../../src/sync/epoch/beacon_committees.ts";
import { recordedChain } from "./support/chains.ts";
import { EpochRig } from "./support/epoch_rig.ts";
import { fullNode, MemoryRecords } from "./support/epoch_world.ts";

const beacon = recordedChain(0).blocks;
const handOvers = recordedChain(1).blocks.map((d) => d.block.header)
  .filter((header) => header.number > 0 && header.shardState.length > 0);

/** The same header with the committee of shard 1 in another order. */
function forged(header: Header): Header {
  const state = decodeShardState(header.shardState);
  const committees = state.committees.map((c) =>
    c.shardId === 1 ? { ...c, slots: [...c.slots].reverse() } : c
  );
  return makeHeader({ ...header, shardState: encodeShardState({ ...state, committees }) });
}

/** What shard 1 has stored, by the epoch it serves in; `bad` is stored as a forger wanted it. */
function ownStates(bad?: Header): (epoch: number) => Promise<Uint8Array | undefined> {
  const stored = new Map(handOvers.map((header) => {
    const kept = header === bad ? forged(header) : header;
    return [nextEpoch(header, undefined, networkParams("localnet")), kept.shardState];
  }));
  return (epoch) => Promise.resolve(stored.get(epoch));
}

async function checker(
  rig: EpochRig,
  bad?: Header,
  onContradicted?: (error: HsyncError) => void,
  isStored: (epoch: number) => boolean = () => true,
) {
  const own = ownStates(bad);
  const lines: LogRecord[] = [];
  const check = await BeaconCheck.open({
    follower: rig.follower,
    shardId: 1,
    ownStateAt: async (epoch) => isStored(epoch) ? await own(epoch) : undefined,
    records: rig.records,
    clock: rig.clock,
    logger: createLogger({ level: "debug", sinks: [(line) => lines.push(line)] }),
    ...(onContradicted === undefined ? {} : { onContradicted }),
  });
  return { check, lines };
}

async function verdict(rig: EpochRig, promise: Promise<BeaconVerdict>): Promise<BeaconVerdict> {
  let done: BeaconVerdict | undefined;
  const watched = promise.then((v) => done = v);
  await rig.until(() => done !== undefined);
  return await watched;
}

Deno.test("every hand-over of recorded shard 1 is the beacon chain's, before staking and after", async () => {
  const rig = await EpochRig.start();
  const { check } = await checker(rig);
  rig.world.add("beacon", fullNode(beacon));
  assert.ok(handOvers.length > 10);
  for (const header of handOvers) {
    assert.deepEqual(await verdict(rig, check.check(header)), { kind: "ok" }, `block ${header.number}`);
  }
  const inside = recordedChain(1).blocks[7]?.block.header as Header;
  assert.equal((await verdict(rig, check.check(inside))).kind, "ok", "it hands over nothing");
  assert.deepEqual(check.status(), { unchecked: 0, checked: handOvers.length, contradicted: undefined });
  await check.stop();
  await rig.stop();
});

Deno.test("committees that the beacon chain did not elect are a mismatch, of either era", async () => {
  const rig = await EpochRig.start();
  const { check } = await checker(rig);
  rig.world.add("beacon", fullNode(beacon));
  for (const header of [handOvers[0], handOvers[1], handOvers[5], handOvers.at(-1)] as Header[]) {
    const answer = await verdict(rig, check.check(forged(header)));
    assert.ok(answer.kind === "mismatch", `block ${header.number}`);
    assert.equal(answer.error.fault, "DATA");
    assert.equal(answer.error.code, "HEADER_BEACON_STATE");
  }
  await check.stop();
  await rig.stop();
});

Deno.test("without anybody to ask the shard's own word stands, is said, and is checked once somebody comes", async () => {
  const [good, , bad] = handOvers as [Header, Header, Header];
  const records = new MemoryRecords();
  const rig = await EpochRig.start({ records });
  const { check, lines } = await checker(rig, bad);
  const begun = rig.clock.monotonic();
  const first = await verdict(rig, check.check(good));
  assert.equal(first.kind, "unknown");
  assert.match(first.kind === "unknown" ? first.why : "", /a stream that serves the epoch chain/);
  const waited = rig.clock.monotonic() - begun;
  assert.ok(waited <= 15_000, `waited ${waited} ms`);
  const again = rig.clock.monotonic();
  assert.equal((await verdict(rig, check.check(forged(bad)))).kind, "unknown");
  assert.ok(rig.clock.monotonic() - again <= 3_000, "nobody waits long twice");
  assert.equal(check.status().unchecked, 2);
  assert.equal(lines.filter((l) => l.level === "warn").length, 1, "said once, not once an epoch");
  await check.stop();
  await rig.stop();

  // A restart does not forget it.
  const later = await EpochRig.start({ records });
  let contradiction: HsyncError | undefined;
  const reopened = await checker(later, bad, (error) => contradiction = error);
  assert.equal(reopened.check.status().unchecked, 2);
  later.world.add("beacon", fullNode(beacon));
  await later.untilEpoch(27);
  await reopened.check.stop();
  await later.stop();
  assert.equal(contradiction?.code, "BEACON_CONTRADICTS");
  assert.equal(contradiction?.exitCode, 11);
  const epoch = nextEpoch(bad, undefined, networkParams("localnet"));
  assert.equal(reopened.check.status().unchecked, 1, "the contradicted one is found again by the next run");
  assert.equal(reopened.check.status().contradicted?.epoch, epoch);
  assert.ok(reopened.lines.some((l) => l.level === "error"));

  // An unwind took the block away: nothing is left to check.
  const unwound = await EpochRig.start({ records });
  const last = await checker(unwound, bad, undefined, (stored) => stored < epoch);
  assert.deepEqual(last.check.status(), { unchecked: 0, checked: 0, contradicted: undefined });
  await last.check.stop();
  await unwound.stop();
});

Deno.test("a hand-over ahead of the beacon chain at hand waits for it", async () => {
  let height = 99;
  const rig = await EpochRig.start();
  const { check } = await checker(rig);
  rig.world.add("beacon", fullNode(beacon, () => height));
  await rig.untilEpoch(6);
  const due = handOvers.find((header) => header.epoch === 6) as Header;
  height = 120;
  const begun = rig.clock.monotonic();
  assert.equal((await verdict(rig, check.check(due))).kind, "ok");
  assert.ok(rig.clock.monotonic() - begun < 3_000, "it looks at once, not at the next poll");
  await check.stop();
  await rig.stop();
});
