/**
 * Runs of numbered items in one value, and descriptors of items too big for that.
 *
 * Why it exists: Deno KV writes some thousand keys a second but a hundred megabytes; small blocks therefore share
 * a value. What must stay true: a decoded pack covers exactly `first`..`first+count-1`; its checksum is tested
 * before anything of it is believed; an item is either present (possibly empty) or absent.
 *
 * Pack: `01`, count LE16, crc32 LE32 of all that follows, count × length LE32 (ffffffff: absent), the items.
 * Big:  `02`, `01 00`, crc32 LE32 of the item, length LE32, number of parts LE32.
 */
import { crc32 } from "node:zlib";
import { damaged } from "./failures.ts";

/** Most bytes of a pack and of a part of a big item: below the 65,536 of Deno KV with room for a server's framing. */
export const PACK_BYTES = 60_000;
/** Most items of a pack: unwinding deletes an index row for each in one commit. */
export const PACK_ITEMS = 256;

const KIND_PACK = 1;
const KIND_BIG = 2;
const HEAD = 7;
const ABSENT = 0xffffffff;

export interface Pack {
  readonly kind: "pack";
  readonly first: number;
  readonly count: number;
  /** One per number; undefined where the item is absent. Views into the stored value: never write to them. */
  readonly items: ReadonlyArray<Uint8Array | undefined>;
}

export interface BigItem {
  readonly kind: "big";
  readonly first: number;
  readonly count: 1;
  readonly length: number;
  readonly parts: number;
  readonly crc: number;
}

/** Bytes that an item adds to a pack. */
export function packedSize(item: Uint8Array | undefined): number {
  return 4 + (item?.length ?? 0);
}

/** True when the item needs parts of its own. */
export function isBig(item: Uint8Array | undefined): boolean {
  return item !== undefined && HEAD + packedSize(item) > PACK_BYTES;
}

/** True when a pack of `items` items and `bytes` bytes (sum of `packedSize`) takes one more. */
export function packTakes(items: number, bytes: number, item: Uint8Array | undefined): boolean {
  return items < PACK_ITEMS && HEAD + bytes + packedSize(item) <= PACK_BYTES;
}

/** The value of a run of 1..256 items. */
export function encodePack(items: ReadonlyArray<Uint8Array | undefined>): Uint8Array {
  let size = HEAD;
  for (const item of items) size += packedSize(item);
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  out[0] = KIND_PACK;
  view.setUint16(1, items.length, true);
  let at = HEAD + 4 * items.length;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    view.setUint32(HEAD + 4 * i, item === undefined ? ABSENT : item.length, true);
    if (item === undefined) continue;
    out.set(item, at);
    at += item.length;
  }
  view.setUint32(3, crc32(out.subarray(HEAD)), true);
  return out;
}

/** The descriptor of a big item; its parts are `bigParts(item)`. */
export function encodeBig(item: Uint8Array): Uint8Array {
  const out = new Uint8Array(HEAD + 8);
  const view = new DataView(out.buffer);
  out[0] = KIND_BIG;
  view.setUint16(1, 1, true);
  view.setUint32(3, crc32(item), true);
  view.setUint32(HEAD, item.length, true);
  view.setUint32(HEAD + 4, Math.ceil(item.length / PACK_BYTES), true);
  return out;
}

/** The item cut into parts that fit a value. */
export function bigParts(item: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < item.length; at += PACK_BYTES) {
    parts.push(item.subarray(at, Math.min(item.length, at + PACK_BYTES)));
  }
  return parts;
}

/** Reads a value of a run table whose key says `first`. @throws {HsyncError} STORE_DAMAGED. */
export function decodePack(table: string, first: number, value: Uint8Array): Pack | BigItem {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const bad = (why: string) => damaged(`table ${table}, run at ${first}: ${why}`, first);
  if (value.length < HEAD) throw bad("too short");
  const count = view.getUint16(1, true);
  const crc = view.getUint32(3, true);
  if (value[0] === KIND_BIG && count === 1 && value.length === HEAD + 8) {
    const length = view.getUint32(HEAD, true);
    const parts = view.getUint32(HEAD + 4, true);
    if (parts !== Math.ceil(length / PACK_BYTES)) throw bad("length and number of parts disagree");
    return { kind: "big", first, count: 1, length, parts, crc };
  }
  if (value[0] !== KIND_PACK) throw bad("unknown kind of value");
  if (crc32(value.subarray(HEAD)) !== crc) throw bad("checksum does not hold");
  const items: Array<Uint8Array | undefined> = [];
  let at = HEAD + 4 * count;
  if (count === 0 || at > value.length) throw bad("wrong number of items");
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(HEAD + 4 * i, true);
    if (length === ABSENT) {
      items.push(undefined);
      continue;
    }
    if (at + length > value.length) throw bad("an item is longer than the value");
    items.push(value.subarray(at, at + length));
    at += length;
  }
  if (at !== value.length) throw bad("bytes left over");
  return { kind: "pack", first, count, items };
}

/** Joins the parts of a big item. @throws {HsyncError} STORE_DAMAGED. */
export function joinBig(table: string, big: BigItem, parts: readonly Uint8Array[]): Uint8Array {
  const bad = (why: string) => damaged(`table ${table}, item ${big.first}: ${why}`, big.first);
  if (parts.length !== big.parts) throw bad(`${parts.length} of ${big.parts} parts are there`);
  let have = 0;
  for (const part of parts) have += part.length;
  if (have !== big.length) throw bad(`${have} of ${big.length} bytes are there`);
  const out = new Uint8Array(have);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  if (crc32(out) !== big.crc) throw bad("checksum does not hold");
  return out;
}
