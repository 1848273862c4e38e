/**
 * The beacon chain's last-of-epoch blocks as far as they are proven, and the committees that follow from them.
 *
 * Why it exists: who may sign anything, on any shard, follows from one beacon block per epoch (chain-format.md §10.2). What
 * must stay true: the chain grows by the next epoch only, and gets shorter only by a block that cannot be read back, which is
 * fetched and proven again; a committee is handed out only from a block that is stored here; a stored chain on another
 * branch than the anchors' is not opened.
 */
import {
  asHsyncError,
  type Cancel,
  Emitter,
  equalBytes,
  ExitCode,
  HsyncError,
  type Listener,
  type Logger,
  nullLogger,
  toHex,
} from "../../base/mod.ts";
import { decodeBlock, type Header, type NetworkParams } from "../../chain/mod.ts";
import { type AnchorBook, CommitteeBook, type CommitteeSource } from "../../consensus/mod.ts";
import type { ChainReader } from "../../stream/mod.ts";
import { epochChainReader } from "./epoch_reader.ts";
import type { EpochBlock, EpochOrigin, EpochPoint, EpochStore } from "./types.ts";

export interface EpochChainOptions {
  readonly params: NetworkParams;
  readonly store: EpochStore;
  readonly anchors: AnchorBook;
  readonly logger?: Logger;
}

/** Epochs were added: the newest of them. */
export interface EpochAdvance {
  readonly from: number;
  readonly to: EpochPoint;
}

export class EpochChain {
  readonly params: NetworkParams;
  readonly #store: EpochStore;
  readonly #logger: Logger;
  readonly #events = new Emitter<EpochAdvance>();
  readonly #book: CommitteeBook;
  readonly #hashes: Uint8Array[] = [];
  readonly #epochs = new Map<string, number>();
  #origin: EpochOrigin = "genesis";
  #first = 0;
  #headTime: bigint | undefined;
  #baseTime: bigint | undefined;
  /** What changes the chain, one after the other. */
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(options: EpochChainOptions) {
    this.params = options.params;
    this.#store = options.store;
    this.#logger = (options.logger ?? nullLogger).child("epochs");
    this.#book = new CommitteeBook(options.params, 0, (epoch) => this.shardStateAt(epoch));
    this.#events.onError = (error) => this.#logger.error("a listener of the epoch chain failed", { error });
  }

  /**
   * The chain as it is stored; what cannot be read of it counts as not there.
   *
   * @throws {HsyncError} ANCHOR_BREACH, exit 11; what reading the store fails with.
   */
  static async open(options: EpochChainOptions): Promise<EpochChain> {
    const chain = new EpochChain(options);
    await chain.#load(options.anchors);
    return chain;
  }

  async #load(anchors: AnchorBook): Promise<void> {
    const index = await this.#store.load();
    if (index === undefined) return;
    const { first, hashes } = index;
    const head = first + hashes.length - 1;
    if (hashes.length === 0 || index.headNumber !== this.params.schedule.lastBlock(head)) {
      this.#logger.warn("the stored epoch chain was made for epochs of other lengths and is dropped");
      return await this.#store.cut(undefined);
    }
    this.#origin = index.origin;
    this.#first = first;
    for (const [i, hash] of hashes.entries()) {
      const number = this.params.schedule.lastBlock(first + i);
      try {
        anchors.require(0, number, hash);
      } catch (cause) {
        const text = `the stored epoch chain is on another branch: ${asHsyncError(cause).message}`;
        const options = { exitCode: ExitCode.STORE_LOCKED, blockNumber: number, cause };
        throw new HsyncError("ANCHOR_BREACH", text, options);
      }
      this.#remember(first + i, hash);
    }
    await this.#readTimes();
  }
  /** The times of both ends; a damaged end is cut off first. */
  async #readTimes(): Promise<void> {
    // Each attempt that fails has made the chain shorter.
    for (let head = this.head(); head !== undefined; head = this.head()) {
      const [newest, oldest] = [await this.header(head.epoch), await this.header(this.#first)];
      if (newest === undefined || oldest === undefined) continue;
      this.#headTime = newest.time;
      this.#baseTime = oldest.time;
      return;
    }
    this.#headTime = undefined;
    this.#baseTime = undefined;
  }

  #begin(origin: EpochOrigin, first: number): void {
    this.#origin = origin;
    this.#first = first;
  }
  #remember(epoch: number, hash: Uint8Array): void {
    this.#hashes.push(hash);
    this.#epochs.set(toHex(hash), epoch);
  }
  #pointOf(epoch: number): EpochPoint | undefined {
    const hash = this.#hashes[epoch - this.#first];
    return hash === undefined ? undefined : { epoch, number: this.params.schedule.lastBlock(epoch), hash };
  }

  /** Whether it goes back to genesis or to a block that the operator vouched for. */
  get origin(): EpochOrigin {
    return this.#origin;
  }
  /** The oldest block; undefined while there is none. */
  base(): EpochPoint | undefined {
    return this.#pointOf(this.#first);
  }
  /** The newest block; undefined while there is none. */
  head(): EpochPoint | undefined {
    return this.#pointOf(this.#first + this.#hashes.length - 1);
  }
  /** Seconds since 1970 in the newest block's header; undefined while there is none. */
  get headTime(): bigint | undefined {
    return this.#headTime;
  }
  /** The same of the oldest block: when a checkpoint is, how old that is. */
  get baseTime(): bigint | undefined {
    return this.#baseTime;
  }
  /** The newest epoch that is known to have begun: its committees are known, and no later ones. */
  get epoch(): number {
    return this.#first + this.#hashes.length;
  }
  /** How many blocks it has. */
  get length(): number {
    return this.#hashes.length;
  }
  /** The block that ends an epoch; undefined where it is not stored. */
  at(epoch: number): EpochPoint | undefined {
    return epoch < this.#first ? undefined : this.#pointOf(epoch);
  }
  /** Whether the committees of an epoch are known: those of genesis, or out of a block that is stored. */
  knows(epoch: number): boolean {
    return epoch === 0 || this.at(epoch - 1) !== undefined;
  }
  epochOfHash(hash: Uint8Array): number | undefined {
    return this.#epochs.get(toHex(hash));
  }
  /** A block as it came, with its certificate; undefined as with `header`. @throws what reading the store fails with. */
  async block(epoch: number): Promise<Pick<EpochBlock, "bytes" | "commitSig"> | undefined> {
    return (await this.#read(epoch))?.stored;
  }
  /**
   * The header of an epoch's last block; undefined where it is not stored, or could not be read back: the chain ends below it
   * then, and whoever follows it fetches it again.
   *
   * @throws what reading the store fails with.
   */
  async header(epoch: number): Promise<Header | undefined> {
    return (await this.#read(epoch))?.header;
  }
  async #read(epoch: number): Promise<
    { readonly stored: Pick<EpochBlock, "bytes" | "commitSig">; readonly header: Header } | undefined
  > {
    const point = this.at(epoch);
    if (point === undefined) return undefined;
    const stored = await this.#store.block(epoch);
    const header = stored === undefined ? undefined : headerOf(stored.bytes, point.hash);
    if (stored !== undefined && header !== undefined) return { stored, header };
    await this.#cutBelow(point);
    return undefined;
  }
  /** A block that is damaged goes, and with it those above, whose committees it vouched for. */
  async #cutBelow({ epoch, number, hash }: EpochPoint): Promise<void> {
    const cut = await this.#inTurn(async () => {
      const now = this.at(epoch);
      // Somebody else has met it at the same time.
      if (now === undefined || !equalBytes(now.hash, hash)) return false;
      this.#logger.warn("a stored epoch block is damaged; it and those above it will be fetched again", {
        epoch,
        number,
      });
      const kept = epoch - this.#first;
      await this.#store.cut(kept === 0 ? undefined : this.#pointOf(epoch - 1));
      for (const gone of this.#hashes.splice(kept)) this.#epochs.delete(toHex(gone));
      if (kept === 0) this.#begin("genesis", 0);
      return true;
    });
    if (cut) await this.#readTimes();
  }
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const run = this.#changing.then(change);
    this.#changing = run.catch(() => undefined);
    return run;
  }
  /** Bytes of the beacon chain's ShardState that serves in `epoch`; undefined where they are not known. */
  async shardStateAt(epoch: number): Promise<Uint8Array | undefined> {
    if (epoch === 0) return this.params.genesisBlock(0).header.shardState;
    return (await this.header(epoch - 1))?.shardState;
  }
  /** Committees of any shard, as the beacon chain has them; only from blocks that are stored. */
  get committees(): CommitteeSource {
    return this.#book;
  }

  /**
   * Adds blocks that were checked and certified, the next epoch first. A block that is there already is left out.
   *
   * @throws {HsyncError} EPOCH_NOT_NEXT, and what writing to the store fails with; nothing was added then.
   */
  append(blocks: readonly (EpochBlock & { readonly time: bigint })[]): Promise<void> {
    return this.#inTurn(() => this.#append(blocks));
  }
  async #append(blocks: readonly (EpochBlock & { readonly time: bigint })[]): Promise<void> {
    const fresh = blocks.filter((block) => block.epoch >= this.epoch);
    if (fresh.length === 0) return;
    for (const [i, block] of fresh.entries()) {
      const due = this.epoch + i;
      if (block.epoch === due && block.number === this.params.schedule.lastBlock(due)) continue;
      throw new HsyncError(
        "EPOCH_NOT_NEXT",
        `block ${block.number} of epoch ${block.epoch} is not the end of epoch ${due}, which is next`,
        { blockNumber: block.number },
      );
    }
    await this.#add(fresh, this.#origin);
  }

  /**
   * Begins the chain at a block that the operator vouched for.
   *
   * @throws {HsyncError} EPOCH_NOT_EMPTY when it has begun already, and what writing to the store fails with.
   */
  async startAt(block: EpochBlock & { readonly time: bigint }): Promise<void> {
    await this.#inTurn(async () => {
      if (this.length > 0) {
        throw new HsyncError("EPOCH_NOT_EMPTY", `the epoch chain has begun at epoch ${this.#first} already`);
      }
      await this.#add([{ ...block, commitSig: undefined }], "checkpoint");
    });
    this.#logger.info("the epoch chain begins at a checkpoint", { epoch: block.epoch, number: block.number });
  }

  async #add(
    blocks: readonly (EpochBlock & { readonly time: bigint })[],
    origin: EpochOrigin,
  ): Promise<void> {
    const from = (blocks[0] as EpochBlock).epoch;
    await this.#store.append(blocks, origin);
    if (this.length === 0) {
      this.#begin(origin, from);
      this.#baseTime = blocks[0]?.time;
    }
    for (const block of blocks) this.#remember(block.epoch, block.hash.slice());
    this.#headTime = blocks.at(-1)?.time;
    const to = this.head();
    if (to !== undefined) this.#events.emit({ from, to });
  }

  /** Tells when epochs were added; the result removes the listener. */
  on(listener: Listener<EpochAdvance>): Cancel {
    return this.#events.on(listener);
  }

  /** The chain for the server of `epochsync`. */
  reader(): ChainReader {
    return epochChainReader(this);
  }
}

/** The header of stored bytes; undefined when they are not the block with this hash. */
function headerOf(bytes: Uint8Array, hash: Uint8Array): Header | undefined {
  try {
    const { header } = decodeBlock(bytes);
    return equalBytes(header.hash, hash) ? header : undefined;
  } catch (error) {
    if (error instanceof HsyncError) return undefined;
    throw error;
  }
}
