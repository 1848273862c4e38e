/** Chains to serve in tests: the recorded blocks of the local network, cut where a test wants. */
import { fromHex, toHex } from "../../../src/base/mod.ts";
import { rlpListItems } from "../../../src/chain/mod.ts";
import type { ChainReader } from "../../../src/stream/mod.ts";
import { type RecordedBlock, recordedBlocks } from "../../vectors/load.ts";

interface Row {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly commitSig: Uint8Array | undefined;
  readonly receipts: Uint8Array[] | undefined;
}

function receiptsOf(block: RecordedBlock): Uint8Array[] {
  const rlp = fromHex(block.receiptsRLP);
  if (rlp.length === 0) return [];
  return [...rlpListItems(rlp, "receipts")];
}

const cache = new Map<number, Row[]>();

/** All recorded blocks of a shard as rows. */
function rows(shard: 0 | 1): Row[] {
  let known = cache.get(shard);
  if (known === undefined) {
    known = recordedBlocks(shard).map((b) => ({
      number: b.number,
      hash: fromHex(b.hash),
      bytes: fromHex(b.blockRLP),
      commitSig: fromHex(b.commitSig),
      receipts: receiptsOf(b),
    }));
    cache.set(shard, known);
  }
  return known;
}

/** A chain reader over recorded blocks. `height` may be moved while it is used. */
export class RecordedChain implements ChainReader {
  readonly #rows: Row[];
  readonly #byHash = new Map<string, number>();
  height: number;
  /** Lowest height with a body. */
  from = 0;
  /** Replaces what is served for a height: how tests lie. */
  readonly forged = new Map<
    number,
    { readonly bytes?: Uint8Array; readonly commitSig?: Uint8Array | undefined }
  >();
  /** Counts reads of blocks. */
  reads = 0;

  constructor(shard: 0 | 1 = 0, height?: number) {
    this.#rows = rows(shard);
    this.height = height ?? this.#rows.length - 1;
    for (const r of this.#rows) this.#byHash.set(toHex(r.hash), r.number);
  }
  #row(number: number): Row | undefined {
    return number >= 0 && number <= this.height ? this.#rows[number] : undefined;
  }
  hash(number: number): Uint8Array {
    return (this.#rows[number] as Row).hash;
  }
  bytes(number: number): Uint8Array {
    return (this.#rows[number] as Row).bytes;
  }
  head(): { readonly number: number; readonly hash: Uint8Array } {
    return { number: this.height, hash: this.hash(this.height) };
  }
  lowest(): number {
    return this.from;
  }
  hashAt(number: number): Promise<Uint8Array | undefined> {
    const pruned = number > 0 && number < this.from;
    return Promise.resolve(pruned ? undefined : this.#row(number)?.hash);
  }
  numberOf(hash: Uint8Array): Promise<number | undefined> {
    const number = this.#byHash.get(toHex(hash));
    return Promise.resolve(number === undefined || number > this.height ? undefined : number);
  }
  blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined> {
    this.reads++;
    const row = this.#row(number);
    if (row === undefined) return Promise.resolve(undefined);
    const forged = this.forged.get(number);
    return Promise.resolve({
      bytes: forged?.bytes ?? row.bytes,
      commitSig: forged !== undefined && "commitSig" in forged ? forged.commitSig : row.commitSig,
    });
  }
  receiptsAt(number: number): Promise<Uint8Array[] | undefined> {
    return Promise.resolve(this.#row(number)?.receipts);
  }
}
