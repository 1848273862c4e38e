/** Anchors and known-bad blocks. */
import assert from "node:assert/strict";
import { fromHex, HsyncError, toHex } from "../../src/base/mod.ts";
import { AnchorBook, builtInAnchors, parseAnchorLists } from "../../src/consensus/mod.ts";

const GOOD_34 = fromHex("30c35d2f2291e4b27debe7862956cf7a0cc7abefc044273d6823567335086d8d");
const GOOD_35 = fromHex("90171a290e303937321db9b084f62438315390bf1d20b22b8800dd5b0a406447");
const BAD_0 = fromHex("5de06979a333f20afb8b245a8cf44472dc5bfc7383a57ddee48e1809bcee7c5d");
const BAD_1 = fromHex("c936581d391b74a620bf6636519834b14a9a2d4e9a5154867c8407f219d8a878");
const OTHER = new Uint8Array(32).fill(7);

function breach(error: unknown): boolean {
  return error instanceof HsyncError && error.code === "ANCHOR_BREACH" && error.fault === "DATA" &&
    error.exitCode === 11;
}

Deno.test("mainnet's recovery blocks are anchored and the abandoned branches refused", () => {
  const book = AnchorBook.of("mainnet");
  assert.equal(book.verdict(0, 92_730_034, GOOD_34).kind, "anchored");
  assert.equal(book.verdict(0, 92_730_035, GOOD_35).kind, "anchored");
  book.require(0, 92_730_035, GOOD_35);
  assert.throws(() => book.require(0, 92_730_035, OTHER), breach);
  assert.throws(() => book.require(0, 92_730_035, BAD_0), breach);
  assert.throws(() => book.require(1, 5, BAD_1), breach, "a bad block is bad at any height");
  assert.equal(book.verdict(1, 94_978_279, OTHER).kind, "conflict");
  assert.deepEqual(book.anchorsOf(1).map((a) => [a.number, toHex(a.hash)]), [
    [94_978_278, "a25d77e72c7f71f2b18847c7f6a9bbed8af42244915bd9175cc247d157b11b9f"],
    [94_978_279, "bf8c0b4d5852e78c2fd815eaa40709c370c4985ef91372f53377992b10afb022"],
  ]);
});

Deno.test("lists are per shard, and most blocks are unknown to them", () => {
  const book = AnchorBook.of("mainnet");
  assert.equal(book.verdict(0, 1, OTHER).kind, "unknown");
  book.require(0, 1, OTHER);
  assert.equal(book.verdict(1, 92_730_034, OTHER).kind, "unknown");
  assert.equal(book.verdict(1, 5, BAD_0).kind, "unknown");
  assert.equal(AnchorBook.of("localnet").verdict(0, 92_730_034, OTHER).kind, "unknown");
  assert.deepEqual(builtInAnchors("toString"), { anchors: [], never: [] });
});

Deno.test("an operator adds to the lists and cannot contradict them", () => {
  const added = parseAnchorLists(
    {
      anchors: [{ shard: 0, number: 5, hash: "0x" + toHex(OTHER) }],
      never: [{ shard: 0, hash: "0x" + "ab".repeat(32) }],
    },
    "mine.json",
  );
  const book = AnchorBook.of("mainnet", added);
  assert.throws(() => book.require(0, 5, GOOD_34), breach);
  assert.throws(() => book.require(0, 9, new Uint8Array(32).fill(0xab)), breach);
  book.require(0, 5, OTHER);
  const clashes = [
    { anchors: [{ shard: 0, number: 92_730_034, hash: "0x" + toHex(OTHER) }] },
    { never: [{ shard: 0, hash: "0x" + toHex(GOOD_34) }] },
  ];
  for (const clash of clashes) {
    assert.throws(
      () => AnchorBook.of("mainnet", parseAnchorLists(clash, "mine.json")),
      (e: unknown) => e instanceof HsyncError && e.code === "ANCHORS_CONFLICT",
    );
  }
});

Deno.test("the newest dated anchor of some shards is told, whoever gave it", () => {
  const built = AnchorBook.of("mainnet").newestOf([1, 0]);
  assert.equal(built?.announced, Date.UTC(2026, 7, 13));
  assert.equal(built?.number, 94_978_279, "of one day, the highest");
  assert.equal(AnchorBook.of("mainnet").newestOf([0])?.number, 92_730_035);
  assert.equal(AnchorBook.of("localnet").newestOf([0]), undefined);
  const hash = "0x" + toHex(OTHER);
  const own = parseAnchorLists({
    anchors: [{ shard: 0, number: 7, hash, date: "2026-10-01" }, { shard: 0, number: 8, hash }],
  }, "mine.json");
  assert.equal(AnchorBook.of("mainnet", own).newestOf([0, 1])?.number, 7, "one without a date has no age");
});

Deno.test("a list of another shape is refused as a whole", () => {
  const bad: unknown[] = [
    null,
    [],
    "x",
    { anchor: [] },
    { anchors: {} },
    { anchors: [1] },
    { anchors: [{ shard: 0, number: 1, hash: "0x12" }] },
    { anchors: [{ shard: 0, number: -1, hash: "0x" + "00".repeat(32) }] },
    { anchors: [{ shard: "0", number: 1, hash: "0x" + "00".repeat(32) }] },
    { never: [{ hash: "0x" + "00".repeat(32) }] },
    { anchors: [{ shard: 0, number: 1, hash: "0x" + "00".repeat(32), date: "2026-02-30" }] },
    { anchors: [{ shard: 0, number: 1, hash: "0x" + "00".repeat(32), date: 1_786_000_000 }] },
    { anchors: [{ shard: 0, number: 1, hash: "0x" + "00".repeat(32), date: "yesterday" }] },
  ];
  for (const value of bad) {
    assert.throws(
      () => parseAnchorLists(value, "mine.json"),
      (e: unknown) => e instanceof HsyncError && e.code === "ANCHORS_INVALID" && e.exitCode === 128,
      JSON.stringify(value),
    );
  }
});

Deno.test("the child of an excluded block is refused with it", () => {
  const hash = (fill: number) => new Uint8Array(32).fill(fill);
  const book = new AnchorBook({
    anchors: [{ shardId: 1, number: 10, hash: hash(1) }],
    never: [{ shardId: 1, hash: hash(2) }],
  });
  const header = (number: number, parent: number, shardId = 1) => ({
    shardId,
    number,
    hash: hash(99),
    parentHash: hash(parent),
  });
  assert.throws(() => book.requireHeader(header(11, 3)), {
    code: "ANCHOR_BREACH",
    fault: "DATA",
    blockNumber: 10,
  });
  assert.throws(() => book.requireHeader(header(50, 2)), { code: "ANCHOR_BREACH", blockNumber: 49 });
  assert.throws(() => book.requireHeader(header(10, 3)), { code: "ANCHOR_BREACH", blockNumber: 10 });
  book.requireHeader(header(11, 1));
  book.requireHeader(header(12, 3));
  book.requireHeader(header(50, 2, 0));
  book.requireHeader(header(0, 2));
});
