/**
 * Incoming cross-shard receipts of the blocks that are being accepted: never twice, and proven where cross-links can.
 *
 * Why it exists: the cross-link that proves a body usually comes a block or two after the block itself, so some blocks wait
 * here. What must stay true: nothing waits for a proof before it is stored; `proven` is said only of a body whose root
 * matched; what waits is bounded, and found again after a restart.
 */
import { HsyncError, type Logger, LruMap } from "../base/mod.ts";
import { type Block, decodeBlock, decodeHeader, type Header, type NetworkParams } from "../chain/mod.ts";
import { CrossLinkCertificates, proveIncomingReceipts } from "../consensus/mod.ts";
import type { BodyMark, ChainStore } from "../store/mod.ts";
import { ReceiptRun, receiptsOf } from "./receipt_rules.ts";
import { type ReceiptDispute, sourceName, SpentReceipts } from "./spent_receipts.ts";

/** Blocks that wait for a proof; the oldest are given up first. */
const MAX_WAITING = 256;
/** Bytes of blocks that wait. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Newest blocks that are read again after a start, for their cross-links and for those that wait: links come early as well as late. */
const LINKS_BACK = 128;
/** Disputes that are remembered as told. */
const MAX_TOLD = 1_024;

export interface ReceiptWatchOptions {
  readonly store: Pick<
    ChainStore,
    "record" | "putRecord" | "recordAt" | "blockAt" | "headers" | "meta" | "unprovenBodies"
  >;
  readonly params: Pick<NetworkParams, "shardCountAt">;
  readonly logger: Logger;
}

/** What accepting some blocks said about bodies. */
export interface BodyVerdicts {
  /** Of the blocks that take in receipts. */
  readonly bodies: ReadonlyMap<number, "proven" | "unproven">;
  /** Of blocks stored earlier: those that are proven now, ascending. */
  readonly later: readonly BodyMark[];
}

export class ReceiptWatch {
  /** On the beacon chain, which alone carries cross-links. */
  readonly #links: CrossLinkCertificates | undefined;
  readonly #spent: SpentReceipts;
  readonly #waiting = new Map<number, Block>();
  readonly #told = new LruMap<string, true>(MAX_TOLD);
  #waitingBytes = 0;
  #primed = false;

  constructor(private readonly options: ReceiptWatchOptions) {
    const { store } = options;
    this.#links = store.meta.shardId === 0 ? new CrossLinkCertificates() : undefined;
    this.#spent = new SpentReceipts(store);
  }
  /** How many stored blocks wait for a proof. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Asks about blocks that may come next, in order.
   * @param height of the stored chain. @param headers of all that are at hand above it.
   * @throws {HsyncError} what reading the store throws.
   */
  async run(height: number, headers: readonly Header[]): Promise<ReceiptRun> {
    await this.#prime(height);
    const { store, params } = this.options;
    return new ReceiptRun({ store, params, spent: this.#spent, links: this.#links, height, headers });
  }

  /**
   * Takes blocks that are certified and about to be stored, in order.
   * @param height of the stored chain below them.
   * @throws {HsyncError} what the store throws.
   */
  async accept(blocks: readonly Block[], height: number): Promise<BodyVerdicts> {
    await this.#prime(height);
    for (const block of blocks) this.#addLinks(block.header);
    const later = await this.#provenLater();
    const bodies = new Map<number, "proven" | "unproven">();
    for (const block of blocks) {
      if (block.incomingReceiptItems().length === 0) continue;
      const proven = await this.#proven(block);
      bodies.set(block.number, proven ? "proven" : "unproven");
      if (!proven) this.#wait(block);
    }
    const proven = new Set(later.map((block) => block.number));
    this.#tell(
      await this.#spent.note(
        [...later, ...blocks],
        height,
        (number) => proven.has(number) || bodies.get(number) === "proven",
      ),
    );
    return { bodies, later: later.map(({ number, hash }) => ({ number, hash, body: "proven" })) };
  }
  /** Blocks above `number` are not stored (any more). */
  forgetAbove(number: number): void {
    for (const waiting of [...this.#waiting.keys()]) if (waiting > number) this.#drop(waiting);
  }

  /** Blocks stored earlier that are proven now, ascending. They wait until the store says so too. */
  async #provenLater(): Promise<Block[]> {
    const later: Block[] = [];
    for (const [number, block] of [...this.#waiting]) {
      if (!await this.#proven(block)) continue;
      if ((await this.options.store.recordAt(number))?.body === "proven") this.#drop(number);
      else later.push(block);
    }
    return later.sort((a, b) => a.number - b.number);
  }
  /** One of the two bodies was not signed as it is. Which of them, only a proof can say; nobody is blamed before. */
  #tell(disputes: readonly ReceiptDispute[]): void {
    for (const { source, first, second } of disputes) {
      const name = `${first}/${second}`;
      if (this.#told.get(name) === true) continue;
      this.#told.set(name, true);
      this.options.logger.warn(
        `blocks ${first} and ${second} both take in ${receiptsOf(source)}: one of the two bodies is forged`,
        { source: sourceName(source), first, second },
      );
    }
  }
  async #proven(block: Block): Promise<boolean> {
    if (this.#links === undefined) return false;
    return (await proveIncomingReceipts(block, this.#links)).proven;
  }
  #wait(block: Block): void {
    if (this.#links === undefined) return;
    // A copy: the block is a view into a whole answer, which must not stay in memory for it.
    const own = decodeBlock(block.bytes.slice());
    this.#drop(own.number);
    this.#waiting.set(own.number, own);
    this.#waitingBytes += own.bytes.length;
    for (const number of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_WAITING && this.#waitingBytes <= MAX_WAITING_BYTES) break;
      this.#drop(number);
    }
  }
  #drop(number: number): void {
    this.#waitingBytes -= this.#waiting.get(number)?.bytes.length ?? 0;
    this.#waiting.delete(number);
  }
  #addLinks(header: Header): void {
    if (this.#links === undefined || header.crossLinks.length === 0) return;
    try {
      this.#links.add(header);
    } catch (error) {
      // The block is certified: its links are the beacon committee's affair, only we cannot use them.
      if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
      this.options.logger.warn("the cross-links of a block cannot be read", { number: header.number, error });
    }
  }
  /** Reads the links of the newest stored headers, and the blocks among them that wait for one, once. */
  async #prime(height: number): Promise<void> {
    if (this.#primed) return;
    this.#primed = true;
    if (this.#links === undefined || height === 0) return;
    const from = Math.max(1, height - LINKS_BACK + 1);
    for await (const { bytes } of this.options.store.headers(from, height - from + 1)) {
      this.#addLinks(decodeHeader(bytes));
    }
    const { numbers } = await this.options.store.unprovenBodies(from, LINKS_BACK);
    for (const number of numbers) {
      const stored = number > height ? undefined : await this.options.store.blockAt(number);
      if (stored !== undefined) this.#wait(decodeBlock(stored.bytes));
    }
  }
}
