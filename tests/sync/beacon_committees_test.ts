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
import { lowerCompared, type OwnEpochs } from "../../src/sync/epoch/compared_mark.ts";
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
  ownChain?: OwnEpochs,
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
    ...(ownChain === undefined ? {} : { own: ownChain }),
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

/** The recorded chain of shard 1 as it was stored, up to block `head`; with another block at `bent`. */
function stored(head: number, bent?: number): OwnEpochs {
  const { blocks } = recordedChain(1);
  const last = handOvers.findLast((header) => header.number <= head) as Header;
  return {
    span: () =>
      Promise.resolve({
        lowest: 0,
        newest: {
          epoch: nextEpoch(last, undefined, networkParams("localnet")),
          number: last.number,
          hash: last.hash,
        },
      }),
    hashAt: (number) =>
      Promise.resolve(
        number === bent ? new Uint8Array(32) : number <= head ? blocks[number]?.block.hash : undefined,
      ),
  };
}

Deno.test("committees that entered the store without any check are compared, once, and again when blocks were replaced", async () => {
  const params = networkParams("localnet");
  const last = handOvers.at(-1) as Header;
  const newest = nextEpoch(last, undefined, params);
  const staking = newest - params.stakingEpoch + 1;
  const records = new MemoryRecords();
  const open = async (own: OwnEpochs, bad?: Header) => {
    const rig = await EpochRig.start({ records });
    const errors: HsyncError[] = [];
    const { check, lines } = await checker(rig, bad, (error) => errors.push(error), undefined, own);
    return { rig, check, lines, errors };
  };
  const end = async ({ rig, check }: Awaited<ReturnType<typeof open>>) => {
    await check.stop();
    await rig.stop();
  };
  // Out of a file, with nobody to ask: all of them are noted, and it is said.
  const alone = await open(stored(255));
  assert.equal(alone.check.status().unchecked, staking);
  assert.ok(alone.lines.some((l) => /stored without asking the beacon chain/.test(l.message)));
  await end(alone);

  const asked = await open(stored(255));
  assert.equal(asked.check.status().unchecked, staking, "a restart does not forget it");
  asked.rig.world.add("beacon", fullNode(beacon));
  await asked.rig.untilEpoch(27);
  await end(asked);
  assert.deepEqual(asked.check.status(), { unchecked: 0, checked: staking, contradicted: undefined });

  const again = await open(stored(255));
  assert.equal(again.check.status().unchecked, 0, "what was compared need not be compared again");
  await end(again);

  // An unwind took blocks away, and a file brought others, with committees of somebody's own.
  const replaced = await open(stored(255, last.number), last);
  await end(replaced);
  assert.deepEqual(replaced.errors.map((error) => [error.code, error.exitCode]), [[
    "BEACON_CONTRADICTS",
    11,
  ]]);
  assert.equal(replaced.check.status().contradicted?.epoch, newest);

  // What was compared with beacon blocks that are gone is compared again, and no more than that.
  await records.removeRecord("epochs/unchecked");
  await end(await open(stored(255)));
  await lowerCompared(records, newest - 2);
  const lowered = await open(stored(255));
  await end(lowered);
  assert.equal(lowered.check.status().checked, 2);
});

Deno.test("an epoch that a shard left out is not waited for, and before staking the tables speak", async () => {
  const params = networkParams("localnet");
  const rig = await EpochRig.start();
  rig.world.add("beacon", fullNode(beacon));
  await rig.untilEpoch(27);
  const { check } = await checker(rig, undefined, undefined, (epoch) => epoch !== 9, stored(255));
  await check.stop();
  await rig.stop();
  const newest = nextEpoch(handOvers.at(-1) as Header, undefined, params);
  assert.deepEqual(check.status(), {
    unchecked: 0,
    checked: newest - params.stakingEpoch,
    contradicted: undefined,
  });
});
