/**
 * Collects what the parts of a running node know into the parts of `/status`.
 *
 * Why it exists: `api/` builds the document from plain figures; only here are all the parts known. What must stay
 * true: asking changes nothing, and what nobody knows stays unknown.
 */
import { getHeapStatistics } from "node:v8";
import { type Clock, fromHex } from "../base/mod.ts";
import {
  type BodiesStatus,
  BUILD,
  type CheckpointStatus,
  type Diagnosis,
  type EpochChainStatus,
  protocolStatus,
  type RecentErrors,
  requestsStatus,
  type StatusParts,
  type TrafficMeter,
} from "../api/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import type { CertificateVerifier } from "../crypto/mod.ts";
import { decodeHeader, type Header } from "../chain/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { ProtocolSnapshot } from "../stream/mod.ts";
import {
  type AnchorDocument,
  assuranceText,
  type DiagnosisLog,
  epochChainJson,
  type SyncStatus,
} from "../sync/mod.ts";
import type { HostStatus } from "../p2p/mod.ts";
import {
  type EpochFacts,
  epochFindings,
  FIRST_CODES,
  hostFindings,
  LATER_CODES,
  workerFindings,
} from "./findings.ts";
import { type Conflict, conflictFindings } from "./conflicts.ts";
import { bodyWaits } from "./source_headers.ts";

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
  /** What a time server said last. */
  readonly clockOffset: { readonly offsetMs: number; readonly checkedAt: number } | undefined;
  /** Undefined: the node serves only. */
  readonly sync: SyncStatus | undefined;
  /** What a node that has not started yet is doing, since when (ms since 1970). */
  readonly starting: { readonly what: string; readonly since: number } | undefined;
  /** The network has been joined: a start that goes on now waits for peers. */
  readonly joined: boolean;
  /** What is known of the beacon chain's epochs; undefined where they are not followed. */
  readonly epochs: EpochFacts | undefined;
  /** Blocks that the operator vouched for; undefined when there are none. */
  readonly checkpoint: CheckpointStatus | undefined;
  readonly anchor: AnchorDocument | undefined;
  /** What proves incoming receipts; undefined where headers of other shards are not asked for. */
  readonly bodies: BodiesStatus | undefined;
  /** `SHARD:NUMBER:HASH` of the checkpoint that the chain has yet to begin at. */
  readonly awaited: string | undefined;
  /** Why others are not told of this node, in words. */
  readonly unadvertised: string | undefined;
  readonly certificates: Pick<CertificateVerifier, "inProcess" | "stats">;
  /** Why the chain cannot go on, where two of its blocks contradict each other. */
  readonly conflict: Conflict | undefined;
  /** Remembers since when a finding has held. */
  readonly findings: DiagnosisLog;
  readonly stopping: boolean;
  readonly traffic: TrafficMeter;
  readonly errors: RecentErrors;
  readonly eventLoopLagMsP99: number | undefined;
}

function epochChainStatus({ epochs, check }: EpochFacts, now: number): EpochChainStatus {
  return {
    ...epochChainJson(epochs, now),
    committees: check === undefined ? null : {
      checked: check.checked,
      unchecked: check.unchecked,
      contradicted: check.contradicted?.text ?? null,
    },
  };
}

/** What is proven about the stored blocks, in words; a chain that begins at a checkpoint rests on it. */
function assuranceOf(store: ChainStore): { readonly lowest: string; readonly text: string } {
  const lowest = store.lowestAssurance();
  const from = store.lowest();
  if (from === 0) return { lowest, text: assuranceText(lowest) };
  const text = store.head().number === from
    ? "there is no block above it yet"
    : `of those above it: ${assuranceText(lowest)}`;
  return { lowest, text: `the chain begins at block ${from}, which the operator vouched for; ${text}` };
}

/** Whether a network's chain goes on by itself, so that an old head means that something is wrong. */
export function isPublic(network: string): boolean {
  return network === "mainnet" || network === "testnet";
}

/** Everything that `buildStatus` needs. */
export function statusParts(s: StatusSources): StatusParts {
  const { config } = s.loaded;
  const { sync } = s;
  const now = s.clock.now();
  const ours = s.findings.update(
    [
      ...conflictFindings(s.conflict),
      ...hostFindings(s),
      ...epochFindings(s),
      ...workerFindings(s.certificates),
    ],
    now,
  );
  const place = (d: Diagnosis) => FIRST_CODES.has(d.code) ? 0 : LATER_CODES.has(d.code) ? 2 : 1;
  const diagnosis = [
    ...ours.filter((d) => place(d) === 0),
    ...ours.filter((d) => place(d) === 1),
    ...sync?.diagnosis ?? [],
    ...ours.filter((d) => place(d) === 2),
  ];
  const need = { min: config.sync.minPeers, init: config.sync.initStreams };
  const disk = s.store.disk();
  const head = s.store.head();
  return {
    now,
    startedAt: s.startedAt,
    version: BUILD.version,
    commit: BUILD.commit,
    peerId: s.peerId,
    network: config.network,
    shard: config.shard,
    listen: s.host.addresses,
    publicNetwork: isPublic(config.network),
    phase: s.stopping ? "stopping" : s.starting !== undefined ? "starting" : sync?.phase ?? "running",
    stalled: sync?.stalled ?? false,
    client: config.sync.client,
    head: { height: head.number, hash: head.hash, epoch: s.head.epoch, time: Number(s.head.time) * 1000 },
    lowest: s.store.lowest(),
    startHeight: s.startHeight,
    target: sync?.target,
    epochRunning: sync?.stage === "SyncEpoch",
    cycle: sync?.cycle,
    stages: sync?.stages ?? [],
    rate1m: sync?.rate1m,
    rate15m: sync?.rate15m,
    growth: sync?.growth,
    bottleneck: sync?.bottleneck,
    assurance: assuranceOf(s.store),
    waiting: [...waitsOf(s), ...bodyWaits(s.bodies, now)],
    diagnosis,
    epochChain: s.epochs === undefined ? undefined : epochChainStatus(s.epochs, now),
    checkpoint: s.checkpoint,
    anchor: s.anchor,
    bodies: s.bodies,
    // The first is the node's own chain; no number of epoch streams is required.
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
    clock: s.clockOffset,
    config: {
      file: s.loaded.file?.path ?? null,
      version: s.loaded.file?.version ?? null,
      notices: s.loaded.notices,
    },
    lastErrors: s.errors.list(),
  };
}

/** What the node waits for: while it starts that alone, then the pipeline and the epoch chain. */
function waitsOf({ starting, sync, epochs }: StatusSources): StatusParts["waiting"] {
  const epochWait = epochs?.epochs.waiting;
  return [
    ...(starting === undefined ? sync?.waiting ?? [] : [starting]),
    ...(epochWait === undefined ? [] : [epochWait]),
  ];
}

/** The head's header, for the status page. */
export async function headHeader(store: ChainStore): Promise<Header> {
  const bytes = await store.headerAt(store.head().number);
  return decodeHeader(bytes ?? fromHex(""));
}

/** What a host that is not there yet says. */
export const NO_HOST: HostStatus = {
  peerId: "",
  addresses: [],
  connected: 0,
  routingTable: 0,
  dhtMode: "client",
  observedIp: undefined,
  reached: false,
  bootstrap: [],
  unresolved: [],
};
