/**
 * A chain store in plain memory that fails when told to.
 *
 * Why it exists: the driver's answer to a full disk or a lost lease must be testable without one. What must stay
 * true: it keeps the promises of the interface that the pipeline relies on: contiguous appends, all or nothing.
 */
import { equalBytes, HsyncError } from "../../../src/base/mod.ts";
import type {
  AppendBlock,
  Assurance,
  BodyMark,
  ChainHead,
  DiskState,
  StagedBlock,
  StagedHash,
  StoreMeta,
} from "../../../src/store/mod.ts";
import type { SyncStore } from "../../../src/sync/mod.ts";
import { at, type TestChain } from "./chains.ts";

export class FakeStore implements SyncStore {
  readonly meta: StoreMeta;
  readonly rows: AppendBlock[] = [];
  readonly batches: number[] = [];
  readonly checkpoints: Record<string, number> = {};
  readonly staged = new Map<number, StagedBlock>();
  readonly hashes = new Map<number, StagedHash>();
  unwinds: number[] = [];
  writable = true;
  /** Taken by the next writes, in order. */
  readonly failures: HsyncError[] = [];
  readonly #genesis: ChainHead;

  /** @param genesis the chain whose block 0 it starts from. */
  constructor(private readonly genesis: TestChain, shardId = 0) {
    const { hash, header } = at(genesis, 0).block;
    this.#genesis = { number: 0, hash };
    this.meta = { network: "test", shardId, genesisHash: header.hash, schema: 1 };
  }
  head(): ChainHead {
    const last = this.rows.at(-1);
    return last === undefined ? this.#genesis : { number: last.number, hash: last.hash };
  }
  #row(number: number): AppendBlock | undefined {
    return this.rows[number - 1];
  }
  headerAt(number: number): Promise<Uint8Array | undefined> {
    if (number === 0) return Promise.resolve(at(this.genesis, 0).block.header.bytes);
    return Promise.resolve(this.#row(number)?.headerBytes);
  }
  lowest(): number {
    return 0;
  }
  hashAt(number: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(number === 0 ? this.#genesis.hash : this.#row(number)?.hash);
  }
  lowestAssurance(): Assurance {
    return "linked";
  }
  #fail(): void {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (!this.writable) throw new HsyncError("STORE_DISK_LOW", "the disk is nearly full");
  }
  async append(blocks: readonly AppendBlock[], checkpoints: Record<string, number> = {}): Promise<void> {
    await Promise.resolve();
    this.#fail();
    let { number, hash } = this.head();
    for (const block of blocks) {
      if (block.number !== number + 1 || !equalBytes(block.parentHash, hash)) {
        throw new HsyncError(
          "STORE_NOT_CONTIGUOUS",
          `block ${block.number} does not continue block ${number}`,
        );
      }
      ({ number, hash } = block);
    }
    this.rows.push(...blocks);
    this.batches.push(blocks.length);
    Object.assign(this.checkpoints, checkpoints);
    for (const n of [...this.staged.keys()]) if (n <= number) this.staged.delete(n);
  }
  markBodies(marks: readonly BodyMark[]): Promise<void> {
    for (const { number, hash, body } of marks) {
      const row = this.#row(number);
      if (row !== undefined && equalBytes(row.hash, hash)) this.rows[number - 1] = { ...row, body };
    }
    return Promise.resolve();
  }
  unwindTo(number: number, checkpoints: Record<string, number> = {}): Promise<void> {
    this.rows.splice(number);
    this.unwinds.push(number);
    Object.assign(this.checkpoints, checkpoints);
    return Promise.resolve();
  }
  checkpoint(stage: string): number | undefined {
    return this.checkpoints[stage];
  }
  setCheckpoints(checkpoints: Record<string, number>): Promise<void> {
    Object.assign(this.checkpoints, checkpoints);
    return Promise.resolve();
  }
  putStagedHashes(rows: readonly StagedHash[]): Promise<void> {
    for (const row of rows) this.hashes.set(row.number, row);
    return Promise.resolve();
  }
  async putStagedBlocks(rows: readonly StagedBlock[]): Promise<void> {
    await Promise.resolve();
    this.#fail();
    for (const row of rows) this.staged.set(row.number, row);
  }
  stagedBlock(number: number): Promise<StagedBlock | undefined> {
    return Promise.resolve(this.staged.get(number));
  }
  clearStaged(above: number): Promise<void> {
    for (const n of [...this.staged.keys()]) if (n > above) this.staged.delete(n);
    return Promise.resolve();
  }
  disk(): DiskState {
    return { storeBytes: 0, freeBytes: 0, totalBytes: 0, writable: this.writable };
  }
}
