/**
 * Which blocks of other shards have had their receipts taken in already (chain-format.md §8.3).
 *
 * Why it exists: receipts of one source block may enter a chain once only, and no root that can be checked says so. An index in
 * the chain's own tables would have to move with every append and unwind; small records beside the chain are enough,
 * because they are only hints: a hit is believed after reading the block that it names. So what must stay true is one
 * sided: a pair is written before its block is appended (a cut-off leaves a hint that nothing confirms, never a gap),
 * and a hint that its block does not confirm counts for nothing. A page covers 4,096 source blocks; a batch seldom
 * touches more than one, so that the price is one small write for a batch that takes in receipts at all.
 */
import { HsyncError, LruMap } from "../base/mod.ts";
import { type Block, decodeBlock } from "../chain/mod.ts";
import type { ChainStore } from "../store/mod.ts";

const NUMBERS_PER_PAGE = 4_096;
/** Offset in the page (2 bytes), height that took the receipts in (6 bytes). */
const ENTRY_BYTES = 8;
const MAX_CACHED_PAGES = 64;

/** Source block: shard and number. */
export interface ReceiptSource {
  readonly shardId: number;
  readonly number: number;
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
   * The stored block up to `height` that took in the receipts of `source`; undefined: none did.
   * @throws {HsyncError} what reading the store throws.
   */
  async takenAt(source: ReceiptSource, height: number): Promise<number | undefined> {
    const page = await this.#page(pageName(source));
    const taken = page.get(source.number % NUMBERS_PER_PAGE);
    if (taken === undefined || taken > height) return undefined;
    const stored = await this.store.blockAt(taken);
    if (stored === undefined) return undefined;
    const confirmed = receiptSources(decodeBlock(stored.bytes)).some((s) =>
      s.shardId === source.shardId && s.number === source.number
    );
    return confirmed ? taken : undefined;
  }
  /** Notes what blocks take in. Durable when it resolves. @throws {HsyncError} what writing throws. */
  async note(blocks: readonly Block[]): Promise<void> {
    const changed = new Map<string, Page>();
    for (const block of blocks) {
      for (const source of receiptSources(block)) {
        const name = pageName(source);
        const page = changed.get(name) ?? await this.#page(name);
        const offset = source.number % NUMBERS_PER_PAGE;
        if (page.get(offset) === block.number) continue;
        page.set(offset, block.number);
        changed.set(name, page);
      }
    }
    for (const [name, page] of changed) {
      await this.store.putRecord(name, encodePage(page));
      this.#pages.set(name, page);
    }
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
