/**
 * What a run says about itself: its status, and the events that it announces.
 *
 * Why it exists: progress line, page, health check and exit conditions are views of the same facts
 * (config-cli-metrics.md §8.4). What must stay true: times are ms since 1970; what is unknown is undefined, never
 * zero.
 */
import type { Diagnosis } from "./diagnosis.ts";
import type { DriverState } from "./driver_state.ts";
import type { StageStatus } from "./stage_tracker.ts";
import type { ChainPoint, StageId } from "./types.ts";

export interface SyncStatus {
  readonly phase: "starting" | "waitingForStreams" | "running" | "paused" | "stopping";
  /** There is a chain to fetch and nothing has come into the store for a minute, or sync has failed for good. */
  readonly stalled: boolean;
  readonly driver: DriverState;
  /** Going on with fewer streams than `MinPeers`. */
  readonly degraded: boolean;
  readonly head: {
    readonly height: number;
    /** 32 bytes. */
    readonly hash: Uint8Array;
    readonly epoch: number;
    /** Time in the header. */
    readonly time: number;
  };
  /** Height at which this run began. */
  readonly startHeight: number;
  readonly target: { readonly height: number; readonly source: string; readonly asOf: number } | undefined;
  readonly cycle:
    | { readonly number: number; readonly from: number; readonly to: number; readonly startedAt: number }
    | undefined;
  readonly stages: readonly StageStatus[];
  readonly stage: StageId | undefined;
  /** Blocks per second into the store; undefined before the first. */
  readonly rate1m: number | undefined;
  readonly rate15m: number | undefined;
  /** Blocks per second by which the chain itself grows, from header times. */
  readonly growth: number | undefined;
  /** Blocks per second of the last minute, by phase. */
  readonly rates: { readonly hashes: number; readonly bodies: number; readonly insert: number };
  /** Largest share of the last cycle's time. */
  readonly bottleneck: "peers" | "verification" | "storage" | undefined;
  /** What it waits for now. */
  readonly waiting: ReadonlyArray<{ readonly what: string; readonly since: number }>;
  readonly download: {
    readonly inFlight: number;
    /** Downloaded bytes that wait to be written. */
    readonly bytes: number;
    /** Blocks that wait for one below them. */
    readonly looseBlocks: number;
  };
  /** The weakest assurance of a stored block, and in words. */
  readonly assurance: { readonly lowest: string; readonly text: string };
  readonly diagnosis: readonly Diagnosis[];
}

/** What a run announces. */
export type SyncEvent =
  | {
    readonly type: "state";
    readonly state: DriverState;
    readonly previous: DriverState;
    readonly why: string;
  }
  /** Something moved: time to redraw. A few a second at most. */
  | { readonly type: "progress" }
  /** A batch is in the store. */
  | { readonly type: "committed"; readonly head: ChainPoint; readonly blocks: number }
  | {
    readonly type: "cycle";
    readonly number: number;
    readonly from: number;
    readonly to: number;
    readonly blocks: number;
    readonly ms: number;
  }
  /** The head has reached a target that peers named just now. */
  | {
    readonly type: "synced";
    readonly head: ChainPoint;
    readonly target: number;
    readonly targetAgeMs: number;
  }
  /** The head has reached the height that the operator asked for. */
  | { readonly type: "stopAt"; readonly head: ChainPoint }
  /** Nothing can go on by itself: the store is gone or damaged. */
  | { readonly type: "failed"; readonly error: Error };

/** What a block of this assurance is worth, in words. */
export function assuranceText(lowest: string): string {
  switch (lowest) {
    case "linked":
      return "blocks are only linked to genesis by their hashes; their certificates are not checked";
    case "signed":
      return "every block is covered by a verified certificate";
    case "proven":
      return "every block is certified and its state proven";
    default:
      return "every block was executed";
  }
}

/** The lines of `LogProgress`, in the Go node's wording (config-cli-metrics.md §4.4). */
export function progressLines(status: SyncStatus): string[] {
  const target = status.target?.height;
  if (target === undefined) return [];
  const height = (name: StageId) => status.stages.find((s) => s.name === name)?.height ?? status.head.height;
  const rate = (perSecond: number) => `( ${perSecond.toFixed(2)} blocks/s )`;
  const { hashes, bodies, insert } = status.rates;
  return [
    `downloading block hash progress: ${height("BlockHashes")} / ${target} ${rate(hashes)}`,
    `downloaded blocks: ${height("BlockBodies")} / ${target} ${rate(bodies)}`,
    `insert blocks progress: ${status.head.height} / ${target} ${rate(insert)}`,
    `sync speed: ${insert.toFixed(2)} blocks/s`,
  ];
}
