/**
 * What an implementation of Harmony's BLS dialect can do, in bytes.
 *
 * Why it exists: the readable reference and the fast route answer to the same calls, so that each can be
 * held against the other and against recorded vectors. What must stay true: the two differ in speed only.
 */
import type { CertificateInput, CertificateVerdict, CommitteeKeys } from "./bls_certificate.ts";

/** What the bytes of a point turn out to be; `infinity` is well-formed and yet never acceptable as a key or signature. */
export type PointKind = "point" | "infinity" | "invalid";

export interface Bls {
  /** For messages: `reference` or `wasm`. */
  readonly name: string;

  /** What 48 bytes of a public key are; any other length is `invalid` (consensus-verification.md §a.3). */
  publicKeyKind(bytes: Uint8Array): PointKind;
  /** What 96 bytes of a signature are; any other length is `invalid`. */
  signatureKind(bytes: Uint8Array): PointKind;

  /**
   * The point a payload is signed at, 96 bytes; undefined for the payload that stands for zero, which has none
   * (consensus-verification.md §a.5).
   */
  payloadPoint(payload: Uint8Array): Uint8Array | undefined;
  /** Sum of public keys, 48 bytes; of none: infinity. @throws {HsyncError} BLS_POINT: one does not decode. */
  addPublicKeys(keys: readonly Uint8Array[]): Uint8Array;
  /** Sum of signatures, 96 bytes; of none: infinity. @throws {HsyncError} BLS_POINT: one does not decode. */
  addSignatures(signatures: readonly Uint8Array[]): Uint8Array;

  /** Public key of a secret key. @throws {HsyncError} BLS_SECRET_KEY: not 32 bytes, zero, or not below the order. */
  publicKeyOf(secretKey: Uint8Array): Uint8Array;
  /**
   * Signature over the payload itself. Not constant time: the node never signs, tests and their chains do.
   *
   * @returns 96 bytes. @throws {HsyncError} BLS_SECRET_KEY, or BLS_PAYLOAD for a payload that stands for zero.
   */
  sign(secretKey: Uint8Array, payload: Uint8Array): Uint8Array;
  /**
   * True when `signature` over `payload` is by `publicKey`. False for anything that does not decode, and for
   * infinity on either side, which the native library would accept together (consensus-verification.md §a.6).
   */
  verify(publicKey: Uint8Array, payload: Uint8Array, signature: Uint8Array): boolean;

  /** One certificate against its committee. Throws only for what is our own fault. */
  verifyCertificate(committee: CommitteeKeys, input: CertificateInput): CertificateVerdict;
  /**
   * Many certificates of one committee, a verdict for each, in order.
   *
   * @throws {HsyncError} BLS_EMPTY_BATCH for an empty list.
   */
  verifyCertificates(committee: CommitteeKeys, inputs: readonly CertificateInput[]): CertificateVerdict[];
}
