/**
 * What one setting makes of another: corrections and warnings, each with a notice.
 *
 * Why it exists: the Go node corrects silently, and operators wonder why `--sync.concurrency 8` gives 6
 * (config-cli-metrics.md §1.6, §2.4). What must stay true: the corrections come in the Go node's order, and
 * none happens without a notice.
 */
import type { Settings } from "./settings.ts";

/** Corrections, in the Go node's order. */
export function applyRules(s: Settings): void {
  const minPeers = s.num("Sync.MinPeers");
  const concurrency = s.num("Sync.Concurrency");
  if (concurrency === 0 || concurrency > minPeers) {
    const text = concurrency === 0
      ? `Concurrency 0 set to MinPeers ${minPeers}`
      : `Concurrency ${concurrency} limited to MinPeers ${minPeers}`;
    s.adjust("Sync.Concurrency", minPeers, "CFG-CONCURRENCY", text);
  }
  for (const key of ["InitStreams", "DiscSoftLowCap", "DiscHardLowCap"]) {
    const value = s.num(`Sync.${key}`);
    if (value < minPeers) {
      s.adjust(
        `Sync.${key}`,
        minPeers,
        `CFG-${key.toUpperCase()}`,
        `${key} ${value} raised to MinPeers ${minPeers}`,
      );
    }
  }
  if (s.bool("Sync.Client") && !s.bool("Sync.Enabled")) {
    s.adjust(
      "Sync.Enabled",
      true,
      "CFG-SYNC-ENABLED",
      "Sync.Enabled switched on, because Sync.Client is on",
    );
  }
  replaceZeros(s);
}

/** Files that came through the Go node's migrations hold zeros where a default is meant (§1.4). */
function replaceZeros(s: Settings): void {
  const replaced: string[] = [];
  const keys = [
    "MaxBackgroundBlocks",
    "InsertChainBatchSize",
    "VerifyHeaderBatchSize",
    "MaxMemSyncCycleSize",
  ];
  for (const key of keys) {
    const path = `Sync.StagedSyncCfg.${key}`;
    if (s.num(path) > 0) continue;
    const fallback = { MaxBackgroundBlocks: 512, InsertChainBatchSize: 128, VerifyHeaderBatchSize: 100 };
    const value = fallback[key as keyof typeof fallback] ?? 1024;
    replaced.push(`${key} ${value}`);
    s.set(path, value, { source: "adjusted", where: "0 stands for the default" });
  }
  if (replaced.length > 0) {
    s.notice("CFG-ZERO", `0 stands for the default: ${replaced.join(", ")}`);
  }
}

function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1" || ip === "localhost";
}

/** Things that work, but that the operator should know. */
export function addWarnings(s: Settings, sections: ReadonlySet<string>, hasFile: boolean): void {
  if (!s.bool("Sync.Client")) {
    s.notice(
      "CFG-CLIENT-OFF",
      s.bool("Sync.Enabled")
        ? "this node will serve but not sync; pass `--sync.client` or set `[Sync] Client = true`"
        : "this node will neither serve nor sync; pass `--sync.client` or set `[Sync] Client = true`",
    );
  }
  if (s.bool("Sync.ProveBodies") && !s.bool("Sync.Client")) {
    s.notice("CFG-PROVE-OFF", "ProveBodies asks peers, which a node with `[Sync] Client = false` does not");
  }
  if (s.num("Sync.MinPeers") > 16) {
    s.notice(
      "CFG-MANY-PEERS",
      `MinPeers ${s.num("Sync.MinPeers")} streams may never come together; 16 is plenty`,
    );
  }
  if (s.num("Sync.InitStreams") > s.num("Sync.DiscSoftLowCap")) {
    s.notice(
      "CFG-INIT-ABOVE-SOFT",
      `InitStreams ${s.num("Sync.InitStreams")} is above DiscSoftLowCap ${s.num("Sync.DiscSoftLowCap")}: ` +
        "discovery may stop looking before the start is allowed",
    );
  }
  if (s.num("Sync.DiscHighCap") > 1024) {
    s.notice("CFG-HIGH-CAP", `DiscHighCap ${s.num("Sync.DiscHighCap")} streams take much memory`);
  }
  if (s.num("Sync.MaxAdvertiseWaitTime") > 60) {
    s.notice(
      "CFG-ADVERTISE",
      `MaxAdvertiseWaitTime ${s.num("Sync.MaxAdvertiseWaitTime")} minutes: other nodes find this one late`,
    );
  }
  monitoringWarnings(s, sections, hasFile);
  featureNotices(s);
}

function monitoringWarnings(s: Settings, sections: ReadonlySet<string>, hasFile: boolean): void {
  if (s.bool("Prometheus.Enabled") && !isLoopback(s.text("Prometheus.IP"))) {
    s.notice(
      "CFG-METRICS-OPEN",
      `metrics and status listen on ${s.text("Prometheus.IP")}:${s.num("Prometheus.Port")}; firewall that ` +
        "port, or use `--prometheus.ip 127.0.0.1`",
    );
  }
  if (s.bool("Prometheus.EnablePush")) {
    s.notice("CFG-PUSH", "hsync does not push metrics; let Prometheus fetch /metrics");
  } else if (hasFile && s.network === "mainnet" && !sections.has("Prometheus")) {
    s.notice("CFG-NO-TELEMETRY", "no [Prometheus] section: the Go node would push metrics, hsync does not");
  }
  if (s.num("Log.RotateCount") === 0 && s.num("Log.RotateMaxAge") === 0 && !s.bool("Log.Console")) {
    s.notice("CFG-LOG-BOUNDED", "10 rotated log files are kept; RotateCount = -1 keeps all");
  }
}

/** Features of the Go node that the operator asked for and does not get. */
function featureNotices(s: Settings): void {
  const asked = (path: string) => s.chosen(path) && s.bool(path);
  const dns = [
    asked("DNSSync.Client") ? "client" : "",
    asked("DNSSync.Server") ? "server" : "",
  ].filter((t) => t !== "");
  if (dns.length > 0) {
    s.notice("CFG-DNS", `the legacy DNS sync ${dns.join(" and ")} is not offered; stream sync needs neither`);
  }
  // Flags without effect are named one by one where they are read.
  const filed = (path: string) => s.origins.get(path)?.source === "file" ? s.values.get(path) : undefined;
  const p2p = [
    filed("P2P.NAT") === true
      ? `port mapping in the router (NAT; forward TCP ${s.num("P2P.Port")} by hand)`
      : "",
    filed("P2P.NoRelay") === false ? "relayed connections (NoRelay)" : "",
    (filed("P2P.DHTDataStore") ?? "") === ""
      ? ""
      : "a DHT store on disk (DHTDataStore; the routing table fills anew)",
    filed("P2P.WaitForEachPeerToConnect") === true ? "boot nodes one by one (WaitForEachPeerToConnect)" : "",
  ].filter((t) => t !== "");
  if (p2p.length > 0) s.notice("CFG-P2P", `not offered by hsync: ${p2p.join("; ")}`);
  const rpc = [
    asked("HTTP.Enabled") ? "HTTP" : "",
    asked("HTTP.RosettaEnabled") ? "Rosetta" : "",
    asked("WS.Enabled") ? "WebSocket" : "",
  ].filter((t) => t !== "");
  if (rpc.length > 0) s.notice("CFG-RPC", `JSON-RPC is not offered (${rpc.join(", ")})`);
}
