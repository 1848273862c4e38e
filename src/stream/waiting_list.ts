/**
 * One queue of waiting requests: first come first served, but able to look past what cannot go yet.
 *
 * Why it exists: in a plain queue the first request that no idle stream may take stops all others (sync-protocol.md
 * §10.2, R1). What must stay true: nobody's place changes by being passed over, and one look touches a bounded
 * number of requests.
 */

/** Least that the list needs to know of its items. */
export interface Keyed {
  readonly key: number;
}

export class WaitingList<T extends Keyed> {
  readonly #items = new Map<number, T>();
  /** Where the last look stopped, so that a long run of unassignable requests cannot hide the rest for ever. */
  #cursor: Iterator<T> | undefined;

  constructor(readonly limit: number) {}

  get size(): number {
    return this.#items.size;
  }
  get full(): boolean {
    return this.#items.size >= this.limit;
  }
  /** The oldest one. */
  first(): T | undefined {
    const next = this.#items.values().next();
    return next.done ? undefined : next.value;
  }
  get(key: number): T | undefined {
    return this.#items.get(key);
  }
  /** Appends. The caller has checked `full`. */
  push(item: T): void {
    this.#items.set(item.key, item);
  }
  delete(key: number): boolean {
    return this.#items.delete(key);
  }
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /**
   * Offers requests to `assign` in order until it says stop, and takes out those it accepted. At most `budget`
   * requests are passed over: half from the front, half from where the last look ended.
   */
  offer(budget: number, assign: (item: T) => "taken" | "passed" | "stop"): void {
    const half = Math.ceil(budget / 2);
    const fromFront = this.#walk(this.#items.values(), half, assign);
    if (fromFront !== "budget") return;
    // The first look ran out of budget: the second goes on where an earlier one ended, or right behind the first.
    this.#cursor ??= skip(this.#items.values(), half);
    if (this.#walk(this.#cursor, budget - half, assign) === "end") this.#cursor = undefined;
  }

  #walk(
    iterator: Iterator<T>,
    budget: number,
    assign: (item: T) => "taken" | "passed" | "stop",
  ): "budget" | "end" | "stop" {
    let left = budget;
    while (left > 0) {
      const next = iterator.next();
      if (next.done) return "end";
      const verdict = assign(next.value);
      if (verdict === "stop") return "stop";
      if (verdict === "taken") this.#items.delete(next.value.key);
      else left--;
    }
    return "budget";
  }
}

function skip<T>(iterator: Iterator<T>, n: number): Iterator<T> {
  for (let i = 0; i < n; i++) if (iterator.next().done) break;
  return iterator;
}
