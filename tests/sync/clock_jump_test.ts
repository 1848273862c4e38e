/** The wall clock is set while a node works (T-41): nothing that is counted in elapsed time may notice. */
import assert from "node:assert/strict";
import { createLogger, type LogRecord, ManualClock } from "../../src/base/mod.ts";
import { HeightBook } from "../../src/sync/height.ts";
import { madeChain } from "./support/chains.ts";
import { Rig } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";

const CHAIN = madeChain(900);
const HOUR = 3_600_000;

for (const jump of [HOUR, -HOUR]) {
  // T-41
  Deno.test(`clock: set by ${jump / HOUR} h, heights go on counting and new blocks are taken as before`, async () => {
    const rig = new Rig(new FakeStore(CHAIN), { minPeers: 3, initStreams: 3 });
    let height = 800;
    for (let i = 0; i < 3; i++) {
      rig.peers.add(`p${i}`, {
        chain: CHAIN,
        latencyMs: 100,
        claims: () => height,
      });
    }
    rig.driver.start();
    await rig.untilHead(200, 60_000);
    rig.clock.jump(jump);
    await rig.untilHead(800, 60_000);
    rig.clock.jump(-2 * jump);
    const requests = rig.peers.requests.length;
    await rig.clock.advance(20_000);
    assert.ok(rig.peers.requests.length - requests <= 60, "no storm of questions");
    while (height < 805) await rig.untilHead(++height, 5_000);
    await rig.clock.advance(5_000);
    assert.deepEqual(rig.peers.removed, []);
    assert.equal(rig.driver.status().driver, "Synced");
    await rig.stop();
  });

  // T-41
  Deno.test(`clock: set by ${jump / HOUR} h, a wait is named once a minute all the same`, async () => {
    const clock = new ManualClock();
    const logs: LogRecord[] = [];
    const logger = createLogger({ level: "warn", sinks: [(r) => logs.push(r)], now: () => clock.now() });
    const rig = new Rig(new FakeStore(CHAIN), { clock, logger });
    rig.driver.start();
    await clock.advance(125_000);
    clock.jump(jump);
    await clock.advance(300_000);
    const named = logs.filter((l) => l.message.startsWith("waiting for a stream"));
    assert.ok(named.length >= 6 && named.length <= 8, `${named.length} warnings in seven minutes`);
    await rig.stop();
  });
}

// T-41
Deno.test("clock: a claim made after the clock was set back replaces the one before", () => {
  const clock = new ManualClock();
  const book = new HeightBook(clock);
  book.note("a", 7, clock.now());
  book.discredit("a", 5);
  clock.jump(-HOUR);
  book.note("a", 9, clock.now());
  assert.equal(book.claimed("a"), 9);
  assert.equal(book.effective("a"), 5);
  clock.jump(2 * HOUR);
  assert.equal(book.effective("a"), 5, "discredit is a matter of elapsed time");
  assert.deepEqual(book.claims(1_000).map((c) => c.at), [clock.now()]);
});
