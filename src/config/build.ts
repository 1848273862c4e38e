/**
 * From validated settings to the typed configuration.
 *
 * Why it exists: units and odd spellings end here (minutes, megabytes, Go durations, muxer lists). What must stay
 * true: it decides nothing; rules and checks have run before.
 */
import { LOG_LEVELS, type LogLevel } from "../base/mod.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { configError, usageError } from "./config_error.ts";
import type { FlagUse } from "./argv.ts";
import { parseDuration } from "./duration.ts";
import type { Settings } from "./settings.ts";
import type {
  HsyncConfig,
  HttpConfig,
  LogConfig,
  P2PConfig,
  ProgressMode,
  RunConfig,
  SyncConfig,
} from "./types.ts";
import { parseHostPort } from "./validate.ts";

/** Where the identity file is when nobody named one: beside the store, unless the working directory has one. */
function keyFile(
  s: Settings,
  exists: (path: string) => boolean,
): Pick<P2PConfig, "keyFile" | "keyFileOrigin"> {
  if (s.chosen("P2P.KeyFile")) return { keyFile: s.text("P2P.KeyFile"), keyFileOrigin: "chosen" };
  const here = s.text("P2P.KeyFile");
  if (exists(here)) return { keyFile: here, keyFileOrigin: "default" };
  const dir = s.text("General.DataDir").replace(/\/+$/, "");
  return { keyFile: `${dir === "" ? "/" : `${dir}/`}.hmykey`, keyFileOrigin: "default" };
}

/** Muxers in order; `mplexC6` is mplex in its older spelling, which is the one we speak (§1.4). */
function muxers(s: Settings): ReadonlyArray<"yamux" | "mplex"> {
  const out: Array<"yamux" | "mplex"> = [];
  for (const name of s.text("P2P.Muxer").split(",").map((n) => n.trim().toLowerCase()).filter(Boolean)) {
    const known = name === "yamux" ? "yamux" : name === "mplex" || name === "mplexc6" ? "mplex" : undefined;
    if (known === undefined) s.notice("CFG-MUXER", `P2P.Muxer: ${JSON.stringify(name)} is not offered`);
    else if (!out.includes(known)) out.push(known);
  }
  if (out.length > 0) return out;
  s.notice("CFG-MUXER", "P2P.Muxer names no muxer that is offered; yamux and mplex are used");
  return ["yamux", "mplex"];
}

function buildP2P(s: Settings, exists: (path: string) => boolean): P2PConfig {
  const dht = s.values.get("P2P.DHTDataStore");
  return {
    port: s.num("P2P.Port"),
    ip: s.text("P2P.IP"),
    ...keyFile(s, exists),
    dhtDataStore: typeof dht === "string" && dht !== "" ? dht : undefined,
    discConcurrency: s.num("P2P.DiscConcurrency") || 10,
    maxConnsPerIp: s.num("P2P.MaxConnsPerIP"),
    disablePrivateIpScan: s.bool("P2P.DisablePrivateIPScan"),
    maxPeers: s.num("P2P.MaxPeers"),
    connManagerLow: s.num("P2P.ConnManagerLowWatermark"),
    connManagerHigh: s.num("P2P.ConnManagerHighWatermark"),
    waitForEachPeerToConnect: s.bool("P2P.WaitForEachPeerToConnect"),
    noTransportSecurity: s.bool("P2P.NoTransportSecurity"),
    nat: s.bool("P2P.NAT"),
    userAgent: s.text("P2P.UserAgent"),
    dialTimeoutMs: s.ms("P2P.DialTimeout"),
    muxers: muxers(s),
    noRelay: s.bool("P2P.NoRelay"),
  };
}

function buildSync(s: Settings): SyncConfig {
  const staged = "Sync.StagedSyncCfg";
  const manager = "Sync.StreamManager";
  return {
    enabled: s.bool("Sync.Enabled"),
    client: s.bool("Sync.Client"),
    concurrency: s.num("Sync.Concurrency"),
    minPeers: s.num("Sync.MinPeers"),
    initStreams: s.num("Sync.InitStreams"),
    maxAdvertiseWaitMs: s.num("Sync.MaxAdvertiseWaitTime") * 60_000,
    discSoftLowCap: s.num("Sync.DiscSoftLowCap"),
    discHardLowCap: s.num("Sync.DiscHardLowCap"),
    discHighCap: s.num("Sync.DiscHighCap"),
    discBatch: s.num("Sync.DiscBatch"),
    trustedNodes: s.list("Network.TrustedNodes"),
    dnsStaticNodes: s.list("Sync.DNSStaticNodes"),
    checkpoints: s.list("Sync.Checkpoints").flatMap((t) => parseCheckpoint(t) ?? []),
    anchorFile: s.text("Sync.AnchorFile") === "" ? undefined : s.text("Sync.AnchorFile"),
    proveBodies: s.bool("Sync.ProveBodies"),
    staged: {
      doubleCheckBlockHashes: s.bool(`${staged}.DoubleCheckBlockHashes`),
      maxBlocksPerSyncCycle: s.num(`${staged}.MaxBlocksPerSyncCycle`),
      maxBackgroundBlocks: s.num(`${staged}.MaxBackgroundBlocks`),
      insertChainBatchSize: s.num(`${staged}.InsertChainBatchSize`),
      verifyAllSig: s.bool(`${staged}.VerifyAllSig`),
      verifyHeaderBatchSize: s.num(`${staged}.VerifyHeaderBatchSize`),
      maxMemSyncCycleSize: s.num(`${staged}.MaxMemSyncCycleSize`),
      useMemDb: s.bool(`${staged}.UseMemDB`),
      logProgress: s.bool(`${staged}.LogProgress`),
      debugMode: s.bool(`${staged}.DebugMode`),
    },
    streamManager: {
      maxReservedStreams: s.num(`${manager}.MaxReservedStreams`),
      removalCooldownMs: s.ms(`${manager}.RemovalCooldownDuration`),
      maxRemovalCooldownMs: s.ms(`${manager}.MaxRemovalCooldownDuration`),
      setupConcurrency: s.num(`${manager}.SetupConcurrency`),
      checkIntervalMs: s.ms(`${manager}.CheckInterval`),
      discoveryTimeoutMs: s.ms(`${manager}.DiscoveryTimeout`),
      discoveryCooldownMs: s.ms(`${manager}.DiscoveryCooldown`),
      connectTimeoutMs: s.ms(`${manager}.ConnectTimeout`),
    },
    server: {
      requestsPerSecond: s.num("Sync.Server.RequestsPerSecond"),
      requestsPerSecondPerStream: s.num("Sync.Server.RequestsPerSecondPerStream"),
    },
  };
}

const LEVELS: readonly LogLevel[] = ["off", "error", "warn", "info", "debug", "debug"];

function buildLog(s: Settings): LogConfig {
  const count = s.num("Log.RotateCount");
  const age = s.num("Log.RotateMaxAge");
  const verbosity = s.num("Log.Verbosity");
  const ip = s.values.get("Log.Context.IP");
  const port = s.values.get("Log.Context.Port");
  return {
    console: s.bool("Log.Console"),
    folder: s.text("Log.Folder"),
    fileName: s.text("Log.FileName"),
    rotateSizeBytes: s.num("Log.RotateSize") * 1024 * 1024,
    rotateCount: count > 0 ? count : count === 0 && age === 0 ? 10 : undefined,
    rotateMaxAgeDays: age,
    verbosity,
    level: s.bool("Sync.StagedSyncCfg.DebugMode")
      ? LOG_LEVELS[LOG_LEVELS.length - 1] as LogLevel
      : LEVELS[verbosity] ?? "info",
    printConfig: s.bool("Log.VerbosePrints.Config"),
    context: ip === undefined && port === undefined
      ? undefined
      : { ip: typeof ip === "string" ? ip : "127.0.0.1", port: typeof port === "number" ? port : 9000 },
  };
}

function buildHttp(s: Settings): HttpConfig {
  const timeout = (key: string, fallback: string): number => {
    const ms = parseDuration(s.text(`HTTP.${key}`));
    if (ms !== undefined && ms > 0) return ms;
    s.notice("CFG-TIMEOUT", `HTTP.${key} is no duration; ${fallback} is used`);
    return parseDuration(fallback) ?? 0;
  };
  return {
    enabled: s.bool("HTTP.Enabled"),
    ip: s.text("HTTP.IP"),
    port: s.num("HTTP.Port"),
    readTimeoutMs: timeout("ReadTimeout", "30s"),
    writeTimeoutMs: timeout("WriteTimeout", "30s"),
    idleTimeoutMs: timeout("IdleTimeout", "120s"),
    rateLimit: s.bool("RPCOpt.RateLimterEnabled"),
    requestsPerSecond: s.num("RPCOpt.RequestsPerSecond"),
  };
}

function buildRun(s: Settings, { flags, env }: BuildInputs): RunConfig {
  const client = s.bool("Sync.Client");
  const number = (name: string) => {
    const value = flags.get(name)?.value;
    return typeof value === "number" ? value : undefined;
  };
  const progress = flags.get("progress")?.value ?? "auto";
  if (progress !== "auto" && progress !== "tty" && progress !== "plain" && progress !== "off") {
    throw usageError(
      "BAD_VALUE",
      `--progress: there is no ${JSON.stringify(progress)}`,
      "use auto, tty, plain or off",
    );
  }
  const deadline = number("deadline");
  if (deadline === 0) throw usageError("BAD_VALUE", "--deadline 0 leaves no time", "give at least 1 second");
  const exitWhenSynced = flags.get("exit-when-synced")?.value === true;
  const stopAt = number("stop-at");
  if (!client && (exitWhenSynced || stopAt !== undefined)) {
    throw configError(
      "RUN_GOAL",
      `${
        exitWhenSynced ? "--exit-when-synced" : `--stop-at ${stopAt}`
      } would never be reached: this node does not ` +
        "download, because Sync.Client is off",
      "pass --sync.client, or leave the flag out",
    );
  }
  if (deadline !== undefined && !exitWhenSynced && stopAt === undefined) {
    s.notice(
      "CFG-DEADLINE",
      `after ${deadline} s this run ends with exit code 1; --exit-when-synced or --stop-at would give it something to reach`,
    );
  }
  return {
    stopAt,
    exitWhenSynced,
    deadlineSeconds: deadline,
    progress: progress as ProgressMode,
    color: flags.get("no-color")?.value !== true && (env("NO_COLOR") ?? "") === "",
    quiet: flags.get("quiet")?.value === true,
  };
}

/** What `build` needs beside the settings. */
export interface BuildInputs {
  readonly flags: ReadonlyMap<string, FlagUse>;
  readonly env: (name: string) => string | undefined;
  readonly exists: (path: string) => boolean;
}

/** The typed configuration; may add notices about spellings. @throws {HsyncError} BAD_VALUE (exit 2) */
export function build(s: Settings, inputs: BuildInputs): HsyncConfig {
  const shard = s.num("General.ShardID");
  if (shard < 0) {
    s.notice("CFG-SHARD", "no shard named; following shard 0 (there is no BLS key to derive it from)");
  }
  const listen = s.text("Status.Listen");
  return {
    network: s.network,
    shard: Math.max(0, shard),
    dataDir: s.text("General.DataDir"),
    nodeType: s.text("General.NodeType") === "explorer" ? "explorer" : "validator",
    archival: s.bool("General.IsArchival"),
    offline: s.bool("General.IsOffline"),
    bootNodes: s.list("Network.BootNodes"),
    p2p: buildP2P(s, inputs.exists),
    sync: buildSync(s),
    dnsSync: {
      client: s.bool("DNSSync.Client"),
      server: s.bool("DNSSync.Server"),
      zone: s.text("DNSSync.Zone"),
      port: s.num("DNSSync.Port"),
      serverPort: s.num("DNSSync.ServerPort"),
    },
    log: buildLog(s),
    prometheus: {
      enabled: s.bool("Prometheus.Enabled"),
      ip: s.text("Prometheus.IP"),
      port: s.num("Prometheus.Port"),
      push: s.bool("Prometheus.EnablePush"),
      gateway: s.text("Prometheus.Gateway"),
    },
    status: {
      listen: listen === "" ? undefined : parseHostPort(listen),
      public: s.bool("Status.Public"),
      off: s.bool("Status.Off"),
      hosts: s.list("Status.Hosts"),
    },
    http: buildHttp(s),
    localnet: {
      blocksPerEpoch: s.num("Localnet.BlocksPerEpoch"),
      blocksPerEpochV2: s.num("Localnet.BlocksPerEpochV2"),
    },
    devnet: {
      numShards: s.num("Devnet.NumShards"),
      shardSize: s.num("Devnet.ShardSize"),
      hmyNodeSize: s.num("Devnet.HmyNodeSize"),
      slotsLimit: s.num("Devnet.SlotsLimit"),
    },
    ntpServers: s.text("Sys.NtpServer").split(",").map((n) => n.trim()).filter((n) => n !== ""),
    db: { url: s.text("Store.URL") === "" ? undefined : s.text("Store.URL") },
    run: buildRun(s, inputs),
  };
}
