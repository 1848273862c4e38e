/** The rule table: recorded chains pass without a note, and each rule bites. */
import assert from "node:assert/strict";
import { fromHex, HsyncError } from "../../src/base/mod.ts";
import {
  decodeHeader,
  decodeShardState,
  encodeShardState,
  type Header,
  type HeaderFields,
  makeHeader,
  networkParams,
  type ShardState,
  shardStateHash,
} from "../../src/chain/mod.ts";
import { checkBeaconState, checkHeader, HEADER_RULES } from "../../src/consensus/mod.ts";
import { buildBlocks, testNetwork } from "../builder/mod.ts";
import { recordedBlocks, vectorJson } from "../vectors/load.ts";

function recordedHeaders(shard: 0 | 1): Header[] {
  return recordedBlocks(shard).map((block) => decodeHeader(fromHex(block.headerRLP)));
}

function rejection(rule: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HsyncError, String(error));
    assert.equal(error.code, `HEADER_${rule}`, error.message);
    assert.equal(error.fault, "DATA");
    return true;
  };
}

for (const shard of [0, 1] as const) {
  Deno.test(`recorded shard ${shard} obeys every rule without a note`, () => {
    const params = networkParams("localnet");
    const headers = recordedHeaders(shard);
    for (const [i, header] of headers.entries()) {
      const parent = headers[i - 1];
      if (parent === undefined) continue;
      assert.deepEqual(
        checkHeader(parent, header, params, { now: 4_000_000_000 }),
        [],
        `block ${header.number}`,
      );
    }
  });

  Deno.test(`built chains of shard ${shard} obey every rule without a note`, () => {
    for (const forks of [{}, { crossTx: 1, preStaking: 2, vrf: 2 }]) {
      const network = testNetwork({ seed: 77, epochLength: 11, firstEpochLength: 4, stakingEpoch: 3, forks });
      const blocks = buildBlocks(network, 80, { shardId: shard });
      const versions = new Set<string>();
      for (const [i, built] of blocks.entries()) {
        const parent = blocks[i - 1];
        if (parent === undefined) continue;
        versions.add(built.block.header.version);
        assert.deepEqual(checkHeader(parent.block.header, built.block.header, network.params), []);
      }
      assert.equal(versions.size, "preStaking" in forks ? 3 : 1);
    }
  });
}

Deno.test("the real mainnet headers that follow each other obey every rule", () => {
  const { mainnet_shard0_headers: raw } = vectorJson<
    { mainnet_shard0_headers: Array<{ headerRlp: string }> }
  >(
    "chain-public.json",
  );
  const params = networkParams("mainnet");
  const headers = raw.map((h) => decodeHeader(fromHex(h.headerRlp))).sort((a, b) => a.number - b.number);
  let pairs = 0;
  for (const [i, header] of headers.entries()) {
    const parent = headers[i - 1];
    if (parent === undefined || parent.number + 1 !== header.number) continue;
    pairs++;
    assert.deepEqual(checkHeader(parent, header, params), []);
  }
  assert.equal(pairs, 2);
});

/** The header with some fields changed, as a header of its own. */
function changed(header: Header, fields: Partial<HeaderFields>): Header {
  const all: Record<string, unknown> = {};
  for (const key of Object.keys(header)) if (key !== "bytes") all[key] = header[key as keyof Header];
  return makeHeader({ ...(all as unknown as HeaderFields), ...fields });
}

/** Beacon headers of a test network with epochs of ten blocks; staking from epoch 2. */
function beacon(): { headers: Header[]; params: ReturnType<typeof testNetwork>["params"] } {
  const network = testNetwork({ seed: 1, epochLength: 10 });
  return { headers: buildBlocks(network, 45).map((b) => b.block.header), params: network.params };
}

/** The header at a height; a missing one is a mistake in the test. */
function at(headers: readonly Header[], number: number): Header {
  const header = headers[number];
  assert.ok(header, `no header ${number}`);
  return header;
}

Deno.test("links: shard, number and parent hash must fit", () => {
  const { headers, params } = beacon();
  const [parent, child] = [at(headers, 14), at(headers, 15)];
  const rejects = (rule: string, fields: Partial<HeaderFields>) =>
    assert.throws(() => checkHeader(parent, changed(child, fields), params), rejection(rule));
  rejects("SHARD", { shardId: 1 });
  rejects("NUMBER", { number: 14 });
  rejects("NUMBER", { number: 16 });
  rejects("PARENT_HASH", { parentHash: new Uint8Array(32) });
  assert.throws(() => checkHeader(at(headers, 13), child, params), rejection("NUMBER"));
});

Deno.test("epochs: neither early, late, backwards nor ahead of the schedule", () => {
  const { headers, params } = beacon();
  const rejects = (rule: string, number: number, fields: Partial<HeaderFields>) =>
    assert.throws(
      () => checkHeader(at(headers, number - 1), changed(at(headers, number), fields), params),
      rejection(rule),
    );
  rejects("EPOCH", 15, { epoch: 2 });
  rejects("EPOCH", 15, { epoch: 0 });
  rejects("EPOCH", 20, { epoch: 1 }); // the first block of an epoch that stays in the old one
  rejects("EPOCH", 20, { epoch: 3 }); // a jump
  // A parent that hands over too early leads to an epoch that the height does not have.
  const early = changed(at(headers, 15), { shardState: at(headers, 19).shardState });
  const child = changed(at(headers, 16), { parentHash: early.hash, epoch: 2 });
  assert.throws(() => checkHeader(early, child, params), rejection("EPOCH_HEIGHT"));
});

Deno.test("committees stand exactly in the last blocks of beacon epochs", () => {
  const { headers, params } = beacon();
  const state = at(headers, 19).shardState;
  assert.throws(
    () => checkHeader(at(headers, 14), changed(at(headers, 15), { shardState: state }), params),
    rejection("SHARD_STATE_PLACE"),
  );
  assert.throws(
    () => checkHeader(at(headers, 18), changed(at(headers, 19), { shardState: new Uint8Array(0) }), params),
    rejection("SHARD_STATE_PLACE"),
  );
});

Deno.test("committees must have the form of their epoch and lead to it", () => {
  const { headers, params } = beacon();
  const [parent, last] = [at(headers, 28), at(headers, 29)]; // ends epoch 2, leads to staking epoch 3
  const state = decodeShardState(last.shardState);
  const rejects = (wrong: ShardState | Uint8Array) =>
    assert.throws(
      () =>
        checkHeader(
          parent,
          changed(last, { shardState: wrong instanceof Uint8Array ? wrong : encodeShardState(wrong) }),
          params,
        ),
      rejection("SHARD_STATE_FORM"),
    );
  rejects(Uint8Array.of(1, 2, 3));
  rejects({ ...state, epoch: 4 });
  rejects({ ...state, epoch: 2 });
  rejects({ ...state, epoch: 1 });
  rejects({
    epoch: undefined,
    committees: state.committees.map((c) => ({
      ...c,
      slots: c.slots.map((s) => ({ ...s, stake: undefined })),
    })),
  });
  rejects({ ...state, committees: [...state.committees, ...state.committees] });
  const old = changed(at(headers, 9), { shardState: encodeShardState({ ...state, epoch: 1 }) });
  assert.throws(() => checkHeader(at(headers, 8), old, params), rejection("SHARD_STATE_FORM"));
});

Deno.test("a shard other than 0 may end an epoch at any height and jump ahead, never back", () => {
  const network = testNetwork({ seed: 2, epochLength: 10, stakingEpoch: 6 });
  const headers = buildBlocks(network, 30, { shardId: 1 }).map((b) => b.block.header);
  const parent = at(headers, 25);
  const jump = changed(at(headers, 26), { shardState: encodeShardState(network.shardState(8)) });
  assert.ok(parent.epoch < 4, "before staking");
  assert.deepEqual(checkHeader(parent, jump, network.params), []);
  const after = changed(at(headers, 27), { parentHash: jump.hash, epoch: 8 });
  assert.deepEqual(checkHeader(jump, after, network.params), []);
  assert.throws(
    () => checkHeader(jump, changed(after, { epoch: parent.epoch + 1 }), network.params),
    rejection("EPOCH"),
  );
  const back = changed(at(headers, 28), { parentHash: after.hash, epoch: 8, shardState: jump.shardState });
  assert.throws(() => checkHeader(after, back, network.params), rejection("SHARD_STATE_FORM"));
  const legacy = changed(at(headers, 26), { shardState: encodeShardState(network.shardState(3)) });
  assert.throws(() => checkHeader(parent, legacy, network.params), rejection("SHARD_STATE_PLACE"));
});

Deno.test("the form of a header follows from its epoch", () => {
  const { headers, params } = beacon();
  assert.throws(
    () => checkHeader(at(headers, 14), changed(at(headers, 15), { version: "v2" }), params),
    rejection("VERSION"),
  );
});

Deno.test("before staking nobody but the account tables names a committee", () => {
  const params = networkParams("mainnet");
  const committees = params.tableCommittees(12);
  assert.ok(committees);
  const base = at(beacon().headers, 15);
  const number = params.schedule.lastBlock(11);
  const parent = changed(base, {
    version: "v0",
    epoch: 11,
    number: number - 1,
    shardState: new Uint8Array(0),
    ...V0,
  });
  const child = (state: ShardState) =>
    changed(parent, {
      number,
      parentHash: parent.hash,
      viewId: parent.viewId + 1n,
      shardState: encodeShardState(state),
      shardStateHash: shardStateHash(state.committees),
    });
  const good: ShardState = { epoch: undefined, committees };
  assert.deepEqual(checkHeader(parent, child(good), params), []);
  const [first, ...rest] = committees;
  assert.ok(first);
  const stranger = first.slots.map((slot, i) =>
    i === 7 ? { ...slot, blsKey: new Uint8Array(48).fill(1) } : slot
  );
  for (
    const bad of [
      [{ ...first, slots: stranger }, ...rest],
      [{ ...first, slots: first.slots.slice(1) }, ...rest],
      rest,
      [...committees, { shardId: 4, slots: first.slots }],
    ]
  ) {
    assert.throws(
      () => checkHeader(parent, child({ epoch: undefined, committees: bad }), params),
      rejection("SHARD_STATE_TABLES"),
    );
  }
});

/** What a v0 header cannot carry. */
const V0: Partial<HeaderFields> = { vrf: new Uint8Array(0), vdf: new Uint8Array(0) };

Deno.test("oddities that real chains contain are noted and nothing more", () => {
  const { headers, params } = beacon();
  const [parent, child] = [at(headers, 14), at(headers, 15)];
  const notes = (fields: Partial<HeaderFields>, now?: number) =>
    checkHeader(parent, changed(child, fields), params, now === undefined ? {} : { now }).map((o) => o.id);
  assert.deepEqual(notes({ viewId: parent.viewId }), ["VIEW_ID"]);
  assert.deepEqual(notes({ viewId: parent.viewId + 1_000_000_000n }), ["VIEW_ID_STEP"]);
  assert.deepEqual(notes({ time: parent.time - 1n }), ["TIME_ORDER"]);
  assert.deepEqual(notes({}, Number(child.time) - 30), []);
  assert.deepEqual(notes({}, Number(child.time) - 90), ["TIME_FUTURE"]);
  assert.deepEqual(notes({ extra: Uint8Array.of(1) }), ["EXTRA"]);
  assert.deepEqual(notes({ mixDigest: new Uint8Array(32).fill(1) }), ["MIX_DIGEST"]);
  assert.deepEqual(notes({ vrf: new Uint8Array(0) }), ["VRF"]);
  assert.deepEqual(notes({ vdf: Uint8Array.of(1) }), ["VDF"]);
  assert.deepEqual(notes({ crossLinks: Uint8Array.of(0xc0) }), ["BEACON_FIELDS"], "before their fork");
  assert.deepEqual(notes({ slashes: Uint8Array.of(0xc0) }), ["BEACON_FIELDS"]);
  const odd = checkHeader(
    at(headers, 0),
    changed(at(headers, 1), { lastCommitBitmap: Uint8Array.of(1) }),
    params,
  );
  assert.deepEqual(odd.map((o) => o.id), ["FIRST_SEAL"]);
  const last = at(headers, 29);
  const state = decodeShardState(last.shardState);
  const fewer = changed(last, {
    shardState: encodeShardState({ ...state, committees: state.committees.slice(1) }),
  });
  assert.deepEqual(checkHeader(at(headers, 28), fewer, params).map((o) => o.id), ["SHARD_COUNT"]);
});

Deno.test("the table lists each rule once, the rejecting ones first", () => {
  const ids = HEADER_RULES.map((rule) => rule.id);
  assert.equal(new Set(ids).size, ids.length);
  const fates = HEADER_RULES.map((rule) => rule.fate);
  assert.ok(fates.lastIndexOf("reject") < fates.indexOf("log"));
});

Deno.test("another shard's committees must be the beacon chain's, byte for byte", () => {
  const network = testNetwork({ seed: 3, epochLength: 10 });
  const states = (shardId: number) =>
    new Map(
      buildBlocks(network, 60, { shardId }).map((b) => b.block.header).filter((h) => h.shardState.length > 0)
        .map((h) => [h.epoch + 1, h] as const),
    );
  const beaconStates = states(0);
  for (const [epoch, header] of states(1)) {
    if (header.number === 0) continue;
    const beaconState = beaconStates.get(epoch)?.shardState;
    if (beaconState === undefined) continue;
    checkBeaconState(header, beaconState);
    const other = changed(header, { shardState: encodeShardState(network.shardState(epoch + 1)) });
    assert.throws(() => checkBeaconState(other, beaconState), rejection("BEACON_STATE"));
  }
});
