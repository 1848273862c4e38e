/**
 * Follows the beacon chain from the end of one epoch to the end of the next (sync-protocol.md §6.5 SyncEpoch).
 *
 * Why it exists: somebody must notice that epochs have ended, and decide whom to ask for their blocks. What must stay true: nothing
 * is asked for that nobody claims to have; a peer that merely lacks a block is left alone for a while and not blamed; a
 * failure of our own store or verifier blames nobody; whoever waits for an epoch learns when it will not come.
 */
import {
  asHsyncError,
  type Cancel,
  type Clock,
  Emitter,
  type HsyncError,
  isAbort,
  type Listener,
  type Logger,
  type Meter,
  nullMeter,
  Signal,
} from "../../base/mod.ts";
import type { AnchorBook, BatchVerifier } from "../../consensus/mod.ts";
import type { PeerSource } from "../../stream/mod.ts";
import { AnchorProbe } from "../anchor_probe.ts";
import { askForCheckpoint, type Checkpoint, checkpointText } from "../checkpoint.ts";
import { Heights } from "../heights.ts";
import { RateMeter } from "../rates.ts";
import type { EpochChain } from "./epoch_chain.ts";
import { endedAt, EpochPeers } from "./epoch_peers.ts";
import { EpochSession } from "./epoch_session.ts";
import type { EpochRefusal, EpochStatus } from "./epoch_status.ts";
import { EpochVerifier } from "./epoch_verifier.ts";
import { Waiters } from "./waiters.ts";

/** How often peers are asked whether an epoch has ended, when nothing else says so, ms. */
const POLL_MS = 30_000;
/** Heights younger than this are not asked again, ms. */
const HEIGHTS_FRESH_MS = 2_000;
/** The same when somebody waits for an epoch, ms. */
const HEIGHTS_URGENT_MS = 500;
/** At the start streams get this long to come before anybody is told that there is nobody to ask. */
const GRACE_MS = 10_000;
/** How often the checkpoint block is asked for until somebody gives it, ms. */
const BEGIN_MS = 5_000;
const MAX_BACKOFF_MS = 60_000;

export interface EpochFollowerOptions {
  readonly chain: EpochChain;
  /** Streams of `epochsync`, or of `sync` on shard 0, whose nodes have the whole beacon chain. */
  readonly peers: PeerSource;
  readonly anchors: AnchorBook;
  readonly verifier: BatchVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter?: Meter;
  /** Where to begin when nothing is stored; undefined: at genesis. */
  readonly checkpoint?: Checkpoint;
  readonly pollMs?: number;
  /** True: the node's own chain is another one, and the beacon chain helps it. */
  readonly helps?: boolean;
}

export type EpochEvent =
  /** Epochs were added. */
  | { readonly type: "advanced"; readonly epoch: number }
  | { readonly type: "refused"; readonly refusal: EpochRefusal }
  /** It cannot go on; the error carries the exit code. */
  | { readonly type: "failed"; readonly error: HsyncError };

export class EpochFollower {
  readonly chain: EpochChain;
  readonly #o: EpochFollowerOptions;
  readonly #events = new Emitter<EpochEvent>();
  readonly #wake = new Signal();
  readonly #stop = new AbortController();
  readonly #order: EpochPeers;
  readonly #heights: Heights;
  readonly #session: EpochSession;
  readonly #waiters = new Waiters();
  readonly #rate = new RateMeter();
  #cancels: Cancel[] = [];
  #loop: Promise<void> | undefined;
  #startedAt: number;
  #asked = false;
  #failures = 0;
  #refused: EpochRefusal | undefined;
  #failed: HsyncError | undefined;
  #waiting: { what: string; since: number } | undefined;

  constructor(options: EpochFollowerOptions) {
    const { chain, peers, anchors, verifier, clock } = options;
    this.#o = options;
    this.chain = chain;
    const logger = options.logger.child("epochs");
    this.#events.onError = (error) => logger.error("a listener of the epoch follower failed", { error });
    this.#order = new EpochPeers(chain.params.schedule);
    this.#heights = new Heights({ peers, clock, logger, minPeers: 1, stopAt: undefined });
    this.#startedAt = clock.monotonic();
    this.#session = new EpochSession({
      chain,
      peers,
      clock,
      logger,
      order: this.#order,
      probe: new AnchorProbe(peers, anchors, 0),
      verifier: new EpochVerifier({
        params: chain.params,
        anchors,
        verifier,
        shardStateAt: (epoch) => chain.shardStateAt(epoch),
      }),
      onLacking: (id) => {
        this.#order.lacks(id, this.#now());
        this.#heights.book.discredit(id, chain.head()?.number ?? 0);
      },
      onAccepted: (count) => this.#accepted(count),
      onRefused: (refusal) => this.#onRefused(refusal),
    });
  }

  /** Adds a listener; the result removes it. */
  on(listener: Listener<EpochEvent>): Cancel {
    return this.#events.on(listener);
  }
  start(): void {
    if (this.#loop !== undefined) return;
    const { peers } = this.#o;
    this.#startedAt = this.#o.clock.monotonic();
    this.#heights.start();
    this.#cancels = [peers.on((event) => {
      if (event.type === "removed") return;
      const target = this.#order.target(peers.streams(), this.#now());
      if (event.type === "added" || (target ?? -1) >= this.chain.epoch) this.#wake.raise();
    })];
    this.#loop = this.#run();
  }
  /** Ends every request and waits for the write under way; harmless when repeated. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    for (const cancel of this.#cancels.splice(0)) cancel();
    await this.#heights.stop();
    this.#waiters.passed(Infinity);
  }
  /** Somebody has reason to believe that an epoch has ended: looks now. */
  trigger(): void {
    this.#wake.raise();
  }

  /**
   * Waits until the committees of `epoch` are known.
   *
   * @returns false when everybody who could be asked has been asked in vain, or when it has failed or stopped.
   * @throws {HsyncError} CANCELLED when `signal` aborts.
   */
  async reach(epoch: number, signal?: AbortSignal): Promise<boolean> {
    if (this.chain.epoch >= epoch) return true;
    if (this.#failed !== undefined || this.#stop.signal.aborted || this.#loop === undefined) return false;
    const answer = this.#waiters.wait(epoch, signal);
    this.#wake.raise();
    return await answer;
  }

  #now(): number {
    return this.#o.clock.monotonic();
  }

  async #run(): Promise<void> {
    const { clock, pollMs = POLL_MS } = this.#o;
    const { signal } = this.#stop;
    while (!signal.aborted && this.#failed === undefined) {
      const pass = this.#waiters.begin();
      try {
        if (await this.#pass(signal)) this.#waiters.passed(pass);
        this.#failures = 0;
        await this.#wake.wait(clock, this.#restMs(pollMs), signal);
      } catch (cause) {
        if (isAbort(cause)) break;
        await this.#onError(asHsyncError(cause), pass, signal).catch(() => undefined);
      }
    }
    this.#waiters.passed(Infinity);
  }

  async #onError(error: HsyncError, pass: number, signal: AbortSignal): Promise<void> {
    const { logger, clock } = this.#o;
    if (error.code === "CONFLICTING_CERTIFICATES" || error.exitCode !== 1) {
      this.#failed = error;
      logger.error("the epoch chain cannot go on", { code: error.code, error });
      this.#events.emit({ type: "failed", error });
      return;
    }
    const wait = Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** Math.min(10, this.#failures++));
    this.#waits(`the epoch chain: ${error.message}`);
    logger.warn("following the epoch chain failed", { code: error.code, error, retryInMs: wait });
    this.#waiters.passed(pass);
    await clock.sleep(wait, signal);
  }

  #restMs(pollMs: number): number {
    if (this.#waitsForStreams()) return 1_000;
    return this.#o.checkpoint !== undefined && this.chain.length === 0 ? Math.min(pollMs, BEGIN_MS) : pollMs;
  }
  #waitsForStreams(): boolean {
    return this.#o.peers.streams().length === 0 && this.#now() - this.#startedAt < GRACE_MS;
  }

  /**
   * Asks whoever may have more, until nobody has.
   *
   * @returns false while it is too early to say that there is nobody to ask.
   */
  async #pass(signal: AbortSignal): Promise<boolean> {
    const { peers, meter = nullMeter } = this.#o;
    if (peers.streams().length === 0) {
      this.#waits("a stream that serves the epoch chain");
      peers.wantPeers("no stream serves the epoch chain");
      return !this.#waitsForStreams();
    }
    if (!await this.#begin(signal)) {
      peers.wantPeers("nobody has given the checkpoint of the epoch chain");
      return true;
    }
    await this.#heights.refresh(this.#waiters.size > 0 ? HEIGHTS_URGENT_MS : HEIGHTS_FRESH_MS, signal);
    const before = this.chain.length;
    const tried = new Set<string>();
    for (;;) {
      const id = this.#order.candidates(peers.streams(), this.chain.epoch, this.#now())
        .find((candidate) => !tried.has(candidate));
      if (id === undefined) break;
      const had = this.chain.length;
      await this.#session.drain(id, signal);
      // Whoever brought us further may have more after others were asked.
      if (this.chain.length > had) tried.clear();
      tried.add(id);
    }
    const added = this.chain.length - before;
    if (added > 0) {
      meter.inc("hmy_staged_stream_sync_num_epoch_sync", { ShardID: "0" });
      meter.observe("hmy_staged_stream_sync_num_blocks_inserted_epoch_sync", { ShardID: "0" }, added);
    }
    this.#asked = true;
    this.#judgeWaiting();
    return true;
  }

  /** Begins at the checkpoint, when one was given and nothing is there yet. @returns false when nobody gives it. */
  async #begin(signal: AbortSignal): Promise<boolean> {
    const { checkpoint, peers, anchors, clock, logger } = this.#o;
    if (checkpoint === undefined || this.chain.length > 0) return true;
    this.#waits(`the checkpoint block ${checkpointText(checkpoint)}`);
    const found = await askForCheckpoint({
      peers,
      checkpoint,
      params: this.chain.params,
      anchors,
      clock,
      logger,
      signal,
      order: (streams) => {
        const epoch = this.chain.params.schedule.epochOf(checkpoint.number);
        const best = this.#order.candidates(streams, epoch, this.#now());
        return best.length > 0 ? best : streams.map((stream) => stream.id);
      },
    });
    if (found === undefined) return false;
    const { number, hash, bytes, header } = found.block;
    await this.chain.startAt({
      epoch: header.epoch,
      number,
      hash,
      bytes,
      commitSig: undefined,
      time: header.time,
    });
    this.#accepted(1);
    return true;
  }

  #accepted(count: number): void {
    const { meter = nullMeter, helps = false } = this.#o;
    if (helps) meter.inc("hmy_staged_stream_sync_num_blocks_inserted_beacon_helper", {}, count);
    this.#rate.add(count, this.#now());
    this.#waiting = undefined;
    if (this.#refused !== undefined && this.chain.epoch > this.#refused.epoch) this.#refused = undefined;
    this.#waiters.reached(this.chain.epoch);
    this.#events.emit({ type: "advanced", epoch: this.chain.epoch });
  }
  #onRefused(refusal: EpochRefusal): void {
    this.#refused = refusal;
    this.#o.logger.warn("an epoch block was refused", {
      code: refusal.code,
      peer: refusal.from,
      text: refusal.text,
    });
    this.#events.emit({ type: "refused", refusal });
  }

  /** After a pass: is anything missing, and what? */
  #judgeWaiting(): void {
    const { peers } = this.#o;
    const target = this.#target();
    if (target === undefined || target < this.chain.epoch) this.#waiting = undefined;
    else {
      this.#waits(
        `the end of epoch ${this.chain.epoch} of the beacon chain: ${peers.streams().length} streams, ` +
          "none of them gives its block",
      );
      peers.wantPeers("no stream gives epoch blocks");
    }
  }
  #waits(what: string): void {
    if (this.#waiting?.what !== what) this.#waiting = { what, since: this.#o.clock.now() };
  }
  /** The newest epoch that has ended as far as peers say: one among several can neither raise nor lower it. */
  #target(): number | undefined {
    const estimate = this.#heights.estimate();
    return estimate === undefined ? undefined : endedAt(this.chain.params.schedule, estimate.height);
  }
  /** True when everybody was asked and neither most peers nor anyone who has delivered before claims more. */
  #caughtUp(): boolean {
    const target = this.#target();
    if (!this.#asked || target === undefined || target >= this.chain.epoch) return false;
    const { schedule } = this.chain.params;
    return this.#o.peers.streams().every((stream) =>
      !this.#order.hasDelivered(stream.id) || endedAt(schedule, stream.height ?? 0) < this.chain.epoch
    );
  }

  status(): EpochStatus {
    const { chain } = this;
    const streams = this.#o.peers.streams();
    return {
      origin: chain.origin,
      base: chain.base(),
      baseTime: msOf(chain.baseTime),
      head: chain.head(),
      headTime: msOf(chain.headTime),
      epoch: chain.epoch,
      target: this.#target(),
      caughtUp: this.#caughtUp(),
      streams: streams.length,
      delivering: streams.filter((stream) => this.#order.hasDelivered(stream.id)).length,
      rate: this.#rate.minute(this.#now()),
      waiting: this.#waiting,
      refused: this.#refused,
      failed: this.#failed?.message,
    };
  }
}

function msOf(seconds: bigint | undefined): number | undefined {
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
