/**
 * The epoch chain in the small records of the node's own store.
 *
 * Why it exists: the records are there, in every kind of store, under its lock and lease; a mainnet epoch block is
 * larger than a record may be, and three thousand of them are far larger, so each block has records of its own. What must
 * stay true: no record exceeds the store's limit; the record `state` is written last, so that a step that was cut off
 * changes nothing; what cannot be read counts as not there, since all of it can be fetched and proven again.
 */
import { type Logger, nullLogger } from "../../base/mod.ts";
import type { ChainStore } from "../../store/mod.ts";
import type { EpochBlock, EpochIndex, EpochOrigin, EpochPoint, EpochStore } from "./types.ts";

/** What is needed of the store: a `ChainStore` will do. */
export type RecordTable = Pick<ChainStore, "putRecord" | "record" | "removeRecord">;

const PREFIX = "epochs/";
/** Bytes of a block in one record: below the 60,000 that a record holds. */
const PART_BYTES = 58_000;
/** Hashes in one record: 32 KB. */
const HASHES_PER_PAGE = 1_000;
const HASH_BYTES = 32;
/** Form, length of the signature, length of the block. */
const BLOCK_HEAD_BYTES = 7;
const FORM = 1;
/** No block is larger than the frame that it came in. */
const MAX_BLOCK_BYTES = 20 * 1024 * 1024;

interface State {
  readonly origin: EpochOrigin;
  readonly first: number;
  /** Newest epoch. */
  readonly head: number;
  readonly headNumber: number;
}

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function decodeState(bytes: Uint8Array): State | undefined {
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { form, origin, first, head, headNumber } = json;
    if (form !== FORM || (origin !== "genesis" && origin !== "checkpoint")) return undefined;
    if (!isIndex(first) || !isIndex(head) || !isIndex(headNumber) || head < first) return undefined;
    return { origin, first, head, headNumber };
  } catch {
    return undefined;
  }
}

function encodeBlock(block: EpochBlock): Uint8Array {
  const sig = block.commitSig ?? new Uint8Array(0);
  const out = new Uint8Array(BLOCK_HEAD_BYTES + sig.length + block.bytes.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, FORM);
  view.setUint16(1, sig.length);
  view.setUint32(3, block.bytes.length);
  out.set(sig, BLOCK_HEAD_BYTES);
  out.set(block.bytes, BLOCK_HEAD_BYTES + sig.length);
  return out;
}

export class RecordEpochStore implements EpochStore {
  readonly #records: RecordTable;
  readonly #logger: Logger;
  #state: State | undefined;
  /** The page of hashes that is written to now. */
  #page: { readonly index: number; readonly bytes: Uint8Array } | undefined;

  constructor(records: RecordTable, logger: Logger = nullLogger) {
    this.#records = records;
    this.#logger = logger;
  }

  async load(): Promise<EpochIndex | undefined> {
    const bytes = await this.#records.record(`${PREFIX}state`);
    if (bytes === undefined) return undefined;
    const state = decodeState(bytes);
    const hashes = state === undefined ? undefined : await this.#hashes(state);
    if (state === undefined || hashes === undefined) {
      this.#logger.warn("the stored epoch chain cannot be read and will be fetched again");
      return undefined;
    }
    this.#state = state;
    return { origin: state.origin, first: state.first, hashes, headNumber: state.headNumber };
  }

  async #hashes(state: State): Promise<Uint8Array[] | undefined> {
    const hashes: Uint8Array[] = [];
    for (let epoch = state.first; epoch <= state.head;) {
      const index = Math.floor(epoch / HASHES_PER_PAGE);
      const page = await this.#records.record(`${PREFIX}hashes/${index}`);
      const end = Math.min(state.head + 1, (index + 1) * HASHES_PER_PAGE);
      if (page === undefined || page.length < (end - index * HASHES_PER_PAGE) * HASH_BYTES) return undefined;
      for (; epoch < end; epoch++) {
        const at = (epoch % HASHES_PER_PAGE) * HASH_BYTES;
        hashes.push(page.slice(at, at + HASH_BYTES));
      }
    }
    return hashes;
  }

  async append(blocks: readonly EpochBlock[], origin: EpochOrigin): Promise<void> {
    const last = blocks.at(-1);
    const first = blocks[0];
    if (first === undefined || last === undefined) return;
    for (const block of blocks) await this.#putBlock(block);
    for (let epoch = first.epoch; epoch <= last.epoch;) {
      const index = Math.floor(epoch / HASHES_PER_PAGE);
      const end = Math.min(last.epoch + 1, (index + 1) * HASHES_PER_PAGE);
      const page = await this.#pageOf(index, end - index * HASHES_PER_PAGE);
      for (; epoch < end; epoch++) {
        const block = blocks[epoch - first.epoch] as EpochBlock;
        page.set(block.hash, (epoch % HASHES_PER_PAGE) * HASH_BYTES);
      }
      await this.#records.putRecord(`${PREFIX}hashes/${index}`, page);
      this.#page = { index, bytes: page };
    }
    await this.#putState({
      origin: this.#state?.origin ?? origin,
      first: this.#state?.first ?? first.epoch,
      head: last.epoch,
      headNumber: last.number,
    });
  }

  /** A copy of page `index` with room for `count` hashes. */
  async #pageOf(index: number, count: number): Promise<Uint8Array> {
    const known = this.#page?.index === index
      ? this.#page.bytes
      : await this.#records.record(`${PREFIX}hashes/${index}`) ?? new Uint8Array(0);
    const page = new Uint8Array(count * HASH_BYTES);
    page.set(known.subarray(0, page.length));
    return page;
  }

  async #putBlock(block: EpochBlock): Promise<void> {
    const whole = encodeBlock(block);
    for (let part = 0; part * PART_BYTES < whole.length; part++) {
      const slice = whole.subarray(part * PART_BYTES, (part + 1) * PART_BYTES);
      await this.#records.putRecord(`${PREFIX}block/${block.epoch}/${part}`, slice);
    }
  }

  async #putState(state: State): Promise<void> {
    const text = JSON.stringify({ form: FORM, ...state });
    await this.#records.putRecord(`${PREFIX}state`, new TextEncoder().encode(text));
    this.#state = state;
  }

  async block(epoch: number): Promise<Pick<EpochBlock, "bytes" | "commitSig"> | undefined> {
    const state = this.#state;
    if (state === undefined || epoch < state.first || epoch > state.head) return undefined;
    const head = await this.#records.record(`${PREFIX}block/${epoch}/0`);
    if (head === undefined || head.length < BLOCK_HEAD_BYTES || head[0] !== FORM) return undefined;
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const sigEnd = BLOCK_HEAD_BYTES + view.getUint16(1);
    const total = sigEnd + view.getUint32(3);
    if (total > MAX_BLOCK_BYTES || head.length > total) return undefined;
    const whole = new Uint8Array(total);
    whole.set(head);
    for (let at = head.length, part = 1; at < total; part++) {
      const next = await this.#records.record(`${PREFIX}block/${epoch}/${part}`);
      if (next === undefined || next.length === 0 || at + next.length > total) return undefined;
      whole.set(next, at);
      at += next.length;
    }
    return {
      bytes: whole.subarray(sigEnd),
      commitSig: sigEnd === BLOCK_HEAD_BYTES ? undefined : whole.subarray(BLOCK_HEAD_BYTES, sigEnd),
    };
  }

  async cut(head: EpochPoint | undefined): Promise<void> {
    const state = this.#state;
    if (state === undefined) return;
    if (head === undefined) {
      await this.#records.removeRecord(`${PREFIX}state`);
      this.#state = undefined;
    } else await this.#putState({ ...state, head: head.epoch, headNumber: head.number });
    for (let gone = head === undefined ? state.first : head.epoch + 1; gone <= state.head; gone++) {
      for (let part = 0; await this.#records.record(`${PREFIX}block/${gone}/${part}`) !== undefined; part++) {
        await this.#records.removeRecord(`${PREFIX}block/${gone}/${part}`);
      }
    }
  }
}
