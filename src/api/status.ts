/**
 * Works the `/status` document out of what the node knows.
 *
 * Why it exists: "in sync", the target, the mode and the time left are decided once, here, and nowhere else
 * (config-cli-metrics.md §5.2 "correctness trap", §8.4). What must stay true: unknown is not in sync; nothing here
 * reads a clock.
 */
import { to0x } from "../base/mod.ts";
import type { ProcessFigures } from "./process_metrics.ts";
import type { EtaStatus, StatusDocument, StatusParts, SyncMode, SyncState } from "./status_types.ts";

/** A head at most so many blocks below the target is in sync; the tolerance of the Go explorer's probe (§5.3). */
export const IN_SYNC_TOLERANCE = 5;
/** On public networks an older head is not in sync, even when every peer agrees with it (§8.3). */
export const IN_SYNC_MAX_AGE_SECONDS = 60;
/** Up to here the short-range stage does the work (§8.4). */
const SHORT_RANGE = 10;

/** What one peer said. */
export interface HeightReport {
  readonly height: number;
  /** ms since 1970. */
  readonly at: number;
}

/**
 * The height to reach, from what peers report (§8.4): the upper median of the non-zero reports of the last minute,
 * once there are enough of them. One outlier cannot move it.
 *
 * @param options.need reports needed: min(MinPeers, active streams), at least 2 on public networks.
 */
export function targetOf(
  reports: readonly HeightReport[],
  options: { readonly now: number; readonly need: number },
): { height: number; source: string; asOf: number } | undefined {
  const fresh = reports.filter((r) => r.height > 0 && options.now - r.at <= 60_000)
    .sort((a, b) => a.height - b.height);
  if (fresh.length < Math.max(1, options.need)) return undefined;
  const height = (fresh[Math.floor(fresh.length / 2)] as HeightReport).height;
  const asOf = Math.max(...fresh.map((r) => r.at));
  const streams = fresh.length === 1 ? "1 stream" : `${fresh.length} streams`;
  return { height, source: `median of ${streams}`, asOf };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : iso(ms);
}

/** A figure fit for people: two decimals. */
function rounded(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Math.round(value * 100) / 100;
}

function stateOf(parts: StatusParts, inSync: boolean): SyncState {
  if (parts.phase === "stopping" || parts.phase === "starting" || parts.phase === "paused") {
    return parts.phase;
  }
  if (!parts.client) return "disabled";
  if (inSync) return "inSync";
  if (parts.phase === "waitingForStreams") return "waitingForStreams";
  return parts.stalled ? "stalled" : "syncing";
}

function modeOf(parts: StatusParts, behind: number | undefined, inSync: boolean): SyncMode {
  if (parts.epochRunning) return "epoch";
  if (!parts.client || behind === undefined || inSync && behind === 0) return "idle";
  return behind <= SHORT_RANGE ? "shortRange" : "longRange";
}

/** Time left, or why there is none (§8.4). */
function etaOf(
  parts: StatusParts,
  behind: number | undefined,
): { eta: EtaStatus | null; reason: string | null } {
  if (behind === undefined) return { eta: null, reason: "target unknown" };
  const rate = parts.rate15m ?? parts.rate1m;
  if (rate === undefined) return { eta: null, reason: "speed not measured yet" };
  const gain = rate - (parts.growth ?? 0);
  if (behind > 0 && gain <= 0) return { eta: null, reason: "import slower than chain growth" };
  const seconds = behind === 0 ? 0 : Math.ceil(behind / gain);
  // The two averages tell how steady the speed is.
  const spread = parts.rate1m === undefined || parts.rate15m === undefined || parts.rate15m === 0
    ? 1
    : Math.abs(parts.rate1m - parts.rate15m) / parts.rate15m;
  const confidence = spread < 0.15 ? "high" : spread < 0.5 ? "medium" : "low";
  return { eta: { seconds, at: iso(parts.now + seconds * 1000), confidence }, reason: null };
}

/** Part of the way from where the run began to the target, 0 to 100. */
function percentOf(parts: StatusParts, behind: number | undefined): number | null {
  if (parts.target === undefined || behind === undefined) return null;
  const way = parts.target.height - parts.startHeight;
  if (behind === 0 || way <= 0) return 100;
  return Math.min(100, Math.max(0, rounded((parts.head.height - parts.startHeight) / way * 100) ?? 0));
}

/** The document. */
export function buildStatus(parts: StatusParts, process: ProcessFigures): StatusDocument {
  const behind = parts.target === undefined
    ? undefined
    : Math.max(0, parts.target.height - parts.head.height);
  const ageSeconds = Math.max(0, Math.round((parts.now - parts.head.time) / 1000));
  const inSync = parts.inSync ?? (behind !== undefined && behind <= IN_SYNC_TOLERANCE &&
    (!parts.publicNetwork || ageSeconds <= IN_SYNC_MAX_AGE_SECONDS));
  const { eta, reason } = etaOf(parts, behind);
  return {
    schema: 1,
    time: iso(parts.now),
    node: {
      name: "hsync",
      version: parts.version,
      commit: parts.commit,
      peerId: parts.peerId,
      network: parts.network,
      shard: parts.shard,
      startedAt: iso(parts.startedAt),
      uptimeSeconds: Math.max(0, Math.floor((parts.now - parts.startedAt) / 1000)),
      listen: parts.listen,
    },
    sync: {
      state: stateOf(parts, inSync),
      mode: modeOf(parts, behind, inSync),
      client: parts.client,
      inSync,
      current: {
        height: parts.head.height,
        hash: to0x(parts.head.hash),
        epoch: parts.head.epoch,
        timestamp: iso(parts.head.time),
        ageSeconds,
      },
      lowest: parts.lowest,
      target: parts.target === undefined ? null : { ...parts.target, asOf: iso(parts.target.asOf) },
      behind: behind ?? null,
      percent: percentOf(parts, behind),
      cycle: parts.cycle === undefined ? null : { ...parts.cycle, startedAt: iso(parts.cycle.startedAt) },
      stages: parts.stages,
      rate: {
        blocksPerSecond1m: rounded(parts.rate1m),
        blocksPerSecond15m: rounded(parts.rate15m),
        chainGrowthPerSecond: rounded(parts.growth),
      },
      eta,
      etaReason: reason,
      bottleneck: parts.bottleneck ?? null,
      assurance: parts.assurance,
      waiting: parts.waiting.map((w) => ({ what: w.what, since: iso(w.since) })),
      diagnosis: parts.diagnosis,
    },
    epochChain: parts.epochChain ?? null,
    checkpoint: parts.checkpoint ?? null,
    anchor: parts.anchor ?? null,
    bodies: parts.bodies ?? null,
    streams: { protocols: parts.protocols },
    requests: parts.requests,
    server: parts.server,
    p2p: parts.p2p,
    store: {
      path: parts.store.path,
      bytes: parts.store.bytes ?? null,
      freeBytes: parts.store.freeBytes ?? null,
      lastCommitAt: isoOrNull(parts.store.lastCommitAt),
      writable: parts.store.writable,
    },
    process: {
      rssBytes: process.rssBytes,
      heapUsedBytes: process.heapUsedBytes,
      heapLimitBytes: parts.heapLimitBytes ?? null,
      openFds: process.openFds ?? null,
      maxFds: process.maxFds ?? null,
      eventLoopLagMsP99: rounded(parts.eventLoopLagMsP99),
    },
    clock: parts.clock === undefined
      ? null
      : { offsetMs: parts.clock.offsetMs, checkedAt: iso(parts.clock.checkedAt) },
    config: parts.config,
    lastErrors: parts.lastErrors,
  };
}
