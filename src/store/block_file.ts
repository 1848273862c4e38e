/**
 * The block file: a chain, or a stretch of one, in one compact file.
 *
 * Why it exists: `db export` and `db import` move a chain without a network. What must stay true: a file is read
 * and written as a stream; each group of blocks stands for itself, so that damage is named by its blocks and what
 * came before it can be kept; a file that was cut off anywhere is recognised.
 *
 * Layout, integers little endian:
 *
 *     "HSYNCBLK"  version u8 = 1  length u32  JSON {"network","shard","genesis"}  crc32 u32 of the JSON
 *     group*      count u32  first block number u64  raw length u32  packed length u32
 *                 crc32 u32 of those 20 bytes and the packed bytes,  packed bytes (raw deflate)
 *     end         a group with count 0 and no bytes, whose number is the one after the last block
 *
 * A group holds blocks of consecutive numbers. Unpacked, a block is: flags u8 (1 hash, 2 commit signature,
 * 4 receipts), length u32 and bytes of the block, 32 bytes of hash, length u16 and bytes of the commit signature,
 * count u32 and per receipt length u32 and bytes.
 */
import { promisify } from "node:util";
import { crc32, deflateRaw, inflateRaw } from "node:zlib";
import { fromHex, HsyncError, toHex } from "../base/mod.ts";
import type { ByteReader } from "./byte_reader.ts";

/** One block as a file holds it; nothing about it has been checked. */
export interface FileBlock {
  readonly number: number;
  readonly hash?: Uint8Array;
  /** Whole block, wire form. */
  readonly bytes: Uint8Array;
  /** Signature ‖ bitmap. */
  readonly commitSig?: Uint8Array;
  /** Consensus RLP of each receipt. */
  readonly receipts?: readonly Uint8Array[];
}

/** Which chain a block file is of. */
export interface BlockFileHeader {
  readonly network: string;
  readonly shardId: number;
  /** 32 bytes. */
  readonly genesisHash: Uint8Array;
}

/** Takes bytes in order; resolves when more may come. */
export type ByteSink = (bytes: Uint8Array) => Promise<void>;

export const BLOCK_FILE_MAGIC = new TextEncoder().encode("HSYNCBLK");
const VERSION = 1;
const GROUP_HEAD = 24;
/** A group is closed at this size: large enough to compress well, small enough to lose little to damage. */
const GROUP_BYTES = 1 << 20;
const GROUP_BLOCKS = 256;
/** No group that we write is larger: one block of the largest message size and what came before it. */
const GROUP_LIMIT = 64 << 20;
const HEADER_LIMIT = 4_096;

const pack = promisify<Uint8Array, { level: number }, Uint8Array>(deflateRaw);
const unpack = promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(inflateRaw);

/** A file of blocks that is not whole, not ours, or not in order. */
export function badFile(code: string, message: string, blockNumber?: number, cause?: unknown): HsyncError {
  return new HsyncError(code, message, {
    hint: "blocks before it are kept; get the file again, or continue with another one",
    ...(blockNumber === undefined ? {} : { blockNumber }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function encodeRecord(block: FileBlock): Uint8Array {
  const { hash, bytes, commitSig, receipts } = block;
  let size = 5 + bytes.length + (hash === undefined ? 0 : 32);
  if (commitSig !== undefined) size += 2 + commitSig.length;
  if (receipts !== undefined) size += 4 + receipts.reduce((n, r) => n + 4 + r.length, 0);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  const u32 = (n: number) => {
    view.setUint32(at, n, true);
    at += 4;
  };
  const put = (part: Uint8Array) => {
    out.set(part, at);
    at += part.length;
  };
  out[at++] = (hash === undefined ? 0 : 1) | (commitSig === undefined ? 0 : 2) |
    (receipts === undefined ? 0 : 4);
  u32(bytes.length);
  put(bytes);
  if (hash !== undefined) put(hash);
  if (commitSig !== undefined) {
    view.setUint16(at, commitSig.length, true);
    at += 2;
    put(commitSig);
  }
  if (receipts !== undefined) {
    u32(receipts.length);
    for (const receipt of receipts) {
      u32(receipt.length);
      put(receipt);
    }
  }
  return out;
}

/** Reads the records of an unpacked group. @throws {RangeError} it is cut off or has bytes left over. */
function* decodeRecords(first: number, count: number, raw: Uint8Array): Generator<FileBlock> {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let at = 0;
  const take = (length: number) => {
    if (at + length > raw.length) throw new RangeError("a record is cut off");
    const part = raw.slice(at, at + length);
    at += length;
    return part;
  };
  const u32 = () => {
    const n = view.getUint32(at, true);
    at += 4;
    return n;
  };
  for (let i = 0; i < count; i++) {
    const flags = view.getUint8(at++);
    if (flags > 7) throw new RangeError(`a record with unknown flags (${flags})`);
    const bytes = take(u32());
    const hash = (flags & 1) === 0 ? undefined : take(32);
    let commitSig: Uint8Array | undefined;
    if ((flags & 2) !== 0) {
      at += 2;
      commitSig = take(view.getUint16(at - 2, true));
    }
    let receipts: Uint8Array[] | undefined;
    if ((flags & 4) !== 0) {
      receipts = [];
      for (let left = u32(); left > 0; left--) receipts.push(take(u32()));
    }
    yield {
      number: first + i,
      bytes,
      ...(hash === undefined ? {} : { hash }),
      ...(commitSig === undefined ? {} : { commitSig }),
      ...(receipts === undefined ? {} : { receipts }),
    };
  }
  if (at !== raw.length) throw new RangeError("bytes after the last record");
}

function groupHead(count: number, first: number, raw: number, packed: Uint8Array): Uint8Array {
  const head = new Uint8Array(GROUP_HEAD);
  const view = new DataView(head.buffer);
  view.setUint32(0, count, true);
  view.setBigUint64(4, BigInt(first), true);
  view.setUint32(12, raw, true);
  view.setUint32(16, packed.length, true);
  view.setUint32(20, crc32(packed, crc32(head.subarray(0, 20))), true);
  return head;
}

/** Writes a block file: `add` in the order of the numbers, then `end`. */
export class BlockFileWriter {
  readonly #sink: ByteSink;
  readonly #header: BlockFileHeader;
  #begun = false;
  #next: number | undefined;
  #first = 0;
  #records: Uint8Array[] = [];
  #bytes = 0;

  constructor(header: BlockFileHeader, sink: ByteSink) {
    this.#header = header;
    this.#sink = sink;
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const { network, shardId, genesisHash } = this.#header;
    const json = new TextEncoder().encode(
      JSON.stringify({ network, shard: shardId, genesis: toHex(genesisHash) }),
    );
    const head = new Uint8Array(13 + json.length + 4);
    const view = new DataView(head.buffer);
    head.set(BLOCK_FILE_MAGIC);
    head[8] = VERSION;
    view.setUint32(9, json.length, true);
    head.set(json, 13);
    view.setUint32(13 + json.length, crc32(json), true);
    await this.#sink(head);
  }

  /** @throws {RangeError} the block does not follow the last one, or is larger than any block can be. */
  async add(block: FileBlock): Promise<void> {
    if (this.#next !== undefined && block.number !== this.#next) {
      throw new RangeError(`block ${block.number} does not follow block ${this.#next - 1} in the file`);
    }
    const record = encodeRecord(block);
    if (record.length > GROUP_LIMIT / 2) {
      throw new RangeError(`block ${block.number} has ${record.length} bytes`);
    }
    if (this.#records.length === 0) this.#first = block.number;
    this.#next = block.number + 1;
    this.#records.push(record);
    this.#bytes += record.length;
    if (this.#bytes >= GROUP_BYTES || this.#records.length >= GROUP_BLOCKS) await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#begin();
    if (this.#records.length === 0) return;
    const raw = new Uint8Array(this.#bytes);
    let at = 0;
    for (const record of this.#records) {
      raw.set(record, at);
      at += record.length;
    }
    const packed = await pack(raw, { level: 9 });
    await this.#sink(groupHead(this.#records.length, this.#first, raw.length, packed));
    await this.#sink(packed);
    this.#records = [];
    this.#bytes = 0;
  }

  /** Writes what is left and the end mark. */
  async end(): Promise<void> {
    await this.#flush();
    const nothing = new Uint8Array(0);
    await this.#sink(groupHead(0, this.#next ?? 0, 0, nothing));
  }
}

/** Reads the beginning of a block file. @throws {HsyncError} BLOCK_FILE_DAMAGED, BLOCK_FILE_VERSION. */
export async function readBlockFileHeader(reader: ByteReader): Promise<BlockFileHeader> {
  const bad = (why: string, cause?: unknown) =>
    badFile("BLOCK_FILE_DAMAGED", `the head of the block file is damaged: ${why}`, undefined, cause);
  const head = await reader.take(13);
  if (head === undefined) throw bad("the file ends");
  if (head[8] !== VERSION) {
    throw new HsyncError(
      "BLOCK_FILE_VERSION",
      `the block file has version ${head[8]}, this hsync reads ${VERSION}`,
      {
        hint: "export it again with this version",
      },
    );
  }
  const length = new DataView(head.buffer, head.byteOffset).getUint32(9, true);
  if (length > HEADER_LIMIT) throw bad(`${length} bytes of description`);
  const json = await reader.take(length);
  const sum = await reader.take(4);
  if (json === undefined || sum === undefined) throw bad("the file ends");
  if (crc32(json) !== new DataView(sum.buffer, sum.byteOffset).getUint32(0, true)) {
    throw bad("checksum does not hold");
  }
  try {
    const { network, shard, genesis } = JSON.parse(new TextDecoder().decode(json)) as Record<string, unknown>;
    if (typeof network === "string" && typeof shard === "number" && typeof genesis === "string") {
      return { network, shardId: shard, genesisHash: fromHex(genesis) };
    }
  } catch (error) {
    throw bad("unreadable description", error);
  }
  throw bad("incomplete description");
}

/**
 * The blocks after the header, group by group.
 * @throws {HsyncError} BLOCK_FILE_DAMAGED naming the group's blocks, after everything before it was yielded.
 */
export async function* readGroups(reader: ByteReader): AsyncGenerator<FileBlock> {
  let next: number | undefined;
  for (let group = 1;; group++) {
    const bad = (why: string, range?: string, cause?: unknown) => {
      const blocks = range ?? (next === undefined ? "" : ` (from block ${next} on)`);
      return badFile("BLOCK_FILE_DAMAGED", `record group ${group}${blocks} is damaged: ${why}`, next, cause);
    };
    const head = await reader.take(GROUP_HEAD);
    if (head === undefined) throw bad("the file is cut off");
    const view = new DataView(head.buffer, head.byteOffset);
    const count = view.getUint32(0, true);
    const first = Number(view.getBigUint64(4, true));
    const [rawLength, packedLength] = [view.getUint32(12, true), view.getUint32(16, true)];
    if (packedLength > GROUP_LIMIT || rawLength > GROUP_LIMIT || count > GROUP_BLOCKS) {
      throw bad("impossible size");
    }
    const packed = await reader.take(packedLength);
    if (packed === undefined) throw bad("the file is cut off");
    if (crc32(packed, crc32(head.subarray(0, 20))) !== view.getUint32(20, true)) {
      throw bad("checksum does not hold");
    }
    next ??= first;
    if (first !== next) throw bad(`it begins with block ${first}`);
    if (count === 0) {
      if ((await reader.peek(1)).length > 0) throw bad("bytes after the end");
      return;
    }
    const range = ` (blocks ${first}..${first + count - 1})`;
    let blocks: FileBlock[];
    try {
      const raw = await unpack(packed, { maxOutputLength: Math.max(1, rawLength) });
      if (raw.length !== rawLength) throw new RangeError(`${raw.length} of ${rawLength} bytes`);
      blocks = [...decodeRecords(first, count, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength))];
    } catch (error) {
      throw bad(error instanceof Error ? error.message : String(error), range, error);
    }
    yield* blocks;
    next = first + count;
  }
}
