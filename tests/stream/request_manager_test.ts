/** The request manager with real streams, on a simulated network: what the core's tables cannot see. */
import assert from "node:assert/strict";
import { type HsyncError, le32, ManualClock, nullLogger } from "../../src/base/mod.ts";
import type { SyncRequest, SyncResponse } from "../../src/stream/message.ts";
import { MAX_FRAME_BYTES } from "../../src/stream/constants.ts";
import { StreamMeter } from "../../src/stream/meters.ts";
import { RequestManager } from "../../src/stream/request_manager.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { RecordedChain } from "./support/chain.ts";
import { MemoryMeter } from "./support/meter.ts";
import { inWorld, type SimNode, type SimWorld } from "./support/node.ts";
import { type RawPeer, settle } from "./support/raw_peer.ts";

const honest = new SyncServer(new RecordedChain(0, 60));
const BOUND = { height: 0, heightBound: () => 1_000_000 };

/** Answers like an honest server, at once. */
async function answer(
  id: bigint,
  request: Parameters<SyncServer["answer"]>[0],
  peer: RawPeer,
): Promise<void> {
  const { response } = await honest.answer(request);
  peer.respond(id, response);
}

/** The code that a call fails with, or `ok`. The clock goes on while it lasts. */
async function codeOf(world: SimWorld, call: Promise<unknown>): Promise<string> {
  let code: string | undefined;
  call.then(() => code = "ok", (error: HsyncError) => code = error.code);
  for (let i = 0; i < 400 && code === undefined; i++) await (i < 20 ? settle() : world.pass(1_000));
  return code ?? "nothing";
}
function available(node: SimNode): number {
  return node.protocol.getStreamHealthStats().availableStreams;
}

Deno.test("request manager: requests given up and then answered keep nobody off the stream", async () => {
  await inWorld({}, async (world) => {
    const held: Array<() => Promise<void>> = [];
    world.raw((m, peer) => {
      if (m.kind !== "request") return;
      const go = () => answer(m.id, m.request, peer);
      if (m.request?.type === "getBlockNumber") void go();
      else held.push(go);
    });
    const node = world.node(BOUND);
    await world.start(node);
    for (let i = 0; i < 2; i++) {
      const abort = new AbortController();
      const call = node.protocol.client.getBlocksByNumber([1], { signal: abort.signal });
      call.catch(() => {});
      await settle();
      abort.abort();
      await settle();
    }
    assert.equal(held.length, 2);
    assert.equal(available(node), 0, "the peer still works on both");
    for (const go of held) await go();
    await settle();
    assert.equal(available(node), 1);
  });
});

for (
  const [name, second, critical] of [
    ["an error", { type: "error", text: "oops" }, false],
    ["an absurd height", { type: "getBlockNumber", number: 1n << 60n }, true],
    ["hashes", { type: "getBlockHashes", hashes: [] }, true],
  ] as ReadonlyArray<readonly [string, SyncResponse, boolean]>
) {
  Deno.test(`request manager: a stream that answers the probe after a time-out with ${name} makes way`, async () => {
    await inWorld({}, async (world) => {
      let heights = 0;
      world.raw((m, peer) => {
        if (m.kind !== "request" || m.request?.type !== "getBlockNumber") return;
        if (++heights === 2) peer.respond(m.id, second);
        else void answer(m.id, m.request, peer);
      });
      const node = world.node(BOUND);
      await world.start(node);
      assert.equal(await codeOf(world, node.protocol.client.getBlockHashes([1])), "REQUEST_TIMEOUT");
      await world.pass(5_000);
      const removed = node.events.find((e) => e.type === "removed");
      assert.ok(removed?.type === "removed");
      assert.equal(removed.critical, critical);
      assert.equal(removed.fault === "TIMEOUT", !critical);
    });
  });
}

Deno.test("request manager: a peer that tells heights and never gives a block makes way, at last for an hour", async () => {
  await inWorld({}, async (world) => {
    world.raw((m, peer) => {
      if (m.kind === "request" && m.request?.type === "getBlockNumber") void answer(m.id, m.request, peer);
    });
    const node = world.node(BOUND);
    await world.start(node);
    const { client } = node.protocol;
    let asked = 0;
    while (node.protocol.snapshot().cooldownList.every((c) => !c.critical) && asked < 20) {
      if (await codeOf(world, client.getBlocksByNumber([1])) === "REQUEST_TIMEOUT") asked++;
      await codeOf(world, client.getBlockNumber());
    }
    assert.equal(asked, 5);
    const removed = node.events.flatMap((e) => e.type === "removed" ? [`${e.fault} ${e.critical}`] : []);
    assert.deepEqual(removed, ["TIMEOUT false", "TIMEOUT false", "TIMEOUT true"]);
  });
});

Deno.test("request manager: four kilobytes a minute are progress for one answer, not a way to keep a place", async () => {
  await inWorld({}, async (world) => {
    let dripping: RawPeer | undefined;
    world.raw((m, peer) => {
      if (m.kind !== "request") return;
      if (m.request?.type === "getBlockNumber") return void answer(m.id, m.request, peer);
      peer.raw(le32(1 << 20));
      dripping = peer;
    });
    const node = world.node(BOUND);
    await world.start(node);
    node.protocol.client.getBlocksByNumber([1]).catch(() => {});
    await settle();
    const started = world.clock.monotonic();
    let spent = 0;
    for (; spent < 600_000 && node.events.every((e) => e.type !== "removed"); spent += 10_000) {
      if (spent % 50_000 === 0) dripping?.raw(new Uint8Array(5_000));
      await world.pass(10_000);
    }
    const ms = world.clock.monotonic() - started;
    assert.ok(ms >= 180_000 && ms <= 200_000, `three minutes are the limit of an answer, it had ${ms} ms`);
  });
});

Deno.test("request manager: unexplained errors to block requests add up though heights are answered", async () => {
  await inWorld({}, async (world) => {
    world.raw((m, peer) => {
      if (m.kind !== "request") return;
      if (m.request?.type === "getBlockNumber") void answer(m.id, m.request, peer);
      else peer.respond(m.id, { type: "error", text: "cannot be bothered" });
    });
    const node = world.node(BOUND);
    await world.start(node);
    const { client } = node.protocol;
    for (let i = 0; i < 6; i++) {
      assert.equal(await codeOf(world, client.getBlocksByNumber([1])), "PEER_ERROR");
      await codeOf(world, client.getBlockNumber());
    }
    const removed = node.events.find((e) => e.type === "removed");
    assert.ok(removed?.type === "removed" && removed.fault === "TIMEOUT" && !removed.critical);
  });
});

Deno.test("request manager: one good answer takes one failure back", async () => {
  await inWorld({}, async (world) => {
    const raw = world.raw((m, peer) => {
      if (m.kind === "request") void answer(m.id, m.request, peer);
    });
    const node = world.node(BOUND);
    await world.start(node);
    const failures = () => node.protocol.streams()[0]?.failures;
    for (let i = 0; i < 3; i++) {
      node.protocol.report(raw.host.peerId, "TIMEOUT", "other", "as if it had been slow");
      assert.equal(await codeOf(world, node.protocol.client.getBlocksByNumber([1])), "ok");
    }
    assert.equal(failures(), 0);
    node.protocol.report(raw.host.peerId, "TIMEOUT", "other", "as if it had been slow");
    assert.equal(failures(), 1);
  });
});

/** A request manager whose streams are the test's. */
class Alone {
  readonly clock = new ManualClock();
  readonly sent: Array<
    { readonly type: string; readonly instance: number; readonly id: bigint; readonly at: number }
  > = [];
  readonly requests: RequestManager;

  constructor(service: "sync" | "epochsync" = "sync") {
    const { clock } = this;
    let id = 0n;
    this.requests = new RequestManager({
      clock,
      meter: new StreamMeter(new MemoryMeter(), "t"),
      logger: nullLogger,
      newId: () => ++id,
      service,
      port: {
        send: (instance, id, type) => {
          this.sent.push({ type, instance, id, at: clock.monotonic() });
          return Promise.resolve();
        },
        probe: () => Promise.resolve(1),
        report: () => {},
        drained: () => {},
      },
    });
  }
}

// T-19
Deno.test("request manager: what no event sets going goes sixteen at a time, every 100 ms", async () => {
  const b = new Alone();
  const streams = 40;
  b.requests.start();
  await b.clock.advance(250);
  const calls: Promise<unknown>[] = [];
  const ask = () => {
    for (let i = 0; i < streams; i++) {
      calls.push(b.requests.doRequest({ type: "getBlocksByNumber", numbers: [1n] }).catch(() => {}));
    }
  };
  for (let i = 1; i <= streams; i++) b.requests.added(i, `P${i}`, 0);
  ask();
  await settle();
  // All of them ask for a pause of a second, which ends between two looks at the clock.
  for (const { instance, id } of b.sent.splice(0)) {
    b.requests.deliver(instance, id, { type: "error", text: "too busy" });
  }
  ask();
  await b.clock.advance(2_000);
  const times = new Map<number, number>();
  for (const { at } of b.sent) times.set(at, (times.get(at) ?? 0) + 1);
  assert.deepEqual([...times], [[1_250, 16], [1_350, 16], [1_450, 8]]);
  await b.requests.stop();
  await Promise.all(calls);
});

Deno.test("request manager: a request that cannot be encoded is our own failure and blames nobody", async () => {
  const b = new Alone();
  b.requests.added(1, "A", 0);
  const hashes = [new Uint8Array(MAX_FRAME_BYTES + 1)];
  await assert.rejects(b.requests.doRequest({ type: "getBlocksByHashes", hashes }), {
    code: "REQUEST_INVALID",
    fault: "NONE",
  });
  assert.equal(b.requests.getStreamHealthStats().availableStreams, 1);
  assert.deepEqual(b.sent, []);
  await b.requests.stop();
});

Deno.test("request manager: state is never asked for on an epoch stream", async () => {
  const { requests, sent } = new Alone("epochsync");
  requests.added(1, "A", 0);
  const hash = new Uint8Array(32);
  const hashes = [hash];
  const state: SyncRequest[] = [
    { type: "getNodeData", hashes },
    { type: "getByteCodes", hashes, bytes: 1n },
    { type: "getAccountRange", root: hash, origin: hash, limit: hash, bytes: 1n },
    { type: "getStorageRanges", root: hash, accounts: hashes, origin: hash, limit: hash, bytes: 1n },
    { type: "getTrieNodes", root: hash, paths: [], bytes: 1n },
  ];
  for (const request of state) {
    await assert.rejects(requests.doRequest(request), { code: "REQUEST_INVALID", fault: "NONE" });
  }
  const allowed = requests.doRequest({ type: "getBlockNumber" }).catch(() => {});
  await settle();
  assert.deepEqual(sent.map((s) => s.type), ["getBlockNumber"]);
  await requests.stop();
  await allowed;
});

Deno.test("request manager: a peer that waits for our slow answer is not blamed for the silence meanwhile", async () => {
  await inWorld({ link: () => ({ latencyMs: 5, bytesPerMs: 100 }) }, async (world) => {
    const raw = world.raw((m, peer) => {
      if (m.kind === "request") void answer(m.id, m.request, peer);
    });
    const node = world.node({ height: 60, heightBound: () => 1_000_000 });
    const chain = node.chain as RecordedChain;
    for (let n = 1; n <= 4; n++) {
      chain.forged.set(n, { bytes: new Uint8Array(1 << 20), commitSig: new Uint8Array(97) });
    }
    await world.start(node);
    await world.pass(1_000);
    const [peer] = raw.peers;
    assert.ok(peer !== undefined);
    // 4 MiB at 100 KB a second.
    peer.request(77n, { type: "getBlocksByNumber", numbers: [1n, 2n, 3n, 4n] });
    await world.pass(1_000);
    assert.equal(await codeOf(world, node.protocol.client.getBlockNumber()), "WRITE_TIMEOUT");
    assert.equal(node.protocol.streams()[0]?.failures, 0);
    await world.pass(120_000);
    assert.deepEqual(peer.responses().map((r) => r.id), [77n]);
    assert.deepEqual(node.events.filter((e) => e.type === "removed"), []);
    assert.equal(await codeOf(world, node.protocol.client.getBlockNumber()), "ok");
  });
});

Deno.test("request manager: streams that take nothing hold the common permits for seconds only", async () => {
  await inWorld({}, async (world) => {
    const stuck = 40;
    const raws = Array.from({ length: stuck + 1 }, () =>
      world.raw((m, peer) => {
        if (m.kind === "request") void answer(m.id, m.request, peer);
      }));
    const node = world.node({
      ...BOUND,
      caps: { hardLowCap: stuck + 1, softLowCap: stuck + 1, highCap: 64, discBatch: 64 },
    });
    await world.start(node);
    await world.pass(10_000);
    assert.equal(node.protocol.streams().length, stuck + 1);
    const good = raws[stuck]?.host.peerId ?? "";
    for (const raw of raws.slice(0, stuck)) {
      for (const { stream: { other } } of raw.peers) {
        other.write = () => other.closed.then(() => Promise.reject(new Error("it took nothing")));
      }
    }
    const bad = new Set(raws.slice(0, stuck).map((r) => r.host.peerId));
    for (let i = 0; i < stuck; i++) {
      node.protocol.client.getBlocksByNumber([1], { whitelist: bad }).catch(() => {});
    }
    await settle();
    const started = world.clock.monotonic();
    const call = node.protocol.client.getBlockNumber({ whitelist: new Set([good]) });
    assert.equal(await codeOf(world, call), "ok");
    assert.ok(world.clock.monotonic() - started <= 5_000, `${world.clock.monotonic() - started} ms`);
  });
});
