/**
 * Committees before staking, from the account tables (chain-format.md §10.3).
 *
 * Why it exists: genesis is made of them, and until staking starts every hand-over in a header can be compared with
 * what the tables say, so that not even a committee can install strangers. What must stay true: reserved slots come
 * first, and both tables are dealt round the shards.
 */
import { HsyncError } from "../base/mod.ts";
import { accountTable } from "./accounts.ts";
import type { TableAccount } from "./accounts.ts";
import type { Committee, Slot } from "./shard_state.ts";
import type { ShardingInstance } from "./sharding.ts";

/**
 * The committees of all shards for a row of the sharding table, ascending by shard; undefined when the row names no
 * account tables (test networks).
 *
 * @throws {HsyncError} ACCOUNT_TABLE_SHORT when a table has fewer accounts than the row needs.
 */
export function committeesFromTables(instance: ShardingInstance): Committee[] | undefined {
  const { shardCount, slotsPerShard, harmonySlotsPerShard } = instance;
  if (instance.harmonyAccounts === undefined || instance.foundationalAccounts === undefined) return undefined;
  const reserved = accountTable(instance.harmonyAccounts);
  const others = accountTable(instance.foundationalAccounts);
  const take = (table: readonly TableAccount[], index: number): Slot => {
    const account = table[index];
    if (account === undefined) {
      throw new HsyncError(
        "ACCOUNT_TABLE_SHORT",
        `cannot form the committees of ${shardCount} shards with ${slotsPerShard} slots each: ` +
          `account ${index} of ${table.length} is needed`,
        { hint: "fewer shards or slots fit the account tables of this network" },
      );
    }
    return { address: account.address, blsKey: account.blsKey, stake: undefined };
  };
  return Array.from({ length: shardCount }, (_, shardId) => ({
    shardId,
    slots: Array.from(
      { length: slotsPerShard },
      (_, slot) =>
        slot < harmonySlotsPerShard
          ? take(reserved, shardId + slot * shardCount)
          : take(others, shardId + (slot - harmonySlotsPerShard) * shardCount),
    ),
  }));
}
