/**
 * What was downloaded and waits for the States stage.
 *
 * Why it exists: a block must keep the name of its sender until it was judged, also across a restart when
 * `UseMemDB` is off (sync-protocol.md §6.3). What must stay true: the memory it takes is bounded, and what does not
 * fit spills into the store; a staged block that cannot be read back whole is simply not there.
 */
import { fromHex, HsyncError, Semaphore, toHex } from "../base/mod.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvCheck } from "./kv.ts";
import { damaged } from "./failures.ts";
import { decodePack, PACK_BYTES } from "./pack.ts";
import { RunTable } from "./run_table.ts";
import type { StagedBlock, StagedHash } from "./types.ts";
import { WriteBatch } from "./write_batch.ts";

/** How much is staged in memory before rows go to the store. */
export interface StagingLimits {
  readonly blocks: number;
  readonly bytes: number;
}

const STREAM_ID_BYTES = 200;

/** Stream id, hash, commit signature and block in one byte string. */
function encodeBlock(row: StagedBlock): Uint8Array {
  const id = new TextEncoder().encode(row.streamId);
  if (id.length > STREAM_ID_BYTES || row.hash.length !== 32 || row.commitSig.length > 65_535) {
    throw new RangeError(
      `cannot stage block ${row.number}: stream id, hash or commit signature of a wrong size`,
    );
  }
  const head = 5 + id.length + 32 + row.commitSig.length;
  const out = new Uint8Array(head + row.bytes.length);
  const view = new DataView(out.buffer);
  out[0] = 1;
  view.setUint16(1, id.length, true);
  view.setUint16(3, row.commitSig.length, true);
  out.set(id, 5);
  out.set(row.hash, 5 + id.length);
  out.set(row.commitSig, 5 + id.length + 32);
  out.set(row.bytes, head);
  return out;
}

function decodeBlock(number: number, value: Uint8Array): StagedBlock {
  if (value.length < 5 || value[0] !== 1) throw damaged(`staged block ${number} is unreadable`, number);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const idEnd = 5 + view.getUint16(1, true);
  const sigEnd = idEnd + 32 + view.getUint16(3, true);
  if (sigEnd > value.length) throw damaged(`staged block ${number} is cut off`, number);
  return {
    number,
    streamId: new TextDecoder().decode(value.subarray(5, idEnd)),
    hash: value.slice(idEnd, idEnd + 32),
    commitSig: value.slice(idEnd + 32, sigEnd),
    bytes: value.subarray(sigEnd),
  };
}

function encodeHash(row: StagedHash): Uint8Array {
  const text = JSON.stringify(row.candidates.map((c) => [toHex(c.hash), c.voters]));
  const value = new TextEncoder().encode(text);
  if (value.length > PACK_BYTES) {
    throw new RangeError(`too many voters for the staged hash of block ${row.number}`);
  }
  return value;
}

function decodeHash(number: number, value: Uint8Array): StagedHash {
  try {
    const rows = JSON.parse(new TextDecoder().decode(value)) as Array<[string, string[]]>;
    return { number, candidates: rows.map(([hash, voters]) => ({ hash: fromHex(hash), voters })) };
  } catch (error) {
    throw damaged(`staged hash ${number} is unreadable`, number, error);
  }
}

export class Staging {
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly #fence: () => readonly KvCheck[];
  readonly #limits: StagingLimits;
  readonly #table: RunTable;
  readonly #writes = new Semaphore(1);
  readonly #hashes = new Map<number, StagedHash>();
  readonly #blocks = new Map<number, StagedBlock>();
  #bytes = 0;
  /** Whether the store may hold staged rows: spares a search after every append. */
  #stored = true;

  /**
   * @param limits blocks and bytes held in memory; zeros put everything into the store.
   * @param fence checks that every commit carries.
   */
  constructor(kv: Kv, keys: Keys, fence: () => readonly KvCheck[], limits: StagingLimits) {
    this.#kv = kv;
    this.#keys = keys;
    this.#fence = fence;
    this.#limits = limits;
    this.#table = new RunTable(kv, keys, "stgb", 1);
  }

  /** Looks for rows of an earlier run. */
  async open(): Promise<void> {
    this.#stored = false;
    for (const table of ["stgh", "stgb", "stgb+"]) {
      for await (const _ of this.#kv.list(this.#keys.range(table, 0), { limit: 1 })) this.#stored = true;
    }
  }

  /** Whether rows go to memory first. */
  get inMemory(): boolean {
    return this.#limits.blocks > 0;
  }
  /** Bytes of staged blocks in memory. */
  get memoryBytes(): number {
    return this.#bytes;
  }
  /** True when these rows would have to be written to the store. */
  wouldSpill(rows: readonly StagedBlock[]): boolean {
    let bytes = this.#bytes;
    for (const row of rows) bytes += row.bytes.length;
    return bytes > this.#limits.bytes || this.#blocks.size + rows.length > this.#limits.blocks;
  }

  async putHashes(rows: readonly StagedHash[]): Promise<void> {
    if (this.inMemory) {
      for (const row of rows) this.#hashes.set(row.number, row);
      return;
    }
    await this.#writes.run(async () => {
      this.#stored = true;
      const batch = new WriteBatch(this.#kv, "staging hashes", this.#fence());
      for (const row of rows) await batch.set(this.#keys.key("stgh", row.number), encodeHash(row));
      await batch.flush();
    });
  }

  /** Rows of `from`..`to` in order of their numbers. */
  async hashes(from: number, to: number): Promise<StagedHash[]> {
    if (this.inMemory) {
      return [...this.#hashes.values()].filter((row) => row.number >= from && row.number <= to)
        .sort((a, b) => a.number - b.number);
    }
    const rows: StagedHash[] = [];
    for await (const row of this.#kv.list(this.#keys.range("stgh", from, to))) {
      rows.push(decodeHash(row.key[3] as number, row.value));
    }
    return rows;
  }

  /** Later rows of a number replace earlier ones. */
  async putBlocks(rows: readonly StagedBlock[]): Promise<void> {
    const spilled: StagedBlock[] = [];
    for (const row of rows) {
      this.#forget(row.number);
      if (this.wouldSpill([row])) {
        spilled.push(row);
        continue;
      }
      this.#blocks.set(row.number, row);
      this.#bytes += row.bytes.length;
    }
    if (spilled.length === 0) return;
    await this.#writes.run(async () => {
      this.#stored = true;
      const batch = new WriteBatch(this.#kv, "staging blocks", this.#fence());
      const writer = this.#table.writer(batch);
      for (const row of spilled) {
        await this.#dropParts(row.number, batch);
        await writer.add(row.number, encodeBlock(row));
        await writer.flush();
      }
      await batch.flush();
      this.#table.invalidate();
    });
  }

  /** A bigger block that this number had before may have left more parts than the new one will overwrite. */
  async #dropParts(number: number, batch: WriteBatch): Promise<void> {
    const old = await this.#kv.get(this.#keys.key("stgb", number));
    if (old === undefined) return;
    try {
      if (decodePack("stgb", number, old.value).kind === "pack") return;
    } catch {
      // An unreadable row may have parts too.
    }
    for await (const row of this.#kv.list(this.#keys.range("stgb+", number, number))) {
      await batch.delete(row.key);
    }
  }

  async block(number: number): Promise<StagedBlock | undefined> {
    const held = this.#blocks.get(number);
    if (held !== undefined || !this.#stored) return held;
    try {
      const value = await this.#table.item(number);
      return value === undefined ? undefined : decodeBlock(number, value);
    } catch (error) {
      // Cut off while it was being written: it will be downloaded again.
      if (error instanceof HsyncError && error.code === "STORE_DAMAGED") return undefined;
      throw error;
    }
  }

  #forget(number: number): void {
    const held = this.#blocks.get(number);
    if (held === undefined) return;
    this.#bytes -= held.bytes.length;
    this.#blocks.delete(number);
  }

  /** Drops rows above `above` (-1: all, Infinity: none) and rows up to `upTo` (-1: none). */
  async clear(above: number, upTo = -1): Promise<void> {
    const gone = (number: number) => number > above || number <= upTo;
    for (const number of [...this.#hashes.keys()]) if (gone(number)) this.#hashes.delete(number);
    for (const number of [...this.#blocks.keys()]) if (gone(number)) this.#forget(number);
    if (!this.#stored) return;
    await this.#writes.run(async () => {
      const batch = new WriteBatch(this.#kv, "clearing staged rows", this.#fence());
      for (const table of ["stgh", "stgb", "stgb+"]) {
        const low = upTo < 0 ? [] : [this.#keys.range(table, 0, upTo)];
        const high = above === Infinity ? [] : [this.#keys.range(table, Math.max(above, upTo) + 1)];
        for (const range of [...low, ...high]) {
          for await (const row of this.#kv.list(range)) await batch.delete(row.key);
        }
      }
      await batch.flush();
      this.#table.invalidate();
      if (above < 0) this.#stored = false;
    });
  }
}
