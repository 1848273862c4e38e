/** The status document decides once what is in sync, and every view agrees with it. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../src/base/mod.ts";
import {
  buildStatus,
  healthLine,
  progressOf,
  redactStatus,
  reportStatus,
  type StatusParts,
  targetOf,
} from "../../src/api/mod.ts";
import type { DiagnosisCode } from "../../src/sync/mod.ts";
import { EPOCH_CHAIN, metrics, NOW, parts, PEER, PROCESS } from "./support.ts";

const doc = (over: Partial<StatusParts> = {}) => buildStatus(parts(over), PROCESS);
const head = (height: number, ageSeconds: number) => ({
  ...parts().head,
  height,
  time: NOW - ageSeconds * 1000,
});

Deno.test("the document has the promised shape", () => {
  const d = doc();
  assert.equal(d.schema, 1);
  assert.equal(d.time, "2026-11-22T11:02:03.123Z");
  assert.equal(d.node.uptimeSeconds, 4_711);
  assert.deepEqual(d.sync.current, {
    height: 900,
    hash: "0x" + "ab".repeat(32),
    epoch: 3,
    timestamp: "2026-11-22T06:12:03.123Z",
    ageSeconds: 17_400,
  });
  assert.deepEqual(
    [d.sync.state, d.sync.mode, d.sync.behind, d.sync.percent, d.sync.inSync],
    ["syncing", "longRange", 500, 50, false],
  );
  assert.deepEqual(Object.keys(d), [
    "schema",
    "time",
    "node",
    "sync",
    "epochChain",
    "checkpoint",
    "anchor",
    "bodies",
    "streams",
    "requests",
    "server",
    "p2p",
    "store",
    "process",
    "clock",
    "config",
    "lastErrors",
  ]);
});

const STATES: ReadonlyArray<readonly [Partial<StatusParts>, string, string]> = [
  [{ phase: "starting" }, "starting", "longRange"],
  [{ phase: "stopping" }, "stopping", "longRange"],
  [{ phase: "paused" }, "paused", "longRange"],
  [{ phase: "waitingForStreams", target: undefined }, "waitingForStreams", "idle"],
  [{ client: false }, "disabled", "idle"],
  [{ stalled: true }, "stalled", "longRange"],
  [{ head: head(1_395, 4) }, "inSync", "shortRange"],
  [{ head: head(1_400, 4) }, "inSync", "idle"],
  [{ head: head(1_394, 4) }, "syncing", "shortRange"],
  [{ head: head(1_389, 4) }, "syncing", "longRange"],
  [{ head: head(1_400, 61) }, "syncing", "shortRange"],
  [{ head: head(1_400, 61), publicNetwork: false }, "inSync", "idle"],
  [{ head: head(2_000, 4) }, "inSync", "idle"],
  [{ epochRunning: true }, "syncing", "epoch"],
];

Deno.test("state and mode follow from the facts", () => {
  for (const [over, state, mode] of STATES) {
    const { sync } = doc(over);
    assert.deepEqual([sync.state, sync.mode], [state, mode], JSON.stringify(over));
  }
});

Deno.test("unknown is not in sync, and nothing is invented from it", () => {
  const { sync } = doc({ target: undefined, head: head(1_400, 1) });
  assert.deepEqual([sync.inSync, sync.target, sync.behind, sync.percent, sync.eta], [
    false,
    null,
    null,
    null,
    null,
  ]);
  assert.equal(sync.etaReason, "target unknown");
});

Deno.test("time left counts what the chain grows meanwhile, or says why there is none", () => {
  assert.deepEqual(doc().sync.eta, { seconds: 6, at: "2026-11-22T11:02:09.123Z", confidence: "high" });
  assert.equal(doc({ rate1m: 40 }).sync.eta?.confidence, "low");
  const slow = doc({ rate15m: 0.4 }).sync;
  assert.deepEqual([slow.eta, slow.etaReason], [null, "import slower than chain growth"]);
  assert.equal(doc({ rate1m: undefined, rate15m: undefined }).sync.etaReason, "speed not measured yet");
  assert.equal(doc({ head: head(1_400, 1) }).sync.eta?.seconds, 0);
});

Deno.test("the target is the upper median of enough fresh heights", () => {
  const at = (height: number, age = 1_000) => ({ height, at: NOW - age });
  const of = (reports: Array<{ height: number; at: number }>, need: number) =>
    targetOf(reports, { now: NOW, need })?.height;
  assert.equal(of([], 1), undefined);
  assert.equal(of([at(0), at(0)], 1), undefined);
  assert.equal(of([at(10)], 2), undefined);
  assert.equal(of([at(10), at(0)], 2), undefined);
  assert.equal(of([at(10), at(20, 61_000)], 2), undefined);
  assert.equal(of([at(10), at(20)], 2), 20);
  assert.equal(of([at(10), at(11), at(9_999_999)], 2), 11);
  assert.equal(targetOf([at(10, 500)], { now: NOW, need: 1 })?.source, "median of 1 stream");
});

Deno.test("every view agrees about being in sync, whatever the facts", async () => {
  const seed = 20_261_122;
  const random = new SeededRandom(seed);
  for (let i = 0; i < 300; i++) {
    const facts: Partial<StatusParts> = {
      head: head(random.int(1_500), random.int(120)),
      client: random.int(4) > 0,
      publicNetwork: random.int(2) > 0,
      stalled: random.int(3) === 0,
      phase: (["starting", "waitingForStreams", "running", "paused", "stopping"] as const)[random.int(5)] ??
        "running",
      target: random.int(4) === 0 ? undefined : { height: random.int(1_500), source: "x", asOf: NOW },
    };
    const d = doc(facts);
    const m = metrics();
    reportStatus(m, () => d);
    const gauge = Number(/^hmy_sync_in_sync\{.*\} (\S+)$/m.exec(await m.scrape())?.[1]);
    const what = `seed ${seed}, round ${i}: ${JSON.stringify(facts)}`;
    assert.equal(gauge === 1, d.sync.inSync, what);
    assert.equal(gauge === -1, d.sync.target === null, what);
    assert.equal(healthLine(d).startsWith("ok in-sync"), d.sync.inSync, what);
    if (d.sync.state === "inSync") assert.ok(d.sync.inSync, what);
    if (d.sync.inSync) assert.ok(d.sync.target !== null && (d.sync.behind ?? 99) <= 5, what);
  }
});

Deno.test("the redacted form has no peer, no address, no path, no setting", () => {
  const full = doc({
    waiting: [{ what: `block 7 from ${PEER} at /ip4/203.0.113.9/tcp/9000`, since: NOW }],
    diagnosis: [{
      code: "BAD_BLOCK",
      severity: "error",
      since: "2026-11-22T11:00:00Z",
      text: `block 5 was refused; it came from ${PEER}`,
      hint: "see /srv/harmony/latest or 203.0.113.9:9000",
    }],
    epochChain: EPOCH_CHAIN,
  });
  const text = JSON.stringify(redactStatus(full));
  for (
    const secret of [PEER, "203.0.113.9", "192.168.7.9", "/ip4", "/srv", "/etc", "secret", "CFG-UNK-KEY"]
  ) {
    assert.ok(!text.includes(secret), `${secret} in ${text}`);
  }
  assert.equal(redactStatus(full).sync.current.height, 900);
  assert.equal(redactStatus(full).streams.protocols[0]?.active, 5);
  assert.equal(redactStatus(full).epochChain?.head?.number, 132);
  assert.ok(JSON.stringify(full).includes(PEER), "the original must not change");
});

Deno.test("the health line is one line for probes", () => {
  assert.equal(healthLine(doc()), "not-in-sync height=900 behind=500 eta=6s streams=5");
  assert.equal(healthLine(doc({ head: head(1_400, 3) })), "ok in-sync height=1400 behind=0 streams=5");
  assert.equal(
    healthLine(doc({ target: undefined })),
    "not-in-sync height=900 behind=unknown eta=unknown streams=5",
  );
});

Deno.test("progress is a view of the document", () => {
  const p = progressOf(doc({ waiting: [{ what: "a stream", since: NOW }] }), 400, 2_100_000);
  assert.deepEqual([p.height, p.target, p.stage, p.etaSeconds, p.streams.need, p.note], [
    900,
    1_400,
    "States",
    6,
    3,
    "a stream",
  ]);
  assert.deepEqual(p.rates, { hashes: 812.4, bodies: 305.1, insert: 96.2 });
});

Deno.test("the note says what is waited for and what is wrong, and leaves out what was said at the start", () => {
  const finding = (code: DiagnosisCode, severity: "info" | "warn", text: string) => ({
    code,
    severity,
    text,
    hint: "wait",
    since: "2026-11-23T00:00:00.000Z",
  });
  const old = finding("CHECKPOINT_OLD", "warn", "the checkpoint is 120 days old");
  const refused = finding("PROTOCOL_REFUSED", "warn", "4 peers say nothing; the next try is in 45 s");
  const waiting = [{ what: "a stream to a peer", since: NOW }];
  const note = (over: Parameters<typeof doc>[0]) => progressOf(doc(over), 400, undefined).note;
  assert.equal(
    note({ waiting, diagnosis: [old, refused] }),
    "a stream to a peer; 4 peers say nothing; the next try is in 45 s",
  );
  assert.equal(note({ waiting, diagnosis: [old] }), "a stream to a peer");
  assert.equal(note({ diagnosis: [finding("IDLE_IN_SYNC", "info", "in sync"), old] }), "in sync");
  assert.equal(note({ diagnosis: [old] }), undefined);
});

Deno.test("the epoch chain's height and age are gauges of their own chain", async () => {
  const m = metrics();
  reportStatus(m, () => doc({ epochChain: EPOCH_CHAIN }));
  const text = await m.scrape();
  assert.match(text, /^hmy_sync_current_height\{ShardID="0",chain="beacon"\} 132$/m);
  assert.match(text, /^hmy_sync_head_age_seconds\{ShardID="0",chain="beacon"\} 60$/m);
  const without = metrics();
  reportStatus(without, () => doc());
  assert.doesNotMatch(await without.scrape(), /^hmy_sync_current_height\{.*chain="beacon"/m);
});

Deno.test("thresholds and the next discovery run are gauges too", async () => {
  const [protocol] = parts().protocols;
  assert.ok(protocol !== undefined);
  const nextAt = new Date(NOW + 40_000).toISOString();
  const d = doc({ protocols: [{ ...protocol, discovery: { ...protocol.discovery, nextAt } }] });
  const m = metrics();
  reportStatus(m, () => d);
  const text = await m.scrape();
  assert.match(text, /^hmy_stream_num_required_streams\{topic="[^"]+",kind="min"\} 3$/m);
  assert.match(text, /^hmy_stream_discovery_next_run_seconds\{topic="[^"]+"\} 40$/m);
});

Deno.test("who the node is stands in the metrics once it is known, as 1 however often they are read", async () => {
  let peerId = "";
  const m = metrics();
  reportStatus(m, () => doc({ peerId }));
  assert.doesNotMatch(await m.scrape(), /^hmy_node_metadata\{/m);
  peerId = PEER;
  for (let i = 0; i < 2; i++) {
    const text = await m.scrape();
    assert.match(text, new RegExp(`^hmy_node_metadata\\{key="peerid",value="${PEER}"\\} 1$`, "m"));
    assert.match(text, /^hmy_node_metadata\{key="version",value="[^"]+"\} 1$/m);
  }
});
