import assert from "node:assert/strict";
import { concat, HsyncError, SeededRandom } from "../../src/base/mod.ts";
import {
  MAX_LIST_ITEMS,
  RLP_EMPTY_LIST,
  rlpBytes,
  rlpFixed,
  rlpList,
  rlpListItems,
  RlpReader,
  rlpUint,
} from "../../src/chain/mod.ts";
import { goRlp, hex, refuses, repeat, sameBytes } from "./support.ts";

/** Reads one item with `read` and states that nothing follows. */
function whole<T>(bytes: string | Uint8Array, read: (r: RlpReader) => T): T {
  const reader = new RlpReader(typeof bytes === "string" ? hex(bytes) : bytes, "test value");
  const value = read(reader);
  reader.finish();
  return value;
}

Deno.test("integers: shortest form only, and no wider than the field", () => {
  assert.equal(whole("80", (r) => r.uint64("x")), 0n);
  assert.equal(whole("7f", (r) => r.uint64("x")), 127n);
  assert.equal(whole("8180", (r) => r.uint64("x")), 128n);
  assert.equal(whole("88ffffffffffffffff", (r) => r.uint64("x")), (1n << 64n) - 1n);
  assert.equal(whole("84ffffffff", (r) => r.uint32("x")), 0xffffffff);
  assert.equal(whole("81ff", (r) => r.uint8("x")), 255);
  assert.equal(whole("871fffffffffffff", (r) => r.safeInteger("x")), Number.MAX_SAFE_INTEGER);
  assert.equal(whole(rlpBytes(repeat("ff", 32)), (r) => r.bigint("x")), (1n << 256n) - 1n);

  for (const read of ["uint8", "uint32", "uint64", "safeInteger", "bigint"] as const) {
    refuses(() => whole("00", (r) => r[read]("x")), "RLP_LEADING_ZERO", read);
    refuses(() => whole("820001", (r) => r[read]("x")), "RLP_LEADING_ZERO", read);
    refuses(() => whole("8105", (r) => r[read]("x")), "RLP_SINGLE_BYTE", read);
    refuses(() => whole("c0", (r) => r[read]("x")), "RLP_KIND", read);
  }
  refuses(() => whole("820100", (r) => r.uint8("x")), "RLP_INTEGER_TOO_LONG");
  refuses(() => whole("850100000000", (r) => r.uint32("x")), "RLP_INTEGER_TOO_LONG");
  refuses(() => whole("89010000000000000000", (r) => r.uint64("x")), "RLP_INTEGER_TOO_LONG");
  refuses(() => whole("8720000000000000", (r) => r.safeInteger("x")), "RLP_INTEGER_TOO_LONG");
  refuses(() => whole("880100000000000000", (r) => r.safeInteger("x")), "RLP_INTEGER_TOO_LONG");
  refuses(
    () => whole(concat(Uint8Array.of(0xa1), repeat("01", 33)), (r) => r.bigint("x")),
    "RLP_INTEGER_TOO_LONG",
  );
});

Deno.test("strings: a small byte stands for itself, long lengths are minimal, fixed lengths exact", () => {
  sameBytes(whole("05", (r) => r.bytes("x")), "05");
  sameBytes(whole("8180", (r) => r.bytes("x")), "80");
  sameBytes(whole("80", (r) => r.bytes("x")), "");
  refuses(() => whole("8105", (r) => r.bytes("x")), "RLP_SINGLE_BYTE");
  refuses(() => whole("b80180", (r) => r.bytes("x")), "RLP_LENGTH");
  refuses(() => whole(concat(hex("b837"), repeat("aa", 55)), (r) => r.bytes("x")), "RLP_LENGTH");
  sameBytes(whole(concat(hex("b838"), repeat("aa", 56)), (r) => r.bytes("x")), repeat("aa", 56));
  refuses(() => whole(concat(hex("b90038"), repeat("aa", 56)), (r) => r.bytes("x")), "RLP_LENGTH");
  refuses(() => whole("c0", (r) => r.bytes("x")), "RLP_KIND");

  for (const length of [20, 32, 48, 96, 256]) {
    const exact = rlpBytes(repeat("aa", length));
    sameBytes(whole(exact, (r) => r.fixed(length, "x")), repeat("aa", length));
    refuses(() => whole(rlpBytes(repeat("aa", length - 1)), (r) => r.fixed(length, "x")), "RLP_FIXED_LENGTH");
    refuses(() => whole(rlpBytes(repeat("aa", length + 1)), (r) => r.fixed(length, "x")), "RLP_FIXED_LENGTH");
    refuses(() => whole("80", (r) => r.fixed(length, "x")), "RLP_FIXED_LENGTH");
    sameBytes(whole(exact, (r) => r.optionalFixed(length, "x")) ?? hex(""), repeat("aa", length));
    assert.equal(whole("80", (r) => r.optionalFixed(length, "x")), undefined);
    refuses(() => whole("c0", (r) => r.optionalFixed(length, "x")), "RLP_KIND");
    refuses(() => whole("01", (r) => r.optionalFixed(length, "x")), "RLP_FIXED_LENGTH");
  }
});

Deno.test("structure: exactly the expected items, and nothing after the value", () => {
  const pair = (r: RlpReader) => {
    const list = r.list("pair");
    const items = [list.uint8("a"), list.uint8("b")];
    list.finish();
    return items;
  };
  assert.deepEqual(whole("c20102", pair), [1, 2]);
  refuses(() => whole("c101", pair), "RLP_TOO_FEW");
  refuses(() => whole("c3010203", pair), "RLP_TRAILING");
  refuses(() => whole("c2010203", pair), "RLP_TRAILING");
  refuses(() => whole("80", pair), "RLP_KIND");
  refuses(() => whole("", pair), "RLP_TOO_FEW");
  refuses(() => whole("c3c20102", (r) => r.list("x").uint8("y")), "RLP_KIND");
});

Deno.test("an item never reaches beyond what holds it, however long it claims to be", () => {
  refuses(() => whole("8201", (r) => r.bytes("x")), "RLP_TOO_SHORT");
  refuses(() => whole("c2c201", (r) => r.list("x").list("y")), "RLP_TOO_SHORT");
  refuses(() => whole("b9ff", (r) => r.bytes("x")), "RLP_TOO_SHORT");
  refuses(() => whole("bbffffffff00", (r) => r.bytes("x")), "RLP_TOO_SHORT");
  refuses(() => whole("bfffffffffffffffff00", (r) => r.bytes("x")), "RLP_TOO_SHORT");
  refuses(() => whole("ffffffffffffffffff00", (r) => r.list("x")), "RLP_TOO_SHORT");
  // The inner string would fit the buffer but not its list.
  refuses(() => whole("c18201020304", (r) => r.list("x").bytes("y")), "RLP_TOO_SHORT");
});

Deno.test("raw items are taken whole; taken deep, what is inside must be well-formed", () => {
  sameBytes(whole("c3c10180", (r) => r.raw("x")), "c3c10180");
  sameBytes(whole("c3c10180", (r) => r.rawDeep("x")), "c3c10180");
  sameBytes(whole("05", (r) => r.rawDeep("x")), "05");
  sameBytes(whole("c0", (r) => r.rawDeep("x")), "c0");
  sameBytes(whole("c28105", (r) => r.raw("x")), "c28105");
  refuses(() => whole("c28105", (r) => r.rawDeep("x")), "RLP_SINGLE_BYTE");
  refuses(() => whole("c4c1820102", (r) => r.rawDeep("x")), "RLP_TOO_SHORT");
  refuses(() => whole("c3c2c201", (r) => r.rawDeep("x")), "RLP_TOO_SHORT");
});

Deno.test("nesting to any depth costs no call stack", () => {
  let nested = RLP_EMPTY_LIST;
  for (let depth = 0; depth < 20_000; depth++) nested = rlpList([nested]);
  assert.equal(whole(nested, (r) => r.rawDeep("x")).length, nested.length);
});

Deno.test("a list of more items than any real one is refused before it is held", () => {
  const items = rlpList([repeat("80", MAX_LIST_ITEMS)]);
  assert.equal(rlpListItems(items, "list").length, MAX_LIST_ITEMS);
  refuses(() => rlpListItems(rlpList([repeat("80", MAX_LIST_ITEMS + 1)]), "list"), "RLP_TOO_MANY");
});

Deno.test("errors say what was read, which field and where", () => {
  const reader = new RlpReader(hex("c20500"), "header");
  const list = reader.list("header");
  list.uint8("number");
  assert.throws(
    () => list.uint8("epoch"),
    (error: unknown) =>
      error instanceof HsyncError &&
      error.message === "cannot decode header: epoch: integer with a leading zero byte (byte 2)",
  );
});

Deno.test("the writer gives the shortest form", () => {
  sameBytes(rlpUint(0), "80");
  sameBytes(rlpUint(127), "7f");
  sameBytes(rlpUint(128), "8180");
  sameBytes(rlpUint(256), "820100");
  sameBytes(rlpUint(0xffffffff), "84ffffffff");
  sameBytes(rlpUint(Number.MAX_SAFE_INTEGER), "871fffffffffffff");
  sameBytes(rlpUint(0x5121c4n), "835121c4");
  sameBytes(rlpBytes(hex("00")), "00");
  sameBytes(rlpBytes(repeat("aa", 55)).subarray(0, 1), "b7");
  sameBytes(rlpBytes(repeat("aa", 56)).subarray(0, 2), "b838");
  sameBytes(rlpBytes(repeat("aa", 256)).subarray(0, 3), "b90100");
  sameBytes(rlpList([repeat("80", 70_000)]).subarray(0, 4), "fa011170");
  assert.throws(() => rlpUint(-1), RangeError);
  assert.throws(() => rlpUint(1.5), RangeError);
  assert.throws(() => rlpUint(2 ** 53), RangeError);
  assert.throws(() => rlpUint(-1n), RangeError);
  assert.throws(() => rlpFixed(hex("aa"), 20, "to"), RangeError);
});

Deno.test("what the writer writes the reader reads, for random values", () => {
  const random = new SeededRandom(11);
  for (let i = 0; i < 500; i++) {
    const content = random.bytes(random.int(300));
    const value = random.int(2 ** 48);
    const list = rlpList([rlpBytes(content), rlpUint(value), rlpUint(BigInt(value) << 70n)]);
    const items = new RlpReader(list, "list").list("list");
    sameBytes(items.bytes("content"), content);
    assert.equal(items.safeInteger("value"), value, `seed ${random.seed}, round ${i}`);
    assert.equal(items.bigint("wide"), BigInt(value) << 70n);
    items.finish();
  }
});

Deno.test("values that Go refuses are refused (go-rlp.txt)", () => {
  // A cross-shard receipt without destination encodes, but its address is too short to decode.
  const items = new RlpReader(goRlp("CXnilTo"), "receipt").list("receipt");
  items.fixed(32, "txHash");
  items.fixed(20, "from");
  refuses(() => items.fixed(20, "to"), "RLP_FIXED_LENGTH");
  // Generic nested content re-encodes as it is.
  sameBytes(new RlpReader(goRlp("iface"), "message").rawDeep("message"), goRlp("iface"));
});
