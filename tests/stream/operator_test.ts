/** What the operator decides: times of the stream manager, and streams to be rid of. */
import assert from "node:assert/strict";
import { MANAGER_TIMES, type ManagerTimes } from "../../src/stream/constants.ts";
import { CooldownTable } from "../../src/stream/cooldown.ts";
import { ManagerCore } from "../../src/stream/manager_core.ts";
import type { ManagerEffect } from "../../src/stream/manager_events.ts";
import { PeerBook } from "../../src/stream/peer_book.ts";
import { inWorld } from "./support/node.ts";

const MIN = 60_000;
const CAPS = { hardLowCap: 1, softLowCap: 3, highCap: 8, discBatch: 3 };

function coreWith(times: Partial<ManagerTimes>): ManagerCore {
  const all = { ...MANAGER_TIMES, ...times };
  return new ManagerCore({ selfId: "M", caps: CAPS, times: all }, new PeerBook(all));
}

function live(core: ManagerCore, peer: string, instance: number, now: number): void {
  core.step(now, { type: "opened", instance, peer, direction: "out", address: "", muxer: "" });
  core.step(now, { type: "probed", instance, height: 1 });
}

const kinds = (effects: readonly ManagerEffect[]) => effects.map((e) => e.type);

Deno.test("operator: chosen cooldowns replace the guide's, for ordinary and for critical removals", () => {
  const table = new CooldownTable({ removalCooldownMs: 2 * MIN, maxRemovalCooldownMs: 5 * MIN });
  let now = 0;
  const got: number[] = [];
  for (let i = 0; i < 5; i++) {
    table.note("A", now, "peer_closed", false);
    got.push(((table.get("A")?.expireAt ?? 0) - now) / MIN);
    now = Math.max(now + 1, table.get("A")?.expireAt ?? 0);
  }
  assert.deepEqual(got, [0, 2, 4, 5, 5]);
  table.note("B", 0, "invalid_blocks", true);
  assert.equal(table.get("B")?.expireAt, 5 * MIN);
});

// T-41
Deno.test("operator: a saved cooldown is never longer than what is allowed now", () => {
  const before = new PeerBook();
  before.cooldowns.note("Qmabcdefghij", 0, "invalid_blocks", true);
  const after = new PeerBook({ removalCooldownMs: MIN, maxRemovalCooldownMs: 3 * MIN });
  assert.equal(after.import(before.export(0), 0), true);
  assert.equal(after.cooldowns.active("Qmabcdefghij", 3 * MIN - 1), true);
  assert.equal(after.cooldowns.active("Qmabcdefghij", 3 * MIN), false);
});

Deno.test("operator: the routine check comes as often as asked", () => {
  const core = coreWith({ checkIntervalMs: 7_000, discoveryCooldownMs: 1 });
  core.step(0, { type: "start" });
  live(core, "N1", 1, 0);
  core.step(10, { type: "discovered" });
  const runs: number[] = [];
  for (let now = 1_000; now <= 22_000; now += 1_000) {
    if (kinds(core.step(now, { type: "tick" })).includes("discover")) {
      runs.push(now);
      core.step(now + 5, { type: "discovered" });
    }
  }
  assert.deepEqual(runs, [7_000, 14_000, 21_000]);
});

Deno.test("operator: a protocol that wants no streams looks for none, unless somebody asks by hand", () => {
  const caps = { hardLowCap: 0, softLowCap: 0, highCap: 8, discBatch: 3 };
  const id = "Qmabcdefghij";
  const before = new PeerBook();
  Object.assign(before.page(id), { goodAt: 1, addresses: ["/ip4/127.0.0.1/tcp/1"] });
  const book = new PeerBook();
  book.import(before.export(2), 0);
  const trusted = [{ peerId: "T", addresses: [] }];
  const core = new ManagerCore({ selfId: "M", caps, maxReserved: 10, trusted }, book);
  const done = (effects: readonly ManagerEffect[]) =>
    effects.filter((e) => e.type === "discover" || e.type === "dial");
  const start = done(core.step(0, { type: "start" }));
  assert.deepEqual(
    start.map((e) => e.type === "dial" && e.peer.peerId),
    ["T"],
    "trusted peers are another wish",
  );
  // Streams that others open come, misbehave and go again.
  for (let i = 0; i < 12; i++) live(core, `N${i}`, i, i);
  let now = 1_000;
  for (let i = 0; i < 12; i++) {
    const why = { fault: "TIMEOUT", reason: "read_failed", text: "" } as const;
    assert.deepEqual(done(core.step(now, { type: "offence", instance: i, offence: why })), []);
    assert.deepEqual(done(core.step(now, { type: "gone", instance: i, offence: why })), []);
    assert.deepEqual(done(core.step(now, { type: "online" })), []);
    core.step(now += 1_000, { type: "dialFailed", peer: "T", fault: "TRANSPORT" });
  }
  for (const end = now + 10 * MIN; now < end; now += 1_000) {
    const effects = done(core.step(now, { type: "tick" }));
    for (const e of effects) {
      assert.ok(e.type === "dial" && e.peer.peerId === "T", `${e.type} after ${now} ms`);
    }
  }
  assert.deepEqual(kinds(core.step(now, { type: "wanted" })).filter((k) => k === "discover"), ["discover"]);
  const found = { type: "found", peers: [{ peerId: "D", addresses: [] }], origin: "dht" } as const;
  assert.deepEqual(kinds(core.step(now, found)), ["dial"]);
});

Deno.test("operator: after a run that found nobody the chosen pause holds", () => {
  const core = coreWith({ checkIntervalMs: 1_000, discoveryCooldownMs: 10_000 });
  core.step(0, { type: "start" });
  live(core, "N1", 1, 0);
  core.step(500, { type: "discovered" });
  const runs: number[] = [];
  for (let now = 1_000; now <= 20_000; now += 1_000) {
    if (kinds(core.step(now, { type: "tick" })).includes("discover")) runs.push(now);
  }
  assert.deepEqual(runs, [11_000]);
});

Deno.test("operator: a dropped peer loses its stream, blames nobody, and stays away only when dropped again", () => {
  const core = coreWith({});
  core.step(0, { type: "start" });
  live(core, "N1", 1, 0);
  live(core, "N2", 2, 0);
  const effects = core.step(10, { type: "drop", peer: "N1" });
  assert.deepEqual([...core.streams.activePeers()], ["N2"]);
  const removed = effects.find((e) => e.type === "removed");
  assert.deepEqual([removed?.critical, removed?.offence.fault, removed?.offence.reason], [
    false,
    "NONE",
    "other",
  ]);
  assert.ok(effects.some((e) => e.type === "end" && e.instance === 1));
  assert.equal(core.book.failures("N1", 10), 0);
  assert.equal(core.book.cooldowns.active("N1", 11), false);
  core.step(3_000, { type: "gone", instance: 1, offence: { fault: "NONE", reason: "other", text: "" } });
  live(core, "N1", 3, 10_000);
  core.step(20_000, { type: "drop", peer: "N1" });
  assert.equal(core.book.cooldowns.active("N1", 20_000 + 5 * MIN - 1), true);
});

Deno.test("operator: dropping many at once is no outage", () => {
  const core = coreWith({});
  core.step(0, { type: "start" });
  for (let i = 1; i <= 4; i++) live(core, `N${i}`, i, 0);
  for (let i = 1; i <= 4; i++) {
    const effects = core.step(i, { type: "drop", peer: `N${i}` });
    assert.equal(kinds(effects).includes("outage"), false);
  }
});

Deno.test("operator: a dropped stream ends in the orderly way, and a peer without one is not there to drop", async () => {
  await inWorld({ link: () => ({ latencyMs: 5 }) }, async (world) => {
    const [server, client] = [world.node({ height: 9 }), world.node()];
    await world.start(server, client);
    await world.pass(3_000);
    assert.equal(client.protocol.streams().length, 1);
    assert.equal(client.protocol.drop("12D3KooWnobody"), false);
    assert.equal(client.protocol.drop(server.host.peerId), true);
    assert.equal(client.protocol.streams().length, 0);
    const removed = client.events.find((e) => e.type === "removed");
    assert.equal(removed?.type === "removed" && removed.critical, false);
    await world.pass(10_000);
    assert.equal(client.protocol.streams().length, 1, "it may come back after a pause");
  });
});
