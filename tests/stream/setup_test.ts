/** Set-ups and discoveries that hang, and a crowd at the door: what they may cost at most. */
import assert from "node:assert/strict";
import { HsyncError, SeededRandom } from "../../src/base/mod.ts";
import type { DiscoveryTrigger } from "../../src/stream/manager_events.ts";
import { Bench, CAPS, MIN, of } from "./support/manager_bench.ts";
import { inWorld, TOPIC } from "./support/node.ts";
import { simPeerId } from "./support/sim_network.ts";

Deno.test("discovery: a run that finds nobody ends after ten seconds, waiting for the table included", async () => {
  await inWorld({}, async (world) => {
    const node = world.node();
    node.host.tableReady = false;
    world.network.host();
    const given: number[] = [];
    const discover = node.host.discover.bind(node.host);
    node.host.discover = (namespace, options) => {
      given.push(options.timeoutMs);
      return discover(namespace, options);
    };
    await world.start(node);
    await world.pass(9_900);
    assert.equal(node.protocol.snapshot().discovery.running, true);
    await world.pass(200);
    assert.equal(node.protocol.snapshot().discovery.running, false);
    assert.deepEqual(given, [], "questions are pointless before the table knows somebody");
    await world.pass(2_000);
    assert.equal(node.protocol.snapshot().discovery.running, true);
    node.host.tableReady = true;
    await world.pass(1_000);
    const [left = 0, ...more] = given;
    assert.deepEqual(more, []);
    assert.ok(left > 7_000 && left < 10_000, `${left} ms are left`);
  });
});

// T-22
Deno.test("set-up: of 200 peers that never take the connection 16 are dialled at once, each for 60 s at most, its probe included", async () => {
  await inWorld({}, async (world) => {
    const node = world.node({ caps: { hardLowCap: 4, softLowCap: 4, highCap: 300, discBatch: 200 } });
    for (let i = 0; i < 200; i++) world.network.provide(TOPIC, simPeerId(5_000 + i));
    world.network.host();
    let running = 0, most = 0, dials = 0, longest = 0;
    node.host.openStream = async (peer, _protocol, { timeoutMs, signal }) => {
      dials++;
      most = Math.max(most, ++running);
      const from = world.clock.monotonic();
      try {
        await world.clock.sleep(timeoutMs, signal);
        longest = Math.max(longest, world.clock.monotonic() - from);
        throw new HsyncError("P2P_DIAL_TIMEOUT", `dialling ${peer.peerId}`, { fault: "TRANSPORT" });
      } finally {
        running--;
      }
    };
    await world.start(node);
    await world.pass(1_000);
    assert.equal(running, 16);
    await world.pass(44_500);
    assert.ok(dials > 16, "a dial that hangs frees its place");
    await world.pass(10 * MIN);
    assert.ok(dials >= 200, `${dials} were dialled`);
    assert.equal(most, 16);
    assert.ok(longest + 15_000 <= 60_000, `${longest} ms`);
  });
});

Deno.test("discovery: each reason to look has its name", () => {
  const seen: DiscoveryTrigger[] = [];
  const b = new Bench({ caps: { hardLowCap: 2, softLowCap: 4, highCap: 4, discBatch: 3 }, maxReserved: 10 });
  const note = (effects: ReturnType<Bench["step"]>) => {
    const triggers = of(effects, "discover").map((e) => e.trigger);
    seen.push(...triggers);
    for (const _ of triggers) b.step({ type: "discovered" });
    return triggers.length;
  };
  const start = b.step({ type: "start" });
  const streams = ["N1", "N2", "N3"].map((p) => b.live(p));
  note(start);
  b.now += 6 * MIN;
  note(b.tick(31_000));
  // Failures on half of four streams.
  streams.push(b.live("N4"));
  for (const instance of streams.slice(0, 2)) {
    for (let i = 0; i < 2; i++) {
      b.offend(instance, "REQUEST_TIMEOUT");
      b.step({ type: "alive", instance, weight: 0 });
    }
  }
  b.now += 6 * MIN;
  note(b.tick(31_000));
  b.now += MIN;
  note(b.step({ type: "forgive", peer: undefined }));
  // A reserve of one in ten, which then is gone.
  const last = b.live("N5");
  b.now += 6 * MIN;
  note(b.gone(last));
  b.now += 6 * MIN;
  note(b.step({ type: "wanted" }));
  b.now += MIN;
  note(b.step({ type: "wanted", byHand: true }));
  for (const instance of streams.slice(0, 3)) note(b.offend(instance, "BLOCK_HASH"));
  assert.deepEqual([...new Set(seen)], ["start", "soft", "health", "manual", "reserve", "wanted", "hard"]);
});

// T-24
Deno.test("set-up: 950 peers that never answer and 50 that do: no more streams than places, and the fifty get theirs (seed 24)", () => {
  const caps = { ...CAPS, hardLowCap: 0, softLowCap: 0, highCap: 16 };
  const b = new Bench({ caps, maxReserved: 16 });
  const random = new SeededRandom(24);
  b.step({ type: "start" });
  const silent = new Map<number, number>();
  const linger = new Map<number, number>();
  let mostProbing = 0;
  for (let s = 0; s < 300; s++) {
    b.now += 1_000;
    // A hundred of the thousand try in every second.
    for (let i = 0; i < 100; i++) {
      const n = random.int(1_000);
      const { instance, effects } = b.open(`N${n}`, "in");
      if (of(effects, "probe").length === 0) linger.set(instance, b.now + 10_000);
      else if (n >= 950) b.step({ type: "probed", instance, height: 1 });
      else silent.set(instance, b.now + 15_000);
      for (const cut of of(effects, "cut")) {
        linger.delete(cut.instance);
        b.gone(cut.instance, "OVER_CAPACITY");
      }
    }
    for (const [instance, at] of silent) {
      if (b.now < at) continue;
      silent.delete(instance);
      const why = { fault: "REFUSED", reason: "other", text: "" } as const;
      b.step({ type: "probeFailed", instance, offence: why });
      b.gone(instance, "PROBE_SILENT");
    }
    for (const [instance, at] of linger) {
      if (b.now < at) continue;
      linger.delete(instance);
      b.gone(instance, "OVER_CAPACITY");
    }
    b.step({ type: "tick" });
    const { streams } = b.core;
    mostProbing = Math.max(mostProbing, streams.probingInbound());
    assert.ok(streams.activeCount <= 16 && streams.reservedCount <= 16);
    assert.ok([...streams.all()].length <= 32 + 64 + 128 + 100, `${[...streams.all()].length} streams stand`);
  }
  assert.equal(mostProbing, 64);
  assert.deepEqual([b.core.streams.activeCount, b.core.streams.reservedCount], [16, 16]);
  assert.equal(b.core.book.cooldowns.activeCount(b.now), 0, "nobody is blamed for a crowd");
});
