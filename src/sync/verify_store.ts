/**
 * A store checked again, block by block, by what its blocks themselves prove.
 *
 * Why it exists: an operator who doubts a disk or an import wants the first wrong block named. What must stay true: it
 * changes nothing, and believes nothing of the range but its bytes.
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
import { receiptSources, sourceName } from "./spent_receipts.ts";
import {
  type ReadableStore,
  storedFault,
  StoreWalk,
  type StoreWalkOptions,
  type WalkFailure,
} from "./store_walk.ts";

/** Source blocks remembered to find receipts taken in twice; the oldest are forgotten first. */
const SOURCES = 1_000_000;

export interface VerifyStoreOptions extends StoreWalkOptions {
  /** First block to check; default the lowest above the one that the store begins with. */
  readonly from?: number | undefined;
  /** Last block to check; default the head. */
  readonly to?: number | undefined;
}

export interface StoreReport {
  readonly from: number;
  readonly to: number;
  /** Blocks that are in order, from `from` on. */
  readonly blocks: number;
  readonly certificates: number;
  /** The first block that is not in order, and why. */
  readonly failure: WalkFailure | undefined;
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
  const sources = new LruMap<string, number>(SOURCES);
  const check = (number: number, parent: Header) => checkStored(number, parent, walk, sources);
  while (await walk.next(check) !== undefined);
  const { from, to, done, certificates, failure } = walk;
  return { from, to, blocks: done - from + 1, certificates, failure };
}

/** Everything about a stored block but its certificate. @throws {HsyncError} fault DATA: it is not in order. */
async function checkStored(
  number: number,
  parent: Header,
  walk: StoreWalk,
  sources: LruMap<string, number>,
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
  anchors.require(shardId, number, header.hash);
  checkHeader(parent, header, params);
  checkBody(block, { shardId });
  for (const source of receiptSources(block)) {
    const name = sourceName(source);
    const before = sources.get(name);
    if (before !== undefined) {
      const text =
        `block ${number} takes in the receipts of shard/block ${name}, which block ${before} has already`;
      throw storedFault(number, "RECEIPTS_TWICE", text);
    }
    sources.set(name, number);
  }
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
