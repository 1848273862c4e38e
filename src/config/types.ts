/**
 * The configuration as the rest of the program sees it.
 *
 * Why it exists: `harmony.conf` and the flags speak the Go node's names and units; everything above speaks this
 * typed object. What must stay true: it is complete (no optional key stands for "look it up elsewhere"), already
 * validated, and never written to after loading.
 */
import type { LogLevel } from "../base/mod.ts";
import type { NetworkName } from "./networks.ts";

/** Libp2p host settings, from `[P2P]`. */
export interface P2PConfig {
  /** TCP port; 0 asks the system for a free one. */
  readonly port: number;
  /** IP address to listen on. */
  readonly ip: string;
  /** Path of the identity file; see `keyFileOrigin`. */
  readonly keyFile: string;
  /** `chosen`: the operator named it. `default`: derived (working directory if one is there, else data directory). */
  readonly keyFileOrigin: "chosen" | "default";
  readonly dhtDataStore: string | undefined;
  /** DHT query concurrency; the file's 0 is already replaced by 10. */
  readonly discConcurrency: number;
  readonly maxConnsPerIp: number;
  readonly disablePrivateIpScan: boolean;
  /** 0: no limit. */
  readonly maxPeers: number;
  /** Both watermarks 0: the connection manager prunes nothing. */
  readonly connManagerLow: number;
  readonly connManagerHigh: number;
  readonly waitForEachPeerToConnect: boolean;
  readonly noTransportSecurity: boolean;
  readonly nat: boolean;
  readonly userAgent: string;
  readonly dialTimeoutMs: number;
  /** In order of preference, at least one. */
  readonly muxers: ReadonlyArray<"yamux" | "mplex">;
  readonly noRelay: boolean;
}

/** `[Sync.StagedSyncCfg]`; zeros of old files are already replaced by the defaults. */
export interface StagedSyncConfig {
  readonly doubleCheckBlockHashes: boolean;
  /** Cycle length in blocks; 0: until the current target. */
  readonly maxBlocksPerSyncCycle: number;
  /** Bodies that may be downloaded ahead of execution. */
  readonly maxBackgroundBlocks: number;
  /** Blocks in one import transaction group. */
  readonly insertChainBatchSize: number;
  readonly verifyAllSig: boolean;
  readonly verifyHeaderBatchSize: number;
  /** Largest cycle that is kept in memory alone. */
  readonly maxMemSyncCycleSize: number;
  /** True: staged blocks live in memory; false: in the store. */
  readonly useMemDb: boolean;
  readonly logProgress: boolean;
  readonly debugMode: boolean;
}

/** `[Sync.StreamManager]`: our own sub-section, which the Go node ignores. Times in ms. */
export interface StreamManagerConfig {
  readonly maxReservedStreams: number;
  readonly removalCooldownMs: number;
  readonly maxRemovalCooldownMs: number;
  readonly setupConcurrency: number;
  readonly checkIntervalMs: number;
  readonly discoveryTimeoutMs: number;
  readonly discoveryCooldownMs: number;
  readonly connectTimeoutMs: number;
}

/** `[Sync.Server]`: our own sub-section. */
export interface SyncServerConfig {
  /** Requests per second over all streams; 0: no limit. */
  readonly requestsPerSecond: number;
  /** Requests per second of one stream; 0: no limit. */
  readonly requestsPerSecondPerStream: number;
}

/** A block that the operator vouches for (`--sync.checkpoint SHARD:NUMBER:HASH`). */
export interface CheckpointConfig {
  readonly shardId: number;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** `[Sync]`. */
export interface SyncConfig {
  /** Serve the stream protocol. */
  readonly enabled: boolean;
  /** Download the chain. */
  readonly client: boolean;
  readonly concurrency: number;
  readonly minPeers: number;
  readonly initStreams: number;
  readonly maxAdvertiseWaitMs: number;
  readonly discSoftLowCap: number;
  readonly discHardLowCap: number;
  readonly discHighCap: number;
  readonly discBatch: number;
  /** Multiaddrs ending in `/p2p/<id>`, or `/dnsaddr/…`. */
  readonly trustedNodes: readonly string[];
  readonly dnsStaticNodes: readonly string[];
  readonly checkpoints: readonly CheckpointConfig[];
  /** JSON file with anchors and known-bad blocks beside the built-in ones; undefined: none. */
  readonly anchorFile: string | undefined;
  /** Fetch source headers to prove incoming receipts. */
  readonly proveBodies: boolean;
  readonly staged: StagedSyncConfig;
  readonly streamManager: StreamManagerConfig;
  readonly server: SyncServerConfig;
}

/** `[DNSSync]`: the legacy gRPC protocol. */
export interface DnsSyncConfig {
  readonly client: boolean;
  readonly server: boolean;
  readonly zone: string;
  readonly port: number;
  readonly serverPort: number;
}

/** `[Log]`. */
export interface LogConfig {
  /** Everything to standard error and no file. */
  readonly console: boolean;
  readonly folder: string;
  /** As configured; the file written is `zerolog-<fileName>`. */
  readonly fileName: string;
  readonly rotateSizeBytes: number;
  /** Rotated files to keep; undefined: no limit. */
  readonly rotateCount: number | undefined;
  /** Days to keep rotated files; 0: no limit. */
  readonly rotateMaxAgeDays: number;
  readonly verbosity: number;
  /** `verbosity` (and DebugMode) as a level. */
  readonly level: LogLevel;
  /** Print the effective configuration at start. */
  readonly printConfig: boolean;
  /** Added to every line when set. */
  readonly context: { readonly ip: string; readonly port: number } | undefined;
}

/** `[Prometheus]`. */
export interface PrometheusConfig {
  readonly enabled: boolean;
  readonly ip: string;
  /** 0: any free port. */
  readonly port: number;
  /** True only when the operator asked for it. */
  readonly push: boolean;
  readonly gateway: string;
}

/** `[Status]`: our own section. */
export interface StatusConfig {
  /** A second listener, beside the Prometheus one. */
  readonly listen: { readonly ip: string; readonly port: number } | undefined;
  /** Full detail for callers from other machines too. */
  readonly public: boolean;
  /** Only `/metrics` and `/health`. */
  readonly off: boolean;
  /** Host names, beside loopback ones and addresses, that a `Host` header may carry. */
  readonly hosts: readonly string[];
}

/** `[HTTP]` and `[RPCOpt]`, as far as JSON-RPC uses them. */
export interface HttpConfig {
  readonly enabled: boolean;
  readonly ip: string;
  readonly port: number;
  readonly readTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly rateLimit: boolean;
  readonly requestsPerSecond: number;
}

export type ProgressMode = "auto" | "tty" | "plain" | "off";

/** How long a run lasts, and what it shows. */
export interface RunConfig {
  /** Stop cleanly once this height is in the store. */
  readonly stopAt: number | undefined;
  readonly exitWhenSynced: boolean;
  /** Exit 1 after so long without the end that was asked for. */
  readonly deadlineSeconds: number | undefined;
  readonly progress: ProgressMode;
  readonly color: boolean;
  readonly quiet: boolean;
}

/** Everything `hsync run` needs to know. */
export interface HsyncConfig {
  readonly network: NetworkName;
  readonly shard: number;
  /** Data directory as the operator wrote it (relative to the working directory). */
  readonly dataDir: string;
  readonly nodeType: "validator" | "explorer";
  readonly archival: boolean;
  readonly offline: boolean;
  readonly bootNodes: readonly string[];
  readonly p2p: P2PConfig;
  readonly sync: SyncConfig;
  readonly dnsSync: DnsSyncConfig;
  readonly log: LogConfig;
  readonly prometheus: PrometheusConfig;
  readonly status: StatusConfig;
  readonly http: HttpConfig;
  readonly localnet: { readonly blocksPerEpoch: number; readonly blocksPerEpochV2: number };
  readonly devnet: {
    readonly numShards: number;
    readonly shardSize: number;
    readonly hmyNodeSize: number;
    readonly slotsLimit: number;
  };
  readonly ntpServers: readonly string[];
  readonly db: {
    /** Remote Deno KV URL; undefined: a file below the data directory. */
    readonly url: string | undefined;
  };
  readonly run: RunConfig;
}

/** Something the operator should know once; never an error. */
export interface Notice {
  /** Stable, for example `CFG-UNK-KEY`. */
  readonly code: string;
  readonly text: string;
}

export type ConfigValue = boolean | number | bigint | string | readonly string[] | readonly number[];

/** Where a key's value came from. */
export interface Origin {
  readonly source: "default" | "file" | "flag" | "adjusted";
  /** For example `harmony.conf:12`, `--sync.concurrency`. */
  readonly where: string;
}

/** What loading gives. */
export interface LoadedConfig {
  readonly config: HsyncConfig;
  readonly notices: readonly Notice[];
  /** Effective value of every known key, by its path (`Sync.MinPeers`). */
  readonly values: ReadonlyMap<string, ConfigValue>;
  readonly origins: ReadonlyMap<string, Origin>;
  /** The file that was read, and the version it states. */
  readonly file: { readonly path: string; readonly version: string | undefined } | undefined;
}
