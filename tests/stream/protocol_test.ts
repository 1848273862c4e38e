import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { METRIC } from "../../src/stream/meters.ts";
import type { PeerMemory } from "../../src/stream/mod.ts";
import { GoLike } from "./support/go_like.ts";
import { CAPS, inWorld, type SimNode, TOPIC } from "./support/node.ts";
import { RawPeer, settle } from "./support/raw_peer.ts";
import type { SimStream } from "./support/sim_stream.ts";

const LAN = () => ({ latencyMs: 5 });

/** Live streams between two hosts, as one of them sees them. */
function liveStreams(node: SimNode, peerId: string): number {
  return node.host.streams.filter((s) => s.peerId === peerId && !s.isReset).length;
}

Deno.test("protocol: nodes find each other, open streams and answer each other's questions", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    const client = world.node({ height: 0 });
    await world.start(server, client);
    await world.pass(3_000);
    assert.deepEqual(client.protocol.streams().map((s) => [s.id, s.height]), [[server.host.peerId, 60]]);
    assert.deepEqual(server.protocol.streams().map((s) => s.id), [client.host.peerId]);
    const call = client.protocol.client.getBlocksByNumber([1, 2, 3]);
    await world.pass(100);
    const { value, streamId, ms } = await call;
    assert.deepEqual(value.map((b) => b.block.number), [1, 2, 3]);
    assert.equal(streamId, server.host.peerId);
    assert.equal(ms, 10);
    assert.equal(client.events[0]?.type, "added");
  });
});

Deno.test("protocol: first stream within a second from a trusted peer, within three through the DHT", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    await world.start(server);
    const { peerId } = server.host;
    const trusting = world.node({ trusted: [{ peerId, addresses: [`/sim/${peerId}`] }] });
    trusting.host.tableReady = false;
    const finding = world.node();
    await world.start(trusting, finding);
    await world.pass(1_000);
    assert.deepEqual(trusting.protocol.streams().map((s) => [s.id, s.trusted]), [[peerId, true]]);
    await world.pass(2_000);
    assert.ok(finding.protocol.streams().some((s) => s.id === peerId));
  });
});

Deno.test("protocol: whoever is connected and speaks it is used, the DHT is not asked", async () => {
  await inWorld({}, async (world) => {
    const passive = { hardLowCap: 0, softLowCap: 0, highCap: 16, discBatch: 1 };
    const [before, after] = [
      world.node({ height: 9, caps: passive }),
      world.node({ height: 9, caps: passive }),
    ];
    const client = world.node({ height: 0, advertise: false });
    // Nobody to ask: what comes, comes from connections that stand, or that come about later.
    client.host.tableReady = false;
    await world.start(before, after);
    await client.host.connect(`/sim/${before.host.peerId}`, { timeoutMs: 1_000 });
    await world.start(client);
    assert.deepEqual(client.protocol.streams().map((s) => s.id), [before.host.peerId]);
    await client.host.connect(`/sim/${after.host.peerId}`, { timeoutMs: 1_000 });
    await world.pass(0);
    assert.equal(client.protocol.streams().length, 2);
    assert.equal(client.host.discoveries, 0);
  });
});

Deno.test("protocol: a node that has nothing to serve yet is found only once it advertises", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const young = world.node({
      height: 60,
      advertise: false,
      caps: { ...CAPS, hardLowCap: 0, softLowCap: 0 },
    });
    const seeker = world.node();
    await world.start(young, seeker);
    assert.deepEqual([young.protocol.advertises, young.protocol.snapshot().advertised], [false, false]);
    await world.pass(30_000);
    assert.equal(seeker.protocol.streams().length, 0);
    young.protocol.advertise();
    young.protocol.advertise();
    assert.ok(young.protocol.snapshot().advertised);
    await world.pass(60_000);
    assert.deepEqual(seeker.protocol.streams().map((s) => s.id), [young.host.peerId]);
  });
});

for (let seed = 1; seed <= 6; seed++) {
  Deno.test(`protocol: opened by both sides at once, both keep the same stream (seed ${seed})`, async () => {
    await inWorld({ seed, link: () => ({ latencyMs: 20, jitterMs: 80 }) }, async (world) => {
      const [a, b] = [world.node(), world.node()];
      world.network.provide(TOPIC, a.host.peerId);
      world.network.provide(TOPIC, b.host.peerId);
      await world.start(a, b);
      await world.pass(20_000);
      const crossed = a.host.streams.length >= 2;
      assert.equal(liveStreams(a, b.host.peerId), 1, crossed ? "crossed" : "not crossed");
      const kept = a.host.streams.find((s) => !s.isReset);
      assert.equal(b.protocol.streams().length, 1);
      assert.equal(a.protocol.streams().length, 1);
      if (crossed) {
        const smaller = a.host.peerId < b.host.peerId ? a : b;
        assert.equal(kept?.direction, smaller === a ? "out" : "in", "the stream of the smaller id");
      }
      for (const n of [a, b]) {
        assert.equal(n.events.some((e) => e.type === "removed"), false, "nobody above notices");
      }
      const call = a.protocol.client.getBlockNumber();
      await world.pass(1_000);
      assert.equal((await call).streamId, b.host.peerId);
    });
  });
}

Deno.test("protocol: a Go node that crosses our open is kept on the stream that it reads", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const go = new GoLike(world.network);
    const node = world.node();
    await world.start(node);
    // At the same moment the Go node opens one itself; it reads only its own.
    await Promise.all([go.open(node.host.peerId), world.pass(40)]);
    await world.pass(30_000);
    assert.equal(node.protocol.streams().length, 1);
    assert.equal(go.crashed, false);
    assert.equal(liveStreams(node, go.host.peerId), 1);
    const call = node.protocol.client.getBlocksByNumber([1]);
    await world.pass(100);
    assert.equal((await call).value.length, 1);
    assert.equal(node.events.some((e) => e.type === "removed"), false);
    assert.equal(node.protocol.snapshot().cooldown, 0);
  });
});

Deno.test("protocol: a Go node that refuses us costs 15 s and a back-off, and is not blamed", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const go = new GoLike(world.network);
    const node = world.node();
    go.refuses.add(node.host.peerId);
    await world.start(node);
    await world.pass(14_000);
    assert.equal(go.ignored.length, 1);
    assert.equal(go.ignored[0]?.isReset, false, "not before its time");
    await world.pass(2_000);
    assert.equal(go.ignored[0]?.isReset, true);
    await world.pass(40_000);
    assert.equal(go.ignored.length, 1, "no second try within the minute");
    await world.pass(120_000);
    assert.ok(go.ignored.length >= 2 && go.ignored.length <= 3, `${go.ignored.length} tries`);
    assert.equal(node.protocol.snapshot().cooldown, 0);
    assert.equal(node.meter.total(METRIC.criticalErrors), 0);
  });
});

Deno.test("protocol: nothing we do at any moment ends a Go node between accepting and reading", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    await inWorld({ seed, link: () => ({ latencyMs: 3, jitterMs: 40 }) }, async (world) => {
      const gos = Array.from({ length: 4 }, () => new GoLike(world.network));
      const node = world.node({ caps: { ...CAPS, highCap: 2 }, maxReserved: 1 });
      await world.start(node);
      for (let i = 0; i < 30; i++) {
        const go = gos[world.random.int(gos.length)] as GoLike;
        go.open(node.host.peerId).catch(() => {});
        await world.pass(world.random.int(2_000));
        const victim = node.protocol.streams()[0];
        if (victim !== undefined && world.random.next() < 0.3) {
          node.protocol.report(victim.id, "DATA", "invalid_blocks", "in a test");
        }
      }
      const stopping = node.protocol.stop();
      await world.pass(20_000);
      await stopping;
      assert.deepEqual(gos.map((g) => g.crashed), [false, false, false, false], `seed ${seed}`);
    });
  }
});

Deno.test("protocol: streams to one peer are never opened within seconds of the last one's end", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const opened: number[] = [];
    const ended: number[] = [];
    const host = world.network.host();
    await host.handle(TOPIC, (stream) => {
      opened.push(world.clock.monotonic());
      const s = stream as SimStream;
      void s.closed.then(() => ended.push(world.clock.monotonic()));
      // Answers the probe and breaks off: a flapping peer.
      new RawPeer(s, (m, p) => {
        p.respond(m.id, { type: "getBlockNumber", number: 1n });
        world.clock.after(500, () => s.reset("flap"));
      });
    });
    world.network.provide(TOPIC, host.peerId);
    const node = world.node();
    await world.start(node);
    await world.pass(600_000);
    assert.ok(opened.length >= 3, `${opened.length} streams in ten minutes`);
    for (const [i, at] of opened.entries()) {
      const before = ended[i - 1];
      if (before !== undefined) {
        assert.ok(at - before >= 3_000, `${at - before} ms after the end of the last`);
      }
    }
    assert.ok(opened.length <= 5, "0, 5 and 10 minutes of cooldown slow it down");
  });
});

Deno.test("protocol: quiet streams are kept alive every 45 s; a peer that falls silent is dropped and replaced", async () => {
  await inWorld({ link: LAN }, async (world) => {
    let silent = false;
    const raw = world.raw((m, p) => {
      if (!silent && m.kind === "request") p.respond(m.id, { type: "getBlockNumber", number: 5n });
    });
    const node = world.node();
    await world.start(node);
    await world.pass(200_000);
    const probes = raw.peers[0]?.requests().length ?? 0;
    assert.ok(probes >= 4 && probes <= 6, `${probes} height queries in 200 s`);
    assert.equal(node.protocol.streams().length, 1);
    silent = true;
    await world.pass(80_000);
    assert.equal(node.protocol.streams().length, 0);
    const removed = node.events.find((e) => e.type === "removed");
    assert.ok(removed?.type === "removed" && !removed.critical && removed.fault === "TIMEOUT");
    await world.pass(5_000);
    assert.equal(node.meter.get(METRIC.peerHeightMax, { topic: TOPIC }), NaN, "nobody says a height");
    assert.equal(node.meter.get(METRIC.peerHeightMedian, { topic: TOPIC }), NaN);
  });
});

Deno.test("protocol: a lost network ends all streams, cools nobody down, and all are back within 30 s (T-15)", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const servers = Array.from({ length: 20 }, () => world.node({ height: 60 }));
    const node = world.node({ caps: { hardLowCap: 6, softLowCap: 8, highCap: 128, discBatch: 32 } });
    for (const s of servers) world.network.provide(TOPIC, s.host.peerId);
    await world.start(...servers, node);
    await world.pass(60_000);
    assert.equal(node.protocol.streams().length, 20);
    node.host.down();
    await world.pass(60_000);
    assert.equal(node.protocol.streams().length, 0);
    assert.equal(node.protocol.snapshot().cooldown, 0);
    assert.equal(node.protocol.snapshot().discovery.outage, true);
    assert.ok(node.logs.some((l) => l.level === "warn" && l.message.includes("outage")));
    node.host.up();
    await world.pass(30_000);
    assert.equal(node.protocol.streams().length, 20);
  });
});

Deno.test("protocol: a liar is cooled down for an hour, and forgiven by hand", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    const node = world.node();
    await world.start(server, node);
    await world.pass(3_000);
    const { peerId } = server.host;
    node.protocol.report(peerId, "DATA", "invalid_blocks", "a lie");
    await world.pass(60_000);
    const [entry] = node.protocol.snapshot().cooldownList;
    assert.equal(entry?.id, peerId);
    assert.equal(entry?.critical, true);
    assert.equal(entry?.reason, "invalid_blocks");
    assert.ok(entry !== undefined && entry.remainingMs > 58 * 60_000 && entry.remainingMs < 60 * 60_000);
    assert.equal(node.protocol.streams().length, 0);
    assert.equal(node.protocol.forgive(peerId), 1);
    // Our refusals have cost us a cooldown there.
    server.protocol.forgive("all");
    await world.pass(5_000);
    assert.deepEqual(node.protocol.streams().map((s) => s.id), [peerId]);
  });
});

Deno.test("protocol: a lie is on record within seconds, whatever becomes of the node", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const saved: Uint8Array[] = [];
    const memory: PeerMemory = {
      load: () => Promise.resolve(undefined),
      save: (bytes) => Promise.resolve(void saved.push(bytes)),
    };
    const server = world.node({ height: 60 });
    const node = world.node({ memory });
    await world.start(server, node);
    await world.pass(10_000);
    assert.equal(saved.length, 0);
    const { peerId } = server.host;
    node.protocol.report(peerId, "DATA", "invalid_blocks", "a lie");
    await world.pass(5_000);
    assert.equal(saved.length, 1);
    assert.match(new TextDecoder().decode(saved[0]), new RegExp(`"cooldowns":\\[\\{"id":"${peerId}"`));
    await world.pass(60_000);
    assert.equal(saved.length, 1, "once");
  });
});

Deno.test("protocol: a restart remembers who lied and who was good", async () => {
  await inWorld({ link: LAN }, async (world) => {
    let saved: Uint8Array | undefined;
    const memory: PeerMemory = {
      load: () => Promise.resolve(saved),
      save: (bytes) => {
        saved = bytes;
        return Promise.resolve();
      },
    };
    const [good, bad] = [world.node({ height: 60 }), world.node({ height: 60 })];
    for (const s of [good, bad]) world.network.provide(TOPIC, s.host.peerId);
    const before = world.node({ memory });
    await world.start(good, bad, before);
    await world.pass(5_000);
    assert.equal(before.protocol.streams().length, 2);
    before.protocol.report(bad.host.peerId, "DATA", "invalid_blocks", "a lie");
    const stopping = before.protocol.stop();
    await world.pass(5_000);
    await stopping;
    assert.ok(saved !== undefined && saved.length < 60_000);
    const after = world.node({ memory });
    after.host.tableReady = false;
    await world.start(after);
    await world.pass(1_000);
    assert.deepEqual(after.protocol.streams().map((s) => s.id), [good.host.peerId], "without asking anybody");
    assert.deepEqual(after.protocol.snapshot().cooldownList.map((c) => c.id), [bad.host.peerId]);
  });
});

// T-39
Deno.test("protocol: stopping resets every stream, fails every request and leaves no timer", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    const node = world.node();
    await world.start(server, node);
    await world.pass(3_000);
    const calls = Array.from({ length: 5 }, () => node.protocol.client.getBlockNumber());
    const outcomes = Promise.allSettled(calls);
    const stopping = Promise.all([node.protocol.stop(), server.protocol.stop()]);
    await world.pass(5_000);
    await stopping;
    for (const o of await outcomes) {
      assert.ok(o.status === "rejected" && o.reason instanceof HsyncError);
      assert.equal(o.reason.fault, "NONE");
    }
    await assert.rejects(
      node.protocol.client.getBlockNumber(),
      (e) => e instanceof HsyncError && e.code === "CLOSED",
    );
    assert.equal(node.host.streams.every((s) => s.isReset), true);
    assert.equal(world.clock.pending, 0, "timers left");
    assert.equal(node.protocol.snapshot().cooldown + server.protocol.snapshot().cooldown, 0);
  });
});

Deno.test("protocol: a flood on one stream does not slow the others down (T-23)", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    const honest = world.node();
    await world.start(server, honest);
    await world.pass(3_000);
    const flooder = world.network.host();
    const stream = await Promise.all([
      flooder.openStream({ peerId: server.host.peerId, addresses: [] }, TOPIC, { timeoutMs: 1_000 }),
      world.pass(20),
    ]).then(([s]) => s as SimStream);
    const raw = new RawPeer(stream, (m, p) => {
      if (m.kind === "request") p.respond(m.id, { type: "getBlockNumber", number: 1n });
    });
    let id = 1n;
    const stop = world.clock.every(1, () => raw.request(id++, { type: "getBlockNumber" }));
    const delays: number[] = [];
    for (let i = 0; i < 20; i++) {
      const call = honest.protocol.client.getBlocksByNumber([1, 2, 3]);
      await world.pass(150);
      delays.push((await call).ms);
    }
    stop();
    await settle();
    assert.ok(Math.max(...delays) <= 30, `delays ${delays}`);
    assert.ok(raw.ended !== undefined, "the flooder has been dropped");
    const entry = server.protocol.snapshot().cooldownList[0];
    assert.deepEqual([entry?.id, entry?.reason, entry?.critical], [flooder.peerId, "rate_violation", true]);
  });
});

Deno.test("protocol: another shard's or network's protocol id meets nobody, and nobody is blamed (T-42)", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const one = world.node({ shardId: 1 });
    const zero = world.node();
    world.network.provide(TOPIC, one.host.peerId);
    await world.start(one, zero);
    await world.pass(10_000);
    assert.equal(zero.protocol.streams().length, 0);
    assert.equal(zero.protocol.snapshot().cooldown, 0);
    assert.equal(one.host.streams.length, 0);
  });
});

Deno.test("protocol: metrics exist from the start with their labels, and move", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const server = world.node({ height: 60 });
    const node = world.node();
    const byTopic = [
      METRIC.numStreams,
      METRIC.numReservedStreams,
      METRIC.addedStreams,
      METRIC.removedStreams,
      METRIC.criticalErrors,
      METRIC.discover,
      METRIC.discoverPeers,
      METRIC.connectedStreams,
      METRIC.availableStreams,
      METRIC.waitingRequests,
      METRIC.pendingRequests,
    ];
    for (const name of byTopic) assert.equal(node.meter.get(name, { topic: TOPIC }), 0, name);
    assert.equal(node.meter.get(METRIC.removalReasons, { reason: "invalid_blocks", critical: "true" }), 0);
    await world.start(server, node);
    await world.pass(3_000);
    const call = node.protocol.client.getBlocksByNumber([1]);
    await world.pass(100);
    await call;
    const of = (name: string) => node.meter.get(name, { topic: TOPIC });
    assert.equal(of(METRIC.numStreams), 1);
    assert.equal(of(METRIC.addedStreams), 1);
    assert.equal(of(METRIC.connectedStreams), 1);
    assert.equal(of(METRIC.availableStreams), 1);
    assert.ok((of(METRIC.discover) ?? 0) >= 1);
    const type = { topic: TOPIC, request_type: "getBlocksByNumber" };
    assert.equal(node.meter.get(METRIC.clientRequest, type), 1);
    assert.equal(server.meter.get(METRIC.serverRequest, type), 1);
    assert.equal(server.meter.labels.get(METRIC.serverRequestDelay), "");
    assert.equal(node.meter.labels.get(METRIC.clientRequestDelay), "request_type,topic");
    node.protocol.report(server.host.peerId, "DATA", "invalid_blocks", "a lie");
    await world.pass(100);
    assert.equal(of(METRIC.removedStreams), 1);
    assert.equal(of(METRIC.criticalErrors), 1);
    assert.equal(node.meter.get(METRIC.removalReasons, { reason: "invalid_blocks", critical: "true" }), 1);
    assert.equal(of(METRIC.numStreams), 0);
  });
});

Deno.test("protocol: trusted peers, errors survived and errors not survived are counted where they happen", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const [friend, other] = [world.node(), world.node()];
    await world.start(friend, other);
    const trusted = [friend.host.peerId, "nobody"].map((peerId) => ({
      peerId,
      addresses: [`/sim/${peerId}`],
    }));
    const node = world.node({ trusted });
    const of = (name: string) => node.meter.get(name, { topic: TOPIC });
    for (const name of [METRIC.trustedStreams, METRIC.reservedTrustedStreams, METRIC.trustedAttempts]) {
      assert.equal(of(name), 0, name);
    }
    await world.start(node);
    await world.pass(3_000);
    assert.equal(of(METRIC.numStreams), 2);
    assert.equal(of(METRIC.trustedStreams), 1);
    assert.equal(of(METRIC.trustedAdded), 1);
    // Who cannot be reached is tried again and again.
    const failed = of(METRIC.trustedFailures) ?? 0;
    assert.ok(failed >= 1);
    assert.equal(of(METRIC.trustedAttempts), 1 + failed);

    const type = (error_type: string) => ({ error_type });
    node.protocol.report(friend.host.peerId, "DATA", "invalid_blocks", "a lie");
    assert.equal(node.meter.get(METRIC.fatalErrors, type("bad_body")), 1);
    node.protocol.report(other.host.peerId, "TIMEOUT", "too_many_failures", "no answer");
    assert.equal(node.meter.get(METRIC.recoverableErrors, type("timeout")), 1);
    assert.equal(node.meter.total(METRIC.endedByRecoverable), 0);
    node.protocol.report(other.host.peerId, "TIMEOUT", "too_many_failures", "no answer");
    assert.equal(node.meter.get(METRIC.recoverableErrors, type("timeout")), 2);
    assert.equal(node.meter.total(METRIC.endedByRecoverable), 1);
    assert.equal(node.meter.total(METRIC.fatalErrors), 1);
    await world.pass(100);
    assert.equal(of(METRIC.trustedStreams), 1, "a trusted peer keeps its stream");
  });
});

Deno.test("protocol: health figures of the guide", async () => {
  await inWorld({ link: LAN }, async (world) => {
    const node = world.node();
    const none = {
      totalStreams: 0,
      availableStreams: 0,
      totalFailures: 0,
      failureDistribution: {},
      averageFailures: 0,
    };
    assert.deepEqual(node.protocol.getStreamHealthStats(), none);
    const servers = [world.node(), world.node()];
    for (const s of servers) world.network.provide(TOPIC, s.host.peerId);
    await world.start(...servers, node);
    await world.pass(5_000);
    node.protocol.report(servers[0]?.host.peerId ?? "", "TIMEOUT", "other", "slow");
    assert.deepEqual(node.protocol.getStreamHealthStats(), {
      totalStreams: 2,
      availableStreams: 2,
      totalFailures: 1,
      failureDistribution: { "0": 1, "1": 1 },
      averageFailures: 0.5,
    });
  });
});
