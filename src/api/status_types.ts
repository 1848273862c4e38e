/**
 * The `/status` document and the parts it is made of (config-cli-metrics.md §8.4).
 *
 * Why it exists: status page, health probe, progress line and metrics must never disagree, so all of them are
 * views of one document. What must stay true: names are a promise to scripts; `null` means unknown, never zero;
 * heights are numbers below 2^53, hashes and ids are texts.
 */
import type { AnchorDocument, Diagnosis, EpochChainDocument, StageStatus } from "../sync/mod.ts";

export type { Diagnosis, StageStatus } from "../sync/mod.ts";

export type SyncState =
  | "starting"
  | "waitingForStreams"
  | "syncing"
  | "inSync"
  | "stalled"
  | "paused"
  | "disabled"
  | "stopping";
export type SyncMode = "shortRange" | "longRange" | "epoch" | "idle";

export interface NodeStatus {
  readonly name: "hsync";
  readonly version: string;
  readonly commit: string;
  readonly peerId: string;
  readonly network: string;
  readonly shard: number;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** Listen multiaddrs with the real ports. */
  readonly listen: readonly string[];
}

export interface HeadStatus {
  readonly height: number;
  readonly hash: string;
  readonly epoch: number;
  readonly timestamp: string;
  readonly ageSeconds: number;
}

/** Something the node has been waiting for (DESIGN rule 6). */
export interface WaitStatus {
  readonly what: string;
  readonly since: string;
}

export interface SyncStatus {
  readonly state: SyncState;
  readonly mode: SyncMode;
  readonly client: boolean;
  /** The one answer to "is it in sync?"; false while the target is unknown. */
  readonly inSync: boolean;
  readonly current: HeadStatus;
  /** Lowest height with a body. */
  readonly lowest: number;
  readonly target: { readonly height: number; readonly source: string; readonly asOf: string } | null;
  readonly behind: number | null;
  /** Of the way from where this run began to the target. */
  readonly percent: number | null;
  readonly cycle: CycleStatus | null;
  readonly stages: readonly StageStatus[];
  readonly rate: RateStatus;
  readonly eta: EtaStatus | null;
  readonly etaReason: string | null;
  readonly bottleneck: string | null;
  /** What is proven about the stored blocks: the weakest, and in words. */
  readonly assurance: { readonly lowest: string; readonly text: string };
  readonly waiting: readonly WaitStatus[];
  readonly diagnosis: readonly Diagnosis[];
}

export interface CycleStatus {
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly startedAt: string;
}
export interface RateStatus {
  readonly blocksPerSecond1m: number | null;
  readonly blocksPerSecond15m: number | null;
  readonly chainGrowthPerSecond: number | null;
}
export interface EtaStatus {
  readonly seconds: number;
  readonly at: string;
  readonly confidence: "low" | "medium" | "high";
}

export interface StreamStatus {
  readonly id: string;
  readonly addr: string;
  /** What it is good for: only active ones carry requests; spare and ending ones are served until they may go. */
  readonly state: "probing" | "active" | "reserved" | "spare" | "ending";
  readonly direction: "in" | "out";
  readonly trusted: boolean;
  readonly muxer: string;
  readonly since: string;
  readonly height: number | null;
  readonly heightAt: string | null;
  readonly failures: number;
  readonly score: number;
  /** What the score is made from, beside failures and latency: the share of good answers, 0..1. */
  readonly success: number;
  /** Measured, the round trip left out; null before the first blocks. */
  readonly blocksPerSecond: number | null;
  readonly blocksPerRequest: number;
  readonly busy: boolean;
  readonly requestType: string | null;
  readonly latencyMsP50: number | null;
  /** A trusted peer that sent bad data is not asked for any for a while. */
  readonly suspended: boolean;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface CooldownStatus {
  readonly id: string;
  readonly removals: number;
  readonly reason: string;
  readonly critical: boolean;
  readonly until: string;
  readonly remainingSeconds: number;
}

export interface ProtocolStatus {
  /** Protocol id without the leading slash. */
  readonly topic: string;
  /** Whether others can find this node for the sake of this protocol. */
  readonly advertised: boolean;
  readonly active: number;
  readonly reserved: number;
  readonly cooldown: number;
  /** Peers whose cooldown is over but counts for the next one. */
  readonly expired: number;
  /** Peers that took our stream and never answered, and when the first of them is asked again. */
  readonly refused: { readonly peers: number; readonly nextAt: string | null };
  readonly connecting: number;
  readonly trusted: number;
  readonly required: {
    readonly min: number;
    readonly init: number;
    readonly softLow: number;
    readonly hardLow: number;
    readonly high: number;
    readonly reservedMax: number;
  };
  readonly added: number;
  readonly removed: number;
  readonly removedCritical: number;
  readonly health: {
    readonly totalStreams: number;
    readonly availableStreams: number;
    readonly totalFailures: number;
    readonly failureDistribution: Readonly<Record<string, number>>;
    readonly averageFailures: number;
  };
  readonly discovery: {
    readonly running: boolean;
    readonly lastAt: string | null;
    readonly lastFound: number;
    readonly lastConnected: number;
    readonly nextAt: string | null;
    readonly cooldownUntil: string | null;
    /** Most streams were lost at once minutes ago: taken for an outage of our own. */
    readonly outage: boolean;
  };
  /** Left out for callers that may not see peers. */
  readonly list?: readonly StreamStatus[];
  readonly cooldownList?: readonly CooldownStatus[];
}

export interface RequestsStatus {
  readonly waitingHigh: number;
  readonly waitingLow: number;
  readonly pending: number;
  readonly queueLimit: number;
  readonly oldestWaitingMs: number;
  readonly completed: number;
  readonly failed: number;
  readonly timeouts: number;
}

/** The beacon chain as a node of another shard, or light mode, follows it: the last block of every epoch. */
export interface EpochChainStatus extends EpochChainDocument {
  /** How the committees of the node's own shard compare with the beacon chain's; null where nothing is compared. */
  readonly committees: {
    /** Epochs compared in this run. */
    readonly checked: number;
    /** Epochs whose committees stand on the shard's own word. */
    readonly unchecked: number;
    /** Committees that were accepted before the beacon chain contradicted them. */
    readonly contradicted: string | null;
  } | null;
}

/** Blocks that the operator vouched for. */
export interface CheckpointStatus {
  /** `SHARD:NUMBER:HASH` of the newest given for the node's own shard and for shard 0. */
  readonly given: readonly string[];
  /** The block that the node's own chain begins with; null: genesis, so far. */
  readonly chainFrom: number | null;
  /** The block of shard 0 that the epoch chain begins with; null: genesis, so far, or none is kept. */
  readonly epochChainFrom: number | null;
  /** Age of the newest whose block is stored. */
  readonly ageDays: number | null;
  /** Old enough to look for a newer one. */
  readonly old: boolean | null;
}

/** What proves the incoming receipts of stored blocks by headers of their source shards (`[Sync] ProveBodies`). */
export interface BodiesStatus {
  /** Blocks proven in this run. */
  readonly proven: number;
  /** Blocks that are not proven yet, the lowest of them, and since when one has waited for somebody to ask. */
  readonly waiting: number;
  readonly lowest: number | null;
  readonly since: string | null;
  /** How many wait because nobody serves the source shard, because none there has gone far enough, or show other headers. */
  readonly reasons: { readonly nobody: number; readonly lacking: number; readonly other: number };
  /** Of those that wait: asked about for hours in vain. */
  readonly doubtful: number;
  /** Blocks that are not tried any more in this run. */
  readonly givenUp: number;
  /** Stored blocks have been looked through up to here. */
  readonly lookedTo: number;
  readonly streams: ReadonlyArray<{ readonly shard: number; readonly streams: number }>;
}

export interface StatusDocument {
  readonly schema: 1;
  readonly time: string;
  readonly node: NodeStatus;
  readonly sync: SyncStatus;
  /** Null where no epoch chain is followed: on shard 0, and while the node only serves. */
  readonly epochChain: EpochChainStatus | null;
  /** Null when everything goes back to genesis and no checkpoint was given. */
  readonly checkpoint: CheckpointStatus | null;
  /** Null when no anchor of the node's shards has a date. */
  readonly anchor: AnchorDocument | null;
  /** Null where headers of other shards are not asked for. */
  readonly bodies: BodiesStatus | null;
  readonly streams: { readonly protocols: readonly ProtocolStatus[] };
  readonly requests: RequestsStatus;
  readonly server: { readonly requestsPerMinute: number; readonly limiterWaitMsP95: number };
  readonly p2p: { readonly connected: number; readonly known: number; readonly bootnodesReachable: number };
  readonly store: {
    readonly path: string;
    readonly bytes: number | null;
    readonly freeBytes: number | null;
    readonly lastCommitAt: string | null;
    readonly writable: boolean;
  };
  readonly process: {
    readonly rssBytes: number;
    readonly heapUsedBytes: number;
    readonly heapLimitBytes: number | null;
    readonly openFds: number | null;
    readonly maxFds: number | null;
    readonly eventLoopLagMsP99: number | null;
  };
  readonly clock: { readonly offsetMs: number; readonly checkedAt: string } | null;
  readonly config: {
    readonly file: string | null;
    readonly version: string | null;
    readonly notices: ReadonlyArray<{ readonly code: string; readonly text: string }>;
  };
  readonly lastErrors: ReadonlyArray<{
    readonly at: string;
    readonly code: string;
    readonly text: string;
    readonly peer: string | null;
  }>;
}

/** What a running node knows; times in ms since 1970. `buildStatus` works out the rest. */
export interface StatusParts {
  readonly now: number;
  readonly startedAt: number;
  readonly version: string;
  readonly commit: string;
  readonly peerId: string;
  readonly network: string;
  readonly shard: number;
  readonly listen: readonly string[];
  /** Public networks make a block every 2 s, so an old head there means "not in sync" whatever peers say. */
  readonly publicNetwork: boolean;
  /** The verdict of a node that goes by more than heights; undefined: heights and the age of the head decide. */
  readonly inSync?: boolean;
  readonly phase: "starting" | "waitingForStreams" | "running" | "paused" | "stopping";
  readonly stalled: boolean;
  readonly client: boolean;
  readonly head: {
    readonly height: number;
    readonly hash: Uint8Array;
    readonly epoch: number;
    /** Header time, ms since 1970. */
    readonly time: number;
  };
  readonly lowest: number;
  /** Height at which this run began. */
  readonly startHeight: number;
  readonly target: { readonly height: number; readonly source: string; readonly asOf: number } | undefined;
  readonly epochRunning: boolean;
  readonly cycle:
    | { readonly number: number; readonly from: number; readonly to: number; readonly startedAt: number }
    | undefined;
  readonly stages: readonly StageStatus[];
  readonly rate1m: number | undefined;
  readonly rate15m: number | undefined;
  readonly growth: number | undefined;
  readonly bottleneck: string | undefined;
  readonly assurance: { readonly lowest: string; readonly text: string };
  readonly waiting: ReadonlyArray<{ readonly what: string; readonly since: number }>;
  readonly diagnosis: readonly Diagnosis[];
  readonly epochChain: EpochChainStatus | undefined;
  readonly checkpoint: CheckpointStatus | undefined;
  readonly anchor: AnchorDocument | undefined;
  readonly bodies: BodiesStatus | undefined;
  readonly protocols: readonly ProtocolStatus[];
  readonly requests: RequestsStatus;
  readonly server: StatusDocument["server"];
  readonly p2p: StatusDocument["p2p"];
  readonly store: {
    readonly path: string;
    readonly bytes: number | undefined;
    readonly freeBytes: number | undefined;
    readonly lastCommitAt: number | undefined;
    readonly writable: boolean;
  };
  readonly eventLoopLagMsP99: number | undefined;
  readonly heapLimitBytes: number | undefined;
  readonly clock: { readonly offsetMs: number; readonly checkedAt: number } | undefined;
  readonly config: StatusDocument["config"];
  readonly lastErrors: StatusDocument["lastErrors"];
}
