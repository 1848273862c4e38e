/**
 * Answers to the requests of others, read from the chain (sync-protocol.md §2.8).
 *
 * Why it exists: this is the half of the protocol that gives. What must stay true: the Go node's meaning of every
 * request, cap and gap; never an answer that could outgrow a frame; and a peer that asks for what we do not have
 * gets an answer, not a closed stream ([TS] rules 1 to 5).
 */
import { isZero } from "../base/mod.ts";
import { CAPS, MAX_ANSWER_BYTES } from "./constants.ts";
import type { SyncRequest, SyncResponse } from "./message.ts";
import type { ChainReader } from "./types.ts";

/** What to send, and whether the request broke a rule of the protocol. */
export interface Reply {
  readonly response: SyncResponse;
  /** The request was above a cap or ill-formed: a few of them end the stream. */
  readonly violation: boolean;
}

const HASH_BYTES = 32;
/** How a block that is not delivered looks in an answer by hashes: RLP of nothing. */
const ABSENT = Uint8Array.of(0xc0);
const NOTHING = new Uint8Array(0);
const UNKNOWN_HASH = new Uint8Array(HASH_BYTES);
/** While answers of this many bytes wait to be written, further ones are kept small. */
const BUSY_BYTES = 64 * 1024 * 1024;
const MAX_ANSWER_BYTES_WHEN_BUSY = 1024 * 1024;

function answer(response: SyncResponse): Reply {
  return { response, violation: false };
}
function refuse(text: string): Reply {
  return { response: { type: "error", text }, violation: false };
}
function violation(text: string): Reply {
  return { response: { type: "error", text }, violation: true };
}

interface WireBlock {
  readonly bytes: Uint8Array;
  readonly commitSig: Uint8Array;
}

/** Serves one chain. Holds no state of any stream. */
export class SyncServer {
  readonly #reader: ChainReader;
  readonly #epochChain: boolean;
  #inFlight = 0;

  /** @param options.epochChain true for a chain of epoch blocks without state: asked for node data, it answers with none. */
  constructor(reader: ChainReader, options: { readonly epochChain?: boolean } = {}) {
    this.#reader = reader;
    this.#epochChain = options.epochChain ?? false;
  }

  /** Notes `bytes` of answer that are being written; the result takes them off again. */
  writing(bytes: number): () => void {
    this.#inFlight += bytes;
    let done = false;
    return () => {
      if (!done) this.#inFlight -= bytes;
      done = true;
    };
  }

  /** Height of our head. */
  height(): number {
    return this.#reader.head().number;
  }

  /**
   * The answer to a request; undefined stands for a kind that we do not know.
   *
   * @throws whatever the reader throws: our own failure, nobody else's.
   */
  async answer(request: SyncRequest | undefined): Promise<Reply> {
    switch (request?.type) {
      case undefined:
        return refuse("unknown request");
      case "getBlockNumber":
        return answer({ type: "getBlockNumber", number: BigInt(this.height()) });
      case "getBlockHashes":
        return await this.#hashes(request.numbers);
      case "getBlocksByNumber":
        return await this.#blocksByNumber(request.numbers);
      case "getBlocksByHashes":
        return await this.#blocksByHashes(request.hashes);
      case "getReceipts":
        return await this.#receipts(request.hashes);
      case "getNodeData":
        return await this.#nodeData(request.hashes);
      case "getAccountRange":
      case "getStorageRanges":
      case "getByteCodes":
      case "getTrieNodes":
        return refuse("not supported");
    }
  }

  /** The number as a height that we have, else undefined. */
  #known(number: bigint): number | undefined {
    return number <= BigInt(this.height()) ? Number(number) : undefined;
  }

  async #hashes(numbers: readonly bigint[]): Promise<Reply> {
    const n = numbers.length;
    if (n > CAPS.getBlockHashes) {
      return violation(`GetBlockHashes amount exceed cap: ${n}>${CAPS.getBlockHashes}`);
    }
    const hashes = await Promise.all(numbers.map(async (number) => {
      const height = this.#known(number);
      return (height === undefined ? undefined : await this.#reader.hashAt(height)) ?? UNKNOWN_HASH;
    }));
    return answer({ type: "getBlockHashes", hashes });
  }

  /**
   * A block that can be served whole. One that has no commit signature yet (the head of a node that has just
   * executed it) counts as not delivered, which costs the asker nothing ([TS] 3).
   */
  async #block(height: number): Promise<WireBlock | undefined> {
    if (height > 0 && height < this.#reader.lowest()) return undefined;
    const block = await this.#reader.blockAt(height);
    if (block === undefined || block.commitSig === undefined || block.commitSig.length === 0) {
      return undefined;
    }
    return { bytes: block.bytes, commitSig: block.commitSig };
  }

  #answerLimit(): number {
    return this.#inFlight > BUSY_BYTES ? MAX_ANSWER_BYTES_WHEN_BUSY : MAX_ANSWER_BYTES;
  }

  async #blocksByNumber(numbers: readonly bigint[]): Promise<Reply> {
    const n = numbers.length;
    if (n > CAPS.getBlocksByNumber) {
      return violation(`GetBlocksByNum amount exceed cap: ${n}>${CAPS.getBlocksByNumber}`);
    }
    const found = await Promise.all(numbers.map((number) => {
      const height = this.#known(number);
      return height === undefined ? undefined : this.#block(height);
    }));
    const blocks: Uint8Array[] = [];
    const commitSigs: Uint8Array[] = [];
    let room = this.#answerLimit();
    for (const block of found) {
      if (block === undefined) continue;
      room -= block.bytes.length + block.commitSig.length;
      if (room < 0 && blocks.length > 0) break;
      blocks.push(block.bytes);
      commitSigs.push(block.commitSig);
    }
    return answer({ type: "getBlocksByNumber", blocks, commitSigs });
  }

  async #blocksByHashes(hashes: readonly Uint8Array[]): Promise<Reply> {
    const n = hashes.length;
    if (n > CAPS.getBlocksByHashes) {
      return violation(`GetBlockByHashes amount exceed cap: ${n} > ${CAPS.getBlocksByHashes}`);
    }
    const bad = badLength(hashes);
    if (bad !== undefined) return bad;
    const found = await Promise.all(hashes.map(async (hash) => {
      const height = isZero(hash) ? undefined : await this.#reader.numberOf(hash);
      return height === undefined ? undefined : await this.#block(height);
    }));
    const blocks: Uint8Array[] = [];
    const commitSigs: Uint8Array[] = [];
    let room = this.#answerLimit();
    let sent = 0;
    for (const block of found) {
      const size = block === undefined ? 0 : block.bytes.length + block.commitSig.length;
      // The first block always goes out, else a large one could never be fetched.
      const fits = block !== undefined && (size <= room || sent === 0);
      if (fits) {
        room -= size;
        sent++;
      } else if (block !== undefined) {
        room = -1;
      }
      blocks.push(fits ? block.bytes : ABSENT);
      commitSigs.push(fits ? block.commitSig : NOTHING);
    }
    return answer({ type: "getBlocksByHashes", blocks, commitSigs });
  }

  async #receipts(hashes: readonly Uint8Array[]): Promise<Reply> {
    const n = hashes.length;
    if (n > CAPS.getReceipts) return violation(`GetReceipts amount exceed cap: ${n} > ${CAPS.getReceipts}`);
    const bad = badLength(hashes);
    if (bad !== undefined) return bad;
    const receipts = new Map<bigint, readonly Uint8Array[]>();
    let room = this.#answerLimit();
    let sent = 0;
    for (const [i, hash] of hashes.entries()) {
      const height = room >= 0 ? await this.#reader.numberOf(hash) : undefined;
      const list = height === undefined ? [] : await this.#reader.receiptsAt(height) ?? [];
      const size = list.reduce((sum, receipt) => sum + receipt.length, 0);
      room -= size;
      const fits = room >= 0 || sent === 0;
      if (fits && size > 0) sent++;
      receipts.set(BigInt(i), fits ? list : []);
    }
    return answer({ type: "getReceipts", receipts });
  }

  async #nodeData(hashes: readonly Uint8Array[]): Promise<Reply> {
    const n = hashes.length;
    if (n > CAPS.getNodeData) return violation(`GetNodeData amount exceed cap: ${n} > ${CAPS.getNodeData}`);
    const read = this.#reader.nodeData?.bind(this.#reader);
    if (read === undefined) {
      return n === 0 || this.#epochChain
        ? answer({ type: "getNodeData", blobs: [] })
        : refuse("not supported");
    }
    const bad = badLength(hashes);
    if (bad !== undefined) return bad;
    const blobs: Uint8Array[] = [];
    let room = this.#answerLimit();
    for (const hash of hashes) {
      const blob = await read(hash);
      if (blob === undefined) return refuse("not found");
      room -= blob.length;
      if (room < 0) break;
      blobs.push(blob);
    }
    return answer({ type: "getNodeData", blobs });
  }
}

function badLength(hashes: readonly Uint8Array[]): Reply | undefined {
  for (const hash of hashes) {
    if (hash.length !== HASH_BYTES) {
      return violation(`a hash has ${hash.length} bytes instead of ${HASH_BYTES}`);
    }
  }
  return undefined;
}
