/**
 * Wrong, slow and oversized answers once over real libp2p: sockets are real, the minutes are turned by hand.
 */
import assert from "node:assert/strict";
import { HsyncError, ManualClock } from "../../src/base/mod.ts";
import type { P2PStream } from "../../src/p2p/mod.ts";
import { checkBlocksHere } from "../../src/stream/client_checks.ts";
import { MAX_FRAME_BYTES, MAX_UNASKED_FRAME_BYTES } from "../../src/stream/constants.ts";
import { encodeFrame } from "../../src/stream/frame.ts";
import { encodeResponse, type SyncResponse } from "../../src/stream/message.ts";
import type { BlockClient, RemovalReason } from "../../src/stream/mod.ts";
import { RecordedChain } from "./support/chain.ts";
import { answerHeight, io, joined, Loopback, outcome, pass, until } from "./support/loopback.ts";
import { answerHeights, type RawPeer } from "./support/raw_peer.ts";

const HEIGHT = 60;
const SIG = new Uint8Array(97).fill(1);
const chain = new RecordedChain(0, HEIGHT);
const blocks = (numbers: readonly number[]) => ({
  blocks: numbers.map((n) => chain.bytes(n)),
  commitSigs: numbers.map(() => SIG),
});
const EMPTY = new Uint8Array(0);
const hashes = [1, 2, 3].map((n) => chain.hash(n));

interface Lie {
  readonly name: string;
  readonly call: (client: BlockClient) => Promise<unknown>;
  readonly give: SyncResponse | ((peer: RawPeer<P2PStream>, id: bigint) => void);
  /** Undefined: harms nobody. */
  readonly reason: RemovalReason | undefined;
}
const byNumber = (c: BlockClient) => c.getBlocksByNumber([1, 2, 3]);
const byHash = (c: BlockClient) => c.getBlocksByHashes(hashes);
const hashCall = (c: BlockClient) => c.getBlockHashes([1, 2, 3]);
const LIES: readonly Lie[] = [
  {
    name: "more",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([1, 2, 3, 4]) },
    reason: "unexpected_blocks",
  },
  {
    name: "fewer",
    call: byHash,
    give: { type: "getBlocksByHashes", ...blocks([1, 2]) },
    reason: "unexpected_blocks",
  },
  {
    name: "duplicated",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([1, 1]) },
    reason: "unexpected_blocks",
  },
  {
    name: "reordered",
    call: byNumber,
    give: { type: "getBlocksByNumber", ...blocks([2, 1]) },
    reason: "unexpected_blocks",
  },
  {
    name: "an empty item",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [EMPTY], commitSigs: [SIG] },
    reason: "invalid_blocks",
  },
  {
    name: "a nil item",
    call: byNumber,
    give: { type: "getBlocksByNumber", blocks: [Uint8Array.of(0xc0)], commitSigs: [SIG] },
    reason: "invalid_blocks",
  },
  {
    name: "too few hashes",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: hashes.slice(1) },
    reason: "nil_hashes",
  },
  {
    name: "too many hashes",
    call: hashCall,
    give: { type: "getBlockHashes", hashes: [...hashes, hashes[0] as Uint8Array] },
    reason: "extra_hashes",
  },
  {
    name: "a gap of zeros",
    call: hashCall,
    give: {
      type: "getBlockHashes",
      hashes: [hashes[0] as Uint8Array, new Uint8Array(32), hashes[2] as Uint8Array],
    },
    reason: "zero_hashes",
  },
  {
    name: "an unknown member",
    call: byHash,
    give: (peer, id) => {
      const body = encodeResponse(id, { type: "getBlockNumber", number: 1n });
      body[body.length - 4] = (15 << 3) | 2;
      peer.send(body);
    },
    reason: "unexpected_blocks",
  },
  {
    name: "a wrong request id, then the right one",
    call: byHash,
    give: (peer, id) => {
      const answer: SyncResponse = { type: "getBlocksByHashes", ...blocks([1, 2, 3]) };
      peer.respond(id ^ 1n, answer);
      peer.respond(id, answer);
    },
    reason: undefined,
  },
  {
    name: "an answer to a cancelled request",
    call: (c) => {
      const abort = new AbortController();
      const call = c.getBlocksByHashes(hashes, { signal: abort.signal });
      queueMicrotask(() => abort.abort());
      return call;
    },
    give: { type: "getBlocksByHashes", ...blocks([1, 2, 3]) },
    reason: undefined,
  },
];

// T-06
Deno.test("loopback: twelve ways to answer wrongly, each with its reason, and nothing breaks", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  let lie: Lie | undefined;
  const liar = await net.raw((message, peer) => {
    if (message.kind !== "request" || answerHeight(message, peer) || lie === undefined) return;
    if (typeof lie.give === "function") lie.give(peer, message.id);
    else peer.respond(message.id, lie.give);
  });
  for (lie of LIES) {
    node.events.length = 0;
    const raw = await joined(node, liar);
    const result = await outcome(clock, lie.call(node.protocol.client));
    const removed = node.events.find((e) => e.type === "removed");
    if (lie.reason === undefined) {
      assert.equal(removed, undefined, lie.name);
      raw.stream.reset("next");
    } else {
      assert.ok(result instanceof HsyncError, lie.name);
      assert.ok(removed?.type === "removed" && removed.critical, lie.name);
      assert.equal(removed.reason, lie.reason, lie.name);
    }
    await until("the stream to end", () => node.protocol.snapshot().list.length === 0, clock);
    node.protocol.forgive("all");
  }
});

// T-06
Deno.test("loopback: answers to questions given up meanwhile are dropped, and the stream is free at once", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  const held: Array<() => void> = [];
  let asked = 0;
  const late = await net.raw((message, peer) => {
    if (message.kind !== "request" || answerHeight(message, peer)) return;
    asked++;
    held.push(() => peer.respond(message.id, { type: "getBlocksByHashes", ...blocks([1, 2, 3]) }));
  });
  await joined(node, late);
  const available = () => node.protocol.getStreamHealthStats().availableStreams;
  for (let round = 1; round <= 10; round++) {
    const abort = new AbortController();
    const call = node.protocol.client.getBlocksByHashes(hashes, { signal: abort.signal });
    await until("the question", () => asked === round);
    abort.abort();
    await assert.rejects(call, { code: "CANCELLED", fault: "NONE" });
    if (round % 2 === 1) continue;
    await until("the writes to be noted", () => available() === 0);
    for (const answer of held.splice(0)) answer();
    await until("the stream to be free", () => available() === 1);
  }
  assert.equal(clock.monotonic(), 0, "no time-out had to pass for that");
  assert.deepEqual(node.events.filter((e) => e.type === "removed"), []);
  assert.equal(node.protocol.streams()[0]?.failures, 0);
});

// T-07, T-20
Deno.test("loopback: an answer that keeps dribbling is given up after 180 s", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  let asked: bigint | undefined;
  const slow = await net.raw((message, peer) => {
    if (message.kind === "request" && !answerHeight(message, peer)) asked = message.id;
  });
  const raw = await joined(node, slow);
  const begun = clock.monotonic();
  let ended: { readonly code: string; readonly ms: number } | undefined;
  node.protocol.client.getBlocksByNumber([1]).catch((e: HsyncError) => {
    ended = { code: e.code, ms: clock.monotonic() - begun };
  });
  await until("the question", () => asked !== undefined);
  const frame = new Uint8Array(1 << 20);
  new DataView(frame.buffer).setUint32(0, frame.length, true);
  for (let at = 0; at < 50 && ended === undefined; at++) {
    const since = node.protocol.snapshot().list[0]?.bytesIn ?? 0;
    await raw.stream.write(frame.subarray(at * 5_000, (at + 1) * 5_000)).catch(() => {});
    await until("the bytes", () => (node.protocol.snapshot().list[0]?.bytesIn ?? Infinity) > since);
    await pass(clock, 10_000);
  }
  assert.ok(ended !== undefined);
  assert.ok(Math.abs(ended.ms - 180_000) <= 1_000, `after ${ended.ms} ms`);
  assert.ok(["REQUEST_TIMEOUT", "STREAM_REMOVED"].includes(ended.code), ended.code);
  await pass(clock, 20_000);
  const removed = node.events.find((e) => e.type === "removed");
  assert.ok(removed?.type === "removed" && !removed.critical, "slowness is no lie");
});

// T-07
Deno.test("loopback: four megabytes that dribble in 40 s arrive; a true stall ends after 60 s", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node({
    checker: (given, context) => {
      assert.deepEqual(given.map((b) => b.length), [1 << 20, 1 << 20, 1 << 20, 1 << 20]);
      return checkBlocksHere([1, 2, 3, 4].map((n) => chain.bytes(n)), context);
    },
  });
  let asked: bigint | undefined;
  const slow = await net.raw((message, peer) => {
    if (message.kind === "request" && !answerHeight(message, peer)) asked = message.id;
  });
  const raw = await joined(node, slow);
  const frameOf = (id: bigint) =>
    encodeFrame(encodeResponse(id, {
      type: "getBlocksByNumber",
      blocks: Array.from({ length: 4 }, () => new Uint8Array(1 << 20)),
      commitSigs: Array.from({ length: 4 }, () => SIG),
    }));
  const call = node.protocol.client.getBlocksByNumber([1, 2, 3, 4]);
  await until("the question", () => asked !== undefined);
  const frame = frameOf(asked ?? 0n);
  for (let at = 0; at < frame.length; at += 100_000) {
    await raw.stream.write(frame.subarray(at, at + 100_000));
    await pass(clock, 1_000);
  }
  const answer = await outcome(clock, call);
  assert.ok("value" in answer);
  assert.equal(answer.value.length, 4);

  asked = undefined;
  const stalled = node.protocol.client.getBlocksByNumber([1, 2, 3, 4]).catch((e: HsyncError) => e);
  await until("the question", () => asked !== undefined);
  await raw.stream.write(frameOf(asked ?? 0n).subarray(0, 2_000_000));
  const since = node.protocol.snapshot().list[0]?.bytesIn ?? 0;
  await until("the bytes", () => (node.protocol.snapshot().list[0]?.bytesIn ?? 0) > since);
  await io();
  const begun = clock.monotonic();
  await pass(clock, 55_000);
  assert.equal(node.protocol.snapshot().list.length, 1, "not before its time");
  await until("the end", () => node.protocol.snapshot().list.length === 0, clock, 100);
  assert.ok(clock.monotonic() - begun <= 65_000);
  assert.ok((await stalled) instanceof HsyncError);
  const removed = node.events.find((e) => e.type === "removed");
  assert.ok(removed?.type === "removed" && !removed.critical, "slowness is no lie");
});

// T-08
Deno.test("loopback: a length above the limit is refused at its header, and claims of 128 streams cost no memory", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node({ caps: { hardLowCap: 0, softLowCap: 0, highCap: 64, discBatch: 1 } });
  const claim = (length: number) => {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, length, true);
    return prefix;
  };
  const liar = await net.raw((message, peer) => {
    // The question entitles to the largest frame there is, not to one byte more.
    if (message.kind === "request" && !answerHeight(message, peer)) peer.raw(claim(MAX_FRAME_BYTES + 1));
  });
  await joined(node, liar);
  await outcome(clock, node.protocol.client.getBlocksByNumber([1]));
  const removed = node.events.find((e) => e.type === "removed");
  assert.ok(removed?.type === "removed" && removed.critical && removed.reason === "read_failed");

  const hosts = await Promise.all(Array.from({ length: 8 }, () => net.raw(answerHeights(HEIGHT))));
  const streams = await Promise.all(hosts.flatMap((h) => Array.from({ length: 16 }, () => h.open(node))));
  await io();
  // Buffers lie outside of the heap.
  const before = Deno.memoryUsage().external;
  for (const s of streams) s.raw(claim(MAX_UNASKED_FRAME_BYTES));
  for (let i = 0; i < 20; i++) await io();
  const grown = Deno.memoryUsage().external - before;
  assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes more`);
  // Those that were asked for blocks may claim it all; what they hold is what they sent.
  const owing = await Promise.all(
    Array.from({ length: 16 }, () =>
      net.raw((message, peer) => {
        if (message.kind !== "request" || answerHeight(message, peer)) return;
        peer.raw(claim(MAX_FRAME_BYTES));
        peer.raw(new Uint8Array(100_000));
      })),
  );
  for (const h of owing) await joined(node, h);
  const arrived = () =>
    node.protocol.snapshot().list.filter((s) =>
      owing.some((h) => h.peer.peerId === s.id) && s.bytesIn > 100_000
    );
  const whitelist = (h: typeof owing[number]) => new Set([h.peer.peerId]);
  const external = Deno.memoryUsage().external;
  for (const h of owing) {
    node.protocol.client.getBlocksByNumber([1], { whitelist: whitelist(h) }).catch(() => {});
  }
  await until("what they send", () => arrived().length === owing.length);
  const held = Deno.memoryUsage().external - external;
  assert.ok(held < 16 * 1024 * 1024, `${held} bytes for claims of ${owing.length * MAX_FRAME_BYTES}`);
  const unasked = await hosts[0]?.open(node).catch(() => undefined);
  unasked?.raw(claim(MAX_UNASKED_FRAME_BYTES + 1));
  if (unasked !== undefined) await until("the refusal", () => unasked.ended !== undefined);
});
