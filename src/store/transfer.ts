/**
 * Chains in and out of files.
 *
 * Why it exists: import must be as suspicious as a sync and as patient with a bad file as possible. What must stay
 * true: what was good before the first bad block is stored when the error is thrown; a block that the store has
 * already is compared, not trusted; whether a block is good is the caller's judgement (`verify`), what order and
 * which chain is ours.
 */
import { cancelled, equalBytes, HsyncError, to0x } from "../base/mod.ts";
import { type Block, decodeBlock } from "../chain/mod.ts";
import {
  badFile,
  BLOCK_FILE_MAGIC,
  type BlockFileHeader,
  BlockFileWriter,
  type ByteSink,
  type FileBlock,
  readBlockFileHeader,
  readGroups,
} from "./block_file.ts";
import { ByteReader } from "./byte_reader.ts";
import { readLines } from "./recording.ts";
import { APPEND_BLOCKS } from "./steps.ts";
import type { AppendBlock, ChainStore } from "./types.ts";

/** Blocks that are verified together weigh at most this. */
const BATCH_BYTES = 16 << 20;

/** A file of either kind, opened. */
export interface OpenedBlocks {
  readonly format: "block file" | "recording";
  /** What a block file says of itself; a recording says nothing. */
  readonly header: BlockFileHeader | undefined;
  readonly blocks: AsyncGenerator<FileBlock>;
}

async function* unzipped(reader: ByteReader): AsyncGenerator<Uint8Array> {
  // A chunk that shares its buffer with others must not be handed to a stream that may keep it.
  const plain = ReadableStream.from(reader.rest()) as ReadableStream<Uint8Array<ArrayBuffer>>;
  yield* plain.pipeThrough(new DecompressionStream("gzip"));
}

/**
 * Opens a recording (plain or gzipped) or a block file by what it begins with.
 * @throws {HsyncError} BLOCK_FILE_UNKNOWN, BLOCK_FILE_DAMAGED, BLOCK_FILE_VERSION. `blocks` rejects with
 * BLOCK_FILE_DAMAGED at the first damage, after everything before it.
 */
export async function openBlocks(source: AsyncIterable<Uint8Array>): Promise<OpenedBlocks> {
  let reader = new ByteReader(source);
  const start = await reader.peek(2);
  if (start[0] === 0x1f && start[1] === 0x8b) reader = new ByteReader(unzipped(reader));
  try {
    const magic = await reader.peek(BLOCK_FILE_MAGIC.length);
    if (equalBytes(magic, BLOCK_FILE_MAGIC)) {
      const header = await readBlockFileHeader(reader);
      return { format: "block file", header, blocks: closing(reader, readGroups(reader)) };
    }
    if (magic.length === 0 || magic[0] === 0x7b) {
      return { format: "recording", header: undefined, blocks: closing(reader, readLines(reader)) };
    }
  } catch (error) {
    await reader.close().catch(() => {});
    if (error instanceof HsyncError) throw error;
    throw badFile(
      "BLOCK_FILE_DAMAGED",
      `the file cannot be unpacked: ${(error as Error).message}`,
      undefined,
      error,
    );
  }
  await reader.close();
  throw new HsyncError("BLOCK_FILE_UNKNOWN", "the file is neither a recording nor a block file", {
    hint: "import takes .blocks.jsonl (plain or gzipped) and what `hsync db export` writes",
  });
}

async function* closing(reader: ByteReader, blocks: AsyncGenerator<FileBlock>): AsyncGenerator<FileBlock> {
  let last: number | undefined;
  try {
    for await (const block of blocks) {
      last = block.number;
      yield block;
    }
  } catch (error) {
    if (error instanceof HsyncError) throw error;
    const after = last === undefined ? "" : ` after block ${last}`;
    throw badFile(
      "BLOCK_FILE_DAMAGED",
      `the file cannot be read on${after}: ${(error as Error).message}`,
      last === undefined ? undefined : last + 1,
      error,
    );
  } finally {
    // The source may have failed already; it is only given back here.
    await reader.close().catch(() => {});
  }
}

/** A block of a file, decoded; its hash, number and place in the file have been checked, nothing else. */
export interface CandidateBlock {
  readonly block: Block;
  readonly commitSig: Uint8Array | undefined;
  readonly receipts: readonly Uint8Array[] | undefined;
}

export interface VerifiedBlocks {
  /** The good ones from the first on. */
  readonly good: readonly AppendBlock[];
  /** Why the block after them is not; undefined when all are good. */
  readonly error?: unknown;
}

export interface ImportOptions {
  /**
   * Judges consecutive blocks that continue the head, 1..128 of them, as a sync would.
   * @param last the file has no more than these.
   */
  readonly verify: (candidates: readonly CandidateBlock[], last: boolean) => Promise<VerifiedBlocks>;
  /** Called after each stored batch. */
  readonly onProgress?: (height: number) => void;
  readonly signal?: AbortSignal;
}

export interface ImportResult {
  readonly imported: number;
  /** Blocks of the file that the store had already. */
  readonly known: number;
}

/**
 * Appends the blocks of a file to the store.
 *
 * @throws {HsyncError} with `blockNumber`: BLOCK_FILE_GAP (a number is missing), BLOCK_FILE_FORK (another block than
 * the store has, or one that does not continue it), BLOCK_FILE_DAMAGED; BLOCK_FILE_FOREIGN (another chain); what
 * `verify` and the store throw. Whatever was good before is stored.
 */
export async function importBlocks(
  store: ChainStore,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportResult> {
  const opened = await openBlocks(source);
  const importer = new Importer(store, options);
  try {
    if (opened.header !== undefined) mustBeOurs(store, opened.header);
    for await (const block of opened.blocks) {
      if (options.signal?.aborted) throw cancelled("importing blocks");
      await importer.add(block);
    }
  } catch (error) {
    await opened.blocks.return(undefined);
    await importer.flush(true);
    throw error;
  }
  await importer.flush(true);
  return importer.result;
}

function mustBeOurs(store: ChainStore, header: BlockFileHeader): void {
  const { network, shardId, genesisHash } = store.meta;
  if (
    header.network === network && header.shardId === shardId && equalBytes(header.genesisHash, genesisHash)
  ) return;
  throw new HsyncError(
    "BLOCK_FILE_FOREIGN",
    `the file holds network ${header.network}, shard ${header.shardId}, genesis ${
      to0x(header.genesisHash)
    }; ` +
      `the store is of network ${network}, shard ${shardId}, genesis ${to0x(genesisHash)}`,
    { hint: "check --network and --shard" },
  );
}

class Importer {
  readonly #store: ChainStore;
  readonly #options: ImportOptions;
  #last: { readonly number: number; readonly hash: Uint8Array } | undefined;
  #pending: CandidateBlock[] = [];
  #bytes = 0;
  #imported = 0;
  #known = 0;
  #failed = false;

  constructor(store: ChainStore, options: ImportOptions) {
    this.#store = store;
    this.#options = options;
  }

  get result(): ImportResult {
    return { imported: this.#imported, known: this.#known };
  }

  async add(row: FileBlock): Promise<void> {
    const last = this.#last;
    const head = this.#store.head();
    if (last !== undefined ? row.number !== last.number + 1 : row.number > head.number + 1) {
      const before = last?.number ?? head.number;
      throw badFile(
        "BLOCK_FILE_GAP",
        last === undefined
          ? `the file begins with block ${row.number}, the store ends with block ${before}`
          : `block ${before} is followed by block ${row.number}`,
        before + 1,
      );
    }
    const block = decoded(row);
    if (last === undefined && row.number === head.number + 1) this.#mustContinue(block, head);
    else if (last !== undefined) this.#mustContinue(block, last);
    if (row.number <= head.number) await this.#mustBeKnown(block);
    else {
      // Only when one more is at hand: what is left at the end is the end of the chain, and is judged as such.
      if (this.#pending.length >= APPEND_BLOCKS || this.#bytes >= BATCH_BYTES) await this.flush(false);
      this.#pending.push({ block, commitSig: row.commitSig, receipts: row.receipts });
      this.#bytes += block.bytes.length;
    }
    this.#last = { number: block.number, hash: block.hash };
  }

  #mustContinue(block: Block, parent: { readonly number: number; readonly hash: Uint8Array }): void {
    if (equalBytes(block.header.parentHash, parent.hash)) return;
    throw badFile(
      "BLOCK_FILE_FORK",
      `block ${block.number} does not continue block ${parent.number} (${to0x(parent.hash)})`,
      block.number,
    );
  }

  async #mustBeKnown(block: Block): Promise<void> {
    const stored = await this.#store.hashAt(block.number);
    // Below a checkpoint the store has nothing to compare.
    if (stored !== undefined && !equalBytes(stored, block.hash)) {
      throw badFile(
        "BLOCK_FILE_FORK",
        `block ${block.number} of the file is ${to0x(block.hash)}, the store has ${to0x(stored)}`,
        block.number,
      );
    }
    this.#known++;
  }

  /** Verifies and stores what has gathered; after a failure there is nothing left to store. */
  async flush(last: boolean): Promise<void> {
    const candidates = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    if (candidates.length === 0 || this.#failed) return;
    this.#failed = true;
    const { good, error } = await this.#options.verify(candidates, last);
    if (good.length > 0) {
      await this.#store.append(good);
      this.#imported += good.length;
      this.#options.onProgress?.(this.#store.head().number);
    }
    if (error !== undefined) throw error;
    this.#failed = false;
  }
}

function decoded(row: FileBlock): Block {
  let block: Block;
  try {
    block = decodeBlock(row.bytes);
  } catch (error) {
    throw badFile(
      "BLOCK_FILE_DAMAGED",
      `block ${row.number} of the file cannot be decoded: ${(error as Error).message}`,
      row.number,
      error,
    );
  }
  if (block.number !== row.number) {
    throw badFile(
      "BLOCK_FILE_DAMAGED",
      `block ${row.number} of the file says it is ${block.number}`,
      row.number,
    );
  }
  if (row.hash !== undefined && !equalBytes(row.hash, block.hash)) {
    throw badFile(
      "BLOCK_FILE_DAMAGED",
      `block ${row.number} of the file has the hash ${to0x(block.hash)}, not ${to0x(row.hash)}`,
      row.number,
    );
  }
  return block;
}

export interface ExportOptions {
  /** Default: the lowest block with a body. */
  readonly from?: number;
  /** Default: the head. */
  readonly to?: number;
  readonly onProgress?: (height: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes blocks `from`..`to` as a block file. @returns how many.
 * @throws {HsyncError} STORE_NO_BLOCK: the range is not stored, or the chain was unwound meanwhile.
 */
export async function exportBlocks(
  store: ChainStore,
  sink: ByteSink,
  options: ExportOptions = {},
): Promise<number> {
  const { from = store.lowest(), to = store.head().number, onProgress, signal } = options;
  const missing = (number: number) =>
    new HsyncError(
      "STORE_NO_BLOCK",
      `cannot export block ${number}: the store has blocks ${store.lowest()}..${store.head().number}`,
      { blockNumber: number, hint: "choose --from and --to within them" },
    );
  if (from < store.lowest() || from > to) throw missing(from);
  if (to > store.head().number) throw missing(to);
  const { network, shardId, genesisHash } = store.meta;
  const writer = new BlockFileWriter({ network, shardId, genesisHash }, sink);
  for (let number = from; number <= to; number++) {
    if (signal?.aborted) throw cancelled("exporting blocks");
    const [read, hash, receipts] = await Promise.all([
      store.blockAt(number),
      store.hashAt(number),
      store.receiptsAt(number),
    ]);
    if (read === undefined || hash === undefined) throw missing(number);
    await writer.add({
      number,
      hash,
      bytes: read.bytes,
      ...(read.commitSig === undefined || number === 0 ? {} : { commitSig: read.commitSig }),
      ...(receipts === undefined ? {} : { receipts }),
    });
    if (number % APPEND_BLOCKS === 0) onProgress?.(number);
  }
  await writer.end();
  onProgress?.(to);
  return to - from + 1;
}
