/** What a node says about its epoch chain and its checkpoints. */
import assert from "node:assert/strict";
import { epochFindings, type TrustFacts, workerFindings } from "../../src/node/findings.ts";
import type { BeaconCheckStatus, EpochStatus } from "../../src/sync/mod.ts";

const EPOCHS: EpochStatus = {
  origin: "genesis",
  base: undefined,
  baseTime: undefined,
  head: undefined,
  headTime: undefined,
  epoch: 9,
  target: 8,
  caughtUp: true,
  streams: 1,
  delivering: 1,
  rate: 0,
  waiting: undefined,
  refused: undefined,
  failed: undefined,
};
const CHECKED: BeaconCheckStatus = { unchecked: 0, checked: 5, contradicted: undefined };
const facts = (over: Partial<TrustFacts> = {}): TrustFacts => ({
  protocols: [],
  epochs: { epochs: EPOCHS, check: CHECKED },
  checkpoint: undefined,
  anchor: undefined,
  awaited: undefined,
  joined: true,
  unadvertised: undefined,
  ...over,
});
const waiting = { what: "a stream that serves the epoch chain", since: 0 };
const base = { epoch: 6, number: 100, hash: new Uint8Array(32) };
const anchor = { block: "0:5:0xab", announced: "2026-08-13", ageDays: 102, old: true };
const old = { given: [], chainFrom: 100, epochChainFrom: null, ageDays: 120, old: true };

const CASES: ReadonlyArray<readonly [string, Partial<TrustFacts>, ReadonlyArray<readonly [string, RegExp]>]> =
  [
    ["all is well", {}, []],
    ["shard 0", { epochs: undefined }, []],
    ["nobody gives epochs", { epochs: { epochs: { ...EPOCHS, waiting }, check: CHECKED } }, [
      ["EPOCH_CHAIN", /up to epoch 9 and waits for a stream/],
    ]],
    [
      "committees on the shard's own word",
      { epochs: { epochs: { ...EPOCHS, waiting }, check: { ...CHECKED, unchecked: 2 } } },
      [["EPOCH_CHAIN", /^the committees of 2 epochs stand on the shard's own word: .* waiting for a stream/]],
    ],
    [
      "an epoch chain that begins above the shard's",
      { epochs: { epochs: { ...EPOCHS, origin: "checkpoint", base }, check: { ...CHECKED, unchecked: 1 } } },
      [["EPOCH_CHAIN", /^the committees of 1 epoch stands .* the epoch chain begins at epoch 6/]],
    ],
    ["an epoch chain that has ended", {
      epochs: { epochs: { ...EPOCHS, failed: "two blocks" }, check: CHECKED },
    }, [
      ["EPOCH_CHAIN", /cannot go on: two blocks/],
    ]],
    [
      "a beacon chain that contradicts",
      {
        epochs: {
          epochs: EPOCHS,
          check: { ...CHECKED, contradicted: { epoch: 7, text: "other committees" } },
        },
      },
      [["BEACON_CONTRADICTS", /other committees/]],
    ],
    ["a checkpoint that nobody gives", { awaited: "0:100:0x00", epochs: undefined }, [
      ["CHECKPOINT_AWAITED", /0:100:0x00, and none of 0 streams/],
    ]],
    ["the same before the network", { awaited: "0:100:0x00", epochs: undefined, joined: false }, []],
    ["an old anchor", { anchor }, [["CHECKPOINT_OLD", /0:5:0xab\) was announced 102 days ago/]]],
    ["an old anchor under a young checkpoint", {
      anchor,
      checkpoint: { ...old, ageDays: 3, old: false },
    }, []],
    ["an old checkpoint under a young anchor", {
      anchor: { ...anchor, ageDays: 3, old: false },
      checkpoint: old,
    }, []],
    ["an old checkpoint", { checkpoint: old }, [["CHECKPOINT_OLD", /120 days old/]]],
    ["a young one", { checkpoint: { ...old, old: false } }, []],
    ["no history to serve", { unadvertised: "not told" }, [["NO_HISTORY", /not told/]]],
  ];

for (const [what, over, expected] of CASES) {
  Deno.test(`findings: ${what}`, () => {
    const found = epochFindings(facts(over));
    assert.deepEqual(found.map((f) => f.code), expected.map(([code]) => code));
    for (const [i, [, text]] of expected.entries()) {
      assert.match(found[i]?.text ?? "", text);
      assert.ok((found[i]?.hint ?? "").length > 0);
    }
  });
}

Deno.test("certificates on the main thread are told, with how many wait", () => {
  const stats = { workers: 0, busy: 0, queued: 3 };
  assert.deepEqual(workerFindings({ inProcess: false, stats }), []);
  const [finding] = workerFindings({ inProcess: true, stats });
  assert.equal(finding?.code, "NO_WORKERS");
  assert.match(finding.text, /main thread, 3 wait/);
});
