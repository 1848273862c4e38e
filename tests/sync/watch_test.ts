/** A node that gets nowhere helps itself to other peers, and blames nobody for it. */
import assert from "node:assert/strict";
import { createLogger, type LogRecord, ManualClock } from "../../src/base/mod.ts";
import { madeChain } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = madeChain(300);
const MINUTE = 60_000;

function watched(): { rig: Rig; renewals: () => LogRecord[] } {
  const clock = new ManualClock();
  const logs: LogRecord[] = [];
  const logger = createLogger({ level: "warn", sinks: [(r) => logs.push(r)], now: () => clock.now() });
  const rig = new Rig(new FakeStore(CHAIN), { clock, logger, minPeers: 2, initStreams: 2 });
  return { rig, renewals: () => logs.filter((l) => l.fields["code"] === "STREAMS_RENEWED") };
}

Deno.test("watch: ten minutes without a block, and half of the streams make way; again ten minutes later, not before", async () => {
  const { rig, renewals } = watched();
  for (let i = 0; i < 5; i++) {
    rig.peers.add(`empty${i}`, {
      chain: CHAIN,
      hashes: (numbers) => numbers.map(() => undefined),
    });
  }
  rig.driver.start();
  await rig.clock.advance(10 * MINUTE - 10_000);
  assert.equal(renewals().length, 0);
  assert.equal(rig.peers.streams().length, 5);
  await rig.clock.advance(30_000);
  assert.equal(renewals().length, 1);
  assert.equal(rig.peers.streams().length, 3);
  await rig.clock.advance(9 * MINUTE);
  assert.equal(renewals().length, 1);
  await rig.clock.advance(MINUTE + 30_000);
  assert.equal(rig.peers.streams().length, 2);
  assert.deepEqual(rig.peers.reports, []);
  assert.ok(rig.peers.removed.every((r) => r.fault === "NONE"));
  rig.peers.add("good", { chain: CHAIN });
  await rig.untilHead(300, MINUTE);
  await rig.stop();
});

Deno.test("watch: those that have something to give stay longest", async () => {
  const { rig } = watched();
  const silent = (kind: string) => kind !== "height";
  rig.peers.add("ahead", {
    chain: CHAIN,
    fails: () => undefined,
    hashes: (numbers) => numbers.map(() => undefined),
  });
  rig.peers.add("ahead too", { chain: CHAIN, hashes: (numbers) => numbers.map(() => undefined) });
  rig.peers.add("new", { chain: CHAIN, claims: () => 0, silent });
  rig.peers.add("new too", { chain: CHAIN, claims: () => 0, silent });
  rig.driver.start();
  await rig.clock.advance(10 * MINUTE + 30_000);
  assert.deepEqual(rig.peers.streams().map((s) => s.id), ["ahead", "ahead too"]);
  await rig.stop();
});

Deno.test("watch: a node in sync, and one that is alone, give nothing up", async () => {
  const { rig, renewals } = watched();
  for (const id of ["a", "b"]) rig.peers.add(id, { chain: CHAIN });
  rig.driver.start();
  await rig.untilHead(300);
  await rig.clock.advance(30 * MINUTE);
  assert.equal(renewals().length, 0);
  rig.peers.remove("a");
  rig.peers.remove("b");
  await rig.clock.advance(30 * MINUTE);
  assert.equal(renewals().length, 0);
  await rig.stop();
});
