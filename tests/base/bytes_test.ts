import assert from "node:assert/strict";
import {
  be64,
  bigintToBytes,
  bytesToBigint,
  compareBytes,
  concat,
  equalBytes,
  fromHex,
  isZero,
  le32,
  le64,
  readBe64,
  readLe32,
  to0x,
  toHex,
} from "../../src/base/mod.ts";

Deno.test("hex goes there and back, with and without prefix and in either case", () => {
  assert.equal(toHex(fromHex("0x00fF10")), "00ff10");
  assert.equal(to0x(fromHex("")), "0x");
});

Deno.test("hex refuses an odd length and a foreign character", () => {
  assert.throws(() => fromHex("abc"), RangeError);
  assert.throws(() => fromHex("zz"), RangeError);
  assert.throws(() => fromHex("0x0g"), RangeError);
});

Deno.test("fixed-width integers keep their byte order", () => {
  assert.deepEqual(le32(6), new Uint8Array([6, 0, 0, 0]));
  assert.equal(toHex(le64(0xf123456789abcdefn)), "efcdab89674523f1");
  assert.equal(readBe64(be64(2n ** 63n + 5n)), 2n ** 63n + 5n);
  assert.equal(readLe32(concat(new Uint8Array(3), le32(0xfffffffe)), 3), 0xfffffffe);
});

Deno.test("a read outside the array throws instead of inventing zeros", () => {
  assert.throws(() => readLe32(new Uint8Array(3)), RangeError);
  assert.throws(() => readBe64(new Uint8Array(8), 1), RangeError);
});

Deno.test("big integers use minimal bytes and refuse negatives", () => {
  assert.equal(bigintToBytes(0n).length, 0);
  assert.equal(toHex(bigintToBytes(256n)), "0100");
  assert.equal(bytesToBigint(fromHex("0100")), 256n);
  assert.throws(() => bigintToBytes(-1n), RangeError);
});

Deno.test("comparison is lexicographic and a prefix comes first", () => {
  assert.ok(compareBytes(fromHex("01"), fromHex("0100")) < 0);
  assert.ok(compareBytes(fromHex("02"), fromHex("01ff")) > 0);
  assert.ok(equalBytes(fromHex("0102"), fromHex("0102")));
  assert.ok(!equalBytes(fromHex("0102"), fromHex("0103")));
  assert.ok(isZero(new Uint8Array(4)) && !isZero(new Uint8Array([0, 1])));
});
