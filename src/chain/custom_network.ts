/**
 * Networks that exist nowhere else: for tests, simulations and benchmarks.
 *
 * Why it exists: hostile tests need a chain whose keys they hold and whose epochs are short (DESIGN.md, tests). What must
 * stay true: such a network differs from a real one in its data only; no code asks whether a network is custom.
 */
import { HsyncError } from "../base/mod.ts";
import { parseDec } from "./decimal.ts";
import { forkEpochs } from "./forks.ts";
import type { ForkEpochs } from "./forks.ts";
import { GENESIS_TIME } from "./genesis.ts";
import { EMPTY_ROOT } from "./index_trie.ts";
import { isNetworkName } from "./network_name.ts";
import { makeParams } from "./params.ts";
import type { NetworkParams } from "./params.ts";
import { periodicSchedule } from "./schedule.ts";
import type { Committee } from "./shard_state.ts";

/** What a custom network is made of; everything but the name, the epoch length and the committees has a default. */
export interface CustomNetworkOptions {
  /** Lower-case letters, digits and dashes, at most 32; not the name of a built-in network. */
  readonly name: string;
  /** One committee for every shard from 0 on, without stakes. */
  readonly genesisCommittees: readonly Committee[];
  /** Blocks of every epoch but the first. */
  readonly epochLength: number;
  /** Blocks of epoch 0; default: like the others. */
  readonly firstEpochLength?: number;
  /** Changes to the default fork table, in which everything is active from epoch 0, but staking and cross-links from 2. */
  readonly forks?: Partial<ForkEpochs>;
  /** Share of the vote of slots without stake, as text; default "0.68". */
  readonly harmonyVoteShare?: string;
  /** How many slots of a shard have no stake in the staking era; default: all of the genesis committee. */
  readonly harmonySlotsPerShard?: number;
  readonly chainId?: bigint;
  readonly ethChainIdBase?: bigint;
  /** Seconds since 1970; default: that of the built-in networks. */
  readonly genesisTime?: bigint;
  readonly genesisGasLimit?: bigint;
  /** Root of the state before block 1, 32 bytes; default: the empty state. */
  readonly genesisStateRoot?: Uint8Array;
  readonly bootnodes?: readonly string[];
}

/**
 * Parameters of a network of one's own.
 *
 * @throws {HsyncError} NETWORK_INVALID: a name that could be mistaken, or committees that do not cover shards 0..n-1.
 */
export function customNetwork(options: CustomNetworkOptions): NetworkParams {
  const { name, genesisCommittees } = options;
  if (!/^[a-z0-9-]{1,32}$/.test(name) || isNetworkName(name)) {
    throw new HsyncError("NETWORK_INVALID", `"${name.slice(0, 40)}" cannot name a custom network`, {
      hint: "use up to 32 lower-case letters, digits and dashes, and not the name of a built-in network",
    });
  }
  const [first] = genesisCommittees;
  if (first === undefined || genesisCommittees.some((committee, i) => committee.shardId !== i)) {
    throw new HsyncError(
      "NETWORK_INVALID",
      `network "${name}" needs one genesis committee per shard, from shard 0`,
    );
  }
  const changed: Partial<ForkEpochs> = { staking: 2, crossLink: 2, ...options.forks };
  return makeParams({
    name,
    forks: forkEpochs((fork) => fork in changed ? changed[fork] : 0),
    sharding: [{
      fromEpoch: 0,
      shardCount: genesisCommittees.length,
      slotsPerShard: first.slots.length,
      harmonySlotsPerShard: options.harmonySlotsPerShard ?? first.slots.length,
      harmonyVoteShare: parseDec(options.harmonyVoteShare ?? "0.68"),
      slotsLimit: 0,
      harmonyAccounts: undefined,
      foundationalAccounts: undefined,
    }],
    schedule: periodicSchedule([
      { fromEpoch: 0, blocksPerEpoch: options.firstEpochLength ?? options.epochLength },
      { fromEpoch: 1, blocksPerEpoch: options.epochLength },
    ]),
    chainId: options.chainId ?? 99n,
    ethChainIdBase: options.ethChainIdBase ?? 1_667_100_000n,
    genesis: {
      version: undefined,
      gasLimit: options.genesisGasLimit ?? 80_000_000n,
      time: options.genesisTime ?? GENESIS_TIME,
      extra: new TextEncoder().encode(name),
      state: () => ({ allocations: [], root: options.genesisStateRoot ?? EMPTY_ROOT }),
      committees: genesisCommittees,
    },
    bootnodes: options.bootnodes ?? [],
    dnsZone: undefined,
    topicPrefix: `hmy/${name}`,
    minCommissionPromoPeriod: 10,
  });
}
