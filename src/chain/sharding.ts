/**
 * How many shards and slots a network has in an epoch, who holds the reserved slots, and what share of the vote
 * they have (chain-format.md §13.2).
 *
 * Why it exists: committees before staking follow from this table alone, and the stake-weighted quorum needs the
 * reserved share. What must stay true: the table says what was configured; how many slots a staking-era committee
 * really has is only in the header that elected it.
 */
import { DEC_ONE, parseDec } from "./decimal.ts";
import type { Dec } from "./decimal.ts";
import type { AccountTableName } from "./accounts.ts";
import type { NetworkName } from "./network_name.ts";

/** One row of the table: valid from an epoch until the next row. */
export interface ShardingInstance {
  readonly fromEpoch: number;
  readonly shardCount: number;
  /** Configured slots of one shard, the reserved ones included. */
  readonly slotsPerShard: number;
  /** Slots of one shard that Harmony itself runs. */
  readonly harmonySlotsPerShard: number;
  /** Share of the vote that the reserved slots hold together; means nothing before staking. */
  readonly harmonyVoteShare: Dec;
  /** Most slots one validator may hold in a shard; 0: no limit. */
  readonly slotsLimit: number;
  /** Who runs the reserved slots; undefined where no table exists (test networks). */
  readonly harmonyAccounts: AccountTableName | undefined;
  /** Who ran the other slots before staking. */
  readonly foundationalAccounts: AccountTableName | undefined;
}

/** fromEpoch, shards, slots, reserved slots, reserved share, limit, reserved table, other table. */
type Row = readonly [number, number, number, number, string, number, AccountTableName, AccountTableName];

const H = "mainnet-harmony-0";
const MAINNET: readonly Row[] = [
  [0, 4, 150, 112, "1", 0, H, "mainnet-fn-0"],
  [1, 4, 152, 112, "1", 0, H, "mainnet-fn-1"],
  [5, 4, 200, 148, "1", 0, H, "mainnet-fn-5"],
  [8, 4, 210, 148, "1", 0, H, "mainnet-fn-8"],
  [10, 4, 216, 148, "1", 0, H, "mainnet-fn-10"],
  [12, 4, 250, 170, "1", 0, H, "mainnet-fn-12"],
  [19, 4, 250, 170, "1", 0, H, "mainnet-fn-19"],
  [25, 4, 250, 170, "1", 0, H, "mainnet-fn-25"],
  [36, 4, 250, 170, "1", 0, H, "mainnet-fn-36"],
  [46, 4, 250, 170, "1", 0, H, "mainnet-fn-46"],
  [54, 4, 250, 170, "1", 0, H, "mainnet-fn-54"],
  [185, 4, 250, 170, "0.68", 0, H, "mainnet-fn-54"],
  [208, 4, 250, 130, "0.68", 0, H, "mainnet-fn-54"],
  [231, 4, 250, 90, "0.68", 0, H, "mainnet-fn-54"],
  [530, 4, 250, 50, "0.60", 0, H, "mainnet-fn-54"],
  [725, 4, 250, 25, "0.49", 0, H, "mainnet-fn-54"],
  [999, 4, 250, 25, "0.49", 13, H, "mainnet-fn-54"],
  [1673, 2, 200, 20, "0.49", 10, "mainnet-harmony-1673", "mainnet-fn-54"],
  [2152, 2, 200, 2, "0.01", 11, "mainnet-harmony-1673", "mainnet-fn-54"],
];

const T = "testnet-harmony-0";
const T2 = "testnet-harmony-486";
const TF = "testnet-fn-0";
const TESTNET: readonly Row[] = [
  [0, 4, 8, 8, "1", 0, T, TF],
  [2, 4, 30, 8, "0.70", 3, T, TF],
  [399, 4, 30, 8, "0.90", 3, T, TF],
  [486, 2, 30, 8, "0.90", 3, T2, TF],
  [3044, 2, 30, 0, "0", 0, T2, TF],
  [3388, 2, 30, 0, "0.90", 0, T2, TF],
  [3392, 2, 30, 8, "0.90", 0, T2, TF],
];
const PARTNER: readonly Row[] = [
  [0, 2, 5, 5, "1", 0, T, TF],
  [2, 2, 15, 4, "0.9", 0, T, TF],
  [7, 2, 20, 4, "0.9", 0, T, TF],
  [144, 2, 20, 0, "0", 0, T, TF],
  [2207, 2, 20, 4, "0.9", 0, T, TF],
];
const PANGAEA: readonly Row[] = [
  [0, 4, 30, 30, "1", 0, T, TF],
  [2, 4, 110, 30, "0.68", 0, T, TF],
];
const STRESSNET: readonly Row[] = [
  [0, 2, 10, 10, "1", 0, T, TF],
  [2, 2, 30, 10, "0.9", 0, T, TF],
  [10, 2, 30, 10, "0.6", 0, T, TF],
];
const LOCALNET: readonly Row[] = [[0, 2, 9, 6, "0.68", 0, "localnet-harmony-0", "localnet-fn-0"]];

const TABLES: Readonly<Record<Exclude<NetworkName, "devnet">, readonly Row[]>> = {
  mainnet: MAINNET,
  testnet: TESTNET,
  partner: PARTNER,
  pangaea: PANGAEA,
  stressnet: STRESSNET,
  localnet: LOCALNET,
};

/** The size of a devnet, which every operator of one chooses (`[Devnet]` in the configuration). */
export interface DevnetSize {
  readonly shardCount: number;
  readonly slotsPerShard: number;
  readonly harmonySlotsPerShard: number;
}

/** What a devnet has when nothing else is said (chain-format.md §13.2). */
export const DEVNET_DEFAULT_SIZE: DevnetSize = { shardCount: 2, slotsPerShard: 10, harmonySlotsPerShard: 10 };

/** The rows of a built-in network, ascending by epoch, the first from 0. */
export function networkSharding(
  network: NetworkName,
  devnet: DevnetSize = DEVNET_DEFAULT_SIZE,
): readonly ShardingInstance[] {
  if (network === "devnet") {
    return [{
      fromEpoch: 0,
      ...devnet,
      harmonyVoteShare: DEC_ONE,
      slotsLimit: 0,
      harmonyAccounts: H,
      foundationalAccounts: "mainnet-fn-0",
    }];
  }
  return TABLES[network].map((row) => ({
    fromEpoch: row[0],
    shardCount: row[1],
    slotsPerShard: row[2],
    harmonySlotsPerShard: row[3],
    harmonyVoteShare: parseDec(row[4]),
    slotsLimit: row[5],
    harmonyAccounts: row[6],
    foundationalAccounts: row[7],
  }));
}
