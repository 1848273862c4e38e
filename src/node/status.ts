/**
 * Collects what the parts of a running node know into the parts of `/status`.
 *
 * Why it exists: `api/` builds the document from plain figures; only here are all the parts known. What must stay
 * true: asking changes nothing, and what nobody knows stays unknown.
 */
import { getHeapStatistics } from "node:v8";
import { type Clock, fromHex } from "../base/mod.ts";
import {
  BUILD,
  type Diagnosis,
  protocolStatus,
  type RecentErrors,
  requestsStatus,
  type StatusParts,
  type TrafficMeter,
} from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import { decodeHeader, type Header } from "../chain/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { ProtocolSnapshot } from "../stream/mod.ts";
import { assuranceText, type SyncStatus } from "../sync/mod.ts";
import type { HostStatus } from "../p2p/mod.ts";

/** Entries that each queue of the request manager holds (guide: maxWaitingSize). */
const REQUEST_QUEUE_LIMIT = 1024;

export interface StatusSources {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly startedAt: number;
  readonly startHeight: number;
  readonly peerId: string;
  readonly host: HostStatus;
  /** The node's own chain first. */
  readonly protocols: readonly ProtocolSnapshot[];
  readonly store: ChainStore;
  readonly storePath: string;
  readonly head: Header;
  /** Undefined: the node serves only. */
  readonly sync: SyncStatus | undefined;
  /** What a node that has not started yet is doing, since when (ms since 1970). */
  readonly starting: { readonly what: string; readonly since: number } | undefined;
  readonly stopping: boolean;
  readonly traffic: TrafficMeter;
  readonly errors: RecentErrors;
  readonly eventLoopLagMsP99: number | undefined;
}

/** Findings about the host, which the pipeline cannot see. */
function hostFindings(s: StatusSources): Diagnosis[] {
  const out: Diagnosis[] = [];
  if (s.starting !== undefined) return out;
  const since = new Date(s.startedAt).toISOString();
  if (!s.loaded.config.sync.client) {
    out.push({
      code: "CLIENT_DISABLED",
      severity: "warn",
      since,
      text: "this node serves but does not synchronise",
      hint: "pass --sync.client or set [Sync] Client = true",
    });
    return out;
  }
  if (s.sync?.driver === "Synced") return out;
  if (s.host.unresolved.length > 0 && s.host.connected === 0) {
    out.push({
      code: "BOOTNODES_UNRESOLVED",
      severity: "error",
      since,
      text: `no answer for the boot node names ${s.host.unresolved.join(", ")}`,
      hint: "check the name server, or give addresses with --bootnodes",
    });
  } else if (s.host.connected === 0 && s.host.bootstrap.length > 0) {
    const [first] = s.host.bootstrap;
    out.push({
      code: "NO_CONNECTIVITY",
      severity: "error",
      since,
      text: `none of ${s.host.bootstrap.length} boot nodes and trusted nodes can be reached${
        first?.lastError === undefined ? "" : ` (${first.lastError})`
      }`,
      hint: "check that outbound TCP is open, and that --bootnodes names a running node",
    });
  } else if (s.host.bootstrap.length === 0 && s.host.connected === 0) {
    out.push({
      code: "NO_PEERS_FOUND",
      severity: "error",
      since,
      text: "no boot node and no trusted node is configured, so nobody can be found",
      hint: "give at least one address with --bootnodes or --sync.trusted-nodes",
    });
  } else if ((s.protocols[0]?.active ?? 0) === 0 && (s.protocols[0]?.refused.peers ?? 0) > 0) {
    const { peers, nextAt } = s.protocols[0]?.refused ?? { peers: 0, nextAt: undefined };
    const wait = nextAt === undefined ? 0 : Math.max(0, Math.ceil((nextAt - s.clock.now()) / 1000));
    out.push({
      code: "PROTOCOL_REFUSED",
      severity: "warn",
      since,
      text: `${peers} peers take our stream and say nothing on it; the next try is in ${wait} s`,
      hint:
        "a Go node ignores a peer that came back soon after it left, for 5 minutes and more; it passes, " +
        "or start with a new key file (--p2p.keyfile)",
    });
  } else if ((s.protocols[0]?.active ?? 0) === 0) {
    out.push({
      code: "NO_PEERS_FOUND",
      severity: "warn",
      since,
      text: `${s.host.connected} peers are connected, but none serves ${
        s.protocols[0]?.topic ?? "this chain"
      }`,
      hint: "check network and shard; discovery goes on by itself",
    });
  }
  return out;
}

/** Everything that `buildStatus` needs. */
export function statusParts(s: StatusSources): StatusParts {
  const { config } = s.loaded;
  const { sync } = s;
  const need = { min: config.sync.minPeers, init: config.sync.initStreams };
  const disk = s.store.disk();
  const head = s.store.head();
  const lowest = s.store.lowestAssurance();
  return {
    now: s.clock.now(),
    startedAt: s.startedAt,
    version: BUILD.version,
    commit: BUILD.commit,
    peerId: s.peerId,
    network: config.network,
    shard: config.shard,
    listen: s.host.addresses,
    publicNetwork: config.network === "mainnet" || config.network === "testnet",
    phase: s.stopping ? "stopping" : s.starting !== undefined ? "starting" : sync?.phase ?? "running",
    stalled: sync?.stalled ?? false,
    client: config.sync.client,
    head: { height: head.number, hash: head.hash, epoch: s.head.epoch, time: Number(s.head.time) * 1000 },
    lowest: s.store.lowest(),
    startHeight: s.startHeight,
    target: sync?.target,
    epochRunning: false,
    cycle: sync?.cycle,
    stages: sync?.stages ?? [],
    rate1m: sync?.rate1m,
    rate15m: sync?.rate15m,
    growth: sync?.growth,
    bottleneck: sync?.bottleneck,
    assurance: { lowest, text: assuranceText(lowest) },
    waiting: s.starting !== undefined ? [s.starting] : sync?.waiting ?? [],
    diagnosis: [...hostFindings(s), ...sync?.diagnosis ?? []],
    // The first is the node's own chain; the epoch protocol of a beacon node only serves.
    protocols: s.protocols.map((p, i) =>
      protocolStatus(p, i === 0 ? need : { min: 0, init: 0 }, s.traffic.streams(p.topic))
    ),
    requests: requestsStatus(s.protocols, REQUEST_QUEUE_LIMIT),
    server: s.traffic.server(),
    p2p: {
      connected: s.host.connected,
      known: s.host.routingTable,
      bootnodesReachable:
        s.host.bootstrap.filter((b) => b.kind === "bootnode" && b.state === "connected").length,
    },
    store: {
      path: s.storePath,
      bytes: disk.storeBytes,
      freeBytes: disk.freeBytes,
      lastCommitAt: s.store.lastCommitAt(),
      writable: disk.writable,
    },
    eventLoopLagMsP99: s.eventLoopLagMsP99,
    heapLimitBytes: getHeapStatistics().heap_size_limit,
    clock: undefined,
    config: {
      file: s.loaded.file?.path ?? null,
      version: s.loaded.file?.version ?? null,
      notices: s.loaded.notices,
    },
    lastErrors: s.errors.list(),
  };
}

/** The head's header, for the status page. */
export async function headHeader(store: ChainStore): Promise<Header> {
  const bytes = await store.headerAt(store.head().number);
  return decodeHeader(bytes ?? fromHex(""));
}
