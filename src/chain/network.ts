/**
 * The networks that exist.
 *
 * Why it exists: the facts that tell one public network from another, in one table each, with their source. What must
 * stay true: `networkParams` gives what the deployed network runs, peculiarities included (chain-format.md §12.5).
 */
import { ExitCode, HsyncError } from "../base/mod.ts";
import { minCommissionPromoPeriod, networkForks } from "./forks.ts";
import { GENESIS_EXTRA, GENESIS_TIME, genesisGasLimit, genesisState } from "./genesis.ts";
import type { NetworkName } from "./network_name.ts";
import { makeParams } from "./params.ts";
import type { NetworkParams } from "./params.ts";
import { periodicSchedule } from "./schedule.ts";
import type { SchedulePeriod } from "./schedule.ts";
import { DEVNET_DEFAULT_SIZE, networkSharding } from "./sharding.ts";
import type { DevnetSize } from "./sharding.ts";

/** Facts that fit a row (chain-format.md §4.5, sync-protocol.md §1.3). */
interface NetworkFacts {
  readonly chainId: bigint;
  readonly ethChainIdBase: bigint;
  readonly bootnodes: readonly string[];
  readonly dnsZone: string | undefined;
  readonly topicPrefix: string;
}

const FACTS: Readonly<Record<NetworkName, NetworkFacts>> = {
  mainnet: {
    chainId: 1n,
    ethChainIdBase: 1_666_600_000n,
    bootnodes: ["/dnsaddr/bootstrap.t.hmny.io"],
    dnsZone: "t.hmny.io",
    topicPrefix: "harmony",
  },
  testnet: {
    chainId: 2n,
    ethChainIdBase: 1_666_700_000n,
    bootnodes: ["/dnsaddr/bootstrap.b.hmny.io"],
    dnsZone: "b.hmny.io",
    topicPrefix: "hmy/testnet",
  },
  pangaea: {
    chainId: 3n,
    ethChainIdBase: 1_666_800_000n,
    bootnodes: [
      "/ip4/52.40.84.2/tcp/9800/p2p/QmbPVwrqWsTYXq1RxGWcxx9SWaTUCfoo1wA6wmdbduWe29",
      "/ip4/54.86.126.90/tcp/9800/p2p/Qmdfjtk6hPoyrH1zVD9PEH4zfWLo38dP2mDvvKXfh3tnEv",
    ],
    dnsZone: "os.hmny.io",
    topicPrefix: "hmy/pangaea",
  },
  partner: {
    chainId: 4n,
    ethChainIdBase: 1_666_900_000n,
    bootnodes: ["/dnsaddr/bootstrap.ps.hmny.io"],
    dnsZone: "ps.hmny.io",
    topicPrefix: "hmy/partner",
  },
  stressnet: {
    chainId: 5n,
    ethChainIdBase: 1_667_000_000n,
    bootnodes: ["/dnsaddr/bootstrap.stn.hmny.io"],
    dnsZone: "stn.hmny.io",
    topicPrefix: "hmy/stressnet",
  },
  devnet: {
    chainId: 2n,
    ethChainIdBase: 1_666_700_000n,
    bootnodes: [],
    dnsZone: undefined,
    topicPrefix: "hmy/devnet",
  },
  localnet: {
    chainId: 2n,
    ethChainIdBase: 1_666_700_000n,
    bootnodes: [],
    dnsZone: undefined,
    topicPrefix: "hmy/local",
  },
};

/** Blocks of localnet's first epoch; the length of the later ones can be configured. */
const LOCALNET_FIRST_EPOCH = 5;
const LOCALNET_BLOCKS_PER_EPOCH = 16;
/** A devnet stays in epoch 0 for ever. */
const DEVNET_BLOCKS_PER_EPOCH = 1_000_000_000_000;

/** What an operator may change about a network that is his own. */
export interface NetworkOverrides {
  /**
   * Localnet: length of the epochs between the first one and the two-seconds fork. The shipped fork table puts that
   * fork at epoch 0, so no epoch has this length; accepted because the flag exists.
   */
  readonly localnetBlocksPerEpoch?: number;
  /** Localnet: length of every epoch after the first; default 16. */
  readonly localnetBlocksPerEpochV2?: number;
  /** Devnet: its size. */
  readonly devnet?: Partial<DevnetSize>;
}

function positive(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= DEVNET_BLOCKS_PER_EPOCH) return value;
  throw new HsyncError("NETWORK_OVERRIDE", `${what} must be a whole number from 1, got ${value}`, {
    exitCode: ExitCode.USAGE,
  });
}

/** Beacon-chain epoch lengths (chain-format.md §13.1). */
function schedulePeriods(network: NetworkName, overrides: NetworkOverrides): SchedulePeriod[] {
  switch (network) {
    case "mainnet":
      return [
        { fromEpoch: 0, blocksPerEpoch: 344_064 },
        { fromEpoch: 1, blocksPerEpoch: 16_384 },
        { fromEpoch: 366, blocksPerEpoch: 32_768 },
      ];
    case "testnet":
      return [{ fromEpoch: 0, blocksPerEpoch: 38 }, { fromEpoch: 2, blocksPerEpoch: 8192 }];
    case "localnet": {
      positive("localnet blocks per epoch", overrides.localnetBlocksPerEpoch ?? LOCALNET_BLOCKS_PER_EPOCH);
      const v2 = overrides.localnetBlocksPerEpochV2 ?? LOCALNET_BLOCKS_PER_EPOCH;
      return [
        { fromEpoch: 0, blocksPerEpoch: LOCALNET_FIRST_EPOCH },
        { fromEpoch: 1, blocksPerEpoch: positive("localnet blocks per epoch (v2)", v2) },
      ];
    }
    case "partner":
      return [{ fromEpoch: 0, blocksPerEpoch: 900 }];
    case "pangaea":
      return [{ fromEpoch: 0, blocksPerEpoch: 450 }];
    case "stressnet":
      return [{ fromEpoch: 0, blocksPerEpoch: 1024 }];
    case "devnet":
      return [{ fromEpoch: 0, blocksPerEpoch: DEVNET_BLOCKS_PER_EPOCH }];
  }
}

function devnetSize(overrides: NetworkOverrides): DevnetSize {
  const size: DevnetSize = { ...DEVNET_DEFAULT_SIZE, ...overrides.devnet };
  positive("devnet shard count", size.shardCount);
  positive("devnet slots per shard", size.slotsPerShard);
  if (
    !Number.isSafeInteger(size.harmonySlotsPerShard) || size.harmonySlotsPerShard < 0 ||
    size.harmonySlotsPerShard > size.slotsPerShard
  ) {
    throw new HsyncError(
      "NETWORK_OVERRIDE",
      `devnet reserved slots must be from 0 to the ${size.slotsPerShard} slots of a shard, got ${size.harmonySlotsPerShard}`,
      { exitCode: ExitCode.USAGE },
    );
  }
  return size;
}

/** The networks without overrides, made once: their genesis is then computed once, whoever asks. */
const standard = new Map<NetworkName, NetworkParams>();

/**
 * The parameters of a built-in network; the same object every time when nothing is overridden.
 *
 * @throws {HsyncError} NETWORK_OVERRIDE when an override makes no sense.
 */
export function networkParams(network: NetworkName, overrides: NetworkOverrides = {}): NetworkParams {
  if (Object.keys(overrides).length > 0) return buildParams(network, overrides);
  const known = standard.get(network) ?? buildParams(network, {});
  standard.set(network, known);
  return known;
}

function buildParams(network: NetworkName, overrides: NetworkOverrides): NetworkParams {
  return makeParams({
    name: network,
    ...FACTS[network],
    forks: networkForks(network),
    sharding: networkSharding(network, devnetSize(overrides)),
    schedule: periodicSchedule(schedulePeriods(network, overrides)),
    genesis: {
      // Devnet's genesis comes from a configuration with every fork at 0, its later blocks from testnet's.
      version: network === "devnet" ? "v3" : undefined,
      gasLimit: genesisGasLimit(network),
      time: GENESIS_TIME,
      extra: GENESIS_EXTRA,
      state: (shardId) => genesisState(network, shardId),
      committees: undefined,
    },
    minCommissionPromoPeriod: minCommissionPromoPeriod(network),
  });
}
