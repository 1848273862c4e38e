/**
 * Why the receipts that a block takes in may not enter the chain: never twice (chain-format.md §8.3).
 *
 * Why it exists: a body's proofs are covered by no root that can be checked at once (§8.4), so a body that takes in what an earlier
 * one has taken in may be the honest one of the two. What must stay true: a body is refused, and its sender blamed, only
 * for what is wrong whatever else is true: the pair stands twice in the body itself, or the body that took it in before is proven.
 */
import { HsyncError } from "../base/mod.ts";
import type { Block, Header, NetworkParams } from "../chain/mod.ts";
import {
  CrossLinkCertificates,
  firstOf,
  proveIncomingReceipts,
  type SourceCertificates,
} from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import {
  type ReceiptSource,
  receiptSources,
  repeatedSource,
  sourceName,
  type SpentReceipts,
  StoredTakers,
} from "./spent_receipts.ts";

export interface ReceiptRunOptions {
  readonly store: Pick<ChainStore, "blockAt" | "recordAt">;
  readonly spent: SpentReceipts;
  /** Of certified beacon headers; undefined on other shards, whose headers carry none. */
  readonly links: SourceCertificates | undefined;
  readonly params: Pick<NetworkParams, "shardCountAt">;
  /** Of the stored chain below the run. */
  readonly height: number;
  /** Headers of the run; they need not be certified: a link proves nothing but by a root that matches. */
  readonly headers: readonly Header[];
}

/** The blocks of one run on top of the stored chain, asked about in order. */
export class ReceiptRun {
  readonly #takers: StoredTakers;
  /** By source: the block of this run that took it in first. */
  readonly #taken = new Map<string, Block>();
  /** By height: what is known of a body that others would take in again. */
  readonly #proven = new Map<number, boolean>();
  #links: SourceCertificates | undefined;

  constructor(private readonly options: ReceiptRunOptions) {
    this.#takers = new StoredTakers(options.store);
  }

  /** Why a block's body is wrong; undefined: nothing says so. @throws {HsyncError} what reading the store throws. */
  async problem(block: Block): Promise<string | undefined> {
    const { spent, height } = this.options;
    const broken = brokenSources(block, this.options.params);
    if (broken !== undefined) return broken;
    const sources = receiptSources(block);
    for (const source of sources) {
      const name = sourceName(source);
      const before = this.#taken.get(name) ?? await spent.takenBy(source, height, this.#takers);
      if (before !== undefined && await this.#isProven(before)) {
        return `it takes in ${receiptsOf(source)}, which block ${before.number} has taken in already`;
      }
    }
    for (const source of sources) {
      const name = sourceName(source);
      if (!this.#taken.has(name)) this.#taken.set(name, block);
    }
    return undefined;
  }

  async #isProven(taker: Block): Promise<boolean> {
    const known = this.#proven.get(taker.number);
    if (known !== undefined) return known;
    const { store, height, links } = this.options;
    const stored = taker.number <= height && (await store.recordAt(taker.number))?.body === "proven";
    const proven = stored ||
      links !== undefined && (await proveIncomingReceipts(taker, this.#sources(links))).proven;
    this.#proven.set(taker.number, proven);
    return proven;
  }
  #sources(links: SourceCertificates): SourceCertificates {
    return this.#links ??= firstOf(links, linksOf(this.options.headers));
  }
}

/**
 * What is wrong with the sources of a body, whatever else is stored: a pair twice, or a shard that the network has not got.
 *
 * @throws {HsyncError} fault DATA: a proof does not decode.
 */
export function brokenSources(
  block: Block,
  params: Pick<NetworkParams, "shardCountAt">,
): string | undefined {
  if (block.incomingReceiptItems().length === 0) return undefined;
  for (const { header: { shardId, number, epoch } } of block.incomingReceipts()) {
    const count = params.shardCountAt(epoch);
    if (shardId >= count) {
      return `it takes in ${
        receiptsOf({ shardId, number })
      }, and in epoch ${epoch} there are ${count} shards`;
    }
  }
  const twice = repeatedSource(receiptSources(block));
  return twice === undefined ? undefined : `it takes in ${receiptsOf(twice)} twice`;
}

/** "the receipts of shard 1 block 7" */
export function receiptsOf({ shardId, number }: ReceiptSource): string {
  return `the receipts of shard ${shardId} block ${number}`;
}

/** The cross-links of headers, as far as they can be read. */
function linksOf(headers: readonly Header[]): CrossLinkCertificates {
  const links = new CrossLinkCertificates();
  for (const header of headers) {
    try {
      links.add(header);
    } catch (error) {
      // Whoever uses the links of a certified header says so.
      if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
    }
  }
  return links;
}
