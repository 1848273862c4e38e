/**
 * The runs that were read last, found by any number they cover.
 *
 * Why it exists: a peer that asks for blocks 1,200 to 1,209 one by one should cost one read. What must stay true:
 * at most `limit` runs are held (each at most 60 KB), and they never overlap.
 */

/** Anything that covers `first`..`first+count-1`. */
export interface Covering {
  readonly first: number;
  readonly count: number;
}

export class RunCache<T extends Covering> {
  readonly #limit: number;
  /** By first number, least recently used first. */
  readonly #runs = new Map<number, T>();

  constructor(limit: number) {
    this.#limit = limit;
  }
  get size(): number {
    return this.#runs.size;
  }
  /** The run that covers `number`, now the most recently used. */
  find(number: number): T | undefined {
    for (const [first, run] of this.#runs) {
      if (first > number || number >= first + run.count) continue;
      this.#runs.delete(first);
      this.#runs.set(first, run);
      return run;
    }
    return undefined;
  }
  put(run: T): void {
    this.#runs.delete(run.first);
    this.#runs.set(run.first, run);
    if (this.#runs.size <= this.#limit) return;
    const oldest = this.#runs.keys().next();
    if (!oldest.done) this.#runs.delete(oldest.value);
  }
  clear(): void {
    this.#runs.clear();
  }
}
