/**
 * RLP, read strictly and written canonically (chain-format.md §0).
 *
 * Why it exists: everything on the chain is RLP, and two nodes must agree which bytes are invalid; general
 * libraries are both laxer and several times slower. What must stay true: whatever the reader accepts, the
 * writer reproduces byte for byte; nothing is allocated for a length that the input does not hold; results
 * are views into the input (zero copy), so neither side may write to them.
 */
import { bigintToBytes, bytesToBigint, HsyncError } from "../base/mod.ts";

/** Encoding of the empty string, which is also the integer zero. */
export const RLP_EMPTY_STRING: Uint8Array = Uint8Array.of(0x80);
/** Encoding of the empty list. */
export const RLP_EMPTY_LIST: Uint8Array = Uint8Array.of(0xc0);

/**
 * The longest list that is taken apart. The reference decoder has no such bound, but a one-byte item would cost
 * a sender of megabytes nothing and us a hundred times as much memory; no list of the chain comes near.
 */
export const MAX_LIST_ITEMS = 65_536;

/**
 * A cursor over a run of RLP items.
 *
 * Every method takes the name of the field it reads, for the error text. All of them throw an `HsyncError`
 * with fault DATA and a code that begins with `RLP_` when the bytes break a rule of chain-format.md §0.
 */
export class RlpReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #what: string;
  #pos: number;
  // Of the item that #head saw last.
  #isList = false;
  #from = 0;
  #to = 0;

  /**
   * @param bytes the buffer; only `start..end` is read.
   * @param what what the bytes are, for error texts: `header`, `transaction`.
   */
  constructor(bytes: Uint8Array, what: string, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#what = what;
    this.#pos = start;
    this.#end = end;
  }

  /** True when no item is left. */
  get done(): boolean {
    return this.#pos >= this.#end;
  }
  /** Offset in the buffer of the next item. */
  get position(): number {
    return this.#pos;
  }

  #fail(code: string, field: string, why: string): never {
    throw new HsyncError(code, `cannot decode ${this.#what}: ${field}: ${why} (byte ${this.#pos})`, {
      fault: "DATA",
    });
  }

  /** Finds the bounds of the next item without moving. */
  #head(field: string): void {
    const pos = this.#pos;
    if (pos >= this.#end) this.#fail("RLP_TOO_FEW", field, "the input or the list ends before this item");
    const first = this.#bytes[pos] as number;
    if (first < 0x80) {
      this.#isList = false;
      this.#from = pos;
      this.#to = pos + 1;
      return;
    }
    const list = first >= 0xc0;
    const short = first - (list ? 0xc0 : 0x80);
    let from = pos + 1;
    let size = short;
    if (short > 55) {
      const width = short - 55;
      if (from + width > this.#end) this.#fail("RLP_TOO_SHORT", field, "the length field is cut off");
      if (this.#bytes[from] === 0) this.#fail("RLP_LENGTH", field, "the length begins with a zero byte");
      // No buffer is longer than 2^48 bytes, and up to there a number is exact.
      if (width > 6) this.#fail("RLP_TOO_SHORT", field, "the item is longer than what holds it");
      size = 0;
      for (let i = 0; i < width; i++) size = size * 256 + (this.#bytes[from + i] as number);
      if (size < 56) {
        this.#fail("RLP_LENGTH", field, `the length ${size} is not written in its shortest form`);
      }
      from += width;
    }
    if (size > this.#end - from) this.#fail("RLP_TOO_SHORT", field, "the item is longer than what holds it");
    if (!list && size === 1 && (this.#bytes[from] as number) < 0x80) {
      this.#fail("RLP_SINGLE_BYTE", field, "a byte below 0x80 is not written as itself");
    }
    this.#isList = list;
    this.#from = from;
    this.#to = from + size;
  }

  /** Like #head, but the item must be a string. */
  #string(field: string): void {
    this.#head(field);
    if (this.#isList) this.#fail("RLP_KIND", field, "expected a string, found a list");
  }

  /** Like #string for a canonical unsigned integer of at most `width` bytes. */
  #integer(field: string, width: number): void {
    this.#string(field);
    if (this.#from === this.#to) return;
    if (this.#bytes[this.#from] === 0) {
      this.#fail("RLP_LEADING_ZERO", field, "integer with a leading zero byte");
    }
    if (this.#to - this.#from > width) {
      this.#fail(
        "RLP_INTEGER_TOO_LONG",
        field,
        `integer of ${this.#to - this.#from} bytes, at most ${width} fit`,
      );
    }
  }

  /** The integer that #integer found; exact up to 6 bytes, as is any value up to 2^53-1. */
  #number(): number {
    let value = 0;
    for (let i = this.#from; i < this.#to; i++) value = value * 256 + (this.#bytes[i] as number);
    return value;
  }

  /** True when the next item is a list; false for a string. */
  nextIsList(field: string): boolean {
    if (this.#pos >= this.#end) {
      this.#fail("RLP_TOO_FEW", field, "the input or the list ends before this item");
    }
    return (this.#bytes[this.#pos] as number) >= 0xc0;
  }

  /** Steps over the next item, which must be a list, and gives a cursor over its items. */
  list(field: string): RlpReader {
    this.#head(field);
    if (!this.#isList) this.#fail("RLP_KIND", field, "expected a list, found a string");
    this.#pos = this.#to;
    return new RlpReader(this.#bytes, this.#what, this.#from, this.#to);
  }

  /** A string of any length. */
  bytes(field: string): Uint8Array {
    this.#string(field);
    this.#pos = this.#to;
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** A string of exactly `length` bytes. */
  fixed(length: number, field: string): Uint8Array {
    this.#string(field);
    if (this.#to - this.#from !== length) {
      this.#fail("RLP_FIXED_LENGTH", field, `expected ${length} bytes, found ${this.#to - this.#from}`);
    }
    this.#pos = this.#to;
    return this.#bytes.subarray(this.#from, this.#to);
  }

  /** A string of exactly `length` bytes, or undefined for the empty string. */
  optionalFixed(length: number, field: string): Uint8Array | undefined {
    this.#string(field);
    if (this.#from !== this.#to) return this.fixed(length, field);
    this.#pos = this.#to;
    return undefined;
  }

  /** An unsigned integer below 2^8. */
  uint8(field: string): number {
    this.#integer(field, 1);
    this.#pos = this.#to;
    return this.#number();
  }

  /** An unsigned integer below 2^32. */
  uint32(field: string): number {
    this.#integer(field, 4);
    this.#pos = this.#to;
    return this.#number();
  }

  /** An unsigned integer below 2^64. */
  uint64(field: string): bigint {
    this.#integer(field, 8);
    this.#pos = this.#to;
    return this.#to - this.#from <= 6
      ? BigInt(this.#number())
      : bytesToBigint(this.#bytes.subarray(this.#from, this.#to));
  }

  /**
   * An unsigned integer up to 2^53-1. For block numbers and epochs, where the reference decoder takes any
   * width: nothing real comes near, and a plain number is what the rest of the program counts with.
   */
  safeInteger(field: string): number {
    this.#integer(field, 7);
    const value = this.#number();
    if (value > Number.MAX_SAFE_INTEGER) {
      this.#fail("RLP_INTEGER_TOO_LONG", field, "integer above 2^53-1");
    }
    this.#pos = this.#to;
    return value;
  }

  /** An unsigned integer of at most `maxBytes` bytes. */
  bigint(field: string, maxBytes = 32): bigint {
    this.#integer(field, maxBytes);
    this.#pos = this.#to;
    return this.#to - this.#from <= 6
      ? BigInt(this.#number())
      : bytesToBigint(this.#bytes.subarray(this.#from, this.#to));
  }

  /** The next item whole, its length prefix included. What a list holds inside is not looked at. */
  raw(field: string): Uint8Array {
    this.#head(field);
    const start = this.#pos;
    this.#pos = this.#to;
    return this.#bytes.subarray(start, this.#to);
  }

  /** Like `raw`, and every item inside, at any depth, has been checked for well-formed structure. */
  rawDeep(field: string): Uint8Array {
    const start = this.#pos;
    this.#head(field);
    const end = this.#to;
    // A flat walk with the ends of the open lists: nesting costs a stack entry, never a call.
    const open: number[] = [];
    if (this.#isList) open.push(this.#to);
    this.#pos = this.#isList ? this.#from : this.#to;
    while (open.length > 0) {
      const limit = open[open.length - 1] as number;
      if (this.#pos === limit) {
        open.pop();
        continue;
      }
      this.#head(field);
      if (this.#to > limit) this.#fail("RLP_TOO_SHORT", field, "an inner item is longer than its list");
      if (this.#isList) open.push(this.#to);
      this.#pos = this.#isList ? this.#from : this.#to;
    }
    this.#pos = end;
    return this.#bytes.subarray(start, end);
  }

  /**
   * Steps over the next item, which must be a list, and reads its items one by one.
   *
   * @param read reads exactly one item; it must use it up. @throws RLP_TOO_MANY above `MAX_LIST_ITEMS`.
   */
  each<T>(field: string, read: (items: RlpReader) => T): T[] {
    const items = this.list(field);
    const out: T[] = [];
    while (!items.done) {
      if (out.length === MAX_LIST_ITEMS) {
        this.#fail("RLP_TOO_MANY", field, `list of more than ${MAX_LIST_ITEMS} items`);
      }
      out.push(read(items));
    }
    return out;
  }

  /** The items of the next item, which must be a list, each whole. */
  rawItems(field: string): Uint8Array[] {
    return this.each(field, (items) => items.raw(field));
  }

  /** States that nothing may be left: too many items in a list, or bytes after the value, are errors. */
  finish(): void {
    if (this.#pos < this.#end) {
      this.#fail("RLP_TRAILING", "end", `${this.#end - this.#pos} bytes more than expected`);
    }
  }
}

/**
 * The items of the list that `bytes` holds, each whole, as views.
 *
 * @throws {HsyncError} fault DATA: not exactly one well-formed list.
 */
export function rlpListItems(bytes: Uint8Array, what: string): Uint8Array[] {
  const reader = new RlpReader(bytes, what);
  const items = reader.rawItems(what);
  reader.finish();
  return items;
}

/** Number of bytes of the length prefix of a payload. */
function prefixLength(size: number): number {
  if (size < 56) return 1;
  let width = 1;
  for (let n = size; n > 255; n = Math.floor(n / 256)) width++;
  return 1 + width;
}

/** Writes a length prefix at `at` and returns the offset after it. */
function writePrefix(out: Uint8Array, at: number, size: number, base: number): number {
  if (size < 56) {
    out[at] = base + size;
    return at + 1;
  }
  const width = prefixLength(size) - 1;
  out[at] = base + 55 + width;
  let rest = size;
  for (let i = width; i > 0; i--) {
    out[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + 1 + width;
}

/** A byte string as an RLP item. */
export function rlpBytes(content: Uint8Array): Uint8Array {
  if (content.length === 0) return RLP_EMPTY_STRING;
  if (content.length === 1 && (content[0] as number) < 0x80) return content;
  const out = new Uint8Array(prefixLength(content.length) + content.length);
  out.set(content, writePrefix(out, 0, content.length, 0x80));
  return out;
}

/** A byte string that must have `length` bytes. @throws {RangeError} it has not: a fault of the caller. */
export function rlpFixed(content: Uint8Array, length: number, field: string): Uint8Array {
  if (content.length !== length) {
    throw new RangeError(`cannot encode ${field}: ${content.length} bytes instead of ${length}`);
  }
  return rlpBytes(content);
}

/** An unsigned integer as an RLP item. @throws {RangeError} negative, or a number that is no safe integer. */
export function rlpUint(value: number | bigint): Uint8Array {
  if (typeof value === "bigint") return rlpBytes(bigintToBytes(value));
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`cannot encode ${value} as an unsigned integer`);
  }
  if (value === 0) return RLP_EMPTY_STRING;
  let width = 1;
  for (let n = value; n > 255; n = Math.floor(n / 256)) width++;
  if (width === 1 && value < 0x80) return Uint8Array.of(value);
  const out = new Uint8Array(1 + width);
  out[0] = 0x80 + width;
  for (let i = width, rest = value; i > 0; i--) {
    out[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return out;
}

/** A list of items that are RLP already. */
export function rlpList(items: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const item of items) size += item.length;
  const out = new Uint8Array(prefixLength(size) + size);
  let at = writePrefix(out, 0, size, 0xc0);
  for (const item of items) {
    out.set(item, at);
    at += item.length;
  }
  return out;
}
