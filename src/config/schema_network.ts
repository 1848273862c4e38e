/**
 * Schema rows of `[General]`, `[Network]`, `[P2P]` and `[DNSSync]` (config-cli-metrics.md §1.4, §2.2).
 *
 * Why it exists: who this node is and how it reaches the network. What must stay true: names, types and defaults
 * are the Go node's letter for letter.
 */
import { type KeySpec, per, section } from "./key_spec.ts";
import { bootNodesOf, dnsZoneOf } from "./networks.ts";

const GENERAL = section("General", { class: "used", group: "common" }, [
  ["NodeType", "string", "validator", "node type: validator or explorer", {
    flag: "run",
    deprecated: ["node_type"],
    go: "chooses whether the node votes; hsync never votes, both run as a full node",
  }],
  ["NoStaking", "bool", false, "run in legacy mode", { flag: "run.legacy", class: "ignored", hidden: true }],
  ["ShardID", "int", -1, "shard to follow; -1 means shard 0", {
    flag: "run.shard",
    aliases: ["shard"],
    deprecated: ["shard_id"],
    go: "-1 derives the shard from the BLS key; hsync has none",
  }],
  ["IsArchival", "bool", false, "keep all bodies and states", {
    flag: "run.archive",
    deprecated: ["is_archival"],
  }],
  ["IsBackup", "bool", false, "run as backup node", { flag: "run.backup", class: "ignored", hidden: true }],
  ["IsBeaconArchival", "bool", false, "keep all of the beacon chain", {
    flag: "run.beacon-archive",
    class: "ignored",
    hidden: true,
  }],
  ["IsOffline", "bool", false, "no network; needs P2P.IP 127.0.0.1", { flag: "run.offline" }],
  ["DataDir", "string", "./", "directory of the chain store", {
    flag: "datadir",
    short: "d",
    deprecated: ["db_dir"],
  }],
  ["TraceEnable", "bool", false, "trace transactions", { flag: "tracing", class: "ignored", hidden: true }],
  ["EnablePruneBeaconChain", "bool", false, "prune the beacon chain", { class: "ignored" }],
  ["RunElasticMode", "bool", false, "keep the chain in TiKV", { class: "rejected" }],
]);

const NETWORK = section("Network", { class: "used", group: "common" }, [
  ["NetworkType", "string", (n) => n, "network to join", {
    flag: "network",
    short: "n",
    deprecated: ["network_type"],
  }],
  ["BootNodes", "strings", (n) => [...bootNodesOf(n)], "multiaddrs of boot nodes, comma separated", {
    flag: "bootnodes",
  }],
  ["TrustedNodes", "strings", [], "multiaddrs of peers to dial first and to keep", {
    flag: "sync.trusted-nodes",
    group: "sync",
    go: "dialled once at start",
  }],
]);

const P2P = section("P2P", { class: "used", group: "network" }, [
  ["Port", "int", 9000, "TCP port of the peer-to-peer host; 0 takes any free one", {
    flag: "p2p.port",
    group: "common",
  }],
  ["IP", "string", "0.0.0.0", "address of the peer-to-peer host", { flag: "p2p.ip" }],
  ["KeyFile", "string", "./.hmykey", "identity file, created if absent", {
    flag: "p2p.keyfile",
    deprecated: ["key"],
    go: "always ./.hmykey by default; hsync uses the data directory unless ./.hmykey is there",
  }],
  ["DHTDataStore", "string", undefined, "directory of an on-disk DHT store", {
    flag: "p2p.dht.datastore",
    class: "ignored",
    hidden: true,
    undumped: true,
  }],
  ["DiscConcurrency", "int", 0, "DHT query concurrency; 0 means 10", { flag: "p2p.disc.concurrency" }],
  ["MaxConnsPerIP", "int", 10, "connections allowed from one address; 0 means no limit", {
    flag: "p2p.security.max-conn-per-ip",
  }],
  ["DisablePrivateIPScan", "bool", false, "never dial private addresses", {
    flag: "p2p.no-private-ip-scan",
  }],
  ["MaxPeers", "int", 0, "peers allowed; 0 means no limit", { flag: "p2p.security.max-peers" }],
  ["ConnManagerLowWatermark", "int", 160, "connections to keep when pruning", { flag: "p2p.connmgr-low" }],
  ["ConnManagerHighWatermark", "int", 192, "connections above which pruning starts; both 0: never", {
    flag: "p2p.connmgr-high",
  }],
  ["ResourceMgrEnabled", "bool", false, "libp2p resource manager", {
    flag: "p2p.resmgr-enabled",
    class: "ignored",
    hidden: true,
  }],
  ["ResourceMgrMemoryLimitBytes", "uint", 0, "memory limit of the resource manager", {
    flag: "p2p.resmgr-memory-limit-bytes",
    class: "ignored",
    hidden: true,
  }],
  ["ResourceMgrFileDescriptorsLimit", "uint", 0, "descriptor limit of the resource manager", {
    flag: "p2p.resmgr-file-descriptor-limit",
    class: "ignored",
    hidden: true,
  }],
  ["WaitForEachPeerToConnect", "bool", false, "connect to boot nodes one after another", {
    flag: "p2p.wait-for-connections",
    class: "ignored",
    hidden: true,
    go: "the flag is in its sources but unknown at run time",
  }],
  ["NoTransportSecurity", "bool", false, "no encryption; refused", {
    flag: "p2p.no-transport-security",
    hidden: true,
    go: "allows it on private test networks",
  }],
  ["NAT", "bool", true, "port mapping in the router", { flag: "p2p.nat", class: "ignored", hidden: true }],
  ["UserAgent", "string", "", "agent text that peers see", { flag: "p2p.user-agent" }],
  ["DialTimeout", "duration", "1m0s", "time limit of one dial", {
    flag: "p2p.dial-timeout",
    go: "has no flag for it",
  }],
  ["Muxer", "string", "yamux, mplexC6", "stream muxers in order of preference", { flag: "p2p.muxer" }],
  ["NoRelay", "bool", true, "no relayed connections", {
    flag: "p2p.no-relay",
    class: "ignored",
    hidden: true,
  }],
]);

const DNS_SYNC = section("DNSSync", { class: "used", group: "network" }, [
  ["Zone", "string", (n) => dnsZoneOf(n), "zone of the legacy sync servers", {
    flag: "dns.zone",
    deprecated: ["dns_zone"],
    hidden: true,
  }],
  ["Port", "int", 6000, "port of the legacy sync servers", {
    flag: "dns.port",
    deprecated: ["dns_port"],
    hidden: true,
  }],
  [
    "Client",
    "bool",
    per({ mainnet: true, testnet: true, other: false }),
    "download over the legacy protocol",
    {
      flag: "dns.client",
      deprecated: ["sync.legacy.client"],
      hidden: true,
    },
  ],
  ["Server", "bool", true, "serve the legacy protocol", {
    flag: "dns.server",
    deprecated: ["sync.legacy.server"],
    hidden: true,
    go: "the flag has no effect there",
  }],
  ["ServerPort", "int", 6000, "port to serve the legacy protocol on", {
    flag: "dns.server-port",
    hidden: true,
  }],
]);

export const NETWORK_KEYS: readonly KeySpec[] = [...GENERAL, ...NETWORK, ...P2P, ...DNS_SYNC];
