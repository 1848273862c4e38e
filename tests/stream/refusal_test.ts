/** Peers that take our stream, answer on it and reset it: how hsync turns others away, and what that must not lead to. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { MANAGER_TIMES, REFUSAL_MS, REFUSAL_SERVES_MS } from "../../src/stream/constants.ts";
import { Loopback, until } from "./support/loopback.ts";
import { Bench, CAPS, MIN, of } from "./support/manager_bench.ts";
import { inWorld } from "./support/node.ts";
import { answerHeights } from "./support/raw_peer.ts";

const FEW = { hardLowCap: 1, softLowCap: 1, highCap: 4, discBatch: 4 };

for (const busy of [false, true]) {
  Deno.test(
    `refusal: a node that is in its peer's cooldown, ${
      busy ? "busy" : "idle"
    } meanwhile, is back within two minutes of its end, and neither raises the other's`,
    async () => {
      await inWorld({ link: () => ({ latencyMs: 40 }) }, async (world) => {
        // Its longest cooldown is five minutes: one lie is enough.
        const times = { ...MANAGER_TIMES, maxRemovalCooldownMs: 5 * MIN };
        const a = world.node({ height: 60, caps: FEW, times });
        const b = world.node({ height: 60, caps: FEW });
        const ids = [a.host.peerId, b.host.peerId] as const;
        if (busy) {
          b.protocol.on((e) => {
            if (e.type === "added") b.protocol.client.getBlocksByNumber([1, 2]).catch(() => {});
          });
        }
        await world.start(a, b);
        const connected = () => [a, b].every((n) => n.protocol.streams().length === 1);
        for (let s = 0; s < 2 * MIN; s += 1_000) await world.pass(1_000);
        assert.ok(connected());
        a.protocol.report(ids[1], "DATA", "invalid_blocks", "a lie");
        const entry = (node: typeof a) => node.protocol.snapshot().cooldownList[0];
        let refused = 0;
        for (let s = 0; s < 5 * MIN; s += 1_000) {
          await world.pass(1_000);
          refused = Math.max(refused, b.protocol.snapshot().refused.peers);
          assert.equal(entry(b), undefined, "nobody is cooled down for having refused us");
        }
        assert.equal(refused, 1, "it was tried, and the refusal shows");
        for (let s = 0; s < 2 * MIN && !connected(); s += 1_000) await world.pass(1_000);
        for (let s = 0; s < 20_000; s += 1_000) await world.pass(1_000);
        assert.ok(connected());
        assert.deepEqual([entry(a), entry(b)], [undefined, undefined]);
        const removals = (n: typeof a) =>
          n.events.filter((e) => e.type === "removed" && e.fault !== "REFUSED");
        assert.deepEqual([removals(a).length, removals(b).length], [1, 1], "the first loss of each");
      });
    },
  );
}

Deno.test("refusal: a peer that answers and resets, again and again, is dialled four times in ten minutes at most", async () => {
  await inWorld({ link: () => ({ latencyMs: 40 }) }, async (world) => {
    const raw = world.raw((message, peer) => {
      answerHeights(60)(message, peer);
      if (message.kind === "request") world.clock.after(1_000, () => peer.stream.reset("not you"));
    });
    const node = world.node({ height: 60, caps: FEW });
    await world.start(node);
    for (let s = 0; s < 10 * MIN; s += 1_000) await world.pass(1_000);
    assert.ok(raw.peers.length >= 2 && raw.peers.length <= 4, `${raw.peers.length} dials`);
    const { active, refused, cooldown, expired } = node.protocol.snapshot();
    assert.deepEqual([active, refused.peers, cooldown, expired], [0, 1, 0, 0]);
  });
});

Deno.test("refusal: a trusted peer that resets what it answers is dialled after 5 s, 10 s … 60 s, not all the time", async () => {
  await inWorld({ link: () => ({ latencyMs: 40 }) }, async (world) => {
    const raw = world.raw((message, peer) => {
      answerHeights(60)(message, peer);
      if (message.kind === "request") world.clock.after(1_000, () => peer.stream.reset("not you"));
    });
    const node = world.node({ caps: FEW, trusted: [{ peerId: raw.host.peerId, addresses: ["/a"] }] });
    await world.start(node);
    for (let s = 0; s < 10 * MIN; s += 1_000) await world.pass(1_000);
    assert.ok(raw.peers.length >= 9 && raw.peers.length <= 16, `${raw.peers.length} dials`);
  });
});

Deno.test("refusal: over libp2p a reset soon after the answer is one, the loss of the connection is not", async () => {
  for (const loses of [false, true]) {
    const clock = new ManualClock();
    await using net = new Loopback(clock);
    const peer = await net.raw(answerHeights(60));
    const node = await net.node({ knows: [peer] });
    await until("the stream", () => node.protocol.streams().length === 1, clock);
    // With a request on its way: whichever half of the stream notices first, it tells the same.
    const abort = new AbortController();
    const call = node.protocol.client.getBlocksByNumber([1], { signal: abort.signal }).catch(() => {});
    await until("the request", () => (peer.accepted[0]?.requests().length ?? 0) > 1, clock);
    if (loses) await peer.host.disconnect(node.host.peerId);
    else peer.accepted[0]?.stream.reset("not you");
    await until("its end", () => node.protocol.snapshot().list.length === 0);
    const { refused, expired } = node.protocol.snapshot();
    assert.deepEqual([refused.peers, expired], loses ? [0, 1] : [1, 0]);
    abort.abort();
    await call;
  }
});

function roomy(): Bench {
  return new Bench({ caps: { ...CAPS, highCap: 100 } });
}

Deno.test("refusal: it has no entry, a pause, and its listeners are told; after some time, or with data, it is a removal", () => {
  for (const how of ["soon", "closed", "unanswered", "data at once", "data", "late", "broken"] as const) {
    const b = roomy();
    const instance = how === "unanswered" ? b.open("N1").instance : b.live("N1");
    if (how.startsWith("data")) {
      b.now += how === "data" ? REFUSAL_SERVES_MS + 1 : 100;
      b.step({ type: "alive", instance, weight: 2 });
    }
    b.now += how === "late" ? REFUSAL_MS + 1 : 2_000;
    const effects = b.gone(
      instance,
      how === "broken" ? "READ_FAILED" : how === "closed" ? "PEER_CLOSED" : "PEER_RESET",
    );
    const removal = ["closed", "data", "late", "broken"].includes(how);
    assert.equal(b.core.book.cooldowns.get("N1") !== undefined, removal, how);
    assert.equal(b.core.book.isRefused("N1", b.now), !removal, how);
    assert.equal(b.core.peerState("N1", b.now), removal ? "expired" : "unknown", how);
    const told = of(effects, "removed").map((e) => [e.offence.fault, e.critical, e.wasActive]);
    const expected = how === "unanswered" ? [] : [[removal ? "TRANSPORT" : "REFUSED", false, true]];
    assert.deepEqual(told, expected, how);
  }
});

Deno.test("refusal: many of them at once are no outage of ours", () => {
  const b = roomy();
  for (const instance of ["N1", "N2", "N3", "N4"].map((p) => b.live(p))) b.gone(instance, "PEER_RESET");
  assert.equal(of(b.effects, "outage").length, 0);
  assert.equal(b.core.book.refusing(b.now).peers, 4);
});

Deno.test("refusal: the pause grows 1, 5, 15, 60 minutes until a stream lasts; an answer ends it, but does not make it forgotten", () => {
  const b = roomy();
  const pause = () => {
    b.gone(b.live("N1"), "PEER_RESET");
    const from = b.now;
    b.now = b.core.book.refusing(b.now).nextAt ?? b.now;
    return (b.now - from) / MIN;
  };
  assert.deepEqual([pause(), pause(), pause(), pause(), pause()], [1, 5, 15, 60, 60]);
  const instance = b.live("N1", "in");
  assert.equal(b.core.book.isRefused("N1", b.now), false);
  b.now += 2 * MIN;
  b.gone(instance, "PEER_RESET");
  assert.equal(pause(), 1);
});

Deno.test("refusal: one of two streams with a peer is none", () => {
  for (const second of ["probing", "spare"]) {
    const b = roomy();
    const main = b.live("N1", "out");
    if (second === "spare") b.live("N1", "out");
    const other = second === "probing" ? b.open("N1", "out").instance : main;
    b.gone(other, "PEER_RESET");
    assert.equal(b.core.book.refusing(b.now).peers, 0, second);
    assert.deepEqual(b.active, ["N1"]);
  }
});

Deno.test("refusal: an opener that resets what it has just opened costs nobody anything, one that makes a habit of it is removed like others", () => {
  const b = roomy();
  const seen: number[] = [];
  for (let i = 0; i < 8; i++) {
    b.gone(b.live("N1", "in"), "PEER_RESET");
    seen.push(b.core.book.cooldowns.get("N1") === undefined ? -1 : b.cooldownMinutes("N1"));
    b.now += Math.max(3_000, b.cooldownMinutes("N1") * MIN);
  }
  assert.deepEqual(seen, [-1, -1, -1, -1, 0, 5, 10, 15]);
});
