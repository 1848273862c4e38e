/** Durations and the nearest name. */
import assert from "node:assert/strict";
import { formatDuration, parseDuration } from "../../src/config/duration.ts";
import { nearest } from "../../src/config/nearest.ts";
import { compareVersions } from "../../src/config/version.ts";

Deno.test("durations are read as Go reads them", () => {
  const cases: ReadonlyArray<readonly [string, number | undefined]> = [
    ["1m0s", 60_000],
    ["30m0s", 1_800_000],
    ["1h2m3.5s", 3_723_500],
    ["500ms", 500],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["2us", 0.002],
    ["2µs", 0.002],
    ["7ns", 0.000007],
    ["-1s", -1_000],
    ["+1s", 1_000],
    ["0", 0],
    ["", undefined],
    ["5", undefined],
    ["1 m", undefined],
    ["1d", undefined],
    ["s", undefined],
    ["1m30", undefined],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

Deno.test("durations are written as Go writes them, and read back the same", () => {
  const cases: ReadonlyArray<readonly [number, string]> = [
    [60_000, "1m0s"],
    [3_600_000, "1h0m0s"],
    [90_500, "1m30.5s"],
    [30_000, "30s"],
    [250, "250ms"],
    [1.5, "1.5ms"],
    [0.002, "2µs"],
    [0.000007, "7ns"],
    [0, "0s"],
    [-1_000, "-1s"],
  ];
  for (const [ms, text] of cases) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
});

Deno.test("the nearest name is near, or there is none", () => {
  const names = ["sync.concurrency", "sync.min-peers", "p2p.port", "run"];
  assert.equal(nearest("sync.concurency", names), "sync.concurrency");
  assert.equal(nearest("SYNC.MINPEERS", names), "sync.min-peers");
  assert.equal(nearest("p2p.prot", names), "p2p.port");
  assert.equal(nearest("zzzzzz", names), undefined);
  assert.equal(nearest("x".repeat(10_000), names), undefined);
});

Deno.test("versions compare by their numbers", () => {
  assert.ok(compareVersions("2.5.9", "2.5.10") < 0);
  assert.ok(compareVersions("2.6", "2.5.14") > 0);
  assert.equal(compareVersions("2.6.6", "v2.6.6"), 0);
  assert.ok(compareVersions("unreadable", "99.0.0") > 0);
});
