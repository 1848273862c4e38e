/**
 * A store checked again, block by block, by what its blocks themselves prove.
 *
 * Why it exists: an operator who doubts a disk or an import wants the first wrong block named. What must stay true: it
 * changes nothing, and believes nothing of the range but its bytes and, of bodies that contradict each other, which was proven.
 */
import { equalBytes, LruMap, to0x } from "../base/mod.ts";
import {
  type Block,
  checkBody,
  decodeBlock,
  type Header,
  type NetworkParams,
  nextEpoch,
  receiptsRoot,
} from "../chain/mod.ts";
import { type BatchVerifier, checkHeader } from "../consensus/mod.ts";
import { brokenSources, receiptsOf } from "./receipt_rules.ts";
import { type ReceiptDispute, receiptSources, sourceName } from "./spent_receipts.ts";
import {
  type ReadableStore,
  storedFault,
  StoreWalk,
  type StoreWalkOptions,
  type WalkFailure,
} from "./store_walk.ts";

/** Source blocks remembered to find receipts taken in twice; the oldest are forgotten first. */
const SOURCES = 1_000_000;
/** Disputes that a report names; the rest is counted. */
const MAX_DISPUTES = 20;

export interface VerifyStoreOptions extends StoreWalkOptions {
  /** First block to check; default the lowest above the one that the store begins with. */
  readonly from?: number | undefined;
  /** Last block to check; default the head. */
  readonly to?: number | undefined;
}

/** Two stored bodies that take in the same receipts. */
export interface StoredDispute extends ReceiptDispute {
  /** The one of them that was proven when it was stored, or after; undefined: neither. */
  readonly proven: number | undefined;
}

/** Bodies that contradict each other while nothing says which is forged: that is no reason to take either away. */
export interface StoredDisputes {
  readonly count: number;
  /** The first of them. */
  readonly named: readonly StoredDispute[];
}

export interface StoreReport {
  readonly from: number;
  readonly to: number;
  /** Blocks that are in order, from `from` on. */
  readonly blocks: number;
  readonly certificates: number;
  /** The first block that is not in order, and why. */
  readonly failure: WalkFailure | undefined;
  readonly disputes: StoredDisputes;
}

/**
 * Checks stored blocks again: hashes, links, indexes, roots, header rules, anchors, receipts taken in twice, certificates.
 * Stops at the first block that is not in order, which the report names.
 *
 * @throws {HsyncError} STORE_NO_BLOCK for a range that is not stored; CANCELLED; what reading or the verifier throws.
 */
export async function verifyStore(
  store: ReadableStore,
  params: NetworkParams,
  verifier: BatchVerifier,
  options: VerifyStoreOptions = {},
): Promise<StoreReport> {
  const walk = await StoreWalk.begin(store, params, verifier, options, options);
  const taken = new TakenSources(store, params);
  const check = (number: number, parent: Header) => checkStored(number, parent, walk, taken);
  while (await walk.next(check) !== undefined);
  const { from, to, done, certificates, failure } = walk;
  return { from, to, blocks: done - from + 1, certificates, failure, disputes: taken.disputes() };
}

/** What the blocks of the range take in. */
class TakenSources {
  /** By source: the block that counts as its taker. */
  readonly #takers = new LruMap<string, number>(SOURCES);
  readonly #named: StoredDispute[] = [];
  #count = 0;

  constructor(
    private readonly store: Pick<ReadableStore, "recordAt">,
    private readonly params: NetworkParams,
  ) {}

  disputes(): StoredDisputes {
    return { count: this.#count, named: this.#named };
  }
  /** @throws {HsyncError} RECEIPTS_REFUSED: the block takes in what it, or a block with a proven body, has taken in. */
  async add(block: Block): Promise<void> {
    const { number } = block;
    const broken = brokenSources(block, this.params);
    if (broken !== undefined) {
      throw storedFault(number, "RECEIPTS_REFUSED", `block ${number} is refused: ${broken}`);
    }
    for (const source of receiptSources(block)) {
      const name = sourceName(source);
      const first = this.#takers.get(name);
      const proven = first === undefined ? undefined : await this.#provenOf(first, number);
      if (first !== undefined && proven === first) {
        const text = `block ${number} takes in ${
          receiptsOf(source)
        }, which block ${first} has taken in already`;
        throw storedFault(number, "RECEIPTS_REFUSED", text);
      }
      if (first !== undefined && ++this.#count <= MAX_DISPUTES) {
        this.#named.push({ source, first, second: number, proven });
      }
      if (first === undefined || proven === number) this.#takers.set(name, number);
    }
  }
  async #provenOf(...numbers: readonly number[]): Promise<number | undefined> {
    for (const number of numbers) {
      if ((await this.store.recordAt(number))?.body === "proven") return number;
    }
    return undefined;
  }
}

/** Everything about a stored block but its certificate. @throws {HsyncError} fault DATA: it is not in order. */
async function checkStored(
  number: number,
  parent: Header,
  walk: StoreWalk,
  taken: TakenSources,
): Promise<Block> {
  const { store, params, anchors } = walk;
  const [stored, hash] = [await store.blockAt(number), await store.hashAt(number)];
  if (stored === undefined || hash === undefined) {
    throw storedFault(number, "STORED_BLOCK_MISSING", `block ${number} is missing`);
  }
  const block = decodeBlock(stored.bytes);
  const { header } = block;
  const { shardId } = store.meta;
  if (!equalBytes(header.hash, hash) || await store.numberOf(hash) !== number) {
    throw storedFault(
      number,
      "STORED_BLOCK_HASH",
      `block ${number} is not the one of the index, ${to0x(hash)}`,
    );
  }
  anchors.requireHeader(header);
  checkHeader(parent, header, params);
  checkBody(block, { shardId });
  await taken.add(block);
  const receipts = await store.receiptsAt(number);
  if (receipts !== undefined && !equalBytes(receiptsRoot(receipts), header.receiptsRoot)) {
    throw storedFault(
      number,
      "STORED_RECEIPTS",
      `the receipts kept with block ${number} are not those of its header`,
    );
  }
  if (header.shardState.length > 0) {
    const epoch = nextEpoch(header, undefined, params);
    const kept = await store.shardStateAt(epoch);
    if (kept === undefined || !equalBytes(kept, header.shardState)) {
      const text = `the committees kept for epoch ${epoch} are not those of block ${number}`;
      throw storedFault(number, "STORED_COMMITTEES", text);
    }
  }
  return block;
}
