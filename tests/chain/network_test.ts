/** Network tables: every number that the format description quotes. */
import assert from "node:assert/strict";
import { ExitCode, HsyncError } from "../../src/base/mod.ts";
import {
  type EpochSchedule,
  FORK_TO_BE_DECIDED,
  formatDec,
  isForkActive,
  NETWORK_NAMES,
  type NetworkName,
  networkParams,
  parseDec,
  parseNetworkName,
} from "../../src/chain/mod.ts";
import { recordedBlocks, vectorJson } from "../vectors/load.ts";

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HsyncError && error.code === code;
}

Deno.test("names and aliases lead to networks, anything else to a usage error", () => {
  for (const name of NETWORK_NAMES) assert.equal(parseNetworkName(name), name);
  const aliases = {
    staking: "pangaea",
    stk: "pangaea",
    stress: "stressnet",
    stn: "stressnet",
    dev: "devnet",
  };
  for (const [alias, name] of Object.entries(aliases)) assert.equal(parseNetworkName(alias), name);
  for (const bad of ["", "Mainnet", "main", "toString", "\u001b[2J"]) {
    assert.throws(
      () => parseNetworkName(bad),
      (e) => e instanceof HsyncError && e.code === "NETWORK_UNKNOWN" && e.exitCode === ExitCode.USAGE,
      bad,
    );
  }
});

/** Heights must fall into epochs without a gap, and first and last blocks must agree with both directions. */
function checkConsistency(schedule: EpochSchedule, epochs: readonly number[], what: string): void {
  for (const epoch of epochs) {
    const first = schedule.firstBlock(epoch);
    const last = schedule.lastBlock(epoch);
    const where = `${what}, epoch ${epoch}`;
    assert.ok(last >= first, where);
    assert.equal(schedule.firstBlock(epoch + 1), last + 1, where);
    for (const number of [first, last]) assert.equal(schedule.epochOf(number), epoch, where);
    assert.ok(schedule.isLastBlock(last), where);
    assert.ok(last === first || !schedule.isLastBlock(first), where);
    assert.ok(last === first || !schedule.isLastBlock(last - 1), where);
    if (first > 0) assert.equal(schedule.epochOf(first - 1), epoch - 1, where);
  }
}

Deno.test("mainnet epochs end where the reference's tests say", () => {
  const { schedule } = networkParams("mainnet");
  const cases: Array<[number, number, boolean]> = [
    [0, 0, false],
    [344_063, 0, true],
    [344_064, 1, false],
    [360_447, 1, true],
    [6_209_535, 358, true],
    [6_324_223, 365, true],
    [6_324_224, 366, false],
    [6_356_991, 366, true],
    [6_389_759, 367, true],
    [6_389_777, 368, false],
    // Real blocks of the public headers.
    [1_753_086, 86, false],
    [1_753_087, 86, true],
    [1_769_470, 87, false],
    [1_785_855, 88, true],
    [23_361_200, 885, false],
  ];
  for (const [number, epoch, last] of cases) {
    assert.equal(schedule.epochOf(number), epoch, `block ${number}`);
    assert.equal(schedule.isLastBlock(number), last, `block ${number}`);
  }
  assert.equal(schedule.lastBlock(27), 786_431, "the last v0 block");
  assert.equal(schedule.lastBlock(184), 3_358_719, "the last v1 block");
  checkConsistency(schedule, [0, 1, 2, 27, 28, 184, 185, 186, 364, 365, 366, 367, 2152, 100_000], "mainnet");
});

Deno.test("the other networks' epochs follow their formulas", () => {
  const test = networkParams("testnet").schedule;
  assert.deepEqual([37, 38, 75, 76, 8267, 8268].map((n) => test.epochOf(n)), [0, 1, 1, 2, 2, 3]);
  assert.equal(test.lastBlock(1), 75);
  assert.equal(test.lastBlock(2), 75 + 8192);
  checkConsistency(test, [0, 1, 2, 3, 486, 3392], "testnet");
  const lengths: Array<[NetworkName, number]> = [["partner", 900], ["pangaea", 450], ["stressnet", 1024]];
  for (const [name, length] of lengths) {
    const { schedule } = networkParams(name);
    assert.equal(schedule.lastBlock(0), length - 1);
    assert.equal(schedule.epochOf(7 * length), 7);
    checkConsistency(schedule, [0, 1, 2, 500], name);
  }
  const dev = networkParams("devnet").schedule;
  assert.equal(dev.epochOf(999_999_999_999), 0);
  assert.equal(dev.epochOf(1_000_000_000_000), 1);
});

Deno.test("localnet begins with five blocks and then follows its configured length", () => {
  const standard = networkParams("localnet").schedule;
  assert.deepEqual([4, 5, 20, 21].map((n) => standard.epochOf(n)), [0, 1, 1, 2]);
  const other =
    networkParams("localnet", { localnetBlocksPerEpoch: 16, localnetBlocksPerEpochV2: 10 }).schedule;
  assert.deepEqual([4, 5, 14, 15, 25].map((n) => other.epochOf(n)), [0, 1, 1, 2, 3]);
  checkConsistency(other, [0, 1, 2, 3, 99], "localnet");
  for (const bad of [0, -1, 1.5, Number.NaN]) {
    assert.throws(
      () => networkParams("localnet", { localnetBlocksPerEpochV2: bad }),
      hasCode("NETWORK_OVERRIDE"),
    );
    assert.throws(
      () => networkParams("localnet", { localnetBlocksPerEpoch: bad }),
      hasCode("NETWORK_OVERRIDE"),
    );
  }
});

Deno.test("the recorded beacon chain has the epochs and hand-overs that localnet's schedule predicts", () => {
  const { schedule } = networkParams("localnet", {
    localnetBlocksPerEpoch: 16,
    localnetBlocksPerEpochV2: 16,
  });
  for (const block of recordedBlocks(0)) {
    assert.equal(schedule.epochOf(block.number), block.epoch, `block ${block.number}`);
  }
});

Deno.test("a schedule refuses heights that are not heights", () => {
  const { schedule } = networkParams("mainnet");
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => schedule.epochOf(bad), hasCode("SCHEDULE_RANGE"));
    assert.throws(() => schedule.firstBlock(bad), hasCode("SCHEDULE_RANGE"));
    assert.throws(() => schedule.isLastBlock(bad), hasCode("SCHEDULE_RANGE"));
  }
});

/** A row of the recorded sharding tables. */
interface RecordedInstance {
  readonly fromEpoch: number;
  readonly shards: number;
  readonly slotsPerShard: number;
  readonly harmonySlotsPerShard: number;
  readonly harmonyVotePercent: string;
  readonly harmonyAccounts: string;
  readonly fnAccounts: string;
}

Deno.test("sharding tables equal those that the reference printed", () => {
  const { instances } = vectorJson<{ instances: Record<string, RecordedInstance[]> }>(
    "genesis-accounts.json",
  );
  for (const [name, rows] of Object.entries(instances)) {
    const params = networkParams(parseNetworkName(name));
    for (const [i, row] of rows.entries()) {
      const last = (rows[i + 1]?.fromEpoch ?? row.fromEpoch + 1000) - 1;
      for (const epoch of [row.fromEpoch, last]) {
        const ours = params.instanceAt(epoch);
        const where = `${name}, epoch ${epoch}`;
        assert.equal(ours.shardCount, row.shards, where);
        assert.equal(params.shardCountAt(epoch), row.shards, where);
        assert.equal(ours.slotsPerShard, row.slotsPerShard, where);
        assert.equal(ours.harmonySlotsPerShard, row.harmonySlotsPerShard, where);
        assert.equal(ours.harmonyVoteShare, parseDec(row.harmonyVotePercent), where);
        assert.equal(ours.harmonyAccounts, row.harmonyAccounts, where);
        assert.equal(ours.foundationalAccounts, row.fnAccounts, where);
      }
    }
  }
});

Deno.test("the vote share of reserved slots and the slot limits change where the table says", () => {
  const mainnet = networkParams("mainnet");
  const shares: Array<[number, string, number]> = [
    [185, "0.68", 0],
    [529, "0.68", 0],
    [530, "0.60", 0],
    [724, "0.60", 0],
    [725, "0.49", 0],
    [998, "0.49", 0],
    [999, "0.49", 13],
    [1672, "0.49", 13],
    [1673, "0.49", 10],
    [2151, "0.49", 10],
    [2152, "0.01", 11],
  ];
  for (const [epoch, share, limit] of shares) {
    const row = mainnet.instanceAt(epoch);
    assert.equal(formatDec(row.harmonyVoteShare), formatDec(parseDec(share)), `epoch ${epoch}`);
    assert.equal(row.slotsLimit, limit, `epoch ${epoch}`);
  }
  const testnet = networkParams("testnet");
  assert.deepEqual(
    [3043, 3044, 3387, 3388, 3391, 3392].map((e) => [
      Number(testnet.instanceAt(e).harmonyVoteShare) / 1e18,
      testnet.instanceAt(e).harmonySlotsPerShard,
    ]),
    [[0.9, 8], [0, 0], [0, 0], [0.9, 0], [0.9, 0], [0.9, 8]],
  );
});

Deno.test("forks begin at their epochs and never where a network has none", () => {
  const mainnet = networkParams("mainnet");
  assert.ok(!mainnet.isStaking(185) && mainnet.isStaking(186));
  assert.ok(!mainnet.isPreStaking(184) && mainnet.isPreStaking(185));
  assert.equal(mainnet.stakingEpoch, 186);
  assert.ok(!mainnet.isActive("vrf", 630) && mainnet.isActive("vrf", 631));
  assert.ok(!mainnet.isActive("hip30", 1672) && mainnet.isActive("hip30", 1673));
  assert.ok(mainnet.isActive("hip32", 2152));
  const testnet = networkParams("testnet");
  assert.equal(testnet.forks.hip32, undefined);
  assert.ok(!testnet.isActive("hip32", FORK_TO_BE_DECIDED * 2));
  assert.ok(!isForkActive(testnet.forks, "allowlist", 1) && isForkActive(testnet.forks, "allowlist", 2));
  assert.equal(networkParams("partner").forks.isOneSecond, 17_436);
  assert.equal(networkParams("localnet").stakingEpoch, 2);
  assert.deepEqual(networkParams("devnet").forks, testnet.forks, "a devnet runs with testnet's table");
});

Deno.test("the header form follows the epoch", () => {
  const version = (name: NetworkName, epochs: number[]) =>
    epochs.map((epoch) => networkParams(name).headerVersionAt(epoch));
  assert.deepEqual(version("mainnet", [0, 27, 28, 184, 185, 186, 3000]), [
    "v0",
    "v0",
    "v1",
    "v1",
    "v3",
    "v3",
    "v3",
  ]);
  for (const name of ["testnet", "pangaea", "partner", "stressnet"] as const) {
    assert.deepEqual(version(name, [0, 1, 2, 500]), ["v1", "v3", "v3", "v3"], name);
  }
  assert.deepEqual(version("localnet", [0, 1, 2]), ["v3", "v3", "v3"]);
  assert.deepEqual(version("devnet", [0]), ["v1"]);
});

Deno.test("chain ids, boot nodes, zones and topic prefixes", () => {
  const facts: Record<NetworkName, [bigint, bigint, string | undefined, string, number]> = {
    mainnet: [1n, 1_666_600_000n, "t.hmny.io", "harmony", 1],
    testnet: [2n, 1_666_700_000n, "b.hmny.io", "hmy/testnet", 1],
    pangaea: [3n, 1_666_800_000n, "os.hmny.io", "hmy/pangaea", 2],
    partner: [4n, 1_666_900_000n, "ps.hmny.io", "hmy/partner", 1],
    stressnet: [5n, 1_667_000_000n, "stn.hmny.io", "hmy/stressnet", 1],
    devnet: [2n, 1_666_700_000n, undefined, "hmy/devnet", 0],
    localnet: [2n, 1_666_700_000n, undefined, "hmy/local", 0],
  };
  for (const name of NETWORK_NAMES) {
    const params = networkParams(name);
    const [chainId, ethBase, zone, prefix, boot] = facts[name];
    assert.equal(params.name, name);
    assert.equal(params.chainId, chainId);
    assert.equal(params.ethChainId(0), ethBase);
    assert.equal(params.ethChainId(3), ethBase + 3n);
    assert.equal(params.dnsZone, zone);
    assert.equal(params.topicPrefix, prefix);
    assert.equal(params.bootnodes.length, boot, name);
  }
  assert.deepEqual(networkParams("mainnet").bootnodes, ["/dnsaddr/bootstrap.t.hmny.io"]);
});
