/**
 * The narrow port through which the store talks to Deno KV.
 *
 * Why it exists: one seam where a test can fail a write or cut a batch off, and one place that knows the limits of
 * Deno KV. What must stay true: every value is a `Uint8Array` (Deno KV keeps those as they are, anything else
 * grows by serialisation), and nothing above this file names `Deno.Kv`.
 */
import { damaged, noDenoKv, readFailed } from "./failures.ts";

/** A Deno KV key: parts are ordered element by element, and numbers by value. */
export type KvKey = ReadonlyArray<string | number | Uint8Array>;

export interface KvEntry {
  readonly key: KvKey;
  readonly value: Uint8Array;
  /** Changes with every write of the key. */
  readonly versionstamp: string;
}

/** `start` inclusive, `end` exclusive. */
export interface KvRange {
  readonly start: KvKey;
  readonly end: KvKey;
}

/** A condition of a commit: the key still has this versionstamp; null: the key does not exist. */
export interface KvCheck {
  readonly key: KvKey;
  readonly versionstamp: string | null;
}

/** What a commit changes; a mutation without a value deletes the key. */
export interface KvMutation {
  readonly key: KvKey;
  readonly value?: Uint8Array;
}

export interface KvListOptions {
  readonly limit?: number;
  readonly reverse?: boolean;
  /** Rows fetched at once; each may be 64 KiB. Default 16. */
  readonly batchSize?: number;
}

export interface Kv {
  get(key: KvKey): Promise<KvEntry | undefined>;
  list(range: KvRange, options?: KvListOptions): AsyncIterable<KvEntry>;
  /**
   * Applies all mutations or none. @returns the new versionstamp, undefined when a check did not hold.
   * A rejection leaves open whether the commit happened.
   */
  commit(checks: readonly KvCheck[], mutations: readonly KvMutation[]): Promise<string | undefined>;
  close(): void;
}

/** Limits of Deno KV (config-cli-metrics.md §6.3), shown by `db info`. */
export const KV_LIMITS = {
  valueBytes: 65_536,
  keyBytes: 2_048,
  mutationsPerCommit: 1_000,
  bytesPerCommit: 819_200,
  checksPerCommit: 100,
} as const;

/** Deno KV's encoding of a key takes at most this much: a byte of type and one of end per part, zeros doubled. */
export function keyBytes(key: KvKey): number {
  let n = 0;
  for (const part of key) {
    if (typeof part === "number") n += 9;
    else if (typeof part === "string") n += part.length + 2;
    else n += 2 * part.length + 2;
  }
  return n;
}

function asEntry(row: Deno.KvEntryMaybe<unknown>): KvEntry | undefined {
  if (row.versionstamp === null) return undefined;
  if (!(row.value instanceof Uint8Array)) {
    throw damaged(`a value of a foreign kind under ${keyText(row.key)}`);
  }
  return { key: row.key as KvKey, value: row.value, versionstamp: row.versionstamp };
}

/** A key for an error text. */
export function keyText(key: readonly unknown[]): string {
  return key.map((part) => part instanceof Uint8Array ? `<${part.length} bytes>` : String(part)).join("/");
}

/** `Kv` over an open Deno KV database. */
export class DenoKv implements Kv {
  readonly #kv: Deno.Kv;
  constructor(kv: Deno.Kv) {
    this.#kv = kv;
  }
  async get(key: KvKey): Promise<KvEntry | undefined> {
    try {
      return asEntry(await this.#kv.get(key as Deno.KvKey));
    } catch (error) {
      throw readFailed(error);
    }
  }
  async *list(range: KvRange, options: KvListOptions = {}): AsyncIterable<KvEntry> {
    const rows = this.#kv.list(
      { start: range.start as Deno.KvKey, end: range.end as Deno.KvKey },
      {
        reverse: options.reverse ?? false,
        batchSize: Math.min(options.batchSize ?? 16, options.limit ?? Infinity),
        ...(options.limit === undefined ? {} : { limit: options.limit }),
      },
    );
    for (;;) {
      const next = await rows.next().catch((error: unknown) => {
        throw readFailed(error);
      });
      if (next.done === true) return;
      const entry = asEntry(next.value);
      if (entry !== undefined) yield entry;
    }
  }
  async commit(checks: readonly KvCheck[], mutations: readonly KvMutation[]): Promise<string | undefined> {
    const atomic = this.#kv.atomic();
    for (const check of checks) {
      atomic.check({ key: check.key as Deno.KvKey, versionstamp: check.versionstamp });
    }
    for (const mutation of mutations) {
      if (mutation.value === undefined) atomic.delete(mutation.key as Deno.KvKey);
      else atomic.set(mutation.key as Deno.KvKey, mutation.value);
    }
    const result = await atomic.commit();
    return result.ok ? result.versionstamp : undefined;
  }
  close(): void {
    this.#kv.close();
  }
}

/**
 * Opens a database: a file path, `:memory:`, or the URL of a Deno KV server (token from `DENO_KV_ACCESS_TOKEN`).
 * @throws {HsyncError} STORE_NO_KV when Deno was started without it.
 */
export async function openDenoKv(target: string): Promise<Kv> {
  // The project file and the compiled executable switch it on; a bundle alone cannot.
  if (typeof Deno.openKv !== "function") throw noDenoKv();
  return new DenoKv(await Deno.openKv(target));
}
