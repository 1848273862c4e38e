/**
 * What makes a configuration invalid.
 *
 * Why it exists: a node that starts with a setting it cannot honour hurts later and elsewhere; every such setting
 * ends the start with exit code 128 and the key's name (config-cli-metrics.md §1.6). What must stay true: a check
 * reads settings only, never the disk or the network.
 */
import { isIP } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import { configError, shown } from "./config_error.ts";
import { networkOf, shardCountOf } from "./networks.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import type { Settings } from "./settings.ts";

/** An error about one key, naming where its value comes from. */
function invalid(s: Settings, path: string, must: string, hint: string): never {
  const origin = s.origins.get(path);
  const where = origin === undefined || origin.source === "default" ? "" : ` (${origin.where})`;
  throw configError("CONFIG_INVALID", `${path} = ${shown(s.values.get(path))}${where}: ${must}`, hint);
}

function checkNumber(s: Settings, path: string, min: number, max = Number.MAX_SAFE_INTEGER): void {
  const value = s.num(path);
  if (value >= min && value <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `${min} to ${max}`;
  invalid(s, path, `must be ${range}`, `set ${path} to ${range}`);
}

/** Addresses that cannot be used: an error from a flag; from a file only when nothing else is left (§1.6). */
function checkAddresses(s: Settings, path: string): void {
  const list = s.list(path);
  const good = list.filter(isUsableAddress);
  if (good.length === list.length) return;
  const bad = list.filter((a) => !isUsableAddress(a)).map(shown).join(", ");
  if (s.origins.get(path)?.source === "flag" || good.length === 0) {
    throw configError(
      "CONFIG_ADDRESS",
      `${path}: ${bad} cannot be used as a peer's address`,
      "write /ip4/…/tcp/…/p2p/<peer id>, /dns4/…/tcp/…/p2p/<peer id> or /dnsaddr/<name>",
    );
  }
  s.adjust(path, good, "CFG-BAD-ADDRESS", `${path}: ${bad} left out, it cannot be used as a peer's address`);
}

/** True for a multiaddr that names a peer, and for `/dnsaddr/` names, which resolve to such. */
export function isUsableAddress(text: string): boolean {
  try {
    const parts = multiaddr(text).getComponents();
    const names = parts.map((p) => p.name);
    if (names[0] === "dnsaddr") return true;
    return names.includes("tcp") && names[names.length - 1] === "p2p";
  } catch {
    return false;
  }
}

function checkGeneral(s: Settings): void {
  const nodeType = s.text("General.NodeType");
  if (nodeType !== "validator" && nodeType !== "explorer") {
    invalid(s, "General.NodeType", "must be validator or explorer", "both run as a full node here");
  }
  const shard = s.num("General.ShardID");
  if (nodeType === "explorer" && shard < 0) {
    invalid(s, "General.ShardID", "an explorer must name its shard", "pass --run.shard 0");
  }
  const shards = shardCountOf(s.network, s.num("Devnet.NumShards"));
  if (shard < -1 || shard >= shards) {
    invalid(
      s,
      "General.ShardID",
      `${s.network} has the shards 0 to ${shards - 1}`,
      `pass --run.shard 0 … ${shards - 1}`,
    );
  }
  if (s.bool("General.IsOffline") && s.text("P2P.IP") !== "127.0.0.1") {
    invalid(s, "P2P.IP", "an offline node must listen on 127.0.0.1", "pass --p2p.ip 127.0.0.1");
  }
  if (s.bool("General.RunElasticMode")) {
    invalid(
      s,
      "General.RunElasticMode",
      "the chain would not be where you expect it: hsync has no TiKV store",
      "set it to false to use hsync's own store, or `--db.url` for a remote one",
    );
  }
}

/** Work that only the Go node can do, and whose silent loss would be dangerous (§1.3). */
function checkRejected(s: Settings): void {
  const revertTo = s.values.get("Revert.RevertTo");
  if (typeof revertTo === "number" && revertTo > 0) {
    invalid(s, "Revert.RevertTo", "hsync does not revert a chain", "remove the [Revert] section");
  }
  for (const [path, value] of s.values) {
    if (path.startsWith("Preimage.") && value !== "" && value !== 0) {
      invalid(s, path, "hsync has no preimage jobs", "remove the [Preimage] section, or use the Go node");
    }
  }
}

function checkSync(s: Settings): void {
  const mode = s.num("Sync.SyncMode");
  if (mode === 1) invalid(s, "Sync.SyncMode", "FastSync is reserved", "use 0 (full sync)");
  if (mode === 2) invalid(s, "Sync.SyncMode", "SnapSync is reserved", "use 0 (full sync)");
  if (mode !== 0) invalid(s, "Sync.SyncMode", "there is no such mode", "use 0 (full sync)");
  checkNumber(s, "Sync.MinPeers", 1);
  checkNumber(s, "Sync.Concurrency", 0);
  for (const key of ["InitStreams", "DiscSoftLowCap", "DiscHardLowCap"]) checkNumber(s, `Sync.${key}`, 0);
  checkNumber(s, "Sync.DiscBatch", 1);
  checkNumber(s, "Sync.MaxAdvertiseWaitTime", 1);
  checkNumber(s, "Sync.Server.RequestsPerSecond", 0);
  checkNumber(s, "Sync.Server.RequestsPerSecondPerStream", 0);
  checkNumber(s, "Sync.StreamManager.MaxReservedStreams", 0);
  checkNumber(s, "Sync.StreamManager.SetupConcurrency", 1);
  for (
    const key of [
      "RemovalCooldownDuration",
      "MaxRemovalCooldownDuration",
      "CheckInterval",
      "DiscoveryTimeout",
      "DiscoveryCooldown",
      "ConnectTimeout",
    ]
  ) {
    const path = `Sync.StreamManager.${key}`;
    if (s.ms(path) <= 0) invalid(s, path, "must be longer than nothing", 'for example "30s"');
  }
  checkCooldowns(s);
  for (const text of s.list("Sync.Checkpoints")) {
    if (parseCheckpoint(text) === undefined) {
      invalid(
        s,
        "Sync.Checkpoints",
        `${shown(text)} is no checkpoint`,
        "write SHARD:NUMBER:HASH, the hash with 64 hex digits",
      );
    }
  }
}

/** What only shows after the rules have corrected the numbers. */
export function validateAdjusted(s: Settings): void {
  const high = s.num("Sync.DiscHighCap");
  const soft = s.num("Sync.DiscSoftLowCap");
  if (high < soft) {
    invalid(s, "Sync.DiscHighCap", `must not be below DiscSoftLowCap ${soft}`, "raise it, or lower MinPeers");
  }
}

/** The longest cooldown bounds the others. */
function checkCooldowns(s: Settings): void {
  const [longest, step] = ["MaxRemovalCooldownDuration", "RemovalCooldownDuration"].map((k) =>
    `Sync.StreamManager.${k}`
  ) as [string, string];
  if (s.ms(longest) < s.ms(step)) {
    invalid(
      s,
      longest,
      `must not be below ${step} ${shown(s.text(step))}`,
      "raise the one or lower the other",
    );
  }
}

function checkAddressPorts(s: Settings): void {
  for (const path of ["P2P.Port", "Prometheus.Port", "HTTP.Port", "DNSSync.Port", "DNSSync.ServerPort"]) {
    checkNumber(s, path, 0, 65_535);
  }
  for (const path of ["P2P.IP", "Prometheus.IP", "HTTP.IP"]) {
    if (isIP(s.text(path)) === 0) {
      invalid(s, path, "must be an IP address", "for example 127.0.0.1 or 0.0.0.0");
    }
  }
  if (!s.bool("Prometheus.Enabled") || s.num("P2P.Port") === 0) return;
  const sameIp = s.text("P2P.IP") === s.text("Prometheus.IP") ||
    [s.text("P2P.IP"), s.text("Prometheus.IP")].some((ip) => ip === "0.0.0.0" || ip === "::");
  if (sameIp && s.num("P2P.Port") === s.num("Prometheus.Port")) {
    invalid(s, "Prometheus.Port", "P2P.Port is the same", "give the two services different ports");
  }
}

function checkRest(s: Settings): void {
  checkNumber(s, "Log.Verbosity", 0, 5);
  checkNumber(s, "Log.RotateSize", 1);
  checkNumber(s, "Log.RotateCount", -1);
  checkNumber(s, "Log.RotateMaxAge", 0);
  checkNumber(s, "P2P.MaxConnsPerIP", 0);
  checkNumber(s, "P2P.MaxPeers", 0);
  checkNumber(s, "P2P.DiscConcurrency", 0);
  checkNumber(s, "P2P.ConnManagerLowWatermark", 0);
  checkNumber(s, "P2P.ConnManagerHighWatermark", s.num("P2P.ConnManagerLowWatermark"));
  checkNumber(s, "Localnet.BlocksPerEpoch", 1);
  checkNumber(s, "Localnet.BlocksPerEpochV2", 1);
  checkNumber(s, "Devnet.NumShards", 1);
  if (s.bool("P2P.NoTransportSecurity")) {
    invalid(
      s,
      "P2P.NoTransportSecurity",
      "hsync encrypts every connection and could reach no peer that does not",
      "remove it, and start the other nodes of the network without it too",
    );
  }
  if (s.ms("P2P.DialTimeout") <= 0) {
    invalid(s, "P2P.DialTimeout", "must be longer than nothing", 'for example "1m0s"');
  }
  const fileName = s.text("Log.FileName");
  if (fileName === "" || /[/\\\0]/.test(fileName)) {
    invalid(s, "Log.FileName", "must be a file name without a directory", "set Log.Folder for the directory");
  }
  const url = s.text("Store.URL");
  if (url !== "" && !/^https?:\/\/[^\s/]+/.test(url)) {
    invalid(s, "Store.URL", "must be an http or https address", "for example --db.url http://127.0.0.1:4512");
  }
  const listen = s.text("Status.Listen");
  if (listen !== "" && parseHostPort(listen) === undefined) {
    invalid(s, "Status.Listen", "must be HOST:PORT with an IP address", "for example 127.0.0.1:9901");
  }
}

/** Address and port of `127.0.0.1:9901` or `[::1]:9901`; undefined when it is neither. */
export function parseHostPort(text: string): { readonly ip: string; readonly port: number } | undefined {
  const m = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const ip = m?.[1] ?? m?.[2];
  const port = Number(m?.[3]);
  return ip === undefined || isIP(ip) === 0 || port > 65_535 ? undefined : { ip, port };
}

/**
 * Checks everything that a correction cannot mend.
 *
 * @throws {HsyncError} CONFIG_INVALID, CONFIG_ADDRESS; exit code 128
 */
export function validate(s: Settings): void {
  if (networkOf(s.network) === undefined) throw new TypeError(`settings for no network: ${s.network}`);
  checkRejected(s);
  checkGeneral(s);
  checkSync(s);
  checkAddressPorts(s);
  checkRest(s);
  for (const path of ["Network.BootNodes", "Network.TrustedNodes", "Sync.DNSStaticNodes"]) {
    checkAddresses(s, path);
  }
}
