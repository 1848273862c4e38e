/**
 * The facts of Harmony's BLS dialect, free of any curve library.
 *
 * Why it exists: two implementations of one dialect must agree on sizes, byte order and the reading of a
 * payload as a field element; what they share is written down once. What must stay true: nothing here
 * depends on how points are represented.
 *
 * The dialect is the "original mode" of the herumi library on BLS12-381: keys in G1, signatures in G2, little
 * endian everywhere, its own generator and its own map to the curve (consensus-verification.md §a). It is in no
 * respect the dialect of Ethereum or of the IETF drafts.
 */

/** A compressed point of G1. */
export const PUBLIC_KEY_BYTES = 48;
/** A compressed point of G2. */
export const SIGNATURE_BYTES = 96;
/** A scalar below the group order. */
export const SECRET_KEY_BYTES = 32;
/** A payload counts up to here; bytes behind it change nothing (consensus-verification.md §a.5). */
export const PAYLOAD_BYTES = 48;

/** p: the order of the field that coordinates come from. */
export const FIELD_ORDER =
  0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaabn;
/** r: the order of the groups that keys and signatures come from. */
export const GROUP_ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
/** |x| of the curve family's parameter x = -0xd201000000010000. */
export const CURVE_PARAMETER = 0xd201000000010000n;

/** The base point of public keys, compressed: the map of 1 to G1 (consensus-verification.md §a.2). */
export const GENERATOR_HEX =
  "e500361ff315734cccd8f9b721ec159995e9e622be17afd41ac2f037a583e81b98c2320e0bf853a8f929e89e3d8ff504";

const FIELD_BITS = 381n;

/** The integer whose little-endian bytes these are; empty is 0. */
export function littleEndianToBigint(bytes: Uint8Array): bigint {
  let digits = "";
  for (let i = bytes.length - 1; i >= 0; i--) digits += (bytes[i] as number).toString(16).padStart(2, "0");
  return digits === "" ? 0n : BigInt("0x" + digits);
}

/** `length` little-endian bytes. @throws {RangeError} the integer is negative or needs more bytes. */
export function bigintToLittleEndian(value: bigint, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let rest = value;
  for (let i = 0; i < length; i++) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new RangeError(`the integer does not fit into ${length} bytes`);
  return out;
}

/**
 * The field element that a payload stands for: its first 48 bytes as a little-endian integer, cut to 381 bits and,
 * only if that is still not below p, to 380 (consensus-verification.md §a.5).
 */
export function payloadToField(payload: Uint8Array): bigint {
  const t = littleEndianToBigint(payload.subarray(0, PAYLOAD_BYTES)) & ((1n << FIELD_BITS) - 1n);
  return t < FIELD_ORDER ? t : t & ((1n << (FIELD_BITS - 1n)) - 1n);
}
