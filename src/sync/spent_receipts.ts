/**
 * Which blocks of other shards have had their receipts taken in already (chain-format.md §8.3).
 *
 * Why it exists: receipts of one source block may enter a chain once only, and no root that can be checked says so. An index in
 * the chain's own tables would have to move with every append and unwind; small records beside the chain are enough,
 * because they are only hints: a hit is believed after reading the block that it names. So what must stay true is one
 * sided: a pair is written before its block is appended (a cut-off leaves a hint that nothing confirms, never a gap),
 * and a hint that its block does not confirm counts for nothing. Where two stored blocks take in one pair, the hint names the
 * lower, unless the higher one's body is proven. A page covers 4,096 source blocks; a batch seldom touches more than one, so
 * that the price is one small write for a batch that takes in receipts at all.
 */
import { HsyncError, LruMap } from "../base/mod.ts";
import { type Block, decodeBlock } from "../chain/mod.ts";
import type { ChainStore } from "../store/mod.ts";

const NUMBERS_PER_PAGE = 4_096;
/** Offset in the page (2 bytes), height that took the receipts in (6 bytes). */
const ENTRY_BYTES = 8;
const MAX_CACHED_PAGES = 64;
/**
 * Pages that a body may touch before it is proven: whoever makes a body up chooses its source numbers, and each page is a record
 * that stays. Sources of one honest body lie within hours of each other, a page within two.
 */
const MAX_PAGES_UNPROVEN = 16;
/** Takers that one question keeps in memory. */
const MAX_TAKERS = 16;

/** Source block: shard and number. */
export interface ReceiptSource {
  readonly shardId: number;
  readonly number: number;
}

/** Two blocks that take in the same receipts; at most one of their bodies is the one that was signed. */
export interface ReceiptDispute {
  readonly source: ReceiptSource;
  /** Height of the lower block. */
  readonly first: number;
  /** Height of the higher one. */
  readonly second: number;
}

/** Source blocks of the incoming receipts of a block. @throws {HsyncError} fault DATA: a proof does not decode. */
export function receiptSources(block: Block): ReceiptSource[] {
  if (block.incomingReceiptItems().length === 0) return [];
  return block.incomingReceipts().map(({ header }) => ({ shardId: header.shardId, number: header.number }));
}

/** A name for a source block. */
export function sourceName(source: ReceiptSource): string {
  return `${source.shardId}/${source.number}`;
}

/** A source block whose receipts a body takes in more than once; undefined: there is none. */
export function repeatedSource(sources: readonly ReceiptSource[]): ReceiptSource | undefined {
  const seen = new Set<string>();
  return sources.find((source) => {
    const name = sourceName(source);
    if (seen.has(name)) return true;
    seen.add(name);
    return false;
  });
}

/** Stored blocks that hints name, read once each. For one question only: the chain may turn afterwards. */
export class StoredTakers {
  readonly #known = new LruMap<number, { readonly block: Block; readonly names: ReadonlySet<string> }>(
    MAX_TAKERS,
  );

  constructor(private readonly store: Pick<ChainStore, "blockAt">) {}

  /** The stored block at a height, if it takes in the receipts of `source`. @throws {HsyncError} what reading throws. */
  async confirmed(number: number, source: ReceiptSource): Promise<Block | undefined> {
    let known = this.#known.get(number);
    if (known === undefined) {
      const stored = await this.store.blockAt(number);
      if (stored === undefined) return undefined;
      const block = decodeBlock(stored.bytes);
      known = { block, names: new Set(receiptSources(block).map(sourceName)) };
      this.#known.set(number, known);
    }
    return known.names.has(sourceName(source)) ? known.block : undefined;
  }
}

/** Offset in the page to the height that took the receipts in. */
type Page = Map<number, number>;

function decodePage(name: string, bytes: Uint8Array): Page {
  if (bytes.length % ENTRY_BYTES !== 0) {
    throw new HsyncError("STORE_DAMAGED", `the record ${name} has ${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const page: Page = new Map();
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    page.set(view.getUint16(at), view.getUint16(at + 2) * 2 ** 32 + view.getUint32(at + 4));
  }
  return page;
}

function encodePage(page: Page): Uint8Array {
  const bytes = new Uint8Array(page.size * ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [offset, height] of page) {
    view.setUint16(at, offset);
    view.setUint16(at + 2, Math.floor(height / 2 ** 32));
    view.setUint32(at + 4, height % 2 ** 32);
    at += ENTRY_BYTES;
  }
  return bytes;
}

export class SpentReceipts {
  readonly #pages = new LruMap<string, Page>(MAX_CACHED_PAGES);

  constructor(private readonly store: Pick<ChainStore, "record" | "putRecord" | "blockAt">) {}

  /**
   * The stored block up to `height` that took in the receipts of `source`; undefined: none is known.
   * @throws {HsyncError} what reading the store throws.
   */
  async takenBy(
    source: ReceiptSource,
    height: number,
    takers: StoredTakers = new StoredTakers(this.store),
  ): Promise<Block | undefined> {
    const taken = (await this.#page(pageName(source))).get(offsetOf(source));
    if (taken === undefined || taken > height) return undefined;
    return await takers.confirmed(taken, source);
  }
  /**
   * Notes what blocks take in, ascending. Durable when it resolves.
   *
   * @param height of the stored chain. @param isProven whether a block's body is the one that was signed.
   * @returns what other blocks, stored or among these, take in as well.
   * @throws {HsyncError} what reading and writing throw.
   */
  async note(
    blocks: readonly Block[],
    height: number,
    isProven: (number: number) => boolean,
  ): Promise<ReceiptDispute[]> {
    const disputes: ReceiptDispute[] = [];
    const changed = new Map<string, Page>();
    const fresh = new Map<string, number>();
    const takers = new StoredTakers(this.store);
    for (const block of blocks) {
      const proven = isProven(block.number);
      const touched = new Set<string>();
      for (const source of receiptSources(block)) {
        const name = pageName(source);
        touched.add(name);
        if (!proven && touched.size > MAX_PAGES_UNPROVEN) break;
        // A copy: what could not be written must not be believed later.
        const page = changed.get(name) ?? new Map(await this.#page(name));
        const offset = offsetOf(source);
        const before = fresh.get(sourceName(source)) ??
          (await this.takenBy(source, height, takers))?.number;
        if (before !== undefined && before !== block.number) {
          const [first, second] = before < block.number ? [before, block.number] : [block.number, before];
          disputes.push({ source, first, second });
          if (!proven && before < block.number) continue;
        }
        fresh.set(sourceName(source), block.number);
        if (page.get(offset) === block.number) continue;
        page.set(offset, block.number);
        changed.set(name, page);
      }
    }
    for (const [name, page] of changed) {
      await this.store.putRecord(name, encodePage(page));
      this.#pages.set(name, page);
    }
    return disputes;
  }
  async #page(name: string): Promise<Page> {
    const known = this.#pages.get(name);
    if (known !== undefined) return known;
    const bytes = await this.store.record(name);
    const page: Page = bytes === undefined ? new Map() : decodePage(name, bytes);
    this.#pages.set(name, page);
    return page;
  }
}

function pageName(source: ReceiptSource): string {
  return `taken-receipts/${source.shardId}/${Math.floor(source.number / NUMBERS_PER_PAGE)}`;
}
function offsetOf(source: ReceiptSource): number {
  return source.number % NUMBERS_PER_PAGE;
}
