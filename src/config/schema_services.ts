/**
 * Schema rows of logging, monitoring and remote procedure calls (config-cli-metrics.md §1.4, §2.2, §8.3).
 *
 * Why it exists: what an operator sees of a node. What must stay true: names, types and defaults are the Go
 * node's; `[Status]` and `[Store]` are ours and unknown to it.
 */
import { type KeySpec, section } from "./key_spec.ts";

const LOG = section("Log", { class: "used", group: "logging" }, [
  ["Console", "bool", false, "log to standard error and to no file", { flag: "log.console" }],
  ["Folder", "string", "./latest", "directory of the log file", {
    flag: "log.dir",
    deprecated: ["log_folder"],
  }],
  ["FileName", "string", "harmony.log", "log file; the name on disk starts with zerolog-", {
    flag: "log.name",
  }],
  ["RotateSize", "int", 100, "size in MB at which the log file is rotated", {
    flag: "log.max-size",
    deprecated: ["log_max_size"],
  }],
  ["RotateCount", "int", 0, "rotated files to keep; -1 means all", {
    flag: "log.rotate-count",
    go: "0 keeps all; hsync keeps 10 when RotateMaxAge is 0 too",
  }],
  ["RotateMaxAge", "int", 0, "days to keep rotated files; 0 means for ever", { flag: "log.rotate-max-age" }],
  ["Verbosity", "int", 3, "0 silent, 1 error, 2 warn, 3 info, 4 and 5 debug", {
    flag: "log.verb",
    short: "v",
    deprecated: ["verbosity"],
    group: "common",
  }],
  ["VerbosePrints.Config", "bool", true, "print the effective configuration at start"],
  ["Context.IP", "string", undefined, "address added to every log line", {
    flag: "log.ctx.ip",
    hidden: true,
    undumped: true,
  }],
  ["Context.Port", "int", undefined, "port added to every log line", {
    flag: "log.ctx.port",
    hidden: true,
    undumped: true,
  }],
]);

const PROMETHEUS = section("Prometheus", { class: "used", group: "monitoring", undumped: true }, [
  ["Enabled", "bool", true, "metrics, health and status over HTTP", { flag: "prometheus" }],
  ["IP", "string", "0.0.0.0", "address of that listener", { flag: "prometheus.ip" }],
  ["Port", "int", 9900, "port of that listener; 0 takes any free one", {
    flag: "prometheus.port",
    group: "common",
  }],
  ["EnablePush", "bool", false, "push metrics to the gateway", {
    flag: "prometheus.push",
    hidden: true,
    go: "true on mainnet when the section is missing",
  }],
  ["Gateway", "string", "https://gateway.harmony.one", "push gateway", {
    flag: "prometheus.pushgateway",
    hidden: true,
  }],
]);

const STATUS = section("Status", { class: "used", group: "monitoring", undumped: true }, [
  ["Listen", "string", "", "HOST:PORT of a second listener", { flag: "status.addr" }],
  ["Public", "bool", false, "show peers, paths and settings to callers from other machines too", {
    flag: "status.public",
  }],
  ["Off", "bool", false, "only /metrics and /health", { flag: "status.off" }],
  ["Hosts", "strings", [], "host names that callers may use", { flag: "status.hosts" }],
]);

const HTTP = section("HTTP", { class: "used", group: "monitoring" }, [
  ["Enabled", "bool", true, "JSON-RPC over HTTP", { flag: "http", hidden: true }],
  ["IP", "string", "127.0.0.1", "address of JSON-RPC", {
    flag: "http.ip",
    deprecated: ["ip"],
    hidden: true,
  }],
  ["Port", "int", 9500, "port of JSON-RPC", { flag: "http.port", hidden: true }],
  ["AuthPort", "int", 9501, "port of authenticated JSON-RPC", {
    flag: "http.auth-port",
    class: "ignored",
    hidden: true,
  }],
  ["RosettaEnabled", "bool", false, "Rosetta API", {
    flag: "http.rosetta",
    class: "ignored",
    hidden: true,
  }],
  ["RosettaPort", "int", 9700, "port of Rosetta", {
    flag: "http.rosetta.port",
    class: "ignored",
    hidden: true,
  }],
  ["ReadTimeout", "string", "30s", "time to read a request", { flag: "http.timeout.read", hidden: true }],
  ["WriteTimeout", "string", "30s", "time to write an answer", { flag: "http.timeout.write", hidden: true }],
  ["IdleTimeout", "string", "120s", "time an idle connection stays open", {
    flag: "http.timeout.idle",
    hidden: true,
  }],
]);

const WS = section("WS", { class: "ignored", group: "ignored" }, [
  ["Enabled", "bool", true, "JSON-RPC over WebSocket", { flag: "ws", hidden: true }],
  ["IP", "string", "127.0.0.1", "address of WebSocket", { flag: "ws.ip", hidden: true }],
  ["Port", "int", 9800, "port of WebSocket", { flag: "ws.port", hidden: true }],
  ["AuthPort", "int", 9801, "port of authenticated WebSocket", { flag: "ws.auth-port", hidden: true }],
]);

const RPC = section("RPCOpt", { class: "ignored", group: "ignored" }, [
  ["DebugEnabled", "bool", false, "debug methods", { flag: "rpc.debug", hidden: true }],
  ["PreimagesEnabled", "bool", false, "preimage methods", { flag: "rpc.preimages", hidden: true }],
  ["EthRPCsEnabled", "bool", true, "eth methods", { flag: "rpc.eth", hidden: true }],
  ["StakingRPCsEnabled", "bool", true, "staking methods", { flag: "rpc.staking", hidden: true }],
  ["LegacyRPCsEnabled", "bool", true, "legacy methods", { flag: "rpc.legacy", hidden: true }],
  ["RpcFilterFile", "string", "./.hmy/rpc_filter.txt", "list of methods to offer", {
    flag: "rpc.filterspath",
    hidden: true,
  }],
  ["RateLimterEnabled", "bool", true, "limit calls per second", {
    flag: "rpc.ratelimiter",
    class: "used",
    hidden: true,
  }],
  ["RequestsPerSecond", "int", 1000, "calls per second", {
    flag: "rpc.ratelimit",
    class: "used",
    hidden: true,
  }],
  ["EvmCallTimeout", "string", "5s", "time limit of eth_call", {
    flag: "rpc.evm-call-timeout",
    hidden: true,
  }],
]);

const SYS = section("Sys", { class: "used", group: "monitoring", undumped: true }, [
  [
    "NtpServer",
    "string",
    "1.pool.ntp.org,0.beevik-ntp.pool.ntp.org",
    "time servers of the clock check",
    { flag: "sys.ntp", hidden: true },
  ],
]);

const LOCALNET = section("Localnet", { class: "used", group: "network" }, [
  ["BlocksPerEpoch", "uint", 16, "blocks per epoch on localnet", { flag: "localnet.blocks_per_epoch" }],
  ["BlocksPerEpochV2", "uint", 16, "blocks per epoch on localnet, second form", {
    flag: "localnet.blocks_per_epoch_v2",
  }],
]);

const DEVNET = section("Devnet", { class: "used", group: "network" }, [
  ["NumShards", "int", 2, "shards of the devnet", {
    flag: "devnet.num-shard",
    deprecated: ["dn_num_shards"],
    hidden: true,
  }],
  ["ShardSize", "int", 10, "seats of a shard of the devnet", {
    flag: "devnet.shard-size",
    deprecated: ["dn_shard_size"],
    hidden: true,
  }],
  ["HmyNodeSize", "int", 10, "Harmony's own seats of a shard of the devnet", {
    flag: "devnet.hmy-node-size",
    deprecated: ["dn_hmy_size"],
    hidden: true,
  }],
  ["SlotsLimit", "int", 0, "slots of one validator on the devnet, at most; 0 means no limit"],
]);

const STORE = section("Store", { class: "used", group: "common", undumped: true }, [
  ["URL", "string", "", "remote Deno KV instead of a local file", { flag: "db.url" }],
]);

export const SERVICE_KEYS: readonly KeySpec[] = [
  ...LOG,
  ...PROMETHEUS,
  ...STATUS,
  ...HTTP,
  ...WS,
  ...RPC,
  ...SYS,
  ...LOCALNET,
  ...DEVNET,
  ...STORE,
];
