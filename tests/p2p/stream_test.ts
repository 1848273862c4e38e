import assert from "node:assert/strict";
import { multiaddr } from "@multiformats/multiaddr";
import type { Stream } from "@libp2p/interface";
import { HsyncError, SeededRandom } from "../../src/base/mod.ts";
import { MAX_WINDOW, type Muxer } from "../../src/p2p/libp2p_options.ts";
import { HIGH_WATER } from "../../src/p2p/reader.ts";
import { LibP2PStream } from "../../src/p2p/stream.ts";
import { bareNode, Hosts, readBytes, streamPair } from "./support.ts";

const MIB = 1024 * 1024;
/** The largest frame of the sync protocol with its length prefix. */
const FRAME = 20 * MIB + 4;

/** What a stream may hold for a consumer that does not keep up (reader.ts). */
const MOST_HELD = HIGH_WATER + 2 * MAX_WINDOW;

/** Lets the event loop turn once, so that a reader is slower than the socket. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

for (const muxer of ["yamux", "mplex"] as const) {
  Deno.test(`bytes go both ways in order over ${muxer}, whatever the sizes of writes`, async () => {
    await using hosts = new Hosts();
    const [a, b] = [await hosts.start({ muxers: [muxer] }), await hosts.start({ muxers: [muxer] })];
    const pair = await streamPair(a, b);
    assert.equal(pair.out.muxer, muxer === "yamux" ? "/yamux/1.0.0" : "/mplex/6.7.0");
    assert.equal(pair.out.direction, "out");
    assert.equal(pair.in.direction, "in");
    assert.equal(pair.in.protocol, "harmony/test/1");
    assert.equal(pair.in.peerId, a.peerId);
    assert.equal(pair.out.peerId, b.peerId);
    const random = new SeededRandom(7);
    for (const [from, to] of [[pair.out, pair.in], [pair.in, pair.out]] as const) {
      const sizes = [1, 0, 4, 65_535, 65_536, 65_537, 1, 300_000];
      const sent = sizes.map((n) => random.bytes(n));
      const total = sizes.reduce((s, n) => s + n, 0);
      const received = readBytes(to.source[Symbol.asyncIterator](), total);
      // Not awaited one by one: concurrent writes keep their order.
      await Promise.all(sent.map((bytes) => from.write(bytes)));
      assert.deepEqual(Buffer.compare(await received, Buffer.concat(sent)), 0);
    }
    pair.out.reset("done");
    await Promise.all([pair.out.closed, pair.in.closed]);
  });
}

Deno.test("a 20 MiB frame passes a slow consumer, and little of it is ever held", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const frame = new SeededRandom(20).bytes(64 * 1024);
  const whole = new Uint8Array(FRAME);
  for (let at = 0; at < FRAME; at += frame.length) whole.set(frame.subarray(0, FRAME - at), at);
  const written = pair.out.write(whole);
  let received = 0, most = 0;
  for await (const chunk of pair.in.source) {
    for (let i = 0; i < chunk.length; i += 4096) {
      assert.equal(chunk[i], frame[(received + i) % frame.length], `byte ${received + i}`);
    }
    received += chunk.length;
    await turn();
    most = Math.max(most, pair.in.buffered);
    if (received === FRAME) break;
  }
  await written;
  assert.equal(received, FRAME);
  assert.ok(most <= MOST_HELD, `${most} bytes were held`);
  pair.in.reset("done");
  await Promise.all([pair.out.closed, pair.in.closed]);
});

Deno.test("a consumer that does not read at all holds the sender back, and no other stream", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const stuck = await streamPair(a, b, "harmony/stuck/1");
  const lively = await streamPair(a, b, "harmony/lively/1");
  const written = stuck.out.write(new Uint8Array(FRAME)).then(() => "written", (e: HsyncError) => e);
  const [there, back] = [lively.in.source[Symbol.asyncIterator](), lively.out.source[Symbol.asyncIterator]()];
  for (let i = 0; i < 200; i++) {
    await lively.out.write(new Uint8Array([i]));
    assert.deepEqual(await readBytes(there, 1), new Uint8Array([i]));
    await lively.in.write(new Uint8Array([255 - i]));
    assert.deepEqual(await readBytes(back, 1), new Uint8Array([255 - i]));
  }
  assert.equal(await Promise.race([written, turn().then(() => "waits")]), "waits");
  assert.ok(stuck.in.buffered <= MOST_HELD, `${stuck.in.buffered} bytes are held`);
  stuck.in.reset("enough");
  const error = await written;
  assert.ok(error instanceof HsyncError);
  assert.equal(error.fault, "TRANSPORT");
  await Promise.all([stuck.out.closed, stuck.in.closed]);
  await lively.out.write(new Uint8Array([1]));
  assert.deepEqual(await readBytes(there, 1), new Uint8Array([1]));
});

Deno.test("a consumer that starts late gets everything", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const bytes = new SeededRandom(3).bytes(5 * MIB);
  const written = pair.out.write(bytes);
  while (pair.in.buffered < HIGH_WATER) await turn();
  const received = await readBytes(pair.in.source[Symbol.asyncIterator](), bytes.length);
  assert.equal(Buffer.compare(received, bytes), 0);
  await written;
});

Deno.test("a reset in the middle of a frame: what came before is delivered, then TRANSPORT", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  await pair.out.write(new Uint8Array([0, 0, 1, 0, 1, 2, 3]));
  const source = pair.in.source[Symbol.asyncIterator]();
  assert.equal((await readBytes(source, 7)).length, 7);
  pair.out.reset("changed our mind");
  await assert.rejects(source.next(), {
    code: "STREAM_RESET_BY_PEER",
    fault: "TRANSPORT",
    streamId: a.peerId,
  });
  await pair.in.closed;
  await assert.rejects(source.next(), { fault: "TRANSPORT" }, "and again for whoever asks again");
  await assert.rejects(pair.in.write(new Uint8Array(1)), { code: "STREAM_RESET_BY_PEER" });
});

Deno.test("our own reset blames nobody", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const waiting = pair.out.source[Symbol.asyncIterator]().next();
  pair.out.reset("no longer needed");
  pair.out.reset("twice is harmless");
  await assert.rejects(waiting, { code: "STREAM_RESET", fault: "NONE" });
  await assert.rejects(pair.out.write(new Uint8Array(1)), { code: "STREAM_RESET", fault: "NONE" });
  await pair.out.closed;
  await pair.in.closed;
});

Deno.test("the loss of the connection is TRANSPORT for reader and writer", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const reading = pair.out.source[Symbol.asyncIterator]().next();
  reading.catch(() => {});
  const writing = pair.out.write(new Uint8Array(FRAME));
  writing.catch(() => {});
  await b.stop();
  await assert.rejects(reading, { fault: "TRANSPORT" });
  await assert.rejects(writing, { fault: "TRANSPORT" });
  await Promise.all([pair.out.closed, pair.in.closed]);
});

Deno.test("a cancelled write resets the stream once bytes of it are gone, and leaves it alone before", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const never = AbortSignal.abort();
  await assert.rejects(pair.out.write(new Uint8Array(10), never), { code: "CANCELLED", fault: "NONE" });
  await pair.out.write(new Uint8Array([9]));
  const source = pair.in.source[Symbol.asyncIterator]();
  assert.deepEqual(await readBytes(source, 1), new Uint8Array([9]));

  const abort = new AbortController();
  const long = pair.out.write(new Uint8Array(FRAME), abort.signal);
  const queued = pair.out.write(new Uint8Array([1]), abort.signal);
  long.catch(() => {});
  queued.catch(() => {});
  while (pair.in.buffered < HIGH_WATER) await turn();
  abort.abort();
  await assert.rejects(long, { code: "CANCELLED" });
  await assert.rejects(queued, { code: "CANCELLED" });
  await pair.out.closed;
  await pair.in.closed;
});

Deno.test("a source can be consumed once, by one reader at a time", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const source = pair.in.source[Symbol.asyncIterator]();
  assert.throws(() => pair.in.source[Symbol.asyncIterator](), TypeError);
  const first = source.next();
  await assert.rejects(source.next(), TypeError);
  await pair.out.write(new Uint8Array([1]));
  assert.deepEqual((await first).value, new Uint8Array([1]));
});

Deno.test("a consumer that leaves its loop is sent no more than a window", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pair = await streamPair(a, b);
  const written = pair.out.write(new Uint8Array(FRAME)).then(() => "written", (e: HsyncError) => e.fault);
  for await (const _ of pair.in.source) break;
  for (let i = 0; i < 200; i++) await turn();
  assert.ok(pair.in.buffered <= MOST_HELD, `${pair.in.buffered} bytes are held`);
  pair.in.reset("done");
  assert.equal(await written, "TRANSPORT");
});

for (const muxer of ["yamux", "mplex"] as const) {
  Deno.test(`a half-close of the other side is the end, after all bytes, over ${muxer}`, async () => {
    await using hosts = new Hosts();
    const host = await hosts.start({ muxers: [muxer] });
    const node = await bareNode(muxer);
    try {
      const arrived = Promise.withResolvers<LibP2PStream>();
      await host.handle("harmony/test/1", (s) => arrived.resolve(s as LibP2PStream));
      const address = host.addresses()[0] ?? "";
      const stream: Stream = await node.dialProtocol(multiaddr(address), "harmony/test/1");
      stream.send(new SeededRandom(1).bytes(100_000));
      await stream.close();
      const incoming = await arrived.promise;
      let n = 0;
      for await (const chunk of incoming.source) n += chunk.length;
      assert.equal(n, 100_000);
      // Their reading side is still open; ours is ended by a reset, never by a half-close.
      await incoming.write(new Uint8Array([1, 2, 3]));
      incoming.reset("the peer closed its side");
      await incoming.closed;
    } finally {
      await node.stop();
    }
  });
}

const ORDERS: ReadonlyArray<readonly [readonly Muxer[], readonly Muxer[], string | undefined]> = [
  [["yamux", "mplex"], ["mplex", "yamux"], "/yamux/1.0.0"],
  [["mplex", "yamux"], ["yamux", "mplex"], "/mplex/6.7.0"],
  [["yamux", "mplex"], ["mplex"], "/mplex/6.7.0"],
  [["yamux"], ["mplex", "yamux"], "/yamux/1.0.0"],
  [["mplex"], ["yamux", "mplex"], "/mplex/6.7.0"],
  [["yamux"], ["mplex"], undefined],
];
for (const [dialler, listener, expected] of ORDERS) {
  const what = expected === undefined ? "is refused" : `speaks ${expected}`;
  Deno.test(`a host of ${dialler.join(", ")} that dials one of ${listener.join(", ")} ${what}`, async () => {
    await using hosts = new Hosts();
    const [a, b] = [await hosts.start({ muxers: dialler }), await hosts.start({ muxers: listener })];
    if (expected === undefined) {
      await assert.rejects(streamPair(a, b), { fault: "TRANSPORT" });
      return;
    }
    const pair = await streamPair(a, b);
    assert.equal(pair.out.muxer, expected);
    assert.equal(pair.in.muxer, expected);
    await pair.out.write(new Uint8Array([1, 2]));
    assert.deepEqual(await readBytes(pair.in.source[Symbol.asyncIterator](), 2), new Uint8Array([1, 2]));
  });
}
