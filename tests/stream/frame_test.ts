import assert from "node:assert/strict";
import { concat, fromHex, HsyncError, le32, SeededRandom, toHex } from "../../src/base/mod.ts";
import { MAX_FRAME_BYTES } from "../../src/stream/constants.ts";
import { encodeFrame, FrameReader } from "../../src/stream/frame.ts";
import { decodeMessage, encodeRequest, encodeResponse, type WireMessage } from "../../src/stream/message.ts";

const VECTORS: ReadonlyArray<{ readonly name: string; readonly hex: string; readonly message: WireMessage }> =
  [
    {
      name: "height request",
      hex: "060000000a0408011200",
      message: { kind: "request", id: 1n, request: { type: "getBlockNumber" } },
    },
    {
      name: "height response",
      hex: "08000000120608011a020864",
      message: { kind: "response", id: 1n, response: { type: "getBlockNumber", number: 100n } },
    },
    {
      name: "hash request with a large id",
      hex: "140000000a1208ef9bafcdf8acd191f1011a050a0301ac02",
      message: {
        kind: "request",
        id: 0xf123456789abcdefn,
        request: { type: "getBlockHashes", numbers: [1n, 300n] },
      },
    },
    {
      name: "error response",
      hex: "170000001215080112110a0f756e6b6e6f776e2072657175657374",
      message: { kind: "response", id: 1n, response: { type: "error", text: "unknown request" } },
    },
    {
      name: "blocks by hashes with one unknown hash",
      hex: "0b0000001209080132050a01c01200",
      message: {
        kind: "response",
        id: 1n,
        response: {
          type: "getBlocksByHashes",
          blocks: [Uint8Array.of(0xc0)],
          commitSigs: [new Uint8Array(0)],
        },
      },
    },
  ];

function encode(message: WireMessage): Uint8Array {
  if (message.kind === "request" && message.request !== undefined) {
    return encodeRequest(message.id, message.request);
  }
  if (message.kind === "response" && message.response !== undefined) {
    return encodeResponse(message.id, message.response);
  }
  throw new Error("nothing to encode");
}

function read(reader: FrameReader, chunk: Uint8Array): Uint8Array[] {
  return [...reader.push(chunk)];
}

Deno.test("frames: every vector of the specification encodes and decodes to the byte", () => {
  for (const { name, hex, message } of VECTORS) {
    assert.equal(toHex(encodeFrame(encode(message))), hex, name);
    const bodies = read(new FrameReader(), fromHex(hex));
    assert.equal(bodies.length, 1, name);
    assert.deepEqual(decodeMessage(bodies[0] as Uint8Array), message, name);
  }
});

Deno.test("frames: any cutting into chunks gives the same messages", () => {
  const all = concat(...VECTORS.map((v) => fromHex(v.hex)), le32(0), fromHex(VECTORS[0]?.hex ?? ""));
  const expected = read(new FrameReader(), all).map(toHex);
  assert.equal(expected.length, VECTORS.length + 1, "a frame of no bytes is skipped");
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const reader = new FrameReader();
    const got: string[] = [];
    for (let at = 0; at < all.length;) {
      const n = 1 + random.int(9);
      // The chunk's memory is reused afterwards: messages must not point into it.
      const chunk = all.slice(at, at + n);
      got.push(...read(reader, chunk).map(toHex));
      chunk.fill(0xff);
      at += n;
    }
    assert.deepEqual(got, expected, `seed ${seed}`);
    assert.equal(reader.midFrame, false, `seed ${seed}`);
  }
});

Deno.test("frames: messages survive the chunk they came in", () => {
  const chunk = fromHex(VECTORS[1]?.hex ?? "");
  const [body] = read(new FrameReader(), chunk);
  chunk.fill(0);
  assert.equal(toHex(body as Uint8Array), (VECTORS[1]?.hex ?? "").slice(8));
});

// T-08
Deno.test("frames: the largest length is taken, one more is refused as soon as it is known", () => {
  const reader = new FrameReader();
  assert.deepEqual(read(reader, le32(MAX_FRAME_BYTES)), []);
  assert.equal(reader.midFrame, true);
  const body = new Uint8Array(MAX_FRAME_BYTES);
  let got: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += 1 << 20) {
    got = [...got, ...read(reader, body.subarray(at, at + (1 << 20)))];
  }
  assert.equal(got[0]?.length, MAX_FRAME_BYTES);
  for (const length of [MAX_FRAME_BYTES + 1, 0xffffffff]) {
    assert.throws(() => read(new FrameReader(), le32(length)), (e) => {
      return e instanceof HsyncError && e.code === "FRAME_TOO_LONG" && e.fault === "PROTOCOL";
    });
  }
  assert.throws(() => encodeFrame(new Uint8Array(MAX_FRAME_BYTES + 1)), (e) => {
    return e instanceof HsyncError && e.code === "MESSAGE_TOO_LONG" && e.fault === "NONE";
  });
  assert.equal(encodeFrame(new Uint8Array(MAX_FRAME_BYTES)).length, MAX_FRAME_BYTES + 4);
});

// T-08
Deno.test("frames: a claimed length allocates nothing; memory follows what arrived", () => {
  const readers = Array.from({ length: 128 }, () => new FrameReader());
  let held = 0;
  for (const reader of readers) {
    read(reader, le32(MAX_FRAME_BYTES));
    assert.equal(reader.allocatedBytes, 0, "a prefix alone costs nothing");
    read(reader, new Uint8Array(10));
    held += reader.allocatedBytes;
  }
  assert.ok(held <= 128 * 4096, `128 claims of 20 MiB hold ${held} bytes`);
  const reader = new FrameReader();
  read(reader, le32(MAX_FRAME_BYTES));
  for (let sent = 0; sent < 3_000_000; sent += 10_000) {
    read(reader, new Uint8Array(10_000));
    assert.ok(reader.allocatedBytes <= 2 * (sent + 10_000), `after ${sent} bytes: ${reader.allocatedBytes}`);
  }
});

Deno.test("frames: the limit may be lower for a peer that owes nothing", () => {
  let limit = 100;
  const reader = new FrameReader(() => limit);
  assert.equal(read(reader, concat(le32(100), new Uint8Array(100))).length, 1);
  limit = 50;
  assert.throws(() => read(reader, le32(51)), HsyncError);
});
