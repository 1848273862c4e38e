/**
 * The epoch chain of a node: opened with its store, followed once there are streams.
 *
 * Why it exists: a node of another shard than 0 and light mode need the same parts in the same order. What must stay true: the
 * checkpoints are held against what is stored before anything is fetched; whatever is started here is ended by `stop`.
 */
import type { Clock, HsyncError, Logger, Meter } from "../base/mod.ts";
import type { CheckpointStatus } from "../api/mod.ts";
import { decodeHeader, type NetworkParams } from "../chain/mod.ts";
import type { CheckpointConfig, HsyncConfig } from "../config/mod.ts";
import {
  AnchorBook,
  type BatchVerifier,
  ConflictingCertificates,
  type EvidenceSink,
} from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { ChainReader, PeerSource } from "../stream/mod.ts";
import {
  type AnchorDocument,
  BeaconCheck,
  type BeaconCheckStatus,
  beginAtCheckpoint,
  checkAgainstStore,
  type Checkpoint,
  type CheckpointAge,
  checkpointAge,
  type CheckpointBlock,
  checkpointText,
  chooseCheckpoints,
  type ChosenCheckpoints,
  type EpochChain,
  EpochFollower,
  type EpochStatus,
  invalidCheckpoint,
  isUnbegun,
  type LoadBeaconState,
  newestAnchor,
  requireAnchors,
  requireOwnCheckpoint,
} from "../sync/mod.ts";
import { operatorAnchors } from "./anchor_file.ts";
import { handOverTo, openEpochChain, ownSpan, requireCheckpoints, unwindBelow } from "./epoch_store.ts";

export interface EpochPartOptions {
  readonly config: Pick<HsyncConfig, "shard"> & {
    readonly sync: {
      readonly checkpoints: readonly CheckpointConfig[];
      readonly anchorFile?: string | undefined;
    };
  };
  readonly params: NetworkParams;
  /** The node is to have the chain of its own shard, and to begin it if need be; default: it takes what is there. */
  readonly ownChain?: boolean;
  /** The node's own store: the epoch chain lives in its records. */
  readonly store: ChainStore;
  /** Verifies certificates; stays open. */
  readonly certificates: BatchVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Where proof of a conflict goes. */
  readonly evidence?: EvidenceSink;
}

/** What a node rests on. */
export interface TrustStatus {
  /** Undefined where no beacon chain is followed. */
  readonly epochs: { readonly epochs: EpochStatus; readonly check: BeaconCheckStatus } | undefined;
  readonly checkpoint: CheckpointStatus | undefined;
  readonly anchor: AnchorDocument | undefined;
  /** `SHARD:NUMBER:HASH` of the checkpoint that the node's own chain has yet to begin at. */
  readonly awaited: string | undefined;
}

export class EpochPart {
  readonly #o: EpochPartOptions;
  #follower: EpochFollower | undefined;
  #check: BeaconCheck | undefined;
  /** Seconds since 1970 in the block that the node's own chain begins with, if that is a checkpoint. */
  #ownBase: bigint | undefined;
  /** Seconds since 1970 in the given checkpoints' blocks, by their text, where those are stored. */
  readonly #given = new Map<string, bigint>();
  #looking = false;
  #saving: Promise<void> = Promise.resolve();
  #warned = false;
  /** Somebody follows the epoch chain: what it begins at counts. */
  #followed = false;
  readonly #failure = Promise.withResolvers<HsyncError>();

  private constructor(
    options: EpochPartOptions,
    readonly chain: EpochChain,
    /** What the operator vouched for. */
    readonly checkpoints: ChosenCheckpoints,
    /** Those of the network and the checkpoints. */
    readonly anchors: AnchorBook,
  ) {
    this.#o = options;
  }

  /**
   * Opens what is stored and holds it, and the store, against the anchors and the checkpoints.
   *
   * @throws {HsyncError} CHECKPOINT_INVALID, ANCHORS_UNREADABLE, ANCHORS_INVALID and ANCHORS_CONFLICT (exit 128),
   * CHECKPOINT_CONFLICT and ANCHOR_BREACH (exit 11), and store errors.
   */
  static async open(options: EpochPartOptions): Promise<EpochPart> {
    const { config, params, store, logger } = options;
    const given = config.sync.checkpoints;
    const checkpoints = chooseCheckpoints(given, config.shard, params);
    const added = await operatorAnchors(config.sync.anchorFile);
    const anchors = AnchorBook.of(params.name, added, checkpoints.anchors);
    if (options.ownChain === true && isUnbegun(store)) requireOwnCheckpoint(checkpoints, config.shard);
    await requireCheckpoints(store, given);
    await requireAnchors(store, anchors);
    const chain = await openEpochChain(store, AnchorBook.of(params.name, added), params, logger);
    await checkAgainstStore(
      given,
      0,
      (number) => Promise.resolve(chain.at(params.schedule.epochOf(number))?.hash),
      ({ number }) => unwindBelow(store, params.schedule.epochOf(number)),
    );
    const part = new EpochPart(options, chain, checkpoints, anchors);
    const base = store.lowest() === 0 ? undefined : await store.headerAt(store.lowest());
    part.#ownBase = base === undefined ? undefined : decodeHeader(base).time;
    await part.#readGiven();
    part.#warnIfOld();
    return part;
  }

  /**
   * Resolves when the node must not go on: two certified beacon blocks for one epoch, a checkpoint that is none, or
   * committees in the store that the beacon chain did not elect. Else never.
   */
  get failure(): Promise<HsyncError> {
    return this.#failure.promise;
  }

  /** Reads the times of the given checkpoints whose blocks are stored by now. */
  async #readGiven(): Promise<void> {
    const { store, params } = this.#o;
    const { own, beacon } = this.checkpoints;
    if (own !== undefined) {
      const bytes = await store.headerAt(own.number);
      if (bytes !== undefined) this.#given.set(checkpointText(own), decodeHeader(bytes).time);
    }
    if (beacon !== undefined) {
      const header = await this.chain.header(params.schedule.epochOf(beacon.number));
      if (header !== undefined) this.#given.set(checkpointText(beacon), header.time);
    }
  }
  /** The same beside what goes on, for what has come since. */
  #lookAtGiven(): void {
    const { own, beacon } = this.checkpoints;
    const missing = [own, beacon].some((c) => c !== undefined && !this.#given.has(checkpointText(c)));
    if (!missing || this.#looking) return;
    this.#looking = true;
    this.#saving = this.#saving.then(() => this.#readGiven()).catch((error: unknown) =>
      this.#o.logger.debug("the age of a checkpoint could not be read", { error })
    ).finally(() => {
      this.#looking = false;
    });
  }

  /** Age of the newest checkpoint that something here begins at or is held against; undefined: no block of one is stored. */
  checkpointAge(): CheckpointAge | undefined {
    const ofEpochs = this.#followed && this.chain.origin === "checkpoint" ? this.chain.baseTime : undefined;
    const times = [this.#ownBase, ofEpochs, ...this.#given.values()].filter((time) => time !== undefined);
    const [first, ...others] = times;
    if (first === undefined) return undefined;
    const newest = others.reduce((a, b) => a > b ? a : b, first);
    return checkpointAge(newest, this.#o.clock.now());
  }
  #warnIfOld(): void {
    if (this.#warned) return;
    const { own, beacon } = this.checkpoints;
    const age = this.checkpointAge();
    const anchor = this.anchorStatus();
    const what = age?.old === true && anchor?.old !== false
      ? { days: age.days, text: "the checkpoint is old" }
      : anchor?.old === true && age === undefined && own === undefined && beacon === undefined
      ? { days: anchor.ageDays, text: "the newest block known beforehand is old" }
      : undefined;
    if (what === undefined) return;
    this.#warned = true;
    this.#o.logger.warn(`${what.text}: look for a newer one, and check it in several places`, {
      days: what.days,
    });
  }
  /** The newest block known beforehand of the node's own shard and of shard 0, and its age; undefined: none has a date. */
  anchorStatus(): AnchorDocument | undefined {
    return newestAnchor(this.anchors, [this.#o.config.shard, 0], this.#o.clock.now());
  }

  /** For the server of `epochsync`. */
  reader(): ChainReader {
    return this.chain.reader();
  }

  /** A follower over these streams, not started. */
  makeFollower(peers: PeerSource): EpochFollower {
    const { certificates, clock, config, logger, meter } = this.#o;
    const { beacon } = this.checkpoints;
    this.#followed = true;
    this.#warnIfOld();
    const follower = new EpochFollower({
      chain: this.chain,
      peers,
      anchors: this.anchors,
      verifier: certificates,
      clock,
      logger,
      meter,
      helps: config.shard !== 0,
      ...(beacon === undefined ? {} : { checkpoint: beacon }),
    });
    follower.on((event) => {
      if (event.type === "advanced") {
        this.#lookAtGiven();
        this.#warnIfOld();
      }
      if (event.type !== "failed") return;
      this.keepEvidence(event.error);
      this.#failure.resolve(event.error);
    });
    return follower;
  }

  /**
   * Follows the beacon chain for a node of another shard, and checks that shard's committees from now on.
   *
   * @returns the follower, for the stage SyncEpoch.
   */
  async follow(peers: PeerSource): Promise<EpochFollower> {
    const { config, params, store, clock, logger } = this.#o;
    const follower = this.makeFollower(peers);
    this.#follower = follower;
    this.#check = await BeaconCheck.open({
      follower,
      shardId: config.shard,
      ownStateAt: (epoch) => store.shardStateAt(epoch),
      ownHandOver: (epoch) => handOverTo(store, epoch),
      own: { span: () => ownSpan(store, params), hashAt: (number) => store.hashAt(number) },
      onContradicted: (error) => this.#failure.resolve(error),
      records: store,
      clock,
      logger,
    });
    follower.start();
    return follower;
  }

  /**
   * Makes an empty store begin at the checkpoint of the node's own shard, if there is one, asking these streams of the
   * shard until somebody gives the block. On another shard than 0, after `follow`: the beacon chain must confirm its committees,
   * where it can.
   *
   * @returns the block, or undefined when there is no checkpoint or the store had begun before.
   * @throws {HsyncError} CHECKPOINT_INVALID (exit 128), ANCHOR_BREACH (exit 11), CANCELLED, and store errors.
   */
  async beginChain(peers: PeerSource, signal: AbortSignal): Promise<CheckpointBlock | undefined> {
    const over = new AbortController();
    const failed = this.failure.then((error) => {
      over.abort();
      throw error;
    });
    failed.catch(() => undefined);
    return await Promise.race([this.#begin(peers, AbortSignal.any([signal, over.signal])), failed]);
  }
  async #begin(peers: PeerSource, signal: AbortSignal): Promise<CheckpointBlock | undefined> {
    const { store, params, clock, logger } = this.#o;
    const checkpoint = this.checkpoints.own;
    if (checkpoint === undefined) return undefined;
    const { anchors } = this;
    const found = await beginAtCheckpoint(store, {
      peers,
      checkpoint,
      params,
      anchors,
      clock,
      logger,
      signal,
      confirm: async ({ block, serves }) => {
        this.#mustReach(checkpoint, serves);
        const verdict = await this.#check?.check(block.header, signal);
        if (verdict?.kind !== "mismatch") return;
        throw invalidCheckpoint(checkpoint, verdict.error.message, "check it against another source");
      },
    });
    this.#ownBase = found?.block.header.time ?? this.#ownBase;
    await this.#readGiven();
    if (found !== undefined) this.#warnIfOld();
    return found;
  }

  /** The committees that a checkpoint hands over must be among those that the epoch chain knows. */
  #mustReach(checkpoint: Checkpoint, serves: number): void {
    const { beacon } = this.checkpoints;
    const { schedule } = this.#o.params;
    if (checkpoint.shardId === 0 || beacon === undefined) return;
    const from = this.chain.base()?.epoch ?? schedule.epochOf(beacon.number);
    if (serves > from) return;
    throw invalidCheckpoint(
      checkpoint,
      `it ends epoch ${serves - 1}, and the epoch chain begins at the end of epoch ${from}`,
      "the checkpoint of shard 0 must be of the same epoch or an older one",
    );
  }

  /** The beacon chain's committees for the verifier of another shard; none are known before `follow`. */
  readonly beaconStateAt: LoadBeaconState = async (epoch, signal) =>
    await this.#check?.stateAt(epoch, signal);

  /** Keeps the proof of a conflict, if the error is one; what cannot be written is in the log. */
  keepEvidence(error: Error): void {
    const { evidence, logger } = this.#o;
    if (evidence === undefined || !(error instanceof ConflictingCertificates)) return;
    this.#saving = this.#saving.then(() => evidence.save(error.evidence)).catch((cause: unknown) =>
      logger.error("the evidence of two certified blocks could not be written", { error: cause })
    );
  }

  /** What was given and what is used of it, for `/status`; undefined when everything goes back to genesis. */
  checkpointStatus(): CheckpointStatus | undefined {
    const { config, store } = this.#o;
    const { own, beacon } = this.checkpoints;
    const given = [
      ...(own === undefined || own === beacon ? [] : [own]),
      ...(beacon === undefined ? [] : [beacon]),
    ];
    const age = this.checkpointAge();
    if (given.length === 0 && age === undefined) return undefined;
    const epochsFrom = this.chain.origin === "checkpoint" && config.shard !== 0
      ? this.chain.base()?.number
      : undefined;
    return {
      given: given.map(checkpointText),
      chainFrom: store.lowest() === 0 ? null : store.lowest(),
      epochChainFrom: epochsFrom ?? null,
      ageDays: age?.days ?? null,
      old: age?.old ?? null,
    };
  }
  /** All that a status says about what the node trusts. */
  trust(): TrustStatus {
    return {
      epochs: this.status(),
      checkpoint: this.checkpointStatus(),
      anchor: this.anchorStatus(),
      awaited: this.awaited,
    };
  }
  /** `SHARD:NUMBER:HASH` of the checkpoint that the node's own chain has yet to begin at. */
  get awaited(): string | undefined {
    const { own } = this.checkpoints;
    return own !== undefined && isUnbegun(this.#o.store) ? checkpointText(own) : undefined;
  }

  /** Undefined before `follow`. */
  status(): TrustStatus["epochs"] {
    if (this.#follower === undefined || this.#check === undefined) return undefined;
    return { epochs: this.#follower.status(), check: this.#check.status() };
  }

  async stop(): Promise<void> {
    await this.#follower?.stop();
    await this.#check?.stop();
    await this.#saving;
  }
}
