/**
 * Peers that vouch for a hash whose bytes were found to be wrong.
 *
 * Why it exists: many peers may name one bad block, and only one of them was asked for it; the others would keep their
 * places and go on naming what nobody takes. So each is asked for that block, and stands by what it sends itself
 * (sync-protocol.md §6.9). What must stay true: a vote convicts nobody; of a refused hash each is asked once, a few at
 * a time; who cannot send what it vouched for is not blamed, but is the first to make way.
 */
import { equalBytes } from "../base/mod.ts";
import type { ProofOrder } from "./orders.ts";

/** Vouchers asked at the same time, beside everything else. */
const AT_ONCE = 3;
/** Refused hashes that are remembered, the newest. */
const MAX_CASES = 16;
/** Questions to one voucher that come to nothing without its fault, at most: a peer that is busy for ever shows nothing, either. */
const MAX_TRIES = 3;
/** Vouchers of one refused hash that are remembered. */
const MAX_VOUCHERS = 256;

/** A hash that cannot be good: the bytes of a block that it covers are wrong. */
export interface Condemned {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** The block whose bytes are wrong: at or below `number`. */
  readonly bad: number;
}

/** What came of a voucher; a number: it was asked, and its answer is overdue from then on, ms, monotonic. */
type Standing = "unasked" | number | "vain" | "released";

interface Case extends Condemned {
  readonly vouchers: Map<string, Standing>;
  /** Questions that came to nothing. */
  readonly tries: Map<string, number>;
}

export class Vouchers {
  #cases: Case[] = [];

  /** @param voters peers that named the hash. */
  condemn(condemned: Condemned, voters: Iterable<string>): void {
    let known = this.#find(condemned.number, condemned.hash);
    if (known === undefined) {
      known = { ...condemned, vouchers: new Map(), tries: new Map() };
      this.#cases = [...this.#cases, known].slice(-MAX_CASES);
    }
    for (const id of voters) this.#add(known, id);
  }
  /**
   * A peer has named hashes.
   * @returns the lowest bad block of those that it was asked for in vain, and names again; undefined: there is none.
   */
  voted(
    streamId: string,
    numbers: readonly number[],
    hashes: ReadonlyArray<Uint8Array | undefined>,
  ): number | undefined {
    let again: number | undefined;
    for (const known of this.#cases) {
      const hash = hashes[numbers.indexOf(known.number)];
      if (hash === undefined || !equalBytes(hash, known.hash)) continue;
      const standing = known.vouchers.get(streamId);
      if (standing === undefined) this.#add(known, streamId);
      else if (standing === "vain" || standing === "released") {
        again = Math.min(again ?? known.bad, known.bad);
      }
    }
    return again;
  }
  /** What the peer is to be asked for now. @param claimed its height, if known: what is above is not asked for. */
  question(streamId: string, claimed: number | undefined, now: number): ProofOrder | undefined {
    const known = this.#cases.find((c) => c.vouchers.get(streamId) === "unasked");
    if (known === undefined || this.#underWay(now) >= AT_ONCE) return undefined;
    const { number, hash, bad } = known;
    // The block after it carries its certificate.
    const numbers = claimed === undefined || claimed > bad ? [bad, bad + 1] : [bad];
    return { kind: "proof", streamId, numbers, point: number, hash };
  }
  asked(order: ProofOrder, overdueAt: number): void {
    this.#set(order, overdueAt);
  }
  /** It was not the peer's fault that nothing came of it. @returns false: it is not asked again. */
  again(order: ProofOrder): boolean {
    const known = this.#find(order.point, order.hash);
    if (known?.vouchers.has(order.streamId) !== true) return true;
    const spent = (known.tries.get(order.streamId) ?? 0) + 1;
    known.tries.set(order.streamId, spent);
    this.#set(order, "unasked");
    return spent < MAX_TRIES;
  }
  /** The peer does not send what it vouched for, or what it sends is not wrong. */
  vain(order: ProofOrder): void {
    this.#set(order, "vain");
  }
  /** Peers that may make way for others: what they vouch for is of no use, and they owe its bytes. Each is named once. */
  useless(now: number): string[] {
    const out = new Set<string>();
    for (const { vouchers } of this.#cases) {
      for (const [id, standing] of vouchers) {
        const overdue = typeof standing === "number" && standing <= now;
        if (standing !== "vain" && !overdue) continue;
        vouchers.set(id, "released");
        out.add(id);
      }
    }
    return [...out];
  }
  /** The stream is gone. */
  forget(streamId: string): void {
    for (const { vouchers, tries } of this.#cases) {
      vouchers.delete(streamId);
      tries.delete(streamId);
    }
  }

  #underWay(now: number): number {
    let n = 0;
    for (const { vouchers } of this.#cases) {
      for (const standing of vouchers.values()) if (typeof standing === "number" && standing > now) n++;
    }
    return n;
  }
  #find(number: number, hash: Uint8Array): Case | undefined {
    return this.#cases.find((c) => c.number === number && equalBytes(c.hash, hash));
  }
  #add({ vouchers }: Case, id: string): void {
    if (!vouchers.has(id) && vouchers.size < MAX_VOUCHERS) vouchers.set(id, "unasked");
  }
  #set({ point, hash, streamId }: ProofOrder, standing: Standing): void {
    const vouchers = this.#find(point, hash)?.vouchers;
    if (vouchers?.has(streamId) === true) vouchers.set(streamId, standing);
  }
}
