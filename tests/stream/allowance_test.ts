/** Allowances belong to peers: a new stream brings no new ones. */
import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/mod.ts";
import { Allowances } from "../../src/stream/allowance.ts";
import { BUSY_ABUSE, BUSY_WINDOW_MS, EMPTY_PER_MINUTE } from "../../src/stream/constants.ts";
import { inWorld, TOPIC } from "./support/node.ts";
import { answerHeights, RawPeer, settle } from "./support/raw_peer.ts";
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
