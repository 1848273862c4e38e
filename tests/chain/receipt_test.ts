import assert from "node:assert/strict";
import { toHex } from "../../src/base/mod.ts";
import {
  bloomMayContain,
  bloomOfLogs,
  decodeReceipt,
  decodeStoredReceipt,
  encodeReceipt,
  headerBloom,
  type Receipt,
  receiptsRoot,
  rlpBytes,
  rlpList,
  rlpListItems,
  rlpUint,
} from "../../src/chain/mod.ts";
import { hex, refuses, repeat, sameBytes } from "./support.ts";

const ZERO_BLOOM = new Uint8Array(256);

function plain(cumulativeGasUsed: bigint): Receipt {
  return { outcome: { kind: "success" }, cumulativeGasUsed, bloom: ZERO_BLOOM, logs: [] };
}

Deno.test("receipts of a real localnet block have its root", () => {
  assert.equal(
    toHex(receiptsRoot([encodeReceipt(plain(0x5121c4n))])),
    "37f9bea40135162a9eb2164266b2152a3909ee94dd2f908cdb091afb90724e1e",
  );
});

Deno.test("five plain transfers have the known root", () => {
  const items = [1n, 2n, 3n, 4n, 5n].map((k) => encodeReceipt(plain(21_000n * k)));
  assert.equal(
    toHex(receiptsRoot(items)),
    "100f3336862d22706bbe26d67e5abf90f8f25ec5a22c4446835b6beaa6b59536",
  );
});

Deno.test("success, failure and a state root are told apart, and every form comes back as it was", () => {
  const outcomes = [
    { kind: "success" },
    { kind: "failure" },
    { kind: "root", root: repeat("ab", 32) },
  ] as const;
  for (const outcome of outcomes) {
    const receipt: Receipt = {
      outcome,
      cumulativeGasUsed: 1n << 60n,
      bloom: repeat("0f", 256),
      logs: [
        { address: repeat("11", 20), topics: [repeat("22", 32), repeat("33", 32)], data: hex("00") },
        { address: repeat("44", 20), topics: [], data: hex("") },
      ],
    };
    assert.deepEqual(decodeReceipt(encodeReceipt(receipt)), receipt);
  }
});

Deno.test("a status of any other form is refused", () => {
  const items = rlpListItems(encodeReceipt(plain(1n)), "receipt");
  const withStatus = (status: Uint8Array) => rlpList([status, ...items.slice(1)]);
  for (
    const status of [
      hex("02"),
      hex("00"),
      hex("820101"),
      rlpBytes(repeat("ab", 31)),
      rlpBytes(repeat("ab", 33)),
    ]
  ) {
    refuses(() => decodeReceipt(withStatus(status)), "RECEIPT_STATUS", toHex(status));
  }
  refuses(() => decodeReceipt(withStatus(hex("c0"))), "RLP_KIND");
  refuses(() => decodeReceipt(rlpList(items.slice(0, 3))), "RLP_TOO_FEW");
  refuses(() => decodeReceipt(rlpList([...items, hex("80")])), "RLP_TRAILING");
});

Deno.test("the bloom filter sets Ethereum's three bits for an address and for each topic", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  // go-ethereum's own example: these words are in, the others are not.
  const bloom = bloomOfLogs([
    { address: text("testtest"), topics: [] },
    { address: text("test"), topics: [text("hallo"), text("other")] },
  ]);
  for (const word of ["testtest", "test", "hallo", "other"]) {
    assert.ok(bloomMayContain(bloom, text(word)), word);
  }
  for (const word of ["tes", "lo"]) assert.ok(!bloomMayContain(bloom, text(word)), word);
  // keccak("test") begins 9c22 ff5f 21f0: bits 0x422, 0x75f, 0x1f0.
  const single = bloomOfLogs([{ address: text("test"), topics: [] }]);
  const bits = [...single].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => byte & (1 << bit)).map((bit) => (255 - at) * 8 + bit)
  );
  assert.deepEqual(bits.sort((a, b) => a - b), [0x1f0, 0x422, 0x75f]);
});

Deno.test("a header's filter comes from the logs, not from the receipts' own filters", () => {
  const log = { address: repeat("11", 20), topics: [], data: hex("") };
  const staking: Receipt = { ...plain(1n), logs: [log] };
  sameBytes(headerBloom([plain(0n), staking]), bloomOfLogs([log]));
  sameBytes(headerBloom([plain(0n)]), ZERO_BLOOM);
});

Deno.test("receipts in database form, with and without the last item", () => {
  const log = rlpList([
    rlpBytes(repeat("11", 20)),
    rlpList([rlpBytes(repeat("22", 32))]),
    hex("80"),
    rlpUint(9),
    rlpBytes(repeat("33", 32)),
    rlpUint(2),
    rlpBytes(repeat("44", 32)),
    rlpUint(5),
  ]);
  const items = [
    hex("01"),
    rlpUint(21_000),
    rlpBytes(ZERO_BLOOM),
    rlpBytes(repeat("01", 32)),
    rlpBytes(repeat("11", 20)),
    rlpList([log]),
    rlpUint(21_000),
  ];
  const short = decodeStoredReceipt(rlpList(items));
  assert.equal(short.effectiveGasPrice, undefined);
  assert.equal(short.gasUsed, 21_000n);
  assert.deepEqual(short.logs[0]?.blockNumber, 9n);
  assert.deepEqual([short.logs[0]?.txIndex, short.logs[0]?.index], [2, 5]);
  assert.equal(decodeStoredReceipt(rlpList([...items, hex("64")])).effectiveGasPrice, 100n);
  refuses(() => decodeStoredReceipt(rlpList([...items, hex("64"), hex("64")])), "RLP_TRAILING");
  refuses(() => decodeStoredReceipt(rlpList(items.slice(0, 6))), "RLP_TOO_FEW");
  // The consensus form of what was stored.
  sameBytes(encodeReceipt({ ...short, logs: [] }), encodeReceipt(plain(21_000n)));
});
