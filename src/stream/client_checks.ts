/**
 * What an answer must satisfy before anybody above sees it (sync-protocol.md §2.9).
 *
 * Why it exists: a wrong byte is found on arrival, when its sender is known. What must stay true: each failure names
 * its row of the fault table; a peer that merely lacks something is not at fault; and nothing is decoded twice.
 */
import { equalBytes, HsyncError, isZero, to0x } from "../base/mod.ts";
import { type Block, checkBody, decodeBlock, receiptsRoot } from "../chain/mod.ts";
import { keccak256 } from "../crypto/mod.ts";
import { type FailureName, FAILURES } from "./fault.ts";
import type { BlockPairs, SyncResponse } from "./message.ts";
import type { DeliveredBlock } from "./types.ts";

/** Decodes blocks and checks their bodies; may run in workers. @throws {HsyncError} fault DATA for a bad one. */
export type BlockChecker = (
  blocks: readonly Uint8Array[],
  context: { readonly shardId: number },
) => readonly Block[] | Promise<readonly Block[]>;

/** The default checker: here and now. */
export function checkBlocksHere(
  blocks: readonly Uint8Array[],
  context: { readonly shardId: number },
): Block[] {
  return blocks.map((bytes) => {
    const block = decodeBlock(bytes);
    checkBody(block, context);
    return block;
  });
}

type ResponseOf<T extends SyncResponse["type"]> = Extract<SyncResponse, { readonly type: T }>;

const HASH_BYTES = 32;
const SIGNATURE_BYTES = 96;

/** An error of the fault table. */
export function fault(failure: FailureName, text: string, blockNumber?: number): HsyncError {
  return new HsyncError(failure, text, {
    fault: FAILURES[failure].fault,
    ...(blockNumber === undefined ? {} : { blockNumber }),
  });
}

/**
 * Hashes in the order asked, undefined where the peer has none.
 *
 * On a full chain what a peer has is one run of heights: it may lack old blocks (pruned) and new ones (behind), but
 * nothing between. Block 0 is exempt, since every node knows its genesis.
 *
 * @param options.gaps true on `epochsync`, where nodes of other shards keep the last block of each epoch only.
 * @throws HASHES_EXTRA, HASHES_MISSING, RESPONSE_SHAPE, HASHES_GAP.
 */
export function checkHashes(
  response: ResponseOf<"getBlockHashes">,
  numbers: readonly number[],
  options: { readonly gaps: boolean; readonly prefix: boolean },
): Array<Uint8Array | undefined> {
  const { hashes } = response;
  if (hashes.length > numbers.length) {
    throw fault("HASHES_EXTRA", `${numbers.length} hashes were asked for and ${hashes.length} came`);
  }
  if (hashes.length < numbers.length && !options.prefix) {
    throw fault("HASHES_MISSING", `${numbers.length} hashes were asked for and ${hashes.length} came`);
  }
  const out: Array<Uint8Array | undefined> = numbers.map((_, i) => {
    const hash = hashes[i];
    if (hash === undefined) return undefined;
    if (hash.length !== HASH_BYTES) {
      throw fault("RESPONSE_SHAPE", `the hash of block ${numbers[i]} has ${hash.length} bytes`);
    }
    return isZero(hash) ? undefined : hash;
  });
  if (!options.gaps) checkOneRun(numbers, out);
  return out;
}

function checkOneRun(numbers: readonly number[], hashes: ReadonlyArray<Uint8Array | undefined>): void {
  const sorted = numbers.map((number, i) => ({ number, known: hashes[i] !== undefined }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
  let state: "before" | "in" | "after" = "before";
  for (const { number, known } of sorted) {
    if (known && state === "after") {
      throw fault(
        "HASHES_GAP",
        `the peer has block ${number} but not all of those below it that it should`,
        number,
      );
    }
    if (known) state = "in";
    else if (state === "in") state = "after";
  }
}

function checkPairs(
  response: { readonly blocks: readonly Uint8Array[]; readonly commitSigs: readonly Uint8Array[] },
) {
  if (response.blocks.length !== response.commitSigs.length) {
    throw fault(
      "RESPONSE_SHAPE",
      `${response.blocks.length} blocks came with ${response.commitSigs.length} commit signatures`,
    );
  }
}

function checkCommitSig(block: Block, commitSig: Uint8Array): void {
  const good = block.number === 0
    ? commitSig.length >= SIGNATURE_BYTES && isZero(commitSig)
    : commitSig.length > SIGNATURE_BYTES;
  if (good) return;
  const text = `the commit signature of block ${block.number} has ${commitSig.length} bytes`;
  throw fault("COMMIT_SIG_SHAPE", text, block.number);
}

/**
 * Blocks by number: those that the peer has, increasing.
 *
 * @throws RESPONSE_SHAPE, BLOCK_UNREQUESTED, COMMIT_SIG_SHAPE, and what `checker` throws.
 */
export async function checkBlocksByNumber(
  response: BlockPairs,
  numbers: readonly number[],
  shardId: number,
  checker: BlockChecker,
): Promise<DeliveredBlock[]> {
  checkPairs(response);
  if (response.blocks.length > numbers.length) {
    throw fault(
      "RESPONSE_SHAPE",
      `${numbers.length} blocks were asked for and ${response.blocks.length} came`,
    );
  }
  const blocks = await checker(response.blocks, { shardId });
  const asked = new Set(numbers);
  let last = -1;
  return blocks.map((block, i) => {
    const { number } = block;
    if (!asked.has(number)) throw fault("BLOCK_UNREQUESTED", `block ${number} was not asked for`, number);
    if (number <= last) throw fault("BLOCK_UNREQUESTED", `block ${number} came after block ${last}`, number);
    last = number;
    const commitSig = response.commitSigs[i] as Uint8Array;
    checkCommitSig(block, commitSig);
    return { block, commitSig };
  });
}

/**
 * Blocks by hash, in the order asked, undefined where the peer did not deliver.
 *
 * @throws RESPONSE_SHAPE, BLOCK_HASH, COMMIT_SIG_SHAPE, and what `checker` throws.
 */
export async function checkBlocksByHashes(
  response: BlockPairs,
  hashes: readonly Uint8Array[],
  shardId: number,
  checker: BlockChecker,
): Promise<Array<DeliveredBlock | undefined>> {
  checkPairs(response);
  if (response.blocks.length !== hashes.length) {
    throw fault(
      "RESPONSE_SHAPE",
      `${hashes.length} blocks were asked for and ${response.blocks.length} came`,
    );
  }
  // One byte is the placeholder for "not delivered".
  const places: number[] = [];
  response.blocks.forEach((bytes, i) => bytes.length > 1 && places.push(i));
  const blocks = await checker(places.map((i) => response.blocks[i] as Uint8Array), { shardId });
  const out: Array<DeliveredBlock | undefined> = hashes.map(() => undefined);
  places.forEach((place, i) => {
    const block = blocks[i] as Block;
    const wanted = hashes[place] as Uint8Array;
    if (!equalBytes(block.hash, wanted)) {
      throw fault(
        "BLOCK_HASH",
        `block ${to0x(wanted)} was asked for and ${to0x(block.hash)} came`,
        block.number,
      );
    }
    const commitSig = response.commitSigs[place] as Uint8Array;
    checkCommitSig(block, commitSig);
    out[place] = { block, commitSig };
  });
  return out;
}

/**
 * Receipts per block asked for; an empty list where the peer has none.
 *
 * @throws RESPONSE_SHAPE, RECEIPTS_INVALID.
 */
export function checkReceipts(
  response: ResponseOf<"getReceipts">,
  asked: number,
  roots: ReadonlyArray<Uint8Array | undefined> | undefined,
): Uint8Array[][] {
  const out: Uint8Array[][] = Array.from({ length: asked }, () => []);
  for (const [key, list] of response.receipts) {
    if (key >= BigInt(asked)) throw fault("RESPONSE_SHAPE", `receipts came for place ${key} of ${asked}`);
    out[Number(key)] = [...list];
  }
  for (const [i, list] of out.entries()) {
    const root = roots?.[i];
    if (root === undefined || list.length === 0) continue;
    if (!equalBytes(receiptsRoot(list), root)) {
      throw fault("RECEIPTS_INVALID", `the receipts at place ${i} do not hash to ${to0x(root)}`);
    }
  }
  return out;
}

/** Blobs by their keccak, in the order asked. @throws RESPONSE_SHAPE, BLOB_HASH. */
export function checkBlobs(
  blobs: readonly Uint8Array[],
  hashes: readonly Uint8Array[],
): Array<Uint8Array | undefined> {
  if (blobs.length > hashes.length) {
    throw fault("RESPONSE_SHAPE", `${hashes.length} blobs were asked for and ${blobs.length} came`);
  }
  const places = new Map<string, number[]>();
  for (const [i, hash] of hashes.entries()) {
    const key = to0x(hash);
    places.set(key, [...(places.get(key) ?? []), i]);
  }
  const out: Array<Uint8Array | undefined> = hashes.map(() => undefined);
  for (const blob of blobs) {
    const at = places.get(to0x(keccak256(blob)));
    if (at === undefined) {
      throw fault("BLOB_HASH", `a blob of ${blob.length} bytes has none of the hashes asked for`);
    }
    for (const i of at) out[i] = blob;
  }
  return out;
}
