/**
 * How a block lies in the tables: the body without its header, receipts and committees as one byte string each.
 *
 * Why it exists: headers are read far more often than bodies and make up half of a small block, so they are kept
 * once, in a table of their own. What must stay true: `joinBody(splitBody(block, header), header)` is the block,
 * byte for byte.
 */
import { equalBytes, le64 } from "../base/mod.ts";
import { damaged } from "./failures.ts";

/** What stands before the header: a list prefix, at most an envelope (22 bytes) and another prefix. */
const SEARCH_BYTES = 64;
const WHOLE = 0xff;

function findHeader(block: Uint8Array, header: Uint8Array): number | undefined {
  const hint = header.byteOffset - block.byteOffset;
  const fits = (at: number) =>
    at >= 0 && at <= SEARCH_BYTES && at + header.length <= block.length &&
    equalBytes(block.subarray(at, at + header.length), header);
  if (header.buffer === block.buffer && fits(hint)) return hint;
  for (let at = 0; at <= SEARCH_BYTES; at++) if (block[at] === header[0] && fits(at)) return at;
  return undefined;
}

/** The block without its header; whole when the header does not stand near its beginning. */
export function splitBody(block: Uint8Array, header: Uint8Array): Uint8Array {
  const at = header.length === 0 ? undefined : findHeader(block, header);
  if (at === undefined) {
    const out = new Uint8Array(1 + block.length);
    out[0] = WHOLE;
    out.set(block, 1);
    return out;
  }
  const out = new Uint8Array(1 + block.length - header.length);
  out[0] = at;
  out.set(block.subarray(0, at), 1);
  out.set(block.subarray(at + header.length), 1 + at);
  return out;
}

/** The block again. @throws {HsyncError} STORE_DAMAGED. */
export function joinBody(number: number, item: Uint8Array, header: Uint8Array): Uint8Array {
  const at = item[0];
  if (at === undefined || (at !== WHOLE && 1 + at > item.length)) {
    throw damaged(`the body of block ${number} is cut off`, number);
  }
  if (at === WHOLE) return item.slice(1);
  const out = new Uint8Array(item.length - 1 + header.length);
  out.set(item.subarray(1, 1 + at));
  out.set(header, at);
  out.set(item.subarray(1 + at), at + header.length);
  return out;
}

/** Byte strings one after another: count LE32, count × length LE32, the strings. */
export function encodeList(items: readonly Uint8Array[]): Uint8Array {
  let size = 4 + 4 * items.length;
  for (const item of items) size += item.length;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  view.setUint32(0, items.length, true);
  let at = 4 + 4 * items.length;
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as Uint8Array;
    view.setUint32(4 + 4 * i, item.length, true);
    out.set(item, at);
    at += item.length;
  }
  return out;
}

/** @throws {HsyncError} STORE_DAMAGED. */
export function decodeList(what: string, value: Uint8Array): Uint8Array[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const count = value.length < 4 ? -1 : view.getUint32(0, true);
  let at = 4 + 4 * count;
  if (count < 0 || at > value.length) throw damaged(`${what}: unreadable list`);
  const items: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(4 + 4 * i, true);
    if (at + length > value.length) throw damaged(`${what}: list is cut off`);
    items.push(value.slice(at, at + length));
    at += length;
  }
  if (at !== value.length) throw damaged(`${what}: bytes after the list`);
  return items;
}

/** Epoch (LE64) and the committees that serve in it. */
export function encodeCommittees(epoch: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + bytes.length);
  out.set(le64(epoch));
  out.set(bytes, 8);
  return out;
}

/** @throws {HsyncError} STORE_DAMAGED. */
export function decodeCommittees(number: number, item: Uint8Array): { epoch: number; bytes: Uint8Array } {
  if (item.length < 8) throw damaged(`the committees of block ${number} are cut off`, number);
  const epoch = new DataView(item.buffer, item.byteOffset, 8).getBigUint64(0, true);
  return { epoch: Number(epoch), bytes: item.slice(8) };
}
