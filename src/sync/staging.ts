/**
 * Accepted blocks between the download and the States stage (sync-protocol.md §6.3 [TS]).
 *
 * Why it exists: with `UseMemDB` the decoded blocks simply stay in memory; without it they go to the store with the
 * name of their sender, and a restart goes on from there. What must stay true: what is staged is an unbroken run
 * above the store's head; nothing depends on it surviving; the bytes it holds in memory are counted.
 */
import { equalBytes, HsyncError } from "../base/mod.ts";
import { decodeBlock } from "../chain/mod.ts";
import type { StagedBlock } from "../store/mod.ts";
import type { ChainPoint, FetchedBlock, SyncStore } from "./types.ts";

/** Decoded views cost more than the wire bytes they point into. */
const OBJECT_BYTES = 2_000;

export interface Staging {
  /** Bytes held in memory. */
  readonly bytes: number;
  /** Takes blocks that continue the staged run. */
  add(blocks: readonly FetchedBlock[]): void;
  /** Makes what was added durable, if this staging is, together with `checkpoint`, the height of the run's end. */
  flush(checkpoint: number): Promise<void>;
  /** Staged blocks from `from` on, at most `count`; stops at the first that is missing. */
  read(from: number, count: number): Promise<FetchedBlock[]>;
  dropAbove(number: number): Promise<void>;
  /** Blocks up to `number` are in the store. */
  committed(number: number): void;
  /** The run that an earlier process left above `head`: its end, or `head` itself. */
  resume(head: ChainPoint): Promise<ChainPoint>;
}

/** Decoded blocks in memory. */
export class MemoryStaging implements Staging {
  readonly #blocks = new Map<number, FetchedBlock>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  add(blocks: readonly FetchedBlock[]): void {
    for (const block of blocks) {
      this.#blocks.set(block.number, block);
      this.#bytes += block.size;
    }
  }
  flush(): Promise<void> {
    return Promise.resolve();
  }
  read(from: number, count: number): Promise<FetchedBlock[]> {
    const out: FetchedBlock[] = [];
    for (let n = from; n < from + count; n++) {
      const block = this.#blocks.get(n);
      if (block === undefined) break;
      out.push(block);
    }
    return Promise.resolve(out);
  }
  #drop(gone: (number: number) => boolean): void {
    for (const [number, block] of this.#blocks) {
      if (!gone(number)) continue;
      this.#blocks.delete(number);
      this.#bytes -= block.size;
    }
  }
  dropAbove(number: number): Promise<void> {
    this.#drop((n) => n > number);
    return Promise.resolve();
  }
  committed(number: number): void {
    this.#drop((n) => n <= number);
  }
  resume(head: ChainPoint): Promise<ChainPoint> {
    return Promise.resolve(head);
  }
}

/** More than this waiting in memory is written without waiting for the stage. */
const SPILL_BYTES = 16 * 1024 * 1024;

/** Blocks in the store's staged table. */
export class StoreStaging implements Staging {
  readonly #waiting = new Map<number, FetchedBlock>();
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;

  /** @param transaction most blocks written in one go (`MaxMemSyncCycleSize`). */
  constructor(private readonly store: SyncStore, private readonly transaction: number) {}

  get bytes(): number {
    return this.#bytes;
  }
  add(blocks: readonly FetchedBlock[]): void {
    for (const block of blocks) {
      this.#waiting.set(block.number, block);
      this.#bytes += block.size;
    }
    if (this.#bytes > SPILL_BYTES) {
      // A failure is kept for the next flush: that is where the stage can act on it.
      this.#write().catch((error: unknown) => {
        this.#failure ??= error;
      });
    }
  }
  async flush(checkpoint: number): Promise<void> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    await this.#write();
    await this.store.setCheckpoints({ BlockBodies: checkpoint });
  }
  #write(): Promise<void> {
    const run = async () => {
      const rows = [...this.#waiting.values()].sort((a, b) => a.number - b.number);
      for (let i = 0; i < rows.length; i += this.transaction) {
        const part = rows.slice(i, i + this.transaction);
        await this.store.putStagedBlocks(part.map(toRow));
        for (const block of part) this.#forget(block);
      }
    };
    this.#writing = this.#writing.then(run, run);
    return this.#writing;
  }
  #forget(block: FetchedBlock): void {
    if (this.#waiting.get(block.number) !== block) return;
    this.#waiting.delete(block.number);
    this.#bytes -= block.size;
  }
  async read(from: number, count: number): Promise<FetchedBlock[]> {
    const out: FetchedBlock[] = [];
    for (let n = from; n < from + count; n++) {
      const block = this.#waiting.get(n) ?? await this.#load(n);
      if (block === undefined) break;
      out.push(block);
    }
    return out;
  }
  async #load(number: number): Promise<FetchedBlock | undefined> {
    const row = await this.store.stagedBlock(number);
    return row === undefined ? undefined : fromRow(row);
  }
  async dropAbove(number: number): Promise<void> {
    for (const block of [...this.#waiting.values()]) if (block.number > number) this.#forget(block);
    // In line with the writes: what is added from now on must not be swept away with the old rows.
    const clear = () => this.store.clearStaged(number);
    this.#writing = this.#writing.then(clear, clear);
    await this.#writing;
  }
  committed(number: number): void {
    for (const block of [...this.#waiting.values()]) if (block.number <= number) this.#forget(block);
  }
  async resume(head: ChainPoint): Promise<ChainPoint> {
    const end = this.store.checkpoint("BlockBodies") ?? 0;
    let top = head;
    try {
      for (let n = head.number + 1; n <= end; n++) {
        const block = await this.#load(n);
        if (block === undefined || !equalBytes(block.parentHash, top.hash)) break;
        top = { number: n, hash: block.hash };
      }
    } catch (error) {
      // An unreadable row ends the run like a missing one; the blocks are fetched again.
      if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
    }
    await this.store.clearStaged(top.number);
    return top;
  }
}

function toRow(block: FetchedBlock): StagedBlock {
  const { number, hash, streamId, delivered } = block;
  return { number, hash, streamId, bytes: delivered.block.bytes, commitSig: delivered.commitSig };
}

function fromRow(row: StagedBlock): FetchedBlock {
  const block = decodeBlock(row.bytes);
  if (block.number !== row.number || !equalBytes(block.hash, row.hash)) {
    throw new HsyncError(
      "STAGED_BLOCK_DAMAGED",
      `staged block ${row.number} is not the one that was written`,
      {
        fault: "DATA",
        blockNumber: row.number,
      },
    );
  }
  return fetched({ block, commitSig: row.commitSig }, row.streamId);
}

/** A delivered block with what the scheduler needs at hand. */
export function fetched(delivered: FetchedBlock["delivered"], streamId: string): FetchedBlock {
  const { block, commitSig } = delivered;
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.header.parentHash,
    size: block.bytes.length + commitSig.length + OBJECT_BYTES,
    streamId,
    delivered,
  };
}
