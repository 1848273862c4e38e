/**
 * A certificate as bytes, the committee it is held against, and the verdict.
 *
 * Why it exists: everything that can be said about a certificate without touching a curve is said here, once,
 * before any costly work, by whichever implementation or worker does the rest. What must stay true: a verdict
 * is about the bytes and nothing else; whatever goes wrong on our own side is thrown (an internal error is
 * never a verdict), and voting power is not judged here.
 */
import { HsyncError } from "../base/mod.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "./bls_dialect.ts";

/** What a certificate says: "these members of the committee signed this payload". */
export interface CertificateInput {
  /** The commit payload, 40 or 48 bytes (consensus-verification.md §b.1); not hashed again. */
  readonly payload: Uint8Array;
  /** The aggregate signature, 96 bytes. */
  readonly signature: Uint8Array;
  /** Slot i is bit i mod 8 of byte i div 8; exactly ceil(slots / 8) bytes (consensus-verification.md §b.3). */
  readonly bitmap: Uint8Array;
}

/** Every reason for which a certificate is refused. The order is part of the form in which workers report. */
export const CERTIFICATE_FAULTS = [
  "BITMAP_LENGTH",
  "SIGNATURE_LENGTH",
  "NO_SIGNERS",
  "SIGNER_KEY_UNUSABLE",
  "AGGREGATE_KEY_INFINITY",
  "SIGNATURE_ENCODING",
  "SIGNATURE_INFINITY",
  "PAYLOAD_UNUSABLE",
  "SIGNATURE_MISMATCH",
] as const;
export type CertificateFault = typeof CERTIFICATE_FAULTS[number];

/** `signers` is the number of set bits below the committee's size (0 when the bitmap has the wrong length). */
export type CertificateVerdict =
  | { readonly valid: true; readonly signers: number }
  | { readonly valid: false; readonly signers: number; readonly reason: CertificateFault };

let nextId = 1;

/**
 * The keys of a committee in slot order: the handle under which decoded keys and totals are cached. Make it
 * once per committee and keep it; two handles over the same keys are two cache entries.
 */
export class CommitteeKeys {
  /** Unique within the process. */
  readonly id: number;
  /** Number of slots. */
  readonly size: number;
  /** All keys one after another, 48 bytes each; must not be changed. */
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.id = nextId++;
    this.size = bytes.length / PUBLIC_KEY_BYTES;
    this.bytes = bytes;
  }
  /**
   * @param keys 48 bytes each, in slot order, repeats allowed; copied. A key that is infinity or no point is accepted
   *   here: it makes every certificate that counts on it bad, not the committee.
   * @throws {HsyncError} BLS_COMMITTEE: no keys, or a key of another length.
   */
  static of(keys: readonly Uint8Array[]): CommitteeKeys {
    const bytes = new Uint8Array(keys.length * PUBLIC_KEY_BYTES);
    keys.forEach((key, i) => {
      if (key.length !== PUBLIC_KEY_BYTES) {
        throw new HsyncError("BLS_COMMITTEE", `committee key ${i} has ${key.length} bytes, not 48`);
      }
      bytes.set(key, i * PUBLIC_KEY_BYTES);
    });
    return CommitteeKeys.packed(bytes);
  }
  /** The same from keys that are already packed; takes the array over. */
  static packed(bytes: Uint8Array): CommitteeKeys {
    if (bytes.length === 0 || bytes.length % PUBLIC_KEY_BYTES !== 0) {
      throw new HsyncError("BLS_COMMITTEE", `a committee cannot be made of ${bytes.length} bytes of keys`);
    }
    return new CommitteeKeys(bytes);
  }
  /** Key of slot `i`, 48 bytes, a view. */
  key(i: number): Uint8Array {
    return this.bytes.subarray(i * PUBLIC_KEY_BYTES, (i + 1) * PUBLIC_KEY_BYTES);
  }
  /** The only length a bitmap of this committee may have. */
  get bitmapBytes(): number {
    return (this.size + 7) >> 3;
  }
}

/** True when slot `i` is marked. */
export function isMarked(bitmap: Uint8Array, i: number): boolean {
  return ((bitmap[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
}

/** The marked slots below `size`, ascending; bits at or above `size` are ignored. */
export function markedSlots(bitmap: Uint8Array, size: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < size; i++) if (isMarked(bitmap, i)) out.push(i);
  return out;
}

/** How many slots below `size` are marked. */
export function countMarked(bitmap: Uint8Array, size: number): number {
  let count = 0;
  for (let i = 0; i < size; i++) if (isMarked(bitmap, i)) count++;
  return count;
}

/** The verdict "refused for `reason`". */
export function refused(reason: CertificateFault, signers: number): CertificateVerdict {
  return { valid: false, signers, reason };
}

/**
 * What the lengths and the bitmap alone tell: `fault` is undefined when the certificate deserves a look at its
 * points.
 */
export function inspectCertificate(
  committee: CommitteeKeys,
  input: CertificateInput,
): { readonly fault: CertificateFault | undefined; readonly signers: number } {
  if (input.bitmap.length !== committee.bitmapBytes) return { fault: "BITMAP_LENGTH", signers: 0 };
  const signers = countMarked(input.bitmap, committee.size);
  if (input.signature.length !== SIGNATURE_BYTES) return { fault: "SIGNATURE_LENGTH", signers };
  return { fault: signers === 0 ? "NO_SIGNERS" : undefined, signers };
}

/** @throws {HsyncError} BLS_EMPTY_BATCH: "all of nothing" must never read as "verified". */
export function requireBatch(inputs: readonly CertificateInput[]): void {
  if (inputs.length === 0) {
    throw new HsyncError("BLS_EMPTY_BATCH", "asked to verify a batch that holds no certificate");
  }
}
