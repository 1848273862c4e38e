/**
 * A walk up the blocks of a store, run by run, with the committees that it certifies on its way.
 *
 * Why it exists: checking a store and certifying one go the same way. What must stay true: committees come from blocks that
 * this very walk has certified, or from below its start; walking changes nothing.
 */
import { cancelled, HsyncError, LruMap } from "../base/mod.ts";
import { type Block, decodeHeader, type Header, type NetworkParams, nextEpoch } from "../chain/mod.ts";
import { AnchorBook, type BatchVerifier, CommitteeBook, DEFAULT_POLICY } from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import { type RunBlock, RunCertifier, type RunOutcome } from "./run_certifier.ts";

/** Blocks judged at once. */
const RUN = 128;

/** What reading a store takes. */
export type ReadableStore = Pick<
  ChainStore,
  | "meta"
  | "head"
  | "lowest"
  | "hashAt"
  | "numberOf"
  | "headerAt"
  | "blockAt"
  | "commitSigAt"
  | "recordAt"
  | "receiptsAt"
  | "shardStateAt"
>;

export interface StoreProgress {
  /** The highest block that is done. */
  readonly number: number;
  readonly from: number;
  readonly to: number;
  /** Certificates verified so far. */
  readonly certificates: number;
}

export interface StoreWalkOptions {
  /** Every certificate instead of one per run, hundred blocks and epoch. */
  readonly allSignatures?: boolean;
  /** `VerifyHeaderBatchSize`, default 100. */
  readonly everyNth?: number;
  /** Default: those that ship for the network. */
  readonly anchors?: AnchorBook;
  /** Called after every run. */
  readonly onProgress?: (progress: StoreProgress) => void;
  readonly signal?: AbortSignal;
}

/** The error for a stored block that is not in order; its fault is DATA. */
export function storedFault(number: number, code: string, text: string): HsyncError {
  return new HsyncError(code, text, { fault: "DATA", blockNumber: number });
}

/** True for an error that is about the block's bytes: what the store holds is wrong, reading it went well. */
function isVerdict(error: unknown): error is HsyncError {
  return error instanceof HsyncError && (error.fault === "DATA" || error.code === "STORE_DAMAGED");
}

/** The first block of a walk that is not in order. */
export interface WalkFailure {
  readonly number: number;
  readonly error: HsyncError;
}

/** One run of a walk. */
export interface WalkedRun {
  /** The leading blocks that are in order and certified. */
  readonly good: readonly Block[];
  readonly outcome: RunOutcome | undefined;
}

/** Checks a block on top of `parent` but for its certificate. @throws {HsyncError} fault DATA: it is not in order. */
export type CheckBlock = (number: number, parent: Header) => Promise<Block>;

export class StoreWalk {
  readonly from: number;
  readonly to: number;
  readonly anchors: AnchorBook;
  readonly #certifier: RunCertifier;
  readonly #committees: CommitteeBook;
  readonly #certified = new LruMap<number, Uint8Array>(64);
  #parent: Header;
  #done: number;
  #failure: WalkFailure | undefined;

  private constructor(
    readonly store: ReadableStore,
    readonly params: NetworkParams,
    verifier: BatchVerifier,
    private readonly options: StoreWalkOptions,
    from: number,
    to: number,
    parent: Header,
  ) {
    const { allSignatures = false, everyNth = DEFAULT_POLICY.everyNth } = options;
    this.from = from;
    this.to = to;
    this.anchors = options.anchors ?? AnchorBook.of(params.name);
    this.#parent = parent;
    this.#done = from - 1;
    const firstEpoch = nextEpoch(parent, undefined, params);
    this.#committees = new CommitteeBook(
      params,
      store.meta.shardId,
      (epoch) =>
        epoch <= firstEpoch ? store.shardStateAt(epoch) : Promise.resolve(this.#certified.get(epoch)),
    );
    const policy = { everyBlock: allSignatures, everyNth };
    this.#certifier = new RunCertifier({ committees: this.#committees, verifier, policy });
  }
  /**
   * A walk over blocks `from`..`to`, default all but the lowest, which is the start.
   * @throws {HsyncError} STORE_NO_BLOCK: the range is not in the store.
   */
  static async begin(
    store: ReadableStore,
    params: NetworkParams,
    verifier: BatchVerifier,
    options: StoreWalkOptions,
    range: { readonly from?: number | undefined; readonly to?: number | undefined } = {},
  ): Promise<StoreWalk> {
    const lowest = store.lowest() + 1;
    const head = store.head().number;
    const from = Math.max(range.from ?? lowest, lowest);
    const to = Math.min(range.to ?? head, head);
    const below = await store.headerAt(from - 1);
    if (below === undefined || (range.to !== undefined && range.to < from)) {
      const text =
        `blocks ${range.from ?? lowest}..${range.to ?? head} are not in the store, which holds blocks ` +
        `${lowest}..${head} above its first one`;
      throw new HsyncError("STORE_NO_BLOCK", text, { blockNumber: from });
    }
    return new StoreWalk(store, params, verifier, options, from, to, decodeHeader(below));
  }

  /** The highest block that is done. */
  get done(): number {
    return this.#done;
  }
  get certificates(): number {
    return this.#certifier.verified;
  }
  get failure(): WalkFailure | undefined {
    return this.#failure;
  }
  /**
   * Goes one run further. Undefined at the end of the range, and after a failure.
   * @throws {HsyncError} CANCELLED; what reading or the verifier throws.
   */
  async next(check: CheckBlock): Promise<WalkedRun | undefined> {
    const { to, params, store, options } = this;
    if (this.#failure !== undefined || this.#done >= to) return undefined;
    if (options.signal?.aborted === true) throw cancelled("going through the store");
    const blocks = await this.#read(check);
    if (blocks.length === 0) return { good: [], outcome: undefined };
    const run: RunBlock[] = [];
    for (const { header } of blocks) run.push(await this.#runBlock(header));
    const above = await store.headerAt(this.#done + run.length + 1);
    const after = above === undefined ? undefined : await this.#runBlock(decodeHeader(above));
    const target = store.head().number;
    const outcome = await this.#certifier.certify(run, this.#parent, after, target, options.signal);
    const good = blocks.slice(0, outcome.count);
    for (const { header } of good) {
      if (header.shardState.length > 0) {
        this.#certified.set(nextEpoch(header, undefined, params), header.shardState);
      }
      this.#committees.certified(header.number, header.hash);
    }
    this.#parent = good.at(-1)?.header ?? this.#parent;
    this.#done += good.length;
    const { refusal } = outcome;
    // What is wrong with the block above the range is not asked.
    if (
      refusal !== undefined && refusal.number <= to && refusal.number < (this.failure?.number ?? Infinity)
    ) {
      const error = storedFault(refusal.number, "STORED_CERTIFICATE", refusal.text);
      this.#failure = { number: refusal.number, error };
    }
    const { from, certificates } = this;
    options.onProgress?.({ number: this.#done, from, to, certificates });
    return { good, outcome };
  }
  /** The next blocks up to the first that is not in order. */
  async #read(check: CheckBlock): Promise<Block[]> {
    const blocks: Block[] = [];
    const end = Math.min(this.to, this.#done + RUN);
    for (let number = this.#done + 1; number <= end; number++) {
      try {
        blocks.push(await check(number, blocks.at(-1)?.header ?? this.#parent));
      } catch (error) {
        if (!isVerdict(error)) throw error;
        this.#failure = { number, error };
        break;
      }
    }
    return blocks;
  }
  /** Only the head has a certificate beside it. */
  async #runBlock(header: Header): Promise<RunBlock> {
    const isHead = header.number === this.store.head().number;
    const sideCar = isHead ? await this.store.commitSigAt(header.number) : undefined;
    return { header, sideCar, streamId: undefined };
  }
}
