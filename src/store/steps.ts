/**
 * What a step writes: the rows of an append, and what an unwind has to change together with the head.
 *
 * Why it exists: the order of rows and commits is the heart of the store, kept apart from who may write when. What
 * must stay true: rows that can be found by number may be written ahead of the last commit; rows that cannot (the
 * index by hash, the side-cars) and rows at or below the old head are part of it.
 */
import { be64, equalBytes, HsyncError } from "../base/mod.ts";
import { encodeCommittees, encodeList, splitBody } from "./items.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvMutation } from "./kv.ts";
import type { ChainState } from "./state.ts";
import type { ChainTables, ParentCommitSig } from "./tables.ts";
import type { AppendBlock, ChainHead } from "./types.ts";
import type { WriteBatch } from "./write_batch.ts";

/** Most blocks of one append: their index rows fit the last commit. */
export const APPEND_BLOCKS = 128;
/** Longest commit signature: the bitmap of 8,000 signers, far above any committee. */
const COMMIT_SIG_BYTES = 1_096;

/** @throws {HsyncError} STORE_COMMIT_SIG: longer than any certificate. */
export function mustFit(what: string, commitSig: Uint8Array): void {
  if (commitSig.length <= COMMIT_SIG_BYTES) return;
  throw new HsyncError("STORE_COMMIT_SIG", `${what}: a commit signature of ${commitSig.length} bytes`);
}

/** @throws {HsyncError} STORE_BATCH_SIZE, STORE_NOT_CONTIGUOUS, STORE_COMMIT_SIG. */
export function mustContinue(what: string, head: ChainHead, blocks: readonly AppendBlock[]): void {
  if (blocks.length < 1 || blocks.length > APPEND_BLOCKS) {
    throw new HsyncError("STORE_BATCH_SIZE", `${what}: an append takes 1..${APPEND_BLOCKS} blocks`);
  }
  let { number, hash } = head;
  for (const block of blocks) {
    if (block.number !== number + 1 || !equalBytes(block.parentHash, hash) || block.hash.length !== 32) {
      throw new HsyncError(
        "STORE_NOT_CONTIGUOUS",
        `${what}: block ${block.number} does not continue block ${number}`,
        { blockNumber: block.number },
      );
    }
    if (block.commitSig !== undefined) mustFit(what, block.commitSig);
    number = block.number;
    hash = block.hash;
  }
}

/** @throws {HsyncError} STORE_NOT_EMPTY: the chain has blocks already; STORE_NO_BLOCK: it cannot begin there. */
export function mustBegin(what: string, state: ChainState, block: AppendBlock): void {
  const { head, lowest } = state;
  if (head.number !== 0 || lowest !== 0) {
    throw new HsyncError(
      "STORE_NOT_EMPTY",
      `${what}: the store has blocks ${lowest}..${head.number} already`,
    );
  }
  if (!Number.isSafeInteger(block.number) || block.number < 1 || block.hash.length !== 32) {
    throw new HsyncError("STORE_NO_BLOCK", `${what}: a chain begins at a block above genesis`);
  }
}

/** Adds the runs to `batch`; returns the index rows, which belong in the last commit. */
export async function writeBlocks(
  tables: ChainTables,
  keys: Keys,
  batch: WriteBatch,
  blocks: readonly AppendBlock[],
): Promise<KvMutation[]> {
  const final: KvMutation[] = [];
  const hashes = tables.hashes.writer(batch);
  const headers = tables.headers.writer(batch);
  const bodies = tables.bodies.writer(batch);
  const receipts = tables.receipts.writer(batch);
  const committees = tables.committees.writer(batch);
  for (const { number, hash, bytes, headerBytes, receipts: rows, shardState } of blocks) {
    await hashes.add(number, hash);
    await headers.add(number, headerBytes);
    await bodies.add(number, splitBody(bytes, headerBytes));
    await receipts.add(number, rows === undefined ? undefined : encodeList(rows));
    final.push({ key: keys.key("num", hash), value: be64(number) });
    if (shardState === undefined) continue;
    await committees.add(number, encodeCommittees(shardState.epoch, shardState.bytes));
    final.push({ key: keys.key("epoch", shardState.epoch, number), value: new Uint8Array(0) });
  }
  for (const writer of [hashes, headers, bodies, receipts, committees]) await writer.flush();
  return final;
}

/** The old head's certificate is now in a child's header; the new head's has only its side-car. */
export function sideCars(
  keys: Keys,
  parentCommitSig: ParentCommitSig,
  blocks: readonly AppendBlock[],
): KvMutation[] {
  const changes: KvMutation[] = [];
  const keep = (block: AppendBlock | undefined) => {
    if (block?.commitSig === undefined) return;
    changes.push({ key: keys.key("sig", block.number), value: block.commitSig });
  };
  const first = blocks[0] as AppendBlock;
  if (parentCommitSig(first.headerBytes) !== undefined) {
    changes.push({ key: keys.key("sig", first.number - 1) });
  } else {
    // Not headers of this chain: nothing in them speaks for their parents.
    for (const block of blocks.slice(0, -1)) keep(block);
  }
  keep(blocks.at(-1));
  return changes;
}

/** What an unwind to `number` changes in the same commit: runs that cross it, and the certificate it must keep. */
export async function cutAfter(
  kv: Kv,
  keys: Keys,
  tables: ChainTables,
  number: number,
): Promise<KvMutation[]> {
  const changes: KvMutation[] = [];
  for (const { item } of await tables.hashes.tailAfter(number)) {
    if (item !== undefined) changes.push({ key: keys.key("num", item) });
  }
  for (const table of tables.runs) {
    const cut = await table.cutAfter(number);
    if (cut !== undefined) changes.push(cut);
  }
  const sig = keys.key("sig", number);
  // A repair unwinds below damaged headers.
  const pair = await tables.pairOfChild(number).catch(() => undefined);
  if (pair !== undefined && await kv.get(sig) === undefined) changes.push({ key: sig, value: pair });
  return changes;
}
