/** Voting power and quorum: known values, and the last digit at the limit. */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { DEC_ONE, decFromInt, formatDec, parseDec, type Slot } from "../../src/chain/mod.ts";
import {
  bitmapLength,
  stakeQuorum,
  TWO_THIRDS,
  uniformQuorum,
  uniformThreshold,
  votingPowers,
} from "../../src/consensus/mod.ts";

function slot(key: number, stake?: bigint): Slot {
  return { address: new Uint8Array(20), blsKey: new Uint8Array(48).fill(key), stake };
}

function reserved(count: number): Slot[] {
  return Array.from({ length: count }, (_, i) => slot(i + 1));
}

/** A bitmap of `length` slots with these set. */
function bits(length: number, set: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array(bitmapLength(length));
  for (const i of set) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
  return bitmap;
}

function powers(slots: readonly Slot[], share: string): string[] {
  return votingPowers(slots, parseDec(share)).map((p) => formatDec(p.power));
}

Deno.test("six reserved slots and one staked at 68 %: the published powers", () => {
  const published = powers([...reserved(6), slot(100, decFromInt(20_000))], "0.68");
  assert.deepEqual(published.slice(0, 6), Array(6).fill("0.113333333333333333"));
  assert.equal(published[6], "0.320000000000000002");
});

Deno.test("thirty reserved slots have 0.022666666666666667 each", () => {
  assert.deepEqual(
    powers([...reserved(30), slot(100, 1n)], "0.68").slice(0, 30),
    Array(30).fill("0.022666666666666667"),
  );
});

Deno.test("a staked slot has its share of the stake times the staked share, rounded twice", () => {
  // Its group share is 0.014838132180318049 of all stake; the published overall power is 0.004748202297701776.
  const stake = parseDec("0.014838132180318049");
  const slots = [...reserved(2), slot(100, stake), slot(101, DEC_ONE - stake)];
  assert.equal(powers(slots, "0.68")[2], "0.004748202297701776");
});

Deno.test("what rounding leaves over goes to the last staked slot, also when it is negative", () => {
  for (const share of ["0.68", "0.49", "0.01", "0.90"]) {
    for (const count of [3, 6, 7, 11]) {
      const slots = [slot(50, 3n), ...reserved(count), slot(60, 7n), slot(61, 11n)];
      const all = votingPowers(slots, parseDec(share));
      assert.equal(all.reduce((sum, p) => sum + p.power, 0n), DEC_ONE, `${share}, ${count}`);
    }
  }
  // Three equal shares of 0.6 / 7 … round up: the last one pays for it.
  const up = powers([...reserved(6), slot(100, 1n)], "0.4");
  assert.equal(up[0], "0.066666666666666667");
  assert.equal(up[6], "0.599999999999999998");
});

Deno.test("without a staked slot nothing is corrected", () => {
  const six = votingPowers(reserved(6), parseDec("0.68"));
  assert.equal(formatDec(six.reduce((sum, p) => sum + p.power, 0n)), "0.679999999999999998");
  assert.ok(stakeQuorum(reserved(6), parseDec("0.68")).tally(bits(6, [0, 1, 2, 3, 4, 5])).reached);
  assert.ok(!stakeQuorum(reserved(6), parseDec("0.68")).tally(bits(6, [0, 1, 2, 3, 4])).reached);
});

Deno.test("no reserved slots: with no share at all, and with a share that falls to the last staked slot", () => {
  const slots = [slot(1, 1n), slot(2, 1n), slot(3, 2n)];
  assert.deepEqual(powers(slots, "0"), [
    "0.250000000000000000",
    "0.250000000000000000",
    "0.500000000000000000",
  ]);
  const remainder = powers(slots, "0.9");
  assert.deepEqual(remainder, ["0.025000000000000000", "0.025000000000000000", "0.950000000000000000"]);
  assert.ok(stakeQuorum(slots, parseDec("0.9")).tally(bits(3, [2])).reached);
  assert.ok(!stakeQuorum(slots, parseDec("0.9")).tally(bits(3, [0, 1])).reached);
});

Deno.test("a reserved slot where the share is zero has no power and breaks nothing", () => {
  assert.deepEqual(powers([slot(1), slot(2, 5n)], "0"), ["0.000000000000000000", "1.000000000000000000"]);
});

Deno.test("a committee whose stakes are all zero cannot be used", () => {
  assert.throws(
    () => votingPowers([slot(1, 0n), slot(2, 0n)], parseDec("0.5")),
    (e: unknown) => e instanceof HsyncError && e.code === "COMMITTEE_UNUSABLE" && e.fault === "NONE",
  );
});

Deno.test("a key in two slots has the power of the first and answers for the bit of the last", () => {
  const slots = [slot(1, 50n), slot(2, 30n), slot(1, 20n)];
  const [first, second, ...none] = votingPowers(slots, 0n);
  assert.equal(none.length, 0);
  assert.equal(formatDec(first?.power ?? 0n), "0.500000000000000000");
  assert.equal(first?.bit, 2);
  assert.equal(second?.bit, 1);
  const quorum = stakeQuorum(slots, 0n);
  assert.equal(quorum.tally(bits(3, [0])).power, 0n, "the first slot's bit says nothing about power");
  assert.equal(quorum.tally(bits(3, [0])).signers, 1);
  assert.equal(quorum.tally(bits(3, [2])).power, parseDec("0.5"));
  assert.ok(quorum.tally(bits(3, [1, 2])).reached);
});

Deno.test("what is left over is lost when the last staked slot is a repeat", () => {
  const slots = [slot(9), slot(8), slot(7), slot(1, 1n), slot(2, 1n), slot(1, 1n)];
  const all = votingPowers(slots, parseDec("0.5"));
  // Each staked slot: 0.333333333333333333 × 0.5, half a digit rounded to even; the correction goes nowhere.
  assert.deepEqual(all.filter((p) => !p.reserved).map((p) => formatDec(p.power)), [
    "0.166666666666666666",
    "0.166666666666666666",
  ]);
});

Deno.test("a repeat among reserved slots is counted once", () => {
  const slots = [slot(1), slot(1), slot(2), slot(3, 1n)];
  const all = votingPowers(slots, parseDec("0.6"));
  assert.deepEqual(all.map((p) => formatDec(p.power)), [
    "0.200000000000000000",
    "0.200000000000000000",
    "0.400000000000000000",
  ]);
  assert.deepEqual(all.map((p) => p.bit), [1, 2, 3]);
});

Deno.test("power must exceed two thirds, to the last digit", () => {
  assert.equal(formatDec(TWO_THIRDS), "0.666666666666666667");
  const at = (digits: bigint) => {
    const slots = [slot(1, digits), slot(2, DEC_ONE - digits)];
    return stakeQuorum(slots, 0n).tally(bits(2, [0]));
  };
  assert.ok(!at(TWO_THIRDS - 1n).reached);
  assert.ok(!at(TWO_THIRDS).reached, "equal is not enough");
  assert.ok(at(TWO_THIRDS + 1n).reached);
});

Deno.test("before staking two thirds of the slots and one more must sign", () => {
  const needed: Array<[number, number]> = [[1, 1], [2, 2], [3, 3], [4, 3], [9, 7], [150, 101], [250, 167]];
  for (const [slots, least] of needed) {
    assert.equal(uniformThreshold(slots), least, `${slots} slots`);
    const quorum = uniformQuorum(slots);
    const set = Array.from({ length: least }, (_, i) => slots - 1 - i);
    assert.ok(quorum.tally(bits(slots, set)).reached, `${slots} slots`);
    assert.ok(!quorum.tally(bits(slots, set.slice(1))).reached, `${slots} slots`);
  }
});

Deno.test("spare bits of the last byte are never an advantage", () => {
  const uniform = uniformQuorum(9);
  const six = bits(9, [0, 1, 2, 3, 4, 5]);
  six[1] = (six[1] ?? 0) | 0b1111_1110;
  assert.equal(uniform.tally(six).signers, 6);
  assert.ok(!uniform.tally(six).reached);
  const stake = stakeQuorum([slot(1, 1n), slot(2, 1n)], 0n);
  assert.equal(stake.tally(Uint8Array.of(0b1111_1101)).power, parseDec("0.5"));
});

Deno.test("a bitmap of another length is refused as wrong data", () => {
  for (const quorum of [uniformQuorum(9), stakeQuorum([...reserved(8), slot(99, 1n)], parseDec("0.68"))]) {
    for (const length of [0, 1, 3]) {
      assert.throws(
        () => quorum.tally(new Uint8Array(length).fill(255)),
        (e: unknown) => e instanceof HsyncError && e.code === "QUORUM_BITMAP" && e.fault === "DATA",
      );
    }
  }
});
