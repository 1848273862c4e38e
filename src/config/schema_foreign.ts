/**
 * Schema rows of what belongs to the Go node only: read without complaint, passed over, or refused where silence
 * would be dangerous (config-cli-metrics.md §1.3, §1.4).
 *
 * Why it exists: an operator's file must start hsync unchanged. What must stay true: nothing here ever opens a
 * BLS key or a pass file.
 */
import { type KeySpec, per, section } from "./key_spec.ts";

const IGNORED = { class: "ignored", group: "ignored" } as const;
const REJECTED = { class: "rejected", group: "ignored", undumped: true } as const;

const BLS = section("BLSKeys", IGNORED, [
  ["KeyDir", "string", "./.hmy/blskeys", "validator keys", { flag: "bls.dir", deprecated: ["blsfolder"] }],
  ["KeyFiles", "strings", [], "validator keys", { flag: "bls.keys", deprecated: ["blskey_file"] }],
  ["MaxKeys", "int", 10, "validator keys", {
    flag: "bls.maxkeys",
    deprecated: ["max_bls_keys_per_node"],
  }],
  ["PassEnabled", "bool", true, "validator keys", { flag: "bls.pass" }],
  ["PassSrcType", "string", "auto", "validator keys", { flag: "bls.pass.src", deprecated: ["blspass"] }],
  ["PassFile", "string", "", "validator keys", { flag: "bls.pass.file" }],
  ["SavePassphrase", "bool", false, "validator keys", {
    flag: "bls.pass.save",
    deprecated: ["save-passphrase"],
  }],
  ["KMSEnabled", "bool", false, "validator keys", { flag: "bls.kms" }],
  ["KMSConfigSrcType", "string", "shared", "validator keys", {
    flag: "bls.kms.src",
    deprecated: ["aws-config-source"],
  }],
  ["KMSConfigFile", "string", "", "validator keys", { flag: "bls.kms.config" }],
]);

const TX_POOL = section("TxPool", IGNORED, [
  ["BlacklistFile", "string", "./.hmy/blacklist.txt", "transaction pool", {
    flag: "txpool.blacklist",
    deprecated: ["blacklist"],
  }],
  ["AllowedTxsFile", "string", "./.hmy/allowedtxs.txt", "transaction pool", { flag: "txpool.allowedtxs" }],
  ["RosettaFixFile", "string", "", "transaction pool", { flag: "txpool.rosettafixfile" }],
  ["AccountSlots", "uint", 16, "transaction pool", { flag: "txpool.accountslots" }],
  ["AccountQueue", "uint", 64, "transaction pool", { flag: "txpool.accountqueue" }],
  ["GlobalSlots", "uint", 4096, "transaction pool", { flag: "txpool.globalslots" }],
  ["GlobalQueue", "uint", 5120, "transaction pool", { flag: "txpool.globalqueue" }],
  ["LocalAccountsFile", "string", "./.hmy/locals.txt", "transaction pool", { flag: "txpool.locals" }],
  ["Lifetime", "duration", "30m0s", "transaction pool", { flag: "txpool.lifetime" }],
  ["PriceLimit", "float", 100e9, "transaction pool", { flag: "txpool.pricelimit", raw: "100e9" }],
  ["PriceBump", "uint", 1, "transaction pool", { flag: "txpool.pricebump" }],
]);

const CONSENSUS = section("Consensus", { ...IGNORED, undumped: true }, [
  ["MinPeers", "int", 6, "voting", { flag: "consensus.min-peers", deprecated: ["min_peers"] }],
  ["AggregateSig", "bool", true, "voting", { flag: "consensus.aggregate-sig" }],
]);

const GPO = section("GPO", IGNORED, [
  ["Blocks", "int", 20, "gas price oracle", { flag: "gpo.blocks" }],
  ["Transactions", "int", 3, "gas price oracle", { flag: "gpo.transactions" }],
  ["Percentile", "int", 60, "gas price oracle", { flag: "gpo.percentile" }],
  ["DefaultPrice", "int", 100_000_000_000, "gas price oracle", { flag: "gpo.defaultprice" }],
  ["MaxPrice", "int", 1_000_000_000_000, "gas price oracle", { flag: "gpo.maxprice" }],
  ["LowUsageThreshold", "int", 50, "gas price oracle", { flag: "gpo.low-usage-threshold" }],
  ["BlockGasLimit", "int", 0, "gas price oracle", { flag: "gpo.block-gas-limit" }],
]);

const onMainTestPartner = per({ mainnet: true, testnet: true, partner: true, other: false });

const CACHE = section("Cache", IGNORED, [
  ["Disabled", "bool", onMainTestPartner, "trie cache", { flag: "cache.disabled" }],
  ["TrieNodeLimit", "int", 256, "trie cache", { flag: "cache.trie_node_limit" }],
  ["TrieTimeLimit", "duration", "2m0s", "trie cache"],
  ["TriesInMemory", "uint", 128, "trie cache", { flag: "cache.tries_in_memory" }],
  ["Preimages", "bool", per({ localnet: false, other: true }), "trie cache", { flag: "cache.preimages" }],
  ["SnapshotLimit", "int", 0, "trie cache", { flag: "cache.snapshot_limit" }],
  ["SnapshotNoBuild", "bool", false, "trie cache", { flag: "cache.snapshot_no_build" }],
  ["SnapshotWait", "bool", true, "trie cache", { flag: "cache.snapshot_wait" }],
]);

const SHARD_DATA = section("ShardData", IGNORED, [
  ["EnableShardData", "bool", false, "several LevelDB stores", { flag: "sharddata.enable" }],
  ["DiskCount", "int", 8, "several LevelDB stores", { flag: "sharddata.disk_count" }],
  ["ShardCount", "int", 4, "several LevelDB stores", { flag: "sharddata.shard_count" }],
  ["CacheTime", "int", 10, "several LevelDB stores", { flag: "sharddata.cache_time" }],
  ["CacheSize", "int", 512, "several LevelDB stores", { flag: "sharddata.cache_size" }],
]);

const PPROF = section("Pprof", IGNORED, [
  ["Enabled", "bool", false, "Go profiling", { flag: "pprof" }],
  ["ListenAddr", "string", "127.0.0.1:6060", "Go profiling", { flag: "pprof.addr" }],
  ["Folder", "string", "./profiles", "Go profiling", { flag: "pprof.folder" }],
  ["ProfileNames", "strings", [], "Go profiling", { flag: "pprof.profile.names" }],
  ["ProfileIntervals", "ints", [600], "Go profiling", { flag: "pprof.profile.intervals" }],
  ["ProfileDebugValues", "ints", [0], "Go profiling", { flag: "pprof.profile.debug" }],
]);

const LEGACY = section("Legacy", { ...IGNORED, undumped: true }, [
  ["WebHookConfig", "string", undefined, "webhooks", { deprecated: ["webhook_yaml"] }],
  ["TPBroadcastInvalidTxn", "bool", undefined, "transaction pool", { deprecated: ["broadcast_invalid_tx"] }],
]);

const REVERT = section("Revert", REJECTED, [
  ["RevertBeacon", "bool", undefined, "revert the chain", {
    flag: "revert.beacon",
    deprecated: ["revert_beacon"],
  }],
  ["RevertTo", "int", undefined, "revert the chain", { flag: "revert.to", deprecated: ["revert_to"] }],
  ["RevertBefore", "int", undefined, "revert the chain", {
    flag: "revert.do-before",
    deprecated: ["do_revert_before"],
  }],
]);

const PREIMAGE = section("Preimage", REJECTED, [
  ["ImportFrom", "string", undefined, "preimage job", { flag: "preimage.import" }],
  ["ExportTo", "string", undefined, "preimage job", { flag: "preimage.export" }],
  ["GenerateStart", "uint", undefined, "preimage job", { flag: "preimage.start" }],
  ["GenerateEnd", "uint", undefined, "preimage job", { flag: "preimage.end" }],
]);

const TIKV = section("TiKV", { ...IGNORED, undumped: true }, [
  ["Debug", "bool", undefined, "TiKV store"],
  ["PDAddr", "strings", undefined, "TiKV store"],
  ["Role", "string", undefined, "TiKV store"],
  ["StateDBCacheSizeInMB", "uint", undefined, "TiKV store"],
  ["StateDBCachePersistencePath", "string", undefined, "TiKV store"],
  ["StateDBRedisServerAddr", "strings", undefined, "TiKV store"],
  ["StateDBRedisLRUTimeInDay", "uint", undefined, "TiKV store"],
]);

export const FOREIGN_KEYS: readonly KeySpec[] = [
  ...BLS,
  ...TX_POOL,
  ...CONSENSUS,
  ...GPO,
  ...CACHE,
  ...SHARD_DATA,
  ...PPROF,
  ...LEGACY,
  ...REVERT,
  ...PREIMAGE,
  ...TIKV,
];
