/**
 * Any number of mutations through commits of bounded size.
 *
 * Why it exists: an append may weigh 256 MiB, a commit of Deno KV takes 800 KiB. What must stay true: the caller's
 * last mutations (the ones that make the rest visible) go in one commit, after all the others; every commit
 * carries the writer's fence, so that a process which lost its lease cannot write another byte.
 */
import { leaseLost, writeFailed } from "./failures.ts";
import type { Kv, KvCheck, KvKey, KvMutation } from "./kv.ts";
import { keyBytes } from "./kv.ts";

/** Below the limits of Deno KV (819,200 bytes, 1,000 mutations), since our count of a key's bytes is an estimate. */
const COMMIT_BYTES = 780_000;
const COMMIT_MUTATIONS = 990;
const MUTATION_BYTES = 32;

function weight(mutation: KvMutation): number {
  return keyBytes(mutation.key) + (mutation.value?.length ?? 0) + MUTATION_BYTES;
}

export class WriteBatch {
  readonly #kv: Kv;
  readonly #what: string;
  readonly #fence: readonly KvCheck[];
  readonly #onPartial: () => void;
  #pending: KvMutation[] = [];
  #bytes = 0;

  /**
   * @param what what is being written, for error texts: `appending blocks 5..9`.
   * @param fence checks that every commit carries.
   * @param onPartial called before a commit that is not the last: from then on invisible leftovers may exist.
   */
  constructor(kv: Kv, what: string, fence: readonly KvCheck[], onPartial: () => void = () => {}) {
    this.#kv = kv;
    this.#what = what;
    this.#fence = fence;
    this.#onPartial = onPartial;
  }

  /** Adds a mutation, committing what has gathered when it would not fit. */
  async add(mutation: KvMutation): Promise<void> {
    const size = weight(mutation);
    if (this.#bytes + size > COMMIT_BYTES || this.#pending.length >= COMMIT_MUTATIONS) await this.flush();
    this.#pending.push(mutation);
    this.#bytes += size;
  }
  set(key: KvKey, value: Uint8Array): Promise<void> {
    return this.add({ key, value });
  }
  delete(key: KvKey): Promise<void> {
    return this.add({ key });
  }

  /** Commits what has gathered. @throws {HsyncError} STORE_WRITE_FAILED, STORE_DISK_LOW, STORE_LEASE_LOST. */
  async flush(): Promise<void> {
    if (this.#pending.length === 0) return;
    this.#onPartial();
    const mutations = this.#take();
    let stamp: string | undefined;
    try {
      stamp = await this.#kv.commit(this.#fence, mutations);
    } catch (error) {
      throw writeFailed(this.#what, error);
    }
    if (stamp === undefined) throw leaseLost(this.#what);
  }

  /**
   * The last commit: `final` in one piece, with what has gathered if both fit together.
   * @returns the versionstamp, undefined when a check did not hold. Rejects with what Deno KV threw: only the
   * caller can find out whether the commit happened.
   */
  async finish(final: readonly KvMutation[]): Promise<string | undefined> {
    let size = 0;
    for (const mutation of final) size += weight(mutation);
    if (size > COMMIT_BYTES || final.length > COMMIT_MUTATIONS) {
      throw new RangeError(`${this.#what}: the last commit has ${final.length} mutations of ${size} bytes`);
    }
    if (this.#bytes + size > COMMIT_BYTES || this.#pending.length + final.length > COMMIT_MUTATIONS) {
      await this.flush();
    }
    return await this.#kv.commit(this.#fence, [...this.#take(), ...final]);
  }

  #take(): KvMutation[] {
    const mutations = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    return mutations;
  }
}
