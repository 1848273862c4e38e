/**
 * The marks of the managers once over real libp2p: sockets are real, the minutes are turned by hand.
 */
import assert from "node:assert/strict";
import { HsyncError, ManualClock } from "../../src/base/mod.ts";
import type { LibP2PHost, P2PHost, P2PStream } from "../../src/p2p/mod.ts";
import { checkBlocksHere } from "../../src/stream/client_checks.ts";
import { PROBE_TIMEOUT_MS, SETUP_CONCURRENCY, WRITE_CONCURRENCY } from "../../src/stream/constants.ts";
import { METRIC } from "../../src/stream/meters.ts";
import { REFUSAL_MS } from "../../src/stream/constants.ts";
import { RecordedChain } from "./support/chain.ts";
import { answerHeight, io, joined, Loopback, outcome, pass, until } from "./support/loopback.ts";
import { TOPIC } from "./support/node.ts";
import { answerHeights } from "./support/raw_peer.ts";

const HEIGHT = 60;
const SIG = new Uint8Array(97).fill(1);
const chain = new RecordedChain(0, HEIGHT);
const blocks = (numbers: readonly number[]) => ({
  blocks: numbers.map((n) => chain.bytes(n)),
  commitSigs: numbers.map(() => SIG),
});
const HOUR = 3_600_000;
const MINUTE = 60_000;

// T-13
Deno.test("loopback: with all places taken by strangers a trusted peer still gets one", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const trusted = await net.raw(answerHeights(HEIGHT));
  const node = await net.node({
    caps: { hardLowCap: 2, softLowCap: 2, highCap: 3, discBatch: 2 },
    maxReserved: 1,
    trusted: [trusted.peer],
  });
  // At first it is not there.
  await trusted.host.disconnect(node.host.peerId);
  await until("the trusted stream", () => node.protocol.streams().some((s) => s.trusted), clock);
  for (const s of trusted.accepted) s.stream.reset("down");
  await until("its end", () => node.protocol.streams().length === 0);
  const strangers = await Promise.all(Array.from({ length: 4 }, () => net.raw(answerHeights(HEIGHT))));
  for (const s of strangers) await joined(node, s);
  assert.equal(node.protocol.streams().length, 3, "the strangers have it all");
  await until("the trusted peer", () => node.protocol.streams().some((s) => s.trusted), clock, 100);
  assert.equal(node.protocol.streams().length, 3);
});

// T-16
Deno.test("loopback: cooldowns of 0, 5, 10 … 60 minutes, 60 for a lie, and none after a quiet hour", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  const peer = await net.raw(answerHeights(HEIGHT));
  const remaining = () => (node.protocol.snapshot().cooldownList[0]?.remainingMs ?? 0) / MINUTE;
  const cut = async () => {
    const raw = await joined(node, peer);
    // Sooner it would be a refusal.
    await clock.advance(REFUSAL_MS + 1);
    raw.stream.reset("again");
    await until("the removal", () => node.protocol.streams().length === 0);
  };
  const seen: number[] = [];
  for (let i = 0; i < 13; i++) {
    await cut();
    seen.push(remaining());
    await clock.advance(remaining() * MINUTE);
  }
  assert.deepEqual(seen, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60]);
  await joined(node, peer);
  node.protocol.report(peer.peer.peerId, "DATA", "invalid_blocks", "a lie");
  assert.equal(remaining(), 60);
  await clock.advance(HOUR + 1);
  await until("the streams of before to be gone", () => node.protocol.streams().length === 0);
  await cut();
  assert.equal(remaining(), 0, "sixty quiet minutes");
});

// T-18
Deno.test("loopback: a trusted peer that lies keeps its stream, is counted, and is not asked for data for a while", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const server = await net.node();
  const bytes = server.chain.bytes(1).slice();
  bytes[200] = (bytes[200] as number) ^ 1;
  server.chain.forged.set(1, { bytes });
  const node = await net.node({ trusted: [server.peer] });
  await until("the stream", () => node.protocol.streams().length === 1, clock);
  const lie = await outcome(clock, node.protocol.client.getBlocksByHashes([server.chain.hash(1)]));
  assert.ok(lie instanceof HsyncError && lie.fault === "DATA");
  assert.equal(node.protocol.streams()[0]?.suspended, true);
  const refused = await outcome(clock, node.protocol.client.getBlocksByNumber([2]));
  assert.ok(refused instanceof HsyncError && refused.code === "NO_ELIGIBLE_STREAM");
  assert.equal(node.meter.get(METRIC.criticalErrors, { topic: TOPIC }), 1);
  assert.equal(node.protocol.snapshot().cooldown, 0);
  await pass(clock, 5 * MINUTE);
  const again = await outcome(clock, node.protocol.client.getBlocksByNumber([2]));
  assert.ok("value" in again && again.value.length === 1);
});

// T-19, T-20
Deno.test("loopback: the queue takes 1,024; waits end after 60 s without a stream, checks after 5 s", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  let stuck = false;
  const never = Promise.withResolvers<never>();
  const node = await net.node({ checker: (b, c) => stuck ? never.promise : checkBlocksHere(b, c) });
  const asked: string[] = [];
  let talking = false;
  const peer = await net.raw((message, raw) => {
    if (message.kind !== "request" || answerHeight(message, raw)) return;
    asked.push(message.request?.type ?? "");
    if (talking) raw.respond(message.id, { type: "getBlocksByNumber", ...blocks([1]) });
  });
  const raw = await joined(node, peer);
  const ends = new Map<string, number>();
  const note = (call: Promise<unknown>, at = clock.monotonic()) => {
    call.catch((e: HsyncError) => ends.set(e.code, clock.monotonic() - at));
  };
  const { client } = node.protocol;
  note(client.getBlocksByNumber([1]));
  await until("the first question", () => asked.length === 1);
  for (let i = 0; i < 1_024; i++) note(client.getBlocksByNumber([1], { waitMs: HOUR }));
  await assert.rejects(client.getBlocksByNumber([1]), { code: "QUEUE_FULL", fault: "NONE" });
  assert.equal(node.protocol.snapshot().requests.waitingLow, 1_024);
  note(client.getBlockHashes([1], { priority: "high", waitMs: HOUR }));
  raw.stream.reset("gone");
  await until("the stream to be gone", () => node.protocol.streams().length === 0);
  assert.equal(node.protocol.snapshot().requests.waitingLow, 1_024, "they wait for another stream");
  await pass(clock, 59_000);
  assert.equal(ends.has("NO_STREAM"), false);
  await pass(clock, 2_000);
  assert.ok(Math.abs((ends.get("NO_STREAM") ?? 0) - 60_000) <= 1_000, `${ends.get("NO_STREAM")} ms`);
  assert.equal(node.meter.get(METRIC.waitingRequests, { topic: TOPIC }), 0);

  talking = stuck = true;
  await joined(node, peer);
  const since = clock.monotonic();
  const late = await outcome(clock, client.getBlocksByNumber([1]));
  assert.ok(late instanceof HsyncError && late.code === "DELIVER_TIMEOUT" && late.fault === "NONE");
  assert.ok(Math.abs(clock.monotonic() - since - 5_000) <= 1_000);
  assert.equal(node.protocol.streams().length, 1, "our own slowness blames nobody");
});

// T-19
Deno.test("loopback: height queries overtake the queue, and what waits behind them still gets its turn within 5 s", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  const asked: Array<readonly [what: string, at: number]> = [];
  const answers: Array<() => void> = [];
  const peer = await net.raw((message, raw) => {
    if (message.kind !== "request" || message.request === undefined) return;
    const { id, request } = message;
    if (request.type === "getBlocksByNumber") {
      asked.push([`low ${request.numbers[0]}`, clock.monotonic()]);
      const numbers = request.numbers.map(Number);
      answers.push(() => raw.respond(id, { type: "getBlocksByNumber", ...blocks(numbers) }));
    } else if (request.type === "getBlockHashes") {
      asked.push([`high ${request.numbers[0]}`, clock.monotonic()]);
      answers.push(() => raw.respond(id, { type: "getBlockHashes", hashes: [chain.hash(1)] }));
    } else answerHeight(message, raw);
  });
  await joined(node, peer);
  const { client } = node.protocol;
  const calls: Promise<unknown>[] = [];
  const low = (n: number) => calls.push(client.getBlocksByNumber([n]));
  const high = (n: number) => calls.push(client.getBlockHashes([n], { priority: "high" }));
  const answer = async () => {
    await until("a question", () => answers.length > 0, clock);
    answers.shift()?.();
  };
  for (const n of [1, 2, 3]) low(n);
  await until("the first question", () => asked.length === 1);
  for (const n of [11, 12]) high(n);
  for (let i = 0; i < 5; i++) await answer();
  await Promise.all(calls.splice(0));
  assert.deepEqual(asked.map(([what]) => what), ["low 1", "high 11", "high 12", "low 2", "low 3"]);

  // Ever more of the urgent, half a second each: one that is not urgent is not left behind for good.
  asked.length = 0;
  high(20);
  await until("the first of them", () => asked.length === 1);
  const queued = clock.monotonic();
  low(4);
  for (let n = 21; !asked.some(([what]) => what === "low 4"); n++) {
    assert.ok(n < 60, "the low one starves");
    high(n);
    await pass(clock, 500);
    await answer();
  }
  const [, at] = asked.find(([what]) => what === "low 4") ?? ["", NaN];
  assert.ok(at - queued <= 5_000, `${at - queued} ms`);
  assert.ok(asked.length > 3, "not at once either");
  let over = false;
  const rest = Promise.all(calls).finally(() => over = true);
  while (!over) {
    answers.shift()?.();
    await io();
  }
  await rest;
});

/** A host whose writes and dials are counted; both take their turn only when they are let. */
class Counting {
  writes = 0;
  mostWrites = 0;
  readonly timeouts: number[] = [];
  hold: Promise<void> = Promise.resolve();

  over(host: LibP2PHost): P2PHost {
    return new Proxy(host, {
      get: (target, name) => {
        if (name === "openStream") {
          return (...args: Parameters<P2PHost["openStream"]>) => this.#open(target, args);
        }
        const value = Reflect.get(target, name) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
  async #open(host: LibP2PHost, args: Parameters<P2PHost["openStream"]>): Promise<P2PStream> {
    this.timeouts.push(args[2].timeoutMs);
    const stream = await host.openStream(...args);
    const write = stream.write.bind(stream);
    return {
      peerId: stream.peerId,
      direction: stream.direction,
      remoteAddress: stream.remoteAddress,
      protocol: stream.protocol,
      muxer: stream.muxer,
      source: stream.source,
      closed: stream.closed,
      reset: stream.reset.bind(stream),
      write: async (bytes: Uint8Array, signal?: AbortSignal) => {
        this.mostWrites = Math.max(this.mostWrites, ++this.writes);
        try {
          await this.hold;
          await write(bytes, signal);
        } finally {
          this.writes--;
        }
      },
    };
  }
}

// T-21, T-22
Deno.test("loopback: forty peers are set up sixteen at a time, each within a minute, and written to thirty-two at a time", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  // Forty hosts that served the DHT would all look around among each other: hundreds of handshakes beside the forty.
  const peers = await Promise.all(Array.from({ length: 40 }, () =>
    net.raw((message, raw) => {
      if (message.kind !== "request" || answerHeight(message, raw)) return;
      raw.respond(message.id, { type: "getBlocksByNumber", ...blocks([1]) });
    }, { servesDht: false })));
  const counting = new Counting();
  const node = await net.node({
    knows: peers,
    caps: { hardLowCap: 40, softLowCap: 40, highCap: 64, discBatch: 64 },
    wrapHost: (host) => counting.over(host),
  });
  let most = 0;
  await until("forty streams", () => {
    most = Math.max(most, node.protocol.snapshot().connecting);
    return node.protocol.streams().length === 40;
  }, clock);
  assert.ok(most > 1 && most <= SETUP_CONCURRENCY, `${most} at once`);
  assert.equal(counting.timeouts.length, 40);
  for (const ms of counting.timeouts) assert.ok(ms + PROBE_TIMEOUT_MS <= MINUTE);
  counting.mostWrites = 0;
  const release = Promise.withResolvers<void>();
  counting.hold = release.promise;
  const calls = Promise.all(Array.from({ length: 40 }, () => node.protocol.client.getBlocksByNumber([1])));
  await until("writes", () => counting.writes === WRITE_CONCURRENCY);
  await io();
  assert.equal(counting.writes, WRITE_CONCURRENCY);
  release.resolve();
  const answers = await outcome(clock, calls);
  assert.ok(Array.isArray(answers) && answers.length === 40);
  assert.equal(counting.mostWrites, WRITE_CONCURRENCY);
});

// T-41
Deno.test("loopback: the wall clock set by an hour ends no cooldown and no request, and starts no storm", async () => {
  for (const jump of [HOUR, -HOUR]) {
    const clock = new ManualClock();
    await using net = new Loopback(clock);
    const quiet = await net.raw(answerHeights(HEIGHT));
    const bad = await net.raw(answerHeights(HEIGHT));
    const node = await net.node();
    await joined(node, quiet);
    await joined(node, bad);
    node.protocol.report(bad.peer.peerId, "DATA", "invalid_blocks", "a lie");
    await pass(clock, 10_000);
    let ended = false;
    const call = node.protocol.client.getBlocksByNumber([1]).catch(() => ended = true);
    await io();
    const questions = quiet.accepted.length;
    clock.jump(jump);
    await pass(clock, 30_000);
    assert.equal(ended, false);
    const [entry] = node.protocol.snapshot().cooldownList;
    assert.equal(entry?.remainingMs, HOUR - 40_000);
    assert.equal((entry?.until ?? 0) - clock.now(), HOUR - 40_000, "shown by the clock on the wall");
    assert.equal(quiet.accepted.length, questions);
    assert.equal(node.protocol.streams().length, 1);
    await pass(clock, 32_000);
    assert.equal(ended, true, "its own minute counted");
    await call;
  }
});

// T-42
Deno.test("loopback: another version, network or shard, and ourselves: no stream, no cooldown", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const ids = [
    "harmony/sync/localnet/0/0.9.0",
    "harmony/sync/localnet/0/1.0.0/0",
    "harmony/sync/mainnet/0/1.0.0",
    "harmony/sync/localnet/1/1.0.0",
    "harmony/epochsync/localnet/0/1.0.0",
  ];
  const hosts = await Promise.all(ids.map(async (id) => {
    const host = await net.host();
    await host.handle(id, (stream) => stream.reset("nobody should come"));
    return { peer: { peerId: host.peerId, addresses: host.addresses() } };
  }));
  const node = await net.node({
    knows: hosts,
    caps: { hardLowCap: 4, softLowCap: 4, highCap: 16, discBatch: 16 },
  });
  await until("everybody to be tried", () => node.host.connectedPeers() === ids.length, clock);
  await until("the set-ups to end", () => node.protocol.snapshot().connecting === 0, clock);
  assert.equal(node.protocol.streams().length, 0);
  assert.equal(node.protocol.snapshot().cooldown, 0);
  assert.equal(node.meter.get(METRIC.criticalErrors, { topic: TOPIC }), 0);
  await assert.rejects(
    node.host.openStream(node.peer, TOPIC, { timeoutMs: 5_000 }),
    (e) => e instanceof HsyncError,
    "nobody dials himself",
  );
  assert.equal(node.protocol.snapshot().cooldown, 0);
});

// T-42
Deno.test("loopback: whoever opens another version, network or shard to us is turned away, and its right stream is as welcome as any", async () => {
  await using net = new Loopback();
  const node = await net.node();
  const peer = await net.raw(answerHeights(HEIGHT));
  for (
    const id of [
      "harmony/sync/localnet/0/0.9.0",
      "harmony/sync/mainnet/0/1.0.0",
      "harmony/sync/localnet/1/1.0.0",
    ]
  ) {
    await assert.rejects(
      peer.host.openStream(node.peer, id, { timeoutMs: 30_000 }),
      (error) => error instanceof HsyncError && error.fault === "REFUSED",
      id,
    );
  }
  assert.equal(node.protocol.snapshot().list.length, 0);
  assert.equal(node.protocol.snapshot().cooldown, 0);
  assert.equal(node.meter.get(METRIC.criticalErrors, { topic: TOPIC }), 0);
  await joined(node, peer);
  assert.equal((await node.protocol.client.getBlockNumber()).value, HEIGHT);
});
