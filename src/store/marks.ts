/**
 * One byte a block: its assurance, and whether its incoming receipts were proven.
 *
 * Why it exists: assurance is raised for long ranges at once (a certificate covers what it follows), so it must
 * not lie inside the packed blocks. What must stay true: assurance never falls, except by removing the block.
 *
 * A page covers 4,096 numbers. Byte: bits 0–1 assurance in the order of `ASSURANCES`, bits 2–3 body (0 not said,
 * 1 unproven, 2 proven), bit 7 set for every stored block.
 */
import { LruMap } from "../base/mod.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvMutation } from "./kv.ts";
import { damaged } from "./failures.ts";
import { type Assurance, ASSURANCES, type BlockRecord } from "./types.ts";

export const MARKS_PER_PAGE = 4_096;
const STORED = 0x80;

export type Body = BlockRecord["body"];

export function encodeMark(assurance: Assurance, body: Body): number {
  const bodyBits = body === undefined ? 0 : body === "unproven" ? 1 : 2;
  return STORED | ASSURANCES.indexOf(assurance) | (bodyBits << 2);
}
export function assuranceOf(mark: number): Assurance {
  return ASSURANCES[mark & 3] as Assurance;
}
export function bodyOf(mark: number): Body {
  const bits = (mark >> 2) & 3;
  return bits === 1 ? "unproven" : bits === 2 ? "proven" : undefined;
}

/** Number of the page that holds `number`. */
export function pageOf(number: number): number {
  return Math.floor(number / MARKS_PER_PAGE);
}

/** Pages that a step changes, before it is committed. */
export class MarkEdit {
  readonly #pages = new Map<number, Uint8Array>();
  readonly #load: (page: number) => Promise<Uint8Array>;
  readonly #keys: Keys;

  constructor(keys: Keys, load: (page: number) => Promise<Uint8Array>) {
    this.#keys = keys;
    this.#load = load;
  }
  async #page(index: number): Promise<Uint8Array> {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = (await this.#load(index)).slice();
      this.#pages.set(index, page);
    }
    return page;
  }
  async set(number: number, mark: number): Promise<void> {
    (await this.#page(pageOf(number)))[number % MARKS_PER_PAGE] = mark;
  }
  /** Clears everything above `number` in its page. */
  async clearAfter(number: number): Promise<void> {
    (await this.#page(pageOf(number))).fill(0, number % MARKS_PER_PAGE + 1);
  }
  /** Raises `from`..`to` (of one page) to at least `level`. @returns how many moved away from each level. */
  async raise(from: number, to: number, level: number): Promise<number[]> {
    const moved = ASSURANCES.map(() => 0);
    const page = await this.#page(pageOf(from));
    for (let number = from; number <= to; number++) {
      const at = number % MARKS_PER_PAGE;
      const mark = page[at] as number;
      const old = mark & 3;
      if (old >= level) continue;
      page[at] = (mark & ~3) | level;
      moved[old] = (moved[old] as number) + 1;
    }
    return moved;
  }
  /** Says what is known of a stored block's incoming receipts; `proven` stays. */
  async body(number: number, body: "proven" | "unproven"): Promise<void> {
    const page = await this.#page(pageOf(number));
    const at = number % MARKS_PER_PAGE;
    const mark = page[at] as number;
    if (mark !== 0 && bodyOf(mark) !== "proven") page[at] = encodeMark(assuranceOf(mark), body);
  }
  mutations(): KvMutation[] {
    return [...this.#pages].map(([index, value]) => ({ key: this.#keys.key("mark", index), value }));
  }
  /** Hands the changed pages over once they are committed. */
  pages(): Iterable<[number, Uint8Array]> {
    return this.#pages;
  }
}

/** Pages as stored, with a small cache. */
export class MarkTable {
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly #cache = new LruMap<number, Uint8Array>(16);
  /** Counts commits, so that a slow read does not put an older page back. */
  #generation = 0;

  constructor(kv: Kv, keys: Keys) {
    this.#kv = kv;
    this.#keys = keys;
  }
  /** The page as stored, zeros where there is none; not to be written to. @throws {HsyncError} STORE_DAMAGED. */
  async page(index: number): Promise<Uint8Array> {
    const known = this.#cache.get(index);
    if (known !== undefined) return known;
    const generation = this.#generation;
    const row = await this.#kv.get(this.#keys.key("mark", index));
    if (row !== undefined && row.value.length !== MARKS_PER_PAGE) {
      throw damaged(`mark page ${index} has a wrong size`);
    }
    const page = row?.value ?? new Uint8Array(MARKS_PER_PAGE);
    if (generation === this.#generation) this.#cache.set(index, page);
    return page;
  }
  async at(number: number): Promise<number> {
    return (await this.page(pageOf(number)))[number % MARKS_PER_PAGE] as number;
  }
  edit(): MarkEdit {
    return new MarkEdit(this.#keys, (index) => this.page(index));
  }
  /** Takes the pages of a committed edit. */
  committed(edit: MarkEdit): void {
    this.#generation++;
    for (const [index, page] of edit.pages()) this.#cache.set(index, page);
  }
  forget(): void {
    this.#generation++;
    this.#cache.clear();
  }
  /** How many blocks of `from`..`to` have each assurance. */
  async count(from: number, to: number): Promise<number[]> {
    const counts = ASSURANCES.map(() => 0);
    for (let number = from; number <= to;) {
      const page = await this.page(pageOf(number));
      const end = Math.min(to, (pageOf(number) + 1) * MARKS_PER_PAGE - 1);
      for (; number <= end; number++) {
        const level = (page[number % MARKS_PER_PAGE] as number) & 3;
        counts[level] = (counts[level] as number) + 1;
      }
    }
    return counts;
  }
  /**
   * Numbers of `from`..`to` whose body is unproven, at most `limit`, out of at most `pages` pages.
   * @returns them, and the first number that was not looked at.
   */
  async unproven(
    from: number,
    to: number,
    limit: number,
    pages: number,
  ): Promise<{ readonly numbers: number[]; readonly next: number }> {
    const numbers: number[] = [];
    const last = Math.min(to, (pageOf(from) + pages) * MARKS_PER_PAGE - 1);
    let number = from;
    while (number <= last && numbers.length < limit) {
      const page = await this.page(pageOf(number));
      const end = Math.min(last, (pageOf(number) + 1) * MARKS_PER_PAGE - 1);
      for (; number <= end && numbers.length < limit; number++) {
        if (bodyOf(page[number % MARKS_PER_PAGE] as number) === "unproven") numbers.push(number);
      }
    }
    return { numbers, next: number };
  }
  /** Lowest number of `from`..`to` below `level`; undefined when there is none. */
  async firstBelow(level: number, from: number, to: number): Promise<number | undefined> {
    for (let number = from; number <= to;) {
      const page = await this.page(pageOf(number));
      const end = Math.min(to, (pageOf(number) + 1) * MARKS_PER_PAGE - 1);
      for (; number <= end; number++) {
        if (((page[number % MARKS_PER_PAGE] as number) & 3) < level) return number;
      }
    }
    return undefined;
  }
}
