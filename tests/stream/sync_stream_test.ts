import assert from "node:assert/strict";
import { concat, HsyncError, le32, ManualClock, nullLogger, SeededRandom } from "../../src/base/mod.ts";
import { EMPTY_PER_MINUTE, MAX_FRAME_BYTES, MAX_UNASKED_FRAME_BYTES } from "../../src/stream/constants.ts";
import { encodeFrame } from "../../src/stream/frame.ts";
import { encodeRequest, encodeResponse, type SyncResponse } from "../../src/stream/message.ts";
import { METRIC, StreamMeter } from "../../src/stream/meters.ts";
import { Allowances } from "../../src/stream/allowance.ts";
import { RateLimiter, type RateLimits } from "../../src/stream/rate_limiter.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { type StreamEnd, SyncStream } from "../../src/stream/sync_stream.ts";
import { RecordedChain } from "./support/chain.ts";
import { MemoryMeter } from "./support/meter.ts";
import { answerHeights, type Incoming, RawPeer, settle } from "./support/raw_peer.ts";
import { simPeerId } from "./support/sim_network.ts";
import { type SimStream, streamPair } from "./support/sim_stream.ts";

/** Our stream, and the other end in the test's hand. */
class Bench {
  readonly clock = new ManualClock();
  readonly meter = new MemoryMeter();
  readonly chain = new RecordedChain(0, 50);
  readonly stream: SyncStream;
  readonly limiter: RateLimiter;
  readonly ours: SimStream;
  readonly peer: RawPeer;
  readonly responses: Array<{ readonly id: bigint; readonly response: SyncResponse | undefined }> = [];
  readonly heights: number[] = [];
  readonly late: bigint[] = [];
  progress = 0;
  end: StreamEnd | undefined;
  expected: (id: bigint) => boolean = () => true;
  #id = 100n;

  constructor(
    direction: "in" | "out" = "out",
    onMessage?: (m: Incoming, p: RawPeer) => void,
    options: { readonly limits?: RateLimits; readonly bound?: number } = {},
  ) {
    const { clock } = this;
    const random = new SeededRandom(1);
    const [us, them] = [simPeerId(1), simPeerId(2)];
    const [from, to] = direction === "out" ? [us, them] : [them, us];
    const pair = streamPair({ from, to, protocol: "p", clock, random });
    this.ours = direction === "out" ? pair.out : pair.in;
    this.peer = new RawPeer(direction === "out" ? pair.in : pair.out, onMessage);
    this.limiter = new RateLimiter(clock, options.limits ?? { perStream: 0, global: 0 });
    this.stream = new SyncStream(this.ours, {
      instance: 1,
      newId: () => ++this.#id,
      heightBound: () => options.bound ?? 1_000_000,
      serving: {
        server: new SyncServer(this.chain),
        limiter: this.limiter,
        allowances: new Allowances(clock),
        clock,
        meter: new StreamMeter(this.meter, "t"),
        logger: nullLogger,
      },
      owner: {
        expects: (_s, id) => this.expected(id),
        response: (_s, id, response) => this.responses.push({ id, response }),
        late: (_s, id) => this.late.push(id),
        progress: () => this.progress++,
        height: (_s, height) => this.heights.push(height),
        misbehaved: (s, failure, text) => s.fail(failure, text),
        gone: (_s, end) => {
          assert.equal(this.end, undefined, "gone is said once");
          this.end = end;
        },
      },
    });
    this.stream.run();
  }
  /** How the stream ended; undefined while it stands. */
  failure(): string | undefined {
    return this.end?.failure;
  }
  fault(): string | undefined {
    return this.end?.fault;
  }
  /** Asks for blocks, so that a big answer is owed. */
  async askBlocks(id: bigint): Promise<void> {
    const request = { type: "getBlocksByNumber", numbers: [1n] } as const;
    await this.stream.ask(id, request.type, encodeFrame(encodeRequest(id, request)));
  }
  /** Second by second, as the manager does. */
  async seconds(n: number): Promise<void> {
    for (let i = 0; i < n; i++) {
      await this.clock.advance(1_000);
      this.stream.check();
    }
    await settle();
  }
  async close(): Promise<void> {
    this.stream.fail("SHUTDOWN", "end of test");
    await this.stream.finished();
    await this.peer.done;
  }
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HsyncError && error.code === code;
}

Deno.test("stream: the probe gives the height, and the peer's requests are served meanwhile", async () => {
  const b = new Bench("out", answerHeights(77));
  b.peer.request(5n, { type: "getBlockNumber" });
  assert.equal(await b.stream.probe(), 77);
  await settle();
  assert.deepEqual(b.heights, [77]);
  assert.deepEqual(b.peer.responses().map((r) => [r.id, r.response]), [[5n, {
    type: "getBlockNumber",
    number: 50n,
  }]]);
  await b.close();
});

Deno.test("stream: probes run one at a time and share their answer", async () => {
  const b = new Bench();
  const both = Promise.all([b.stream.probe(), b.stream.probe()]);
  await settle();
  assert.equal(b.peer.requests().length, 1);
  b.peer.respond(b.peer.requests()[0]?.id ?? 0n, { type: "getBlockNumber", number: 9n });
  assert.deepEqual(await both, [9, 9]);
  await b.close();
});

Deno.test("stream: a silent peer fails the probe after exactly 15 s and is only refused", async () => {
  const b = new Bench();
  const probe = b.stream.probe();
  await b.clock.advance(14_999);
  assert.equal(b.stream.probing, true);
  const result = assert.rejects(probe, (e) => e instanceof HsyncError && e.fault === "REFUSED");
  await b.clock.advance(1);
  await result;
  assert.equal(b.failure(), undefined, "ending the stream is the owner's business");
  await b.close();
});

Deno.test("stream: absurd heights and wrong answers to a probe are told apart", async () => {
  const cases: Array<[SyncResponse, string]> = [
    [{ type: "getBlockNumber", number: 2n ** 53n }, "HEIGHT_ABSURD"],
    [{ type: "getBlockNumber", number: 1_000_001n }, "HEIGHT_ABSURD"],
    [{ type: "getBlockHashes", hashes: [] }, "RESPONSE_TYPE"],
    [{ type: "error", text: "no" }, "PEER_ERROR"],
  ];
  for (const [response, code] of cases) {
    const b = new Bench("out", (m, p) => p.respond(m.id, response));
    await assert.rejects(b.stream.probe(), isCode(code), code);
    await b.close();
  }
});

Deno.test("stream: EOF is answered with a reset at once", async () => {
  const b = new Bench("out", answerHeights(1));
  await b.stream.probe();
  b.peer.stream.halfClose();
  await settle();
  assert.equal(b.failure(), "PEER_CLOSED");
  assert.equal(b.fault(), "TRANSPORT");
  assert.equal(b.ours.isReset, true);
  await b.close();
});

Deno.test("stream: a reset by the peer is a transport end, and what was open fails", async () => {
  const b = new Bench();
  const probe = assert.rejects(b.stream.probe(), isCode("PEER_RESET"));
  await settle();
  b.peer.stream.reset("bye");
  await probe;
  assert.equal(b.failure(), "PEER_RESET");
  await assert.rejects(b.stream.probe(), isCode("STREAM_REMOVED"));
  await b.close();
});

Deno.test("stream: a reset in the middle of a frame is a loss, not the peer's choice to be rid of us", async () => {
  const b = new Bench();
  b.peer.raw(concat(le32(40), new Uint8Array(10)));
  await settle();
  b.peer.stream.reset("bye");
  await settle();
  assert.equal(b.failure(), "READ_FAILED");
  await b.close();
});

// T-08
Deno.test("stream: garbage and oversize are protocol faults", async () => {
  const cases: Array<[string, Uint8Array, string]> = [
    ["garbage in a frame", concat(le32(3), Uint8Array.of(0xff, 0xff, 0xff)), "MESSAGE_MALFORMED"],
    ["a length above the limit", le32(MAX_FRAME_BYTES + 1), "FRAME_TOO_LONG"],
    ["an ASCII greeting", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), "FRAME_TOO_LONG"],
    ["a big frame that nobody asked for", le32(MAX_UNASKED_FRAME_BYTES + 1), "FRAME_TOO_LONG"],
  ];
  for (const [name, bytes, failure] of cases) {
    const b = new Bench();
    b.peer.raw(bytes);
    await settle();
    assert.equal(b.failure(), failure, name);
    assert.equal(b.fault(), "PROTOCOL", name);
    assert.equal(b.meter.total(METRIC.msgReadFailed), 1, name);
    await b.close();
  }
});

Deno.test("stream: a big answer is taken when it is owed", async () => {
  const b = new Bench();
  await b.askBlocks(7n);
  const answer: SyncResponse = {
    type: "getBlocksByNumber",
    blocks: [new Uint8Array(MAX_FRAME_BYTES - 100)],
    commitSigs: [new Uint8Array(0)],
  };
  const body = encodeResponse(7n, answer);
  assert.ok(body.length > MAX_FRAME_BYTES - 100 && body.length <= MAX_FRAME_BYTES);
  b.peer.send(body);
  for (let i = 0; i < 400 && b.responses.length === 0; i++) await settle();
  assert.equal(b.responses.length, 1);
  assert.ok(b.progress > 50, `${b.progress} marks of progress on the way`);
  await b.close();
});

Deno.test("stream: empty frames and empty messages are ignored", async () => {
  const b = new Bench("out", answerHeights(3));
  b.peer.raw(concat(le32(0), le32(0)));
  b.peer.send(Uint8Array.of(0x3a, 0x00));
  assert.equal(await b.stream.probe(), 3);
  assert.equal(b.failure(), undefined);
  await b.close();
});

Deno.test("stream: more than a minute's allowance of nothing is abuse, by number and by size", async () => {
  const frames = new Bench();
  frames.peer.raw(new Uint8Array(4 * EMPTY_PER_MINUTE));
  await frames.seconds(1);
  assert.equal(frames.failure(), undefined);
  frames.peer.raw(new Uint8Array(4));
  await settle();
  assert.equal(frames.failure(), "FLOOD");
  assert.equal(frames.fault(), "ABUSE");
  await frames.close();

  // An unknown field of 100,000 bytes, and neither of the two members.
  const empty = new Uint8Array(100_004);
  empty.set([0x3a, 0xa0, 0x8d, 0x06]);
  const messages = new Bench();
  let sent = 0;
  while (messages.failure() === undefined && sent < 20) {
    messages.peer.send(empty);
    sent++;
    await settle();
  }
  assert.equal(messages.failure(), "FLOOD");
  assert.equal(sent, Math.ceil((EMPTY_PER_MINUTE + 1) / 25), "every 4 KiB count");
  await messages.close();
});

// T-07
Deno.test("stream: a dribble that keeps coming is patience, a stall ends after 60 s", async () => {
  const b = new Bench("out", answerHeights(1));
  await b.stream.probe();
  await b.askBlocks(9n);
  const body = encodeResponse(9n, {
    type: "getBlocksByNumber",
    blocks: [new Uint8Array(4 << 20)],
    commitSigs: [new Uint8Array(97)],
  });
  const frame = concat(le32(body.length), body);
  // 4 MB at 100 KB/s.
  for (let at = 0; at < frame.length; at += 100_000) {
    b.peer.raw(frame.subarray(at, at + 100_000));
    await b.seconds(1);
  }
  assert.equal(b.responses.length, 1, "the slow answer has arrived");
  await b.askBlocks(10n);
  b.peer.raw(frame.subarray(0, 200_000));
  await b.seconds(59);
  assert.equal(b.failure(), undefined);
  await b.seconds(2);
  assert.equal(b.failure(), "FRAME_STALLED");
  assert.equal(b.fault(), "TRANSPORT");
  await b.close();
});

// T-07
Deno.test("stream: single bytes now and then are no progress, and three minutes are the limit of a frame", async () => {
  const drip = new Bench();
  drip.peer.raw(le32(100_000));
  for (let s = 0; s < 70 && drip.failure() === undefined; s++) {
    drip.peer.raw(Uint8Array.of(1));
    await drip.seconds(1);
  }
  assert.equal(drip.failure(), "FRAME_STALLED");
  await drip.close();
  const slow = new Bench();
  await slow.askBlocks(1n);
  slow.peer.raw(le32(20_000_000));
  let seconds = 0;
  for (; seconds < 300 && slow.failure() === undefined; seconds++) {
    slow.peer.raw(new Uint8Array(5_000));
    await slow.seconds(1);
  }
  assert.equal(slow.failure(), "FRAME_STALLED");
  assert.ok(seconds >= 178 && seconds <= 182, `after ${seconds} s`);
  await slow.close();
});

Deno.test("stream: answers to nothing are tolerated twenty times a minute, then they are a fault", async () => {
  const b = new Bench();
  for (let i = 1n; i <= 20n; i++) b.peer.respond(i, { type: "getBlockNumber", number: 1n });
  await settle(200);
  assert.equal(b.failure(), undefined);
  assert.equal(b.responses.length, 0);
  b.peer.respond(21n, { type: "getBlockNumber", number: 1n });
  await settle();
  assert.equal(b.failure(), "UNSOLICITED");
  await b.close();
});

Deno.test("stream: a late answer to a request that was given up is dropped undecoded and not held against the peer", async () => {
  const b = new Bench();
  b.expected = () => false;
  for (let i = 1n; i <= 40n; i++) {
    await b.askBlocks(i);
    b.peer.send(concat(encodeResponse(i, { type: "getBlocksByNumber", blocks: [], commitSigs: [] })));
    await settle();
  }
  assert.equal(b.failure(), undefined);
  assert.equal(b.responses.length, 0);
  assert.equal(b.late.length, 40, "the owner is told each time that the stream is done with it");
  await b.close();
});

// T-23
Deno.test("stream: sixteen requests wait, more are told to be busy, a flood is abuse", async () => {
  const b = new Bench("in", undefined, { limits: { perStream: 1, burst: 1, global: 0 } });
  // The first goes through, one waits for the limiter, sixteen for their turn.
  for (let i = 1n; i <= 30n; i++) b.peer.request(i, { type: "getBlockNumber" });
  await settle(400);
  const texts = b.peer.responses().flatMap((r) => r.response?.type === "error" ? [r.response.text] : []);
  assert.deepEqual(texts, Array(12).fill("too busy"));
  await b.clock.advance(60_000);
  assert.equal(b.peer.responses().length, 30, "everybody got an answer");
  for (let i = 100n; i <= 300n; i++) b.peer.request(i, { type: "getBlockNumber" });
  await settle(2_000);
  assert.equal(b.failure(), "FLOOD");
  assert.equal(b.fault(), "ABUSE");
  await b.close();
});

Deno.test("stream: three requests above a cap are answered, the fourth ends the stream", async () => {
  const b = new Bench("in");
  const numbers = Array.from({ length: 51 }, () => 1n);
  for (let i = 1n; i <= 3n; i++) b.peer.request(i, { type: "getBlockHashes", numbers });
  await settle(200);
  assert.equal(b.failure(), undefined);
  assert.equal(b.peer.responses().length, 3);
  b.peer.request(4n, { type: "getBlockHashes", numbers });
  await settle(200);
  assert.equal(b.failure(), "CAP_VIOLATIONS");
  assert.equal(b.fault(), "TRANSPORT", "not critical, as with the Go node");
  await b.close();
});

Deno.test("stream: an oversized request is refused unread, an unknown kind is answered", async () => {
  const b = new Bench("in");
  b.peer.request(1n, {
    type: "getBlocksByHashes",
    hashes: Array.from({ length: 3_000 }, () => new Uint8Array(32)),
  });
  b.peer.send(Uint8Array.of(0x0a, 0x05, 0x08, 0x02, 0x9a, 0x06, 0x00));
  await settle(200);
  const texts = b.peer.responses().map((r) => r.response?.type === "error" ? r.response.text : "");
  assert.deepEqual(texts, ["request too large", "unknown request"]);
  assert.equal(b.failure(), undefined);
  await b.close();
});

Deno.test("stream: a failing store costs the peer an answer, not the stream", async () => {
  const b = new Bench("in");
  b.chain.hashAt = () => Promise.reject(new Error("disk on fire"));
  b.peer.request(1n, { type: "getBlockHashes", numbers: [1n] });
  b.peer.request(2n, { type: "getBlockNumber" });
  await settle(200);
  assert.deepEqual(b.peer.responses().map((r) => r.response), [
    { type: "error", text: "internal error" },
    { type: "getBlockNumber", number: 50n },
  ]);
  assert.equal(b.failure(), undefined);
  await b.close();
});

Deno.test("ending: never before an exchange: a refused inbound stream is served, then reset a second later", async () => {
  const b = new Bench("in");
  b.stream.end("OVER_CAPACITY", "no room");
  await b.seconds(4);
  assert.equal(b.ours.isReset, false, "it waits for the first request");
  b.peer.request(1n, { type: "getBlockNumber" });
  await settle();
  assert.equal(b.peer.responses().length, 1);
  assert.equal(b.ours.isReset, false, "the other side is given a moment to read the answer");
  await b.seconds(2);
  assert.equal(b.failure(), "OVER_CAPACITY");
  assert.equal(b.ours.isReset, true);
  await b.close();
});

Deno.test("ending: a refused inbound stream that asks nothing is reset after 10 s", async () => {
  const b = new Bench("in");
  b.stream.end("OVER_CAPACITY", "no room");
  await b.seconds(9);
  assert.equal(b.ours.isReset, false);
  await b.seconds(1);
  assert.equal(b.ours.isReset, true);
  await b.close();
});

Deno.test("ending: a stream of ours that never got an answer is kept for 15 s from its opening", async () => {
  const b = new Bench("out");
  await b.seconds(3);
  b.stream.end("SHUTDOWN", "bye");
  await b.seconds(11);
  assert.equal(b.ours.isReset, false);
  await b.seconds(1);
  assert.equal(b.ours.isReset, true);
  await b.close();
});

Deno.test("ending: after an answered probe it is immediate", async () => {
  const b = new Bench("out", answerHeights(1));
  await b.stream.probe();
  b.stream.end("SHUTDOWN", "bye");
  assert.equal(b.ours.isReset, true);
  await b.close();
});

Deno.test("stream: a peer that never reads is given up, and what we hold for it is bounded", async () => {
  const b = new Bench("in");
  for (let n = 1; n <= 10; n++) {
    b.chain.forged.set(n, { bytes: new Uint8Array(1 << 20), commitSig: new Uint8Array(97) });
  }
  // A peer that writes requests and takes nothing: its reader is never pulled.
  const clock = b.clock;
  const pair = streamPair({
    from: simPeerId(3),
    to: simPeerId(1),
    protocol: "p",
    clock,
    random: new SeededRandom(2),
  });
  let end: StreamEnd | undefined;
  const stream = new SyncStream(pair.in, {
    instance: 2,
    newId: () => 1n,
    heightBound: () => 1_000,
    serving: {
      server: new SyncServer(b.chain),
      limiter: new RateLimiter(clock, { perStream: 0, global: 0 }),
      allowances: new Allowances(clock),
      clock,
      meter: new StreamMeter(b.meter, "t"),
      logger: nullLogger,
    },
    owner: {
      expects: () => false,
      response: () => {},
      late: () => {},
      progress: () => {},
      height: () => {},
      misbehaved: () => {},
      gone: (_s, e) => end = e,
    },
  });
  stream.run();
  const numbers = Array.from({ length: 10 }, (_, i) => BigInt(i + 1));
  for (let i = 1n; i <= 5n; i++) {
    await pair.out.write(encodeFrame(encodeRequest(i, { type: "getBlocksByNumber", numbers })));
  }
  await settle(400);
  const reads = b.chain.reads;
  assert.equal(reads, 10, "one answer is being made, the other requests wait");
  let seconds = 0;
  for (; seconds < 300 && end === undefined; seconds++) {
    await clock.advance(1_000);
    stream.check();
  }
  assert.equal((end as StreamEnd | undefined)?.failure, "WRITE_FAILED");
  assert.ok(seconds > 60 && seconds <= 180, `after ${seconds} s`);
  await stream.finished();
  await b.close();
});

Deno.test("stream: an answer is charged before it is written, so that a slow reader gets no second one meanwhile", async () => {
  const limits = { perStream: 10, burst: 1, global: 0 };
  const b = new Bench("in", undefined, { limits });
  for (let n = 1; n <= 4; n++) {
    b.chain.forged.set(n, { bytes: new Uint8Array(1 << 20), commitSig: new Uint8Array(97) });
  }
  b.ours.write = () => b.ours.closed.then(() => Promise.reject(new Error("gone")));
  b.peer.request(1n, { type: "getBlocksByNumber", numbers: [1n, 2n, 3n, 4n] });
  await settle(400);
  const [waited] = await Promise.all([b.limiter.take(b.stream.id), b.clock.advance(2_000)]);
  assert.ok(waited >= 800, `eight tokens at ten a second: ${waited} ms`);
  await b.close();
});

Deno.test("stream: a probe that fails is a failed request with its delay", async () => {
  const labels = { topic: "t", request_type: "getBlockNumber" };
  const b = new Bench("out");
  const probe = b.stream.probe().catch(() => {});
  await b.clock.advance(15_000);
  await probe;
  assert.equal(b.meter.get(METRIC.failedClientRequest, { ...labels, error: "timeout" }), 1);
  const wrong = b.stream.probe().catch(() => {});
  await settle();
  b.peer.respond(b.peer.requests()[1]?.id ?? 0n, { type: "getBlockNumber", number: 2n ** 60n });
  await wrong;
  assert.equal(b.meter.get(METRIC.failedClientRequest, { ...labels, error: "bad_response" }), 1);
  const good = b.stream.probe();
  await settle();
  b.peer.respond(b.peer.requests()[2]?.id ?? 0n, { type: "getBlockNumber", number: 1n });
  await good;
  assert.equal(b.meter.get(METRIC.clientRequest, labels), 3);
  const delays = [...b.meter.observations].flatMap(([k, v]) =>
    k.startsWith(METRIC.clientRequestDelay) ? v : []
  );
  assert.deepEqual(delays, [15, 0, 0]);
  await b.close();
});

Deno.test("stream: a write that takes too long is one failed write", async () => {
  const b = new Bench("out");
  b.ours.write = () => b.ours.closed.then(() => Promise.reject(new Error("gone")));
  const probe = b.stream.probe().catch(() => {});
  await b.seconds(61);
  await probe;
  assert.equal(b.failure(), "WRITE_FAILED");
  assert.equal(b.meter.get(METRIC.msgWriteFailed, { error: "timeout" }), 1);
  assert.equal(b.meter.total(METRIC.msgWriteFailed), 1);
  await b.close();
});

Deno.test("stream: bytes and messages are counted", async () => {
  const b = new Bench("out", answerHeights(1));
  await b.stream.probe();
  await settle();
  assert.equal(b.meter.get(METRIC.msgRead), 1);
  assert.equal(b.meter.get(METRIC.msgWrite), 1);
  assert.equal(b.meter.get(METRIC.bytesRead), b.stream.bytesIn);
  assert.equal(b.meter.get(METRIC.bytesWrite), b.stream.bytesOut);
  assert.ok(b.stream.bytesIn > 8 && b.stream.bytesOut > 8);
  await b.close();
});
