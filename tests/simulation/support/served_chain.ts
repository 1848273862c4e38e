/**
 * A made chain behind the interface that the stream server reads.
 *
 * Why it exists: servers of simulations and benchmarks need no store. What must stay true: what lies above its height
 * or below its lowest block does not exist for those who ask.
 */
import { toHex } from "../../../src/base/mod.ts";
import type { ChainReader } from "../../../src/stream/mod.ts";
import type { BuiltBlock } from "../../builder/mod.ts";

const numbers = new Map<readonly BuiltBlock[], ReadonlyMap<string, number>>();

/** A chain as somebody serves it: up to a height that may move, from a height on. */
export class ServedChain implements ChainReader {
  readonly #numbers: ReadonlyMap<string, number>;

  constructor(readonly blocks: readonly BuiltBlock[], public height: number, readonly from = 0) {
    const known = numbers.get(blocks) ?? new Map(blocks.map((b) => [toHex(b.hash), b.number]));
    numbers.set(blocks, known);
    this.#numbers = known;
  }
  #at(number: number): BuiltBlock | undefined {
    return number <= this.height && (number === 0 || number >= this.from) ? this.blocks[number] : undefined;
  }
  head(): { readonly number: number; readonly hash: Uint8Array } {
    const { number, hash } = this.blocks[this.height] as BuiltBlock;
    return { number, hash };
  }
  lowest(): number {
    return this.from;
  }
  hashAt(number: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#at(number)?.hash);
  }
  numberOf(hash: Uint8Array): Promise<number | undefined> {
    const number = this.#numbers.get(toHex(hash));
    return Promise.resolve(number === undefined ? undefined : this.#at(number)?.number);
  }
  blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined> {
    const block = this.#at(number);
    return Promise.resolve(block === undefined ? undefined : this.deliver(block));
  }
  /** What goes out of a block: the place where liars lie. */
  protected deliver(block: BuiltBlock): { readonly bytes: Uint8Array; readonly commitSig: Uint8Array } {
    return { bytes: block.bytes, commitSig: block.commitSig };
  }
  receiptsAt(number: number): Promise<Uint8Array[] | undefined> {
    const block = this.#at(number);
    return Promise.resolve(block === undefined ? undefined : [...block.receipts]);
  }
}
