/**
 * Deno KV's promises in plain memory, without ever leaving the microtask queue.
 *
 * Why it exists: the real database works on threads of its own, so a run over it never replays. What must stay true:
 * order of keys, checks and versionstamps are those of Deno KV; what is handed out or in is copied.
 */
import type {
  Kv,
  KvCheck,
  KvEntry,
  KvKey,
  KvListOptions,
  KvMutation,
  KvRange,
} from "../../../src/store/kv.ts";

interface Row {
  readonly key: KvKey;
  readonly text: string;
  readonly value: Uint8Array;
  readonly versionstamp: string;
}

const float = new DataView(new ArrayBuffer(8));
/** A number that is not negative as text of the same order. */
function ordered(n: number): string {
  float.setFloat64(0, n);
  return float.getBigUint64(0).toString(16).padStart(16, "0");
}

/** A key as text whose order is the order of keys: bytes, then strings, then numbers, as in Deno KV. */
function textOf(key: KvKey): string {
  let text = "";
  for (const part of key) {
    if (typeof part === "string") text += `\u0002${part}\u0000`;
    else if (typeof part === "number") text += `\u0003${ordered(part)}\u0000`;
    else text += `\u0001${String.fromCharCode(...[...part].map((b) => b + 1))}\u0000`;
  }
  return text;
}

export class MemoryKv implements Kv {
  readonly #rows: Row[] = [];
  #stamp = 0;

  /** The place of a key, or where it would be. */
  #place(text: string): number {
    let low = 0, high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#rows[middle] as Row).text < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  #find(key: KvKey): Row | undefined {
    const text = textOf(key);
    const row = this.#rows[this.#place(text)];
    return row?.text === text ? row : undefined;
  }

  get(key: KvKey): Promise<KvEntry | undefined> {
    const row = this.#find(key);
    return Promise.resolve(row === undefined ? undefined : entryOf(row));
  }
  async *list(range: KvRange, options: KvListOptions = {}): AsyncGenerator<KvEntry> {
    await Promise.resolve();
    const rows = this.#rows.slice(this.#place(textOf(range.start)), this.#place(textOf(range.end)));
    if (options.reverse === true) rows.reverse();
    for (const row of rows.slice(0, options.limit ?? rows.length)) yield entryOf(row);
  }
  commit(checks: readonly KvCheck[], mutations: readonly KvMutation[]): Promise<string | undefined> {
    for (const { key, versionstamp } of checks) {
      if ((this.#find(key)?.versionstamp ?? null) !== versionstamp) return Promise.resolve(undefined);
    }
    const versionstamp = (++this.#stamp).toString(16).padStart(20, "0");
    for (const { key, value } of mutations) {
      const text = textOf(key);
      const place = this.#place(text);
      const there = this.#rows[place]?.text === text;
      if (value === undefined) {
        if (there) this.#rows.splice(place, 1);
      } else {
        this.#rows.splice(place, there ? 1 : 0, { key, text, value: value.slice(), versionstamp });
      }
    }
    return Promise.resolve(versionstamp);
  }
  /** A store that is closed leaves its rows to the next one that is opened here. */
  close(): void {}
}

function entryOf({ key, value, versionstamp }: Row): KvEntry {
  return { key, value: value.slice(), versionstamp };
}
