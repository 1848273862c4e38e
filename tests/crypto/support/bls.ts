/**
 * Committees with known secret keys, and certificates they sign.
 *
 * Why it exists: several tests need committees of any size with any signers. What must stay true: everything
 * follows from the seed.
 */
import type { Random } from "../../../src/base/mod.ts";
import {
  addSecretKeys,
  type Bls,
  type CertificateInput,
  CommitteeKeys,
  secretKeyFromSeed,
} from "../../../src/crypto/mod.ts";

export interface TestCommittee {
  readonly secretKeys: readonly Uint8Array[];
  readonly publicKeys: readonly Uint8Array[];
  readonly handle: CommitteeKeys;
}

export function makeCommittee(bls: Bls, random: Random, size: number): TestCommittee {
  const secretKeys = Array.from({ length: size }, () => secretKeyFromSeed(random.bytes(48)));
  const publicKeys = secretKeys.map((key) => bls.publicKeyOf(key));
  return { secretKeys, publicKeys, handle: CommitteeKeys.of(publicKeys) };
}

/** A bitmap of `size` slots with all marked but `absent`. */
export function bitmapWithout(size: number, absent: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array((size + 7) >> 3);
  for (let slot = 0; slot < size; slot++) if (!absent.includes(slot)) flipBit(bitmap, slot);
  return bitmap;
}

/** 48 bytes whose number is below the field's order, as a real payload's is. */
export function somePayload(random: Random): Uint8Array {
  const payload = random.bytes(48);
  payload[47] = 0;
  return payload;
}

export function signCertificate(
  bls: Bls,
  committee: TestCommittee,
  absent: readonly number[],
  payload: Uint8Array,
): CertificateInput {
  const signers = committee.secretKeys.filter((_, slot) => !absent.includes(slot));
  return {
    payload,
    signature: bls.sign(addSecretKeys(signers), payload),
    bitmap: bitmapWithout(committee.handle.size, absent),
  };
}

/** Bit `bit` of the array, least significant first, in place. */
export function flipBit(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}

export function withFlippedBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  flipBit(out, bit);
  return out;
}
