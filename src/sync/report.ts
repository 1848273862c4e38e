/**
 * Figures of a run: speed, what it spends its time on, what it waits for.
 *
 * Why it exists: the driver acts, this describes. What must stay true: describing changes nothing, and what is not
 * known is left out, never shown as zero. The gauges of config-cli-metrics.md §3.5 are set from the status document,
 * so that the two cannot disagree.
 */
import type { Clock, HsyncError } from "../base/mod.ts";
import type { Header } from "../chain/mod.ts";
import { isConflict } from "../consensus/mod.ts";
import { DiagnosisLog, type Finding } from "./diagnosis.ts";
import type { DownloadStatus } from "./downloader.ts";
import type { Decision } from "./driver_state.ts";
import type { HeightEstimate } from "./height.ts";
import { GrowthMeter, RateMeter } from "./rates.ts";
import type { Cycle } from "./stage.ts";
import type { StageTracker } from "./stage_tracker.ts";
import { assuranceText, type SyncStatus } from "./status.ts";
import type { FetchedBlock, StageId, SyncStore } from "./types.ts";

/** Without a new head for this long, while there is one to have, the node counts as stalled, ms. */
const STALL_MS = 60_000;
/** A download that brings nothing for this long is named as what the node waits for, ms. */
const SLOW_MS = 10_000;
/** An import is called slower than the chain after this long, ms, and only if this many blocks are missing. */
const TOO_SLOW_MS = 300_000;
const TOO_SLOW_BLOCKS = 10;

/** The moving parts that a status is made of. */
export interface ReportInput {
  readonly decision: Decision;
  readonly estimate: HeightEstimate | undefined;
  readonly cycle: Cycle | undefined;
  readonly download: DownloadStatus | undefined;
  readonly findings: readonly Finding[];
  readonly stopping: boolean;
  /** A cycle has begun. */
  readonly started: boolean;
  /** Why sync cannot go on. */
  readonly failed: HsyncError | undefined;
}

export interface ReportOptions {
  readonly store: SyncStore;
  readonly clock: Clock;
  readonly tracker: StageTracker;
}

export class SyncReport {
  readonly #hashes = new RateMeter();
  readonly #bodies = new RateMeter();
  readonly #insert = new RateMeter();
  readonly #growth = new GrowthMeter();
  readonly #diagnosis = new DiagnosisLog();
  readonly #startHeight: number;
  #head: Header | undefined;
  #headAt: number;
  #bodiesAt: number;
  #hashesTo: number;
  #bodiesTo: number;
  /** `since`: ms, monotonic. */
  #waiting: { what: string; since: number } | undefined;
  #verifyMs = 0;
  #writeMs = 0;
  #bottleneck: SyncStatus["bottleneck"];

  constructor(private readonly options: ReportOptions) {
    const { store, clock } = options;
    this.#startHeight = this.#hashesTo = this.#bodiesTo = store.head().number;
    this.#headAt = this.#bodiesAt = clock.monotonic();
  }
  /** The run begins at this header. */
  begin(head: Header | undefined): void {
    this.#head = head;
    const now = this.options.clock.monotonic();
    for (const rate of [this.#hashes, this.#bodies, this.#insert]) rate.add(0, now);
  }
  committed(blocks: readonly FetchedBlock[], ms: { readonly verify: number; readonly write: number }): void {
    const now = this.options.clock.monotonic();
    const first = blocks[0]?.delivered.block.header, last = blocks.at(-1)?.delivered.block.header;
    if (first === undefined || last === undefined) return;
    this.#insert.add(blocks.length, now);
    this.#growth.add(
      { number: first.number, seconds: Number(first.time) },
      { number: last.number, seconds: Number(last.time) },
    );
    this.#head = last;
    this.#headAt = now;
    this.#verifyMs += ms.verify;
    this.#writeMs += ms.write;
  }
  /** Takes the downloader's progress into the rates. */
  downloaded(download: DownloadStatus): void {
    const now = this.options.clock.monotonic();
    if (download.bodiesTo > this.#bodiesTo) this.#bodiesAt = now;
    this.#hashes.add(Math.max(0, download.hashesTo - this.#hashesTo), now);
    this.#bodies.add(Math.max(0, download.bodiesTo - this.#bodiesTo), now);
    this.#hashesTo = download.hashesTo;
    this.#bodiesTo = download.bodiesTo;
  }
  /** A cycle took `ms`: finds out on what. */
  cycleDone(ms: number): void {
    const verify = this.#verifyMs, write = this.#writeMs, peers = Math.max(0, ms - verify - write);
    this.#bottleneck = peers >= Math.max(verify, write)
      ? "peers"
      : verify >= write
      ? "verification"
      : "storage";
    this.#verifyMs = this.#writeMs = 0;
  }
  /** Age of the head's own timestamp, seconds; undefined at genesis. */
  headAgeSeconds(): number | undefined {
    const head = this.#head;
    if (head === undefined || head.number === 0) return undefined;
    return Math.max(0, Math.round(this.options.clock.now() / 1000 - Number(head.time)));
  }
  /** True when importing has long been slower than the chain grows. */
  slowerThanChain(behind: number): boolean {
    const now = this.options.clock.monotonic();
    const growth = this.#growth.perSecond;
    return behind > TOO_SLOW_BLOCKS && growth !== undefined && this.#insert.age(now) >= TOO_SLOW_MS &&
      this.#insert.quarter(now) <= growth;
  }

  status(input: ReportInput): SyncStatus {
    const { store, clock, tracker } = this.options;
    const { decision, estimate, cycle, download } = input;
    const now = clock.monotonic();
    const { number: height, hash } = store.head();
    const insert = this.#insert.minute(now), quarter = this.#insert.quarter(now);
    const rates = { hashes: this.#hashes.minute(now), bodies: this.#bodies.minute(now), insert };
    const perStage = new Map<StageId, number>([
      ["BlockHashes", round(rates.hashes)],
      ["BlockBodies", round(rates.bodies)],
      ["States", round(insert)],
    ]);
    const heights = new Map<StageId, number>([["States", height]]);
    if (download !== undefined) {
      heights.set("BlockHashes", download.hashesTo).set("BlockBodies", download.bodiesTo);
    }
    const measured = this.#insert.total > 0;
    const lowest = store.lowestAssurance();
    return {
      phase: phase(input),
      stalled: this.#stalled(input, now),
      driver: decision.state,
      degraded: decision.degraded,
      head: {
        height,
        hash,
        epoch: this.#head?.epoch ?? 0,
        time: Number(this.#head?.time ?? 0n) * 1000,
      },
      startHeight: this.#startHeight,
      // Nobody is asked any more: what was heard grows old.
      target: estimate === undefined || input.failed !== undefined ? undefined : {
        height: estimate.height,
        source: `${estimate.quorum} of ${estimate.peers} peers reach it`,
        asOf: estimate.asOf,
      },
      cycle,
      stages: tracker.status(perStage, heights),
      stage: tracker.running,
      rate1m: measured ? insert : undefined,
      rate15m: measured ? quarter : undefined,
      growth: this.#growth.perSecond,
      rates,
      bottleneck: this.#bottleneck,
      waiting: this.#wait(input, now),
      download: {
        inFlight: download?.inFlight ?? 0,
        bytes: download?.bytes ?? 0,
        looseBlocks: download?.looseBlocks ?? 0,
      },
      assurance: { lowest, text: assuranceText(lowest) },
      diagnosis: this.#diagnosis.update(input.findings, clock.now()),
    };
  }
  #stalled(input: ReportInput, now: number): boolean {
    const { state } = input.decision;
    return input.failed !== undefined ||
      ((state === "LongRange" || state === "ShortRange") && now - this.#headAt > STALL_MS);
  }
  /** What the node waits for now, kept with the time when it began. */
  #wait(input: ReportInput, now: number): SyncStatus["waiting"] {
    const what = this.#waitsFor(input, now);
    if (what === undefined) this.#waiting = undefined;
    else if (this.#waiting?.what !== what) this.#waiting = { what, since: now };
    if (this.#waiting === undefined) return [];
    return [{ what: this.#waiting.what, since: this.options.clock.now() - (now - this.#waiting.since) }];
  }
  #waitsFor(input: ReportInput, now: number): string | undefined {
    const { decision, download } = input;
    if (input.failed !== undefined) {
      return `${isConflict(input.failed) ? "the operator's decision" : "a restart"}: ${input.failed.message}`;
    }
    switch (decision.waitsFor) {
      case "streams":
        return "a stream to a peer";
      case "moreStreams":
        return "more streams to peers";
      case "heights":
        return "peers to tell their height";
      case "disk":
        return "free space on the disk";
    }
    if (decision.state !== "LongRange" && decision.state !== "ShortRange") return undefined;
    if (download?.starved !== undefined) return `a peer that has block ${download.starved.number}`;
    const idle = now - Math.max(this.#headAt, this.#bodiesAt);
    return idle >= SLOW_MS && download !== undefined
      ? `block ${download.bodiesTo + 1} from peers`
      : undefined;
  }
}

function phase(input: ReportInput): SyncStatus["phase"] {
  if (input.stopping) return "stopping";
  if (input.failed !== undefined) return "running";
  switch (input.decision.state) {
    case "Paused":
      return "paused";
    case "WaitingPeers":
      return input.started || input.decision.waitsFor !== "heights" ? "waitingForStreams" : "starting";
    default:
      return "running";
  }
}
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
