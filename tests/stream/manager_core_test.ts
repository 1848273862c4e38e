import assert from "node:assert/strict";
import type { FaultClass } from "../../src/base/mod.ts";
import type { FailureName } from "../../src/stream/fault.ts";
import { Bench, CAPS, MIN, of, types, why } from "./support/manager_bench.ts";

Deno.test("manager: a stream is probed first and counts only after its answer", () => {
  const b = new Bench();
  const { instance, effects } = b.open("N1");
  assert.deepEqual(effects, [{ type: "probe", instance }]);
  assert.deepEqual(b.active, []);
  const after = b.step({ type: "probed", instance, height: 7 });
  assert.deepEqual(types(after), ["protect", "activate", "added", "height"]);
  assert.deepEqual(b.active, ["N1"]);
});

Deno.test("manager: an unanswered probe is a refusal: reset, back-off, no failure, no cooldown", () => {
  const b = new Bench();
  const { instance } = b.open("N1");
  const effects = b.step({ type: "probeFailed", instance, offence: why("PROBE_SILENT") });
  assert.deepEqual(of(effects, "end").map((e) => e.failure), ["PROBE_SILENT"]);
  assert.equal(b.core.book.isRefused("N1", b.now), true);
  assert.equal(b.core.book.failures("N1", b.now), 0);
  assert.equal(b.core.book.cooldowns.get("N1"), undefined);
  assert.equal(of(effects, "removed").length, 0);
});

Deno.test("manager: a probe answered with a lie is a lie", () => {
  const b = new Bench();
  const { instance } = b.open("N1");
  const effects = b.step({ type: "probeFailed", instance, offence: why("HEIGHT_ABSURD") });
  assert.equal(of(effects, "removed")[0]?.critical, true);
  assert.equal(b.cooldownMinutes("N1"), 60);
});

// T-16
Deno.test("manager: ordinary ends cool down 0, 5, 10 … minutes; critical ones 60", () => {
  const b = new Bench();
  const got: number[] = [];
  for (let i = 0; i < 14; i++) {
    b.gone(b.live("N1"));
    got.push(b.cooldownMinutes("N1"));
    b.now = Math.max(b.now + 1, b.core.book.cooldowns.get("N1")?.expireAt ?? 0);
  }
  assert.deepEqual(got, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 60]);
  b.offend(b.live("N2"), "BLOCK_HASH");
  assert.equal(b.cooldownMinutes("N2"), 60);
});

Deno.test("manager: what each class does to a stream", () => {
  const table: Array<[FailureName | FaultClass, "kept" | "removed", number, number]> = [
    // failure, fate, cooldown minutes, failures
    ["CANCELLED", "kept", 0, 0],
    ["NOT_DELIVERED", "kept", 0, 0],
    ["REQUEST_TIMEOUT", "kept", 0, 1],
    ["READ_FAILED", "removed", 0, 0],
    ["CAP_VIOLATIONS", "removed", 0, 0],
    ["RESPONSE_TYPE", "removed", 60, 0],
    ["HASHES_EXTRA", "removed", 60, 0],
    ["BLOCK_HASH", "removed", 60, 0],
    ["HASHES_GAP", "removed", 60, 0],
    ["FLOOD", "removed", 60, 0],
  ];
  for (const [failure, fate, minutes, failures] of table) {
    const b = new Bench();
    const instance = b.live("N1");
    b.offend(instance, failure as FailureName);
    assert.equal(b.active.length, fate === "kept" ? 1 : 0, failure);
    assert.equal(b.cooldownMinutes("N1"), minutes, failure);
    assert.equal(b.core.book.failures("N1", b.now), failures, failure);
  }
});

Deno.test("manager: a minority vote alone costs nothing", () => {
  const b = new Bench();
  const instance = b.live("N1");
  b.step({ type: "offence", instance, offence: { fault: "MINORITY", reason: "other", text: "" } });
  assert.deepEqual(b.active, ["N1"]);
});

Deno.test("manager: two time-outs in a row end a stream without a cooldown; a good answer between saves it", () => {
  const b = new Bench();
  const instance = b.live("N1");
  b.offend(instance, "REQUEST_TIMEOUT");
  b.step({ type: "credit", peer: "N1", weight: 2 });
  assert.equal(b.core.book.failures("N1", b.now), 0, "a good answer takes one failure back");
  b.offend(instance, "REQUEST_TIMEOUT");
  assert.deepEqual(b.active, ["N1"]);
  assert.deepEqual(of(b.effects, "recoverable").map((e) => e.ended), [false, false]);
  const effects = b.offend(instance, "KEEP_ALIVE_TIMEOUT");
  assert.deepEqual(of(effects, "recoverable").map((e) => e.ended), [true]);
  assert.deepEqual(b.active, []);
  assert.equal(of(effects, "removed")[0]?.critical, false);
  assert.equal(b.cooldownMinutes("N1"), 0);
});

Deno.test("manager: heights do not make up for blocks that never came, hashes neither", () => {
  const b = new Bench();
  const instance = b.live("N1");
  const silence = { ...why("REQUEST_TIMEOUT"), request: "getBlocksByNumber" } as const;
  const before = b.core.book.page("N1").success;
  b.step({ type: "offence", peer: "N1", instance, offence: silence });
  for (const weight of [0, 1] as const) {
    b.step({ type: "alive", instance, weight });
    b.step({ type: "credit", peer: "N1", weight });
  }
  assert.equal(b.core.book.failures("N1", b.now), 1);
  assert.ok(b.core.book.page("N1").success < before);
  b.step({ type: "credit", peer: "N1", weight: 2 });
  assert.equal(b.core.book.failures("N1", b.now), 0, "blocks do");
  b.step({ type: "offence", peer: "N1", instance, offence: silence });
  b.step({ type: "alive", instance, weight: 0 });
  b.step({ type: "offence", peer: "N1", instance, offence: silence });
  assert.deepEqual(b.active, [], "two in a row, whatever else it answered");
  assert.equal(b.cooldownMinutes("N1"), 0, "slow is no lie");
});

Deno.test("manager: five failures are too many, and that is critical", () => {
  const b = new Bench();
  const instance = b.live("N1");
  for (let i = 0; i < 4; i++) {
    b.offend(instance, "REQUEST_TIMEOUT");
    b.step({ type: "alive", instance, weight: 0 });
  }
  assert.deepEqual(b.active, ["N1"]);
  const effects = b.offend(instance, "REQUEST_TIMEOUT");
  assert.equal(of(effects, "removed")[0]?.offence.reason, "too_many_failures");
  assert.equal(b.cooldownMinutes("N1"), 60);
});

Deno.test("manager: above the high cap streams wait in the reserve, above that they are refused", () => {
  const b = new Bench({ maxReserved: 2 });
  for (let i = 1; i <= 6; i++) b.live(`N${i}`);
  assert.equal(b.core.streams.activeCount, 4);
  assert.equal(b.core.streams.reservedCount, 2);
  const { effects } = b.open("N7", "in");
  assert.deepEqual(of(effects, "end").map((e) => e.failure), ["OVER_CAPACITY"]);
  assert.equal(of(b.effects, "added").length, 4, "reserved streams are not announced");
});

// T-17
Deno.test("manager: a lost active stream is replaced from the reserve at once, the best first", () => {
  const b = new Bench();
  const actives = [1, 2, 3, 4].map((i) => b.live(`N${i}`));
  // Nothing is asked of them: it is their probes that tell them apart.
  b.live("N5", "out", 100, 5_000);
  b.live("N6", "out", 100, 20);
  b.live("N7", "out", 100, 500);
  const effects = b.gone(actives[0] as number);
  assert.deepEqual(of(effects, "added").map((e) => e.peer), ["N6"]);
  assert.equal(b.core.streams.activeCount, 4);
  // One that has just let a sign of life run out is no replacement while there are others.
  b.offend(b.core.streams.mainOf("N7")?.instance as number, "KEEP_ALIVE_TIMEOUT");
  assert.deepEqual(of(b.gone(actives[1] as number), "added").map((e) => e.peer), ["N5"]);
});

Deno.test("manager: 128 active and 100 reserved; fifty lost are fifty promoted (T-17)", () => {
  const b = new Bench({ caps: { hardLowCap: 6, softLowCap: 8, highCap: 128, discBatch: 8 } });
  const actives = Array.from({ length: 128 }, (_, i) => b.live(`N${i}`, "in"));
  for (let i = 0; i < 100; i++) b.live(`R${i}`, "in");
  assert.equal(b.core.streams.reservedCount, 100);
  for (const instance of actives.slice(0, 50)) {
    const effects = b.gone(instance);
    assert.equal(of(effects, "added").length, 1);
  }
  assert.equal(b.core.streams.activeCount, 128);
  assert.equal(b.core.streams.reservedCount, 50);
});

Deno.test("manager: reserved streams can be removed and banned like active ones", () => {
  const b = new Bench();
  for (let i = 1; i <= 4; i++) b.live(`N${i}`);
  const reserved = b.live("N5");
  const effects = b.offend(reserved, "BLOCK_HASH");
  assert.equal(b.core.streams.reservedCount, 0);
  assert.equal(of(effects, "removed")[0]?.wasActive, false);
  assert.equal(b.cooldownMinutes("N5"), 60);
});

Deno.test("manager: crossed opens keep the stream of the smaller peer id on both sides", () => {
  for (const order of [["out", "in"], ["in", "out"]] as const) {
    for (const [self, peer] of [["A", "B"], ["B", "A"]] as const) {
      const b = new Bench({ selfId: self });
      const first = b.live(peer, order[0]);
      const second = b.live(peer, order[1]);
      const main = b.core.streams.mainOf(peer);
      const kept = self === "A" ? "out" : "in";
      assert.equal(main?.direction, kept, `${self} with ${peer}, ${order.join(" first, then ")}`);
      const loser = main?.instance === first ? second : first;
      assert.deepEqual(of(b.effects, "drain").map((e) => e.instance), [loser]);
      assert.equal(of(b.effects, "added").length, 1, "nobody above notices");
      assert.equal(of(b.effects, "removed").length, 0);
    }
  }
});

Deno.test("manager: of two streams only the one that answers counts, the silent one costs nothing", () => {
  const b = new Bench();
  const out = b.open("N1", "out");
  const inbound = b.live("N1", "in");
  b.step({ type: "probeFailed", instance: out.instance, offence: why("PROBE_SILENT") });
  assert.equal(b.core.streams.mainOf("N1")?.instance, inbound);
  assert.equal(b.core.book.isRefused("N1", b.now), false, "a Go node leaves a duplicate unanswered");
});

Deno.test("manager: a duplicate of the same direction is served but not used, unless the old one is dead", () => {
  const b = new Bench();
  const first = b.live("N1", "in");
  b.live("N1", "in");
  assert.equal(b.core.streams.mainOf("N1")?.instance, first);
  const third = b.open("N1", "in");
  assert.deepEqual(of(third.effects, "end").map((e) => e.failure), ["OVER_CAPACITY"], "two are enough");
  const c = new Bench();
  c.live("N1", "in");
  c.now += 70_000;
  const fresh = c.live("N1", "in");
  assert.equal(c.core.streams.mainOf("N1")?.instance, fresh);
});

Deno.test("manager: a late end of an old instance touches nothing", () => {
  const b = new Bench();
  const old = b.live("N1");
  b.gone(old);
  b.now += 10_000;
  const fresh = b.live("N1");
  assert.deepEqual(b.gone(old), []);
  assert.deepEqual(b.offend(old, "BLOCK_HASH"), []);
  assert.equal(b.core.streams.mainOf("N1")?.instance, fresh);
});

Deno.test("manager: when the main stream dies, a spare one of the same peer takes over without a removal", () => {
  const b = new Bench({ selfId: "A" });
  const main = b.live("B", "out");
  const spare = b.live("B", "in");
  const effects = b.gone(main);
  assert.equal(b.core.streams.mainOf("B")?.instance, spare);
  assert.equal(of(effects, "removed").length, 0);
  assert.deepEqual(of(effects, "activate").map((e) => e.instance), [spare]);
});

Deno.test("manager: a peer in its cooldown is refused until the minute it ends", () => {
  const b = new Bench();
  b.offend(b.live("N1"), "BLOCK_HASH");
  b.now += 60 * MIN - 1;
  assert.deepEqual(of(b.open("N1", "in").effects, "end").map((e) => e.failure), ["OVER_CAPACITY"]);
  b.now += 1;
  assert.deepEqual(types(b.open("N1", "in").effects), ["probe"]);
});

Deno.test("manager: a stream to ourselves is refused without any consequence", () => {
  const b = new Bench();
  assert.deepEqual(of(b.open("M", "in").effects, "end").map((e) => e.failure), ["SANITY"]);
  assert.equal(b.core.book.cooldowns.get("M"), undefined);
});

// T-15
Deno.test("manager: most streams lost at once is our outage: nobody is cooled down", () => {
  const b = new Bench({ caps: { ...CAPS, highCap: 100 } });
  const all = Array.from({ length: 20 }, (_, i) => `N${i}`);
  // An earlier ordinary removal, so that a second one would cool down for five minutes.
  for (const peer of all) b.gone(b.live(peer));
  b.now += 11_000;
  for (const peer of all) {
    b.core.book.cooldowns.restore(peer, {
      count: 1,
      removedAt: b.now - 11_000,
      expireAt: b.now - 11_000,
      reason: "peer_closed",
      critical: false,
    });
  }
  const instances = all.map((peer) => b.live(peer));
  for (const instance of instances) {
    b.now += 100;
    b.gone(instance);
  }
  assert.ok(of(b.effects, "outage").length > 0);
  for (const peer of all) {
    assert.equal(b.cooldownMinutes(peer), 0, peer);
    assert.equal(b.core.book.cooldowns.get(peer)?.count, 1, `${peer} keeps the history it had`);
  }
});

Deno.test("manager: three liars caught within ten seconds stay caught", () => {
  const b = new Bench();
  for (const i of [1, 2, 3, 4].map((n) => b.live(`N${n}`)).slice(0, 3)) b.offend(i, "BLOCK_HASH");
  assert.equal(of(b.effects, "outage").length, 0);
  assert.deepEqual(["N1", "N2", "N3"].map((p) => b.cooldownMinutes(p)), [60, 60, 60]);
});

Deno.test("manager: two of many lost streams are no outage", () => {
  const b = new Bench({ caps: { ...CAPS, highCap: 100 } });
  const all = Array.from({ length: 20 }, (_, i) => b.live(`N${i}`));
  b.gone(all[0] as number);
  b.gone(all[1] as number);
  assert.equal(of(b.effects, "outage").length, 0);
});

// T-18
Deno.test("manager: a trusted peer keeps its stream after a lie, and is not asked for data for five minutes", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: [] }] });
  const instance = b.live("T");
  const effects = b.offend(instance, "BLOCK_HASH");
  assert.deepEqual(b.active, ["T"]);
  assert.deepEqual(of(effects, "suspend"), [{ type: "suspend", peer: "T", ms: 5 * MIN }]);
  assert.equal(of(effects, "criticalError").length, 1);
  assert.equal(b.core.book.cooldowns.get("T"), undefined);
});

// T-13
Deno.test("manager: a trusted peer gets in above the high cap, and the worst stream makes way", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: [] }] });
  const instances = [1, 2, 3, 4].map((i) => b.live(`N${i}`));
  b.offend(instances[2] as number, "REQUEST_TIMEOUT");
  b.live("T", "in");
  assert.deepEqual(b.active.sort(), ["N1", "N2", "N4", "T"]);
  assert.equal(b.core.streams.mainOf("N3")?.state, "reserved");
});

Deno.test("manager: a trusted peer whose transport has gone is dialled again: soon, then 5 s, 10 s … 60 s", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: ["/a"] }] });
  assert.deepEqual(of(b.step({ type: "start" }), "dial").map((e) => e.peer.peerId), ["T"]);
  const { instance } = b.open("T");
  b.step({ type: "probed", instance, height: 1 });
  b.step({ type: "discovered" });
  b.gone(instance);
  const at: number[] = [];
  const start = b.now;
  for (let s = 0; s < 160; s++) {
    const effects = b.tick(1_000);
    if (of(effects, "discover").length > 0) effects.push(...b.step({ type: "discovered" }));
    if (of(effects, "dial").length > 0) {
      at.push((b.now - start) / 1_000);
      b.step({ type: "dialFailed", peer: "T", fault: "TRANSPORT" });
    }
  }
  assert.equal(at[0], 3, "a pause of seconds comes first (§2.8)");
  const gaps = at.map((t, i) => t - (at[i - 1] ?? 0)).slice(1);
  assert.ok(gaps[0] !== undefined && gaps[0] <= 5 && Math.max(...gaps) <= 60, `dialled at ${at} s`);
});

Deno.test("manager: stopping ends every stream, the reserved ones too, and cools nobody down", () => {
  const b = new Bench();
  const all = [1, 2, 3, 4, 5, 6].map((i) => b.live(`N${i}`));
  const effects = b.step({ type: "stop" });
  assert.deepEqual(of(effects, "end").map((e) => e.instance).sort(), all);
  for (const instance of all) b.gone(instance, "SHUTDOWN");
  assert.equal([...b.core.book.cooldowns.entries()].length, 0);
  assert.deepEqual(of(b.open("N9", "in").effects, "end").map((e) => e.failure), ["SHUTDOWN"]);
});

Deno.test("manager: released streams leave their places to the reserve without a cooldown, and come back after a minute at the earliest", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: [] }] });
  b.step({ type: "start" });
  b.step({ type: "discovered" });
  b.live("T");
  for (let i = 1; i <= 4; i++) b.live(`N${i}`);
  assert.deepEqual(b.active, ["T", "N1", "N2", "N3"]);
  b.now += MIN;
  const effects = b.step({ type: "release", peers: ["T", "N1", "N2"], why: "others shall have a try" });
  assert.deepEqual(of(effects, "removed").map((e) => [e.peer, e.offence.fault, e.critical]), [
    ["N1", "NONE", false],
    ["N2", "NONE", false],
  ]);
  assert.deepEqual(of(effects, "end").map((e) => e.failure), ["DROPPED", "DROPPED"]);
  assert.deepEqual(b.active, ["T", "N3", "N4"]);
  assert.ok(types(effects).includes("discover"));
  assert.equal(b.core.book.cooldowns.get("N1"), undefined);
  const found = () =>
    of(b.step({ type: "found", origin: "dht", peers: [{ peerId: "N1", addresses: [] }] }), "dial").length;
  for (const { instance } of of(effects, "end")) b.gone(instance, "DROPPED");
  b.step({ type: "discovered" });
  b.now += 59_000;
  assert.equal(found(), 0);
  b.now += 1_000;
  assert.equal(found(), 1);
});
