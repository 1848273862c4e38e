import assert from "node:assert/strict";
import { concat, HsyncError, toHex } from "../../src/base/mod.ts";
import {
  Block,
  type BodyItems,
  checkBody,
  decodeBlock,
  decodeBody,
  decodeHeader,
  EMPTY_ROOT,
  encodeBlock,
  encodeBody,
  type HeaderVersion,
  indexTrieRoot,
  isAbsentBlock,
  makeHeader,
  openTagged,
  rlpList,
  RlpReader,
  sealTagged,
} from "../../src/chain/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { goRlp, hex, refuses, repeat, sameBytes, zeroHeader } from "./support.ts";

Deno.test("empty blocks around headers of zeros have the known length, prefix and hash", () => {
  const table: [HeaderVersion, number, string, string][] = [
    ["v0", 594, "f9024ff9024aa0", "c0283bdc75068e0a5b89393cecb3aa4155a3cfe0ddae7d83dcec0eb15031a50b"],
    [
      "v1",
      691,
      "f902b087486d6e79546764827631f902a2f9029c",
      "7a28e6fb0af1b6c1eaba429ac55e1d096d034cdcccd7da888367eaaef6636dba",
    ],
    [
      "v2",
      692,
      "f902b187486d6e79546764827631f902a3f9029d",
      "12006a8e8fbd29a7e871e454b264686b2d6ddf12273a23da6889910bbd435479",
    ],
    [
      "v3",
      661,
      "f9029287486d6e79546764827632f90284f9027d",
      "fcd862671f3765f66676d05e49da889cb3ef8fccbd28077c1c47da1e9d8d449d",
    ],
  ];
  for (const [version, length, prefix, hash] of table) {
    const header = makeHeader(zeroHeader(version));
    const bytes = encodeBlock({ header });
    assert.equal(bytes.length, length, version);
    assert.equal(toHex(bytes).slice(0, prefix.length), prefix, version);
    assert.equal(toHex(keccak256(bytes)), hash, version);
    const block = decodeBlock(bytes);
    assert.equal(block.header.version, version);
    sameBytes(block.hash, header.hash);
    assert.deepEqual(
      [
        block.transactionItems(),
        block.stakingTransactionItems(),
        block.uncleItems(),
        block.incomingReceiptItems(),
      ],
      [[], [], [], []],
    );
  }
});

Deno.test("empty bodies in database form have the known bytes", () => {
  const table: [HeaderVersion, string][] = [
    ["v0", "c2c0c0"],
    ["v1", "cf87486d6e79546764827631c3c0c0c0"],
    ["v2", "cf87486d6e79546764827631c3c0c0c0"],
    ["v3", "d087486d6e79546764827632c4c0c0c0c0"],
  ];
  for (const [version, bytes] of table) {
    sameBytes(encodeBody(version, {}), bytes, version);
    assert.deepEqual(decodeBody(hex(bytes)), {
      transactions: [],
      stakingTransactions: [],
      uncles: [],
      incomingReceipts: [],
    });
  }
});

Deno.test("mainnet block 1 has 601 bytes", () => {
  const header = makeHeader(zeroHeader("v0", { number: 1, gasLimit: 4716988n, time: 1561736306n }));
  assert.equal(encodeBlock({ header }).length, 601);
});

Deno.test("a block's items keep their order: staking transactions stand before uncles", () => {
  const header = makeHeader(zeroHeader("v3"));
  const items = {
    transactions: [goRlp("Tx"), goRlp("TxCreate")],
    stakingTransactions: [goRlp("StakingTx")],
    uncles: [header.bytes],
    incomingReceipts: [goRlp("CXP")],
  };
  const bytes = encodeBlock({ header, ...items });
  const block = decodeBlock(bytes);
  assert.deepEqual(block.body, items);
  assert.deepEqual(decodeBody(encodeBody("v3", items)), items);
  assert.equal(block.transactions()[1]?.to, undefined);
  assert.equal(block.stakingTransactions()[0]?.directive, 2);
  // Go's block of the same items, around a header that is missing.
  const { tag, items: inner } = openTagged(
    rlpList([
      hex("87486d6e79546764"),
      hex("827632"),
      rlpList([
        hex("c0"),
        rlpList(items.transactions.slice(0, 1)),
        rlpList(items.stakingTransactions),
        hex("c0"),
        rlpList(items.incomingReceipts),
      ]),
    ]),
    "block",
  );
  assert.equal(tag, "v2");
  sameBytes(inner.raw("header"), "c0");
  sameBytes(inner.rawItems("transactions")[0] ?? hex(""), goRlp("Tx"));
  sameBytes(inner.rawItems("stakingTransactions")[0] ?? hex(""), goRlp("StakingTx"));
});

Deno.test("items without a place in the form are not dropped silently", () => {
  const noPlace = (error: unknown) => error instanceof HsyncError && error.code === "BODY_LAYOUT";
  const old = makeHeader(zeroHeader("v1"));
  assert.throws(() => encodeBlock({ header: old, stakingTransactions: [goRlp("StakingTx")] }), noPlace);
  assert.throws(() => encodeBody("v0", { incomingReceipts: [goRlp("CXP")] }), noPlace);
});

Deno.test("what stands for a block that a server does not have is recognised, and is no block", () => {
  assert.equal(isAbsentBlock(hex("c0")), true);
  assert.equal(isAbsentBlock(hex("")), true);
  assert.equal(isAbsentBlock(hex("c1c0")), false);
  sameBytes(goRlp("nilptr"), "c0");
  refuses(() => decodeBlock(hex("c0")), "RLP_TOO_FEW");
  refuses(() => decodeBlock(hex("")), "RLP_TOO_FEW");
});

Deno.test("malformed blocks are refused", () => {
  const header = makeHeader(zeroHeader("v3")).bytes;
  const none = hex("c0");
  const good = sealTagged("v2", rlpList([header, none, none, none, none]));
  assert.ok(decodeBlock(good) instanceof Block);
  refuses(() => decodeBlock(concat(good, hex("00"))), "RLP_TRAILING");
  refuses(() => decodeBlock(sealTagged("v2", rlpList([header, none, none, none]))), "RLP_TOO_FEW");
  refuses(
    () => decodeBlock(sealTagged("v2", rlpList([header, none, none, none, none, none]))),
    "RLP_TRAILING",
  );
  refuses(() => decodeBlock(sealTagged("v2", rlpList([header, none, none, hex("80"), none]))), "RLP_KIND");
  refuses(() => decodeBlock(sealTagged("v3", rlpList([header, none, none, none, none]))), "TAG_UNKNOWN");
  refuses(() => decodeBlock(sealTagged("v2", rlpList([hex("80"), none, none, none, none]))), "RLP_KIND");
  refuses(() => decodeBlock(sealTagged("v2", rlpList([none, none, none, none, none]))), "RLP_TOO_FEW");
  refuses(() => decodeBlock(hex("d187486d6e79546764827632c5c0c0c0c0c0")), "RLP_TOO_FEW");
  refuses(() => decodeBody(hex("d087486d6e79546764827633c4c0c0c0c0")), "TAG_UNKNOWN");
});

const SHARD0 = { shardId: 0 };
const EMPTY_ROOTS = { txRoot: EMPTY_ROOT, incomingReceiptHash: EMPTY_ROOT };

Deno.test("a body belongs to its header when its transactions have the header's root", () => {
  const transactions = [goRlp("Tx")];
  const stakingTransactions = [goRlp("StakingTx")];
  const header = makeHeader(zeroHeader("v3", {
    ...EMPTY_ROOTS,
    txRoot: hex("6ccbaae92eddd8c97c3b672d96cfbb19bd1e66d3dd5d894d3dbdb0511d603e16"),
  }));
  checkBody(decodeBlock(encodeBlock({ header, transactions, stakingTransactions })), SHARD0);
  const others = [
    { header, transactions },
    { header, stakingTransactions },
    { header, transactions: [goRlp("TxCreate")], stakingTransactions },
    { header, transactions: [...transactions, ...transactions], stakingTransactions },
  ];
  for (const parts of others) {
    refuses(() => checkBody(decodeBlock(encodeBlock(parts)), SHARD0), "BLOCK_TX_ROOT");
  }
});

Deno.test("moving the border between ordinary and staking transactions keeps the root, and is refused", () => {
  const both = [goRlp("Tx"), goRlp("StakingTx")];
  const header = makeHeader(zeroHeader("v3", { ...EMPTY_ROOTS, txRoot: indexTrieRoot(both) }));
  const check = (parts: Partial<BodyItems>) =>
    checkBody(decodeBlock(encodeBlock({ header, ...parts })), SHARD0);
  check({ transactions: both.slice(0, 1), stakingTransactions: both.slice(1) });
  refuses(() => check({ transactions: both }), "RLP_KIND");
  refuses(() => check({ stakingTransactions: both }), "RLP_TRAILING");
});

Deno.test("uncles, foreign tags and foreign shards are refused", () => {
  const header = makeHeader(zeroHeader("v3", EMPTY_ROOTS));
  checkBody(decodeBlock(encodeBlock({ header })), SHARD0);
  refuses(
    () => checkBody(decodeBlock(encodeBlock({ header, uncles: [header.bytes] })), SHARD0),
    "BLOCK_UNCLES",
  );
  refuses(() => checkBody(decodeBlock(encodeBlock({ header })), { shardId: 1 }), "BLOCK_SHARD");
  const none = hex("c0");
  const wrongTag = decodeBlock(sealTagged("v1", rlpList([header.bytes, none, none, none])));
  assert.equal(wrongTag.tag, "v1");
  refuses(() => checkBody(wrongTag, SHARD0), "BLOCK_TAG");
  const bare = decodeBlock(rlpList([header.bytes, none, none]));
  refuses(() => checkBody(bare, SHARD0), "BLOCK_TAG");
});

Deno.test("incoming receipts are there exactly when the header says so, and each proof holds together", () => {
  const recorded = recordedBlocks(1).filter((block) => block.incomingProofs > 0).map((block) =>
    decodeBlock(hex(block.blockRLP))
  );
  assert.ok(recorded.length > 10);
  for (const block of recorded) {
    checkBody(block, { shardId: 1 });
    const { header, body } = block;
    // What the reference stores is not what the header's root was taken over.
    assert.notEqual(toHex(indexTrieRoot(body.incomingReceipts)), toHex(header.incomingReceiptHash));
    refuses(
      () => checkBody(decodeBlock(encodeBlock({ header, ...body, incomingReceipts: [] })), { shardId: 1 }),
      "BLOCK_INCOMING_RECEIPTS",
    );
    const silent = makeHeader({ ...header, incomingReceiptHash: EMPTY_ROOT });
    refuses(
      () => checkBody(decodeBlock(encodeBlock({ header: silent, ...body })), { shardId: 1 }),
      "BLOCK_INCOMING_RECEIPTS",
    );
    const stub = decodeBlock(encodeBlock({ header, ...body, incomingReceipts: [hex("c5c0c0c08080")] }));
    refuses(() => checkBody(stub, { shardId: 1 }), "RLP_TOO_FEW");
  }
});

Deno.test("a failed check names the block and blames the sender", () => {
  const header = makeHeader(zeroHeader("v3", { ...EMPTY_ROOTS, number: 77, txRoot: repeat("11", 32) }));
  const block = decodeBlock(encodeBlock({ header }));
  assert.throws(
    () => checkBody(block, SHARD0),
    (error: unknown) =>
      error instanceof HsyncError && error.blockNumber === 77 && error.fault === "DATA" &&
      error.message.startsWith(`block 77 (0x${toHex(header.hash)}): `),
  );
});

Deno.test("decoding cuts a body up without reading it", () => {
  const header = makeHeader(zeroHeader("v3", EMPTY_ROOTS));
  // The transaction's inside is no valid RLP; only its bounds are.
  const block = decodeBlock(encodeBlock({ header, transactions: [hex("c28105")] }));
  sameBytes(block.transactionItems()[0] ?? hex(""), "c28105");
  refuses(() => block.transactions(), "RLP_SINGLE_BYTE");
  assert.equal(decodeHeader(new RlpReader(header.bytes, "x").raw("x")).number, 0);
});
