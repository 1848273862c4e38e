/** Decimals: rounding is half to even, and it decides quorums. */
import assert from "node:assert/strict";
import {
  DEC_ONE,
  decFromInt,
  decMul,
  decQuo,
  formatDec,
  parseDec,
  readDec,
  rlpDec,
  RlpReader,
} from "../../src/chain/mod.ts";
import { fromHex, HsyncError, toHex } from "../../src/base/mod.ts";

Deno.test("two thirds is the quotient that the quorum compares with", () => {
  assert.equal(formatDec(decQuo(decFromInt(2), decFromInt(3))), "0.666666666666666667");
  assert.equal(formatDec(decQuo(decFromInt(1), decFromInt(3))), "0.333333333333333333");
});

Deno.test("a product that ends in exactly half goes to the even neighbour", () => {
  assert.equal(decMul(5n, parseDec("0.1")), 0n); // 0.5 of the last digit
  assert.equal(decMul(15n, parseDec("0.1")), 2n); // 1.5
  assert.equal(decMul(25n, parseDec("0.1")), 2n); // 2.5
  assert.equal(decMul(35n, parseDec("0.1")), 4n); // 3.5
  assert.equal(decMul(25n, parseDec("0.100000000000000001")), 3n); // just above half
  assert.equal(decMul(-15n, parseDec("0.1")), -2n);
});

Deno.test("a quotient is truncated to 36 digits before it is rounded", () => {
  // 1/2 of the last digit: exactly half, so to even.
  assert.equal(decQuo(1n, decFromInt(2)), 0n);
  assert.equal(decQuo(3n, decFromInt(2)), 2n);
  // A tail beyond the 36th digit is cut off, which makes it look like exactly half.
  const divisor = 2n * DEC_ONE - 1n;
  const scaled = (1n * DEC_ONE * DEC_ONE) / divisor;
  assert.equal(scaled, DEC_ONE / 2n, "the case must be one where the tail is lost");
  assert.equal(decQuo(1n, divisor), 0n);
});

Deno.test("division by zero is an error with a code", () => {
  assert.throws(
    () => decQuo(DEC_ONE, 0n),
    (e: unknown) => e instanceof HsyncError && e.code === "DEC_DIVISION_BY_ZERO",
  );
});

Deno.test("text and raw values convert both ways", () => {
  for (const text of ["0.680000000000000000", "-1.500000000000000000", "12600000000.000000000000000001"]) {
    assert.equal(formatDec(parseDec(text)), text);
  }
  assert.equal(parseDec("0.1"), 10n ** 17n);
  for (const bad of ["", ".5", "1.", "1e3", "0x1", "1.0000000000000000001", " 1"]) {
    assert.throws(() => parseDec(bad), (e: unknown) => e instanceof HsyncError && e.code === "DEC_SYNTAX");
  }
});

Deno.test("the wire form is a list of one integer", () => {
  const cases: Array<[bigint, string]> = [
    [0n, "c180"],
    [parseDec("0.1"), "c988016345785d8a0000"],
    [parseDec("45.123"), "ca89027235196d97f38000"],
  ];
  for (const [value, hex] of cases) {
    assert.equal(toHex(rlpDec(value)), hex);
    assert.equal(readDec(new RlpReader(fromHex(hex), "decimal"), "value"), value);
  }
  for (const bad of ["c0", "80", "c20101", "c20001", "c3820001"]) {
    assert.throws(
      () => readDec(new RlpReader(fromHex(bad), "decimal"), "value"),
      (e: unknown) => e instanceof HsyncError && e.fault === "DATA",
      bad,
    );
  }
});
