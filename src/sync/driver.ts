/**
 * The driver: decides what state the node is in, and runs cycle after cycle (sync-protocol.md §6.4 [TS]).
 *
 * Why it exists: it connects height poll, downloader, stages and report, and holds no rule of its own beyond what
 * follows an error. What must stay true: wake-ups are remembered, so none is lost; the tick is a safety net and not
 * the pace; whatever it waits for is in the status; an error of our own store blames no peer; `stop` ends every
 * request, and the commit under way is completed.
 */
import {
  asHsyncError,
  type Cancel,
  Emitter,
  type HsyncError,
  isAbort,
  type Listener,
  Signal,
} from "../base/mod.ts";
import { decodeHeader } from "../chain/mod.ts";
import { assemble, type Assembly } from "./assembly.ts";
import { Attempts } from "./attempt.ts";
import { decide, type Decision, SHORT_RANGE_THRESHOLD } from "./driver_state.ts";
import type { SyncDriverOptions } from "./driver_options.ts";
import { findings, whyText } from "./driver_view.ts";
import { errorLabel } from "./error_label.ts";
import { fateOf } from "./fate.ts";
import type { HeightEstimate } from "./height.ts";
import { Heights } from "./heights.ts";
import { Outcomes } from "./outcomes.ts";
import { type ReportInput, SyncReport } from "./report.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Cycle } from "./stage.ts";
import { StageTracker } from "./stage_tracker.ts";
import { progressLines, type SyncEvent, type SyncStatus } from "./status.ts";
import { DISK_RECHECK_MS, Troubles } from "./troubles.ts";
import { Watch } from "./watch.ts";

/** The guide's tick: nothing should depend on it. */
const TICK_MS = 30_000;
/** Heights older than this are asked again when a cycle begins, ms. */
const HEIGHTS_STALE_MS = 10_000;
/** A target counts as named just now up to this age, ms. */
const TARGET_FRESH_MS = 5_000;
const PROGRESS_MS = 250;
const WATCH_MS = 10_000;

export class SyncDriver {
  readonly #events = new Emitter<SyncEvent>();
  readonly #wake = new Signal();
  readonly #stop = new AbortController();
  readonly #heights: Heights;
  readonly #attempts: Attempts;
  readonly #tracker: StageTracker;
  readonly #report: SyncReport;
  readonly #troubles: Troubles;
  readonly #outcomes: Outcomes;
  readonly #watch: Watch;
  readonly #shard: string;
  #assembly: Assembly | undefined;
  #decision: Decision = { state: "WaitingPeers", waitsFor: "streams", degraded: true };
  #cycle: Cycle | undefined;
  #cycles = 0;
  #streamsSince: number | undefined;
  #announced = false;
  #announcedHeight = 0;
  #finished = false;
  #barren = 0;
  #fullShortRuns = 0;
  #failed: HsyncError | undefined;
  #syncedAt = -1;
  #progressAt = -Infinity;
  #wantedAt = -Infinity;
  #cancels: Cancel[] = [];
  #loop: Promise<void> | undefined;

  constructor(private readonly options: SyncDriverOptions) {
    const { store, peers, clock, logger, meter, config, stopAt, verifier } = options;
    this.#shard = String(store.meta.shardId);
    this.#heights = new Heights({ peers, clock, logger, minPeers: config.minPeers, stopAt });
    this.#attempts = new Attempts({
      heights: this.#heights,
      clock,
      pollMs: this.#pollMs,
      head: () => store.head().number,
      certifies: verifier.certifies,
    });
    this.#tracker = new StageTracker(clock, meter, this.#shard);
    this.#report = new SyncReport({ store, clock, tracker: this.#tracker });
    this.#troubles = new Troubles(clock, store);
    this.#outcomes = new Outcomes({
      store,
      peers,
      meter,
      logger,
      troubles: this.#troubles,
      shard: this.#shard,
      verbose: config.staged.debugMode,
      emit: (event) => this.#events.emit(event),
      convict: (streamId) => this.#assembly?.downloader.convict(streamId),
    });
    this.#watch = new Watch({ clock, logger, peers, status: () => this.status() }, store.head().number);
    this.#events.onError = (error) => logger.error("a listener of the sync events failed", { error });
  }

  /** Adds a listener; the result removes it. */
  on(listener: Listener<SyncEvent>): Cancel {
    return this.#events.on(listener);
  }
  /** Begins to synchronise; events and `status` tell how it goes. */
  start(): void {
    this.#loop ??= this.#run();
  }
  /** Ends every request and waits for the commit under way; harmless when repeated. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.raise();
    await this.#loop;
  }
  /** Somebody else found that this chain must not go on: ends as after a failure of its own. */
  fail(error: HsyncError): void {
    if (this.#failed !== undefined || this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#wake.raise();
    this.#fail(error);
  }
  /** Why it cannot go on; undefined while it can. */
  get failed(): HsyncError | undefined {
    return this.#failed;
  }
  /** Somebody announced a new block (gossip): looks now instead of at the next poll. */
  trigger(): void {
    this.#announced = true;
    this.#wake.raise();
  }
  status(): SyncStatus {
    return this.#report.status(this.#input());
  }

  async #run(): Promise<void> {
    const { store, peers, clock, logger } = this.options;
    try {
      const header = await store.headerAt(store.head().number);
      this.#report.begin(header === undefined ? undefined : decodeHeader(header));
      this.#heights.start();
      this.#cancels = [
        peers.on((event) => {
          if (event.type !== "height") this.#wake.raise();
          else if (event.height > Math.max(store.head().number, this.#announcedHeight)) {
            this.#announcedHeight = event.height;
            this.trigger();
          }
        }),
        clock.every(TICK_MS, () => {
          this.#watch.tick(this.#decision.state, store.head().number);
          this.#wake.raise();
        }),
        clock.every(WATCH_MS, () => this.#watch.look()),
      ];
      this.#assembly = await assemble({
        ...this.options,
        book: this.#heights.book,
        tracker: this.#tracker,
        refreshHeights: (signal) => this.#heights.refresh(HEIGHTS_STALE_MS, signal),
        target: () => this.#attempts.goal(),
        onCommitted: (blocks, ms) => {
          this.#report.committed(blocks, ms);
          this.#outcomes.committed(blocks.length, this.#cycle?.range ?? "long");
          this.#progressAt = clock.monotonic();
          this.#events.emit({ type: "progress" });
        },
        onRefused: (refusal) => this.#outcomes.refused(refusal),
        onCulprits: (culprits) => this.#outcomes.culprits(culprits),
        onProgress: () => this.#progress(),
      });
      this.#assembly.downloader.start();
      while (!this.#stop.signal.aborted && this.#failed === undefined) await this.#turn();
    } catch (error) {
      if (!isAbort(error)) this.#fail(asHsyncError(error));
    } finally {
      for (const cancel of this.#cancels) cancel();
      await Promise.all([this.#heights.stop(), this.#assembly?.downloader.stop()]);
      logger.debug("sync has stopped");
    }
  }

  /** One decision and what follows from it. */
  async #turn(): Promise<void> {
    const { clock } = this.options;
    const signal = this.#stop.signal;
    const decision = this.#decide();
    this.#enter(decision);
    try {
      switch (decision.state) {
        case "WaitingPeers":
          return await this.#waitPeers(decision, signal);
        case "Paused":
          return void await this.#wake.wait(clock, DISK_RECHECK_MS, signal);
        case "Finished":
          return void await this.#wake.wait(clock, TICK_MS, signal);
        case "Synced":
          return await this.#follow(signal);
        case "LongRange":
        case "ShortRange":
          return await this.#runCycle(signal);
      }
    } catch (error) {
      if (isAbort(error)) return;
      await this.#onError(asHsyncError(error), signal);
    }
  }
  #decide(): Decision {
    const { store, peers, config, clock, stopAt } = this.options;
    const streams = peers.streams().length;
    const now = clock.monotonic();
    this.#streamsSince = streams === 0 ? undefined : this.#streamsSince ?? now;
    return decide({
      previous: this.#decision.state,
      streams,
      wanted: this.#cycles === 0 ? config.initStreams : config.minPeers,
      streamsForMs: this.#streamsSince === undefined ? undefined : now - this.#streamsSince,
      head: store.head().number,
      target: this.#attempts.goal(),
      writable: this.#troubles.writable,
      stopAt,
      fullShortRuns: this.#fullShortRuns,
    });
  }
  #enter(decision: Decision): void {
    const { store } = this.options;
    const previous = this.#decision;
    this.#decision = decision;
    this.options.meter.set("hmy_sync_degraded", { ShardID: this.#shard }, decision.degraded ? 1 : 0);
    if (decision.state !== previous.state) {
      const why = whyText(this.options, decision, this.#heights.target(), this.#cycles > 0);
      this.#outcomes.entered(decision.state);
      this.#watch.changed(previous.state, decision.state, why);
      this.#events.emit({ type: "state", state: decision.state, previous: previous.state, why });
    }
    if (decision.state === "Finished" && !this.#finished) {
      this.#finished = true;
      this.#events.emit({ type: "stopAt", head: store.head() });
    }
  }
  async #waitPeers(decision: Decision, signal: AbortSignal): Promise<void> {
    const { peers, clock } = this.options;
    if (decision.waitsFor === "heights") {
      await this.#heights.refresh(this.#pollMs, signal);
      if (this.#heights.target() !== undefined) return;
      this.#wantBlocks();
      await this.#wake.wait(clock, this.#pollMs, signal);
      return;
    }
    peers.wantPeers(decision.waitsFor === "streams" ? "no stream" : "fewer streams than wanted");
    await this.#wake.wait(clock, 1_000, signal);
  }
  /** There are streams, but nobody at the other end has blocks: enough for the caps, not for us. */
  #wantBlocks(): void {
    const now = this.options.clock.monotonic();
    if (this.#heights.told > 0 || now - this.#wantedAt < TICK_MS) return;
    this.#wantedAt = now;
    this.options.peers.wantPeers("no peer has blocks");
  }
  /** In sync: asks for new blocks at about the pace at which they are made. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, meter, store } = this.options;
    await this.#heights.refresh(this.#announced ? this.#pollMs / 4 : this.#pollMs, signal);
    if (this.#announced) meter.inc("hmy_staged_stream_sync_consensus_trigger", { ShardID: this.#shard });
    this.#announced = false;
    const estimate = this.#heights.estimate();
    const head = store.head();
    if (estimate !== undefined && estimate.height <= head.number) this.#reportSynced(estimate);
    else if (estimate !== undefined) return;
    const rest = Math.max(20, this.#pollMs - this.#heights.age);
    await this.#wake.wait(clock, rest, signal);
  }
  #reportSynced(estimate: HeightEstimate): void {
    const { clock, store } = this.options;
    const head = store.head();
    const targetAgeMs = Math.max(0, clock.now() - estimate.asOf);
    if (targetAgeMs > TARGET_FRESH_MS || this.#syncedAt === head.number) return;
    this.#syncedAt = head.number;
    this.#events.emit({ type: "synced", head, target: estimate.height, targetAgeMs });
  }

  async #runCycle(signal: AbortSignal): Promise<void> {
    const { store, clock, logger, config } = this.options;
    const assembly = this.#assembly;
    const target = this.#attempts.goal();
    if (assembly === undefined || target === undefined) return;
    this.#announced = false;
    const from = store.head().number;
    const begun = clock.monotonic();
    const range = this.#decision.state === "ShortRange" ? "short" : "long";
    const cycle: Cycle = this.#cycle = {
      number: ++this.#cycles,
      from,
      to: from,
      target,
      range,
      startedAt: clock.now(),
    };
    await this.#tryCycle(assembly.pipeline, cycle, signal);
    const ms = clock.monotonic() - begun;
    const to = store.head().number;
    this.#report.cycleDone(ms);
    if (range === "short") this.#outcomes.shortRange(to - from);
    const full = range === "short" && to === cycle.to && to < cycle.target;
    this.#fullShortRuns = full ? this.#fullShortRuns + 1 : 0;
    this.#events.emit({ type: "cycle", number: this.#cycles, from, to, blocks: to - from, ms });
    if (to > from) {
      this.#barren = 0;
      const fields = { cycle: this.#cycles, from, to, ms: Math.round(ms) };
      if (to - from > SHORT_RANGE_THRESHOLD) logger.info("cycle done", fields);
      else logger.debug("cycle done", fields);
      if (config.staged.logProgress) { for (const line of progressLines(this.status())) logger.info(line); }
    }
    const estimate = this.#heights.estimate();
    const reached = estimate !== undefined && estimate.height <= to;
    if (reached) this.#reportSynced(estimate);
    if (to > from) return;
    // Beyond the quorum's target it was only an attempt.
    if (reached) this.#heights.doubtAbove(to);
    else await this.#wake.wait(clock, this.#backoff(5_000), signal);
  }
  /** One pass over the stages; that a single peer's higher claim leads nowhere is no failure. */
  async #tryCycle(pipeline: Pipeline, cycle: Cycle, signal: AbortSignal): Promise<void> {
    const pass = (until: AbortSignal) => pipeline.run(cycle, until);
    const target = this.#heights.target();
    const attempt = target !== undefined && target <= cycle.from;
    await (attempt ? this.#attempts.run(pass, signal) : pass(signal));
  }

  /** What an error means: a pause, another try after a while, or the end. */
  async #onError(error: HsyncError, signal: AbortSignal): Promise<void> {
    const { clock, logger, meter, store } = this.options;
    this.#tracker.abandon();
    meter.inc("hmy_staged_stream_sync_failed_download", { ShardID: this.#shard, error: errorLabel(error) });
    const fate = fateOf(error);
    switch (fate.kind) {
      case "end":
        return this.#fail(error);
      case "waitPeers":
        return;
      case "pause":
        this.#troubles.diskLow();
        return logger.warn("importing is paused: the disk is nearly full", { error });
    }
    if (error.code === "STORE_NOT_CONTIGUOUS") await this.#assembly?.downloader.rewind(store.head());
    if (fate.store) this.#troubles.storeFailed(error.message);
    const wait = this.#backoff(fate.maxMs);
    logger.warn("a cycle failed", { code: error.code, error, retryInMs: wait });
    await this.#wake.wait(clock, wait, signal);
  }
  #backoff(max: number): number {
    return Math.min(max, 500 * 2 ** Math.min(10, this.#barren++));
  }
  #fail(error: HsyncError): void {
    this.#failed = error;
    this.options.logger.error("sync cannot go on", { code: error.code, error });
    this.#events.emit({ type: "failed", error });
  }
  get #pollMs(): number {
    return this.options.pollMs ?? 2_000;
  }

  #input(): ReportInput {
    const estimate = this.#heights.estimate();
    const download = this.#assembly?.downloader.status(this.#attempts.goal());
    const started = this.#cycles > 0;
    return {
      decision: this.#decision,
      estimate,
      cycle: this.#cycle,
      download,
      // Once it has failed nothing but the failure counts, and that is told by who ends or keeps the node.
      findings: this.#failed !== undefined ? [] : findings(this.options, {
        decision: this.#decision,
        started,
        heights: this.#heights,
        troubles: this.#troubles,
        report: this.#report,
        target: estimate?.height,
        starved: download?.starved,
      }),
      stopping: this.#stop.signal.aborted && this.#failed === undefined,
      started,
      failed: this.#failed,
    };
  }
  #progress(): void {
    const now = this.options.clock.monotonic();
    if (now - this.#progressAt < PROGRESS_MS) return;
    this.#progressAt = now;
    const download = this.#assembly?.downloader.status();
    if (download !== undefined) this.#report.downloaded(download);
    this.#events.emit({ type: "progress" });
  }
}
