/**
 * Schema rows of `[Sync]` and its sub-sections (config-cli-metrics.md §1.4, §2.2, §2.5; guide "Configuration
 * Options" and "Network-Specific Defaults").
 *
 * Why it exists: these are the keys the guide is about. What must stay true: the numbers are the guide's for every
 * network; `Client` is the one deliberate deviation (§1.4, decision).
 */
import { type KeySpec, per, section } from "./key_spec.ts";

const UNUSED = "reads it, but its stream sync never uses it";

const SYNC = section("Sync", { class: "used", group: "sync" }, [
  ["Enabled", "bool", true, "serve the stream protocol", { flag: "sync", group: "common" }],
  ["SyncMode", "uint", 0, "0 full sync; 1 fast and 2 snap are reserved", { flag: "sync.mode" }],
  ["Client", "bool", true, "download the chain from peers", {
    flag: "sync.client",
    deprecated: ["sync.downloader"],
    go: "default false on every network; called Downloader before 2.6.6",
  }],
  [
    "Concurrency",
    "int",
    per({ mainnet: 6, testnet: 3, partner: 3, other: 4 }),
    "requests at once, at most MinPeers",
    {
      flag: "sync.concurrency",
      go: "cuts it to MinPeers without a word",
    },
  ],
  ["MinPeers", "int", per({ mainnet: 6, testnet: 3, partner: 3, other: 4 }), "streams needed to sync", {
    flag: "sync.min-peers",
    group: "common",
  }],
  ["InitStreams", "int", per({ mainnet: 8, testnet: 3, partner: 3, other: 4 }), "streams needed at start", {
    flag: "sync.init-peers",
    aliases: ["sync.init-streams"],
    group: "common",
  }],
  [
    "MaxAdvertiseWaitTime",
    "int",
    per({ mainnet: 60, testnet: 5, partner: 5, localnet: 5, other: 2 }),
    "minutes between two advertisements, at most",
    { flag: "sync.max-advertise-wait-time", go: "the flag is in its sources but unknown at run time" },
  ],
  [
    "DiscSoftLowCap",
    "int",
    per({ mainnet: 8, testnet: 3, partner: 3, other: 4 }),
    "fewer streams than this: discovery at the next routine check",
    { flag: "sync.disc.soft-low-cap" },
  ],
  [
    "DiscHardLowCap",
    "int",
    per({ mainnet: 6, testnet: 3, partner: 3, other: 4 }),
    "fewer streams than this after a removal: discovery at once",
    { flag: "sync.disc.hard-low-cap" },
  ],
  ["DiscHighCap", "int", per({ mainnet: 128, other: 1024 }), "streams of one protocol, at most", {
    flag: "sync.disc.hi-cap",
    aliases: ["sync.disc.high-cap"],
  }],
  ["DiscBatch", "int", per({ testnet: 3, partner: 5, other: 8 }), "peers of one discovery run", {
    flag: "sync.disc.batch",
  }],
  ["DNSStaticNodes", "strings", [], "/dnsaddr names of peers to dial first", {
    flag: "sync.dns-static-nodes",
    undumped: true,
    go: "known from 2.6.7 on",
  }],
  ["Checkpoints", "strings", [], "blocks to start from, SHARD:NUMBER:HASH, last blocks of an epoch", {
    flag: "sync.checkpoint",
    undumped: true,
    go: "does not know it",
  }],
  ["AnchorFile", "string", "", "JSON file with more anchors and known-bad blocks", {
    flag: "sync.anchor-file",
    undumped: true,
    go: "does not know it",
  }],
  ["ProveBodies", "bool", false, "fetch source headers to prove incoming receipts", {
    flag: "sync.prove-bodies",
    undumped: true,
    go: "does not know it",
  }],
  ["StagedSync", "bool", true, "staged sync; always on", {
    flag: "sync.stagedsync",
    class: "ignored",
    hidden: true,
    undumped: true,
    go: "removed in 2.6.6",
  }],
]);

const STAGED = section("Sync.StagedSyncCfg", { class: "used", group: "sync" }, [
  ["TurboMode", "bool", true, "no effect", { class: "ignored", undumped: true, go: "removed in 2.6.6" }],
  ["DoubleCheckBlockHashes", "bool", false, "ask a second stream for every batch of hashes", {
    flag: "sync.double-check-hashes",
    go: UNUSED,
  }],
  ["MaxBlocksPerSyncCycle", "uint", 512, "blocks of one cycle; 0 means all", {
    flag: "sync.max-blocks-per-cycle",
    go: `${UNUSED}; 1024 is fixed`,
  }],
  ["MaxBackgroundBlocks", "uint", 512, "bodies downloaded ahead of execution", {
    flag: "sync.max-background-blocks",
    go: UNUSED,
  }],
  ["InsertChainBatchSize", "int", 128, "blocks of one import group", {
    flag: "sync.insert-batch",
    go: UNUSED,
  }],
  ["VerifyAllSig", "bool", false, "verify the certificate of every block", {
    flag: "sync.verify-all-sig",
    go: UNUSED,
  }],
  ["VerifyHeaderBatchSize", "uint", 100, "verify the certificate of every Nth block at least", {
    flag: "sync.verify-header-batch",
    go: `${UNUSED}; 100 is fixed`,
  }],
  ["MaxMemSyncCycleSize", "uint", 1024, "largest cycle kept in memory alone", {
    flag: "sync.max-mem-cycle",
    go: UNUSED,
  }],
  ["UseMemDB", "bool", true, "keep downloaded blocks in memory until they are imported", {
    flag: "sync.use-mem-db",
  }],
  ["LogProgress", "bool", false, "print four progress lines a cycle", { flag: "sync.log-progress" }],
  ["DebugMode", "bool", false, "log every request; print stack traces", {
    flag: "sync.debug",
    go: "sets it to true itself",
  }],
]);

const STREAM_MANAGER = section("Sync.StreamManager", { class: "used", group: "sync", undumped: true }, [
  ["MaxReservedStreams", "int", 100, "backup streams, at most"],
  ["RemovalCooldownDuration", "duration", "5m0s", "cooldown per failure of a removed stream"],
  ["MaxRemovalCooldownDuration", "duration", "1h0m0s", "longest cooldown; critical errors take it at once"],
  ["SetupConcurrency", "int", 16, "streams set up at once"],
  ["CheckInterval", "duration", "30s", "time between two checks of the number of streams"],
  ["DiscoveryTimeout", "duration", "10s", "time limit of one discovery run"],
  ["DiscoveryCooldown", "duration", "5m0s", "pause after a discovery run that found nobody"],
  ["ConnectTimeout", "duration", "1m0s", "time limit of setting up a stream"],
]);

const SERVER = section("Sync.Server", { class: "used", group: "sync", undumped: true }, [
  ["RequestsPerSecond", "int", 50, "requests answered per second in all; 0 means no limit", {
    flag: "sync.server.rate",
    hidden: true,
    go: "50 is fixed",
  }],
  ["RequestsPerSecondPerStream", "int", 10, "requests answered per second and stream; 0 means no limit", {
    flag: "sync.server.rate-per-stream",
    hidden: true,
    go: "10 is fixed",
  }],
]);

export const SYNC_KEYS: readonly KeySpec[] = [...SYNC, ...STAGED, ...STREAM_MANAGER, ...SERVER];
