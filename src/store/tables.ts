/**
 * Reading the chain: what a number or a hash leads to.
 *
 * Why it exists: the server answers peers from here while the pipeline writes; reading and writing share the
 * tables, not a lock. What must stay true: nothing above the head that the caller sees is ever shown, whatever
 * rows a cut-off batch left; the certificate of a block is the pair in its child's header when there is a child.
 */
import { equalBytes, readBe64 } from "../base/mod.ts";
import { decodeCommittees, decodeList, joinBody } from "./items.ts";
import type { Keys } from "./keys.ts";
import type { Kv } from "./kv.ts";
import { assuranceOf, bodyOf, MarkTable } from "./marks.ts";
import { damaged } from "./failures.ts";
import { RunTable } from "./run_table.ts";
import type { ChainState } from "./state.ts";
import type { BlockRecord } from "./types.ts";

/** Signature ‖ bitmap of the parent, from a header's bytes; undefined when the bytes are not a header. */
export type ParentCommitSig = (headerBytes: Uint8Array) => Uint8Array | undefined;

/** The certificate of a block that nobody signed: block 0, as the stream protocol shows it. */
const NO_SIGNATURE = new Uint8Array(96);

/** How often a row that a new branch may just have replaced is looked for. */
const MAX_TRIES = 8;

export class ChainTables {
  readonly hashes: RunTable;
  readonly headers: RunTable;
  readonly bodies: RunTable;
  readonly receipts: RunTable;
  readonly committees: RunTable;
  readonly marks: MarkTable;
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly #state: () => ChainState;
  readonly #parentCommitSig: ParentCommitSig;

  /** @param state the newest visible state. */
  constructor(kv: Kv, keys: Keys, state: () => ChainState, parentCommitSig: ParentCommitSig) {
    this.#kv = kv;
    this.#keys = keys;
    this.#state = state;
    this.#parentCommitSig = parentCommitSig;
    // 60 KB each at most: 4 MB of headers and 4 MB of bodies serve some ten peers that read in order.
    this.hashes = new RunTable(kv, keys, "hash", 64);
    this.headers = new RunTable(kv, keys, "head", 64);
    this.bodies = new RunTable(kv, keys, "body", 64);
    this.receipts = new RunTable(kv, keys, "rcpt", 16);
    this.committees = new RunTable(kv, keys, "comm", 8);
    this.marks = new MarkTable(kv, keys);
  }

  /** The tables that an unwind cuts and a repair cleans. */
  get runs(): readonly RunTable[] {
    return [this.hashes, this.headers, this.bodies, this.receipts, this.committees];
  }
  /** Forgets everything that was read. */
  invalidate(): void {
    for (const run of this.runs) run.invalidate();
    this.marks.forget();
  }

  #visible(number: number): boolean {
    const { head, lowest } = this.#state();
    return Number.isSafeInteger(number) && number >= lowest && number <= head.number;
  }

  async hashAt(number: number): Promise<Uint8Array | undefined> {
    const { head } = this.#state();
    if (number === head.number) return head.hash.slice();
    if (!this.#visible(number)) return undefined;
    return await this.#need(number, "hash", this.hashes);
  }

  async #need(number: number, what: string, table: RunTable): Promise<Uint8Array | undefined> {
    for (let tries = 1;; tries++) {
      const before = this.#state();
      const item = await table.item(number);
      // An unwind may have removed it while we read, and a new branch may have reached its height again since.
      if (item !== undefined || !this.#visible(number)) return item;
      if (this.#state() === before || tries === MAX_TRIES) {
        throw damaged(`block ${number} has no ${what}`, number);
      }
    }
  }

  async numberOf(hash: Uint8Array): Promise<number | undefined> {
    if (hash.length !== 32) return undefined;
    const { head } = this.#state();
    if (equalBytes(hash, head.hash)) return head.number;
    const row = await this.#kv.get(this.#keys.key("num", hash));
    if (row === undefined || row.value.length !== 8) return undefined;
    const number = Number(readBe64(row.value));
    const stored = await this.hashAt(number);
    // Index rows may outlive their block; the hash table decides.
    return stored !== undefined && equalBytes(stored, hash) ? number : undefined;
  }

  async headerAt(number: number): Promise<Uint8Array | undefined> {
    return this.#visible(number) ? await this.#need(number, "header", this.headers) : undefined;
  }

  async *headersFrom(
    from: number,
    count: number,
  ): AsyncIterable<{ readonly number: number; readonly bytes: Uint8Array }> {
    const { head, lowest } = this.#state();
    const last = Math.min(from + count - 1, head.number);
    let next = Math.max(from, lowest);
    if (next > last || from < lowest) return;
    for (let tries = 1; next <= last; tries++) {
      const before = this.#state();
      for await (const { number, item } of this.headers.scan(next, last)) {
        if (!this.#visible(number)) return;
        if (number !== next || item === undefined) break;
        yield { number, bytes: item.slice() };
        next++;
      }
      if (next > last || !this.#visible(next)) return;
      // As in `#need`: what is missing may have been unwound and stored anew while we read.
      if (this.#state() === before || tries === MAX_TRIES) throw damaged(`block ${next} has no header`, next);
    }
  }

  async blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined> {
    if (!this.#visible(number)) return undefined;
    const [header, body, commitSig] = await Promise.all([
      this.#need(number, "header", this.headers),
      this.#need(number, "body", this.bodies),
      this.commitSigAt(number),
    ]);
    if (header === undefined || body === undefined) return undefined;
    return { bytes: joinBody(number, body, header), commitSig };
  }

  async commitSigAt(number: number): Promise<Uint8Array | undefined> {
    if (number === 0 && this.#visible(0)) return NO_SIGNATURE.slice();
    for (;;) {
      if (!this.#visible(number)) return undefined;
      const { head } = this.#state();
      if (number < head.number) {
        const child = await this.headerAt(number + 1);
        const pair = child === undefined ? undefined : this.#parentCommitSig(child);
        if (pair !== undefined) return pair;
      }
      const row = await this.#kv.get(this.#keys.key("sig", number));
      if (row !== undefined) return row.value;
      // A child that arrived while we looked replaces the side-car.
      if (this.#state().head.number === head.number || number < head.number) return undefined;
    }
  }

  /** The pair that the stored child of `number` carries. */
  async pairOfChild(number: number): Promise<Uint8Array | undefined> {
    const child = await this.headerAt(number + 1);
    return child === undefined ? undefined : this.#parentCommitSig(child);
  }

  async receiptsAt(number: number): Promise<Uint8Array[] | undefined> {
    if (!this.#visible(number)) return undefined;
    const item = await this.receipts.item(number);
    return item === undefined ? undefined : decodeList(`receipts of block ${number}`, item);
  }

  async recordAt(number: number): Promise<BlockRecord | undefined> {
    const hash = await this.hashAt(number);
    if (hash === undefined) return undefined;
    const mark = await this.marks.at(number);
    return { number, hash, assurance: assuranceOf(mark), body: bodyOf(mark) };
  }

  async shardStateAt(epoch: number): Promise<Uint8Array | undefined> {
    if (!Number.isSafeInteger(epoch) || epoch < 0) return undefined;
    for await (const row of this.#kv.list(this.#keys.range("epoch", epoch, epoch), { reverse: true })) {
      const number = row.key[4];
      if (typeof number !== "number" || !this.#visible(number)) continue;
      const item = await this.committees.item(number);
      if (item === undefined) continue;
      const handed = decodeCommittees(number, item);
      if (handed.epoch === epoch) return handed.bytes;
    }
    return undefined;
  }
}
