/**
 * Everything about a network that the rest of the program asks for, behind one interface.
 *
 * Why it exists: no constant that a network could change may live outside this folder (DESIGN.md). Built-in networks and
 * the seeded networks of tests are made by the same function, so that nothing can tell them apart. What must stay
 * true: parameters never change after they were made, and genesis is computed once per shard.
 */
import { ExitCode, HsyncError } from "../base/mod.ts";
import type { Block } from "./block.ts";
import { committeesFromTables } from "./committee_tables.ts";
import { isForkActive } from "./forks.ts";
import type { ForkEpochs, ForkName } from "./forks.ts";
import { makeGenesisBlock } from "./genesis.ts";
import type { GenesisState } from "./genesis.ts";
import type { HeaderVersion } from "./header.ts";
import type { EpochSchedule } from "./schedule.ts";
import type { Committee, ShardState } from "./shard_state.ts";
import type { ShardingInstance } from "./sharding.ts";

/** The parameters of one network. */
export interface NetworkParams {
  /** Used verbatim in protocol ids and store records. */
  readonly name: string;
  readonly forks: ForkEpochs;
  /** First epoch of the staking era; Infinity when it never begins. */
  readonly stakingEpoch: number;
  /** True when `fork` is active in blocks of `epoch`. */
  isActive(fork: ForkName, epoch: number): boolean;
  isStaking(epoch: number): boolean;
  isPreStaking(epoch: number): boolean;
  /** The form that headers of `epoch` have; genesis may differ (devnet), and is compared whole anyway. */
  headerVersionAt(epoch: number): HeaderVersion;
  /** The row of the sharding table that holds in `epoch`. */
  instanceAt(epoch: number): ShardingInstance;
  shardCountAt(epoch: number): number;
  /** Chain id that Harmony transactions sign. */
  readonly chainId: bigint;
  /** Chain id that Ethereum-style transactions of a shard sign. */
  ethChainId(shardId: number): bigint;
  /** Epochs of the beacon chain by height; other shards have no such formula. */
  readonly schedule: EpochSchedule;
  /** Block 0 of a shard; the same object on every call. @throws {HsyncError} SHARD_UNKNOWN */
  genesisBlock(shardId: number): Block;
  /** The accounts before block 1. @throws {HsyncError} SHARD_UNKNOWN */
  genesisState(shardId: number): GenesisState;
  /** The committees of epoch 0, all shards, ascending. */
  genesisCommittees(): readonly Committee[];
  /**
   * The committees that the account tables give for an epoch before staking, all shards, ascending; undefined from
   * staking on and on networks without tables.
   */
  tableCommittees(epoch: number): readonly Committee[] | undefined;
  /** Multiaddr texts: `/dnsaddr/…` or complete addresses that end in a peer id. */
  readonly bootnodes: readonly string[];
  /** Zone of the legacy DNS sync servers, if the network has one. */
  readonly dnsZone: string | undefined;
  /** What gossip topics begin with. */
  readonly topicPrefix: string;
  /** Epochs for which the minimum-commission promotion lasts. */
  readonly minCommissionPromoPeriod: number;
}

/** What `makeParams` needs: the plain data of a network. */
export interface NetworkDefinition {
  readonly name: string;
  readonly forks: ForkEpochs;
  /** Ascending by `fromEpoch`, the first from 0. */
  readonly sharding: readonly ShardingInstance[];
  readonly schedule: EpochSchedule;
  readonly chainId: bigint;
  /** Ethereum chain id of shard 0; shard n adds n. */
  readonly ethChainIdBase: bigint;
  readonly genesis: {
    /** Undefined: the version of epoch 0. */
    readonly version: HeaderVersion | undefined;
    readonly gasLimit: bigint;
    readonly time: bigint;
    readonly extra: Uint8Array;
    state(shardId: number): GenesisState;
    /** Undefined: from the account tables of the first sharding row. */
    readonly committees: readonly Committee[] | undefined;
  };
  readonly bootnodes: readonly string[];
  readonly dnsZone: string | undefined;
  readonly topicPrefix: string;
  readonly minCommissionPromoPeriod: number;
}

/** Header form by epoch: the newest rule that is active wins (chain-format.md §2.3). */
function headerVersion(forks: ForkEpochs, epoch: number): HeaderVersion {
  if (isForkActive(forks, "preStaking", epoch) || isForkActive(forks, "staking", epoch)) return "v3";
  if (isForkActive(forks, "crossLink", epoch)) return "v2";
  return isForkActive(forks, "crossTx", epoch) ? "v1" : "v0";
}

/**
 * Parameters from a definition.
 *
 * @throws {HsyncError} NETWORK_INVALID when the sharding table does not begin at epoch 0 or is out of order.
 */
export function makeParams(definition: NetworkDefinition): NetworkParams {
  const { name, forks, sharding, genesis } = definition;
  const [firstRow] = sharding;
  if (
    firstRow === undefined || firstRow.fromEpoch !== 0 ||
    sharding.some((row, i) => i > 0 && row.fromEpoch <= (sharding[i - 1]?.fromEpoch ?? 0))
  ) {
    throw new HsyncError(
      "NETWORK_INVALID",
      `network "${name}": the sharding table is not in order from epoch 0`,
    );
  }
  const stakingEpoch = forks.staking ?? Number.POSITIVE_INFINITY;
  const instanceAt = (epoch: number): ShardingInstance =>
    sharding.findLast((row) => row.fromEpoch <= epoch) ?? firstRow;

  const fromTables = new Map<ShardingInstance, readonly Committee[] | undefined>();
  const tableCommittees = (epoch: number): readonly Committee[] | undefined => {
    if (epoch >= stakingEpoch) return undefined;
    const row = instanceAt(epoch);
    if (!fromTables.has(row)) fromTables.set(row, committeesFromTables(row));
    return fromTables.get(row);
  };
  const genesisCommittees = (): readonly Committee[] => {
    const committees = genesis.committees ?? tableCommittees(0);
    if (committees === undefined) {
      throw new HsyncError("NETWORK_INVALID", `network "${name}" has no genesis committees`);
    }
    return committees;
  };
  const requireShard = (shardId: number): void => {
    if (!Number.isInteger(shardId) || shardId < 0 || shardId >= firstRow.shardCount) {
      throw new HsyncError("SHARD_UNKNOWN", `network "${name}" has no shard ${shardId}`, {
        exitCode: ExitCode.USAGE,
        hint: `its shards are 0 to ${firstRow.shardCount - 1}`,
      });
    }
  };
  const genesisBlocks = new Map<number, Block>();

  return {
    name,
    forks,
    stakingEpoch,
    isActive: (fork, epoch) => isForkActive(forks, fork, epoch),
    isStaking: (epoch) => isForkActive(forks, "staking", epoch),
    isPreStaking: (epoch) => isForkActive(forks, "preStaking", epoch),
    headerVersionAt: (epoch) => headerVersion(forks, epoch),
    instanceAt,
    shardCountAt: (epoch) => instanceAt(epoch).shardCount,
    chainId: definition.chainId,
    ethChainId: (shardId) => definition.ethChainIdBase + BigInt(shardId),
    schedule: definition.schedule,
    genesisBlock(shardId) {
      requireShard(shardId);
      const known = genesisBlocks.get(shardId);
      if (known !== undefined) return known;
      const all = genesisCommittees();
      const shardState: ShardState = {
        epoch: undefined,
        committees: shardId === 0 ? all : all.filter((committee) => committee.shardId === shardId),
      };
      const block = makeGenesisBlock({
        shardId,
        version: genesis.version ?? headerVersion(forks, 0),
        gasLimit: genesis.gasLimit,
        time: genesis.time,
        extra: genesis.extra,
        stateRoot: genesis.state(shardId).root,
        shardState,
      });
      genesisBlocks.set(shardId, block);
      return block;
    },
    genesisState(shardId) {
      requireShard(shardId);
      return genesis.state(shardId);
    },
    genesisCommittees,
    tableCommittees,
    bootnodes: definition.bootnodes,
    dnsZone: definition.dnsZone,
    topicPrefix: definition.topicPrefix,
    minCommissionPromoPeriod: definition.minCommissionPromoPeriod,
  };
}
