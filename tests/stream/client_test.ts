import assert from "node:assert/strict";
import { type FaultClass, fromHex, HsyncError } from "../../src/base/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { decodeBlock } from "../../src/chain/mod.ts";
import { encodeResponse, type SyncRequest, type SyncResponse } from "../../src/stream/message.ts";
import { METRIC } from "../../src/stream/meters.ts";
import type { BlockClient, RemovalReason } from "../../src/stream/mod.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { RecordedChain } from "./support/chain.ts";
import { inWorld, type SimNode, type SimWorld, TOPIC } from "./support/node.ts";
import { type RawPeer, settle } from "./support/raw_peer.ts";

const HEIGHT = 60;
const EMPTY = new Uint8Array(0);
const SIG = new Uint8Array(97).fill(1);
const ZERO = new Uint8Array(32);

/** A node with one peer that answers heights honestly and everything else with `answer`. */
async function withPeer(
  answer: (request: SyncRequest, honest: SyncResponse, peer: RawPeer, id: bigint) => SyncResponse | undefined,
  story: (client: BlockClient, node: SimNode, world: SimWorld, peerId: string) => Promise<void>,
): Promise<void> {
  await inWorld({}, async (world) => {
    const honest = new SyncServer(new RecordedChain(0, HEIGHT));
    const raw = world.raw((message, peer) => {
      if (message.kind !== "request") return;
      const { id, request } = message;
      void honest.answer(request).then(({ response }) => {
        const probe = request?.type === "getBlockNumber" && peer.requests().length === 1;
        const given = probe || request === undefined ? response : answer(request, response, peer, id);
        if (given !== undefined) peer.respond(id, given);
      });
    });
    const node = world.node({ height: 0, heightBound: () => 1_000_000 });
    await world.start(node);
    assert.deepEqual(node.protocol.streams().map((s) => s.id), [raw.host.peerId]);
    await story(node.protocol.client, node, world, raw.host.peerId);
  });
}

/** Waits for the outcome of a call while letting simulated time pass. */
async function outcome<T>(world: SimWorld, call: Promise<T>): Promise<T | HsyncError> {
  let result: { readonly value: T | HsyncError } | undefined;
  call.then((value) => result = { value }, (error) => result = { value: error });
  for (let i = 0; i < 200 && result === undefined; i++) await (i < 20 ? settle() : world.pass(1_000));
  assert.ok(result !== undefined, "the call never settled");
  return result.value;
}

const chain = new RecordedChain(0, HEIGHT);
const numbers = [1, 2, 3];
const hashes = numbers.map((n) => chain.hash(n));
const sigOf = (n: number) => fromHex(recordedBlocks(0)[n]?.commitSig ?? "");
const blocks = (ns: readonly number[]) => ({
  blocks: ns.map((n) => chain.bytes(n)),
  commitSigs: ns.map(sigOf),
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  out[at] = (out[at] as number) ^ 1;
  return out;
}
/** A block with a byte of its body changed: the header, and so the hash, stay right. */
function badBody(n: number): Uint8Array {
  const bytes = chain.bytes(n);
  const block = decodeBlock(bytes);
  const item = block.transactionItems()[0];
  assert.ok(item !== undefined, `block ${n} has a transaction`);
  return flipped(bytes, item.byteOffset - bytes.byteOffset + item.length - 5);
}
/** First recorded block with a transaction. */
const WITH_TX = recordedBlocks(0).find((b) => b.txs.length > 0 && b.number <= HEIGHT)?.number ?? -1;

interface Case {
  readonly name: string;
  readonly call: (client: BlockClient) => Promise<unknown>;
  readonly give: SyncResponse | undefined;
  readonly fault: FaultClass;
  readonly code?: string;
  readonly reason?: RemovalReason;
}

const byHash = (client: BlockClient) => client.getBlocksByHashes(hashes);
const byNumber = (client: BlockClient) => client.getBlocksByNumber(numbers);
const hashCall = (client: BlockClient) => client.getBlockHashes(numbers);
const receiptCall = (client: BlockClient) => {
  const roots = numbers.map((n) => decodeBlock(chain.bytes(n)).header.receiptsRoot);
  return client.getReceipts(hashes, { receiptRoots: roots });
};

const CASES: Case[] = [
  // Kinds of answer.
  {
    name: "another kind of answer",
    call: byHash,
    give: { type: "getBlockNumber", number: 1n },
    fault: "PROTOCOL",
    code: "RESPONSE_TYPE",
  },
  {
    name: "hashes for blocks",
    call: byNumber,
    give: { type: "getBlockHashes", hashes },
    fault: "PROTOCOL",
    code: "RESPONSE_TYPE",
  },
  // Heights.
  {
    name: "a height beyond numbers",
    call: (c) => c.getBlockNumber(),
    give: { type: "getBlockNumber", number: 2n ** 53n },
    fault: "DATA",
    code: "HEIGHT_ABSURD",
    reason: "block_number_failed",
  },
  {
    name: "a height beyond time",
    call: (c) => c.getBlockNumber(),
    give: { type: "getBlockNumber", number: 1_000_001n },
    fault: "DATA",
    code: "HEIGHT_ABSURD",
  },
  // Hashes.
  {
    name: "one hash too many",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: [...hashes, ZERO] },
    fault: "PROTOCOL",
    code: "HASHES_EXTRA",
    reason: "extra_hashes",
  },
  {
    name: "one hash too few",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: hashes.slice(1) },
    fault: "PROTOCOL",
    code: "HASHES_MISSING",
    reason: "nil_hashes",
  },
  {
    name: "no hashes",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: [] },
    fault: "PROTOCOL",
    code: "HASHES_MISSING",
  },
  {
    name: "a hash of 31 bytes",
    call: hashCall,
    give: {
      type: "getBlockHashes",
      hashes: [hashes[0] as Uint8Array, hashes[1] as Uint8Array, new Uint8Array(31)],
    },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "a gap in the chain",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: [hashes[0] as Uint8Array, ZERO, hashes[2] as Uint8Array] },
    fault: "DATA",
    code: "HASHES_GAP",
    reason: "zero_hashes",
  },
  // Blocks by number.
  {
    name: "a block that was not asked for",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([1, 4]) },
    fault: "DATA",
    code: "BLOCK_UNREQUESTED",
    reason: "unexpected_blocks",
  },
  {
    name: "the same block twice",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([1, 1]) },
    fault: "DATA",
    code: "BLOCK_UNREQUESTED",
  },
  {
    name: "blocks out of order",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([2, 1]) },
    fault: "DATA",
    code: "BLOCK_UNREQUESTED",
  },
  {
    name: "more blocks than asked",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([1, 2, 3, 4]) },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "a signature missing",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: blocks(numbers).blocks, commitSigs: [SIG] },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "an undecodable block",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [Uint8Array.of(1, 2, 3)], commitSigs: [SIG] },
    fault: "DATA",
    reason: "invalid_blocks",
  },
  {
    name: "an empty block",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [EMPTY], commitSigs: [SIG] },
    fault: "DATA",
    reason: "invalid_blocks",
  },
  {
    name: "a truncated block",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [chain.bytes(1).subarray(0, 500)], commitSigs: [SIG] },
    fault: "DATA",
  },
  {
    name: "a block with trailing bytes",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [Uint8Array.from([...chain.bytes(1), 0])], commitSigs: [SIG] },
    fault: "DATA",
  },
  {
    name: "a wrong byte in a body",
    call: (c) => c.getBlocksByNumber([WITH_TX]),
    give: { type: "getBlocksByNumber", blocks: [badBody(WITH_TX)], commitSigs: [SIG] },
    fault: "DATA",
    reason: "invalid_blocks",
  },
  // Blocks by hash.
  {
    name: "fewer entries than hashes",
    call: byHash,
    give: { type: "getBlocksByHashes", ...blocks([1, 2]) },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "more entries than hashes",
    call: byHash,
    give: { type: "getBlocksByHashes", ...blocks([1, 2, 3, 4]) },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "unequal lists",
    call: byHash,
    give: { type: "getBlocksByHashes", blocks: blocks(numbers).blocks, commitSigs: [SIG, SIG] },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "another block",
    call: byHash,
    give: { type: "getBlocksByHashes", ...blocks([1, 2, 4]) },
    fault: "DATA",
    code: "BLOCK_HASH",
    reason: "invalid_blocks",
  },
  {
    name: "the right blocks in the wrong places",
    call: byHash,
    give: { type: "getBlocksByHashes", ...blocks([2, 1, 3]) },
    fault: "DATA",
    code: "BLOCK_HASH",
  },
  {
    name: "a wrong byte in a header",
    call: byHash,
    give: {
      type: "getBlocksByHashes",
      blocks: [flipped(chain.bytes(1), 60), chain.bytes(2), chain.bytes(3)],
      commitSigs: [sigOf(1), sigOf(2), sigOf(3)],
    },
    fault: "DATA",
  },
  {
    name: "a wrong byte in the structure",
    call: byHash,
    give: {
      type: "getBlocksByHashes",
      blocks: [flipped(chain.bytes(1), 1), chain.bytes(2), chain.bytes(3)],
      commitSigs: [sigOf(1), sigOf(2), sigOf(3)],
    },
    fault: "DATA",
  },
  {
    name: "a wrong byte in a transaction",
    call: (c) => c.getBlocksByHashes([chain.hash(WITH_TX)]),
    give: { type: "getBlocksByHashes", blocks: [badBody(WITH_TX)], commitSigs: [SIG] },
    fault: "DATA",
    reason: "invalid_blocks",
  },
  {
    name: "a signature without a bitmap",
    call: byHash,
    give: {
      type: "getBlocksByHashes",
      blocks: blocks(numbers).blocks,
      commitSigs: [sigOf(1), sigOf(2), new Uint8Array(96)],
    },
    fault: "DATA",
    code: "COMMIT_SIG_SHAPE",
  },
  {
    name: "no signature",
    call: byHash,
    give: {
      type: "getBlocksByHashes",
      blocks: blocks(numbers).blocks,
      commitSigs: [sigOf(1), EMPTY, sigOf(3)],
    },
    fault: "DATA",
    code: "COMMIT_SIG_SHAPE",
  },
  {
    name: "a signature of block 0 that is not zero",
    call: (c) => c.getBlocksByHashes([chain.hash(0)]),
    give: { type: "getBlocksByHashes", blocks: [chain.bytes(0)], commitSigs: [SIG] },
    fault: "DATA",
    code: "COMMIT_SIG_SHAPE",
  },
  // Receipts.
  {
    name: "receipts for a place that was not asked",
    call: receiptCall,
    give: { type: "getReceipts", receipts: new Map([[3n, []]]) },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "receipts for a place beyond numbers",
    call: receiptCall,
    give: { type: "getReceipts", receipts: new Map([[2n ** 64n - 1n, []]]) },
    fault: "PROTOCOL",
    code: "RESPONSE_SHAPE",
  },
  {
    name: "receipts of another block",
    call: receiptCall,
    give: { type: "getReceipts", receipts: new Map([[0n, [Uint8Array.of(0xc0)]]]) },
    fault: "DATA",
    code: "RECEIPTS_INVALID",
  },
  // Error texts.
  {
    name: "an error: a cap",
    call: byHash,
    give: { type: "error", text: "GetBlockByHashes amount exceed cap: 11 > 10" },
    fault: "NONE",
    code: "PEER_CAP",
  },
  {
    name: "an error: missing data",
    call: byNumber,
    give: { type: "error", text: "get block 0xaa at 5: block 5 not found" },
    fault: "BEHIND",
    code: "PEER_LACKS",
  },
  {
    name: "an error: a missing signature",
    call: byNumber,
    give: { type: "error", text: "block 5 missing commit signature" },
    fault: "BEHIND",
    code: "PEER_LACKS",
  },
  {
    name: "an error: busy",
    call: byHash,
    give: { type: "error", text: "too busy" },
    fault: "NONE",
    code: "PEER_BUSY",
  },
  {
    name: "an error: unknown kind",
    call: receiptCall,
    give: { type: "error", text: "unknown request" },
    fault: "NONE",
    code: "UNSUPPORTED",
  },
  {
    name: "an error: anything else",
    call: byHash,
    give: { type: "error", text: "\u001b[31mboom" },
    fault: "NONE",
    code: "PEER_ERROR",
  },
  // No answer.
  {
    name: "silence to a hash request",
    call: hashCall,
    give: undefined,
    fault: "TIMEOUT",
    code: "REQUEST_TIMEOUT",
  },
];

for (const { name, call, give, fault, code, reason } of CASES) {
  // T-06
  Deno.test(`client: ${name} is ${fault}`, async () => {
    await withPeer(() => give, async (client, node, world, peerId) => {
      const error = await outcome(world, call(client));
      assert.ok(error instanceof HsyncError, `an error, got ${JSON.stringify(error)}`);
      assert.equal(error.fault, fault, error.message);
      if (code !== undefined) assert.equal(error.code, code);
      const critical = fault === "DATA" || fault === "PROTOCOL";
      assert.equal(error.streamId, peerId, "who answered, or was silent");
      const removed = node.events.find((e) => e.type === "removed");
      if (critical) {
        assert.ok(removed?.type === "removed" && removed.critical && removed.fault === fault);
        if (reason !== undefined) assert.equal(removed.reason, reason);
        assert.equal(node.protocol.streams().length, 0, "reported already");
        assert.ok(node.meter.total(METRIC.failedClientRequest) >= 1);
      } else {
        assert.equal(removed, undefined);
        const failures = node.protocol.streams()[0]?.failures;
        assert.equal(failures, fault === "TIMEOUT" ? 1 : 0, "failures");
      }
    });
  });
}

Deno.test("client: honest answers pass every check and take failures back", async () => {
  await withPeer((_r, honest) => honest, async (client, node, world, peerId) => {
    node.protocol.report(peerId, "TIMEOUT", "other", "as if it had been slow");
    assert.equal(node.protocol.streams()[0]?.failures, 1);
    const height = await outcome(world, client.getBlockNumber());
    assert.deepEqual("value" in height && [height.value, height.streamId], [HEIGHT, peerId]);
    assert.equal(node.protocol.streams()[0]?.failures, 0);
    const found = await outcome(world, client.getBlockHashes([0, 1, HEIGHT, HEIGHT + 1]));
    assert.ok("value" in found);
    assert.deepEqual(found.value, [chain.hash(0), chain.hash(1), chain.hash(HEIGHT), undefined]);
    const all = await outcome(world, client.getBlocksByNumber([0, 5, 6, HEIGHT, HEIGHT + 1]));
    assert.ok("value" in all);
    assert.deepEqual(all.value.map((b) => b.block.number), [0, 5, 6, HEIGHT]);
    const some = await outcome(
      world,
      client.getBlocksByHashes([chain.hash(9), new Uint8Array(32).fill(9), chain.hash(8)]),
    );
    assert.ok("value" in some);
    assert.deepEqual(some.value.map((b) => b?.block.number), [9, undefined, 8]);
    assert.deepEqual(some.value[0]?.commitSig, sigOf(9));
    const ns = recordedBlocks(0).filter((b) => b.txs.length > 0 && b.number <= HEIGHT).slice(0, 20).map((b) =>
      b.number
    );
    const receiptRoots = ns.map((n) => decodeBlock(chain.bytes(n)).header.receiptsRoot);
    const receipts = await outcome(world, client.getReceipts(ns.map((n) => chain.hash(n)), { receiptRoots }));
    assert.ok("value" in receipts && receipts.value.every((list) => list.length > 0));
    assert.equal(node.events.some((e) => e.type === "removed"), false);
    const info = node.protocol.streams()[0];
    assert.equal(info?.height, HEIGHT);
    assert.equal(info?.blocksPerRequest, 10);
  });
});

Deno.test("client: a pruned peer and a peer behind are not at fault", async () => {
  const pruned = [ZERO, ZERO, hashes[2] as Uint8Array];
  const behind = [hashes[0] as Uint8Array, ZERO, ZERO];
  for (const given of [pruned, behind, [ZERO, ZERO, ZERO]]) {
    await withPeer(() => ({ type: "getBlockHashes", hashes: given }), async (client, node, world) => {
      const answer = await outcome(world, client.getBlockHashes(numbers));
      assert.ok("value" in answer);
      assert.deepEqual(answer.value, given.map((h) => h === ZERO ? undefined : h));
      assert.equal(node.protocol.streams().length, 1);
    });
  }
});

Deno.test("client: a short list is a prefix where the caller says so", async () => {
  await withPeer(
    () => ({ type: "getBlockHashes", hashes: hashes.slice(0, 1) }),
    async (client, _node, world) => {
      const answer = await outcome(world, client.getBlockHashes(numbers, { prefix: true }));
      assert.ok("value" in answer);
      assert.deepEqual(answer.value, [hashes[0], undefined, undefined]);
    },
  );
});

Deno.test("client: what a server would punish is never sent", async () => {
  await withPeer(() => undefined, async (client, node, _world) => {
    const many = <T>(n: number, x: T) => Array.from({ length: n }, () => x);
    const calls: Array<Promise<unknown>> = [
      client.getBlockHashes([]),
      client.getBlockHashes(many(51, 1)),
      client.getBlockHashes([-1]),
      client.getBlockHashes([1.5]),
      client.getBlocksByNumber([]),
      client.getBlocksByNumber([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
      client.getBlocksByNumber([2, 1]),
      client.getBlocksByHashes([]),
      client.getBlocksByHashes(many(11, hashes[0] as Uint8Array)),
      client.getBlocksByHashes([new Uint8Array(31)]),
      client.getReceipts([]),
      client.getReceipts(many(129, hashes[0] as Uint8Array)),
      node.protocol.client.getNodeData([]),
      node.protocol.client.getByteCodes([hashes[0] as Uint8Array], 0),
      node.protocol.client.getByteCodes([hashes[0] as Uint8Array], 3 << 20),
    ];
    for (const call of calls) {
      await assert.rejects(
        call,
        (e) => e instanceof HsyncError && e.code === "REQUEST_INVALID" && e.fault === "NONE",
      );
    }
    assert.equal(node.protocol.snapshot().requests.pending, 0);
  });
});

Deno.test("client: state requests never go out on an epoch stream", async () => {
  await inWorld({}, async (world) => {
    const node = world.node({ service: "epochsync", height: 0 });
    const h = new Uint8Array(32);
    for (const call of [node.protocol.client.getNodeData([h]), node.protocol.client.getByteCodes([h], 1)]) {
      await assert.rejects(call, (e) => e instanceof HsyncError && e.code === "REQUEST_INVALID");
    }
  });
});

Deno.test("client: blobs are known by their hash", async () => {
  const blob = Uint8Array.of(1, 2, 3);
  const known = keccak256(blob);
  const other = new Uint8Array(32).fill(3);
  await withPeer(
    (r) => r.type === "getNodeData" ? { type: "getNodeData", blobs: [blob] } : undefined,
    async (_c, node, world) => {
      const { client } = node.protocol;
      const good = await outcome(world, client.getNodeData([other, known, known]));
      assert.ok("value" in good);
      assert.deepEqual(good.value, [undefined, blob, blob]);
      const bad = await outcome(world, client.getNodeData([other]));
      assert.ok(bad instanceof HsyncError);
      assert.equal(bad.code, "BLOB_HASH");
      assert.equal(node.protocol.streams().length, 0);
    },
  );
});

Deno.test("client: three unexplained errors in a row count as one failure", async () => {
  await withPeer(() => ({ type: "error", text: "no idea" }), async (client, node, world) => {
    for (let i = 1; i <= 3; i++) {
      await outcome(world, client.getBlocksByHashes(hashes));
      assert.equal(node.protocol.streams()[0]?.failures, i === 3 ? 1 : 0, `after ${i}`);
    }
  });
});

Deno.test("client: a kind that a peer does not know is not asked of it again", async () => {
  let asked = 0;
  await withPeer((r) => {
    if (r.type === "getReceipts") asked++;
    return { type: "error", text: "unknown request" };
  }, async (client, _node, world) => {
    for (let i = 0; i < 2; i++) await outcome(world, client.getReceipts(hashes));
    assert.equal(asked, 1);
    const error = await outcome(world, client.getReceipts(hashes));
    assert.ok(error instanceof HsyncError && error.code === "NO_ELIGIBLE_STREAM");
  });
});

// T-06
Deno.test("client: answers with a foreign id or to a cancelled request harm nobody", async () => {
  await withPeer((_request, honest, peer, id) => {
    peer.respond(id ^ 1n, honest);
    return honest;
  }, async (client, node, world) => {
    const abort = new AbortController();
    const call = client.getBlocksByHashes(hashes, { signal: abort.signal });
    abort.abort();
    const error = await outcome(world, call);
    assert.ok(error instanceof HsyncError);
    assert.equal(error.code, "CANCELLED");
    assert.equal(error.streamId, undefined, "a cancelled request points at nobody");
    const answer = await outcome(world, client.getBlocksByHashes(hashes));
    assert.ok("value" in answer);
    assert.equal(node.protocol.streams().length, 1);
    assert.equal(node.protocol.streams()[0]?.failures, 0);
  });
});

// T-06
Deno.test("client: an unknown kind of answer is a protocol fault", async () => {
  await withPeer((_request, _honest, peer, id) => {
    const body = encodeResponse(id, { type: "getBlockNumber", number: 1n });
    // The payload's field number becomes 15.
    body[body.length - 4] = (15 << 3) | 2;
    peer.send(body);
    return undefined;
  }, async (client, node, world) => {
    const error = await outcome(world, client.getBlocksByHashes(hashes));
    assert.ok(error instanceof HsyncError);
    assert.equal(error.fault, "PROTOCOL");
    assert.equal(node.protocol.streams().length, 0);
  });
});

Deno.test("client: ten thousand requests with cancels and time-outs leave nothing waiting", async () => {
  let n = 0;
  await withPeer((_r, honest) => n++ % 997 === 0 ? undefined : honest, async (client, node, world) => {
    const settled: Array<Promise<unknown>> = [];
    for (let i = 0; i < 10_000; i++) {
      const abort = new AbortController();
      const options = { signal: abort.signal, ...(i % 2 === 0 ? { priority: "high" as const } : {}) };
      settled.push(client.getBlockNumber(options).then(() => "ok", (e: HsyncError) => e.code));
      if (i % 3 === 0) abort.abort();
      if (i % 50 === 0) await settle(20);
    }
    for (
      let i = 0;
      i < 400 &&
      node.protocol.snapshot().requests.waitingHigh + node.protocol.snapshot().requests.waitingLow > 0;
      i++
    ) {
      await world.pass(500);
    }
    await world.pass(20_000);
    const codes = new Map<unknown, number>();
    for (const code of await Promise.all(settled)) codes.set(code, (codes.get(code) ?? 0) + 1);
    assert.equal(node.meter.get(METRIC.waitingRequests, { topic: TOPIC }), 0);
    assert.equal(node.meter.get(METRIC.pendingRequests, { topic: TOPIC }), 0);
    assert.equal([...codes.values()].reduce((a, b) => a + b, 0), 10_000);
    for (const code of ["ok", "CANCELLED", "REQUEST_TIMEOUT"]) {
      assert.ok((codes.get(code) ?? 0) > 0, `${code} in ${JSON.stringify([...codes])}`);
    }
  });
});
