/** Committees as headers carry them. */
import assert from "node:assert/strict";
import { concat, equalBytes, fromHex, HsyncError, toHex } from "../../src/base/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import {
  committeeOfShard,
  decodeHeader,
  decodeShardState,
  encodeShardState,
  nextEpoch,
  parseDec,
  rlpBytes,
  rlpList,
  sameCommittee,
  type ShardState,
  shardStateHash,
  type Slot,
} from "../../src/chain/mod.ts";
import { recordedBlocks, vectorLines, vectorText } from "../vectors/load.ts";

const A1 = new Uint8Array(20).fill(0x11);
const A2 = new Uint8Array(20).fill(0x22);
const K1 = new Uint8Array(48).fill(0x33);
const K2 = new Uint8Array(48).fill(0x44);

/** One recorded epoch: the committees of all shards, as bytes and in readable form. */
interface RecordedEpoch {
  readonly epoch: number;
  readonly shardStateRLP: string;
  readonly hash: string;
  readonly state: Readonly<
    Record<string, ReadonlyArray<{ address: string; blsKey: string; effectiveStake: string | null }>>
  >;
}

function goRlp(name: string): Uint8Array {
  const lines = vectorText("go-rlp.txt").split("\n");
  const at = lines.findIndex((line) => line.startsWith(`${name} len=`));
  return fromHex((lines[at + 1] ?? "").trim());
}

function isData(error: unknown): boolean {
  return error instanceof HsyncError && error.fault === "DATA";
}

Deno.test("the staking form equals the reference's bytes and comes back whole", () => {
  const state: ShardState = {
    epoch: 186,
    committees: [
      {
        shardId: 0,
        slots: [
          { address: A1, blsKey: K1, stake: undefined },
          { address: A2, blsKey: K2, stake: parseDec("45.123") },
        ],
      },
      { shardId: 1, slots: [] },
    ],
  };
  const bytes = encodeShardState(state);
  assert.equal(toHex(bytes), toHex(goRlp("State")));
  assert.equal(
    toHex(keccak256(bytes)),
    "fc402b83b93f3a3f32f4a0f405489d71ddf023d172f2532201e7855ac41739fe",
  );
  assert.deepEqual(decodeShardState(bytes), state);
});

Deno.test("the legacy form equals the reference's bytes and says no epoch", () => {
  const state: ShardState = {
    epoch: undefined,
    committees: [
      { shardId: 0, slots: [{ address: A1, blsKey: K1, stake: undefined }] },
      { shardId: 1, slots: [{ address: A2, blsKey: K2, stake: undefined }] },
    ],
  };
  const bytes = encodeShardState(state);
  assert.equal(toHex(bytes), toHex(goRlp("Legacy")));
  assert.deepEqual(decodeShardState(bytes), state);
});

Deno.test("a stake of zero is not the same as no stake", () => {
  const state = (stake: bigint | undefined): ShardState => ({
    epoch: 2,
    committees: [{ shardId: 0, slots: [{ address: A1, blsKey: K1, stake }] }],
  });
  assert.deepEqual(decodeShardState(encodeShardState(state(0n))), state(0n));
  assert.deepEqual(decodeShardState(encodeShardState(state(undefined))), state(undefined));
  assert.notEqual(toHex(encodeShardState(state(0n))), toHex(encodeShardState(state(undefined))));
});

Deno.test("neither form exactly is refused as wrong data", () => {
  const slot = rlpList([rlpBytes(A1), rlpBytes(K1)]);
  const staked = rlpList([rlpBytes(A1), rlpBytes(K1), Uint8Array.of(0xc0)]);
  const committee = (s: Uint8Array) => rlpList([Uint8Array.of(0x80), rlpList([s])]);
  const cases: Record<string, Uint8Array> = {
    "nothing": new Uint8Array(0),
    "a string": Uint8Array.of(0x83, 1, 2, 3),
    "bytes after the end": concat(rlpList([committee(slot)]), Uint8Array.of(0)),
    "stakes in the legacy form": rlpList([committee(staked)]),
    "no stakes in the staking form": rlpList([Uint8Array.of(5), rlpList([committee(slot)])]),
    "a third item": rlpList([Uint8Array.of(5), rlpList([committee(staked)]), Uint8Array.of(0xc0)]),
    "an epoch without committees": rlpList([Uint8Array.of(5)]),
    "an absent stake as a string": rlpList([
      Uint8Array.of(5),
      rlpList([committee(rlpList([rlpBytes(A1), rlpBytes(K1), Uint8Array.of(0x80)]))]),
    ]),
    "a key of 47 bytes": rlpList([committee(rlpList([rlpBytes(A1), rlpBytes(K1.subarray(1))]))]),
    "a cut tail": encodeShardState({
      epoch: 3,
      committees: [{ shardId: 0, slots: [{ address: A1, blsKey: K1, stake: 1n }] }],
    }).subarray(0, 60),
  };
  for (const [what, bytes] of Object.entries(cases)) {
    assert.throws(() => decodeShardState(bytes), isData, what);
  }
});

Deno.test("stakes cannot be put into the legacy form", () => {
  const slot: Slot = { address: A1, blsKey: K1, stake: 1n };
  assert.throws(
    () => encodeShardState({ epoch: undefined, committees: [{ shardId: 0, slots: [slot] }] }),
    RangeError,
  );
});

Deno.test("every recorded committee decodes to the recorded slots and encodes to the same bytes", () => {
  for (const shard of [0, 1]) {
    const epochs = vectorLines<RecordedEpoch>(`localnet/s${shard}.epochs.jsonl.gz`);
    assert.ok(epochs.length > 15);
    for (const recorded of epochs) {
      const bytes = fromHex(recorded.shardStateRLP);
      const state = decodeShardState(bytes);
      const where = `shard ${shard}, epoch ${recorded.epoch}`;
      assert.equal(toHex(encodeShardState(state)), toHex(bytes), where);
      if (state.epoch !== undefined) assert.equal(state.epoch, recorded.epoch, where);
      assert.deepEqual(
        state.committees.map((c) => String(c.shardId)),
        Object.keys(recorded.state).sort(),
        where,
      );
      for (const committee of state.committees) {
        const slots = recorded.state[String(committee.shardId)] ?? [];
        assert.deepEqual(
          committee.slots.map((slot) => ({
            address: "0x" + toHex(slot.address),
            blsKey: toHex(slot.blsKey),
            stake: slot.stake,
          })),
          slots.map((slot) => ({
            address: slot.address.toLowerCase(),
            blsKey: slot.blsKey,
            stake: slot.effectiveStake === null ? undefined : parseDec(slot.effectiveStake),
          })),
          where,
        );
      }
      assert.equal("0x" + toHex(shardStateHash(state.committees)), recorded.hash, where);
    }
  }
});

Deno.test("headers hand over exactly the recorded committees, and the next-epoch rule names their epochs", () => {
  for (const shard of [0, 1] as const) {
    const epochs = new Map(
      vectorLines<RecordedEpoch>(`localnet/s${shard}.epochs.jsonl.gz`).map((e) => [e.epoch, e.shardStateRLP]),
    );
    let handOvers = 0;
    let expected: number | undefined;
    for (const recorded of recordedBlocks(shard)) {
      const header = decodeHeader(fromHex(recorded.headerRLP));
      assert.equal(header.epoch, recorded.epoch);
      if (expected !== undefined) {
        assert.equal(header.epoch, expected, `shard ${shard}, block ${header.number}`);
      }
      expected = nextEpoch(header, undefined, { stakingEpoch: 2 });
      if (header.shardState.length === 0) continue;
      handOvers++;
      const next = epochs.get(expected);
      if (next !== undefined) assert.ok(equalBytes(fromHex(next), header.shardState), `epoch ${expected}`);
    }
    assert.ok(handOvers > 15);
  }
});

Deno.test("the next epoch: same, plus one, or the one that staking committees name", () => {
  const params = { stakingEpoch: 186 };
  const legacy = encodeShardState({ epoch: undefined, committees: [] });
  const staking = (epoch: number) => encodeShardState({ epoch, committees: [] });
  const of = (number: number, epoch: number, shardState: Uint8Array) =>
    nextEpoch({ number, epoch, shardState }, undefined, params);
  assert.equal(of(5, 7, new Uint8Array(0)), 7);
  assert.equal(of(0, 0, legacy), 0, "genesis hands over to its own epoch");
  assert.equal(of(5, 7, legacy), 8);
  assert.equal(of(5, 180, staking(186)), 186, "a shard may jump into the staking era");
  assert.equal(of(5, 200, staking(201)), 201);
  assert.equal(of(5, 100, staking(150)), 101, "a named epoch before staking counts for nothing");
});

Deno.test("committees are found by shard and compared slot by slot", () => {
  const slot: Slot = { address: A1, blsKey: K1, stake: undefined };
  const state: ShardState = { epoch: undefined, committees: [{ shardId: 2, slots: [slot] }] };
  assert.equal(committeeOfShard(state, 0), undefined);
  const committee = committeeOfShard(state, 2);
  assert.ok(committee);
  assert.ok(sameCommittee(committee, { shardId: 2, slots: [{ ...slot }] }));
  assert.ok(!sameCommittee(committee, { shardId: 2, slots: [{ ...slot, stake: 0n }] }));
  assert.ok(!sameCommittee(committee, { shardId: 2, slots: [{ ...slot, address: A2 }] }));
  assert.ok(!sameCommittee(committee, { shardId: 1, slots: [slot] }));
});
