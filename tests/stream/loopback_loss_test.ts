/**
 * Streams that go, over real libp2p: by an outage of ours, by ones and twos, and when we leave. Sockets are real, the minutes
 * are turned by hand.
 */
import assert from "node:assert/strict";
import { HsyncError, ManualClock } from "../../src/base/mod.ts";
import type { LibP2PHost, P2PHost, P2PStream } from "../../src/p2p/mod.ts";
import { leaveNetwork } from "../../src/stream/mod.ts";
import { joined, Loopback, outcome, pass, until } from "./support/loopback.ts";
import { answerHeights, type RawPeer } from "./support/raw_peer.ts";

const HEIGHT = 60;
const MINUTE = 60_000;

/** A host whose way out can be closed: nobody can be dialled meanwhile. */
class Outage {
  down = false;
  /** Dials that failed for it. */
  failed = 0;

  over(host: LibP2PHost): P2PHost {
    return new Proxy(host, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        const call = value.bind(target) as (...args: unknown[]) => unknown;
        if (name !== "openStream" && name !== "connect") return call;
        return (...args: unknown[]) => {
          if (!this.down) return call(...args);
          this.failed++;
          return Promise.reject(new HsyncError("DOWN", "no route", { fault: "TRANSPORT" }));
        };
      },
    });
  }
}

// T-15
Deno.test("loopback: a minute without network costs twenty streams, no cooldown, and half a minute after it", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const servers = await Promise.all(
    Array.from({ length: 20 }, () => net.node({ hostOptions: { servesDht: false } })),
  );
  const outage = new Outage();
  const node = await net.node({
    knows: servers,
    caps: { hardLowCap: 20, softLowCap: 20, highCap: 32, discBatch: 20 },
    wrapHost: (host) => outage.over(host),
  });
  const streams = () => node.protocol.streams().length;
  await until("all streams", () => streams() === 20, clock);
  await pass(clock, MINUTE);
  outage.down = true;
  await Promise.all(servers.map((s) => node.host.disconnect(s.host.peerId)));
  await until("the outage", () => streams() === 0, clock, 1);
  assert.equal(node.protocol.snapshot().discovery.outage, true);
  await pass(clock, MINUTE);
  assert.equal(streams(), 0);
  assert.ok(outage.failed >= 20, `${outage.failed} dials: they were tried meanwhile`);
  outage.down = false;
  const since = clock.monotonic();
  await until("all streams again", () => streams() === 20, clock, 100);
  assert.ok(clock.monotonic() - since <= 30_000, `${clock.monotonic() - since} ms`);
  assert.equal(node.protocol.snapshot().cooldown, 0);
});

// T-17
Deno.test("loopback: of twenty-four active streams eight go: eight come from the reserve in the same moment, no dead one among them", async () => {
  const [active, reserved, lost] = [24, 12, 8];
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node({
    caps: { hardLowCap: 1, softLowCap: 1, highCap: active, discBatch: 1 },
    maxReserved: reserved,
  });
  const peers = await Promise.all(
    Array.from({ length: active + reserved }, () => net.raw(answerHeights(HEIGHT), { servesDht: false })),
  );
  const streams: RawPeer<P2PStream>[] = [];
  for (const p of peers) streams.push(await joined(node, p));
  const counts = () => [node.protocol.snapshot().active, node.protocol.snapshot().reserved];
  assert.deepEqual(counts(), [active, reserved]);
  const dead = [active, active + 1, active + 2];
  for (const i of dead) streams[i]?.stream.reset("dead");
  await until("the reserve to shrink", () => counts()[1] === reserved - dead.length);
  let least = active;
  node.protocol.on(() => least = Math.min(least, node.protocol.streams().length));
  for (const s of streams.slice(0, lost)) s.stream.reset("dead");
  await until("all to be replaced", () => counts()[1] === reserved - dead.length - lost);
  assert.equal(least, active, "whoever hears of it finds the place taken again");
  const alive = new Set(peers.filter((_, i) => i >= lost && !dead.includes(i)).map((p) => p.peer.peerId));
  assert.equal(node.protocol.streams().length, active);
  for (const s of node.protocol.streams()) assert.ok(alive.has(s.id));
  // The clock stood still: nothing of this took a tick.
  assert.equal(clock.monotonic(), 0);
});

// T-39
Deno.test("loopback: leaving under load takes five seconds at most; every peer sees its stream and its connection end", async () => {
  const clock = new ManualClock();
  await using net = new Loopback(clock);
  const node = await net.node();
  // They name their height and answer nothing else: every request is under way until the end.
  const peers = await Promise.all(
    Array.from({ length: 6 }, () => net.raw(answerHeights(HEIGHT), { servesDht: false })),
  );
  const streams: RawPeer<P2PStream>[] = [];
  for (const p of peers) streams.push(await joined(node, p));
  const calls = Promise.allSettled(peers.map((_, i) => node.protocol.client.getBlocksByNumber([i + 1])));
  await until("requests under way", () => streams.every((s) => s.requests().length > 1));
  const since = clock.monotonic();
  await outcome(clock, leaveNetwork(node.host, [node.protocol]));
  assert.ok(clock.monotonic() - since <= 5_000, `${clock.monotonic() - since} ms`);
  for (const call of await calls) {
    assert.ok(
      call.status === "rejected" && call.reason instanceof HsyncError && call.reason.fault === "NONE",
    );
  }
  await until("every stream to end", () => streams.every((s) => s.ended !== undefined));
  await until("every connection to end", () => peers.every((p) => p.host.connectedPeers() === 0));
  assert.deepEqual(node.protocol.streams(), []);
});
