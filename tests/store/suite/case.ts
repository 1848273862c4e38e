/** The shape of a compliance case: the same test for every kind of database. */
import assert from "node:assert/strict";
import { HsyncError } from "../../../src/base/mod.ts";
import type { AppendBlock, ChainStore } from "../../../src/store/mod.ts";
import type { Place } from "../support.ts";

export interface Case {
  readonly name: string;
  run(place: Place): Promise<void>;
}

/** Asserts an HsyncError with this code; returns it. */
export async function rejects(call: Promise<unknown>, code: string): Promise<HsyncError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof HsyncError, `expected ${code}, got ${error}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `expected ${code}, but the call succeeded` });
}

/** Runs `job` with an open store and closes it whatever happens. */
export async function using<T>(
  opening: Promise<ChainStore>,
  job: (store: ChainStore) => Promise<T>,
): Promise<T> {
  const store = await opening;
  try {
    return await job(store);
  } finally {
    await store.close();
  }
}

/** Appends in batches of `size`. */
export async function appendAll(
  store: ChainStore,
  blocks: readonly AppendBlock[],
  size = 128,
): Promise<void> {
  for (let i = 0; i < blocks.length; i += size) await store.append(blocks.slice(i, i + size));
}

/** Asserts that the store holds exactly these blocks above genesis, each in every form. */
export async function assertHolds(store: ChainStore, blocks: readonly AppendBlock[]): Promise<void> {
  const last = blocks.at(-1);
  assert.equal(store.head().number, last?.number ?? 0);
  if (last !== undefined) assert.deepEqual(store.head().hash, last.hash);
  for (const block of blocks) {
    const at = `block ${block.number}`;
    const read = await store.blockAt(block.number);
    assert.ok(read !== undefined && equal(read.bytes, block.bytes), `${at}: bytes`);
    assert.deepEqual(read.commitSig, block.commitSig, `${at}: certificate`);
    assert.deepEqual(await store.hashAt(block.number), block.hash, `${at}: hash`);
    assert.deepEqual(await store.headerAt(block.number), new Uint8Array(block.headerBytes), `${at}: header`);
    assert.equal(await store.numberOf(block.hash), block.number, `${at}: number`);
  }
  assert.equal(await store.blockAt((last?.number ?? 0) + 1), undefined);
  assert.equal(await store.hashAt((last?.number ?? 0) + 1), undefined);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
