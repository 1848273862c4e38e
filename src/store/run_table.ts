/**
 * A table of items by block number, packed into runs.
 *
 * Why it exists: hashes, headers, bodies, receipts and committees are all "one byte string per block number";
 * they differ in size only. What must stay true: runs never overlap, so the run with the greatest first number
 * not above N is the only one that can hold N; what is handed out is never a view of a cached value.
 */
import { damaged } from "./failures.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvEntry, KvMutation } from "./kv.ts";
import {
  type BigItem,
  bigParts,
  decodePack,
  encodeBig,
  encodePack,
  isBig,
  joinBig,
  type Pack,
  packedSize,
  packTakes,
} from "./pack.ts";
import { RunCache } from "./run_cache.ts";
import type { WriteBatch } from "./write_batch.ts";

/** Two lookups at most this far apart are likely to want the same run. */
const NEARBY = 64;

type Run = Pack | BigItem;

/** Numbers that no run covers: known so that asking again costs nothing. */
interface Gap {
  readonly kind: "gap";
  readonly first: number;
  readonly count: number;
}

export interface NumberedItem {
  readonly number: number;
  /** A view: copy before keeping or handing on. Undefined where the item is absent. */
  readonly item: Uint8Array | undefined;
}

export class RunTable {
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly table: string;
  readonly #cache: RunCache<Run | Gap>;
  /** Lookups under way: a second one nearby waits for the first, since one run usually answers both. */
  readonly #loading = new Map<number, Promise<Run | undefined>>();
  /** Counts invalidations, so that a slow read does not put back what an unwind removed. */
  #generation = 0;

  /** @param cachedRuns runs kept in memory, at most 60 KB each. */
  constructor(kv: Kv, keys: Keys, table: string, cachedRuns: number) {
    this.#kv = kv;
    this.#keys = keys;
    this.table = table;
    this.#cache = new RunCache(cachedRuns);
  }

  get #partTable(): string {
    return this.table + "+";
  }

  /** Forgets what was read: called when stored runs change. */
  invalidate(): void {
    this.#generation++;
    this.#cache.clear();
  }

  async #load(number: number): Promise<Run | undefined> {
    const generation = this.#generation;
    const remember = (found: Run | Gap) => {
      if (generation === this.#generation) this.#cache.put(found);
    };
    let free = 0;
    for await (
      const row of this.#kv.list(this.#keys.range(this.table, 0, number), { reverse: true, limit: 1 })
    ) {
      const run = this.#decode(row);
      remember(run);
      free = run.first + run.count;
      if (number < free) return run;
    }
    remember({ kind: "gap", first: free, count: number + 1 - free });
    return undefined;
  }

  #decode(row: KvEntry): Run {
    const first = row.key[3];
    if (typeof first !== "number") throw damaged(`table ${this.table}: a key without a number`);
    return decodePack(this.table, first, row.value);
  }

  /** The run that covers `number`. @throws {HsyncError} STORE_DAMAGED. */
  async #find(number: number): Promise<Run | undefined> {
    const known = this.#cache.find(number);
    if (known !== undefined) return known.kind === "gap" ? undefined : known;
    for (const [other, loading] of this.#loading) {
      if (Math.abs(other - number) > NEARBY) continue;
      const run = await loading.catch(() => undefined);
      if (run !== undefined && run.first <= number && number < run.first + run.count) return run;
      break;
    }
    const loading = this.#load(number);
    this.#loading.set(number, loading);
    try {
      return await loading;
    } finally {
      if (this.#loading.get(number) === loading) this.#loading.delete(number);
    }
  }

  async #join(big: BigItem): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const row of this.#kv.list(this.#keys.range(this.#partTable, big.first, big.first))) {
      parts.push(row.value);
    }
    return joinBig(this.table, big, parts);
  }

  /** The item of `number`, in an array of its own; undefined where there is none. @throws {HsyncError} STORE_DAMAGED. */
  async item(number: number): Promise<Uint8Array | undefined> {
    const run = await this.#find(number);
    if (run === undefined) return undefined;
    if (run.kind === "big") return await this.#join(run);
    return run.items[number - run.first]?.slice();
  }

  /** The items of `from`..`to` in order, skipping numbers that no run covers. @throws {HsyncError} STORE_DAMAGED. */
  async *scan(from: number, to: number): AsyncIterable<NumberedItem> {
    if (from > to) return;
    const start = await this.#find(from);
    const first = start === undefined ? from : start.first;
    for await (const row of this.#kv.list(this.#keys.range(this.table, first, to))) {
      const run = this.#decode(row);
      if (run.kind === "big") {
        if (run.first >= from) yield { number: run.first, item: await this.#join(run) };
        continue;
      }
      for (let i = Math.max(0, from - run.first); i < run.count && run.first + i <= to; i++) {
        yield { number: run.first + i, item: run.items[i] };
      }
    }
  }

  /** Collects items with increasing numbers into runs of `batch`. */
  writer(batch: WriteBatch): RunWriter {
    return new RunWriter(this.#keys, this.table, this.#partTable, batch);
  }

  /** The mutation that cuts the run of `number` after it; undefined when the run ends there anyway. */
  async cutAfter(number: number): Promise<KvMutation | undefined> {
    const run = await this.#find(number);
    if (run === undefined || run.kind === "big" || run.first + run.count - 1 === number) return undefined;
    const key = this.#keys.key(this.table, run.first);
    const kept = run.items.slice(0, number - run.first + 1);
    return kept.some((item) => item !== undefined) ? { key, value: encodePack(kept) } : { key };
  }

  /** The items above `number` in the run that also holds `number`: what `cutAfter` cuts off. */
  async tailAfter(number: number): Promise<NumberedItem[]> {
    const run = await this.#find(number);
    if (run === undefined || run.kind === "big") return [];
    const tail: NumberedItem[] = [];
    for (let i = number - run.first + 1; i < run.count; i++) {
      tail.push({ number: run.first + i, item: run.items[i] });
    }
    return tail;
  }

  /** True when a row of this table begins above `number`. */
  async anyAbove(number: number): Promise<boolean> {
    for (const table of [this.table, this.#partTable]) {
      for await (const _ of this.#kv.list(this.#keys.range(table, number + 1), { limit: 1 })) return true;
    }
    return false;
  }

  /**
   * Adds the deletion of every row that begins above `number`; `onItem` sees each item on the way. Damaged rows
   * are deleted unseen.
   */
  async purgeAbove(
    number: number,
    batch: WriteBatch,
    onItem?: (entry: NumberedItem) => Promise<void>,
  ): Promise<void> {
    this.invalidate();
    for await (const row of this.#kv.list(this.#keys.range(this.table, number + 1))) {
      if (onItem !== undefined) {
        let run: Run | undefined;
        try {
          run = this.#decode(row);
        } catch {
          // What cannot be read can still be removed.
        }
        if (run?.kind === "pack") {
          for (let i = 0; i < run.count; i++) await onItem({ number: run.first + i, item: run.items[i] });
        } else if (run?.kind === "big") {
          await onItem({ number: run.first, item: await this.#join(run).catch(() => undefined) });
        }
      }
      await batch.delete(row.key);
    }
    for await (const row of this.#kv.list(this.#keys.range(this.#partTable, number + 1))) {
      await batch.delete(row.key);
    }
  }
}

/** Packs a rising sequence of items. */
export class RunWriter {
  readonly #keys: Keys;
  readonly #table: string;
  readonly #partTable: string;
  readonly #batch: WriteBatch;
  #first = 0;
  #bytes = 0;
  #items: Array<Uint8Array | undefined> = [];

  constructor(keys: Keys, table: string, partTable: string, batch: WriteBatch) {
    this.#keys = keys;
    this.#table = table;
    this.#partTable = partTable;
    this.#batch = batch;
  }

  /** Adds the item of `number`; a number that does not follow the last one begins a new run. */
  async add(number: number, item: Uint8Array | undefined): Promise<void> {
    const follows = number === this.#first + this.#items.length;
    if (this.#items.length > 0 && (!follows || !packTakes(this.#items.length, this.#bytes, item))) {
      await this.flush();
    }
    if (item !== undefined && isBig(item)) {
      const parts = bigParts(item);
      for (let i = 0; i < parts.length; i++) {
        await this.#batch.set(this.#keys.key(this.#partTable, number, i), parts[i] as Uint8Array);
      }
      // The descriptor comes last, so that it never stands without its parts.
      await this.#batch.set(this.#keys.key(this.#table, number), encodeBig(item));
      return;
    }
    if (this.#items.length === 0) this.#first = number;
    this.#items.push(item);
    this.#bytes += packedSize(item);
  }

  /** Writes the run that is still open. */
  async flush(): Promise<void> {
    // A run of absent items says no more than no run at all.
    if (this.#items.some((item) => item !== undefined)) {
      await this.#batch.set(this.#keys.key(this.#table, this.#first), encodePack(this.#items));
    }
    this.#items = [];
    this.#bytes = 0;
  }
}
