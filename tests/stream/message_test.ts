import assert from "node:assert/strict";
import { concat, fromHex, HsyncError, SeededRandom, toHex } from "../../src/base/mod.ts";
import {
  decodeMessage,
  encodeRequest,
  encodeResponse,
  REQUEST_TYPES,
  type SyncRequest,
  type WireMessage,
} from "../../src/stream/message.ts";
import { scanMessage } from "../../src/stream/message_scan.ts";
import { recordedMessages, RECORDINGS } from "./support/frames.ts";

function encode(message: WireMessage): Uint8Array {
  assert.notEqual(message.kind, "empty");
  if (message.kind === "request") {
    assert.ok(message.request !== undefined);
    return encodeRequest(message.id, message.request);
  }
  assert.ok(message.kind === "response" && message.response !== undefined);
  return encodeResponse(message.id, message.response);
}

function isMalformed(error: unknown): boolean {
  return error instanceof HsyncError && error.code === "MESSAGE_MALFORMED" && error.fault === "PROTOCOL";
}

/** Protobuf by hand, for what the encoder would never write. */
const varint = (n: number | bigint): Uint8Array => {
  const out: number[] = [];
  let x = BigInt(n);
  do {
    const low = Number(x & 127n);
    x >>= 7n;
    out.push(x > 0n ? low | 128 : low);
  } while (x > 0n);
  return Uint8Array.from(out);
};
const field = (n: number, body: Uint8Array): Uint8Array =>
  concat(varint((n << 3) | 2), varint(body.length), body);
const number = (n: number, value: number | bigint): Uint8Array => concat(varint(n << 3), varint(value));

for (const name of RECORDINGS) {
  Deno.test(`messages: everything recorded in ${name} decodes and encodes to the same bytes`, () => {
    const messages = recordedMessages(name);
    assert.ok(messages.length > 30);
    const kinds = new Set<string>();
    for (const { what, dir, bytes } of messages) {
      const label = `${what} (${dir})`;
      const message = decodeMessage(bytes);
      const again = encode(message);
      if (message.kind === "request") kinds.add(message.request?.type ?? "");
      if (message.kind === "response" && message.response?.type === "getReceipts") {
        // Go writes maps in random order: same content, same length.
        assert.deepEqual(decodeMessage(again), message, label);
        assert.equal(again.length, bytes.length, label);
      } else {
        assert.equal(toHex(again), toHex(bytes), label);
      }
      const head = scanMessage(bytes);
      assert.ok(head.kind !== "empty" && message.kind === head.kind && message.id === head.id, label);
    }
    assert.ok(kinds.size >= 6, `kinds of request: ${[...kinds]}`);
  });
}

Deno.test("messages: request ids are exact over the whole 64-bit range", () => {
  for (const id of [0n, 1n, 2n ** 53n - 1n, 2n ** 53n + 1n, 0xf123456789abcdefn, 2n ** 63n, 2n ** 64n - 1n]) {
    const message = decodeMessage(encodeRequest(id, { type: "getBlockNumber" }));
    assert.deepEqual(message, { kind: "request", id, request: { type: "getBlockNumber" } });
    const big = decodeMessage(encodeResponse(id, { type: "getBlockNumber", number: id }));
    assert.deepEqual(big, { kind: "response", id, response: { type: "getBlockNumber", number: id } });
  }
});

Deno.test("messages: packed and unpacked numbers are the same request", () => {
  const packed = encodeRequest(7n, { type: "getBlockHashes", numbers: [1n, 300n, 5n] });
  const body = concat(number(1, 1), number(1, 300), number(1, 5));
  const unpacked = field(1, concat(number(1, 7), field(3, body)));
  assert.notEqual(toHex(unpacked), toHex(packed));
  assert.deepEqual(decodeMessage(unpacked), decodeMessage(packed));
  const mixed = field(
    1,
    concat(number(1, 7), field(3, concat(field(1, Uint8Array.of(1)), number(1, 300), number(1, 5)))),
  );
  assert.deepEqual(decodeMessage(mixed), decodeMessage(packed));
});

Deno.test("messages: empty elements keep their places", () => {
  const empty = new Uint8Array(0);
  const block = Uint8Array.of(1, 2, 3);
  const response = {
    type: "getBlocksByHashes",
    blocks: [empty, block, empty, empty],
    commitSigs: [empty, empty, block, empty],
  } as const;
  assert.deepEqual(decodeMessage(encodeResponse(1n, response)), { kind: "response", id: 1n, response });
});

Deno.test("messages: receipts of place 0 and of large places survive", () => {
  const receipts = new Map([[0n, [Uint8Array.of(1)]], [127n, []], [2n ** 64n - 1n, [
    Uint8Array.of(2),
    new Uint8Array(0),
  ]]]);
  const decoded = decodeMessage(encodeResponse(1n, { type: "getReceipts", receipts }));
  assert.deepEqual(decoded, { kind: "response", id: 1n, response: { type: "getReceipts", receipts } });
});

Deno.test("messages: an unknown kind is told from an empty message", () => {
  const request = field(1, concat(number(1, 9), field(99, new Uint8Array(0))));
  assert.deepEqual(decodeMessage(request), { kind: "request", id: 9n, request: undefined });
  const response = field(2, concat(number(1, 9), field(99, new Uint8Array(0))));
  assert.deepEqual(decodeMessage(response), { kind: "response", id: 9n, response: undefined });
  assert.deepEqual(decodeMessage(field(7, Uint8Array.of(1))), { kind: "empty" });
});

Deno.test("messages: broken bytes are a protocol fault, never another error", () => {
  const cases: Record<string, Uint8Array> = {
    "cut off": fromHex("0a0408011200").subarray(0, 4),
    "length beyond the end": fromHex("0aff0108011200"),
    "endless varint": Uint8Array.from({ length: 12 }, () => 0xff),
    "two members": concat(field(1, number(1, 1)), field(2, number(1, 1))),
    "nested start groups": new Uint8Array(1 << 20).fill(0x0b),
    "text that is no text": field(2, concat(number(1, 1), field(2, field(1, Uint8Array.of(0xff, 0xfe))))),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    assert.throws(() => decodeMessage(bytes), isMalformed, name);
  }
});

Deno.test("messages: a legal frame of a million empty elements is refused before it is decoded", () => {
  const elements = new Uint8Array(2_000_000);
  for (let i = 0; i < elements.length; i += 2) elements[i] = 0x0a;
  for (const kind of [4, 5, 6, 7, 11, 12]) {
    assert.throws(
      () => decodeMessage(field(2, concat(number(1, 1), field(kind, elements)))),
      isMalformed,
      `${kind}`,
    );
  }
  const numbers = new Uint8Array(100_000).fill(1);
  assert.throws(
    () => decodeMessage(field(1, concat(number(1, 1), field(3, field(1, numbers))))),
    isMalformed,
  );
  const nested = field(2, concat(number(1, 1), field(8, field(1, concat(number(1, 0), field(2, elements))))));
  assert.throws(() => decodeMessage(nested), isMalformed);
});

Deno.test("messages: random bytes never throw anything but a protocol fault", () => {
  const good = recordedMessages("frames-s0").map((m) => m.bytes).filter((b) => b.length < 2_000);
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = new SeededRandom(seed);
    const bytes = (good[random.int(good.length)] as Uint8Array).slice();
    for (let n = 1 + random.int(4); n > 0; n--) bytes[random.int(bytes.length)] = random.int(256);
    const cut = random.next() < 0.2 ? bytes.subarray(0, random.int(bytes.length)) : bytes;
    try {
      decodeMessage(cut);
    } catch (error) {
      assert.ok(isMalformed(error), `seed ${seed}: ${error}`);
    }
  }
});

Deno.test("messages: every kind of request survives a round trip", () => {
  const h = new Uint8Array(32).fill(7);
  const requests: SyncRequest[] = [
    { type: "getBlockNumber" },
    { type: "getBlockHashes", numbers: [0n, 2n ** 64n - 1n] },
    { type: "getBlocksByNumber", numbers: [] },
    { type: "getBlocksByHashes", hashes: [h, h] },
    { type: "getNodeData", hashes: [h] },
    { type: "getReceipts", hashes: [h] },
    { type: "getAccountRange", root: h, origin: h, limit: h, bytes: 1n },
    { type: "getStorageRanges", root: h, accounts: [h], origin: h, limit: h, bytes: 2n },
    { type: "getByteCodes", hashes: [h], bytes: 3n },
    { type: "getTrieNodes", root: h, paths: [[], [h], [h, new Uint8Array(0)]], bytes: 4n },
  ];
  assert.deepEqual(requests.map((r) => r.type), [...REQUEST_TYPES]);
  for (const request of requests) {
    assert.deepEqual(decodeMessage(encodeRequest(3n, request)), { kind: "request", id: 3n, request });
  }
});
