/**
 * Secret keys as scalars: reading them, and adding them.
 *
 * Why it exists: hsync signs nothing, but the chains that tests build are signed by whole committees; the sum of
 * the signers' secret keys makes such a certificate with one signature instead of hundreds. What must stay true:
 * no production path uses this file to make or keep a key.
 */
import { HsyncError } from "../base/mod.ts";
import { bigintToLittleEndian, GROUP_ORDER, littleEndianToBigint, SECRET_KEY_BYTES } from "./bls_dialect.ts";

/**
 * The scalar of a secret key: 32 little-endian bytes below the group order (consensus-verification.md §a.3).
 *
 * @throws {HsyncError} BLS_SECRET_KEY: another length, zero, or not below the order. The message never shows the key.
 */
export function secretScalar(secretKey: Uint8Array): bigint {
  const scalar = secretKey.length === SECRET_KEY_BYTES ? littleEndianToBigint(secretKey) : undefined;
  if (scalar === undefined || scalar === 0n || scalar >= GROUP_ORDER) {
    throw new HsyncError(
      "BLS_SECRET_KEY",
      `a BLS secret key is 32 little-endian bytes of a number from 1 to below the group order; these ` +
        `${secretKey.length} bytes are not`,
    );
  }
  return scalar;
}

/**
 * A valid secret key out of any bytes, for seeded tests: the little-endian integer reduced into 1..r-1.
 */
export function secretKeyFromSeed(seed: Uint8Array): Uint8Array {
  const scalar = littleEndianToBigint(seed) % (GROUP_ORDER - 1n) + 1n;
  return bigintToLittleEndian(scalar, SECRET_KEY_BYTES);
}

/**
 * The secret key whose signature equals the sum of the signatures of all `secretKeys` (repeats count each time).
 *
 * @throws {HsyncError} BLS_SECRET_KEY: one is malformed, or the sum is zero (as for an empty list).
 */
export function addSecretKeys(secretKeys: readonly Uint8Array[]): Uint8Array {
  let sum = 0n;
  for (const key of secretKeys) sum = (sum + secretScalar(key)) % GROUP_ORDER;
  if (sum === 0n) throw new HsyncError("BLS_SECRET_KEY", "the secret keys add up to zero");
  return bigintToLittleEndian(sum, SECRET_KEY_BYTES);
}
