/**
 * Light mode: the epoch chain, and the newest certified header of one shard. Nothing else is kept.
 *
 * Why it exists: "what is the head, and who says so?" needs one certificate per epoch and one for the head. What must stay true: a
 * head is announced only after its certificate verified under a committee that the beacon chain elected; it never moves
 * backwards, and goes when the beacon chain has left its committee behind; whoever sent a bad certificate is blamed alone, whoever claims a height and cannot show it is disbelieved for a
 * while; two certified headers that exclude each other stop it.
 */
import {
  asHsyncError,
  type Cancel,
  type Clock,
  Emitter,
  equalBytes,
  type HsyncError,
  isAbort,
  type Listener,
  type Logger,
  type Meter,
  Signal,
} from "../../base/mod.ts";
import {
  type CommitSig,
  decodeBlock,
  type Header,
  type NetworkParams,
  splitCommitSig,
} from "../../chain/mod.ts";
import {
  type AnchorBook,
  type BatchVerifier,
  ConflictingCertificates,
  type ConflictSide,
  standingConflict,
} from "../../consensus/mod.ts";
import type { PeerSource } from "../../stream/mod.ts";
import { AnchorProbe } from "../anchor_probe.ts";
import type { Checkpoint } from "../checkpoint.ts";
import type { EpochFollower } from "../epoch/epoch_follower.ts";
import type { RecordTable } from "../epoch/record_store.ts";
import { Heights } from "../heights.ts";
import { type CertifiedHead, certifiedHead } from "./certified_head.ts";
import { HeadJudge } from "./head_judge.ts";
import { HeadRecord } from "./head_record.ts";
import { HeadSeeker } from "./head_seeker.ts";
import { disputeOf } from "./light_rules.ts";
import type { LightRefusal, LightState, LightStatus } from "./light_status.ts";
import { whyNotSynced } from "./synced.ts";

/** About the network's block time, ms. */
const POLL_MS = 2_000;
const MAX_BACKOFF_MS = 30_000;

export interface LightClientOptions {
  readonly params: NetworkParams;
  readonly shardId: number;
  /** Streams of `sync` of the shard. */
  readonly peers: PeerSource;
  /** Started and stopped by the light client. */
  readonly epochs: EpochFollower;
  readonly verifier: BatchVerifier;
  readonly anchors: AnchorBook;
  /** Where the head outlives the process. */
  readonly records: RecordTable;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter?: Meter;
  /** The beacon's checkpoint, for the status. */
  readonly checkpoint?: Checkpoint;
  /** A head that is older is not the end of the chain, seconds; undefined: its age says nothing. */
  readonly maxHeadAgeSeconds?: number;
  readonly pollMs?: number;
}

export type LightEvent =
  /** A newer certified head. */
  | { readonly type: "head"; readonly head: CertifiedHead }
  /** The certified head is where peers say that the chain ends. Once for each head. */
  | { readonly type: "synced"; readonly head: CertifiedHead }
  | { readonly type: "refused"; readonly refusal: LightRefusal }
  | { readonly type: "progress" }
  /** It cannot go on; the error carries the exit code. */
  | { readonly type: "failed"; readonly error: HsyncError };

/** What a peer showed, certified. */
interface Shown {
  readonly header: Header;
  readonly head: CertifiedHead;
  readonly from: string | undefined;
}

export class LightClient {
  readonly #o: LightClientOptions;
  readonly #events = new Emitter<LightEvent>();
  readonly #wake = new Signal();
  readonly #stop = new AbortController();
  readonly #heights: Heights;
  readonly #seeker: HeadSeeker;
  readonly #record: HeadRecord;
  #head: CertifiedHead | undefined;
  /** The header behind `#head`; undefined when that was read from the store. */
  #shown: Shown | undefined;
  #syncedAt: number | undefined;
  /** As it was counted last. */
  #inSync = false;
  #refused: LightRefusal | undefined;
  #failed: HsyncError | undefined;
  #waiting: { what: string; since: number } | undefined;
  #failures = 0;
  #cancels: Cancel[] = [];
  #loop: Promise<void> | undefined;

  constructor(options: LightClientOptions) {
    const { peers, anchors, shardId, clock } = options;
    this.#o = options;
    const logger = options.logger.child("light");
    this.#heights = new Heights({ peers, clock, logger, minPeers: 2, stopAt: undefined });
    this.#seeker = new HeadSeeker({
      peers,
      book: this.#heights.book,
      probe: new AnchorProbe(peers, anchors, shardId),
      judge: new HeadJudge(options),
      logger: options.logger,
      above: () => this.#head?.number ?? 0,
      certified: (header, head, from) => this.#take({ header, head, from }),
      refused: (from, header, error) => this.#refuse(from, header, error),
    });
    this.#record = new HeadRecord({ ...options, chain: options.epochs.chain, logger });
    this.#events.onError = (error) => logger.error("a listener of light mode failed", { error });
  }

  /** Adds a listener; the result removes it. */
  on(listener: Listener<LightEvent>): Cancel {
    return this.#events.on(listener);
  }
  start(): void {
    this.#loop ??= this.#run();
  }
  /** Ends every request; harmless when repeated. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake.raise();
    await this.#loop;
  }
  /** The newest certified head. */
  get head(): CertifiedHead | undefined {
    return this.#head;
  }

  async #run(): Promise<void> {
    const { epochs, peers, clock, pollMs = POLL_MS } = this.#o;
    const { signal } = this.#stop;
    this.#cancels = [
      epochs.on((event) => {
        if (event.type === "failed") this.#fail(event.error);
        else this.#events.emit({ type: "progress" });
        this.#wake.raise();
      }),
      peers.on((event) => {
        if (event.type !== "height" || event.height > (this.#head?.number ?? 0)) this.#wake.raise();
      }),
    ];
    try {
      this.#heights.start();
      this.#head = await this.#record.load();
      epochs.start();
      while (!signal.aborted && this.#failed === undefined) {
        let wait = pollMs;
        try {
          await this.#turn(signal);
          this.#failures = 0;
        } catch (cause) {
          if (isAbort(cause)) break;
          wait = this.#onError(asHsyncError(cause));
        }
        this.#countSync();
        if (this.#failed === undefined) await this.#wake.wait(clock, wait, signal);
      }
    } catch (error) {
      if (!isAbort(error)) this.#fail(asHsyncError(error));
    } finally {
      for (const cancel of this.#cancels.splice(0)) cancel();
      await Promise.all([epochs.stop(), this.#heights.stop()]);
    }
  }

  /** What follows from an error that no peer is to blame for. @returns ms to wait. */
  #onError(error: HsyncError): number {
    if (error.exitCode !== 1) {
      this.#fail(error);
      return 0;
    }
    const wait = Math.min(MAX_BACKOFF_MS, 1_000 * 2 ** Math.min(10, this.#failures++));
    this.#waits(error.message);
    this.#o.logger.warn("light mode met an error", { code: error.code, error, retryInMs: wait });
    return wait;
  }
  #fail(error: HsyncError): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#o.logger.error("light mode cannot go on", { code: error.code, error });
    this.#events.emit({ type: "failed", error });
  }
  #waits(what: string): void {
    if (this.#waiting?.what !== what) this.#waiting = { what, since: this.#o.clock.now() };
  }

  /** Asks for heights, and for the block of whoever claims a greater one than ours. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { peers, epochs, shardId, pollMs = POLL_MS } = this.#o;
    await this.#dropOutdated();
    await this.#adoptEpochEnd();
    if (peers.streams().length === 0) {
      this.#waits(`a stream of shard ${shardId}`);
      peers.wantPeers("no stream for the newest header");
      return;
    }
    await this.#heights.refresh(pollMs * 0.9, signal);
    // While the newest epoch is not known, a committee of the past could pass for the present one.
    if (!epochs.status().caughtUp) {
      this.#waits(epochs.status().waiting?.what ?? "the newest epoch of the beacon chain");
      epochs.trigger();
      return;
    }
    await this.#seeker.seek(signal);
    const why = this.#whyNotSynced();
    if (why === undefined) this.#waiting = undefined;
    else this.#waits(this.#head === undefined ? epochs.status().waiting?.what ?? why : why);
    this.#announce();
  }

  /** The beacon chain may have come further since the head was certified: its committee may be of the past now. */
  async #dropOutdated(): Promise<void> {
    const head = this.#head;
    const why = head === undefined ? undefined : this.#record.outdated(head);
    if (head === undefined || why === undefined) return;
    this.#head = undefined;
    this.#shown = undefined;
    this.#syncedAt = undefined;
    await this.#record.drop(head, why);
    this.#events.emit({ type: "progress" });
  }

  #refuse(id: string, header: Header, error: HsyncError): void {
    const { peers, clock, logger } = this.#o;
    const { number } = header;
    const refusal = { number, code: error.code, text: error.message, from: id, at: clock.now() };
    this.#refused = refusal;
    logger.warn("a header was refused", { code: error.code, peer: id, text: error.message });
    this.#events.emit({ type: "refused", refusal });
    if (error.fault === "DATA") peers.report(id, "DATA", "invalid_blocks", error.message);
    else this.#heights.book.discredit(id, this.#head?.number ?? 0);
  }

  /** Makes a certified header the head, unless there is a newer one. @throws {HsyncError} CONFLICTING_CERTIFICATES. */
  async #take(shown: Shown): Promise<boolean> {
    const { header, head } = shown;
    if (this.#head !== undefined) this.#mustFit(this.#head, shown);
    if (header.number <= (this.#head?.number ?? -1)) return false;
    this.#head = head;
    this.#shown = shown;
    if (this.#refused !== undefined && this.#refused.number <= head.number) this.#refused = undefined;
    await this.#record.save(head);
    this.#events.emit({ type: "head", head });
    return true;
  }
  /** One height, one block, and neighbours are parent and child: else a committee has certified two blocks of one height. */
  #mustFit(head: CertifiedHead, shown: Shown): void {
    const { params, shardId, clock, anchors } = this.#o;
    const known = this.#shown?.header.number === head.number ? this.#shown : undefined;
    const dispute = disputeOf(head, known?.header, shown.header);
    if (dispute === undefined) return;
    const { number, ours, theirs } = dispute;
    if ([ours, theirs].some((hash) => anchors.verdict(shardId, number, hash).kind !== "unknown")) return;
    const names = { network: params.name, shardId, number };
    // A head of an earlier run is remembered without its header, which evidence would need.
    if (known === undefined) throw standingConflict({ ...names, ours, theirs });
    const side = ({ header, head, from }: Shown, hash: Uint8Array): ConflictSide => ({
      hash,
      header,
      certificate: head.certificate,
      streamId: from,
    });
    throw new ConflictingCertificates({
      ...names,
      ours: side(known, ours),
      theirs: side(shown, theirs),
      foundAt: clock.now(),
    });
  }

  /** On the beacon chain the end of an epoch is a certified header too. */
  async #adoptEpochEnd(): Promise<void> {
    const { epochs, shardId } = this.#o;
    const end = epochs.chain.head();
    const head = this.#head;
    if (shardId !== 0 || end === undefined || end.number < (head?.number ?? -1)) return;
    if (head !== undefined && equalBytes(end.hash, head.hash)) return;
    const stored = await epochs.chain.block(end.epoch);
    if (stored?.commitSig === undefined) return;
    const certificate: CommitSig = splitCommitSig(stored.commitSig);
    const { committee } = await epochs.chain.committees.committee(end.epoch, 0);
    const { header } = decodeBlock(stored.bytes);
    const tally = committee.quorum.tally(certificate.bitmap);
    await this.#take({ header, head: certifiedHead(header, certificate, committee, tally), from: undefined });
  }

  #whyNotSynced(): string | undefined {
    const head = this.#head;
    return whyNotSynced({
      head,
      outdated: head === undefined ? undefined : this.#record.outdated(head),
      caughtUp: this.#o.epochs.status().caughtUp,
      target: this.#heights.estimate(),
      now: this.#o.clock.now(),
      maxAgeSeconds: this.#o.maxHeadAgeSeconds,
    });
  }
  #announce(): void {
    const head = this.#head;
    if (head === undefined || this.#syncedAt === head.number || this.#whyNotSynced() !== undefined) return;
    this.#syncedAt = head.number;
    this.#events.emit({ type: "synced", head });
  }

  /** After a turn, so that a new block which was fetched at once makes no difference. */
  #countSync(): void {
    const now = this.#state() === "synced";
    if (now === this.#inSync) return;
    this.#inSync = now;
    this.#o.meter?.inc("hmy_consensus_sync", { consensus: now ? "in_sync" : "out_of_sync" });
  }

  /** Why it cannot go on; undefined while it can. */
  get failed(): HsyncError | undefined {
    return this.#failed;
  }
  #state(): LightState {
    const { epochs, peers } = this.#o;
    if (this.#failed !== undefined) return "failed";
    if (peers.streams().length === 0) return "waitingForStreams";
    if (!epochs.status().caughtUp) return "epochs";
    return this.#whyNotSynced() === undefined ? "synced" : "seeking";
  }
  status(): LightStatus {
    const { params, shardId, peers, epochs, checkpoint, clock } = this.#o;
    const estimate = this.#heights.estimate();
    return {
      network: params.name,
      shardId,
      state: this.#state(),
      head: this.#head,
      target: estimate === undefined ? undefined : { height: estimate.height, asOf: estimate.asOf },
      streams: peers.streams().length,
      epochs: epochs.status(),
      checkpoint,
      refused: this.#refused,
      waiting: this.#waiting,
      failed: this.#failed?.message,
      now: clock.now(),
    };
  }
}
