import assert from "node:assert/strict";
import { cancelled, HsyncError, ManualClock, nullMeter } from "../../src/base/mod.ts";
import { diagnose, DiagnosisLog, type SyncFacts } from "../../src/sync/diagnosis.ts";
import { errorLabel } from "../../src/sync/error_label.ts";
import { GrowthMeter, RateMeter } from "../../src/sync/rates.ts";
import { StageTracker } from "../../src/sync/stage_tracker.ts";
import { StreamLedger } from "../../src/sync/stream_ledger.ts";
import { Troubles } from "../../src/sync/troubles.ts";
import { recordedChain } from "./support/certified.ts";
import { FakeStore } from "./support/store.ts";

const FACTS: SyncFacts = {
  streams: 4,
  minPeers: 4,
  initStreams: 4,
  starting: false,
  writable: true,
  heights: 4,
  heightsNeeded: 4,
  head: 100,
  target: 200,
  headAgeSeconds: 10,
  starved: undefined,
  refused: undefined,
  importSlowerThanChain: false,
  storeTrouble: undefined,
};

Deno.test("each trouble has its code, the likeliest first", () => {
  const table: Array<[string, Partial<SyncFacts>, string[]]> = [
    ["syncing", {}, []],
    ["in sync", { target: 100 }, ["IDLE_IN_SYNC"]],
    ["in sync with an old head", { target: 100, headAgeSeconds: 121 }, ["PEERS_BEHIND"]],
    ["peers below us", { target: 90, headAgeSeconds: 500 }, ["PEERS_BEHIND"]],
    ["starting", { starting: true, streams: 2, target: undefined }, ["STREAMS_BELOW_INIT", "TARGET_UNKNOWN"]],
    ["few streams", { streams: 3 }, ["STREAMS_BELOW_MIN"]],
    ["no streams", { streams: 0, target: undefined }, ["STREAMS_BELOW_MIN"]],
    ["no heights", { target: undefined }, ["TARGET_UNKNOWN"]],
    ["no old blocks", { starved: { why: "noHashes", number: 101 } }, ["RANGE_UNAVAILABLE"]],
    ["no bodies", { starved: { why: "noBodies", number: 101 } }, ["RANGE_UNAVAILABLE"]],
    ["another chain", { starved: { why: "noLink", number: 101 } }, ["BAD_BLOCK"]],
    ["refused", { refused: { number: 101, text: "no", from: "x", peers: 1 } }, ["BAD_BLOCK"]],
    ["slow", { importSlowerThanChain: true }, ["IMPORT_TOO_SLOW"]],
    ["disk", { writable: false }, ["DISK_LOW"]],
    ["store", { storeTrouble: "EIO" }, ["DISK_LOW"]],
  ];
  for (const [what, change, codes] of table) {
    assert.deepEqual(diagnose({ ...FACTS, ...change }).map((f) => f.code), codes, what);
  }
});

Deno.test("a block that many peers were convicted for may be right, and us wrong: the hint says what to do", () => {
  const clock = new ManualClock();
  const troubles = new Troubles(clock, new FakeStore(recordedChain(0)));
  const bad = () => diagnose({ ...FACTS, refused: troubles.refused }).find((f) => f.code === "BAD_BLOCK");
  const culprit = { streamId: "p0", reason: "invalid_blocks", text: "no" } as const;
  troubles.blockRefused({
    number: 101,
    label: "bad_body",
    text: "no",
    culprits: [culprit],
    remedy: "anotherCandidate",
  });
  for (const peer of ["p0", "p1", "p2", "p2"]) troubles.convicted(peer);
  assert.match(bad()?.text ?? "", /came from p0, and 2 more sent what is wrong$/);
  assert.equal(bad()?.hint, "another peer is asked for it");
  troubles.convicted("p3");
  assert.match(bad()?.hint ?? "", /a newer one, and end their cooldowns with: hsync streams forgive all$/);
  for (let i = 0; i < 1_000; i++) troubles.convicted(`x${i}`);
  assert.equal(troubles.refused?.peers, 64);
  troubles.committed(100);
  assert.equal(troubles.refused?.peers, 0, "the chain grew: not everybody was wrong");
  troubles.committed(101);
  assert.equal(bad(), undefined);
});

Deno.test("a finding keeps the time when it first applied", () => {
  const log = new DiagnosisLog();
  const low = diagnose({ ...FACTS, streams: 1 });
  assert.equal(log.update(low, 1_000)[0]?.since, "1970-01-01T00:00:01.000Z");
  assert.equal(log.update(low, 9_000)[0]?.since, "1970-01-01T00:00:01.000Z");
  log.update([], 10_000);
  assert.equal(log.update(low, 20_000)[0]?.since, "1970-01-01T00:00:20.000Z");
});

Deno.test("errors become labels of the closed list, never texts", () => {
  const table: Array<[unknown, string]> = [
    [cancelled("x"), "canceled"],
    [new HsyncError("NO_HASHES", "…"), "zero_hash"],
    [new HsyncError("STORE_WRITE_FAILED", "…"), "storage"],
    [new HsyncError("STORE_DISK_LOW", "…"), "storage"],
    [new HsyncError("NO_STREAMS", "…"), "no_streams"],
    [new HsyncError("WHATEVER", "…", { fault: "TIMEOUT" }), "timeout"],
    [new HsyncError("WHATEVER", "…", { fault: "DATA" }), "bad_body"],
    [new Error("peer 12D3Koo said no"), "other"],
    ["text", "other"],
  ];
  for (const [error, label] of table) assert.equal(errorLabel(error), label);
});

Deno.test("rates are blocks over elapsed time within the window", () => {
  const rate = new RateMeter();
  rate.add(0, 0);
  for (let s = 1; s <= 100; s++) rate.add(10, s * 1_000);
  assert.equal(rate.total, 1_000);
  assert.ok(Math.abs(rate.minute(100_000) - 10) < 0.5, `${rate.minute(100_000)}`);
  assert.ok(Math.abs(rate.quarter(100_000) - 10) < 0.2, `${rate.quarter(100_000)}`);
  assert.ok(rate.minute(130_000) < 6);
  assert.equal(rate.minute(300_000), 0);
});

Deno.test("the growth of the chain is taken from header times", () => {
  const growth = new GrowthMeter();
  assert.equal(growth.perSecond, undefined);
  growth.add({ number: 1, seconds: 100 }, { number: 101, seconds: 300 });
  assert.equal(growth.perSecond, 0.5);
  growth.add({ number: 5, seconds: 100 }, { number: 5, seconds: 100 });
  assert.equal(growth.perSecond, 0.5);
});

Deno.test("one stage runs at a time, and progress is shown against the cycle's bounds", () => {
  const tracker = new StageTracker(new ManualClock(), nullMeter, "0");
  assert.equal(tracker.running, undefined);
  tracker.bounds(100, 200);
  tracker.begin("States");
  tracker.step("States", 125);
  assert.equal(tracker.running, "States");
  const shown = tracker.status(new Map([["States", 9]])).find((s) => s.name === "States");
  assert.deepEqual(shown, {
    name: "States",
    state: "running",
    height: 125,
    perSecond: 9,
    from: 100,
    to: 200,
    percent: 25,
  });
  tracker.end("States");
  tracker.skipped("ShortRange", "far");
  assert.equal(tracker.running, undefined);
  tracker.reset();
  assert.ok(tracker.status(new Map()).every((s) => s.state === "waiting"));
});

function ledger(...ids: string[]): StreamLedger {
  const l = new StreamLedger();
  l.sync(new Set(ids), 0);
  return l;
}

Deno.test("a stream has one question; overdue, it keeps the stream busy but frees its slot", () => {
  const l = ledger("a", "b");
  l.begin("a", "bodies", 0);
  assert.deepEqual(l.idle(0), ["b"]);
  assert.equal(l.inFlight(1_999), 1);
  assert.equal(l.inFlight(2_000), 0);
  assert.deepEqual(l.idle(2_000), ["b"]);
  assert.equal(l.responsive("a", 2_000), false);
  assert.equal(l.nextChange(0), 2_000);
});

Deno.test("overdue is four times the usual, within 2 and 15 seconds", () => {
  const l = ledger("a");
  const usual = (ms: number) => {
    for (let i = 0; i < 60; i++) l.succeed("a", "bodies", ms, 10, 10_000);
    return l.overdueMs("bodies");
  };
  assert.equal(usual(50), 2_000);
  assert.ok(Math.abs(usual(1_000) - 4_000) < 50);
  assert.equal(usual(20_000), 15_000);
});

Deno.test("the best stream comes first: few failures, then proven, then fast", () => {
  const l = ledger("new", "slow", "fast", "failing");
  l.succeed("slow", "bodies", 1_000, 10, 10_000);
  l.succeed("fast", "bodies", 10, 10, 10_000);
  l.fail("failing", 0, true);
  assert.deepEqual(l.idle(60_000), ["fast", "slow", "new", "failing"]);
});

Deno.test("a failing stream rests, longer each time, up to ten seconds; a success ends that", () => {
  const l = ledger("a");
  const rests: number[] = [];
  for (let i = 0; i < 9; i++) {
    l.fail("a", 0, true);
    rests.push(l.nextChange(0) ?? 0);
  }
  assert.deepEqual(rests, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  l.succeed("a", "hashes", 5, 0, 0);
  assert.deepEqual(l.idle(0), ["a"]);
});

Deno.test("a stream caught lying gets nothing to do for ten minutes, even if it stays", () => {
  const l = ledger("a");
  l.distrust("a", 0);
  assert.deepEqual(l.idle(599_999), []);
  assert.deepEqual(l.idle(600_000), ["a"]);
});

Deno.test("requests shrink for big blocks, not below three", () => {
  const l = ledger("a");
  assert.equal(l.batch, 10);
  l.succeed("a", "bodies", 10, 10, 10 * 1_500_000);
  assert.equal(l.batch, 5);
  for (let i = 0; i < 50; i++) l.succeed("a", "bodies", 10, 4, 4 * 8_000_000);
  assert.equal(l.batch, 3);
});
