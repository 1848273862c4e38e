import assert from "node:assert/strict";
import { decide, type DriverFacts, type DriverState } from "../../src/sync/driver_state.ts";

const FACTS: DriverFacts = {
  previous: "LongRange",
  streams: 4,
  wanted: 4,
  streamsForMs: 60_000,
  head: 100,
  target: 1_000,
  writable: true,
  stopAt: undefined,
  fullShortRuns: 0,
};

Deno.test("the state follows from the facts", () => {
  const table: Array<[string, Partial<DriverFacts>, DriverState]> = [
    ["far behind", {}, "LongRange"],
    ["ten to go", { target: 110 }, "ShortRange"],
    ["eleven to go", { target: 111 }, "LongRange"],
    ["eleven to go, short range before", { target: 111, previous: "ShortRange" }, "ShortRange"],
    ["256 to go, short range before", { target: 356, previous: "ShortRange" }, "ShortRange"],
    ["257 to go, short range before", { target: 357, previous: "ShortRange" }, "LongRange"],
    ["three full windows", { target: 120, previous: "ShortRange", fullShortRuns: 3 }, "LongRange"],
    ["nothing to go", { target: 100 }, "Synced"],
    ["head above the target", { target: 90 }, "Synced"],
    ["head far above a tiny target", { target: 1, head: 2 ** 50 }, "Synced"],
    ["no streams", { streams: 0, streamsForMs: undefined }, "WaitingPeers"],
    [
      "few streams at the start",
      { streams: 1, streamsForMs: 9_999, previous: "WaitingPeers" },
      "WaitingPeers",
    ],
    ["few streams, grace over", { streams: 1, streamsForMs: 10_000, previous: "WaitingPeers" }, "LongRange"],
    ["few streams in the middle", { streams: 1, streamsForMs: 5 }, "LongRange"],
    ["target unknown", { target: undefined }, "WaitingPeers"],
    ["target unknown, in sync before", { target: undefined, previous: "Synced" }, "Synced"],
    ["disk nearly full", { writable: false }, "Paused"],
    ["disk nearly full and no streams", { writable: false, streams: 0 }, "Paused"],
    ["asked height reached", { stopAt: 100 }, "Finished"],
    ["asked height passed, no streams", { stopAt: 50, streams: 0 }, "Finished"],
    ["asked height ahead", { stopAt: 101 }, "LongRange"],
  ];
  for (const [what, change, state] of table) assert.equal(decide({ ...FACTS, ...change }).state, state, what);
});

Deno.test("every state that does not work says what it waits for", () => {
  assert.equal(decide({ ...FACTS, streams: 0 }).waitsFor, "streams");
  assert.equal(decide({ ...FACTS, writable: false }).waitsFor, "disk");
  assert.equal(decide({ ...FACTS, target: undefined }).waitsFor, "heights");
  const starting = { ...FACTS, streams: 1, streamsForMs: 0, previous: "WaitingPeers" as const };
  assert.equal(decide(starting).waitsFor, "moreStreams");
  assert.equal(decide(FACTS).waitsFor, undefined);
});

Deno.test("going on with fewer streams than wanted is marked", () => {
  assert.equal(decide(FACTS).degraded, false);
  assert.equal(decide({ ...FACTS, streams: 3 }).degraded, true);
});
