import assert from "node:assert/strict";
import { Bench, of, why } from "./support/manager_bench.ts";
import { inWorld } from "./support/node.ts";

Deno.test("trusted: a peer behind a name is dialled and kept as soon as the name is looked up, and no longer than it stands for it", async () => {
  await inWorld({ link: () => ({ latencyMs: 5 }) }, async (world) => {
    const server = world.node({ height: 60 });
    await world.start(server);
    const { peerId } = server.host;
    const node = world.node({ trusted: [] });
    node.host.tableReady = false;
    await world.start(node);
    await world.pass(10_000);
    assert.equal(node.protocol.streams().length, 0, "nobody knows it");
    node.host.resolved([{ peerId, addresses: [`/sim/${peerId}`] }]);
    await world.pass(1_000);
    assert.deepEqual(node.protocol.streams().map((s) => [s.id, s.trusted]), [[peerId, true]]);
    node.protocol.report(peerId, "DATA", "invalid_blocks", "a lie");
    await world.pass(1_000);
    assert.equal(node.protocol.streams().length, 1, "it keeps its stream");
    const other = world.network.host().peerId;
    node.host.resolved([{ peerId: other, addresses: [`/sim/${other}`] }]);
    assert.deepEqual(node.protocol.streams().map((s) => s.trusted), [false]);
  });
});

Deno.test("trusted: names that were looked up before the start count, for a protocol that has trusted peers at all", async () => {
  await inWorld({ link: () => ({ latencyMs: 5 }) }, async (world) => {
    const server = world.node({ height: 60 });
    await world.start(server);
    const { peerId } = server.host;
    const [trusting, without] = [world.node({ trusted: [] }), world.node()];
    for (const n of [trusting, without]) {
      n.host.tableReady = false;
      n.host.statics = [{ peerId, addresses: [`/sim/${peerId}`] }];
    }
    await world.start(trusting, without);
    await world.pass(1_000);
    assert.equal(trusting.protocol.streams()[0]?.trusted, true);
    assert.equal(without.protocol.streams().length, 0);
  });
});

Deno.test("trusted: who was cooled down before the name was looked up comes in at once; an id without an address waits for one", () => {
  const b = new Bench({ trusted: [{ peerId: "T", addresses: [] }] });
  b.step({ type: "start" });
  b.step({ type: "dialFailed", peer: "T", fault: "TRANSPORT", unknown: true });
  b.step({ type: "discovered" });
  b.step({ type: "dialFailed", peer: "T", fault: "TRANSPORT", unknown: true });
  b.gone(b.live("N1", "in"));
  b.offend(b.live("N1", "in"), "BLOCK_HASH");
  for (const s of b.core.streams.all()) b.gone(s.instance, "BANISHED");
  b.now += 3_000;
  const peers = [{ peerId: "T", addresses: ["/t"] }, { peerId: "N1", addresses: ["/n"] }];
  const effects = b.step({ type: "trusted", peers });
  assert.deepEqual(of(effects, "dial").map((e) => e.peer), peers);
  assert.equal(b.core.peerState("N1", b.now), "unknown");
  b.step({ type: "probeFailed", instance: b.open("N1").instance, offence: why("PROBE_SILENT") });
  assert.equal(b.core.book.isRefused("N1", b.now), true);
});
