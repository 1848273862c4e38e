/**
 * Small, allocation-conscious helpers over `Uint8Array`.
 *
 * Why it exists: every layer compares, joins and prints byte strings; one place keeps endianness and hex
 * rules the same everywhere. What must stay true: nothing here keeps a reference to its input, and every
 * reader checks its bounds before it reads.
 */

const HEX: string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** Lower-case hex without a prefix. */
export function toHex(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i] as number];
  return out;
}

/** Lower-case hex with the `0x` prefix: the form of logs, status and JSON. */
export function to0x(bytes: Uint8Array): string {
  return "0x" + toHex(bytes);
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/**
 * Bytes of a hex string, with or without `0x`, either case.
 *
 * @throws {RangeError} odd length or a character that is not a hex digit.
 */
export function fromHex(text: string): Uint8Array {
  const start = text.startsWith("0x") || text.startsWith("0X") ? 2 : 0;
  const n = text.length - start;
  if (n % 2 !== 0) throw new RangeError(`hex text has an odd number of digits (${n})`);
  const out = new Uint8Array(n / 2);
  for (let i = 0; i < out.length; i++) {
    const hi = nibble(text.charCodeAt(start + 2 * i));
    const lo = nibble(text.charCodeAt(start + 2 * i + 1));
    if (hi < 0 || lo < 0) {
      throw new RangeError(`hex text has a non-hex character at position ${start + 2 * i}`);
    }
    out[i] = (hi << 4) | lo;
  }
  return out;
}

/** The parts one after another in a new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let n = 0;
  for (const p of parts) n += p.length;
  const out = new Uint8Array(n);
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** True when both have the same length and content. Not constant time: never used on secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = (a[i] as number) - (b[i] as number);
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** True when every byte is zero (an empty array is zero too). */
export function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** 4 bytes, little endian. `value` must be an integer in 0..2^32-1. */
export function le32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

/** 8 bytes, little endian; the value is taken modulo 2^64. */
export function le64(value: bigint | number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return out;
}

/** 4 bytes, big endian. `value` must be an integer in 0..2^32-1. */
export function be32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, false);
  return out;
}

/** 8 bytes, big endian; the value is taken modulo 2^64. */
export function be64(value: bigint | number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), false);
  return out;
}

/** Reads an unsigned 32-bit little-endian integer at `offset`. @throws {RangeError} out of bounds. */
export function readLe32(bytes: Uint8Array, offset = 0): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset, true);
}

/** Reads an unsigned 64-bit big-endian integer at `offset`. @throws {RangeError} out of bounds. */
export function readBe64(bytes: Uint8Array, offset = 0): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset, false);
}

/** Big-endian unsigned integer of any length; empty is 0. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt("0x" + toHex(bytes));
}

/** Minimal big-endian bytes of a non-negative integer; 0 gives an empty array. @throws {RangeError} negative. */
export function bigintToBytes(value: bigint): Uint8Array {
  if (value < 0n) throw new RangeError(`cannot encode the negative integer ${value}`);
  if (value === 0n) return new Uint8Array(0);
  const hex = value.toString(16);
  return fromHex(hex.length % 2 === 0 ? hex : "0" + hex);
}
