/**
 * From what the stream layer knows to what `/status` shows.
 *
 * Why it exists: times become ISO texts, unknowns become null, and the configured minimum joins the caps
 * (config-cli-metrics.md §8.4). What must stay true: nothing is computed anew that the stream layer has decided.
 */
import type { ProtocolSnapshot } from "../stream/mod.ts";
import type { ProtocolStatus, RequestsStatus } from "./status_types.ts";
import type { StreamTotals } from "./traffic_meter.ts";

function iso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** The status of one protocol. @param need MinPeers and InitStreams. */
export function protocolStatus(
  snapshot: ProtocolSnapshot,
  need: { readonly min: number; readonly init: number },
  totals: StreamTotals,
): ProtocolStatus {
  const { required, discovery } = snapshot;
  return {
    topic: snapshot.topic,
    advertised: snapshot.advertised,
    active: snapshot.active,
    reserved: snapshot.reserved,
    cooldown: snapshot.cooldown,
    expired: snapshot.expired,
    refused: { peers: snapshot.refused.peers, nextAt: iso(snapshot.refused.nextAt) },
    connecting: snapshot.connecting,
    trusted: snapshot.trusted,
    required: {
      min: need.min,
      init: need.init,
      softLow: required.softLowCap,
      hardLow: required.hardLowCap,
      high: required.highCap,
      reservedMax: required.reservedMax,
    },
    ...totals,
    health: snapshot.health,
    discovery: {
      running: discovery.running,
      lastAt: iso(discovery.lastAt),
      lastFound: discovery.lastFound,
      lastConnected: discovery.lastConnected,
      nextAt: iso(discovery.nextAt),
      cooldownUntil: iso(discovery.cooldownUntil),
      outage: discovery.outage,
    },
    list: snapshot.list.map((s) => ({
      id: s.id,
      addr: s.address,
      state: s.state,
      direction: s.direction,
      trusted: s.trusted,
      muxer: s.muxer,
      since: new Date(s.since).toISOString(),
      height: s.height ?? null,
      heightAt: iso(s.heightAt),
      failures: s.failures,
      score: Math.round(s.score * 1000) / 1000,
      success: Math.round(s.success * 1000) / 1000,
      blocksPerSecond: s.itemsPerSecond === undefined ? null : Math.round(s.itemsPerSecond * 10) / 10,
      blocksPerRequest: s.blocksPerRequest,
      busy: s.busy,
      requestType: s.requestType ?? null,
      latencyMsP50: s.latencyMs === undefined ? null : Math.round(s.latencyMs),
      suspended: s.suspended,
      bytesIn: s.bytesIn,
      bytesOut: s.bytesOut,
    })),
    cooldownList: snapshot.cooldownList.map((c) => ({
      id: c.id,
      removals: c.removals,
      reason: c.reason,
      critical: c.critical,
      until: new Date(c.until).toISOString(),
      remainingSeconds: Math.ceil(c.remainingMs / 1000),
    })),
  };
}

/** The queues of all protocols together. */
export function requestsStatus(snapshots: readonly ProtocolSnapshot[], queueLimit: number): RequestsStatus {
  const sum = (pick: (r: ProtocolSnapshot["requests"]) => number) =>
    snapshots.reduce((total, s) => total + pick(s.requests), 0);
  return {
    waitingHigh: sum((r) => r.waitingHigh),
    waitingLow: sum((r) => r.waitingLow),
    pending: sum((r) => r.pending),
    queueLimit,
    oldestWaitingMs: Math.round(Math.max(0, ...snapshots.map((s) => s.requests.oldestWaitingMs))),
    completed: sum((r) => r.completed),
    failed: sum((r) => r.failed),
    timeouts: sum((r) => r.timeouts),
  };
}
