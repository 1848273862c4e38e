/** Traffic figures, recent errors, event-loop delay, banner. */
import assert from "node:assert/strict";
import { ManualClock, nullMeter } from "../../src/base/mod.ts";
import { ageText, bannerLines, EventLoopMonitor, RecentErrors, TrafficMeter } from "../../src/api/mod.ts";
import { load } from "../config/support.ts";
import { metrics, PEER, TOPIC } from "./support.ts";

Deno.test("traffic figures are of the last minute, and every call goes on", async () => {
  const clock = new ManualClock();
  const real = metrics();
  const meter = new TrafficMeter(real, clock);
  const labels = { topic: TOPIC, request_type: "getBlockHashes" };
  for (let i = 0; i < 30; i++) {
    meter.inc("hmy_stream_sync_server_request", labels);
    meter.inc("hmy_stream_bytes_read", {}, 1_000);
    meter.observe("hmy_stream_server_request_delay", {}, i === 29 ? 0.5 : 0.001);
    await clock.advance(1_000);
  }
  assert.equal(meter.server().requestsPerMinute, 30);
  assert.equal(meter.server().limiterWaitMsP95, 1);
  assert.equal(meter.bytesPerSecond(), 900);
  await clock.advance(35_000);
  assert.equal(meter.server().requestsPerMinute, 24);
  assert.equal(meter.bytesPerSecond(), 0);
  await clock.advance(600_000);
  assert.equal(meter.server().requestsPerMinute, 0);
  assert.match(await real.scrape(), /^hmy_stream_bytes_read 30000$/m);
});

Deno.test("streams are counted by topic", () => {
  const meter = new TrafficMeter(nullMeter, new ManualClock());
  meter.inc("hmy_stream_added_streams", { topic: "a" }, 0);
  meter.inc("hmy_stream_added_streams", { topic: "a" });
  meter.inc("hmy_stream_removed_streams", { topic: "a" });
  meter.inc("hmy_stream_stream_critical_errors", { topic: "b" });
  assert.deepEqual(meter.streams("a"), { added: 1, removed: 1, removedCritical: 0 });
  assert.deepEqual(meter.streams("b"), { added: 0, removed: 0, removedCritical: 1 });
});

Deno.test("recent errors keep the newest twenty, safe to show", () => {
  const errors = new RecentErrors();
  for (let i = 0; i < 30; i++) {
    errors.sink({
      time: i,
      level: i % 2 === 0 ? "info" : "warn",
      area: "p2p",
      message: `m${i}`,
      fields: { code: "C", peer: PEER, error: new Error("\u001b[2J") },
    });
  }
  const list = errors.list();
  assert.equal(list.length, 15);
  assert.deepEqual([list[0]?.text, list[0]?.code, list[0]?.peer], ["m29: \\u001b[2J", "C", PEER]);
});

Deno.test("event-loop delay is how late ticks come", async () => {
  const clock = new ManualClock();
  const monitor = new EventLoopMonitor(clock);
  assert.equal(monitor.p99Ms(), 0);
  await clock.advance(1_000);
  assert.equal(monitor.p99Ms(), 0);
  monitor.stop();
  assert.equal(clock.pending, 0);
});

Deno.test("ages read in two units at most", () => {
  assert.deepEqual([12.7, 89, 11_520, 180_000, -5].map(ageText), ["12s", "1m29s", "3h12m", "2d2h", "0s"]);
});

Deno.test("the banner keeps the two lines that scripts look for", () => {
  const lines = bannerLines({
    loaded: load("-n testnet --shard 0 --sync.min-peers 2"),
    chainId: 2n,
    ethChainId: 1_666_700_000n,
    storePath: "/srv/harmony_kv_0",
    head: { height: 54_321_987, hash: "0x9ab1234567", ageSeconds: 11_520 },
    peerId: PEER,
    topics: [TOPIC],
    listen: ["/ip4/0.0.0.0/tcp/9000"],
    statusUrl: "http://127.0.0.1:9900",
    assurance: "blocks are only linked",
  });
  assert.ok(lines.includes(`My peer id:  ${PEER}`));
  assert.ok(lines.includes(`My proto id: ${TOPIC}`));
  assert.ok(
    lines.some((l) => l.includes("head 54,321,987 (0x9ab12345…)   age 3h12m   blocks are only linked")),
  );
  assert.ok(lines.some((l) => l.includes("no file + 3 flags")));
});
