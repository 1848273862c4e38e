/** Allowances belong to peers: a new stream brings no new ones. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { Allowances } from "../../src/stream/allowance.ts";
import {
  BUSY_ABUSE,
  BUSY_WINDOW_MS,
  EMPTY_PER_MINUTE,
  MANAGER_TIMES,
  OPENED_PER_MINUTE,
} from "../../src/stream/constants.ts";
import { METRIC } from "../../src/stream/meters.ts";
import { inWorld, type SimNode, TOPIC } from "./support/node.ts";
import { answerHeights, RawPeer, settle } from "./support/raw_peer.ts";
import type { SimHost } from "./support/sim_network.ts";
import type { SimStream } from "./support/sim_stream.ts";

Deno.test("allowances: each breach has its own, a window long, and no peer uses another's", async () => {
  const clock = new ManualClock();
  const allowances = new Allowances(clock);
  for (let i = 0; i < BUSY_ABUSE; i++) assert.equal(allowances.breach("A", "busy"), 0);
  assert.equal(allowances.breach("A", "busy"), BUSY_ABUSE + 1);
  assert.equal(
    allowances.breach("A", "busy"),
    BUSY_ABUSE + 1,
    "no more is remembered than it takes to judge",
  );
  assert.equal(allowances.breach("A", "cap"), 0);
  assert.equal(allowances.breach("A", "unasked"), 0);
  assert.equal(allowances.breach("B", "busy"), 0);
  await clock.advance(BUSY_WINDOW_MS);
  assert.equal(allowances.breach("A", "busy"), 0, "a quiet window wipes the slate");
});

Deno.test("allowances: a breach may count for several", () => {
  const allowances = new Allowances(new ManualClock());
  assert.equal(allowances.breach("A", "empty", EMPTY_PER_MINUTE), 0);
  assert.equal(allowances.breach("A", "empty", 1e9), EMPTY_PER_MINUTE + 1);
});

Deno.test("allowances: however many peers there are, few are remembered", () => {
  const clock = new ManualClock();
  const allowances = new Allowances(clock, 2);
  for (let i = 0; i <= 3; i++) allowances.breach("A", "cap");
  assert.ok(allowances.breach("A", "cap") > 0);
  for (const peer of ["B", "C"]) allowances.breach(peer, "cap");
  assert.equal(allowances.breach("A", "cap"), 0, "the one that was quiet for longest is forgotten");
});

Deno.test("allowances: a flooder that opens stream after stream is told to be busy no oftener than on one", async () => {
  await inWorld({}, async (world) => {
    const node = world.node({ caps: { hardLowCap: 0, softLowCap: 0, highCap: 16, discBatch: 1 } });
    await world.start(node);
    const flooder = world.network.host();
    const at = { peerId: node.host.peerId, addresses: node.host.addresses() };
    const told: number[] = [];
    for (let stream = 0; stream < 20; stream++) {
      const peer = new RawPeer(
        await flooder.openStream(at, TOPIC, { timeoutMs: 1_000 }) as SimStream,
        answerHeights(7),
      );
      await settle(20);
      for (let i = 1n; i <= 120n; i++) peer.request(i, { type: "getBlockNumber" });
      await settle(2_000);
      await world.pass(100);
      told.push(
        peer.responses().filter((r) => r.response?.type === "error" && r.response.text === "too busy").length,
      );
    }
    assert.equal(told.reduce((sum, n) => sum + n, 0), BUSY_ABUSE, told.join());
    assert.equal(told[0], BUSY_ABUSE, "the first stream used it up");
    const [cooldown] = node.protocol.snapshot().cooldownList;
    assert.deepEqual([cooldown?.critical, cooldown?.reason], [true, "rate_violation"]);
  });
});

/** Opens streams in a row, each as soon as the one before stands; how many were let in. */
async function openMany(from: SimHost, to: SimNode, most: number): Promise<number> {
  const at = { peerId: to.host.peerId, addresses: to.host.addresses() };
  for (let n = 0; n < most; n++) {
    try {
      const stream = await from.openStream(at, TOPIC, { timeoutMs: 1_000 });
      new RawPeer(stream as SimStream, answerHeights(7));
      await settle(20);
    } catch {
      return n;
    }
  }
  return most;
}

Deno.test("allowances: who opens stream after stream within a minute is shut out for the long cooldown, refused or not", async () => {
  await inWorld({}, async (world) => {
    for (const highCap of [16, 0]) {
      const caps = { hardLowCap: 0, softLowCap: 0, highCap, discBatch: 1 };
      const node = world.node({ caps, maxReserved: 0 });
      await world.start(node);
      const patient = world.network.host();
      for (let minute = 0; minute < 2; minute++) {
        assert.equal(await openMany(patient, node, OPENED_PER_MINUTE), OPENED_PER_MINUTE);
        await world.pass(61_000);
      }
      assert.equal(node.protocol.snapshot().cooldown, 0, "as many in a minute harm nobody");

      const flooder = world.network.host();
      assert.equal(await openMany(flooder, node, 200), OPENED_PER_MINUTE + 1);
      const [entry] = node.protocol.snapshot().cooldownList;
      assert.deepEqual([entry?.id, entry?.reason, entry?.critical], [flooder.peerId, "rate_violation", true]);
      assert.equal(node.meter.get(METRIC.shunnedPeers, { topic: TOPIC }), 1);
      assert.ok(flooder.streams.every((s) => s.isReset), "its streams went with the connection");
      await world.pass(MANAGER_TIMES.maxRemovalCooldownMs - 2_000);
      assert.equal(await openMany(flooder, node, 1), 0);
      await world.pass(2_000);
      assert.equal(await openMany(flooder, node, 1), 1, "the time is over");
    }
  });
});

Deno.test("allowances: a peer that was shut out comes back when the operator forgives it; a trusted one is never shut out", async () => {
  await inWorld({}, async (world) => {
    const friend = world.network.host();
    const node = world.node({ trusted: [{ peerId: friend.peerId, addresses: [] }] });
    await world.start(node);
    assert.equal(await openMany(friend, node, 100), 100);
    const flooder = world.network.host();
    await openMany(flooder, node, 100);
    assert.equal(await openMany(flooder, node, 1), 0);
    node.protocol.forgive(flooder.peerId);
    await world.pass(60_000);
    assert.equal(await openMany(flooder, node, 1), 1);
  });
});
