import assert from "node:assert/strict";
import { fromHex, toHex } from "../../src/base/mod.ts";
import {
  decodeMessage,
  encodeResponse,
  type SyncRequest,
  type SyncResponse,
} from "../../src/stream/message.ts";
import { SyncServer } from "../../src/stream/server.ts";
import type { ChainReader } from "../../src/stream/mod.ts";
import { RecordedChain } from "./support/chain.ts";
import { recordedMessages } from "./support/frames.ts";

const BASIC = new Set([
  "getBlockNumber",
  "getBlockHashes",
  "getBlocksByNumber",
  "getBlocksByHashes",
  "getReceipts",
]);

for (const shard of [0, 1] as const) {
  Deno.test(`server: cut at the recorded height it answers as the Go node of shard ${shard} did`, async () => {
    const chain = new RecordedChain(shard, 0);
    const server = new SyncServer(chain);
    const messages = recordedMessages(`frames-s${shard}`);
    const asked = new Map<bigint, { readonly what: string; readonly request: SyncRequest }>();
    let compared = 0;
    for (const { what, dir, bytes } of messages) {
      const message = decodeMessage(bytes);
      if (dir === "out" && message.kind === "request" && message.request !== undefined) {
        asked.set(message.id, { what, request: message.request });
      }
      if (dir !== "in" || message.kind !== "response" || message.response === undefined) continue;
      const question = asked.get(message.id);
      assert.ok(question !== undefined, what);
      const { request } = question;
      if (!BASIC.has(request.type)) continue;
      // The recording names its height in the answers to height queries; the chain grew between two of them.
      if (message.response.type === "getBlockNumber") chain.height = Number(message.response.number);
      const reply = await server.answer(request);
      if (message.response.type === "getReceipts") {
        assert.deepEqual(reply.response, message.response, what);
      } else {
        assert.equal(toHex(encodeResponse(message.id, reply.response)), toHex(bytes), what);
      }
      assert.equal(reply.violation, message.response.type === "error", `${what}: only caps are violations`);
      compared++;
    }
    assert.ok(compared >= 15, `${compared} answers compared`);
  });
}

function body<T extends SyncResponse["type"]>(response: SyncResponse, type: T) {
  assert.equal(response.type, type);
  return response as Extract<SyncResponse, { readonly type: T }>;
}

const hashOf = (chain: RecordedChain, n: number) => chain.hash(n);

Deno.test("server: every cap is answered with the Go node's text and counted as a violation", async () => {
  const server = new SyncServer(new RecordedChain(0, 20));
  const h = new Uint8Array(32);
  const many = <T>(n: number, x: T) => Array.from({ length: n }, () => x);
  const cases: Array<[SyncRequest, string]> = [
    [{ type: "getBlockHashes", numbers: many(51, 1n) }, "GetBlockHashes amount exceed cap: 51>50"],
    [{ type: "getBlocksByNumber", numbers: many(11, 1n) }, "GetBlocksByNum amount exceed cap: 11>10"],
    [{ type: "getBlocksByHashes", hashes: many(11, h) }, "GetBlockByHashes amount exceed cap: 11 > 10"],
    [{ type: "getReceipts", hashes: many(129, h) }, "GetReceipts amount exceed cap: 129 > 128"],
    [{ type: "getNodeData", hashes: many(257, h) }, "GetNodeData amount exceed cap: 257 > 256"],
  ];
  for (const [request, text] of cases) {
    assert.deepEqual(await server.answer(request), { response: { type: "error", text }, violation: true });
  }
});

Deno.test("server: state requests are not supported and the unknown is unknown, neither is a violation", async () => {
  const server = new SyncServer(new RecordedChain(0, 20));
  const h = new Uint8Array(32);
  const snap: SyncRequest[] = [
    { type: "getAccountRange", root: h, origin: h, limit: h, bytes: 1n },
    { type: "getStorageRanges", root: h, accounts: [h], origin: h, limit: h, bytes: 1n },
    { type: "getByteCodes", hashes: [h], bytes: 1n },
    { type: "getTrieNodes", root: h, paths: [[h]], bytes: 1n },
    { type: "getNodeData", hashes: [h] },
  ];
  for (const request of snap) {
    const expected = { response: { type: "error", text: "not supported" }, violation: false };
    assert.deepEqual(await server.answer(request), expected, request.type);
  }
  const unknown = { response: { type: "error", text: "unknown request" }, violation: false };
  assert.deepEqual(await server.answer(undefined), unknown);
  const epoch = new SyncServer(new RecordedChain(0, 20), { epochChain: true });
  const none = { response: { type: "getNodeData", blobs: [] }, violation: false };
  assert.deepEqual(await epoch.answer({ type: "getNodeData", hashes: [h] }), none);
});

Deno.test("server: node data is given whole or refused whole", async () => {
  const blob = Uint8Array.of(1, 2, 3);
  const known = new Uint8Array(32).fill(1);
  const chain: ChainReader = Object.assign(new RecordedChain(0, 5), {
    nodeData: (hash: Uint8Array) => Promise.resolve(hash[0] === 1 ? blob : undefined),
  });
  const server = new SyncServer(chain);
  const good = await server.answer({ type: "getNodeData", hashes: [known, known] });
  assert.deepEqual(good.response, { type: "getNodeData", blobs: [blob, blob] });
  const bad = await server.answer({ type: "getNodeData", hashes: [known, new Uint8Array(32)] });
  assert.deepEqual(bad, { response: { type: "error", text: "not found" }, violation: false });
});

Deno.test("server: a head without its commit signature is left out, the rest of the batch goes out", async () => {
  const chain = new RecordedChain(0, 20);
  chain.forged.set(20, { commitSig: undefined });
  const server = new SyncServer(chain);
  const byNumber = await server.answer({ type: "getBlocksByNumber", numbers: [19n, 20n] });
  assert.equal(body(byNumber.response, "getBlocksByNumber").blocks.length, 1);
  const byHash = await server.answer({
    type: "getBlocksByHashes",
    hashes: [hashOf(chain, 20), hashOf(chain, 19)],
  });
  const { blocks, commitSigs } = body(byHash.response, "getBlocksByHashes");
  assert.equal(toHex(blocks[0] as Uint8Array), "c0");
  assert.equal(commitSigs[0]?.length, 0);
  assert.equal(toHex(blocks[1] as Uint8Array), toHex(chain.bytes(19)));
});

Deno.test("server: below its lowest block it has nothing, and says so without an error", async () => {
  const chain = new RecordedChain(0, 20);
  chain.from = 10;
  const server = new SyncServer(chain);
  const byNumber = await server.answer({ type: "getBlocksByNumber", numbers: [5n, 10n] });
  assert.equal(body(byNumber.response, "getBlocksByNumber").blocks.length, 1);
  const byHash = await server.answer({ type: "getBlocksByHashes", hashes: [hashOf(chain, 5)] });
  assert.equal(toHex(body(byHash.response, "getBlocksByHashes").blocks[0] as Uint8Array), "c0");
  assert.equal(byNumber.violation || byHash.violation, false);
});

Deno.test("server: an answer stops growing at 16 MiB and keeps its shape", async () => {
  const chain = new RecordedChain(0, 20);
  const big = new Uint8Array(5 << 20).fill(1);
  for (let n = 1; n <= 10; n++) chain.forged.set(n, { bytes: big, commitSig: new Uint8Array(97) });
  const server = new SyncServer(chain);
  const numbers = Array.from({ length: 10 }, (_, i) => BigInt(i + 1));
  const prefix = body(
    (await server.answer({ type: "getBlocksByNumber", numbers })).response,
    "getBlocksByNumber",
  );
  assert.equal(prefix.blocks.length, 3);
  assert.equal(prefix.commitSigs.length, 3);
  const hashes = numbers.map((n) => hashOf(chain, Number(n)));
  const reply = await server.answer({ type: "getBlocksByHashes", hashes });
  const { blocks, commitSigs } = body(reply.response, "getBlocksByHashes");
  assert.deepEqual(blocks.map((b) => b.length > 1), [true, true, true, ...Array(7).fill(false)]);
  assert.equal(commitSigs.length, 10);
  assert.ok(encodeResponse(1n, reply.response).length < 16 << 20);
});

Deno.test("server: while much is being written, new answers are small but never empty", async () => {
  const chain = new RecordedChain(0, 20);
  for (let n = 1; n <= 10; n++) {
    chain.forged.set(n, { bytes: new Uint8Array(800_000), commitSig: new Uint8Array(97) });
  }
  const server = new SyncServer(chain);
  const ask = async () => {
    const reply = await server.answer({ type: "getBlocksByNumber", numbers: [1n, 2n, 3n, 4n] });
    return body(reply.response, "getBlocksByNumber").blocks.length;
  };
  const done = server.writing(65 << 20);
  assert.equal(await ask(), 1);
  done();
  done();
  assert.equal(await ask(), 4);
});

Deno.test("server: a hash of another length than 32 is refused, not padded", async () => {
  const server = new SyncServer(new RecordedChain(0, 20));
  const short = fromHex("01");
  for (const type of ["getBlocksByHashes", "getReceipts"] as const) {
    const reply = await server.answer({ type, hashes: [short] });
    assert.equal(reply.response.type, "error", type);
    assert.equal(reply.violation, true, type);
  }
});

Deno.test("server: heights beyond every number are simply unknown", async () => {
  const server = new SyncServer(new RecordedChain(0, 20));
  const numbers = [2n ** 64n - 1n, 2n ** 53n, 20n];
  const hashes =
    body((await server.answer({ type: "getBlockHashes", numbers })).response, "getBlockHashes").hashes;
  assert.deepEqual(hashes.map((h) => h.some((b) => b !== 0)), [false, false, true]);
});
