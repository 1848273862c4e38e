/**
 * From the configuration to the chain at hand: parameters, genesis, store.
 *
 * Why it exists: a running node and every `db` command open the same store in the same way. What must stay true: the
 * store is opened with the genesis of exactly the network and shard that the configuration names, so that a foreign
 * store is refused before anything is written.
 */
import {
  type Clock,
  ExitCode,
  HsyncError,
  type Logger,
  type Meter,
  nullLogger,
  nullMeter,
} from "../base/mod.ts";
import { type NetworkParams, networkParams, nextEpoch } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import { type ChainStore, openStore, storeDirectory, type StoreLocation } from "../store/mod.ts";

/** Parameters of the configured network, with the sizes that localnet and devnet let the operator choose. */
export function paramsOf(config: HsyncConfig): NetworkParams {
  const { localnet, devnet } = config;
  return networkParams(config.network, {
    localnetBlocksPerEpoch: localnet.blocksPerEpoch,
    localnetBlocksPerEpochV2: localnet.blocksPerEpochV2,
    devnet: {
      shardCount: devnet.numShards,
      slotsPerShard: devnet.shardSize,
      harmonySlotsPerShard: devnet.hmyNodeSize,
    },
  });
}

/** Where the store of a configuration lies. */
export function storeLocationOf(config: HsyncConfig): StoreLocation {
  return config.db.url === undefined
    ? { kind: "file", dir: storeDirectory(config.dataDir, config.shard) }
    : { kind: "remote", url: config.db.url };
}

/** The same as a text for the status page: a directory or a URL. */
export function storePathOf(config: HsyncConfig): string {
  const location = storeLocationOf(config);
  return location.kind === "file" ? location.dir : location.kind === "remote" ? location.url : "memory";
}

export interface OpenChainOptions {
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly location: StoreLocation;
  /** Directory whose lock file keeps a second process out when the store itself is remote. */
  readonly lockDir?: string;
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly meter?: Meter;
  readonly peerId?: string;
  readonly readOnly?: boolean;
  readonly staging?: { readonly blocks: number; readonly bytes: number };
}

/**
 * Opens the store of a chain, creating it with genesis when there is none.
 *
 * @throws {HsyncError} SHARD_UNKNOWN (exit 128) for a shard that the network does not have, and what `openStore` throws.
 */
export async function openChain(options: OpenChainOptions): Promise<ChainStore> {
  const { params, shardId, location } = options;
  if (shardId >= params.shardCountAt(0)) {
    throw new HsyncError("SHARD_UNKNOWN", `${params.name} has no shard ${shardId}`, {
      exitCode: ExitCode.CONFIG_INVALID,
      hint: `choose --run.shard from 0 to ${params.shardCountAt(0) - 1}`,
    });
  }
  const genesis = params.genesisBlock(shardId);
  return await openStore({
    location,
    ...(options.lockDir === undefined ? {} : { lockDir: options.lockDir }),
    network: params.name,
    shardId,
    genesis: {
      hash: genesis.hash,
      bytes: genesis.bytes,
      headerBytes: genesis.header.bytes,
      shardState: { epoch: nextEpoch(genesis.header, undefined, params), bytes: genesis.header.shardState },
    },
    clock: options.clock,
    logger: options.logger ?? nullLogger,
    meter: options.meter ?? nullMeter,
    ...(options.peerId === undefined ? {} : { peerId: options.peerId }),
    ...(options.readOnly === undefined ? {} : { readOnly: options.readOnly }),
    ...(options.staging === undefined ? {} : { staging: options.staging }),
  });
}

/** Opens the store that a configuration names, for a command that runs beside no node or reads beside one. */
export function openConfiguredChain(
  config: HsyncConfig,
  options: {
    readonly clock: Clock;
    readonly logger?: Logger;
    readonly meter?: Meter;
    readonly peerId?: string;
    readonly readOnly?: boolean;
    /** Default: those of the configured network. */
    readonly params?: NetworkParams;
  },
): Promise<ChainStore> {
  const location = storeLocationOf(config);
  return openChain({
    ...options,
    params: options.params ?? paramsOf(config),
    shardId: config.shard,
    location,
    ...(location.kind === "remote" ? { lockDir: storeDirectory(config.dataDir, config.shard) } : {}),
    ...(config.sync.staged.useMemDb ? {} : { staging: { blocks: 0, bytes: 0 } }),
  });
}
