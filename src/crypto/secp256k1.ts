/**
 * Who signed a transaction: public key recovery on secp256k1.
 *
 * Why it exists: a transaction names its sender only through its signature. What must stay true: a signature that
 * the rules exclude (out of range, high s where forbidden, recovery id above 1) gives an error, never an address.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { HsyncError } from "../base/mod.ts";
import { keccak256 } from "./keccak.ts";

const ORDER = secp256k1.Point.Fn.ORDER;
const HALF_ORDER = ORDER >> 1n;

/** A signature whose public key can be recovered. */
export interface RecoverableSignature {
  readonly r: bigint;
  readonly s: bigint;
  /** Which of the two candidate points; other values are never valid here. */
  readonly recoveryId: number;
}

function invalid(why: string, cause?: unknown): HsyncError {
  return new HsyncError("SIGNATURE_INVALID", `cannot recover the signer of a transaction: ${why}`, {
    fault: "DATA",
    cause,
  });
}

/** The address that belongs to an uncompressed public key (65 bytes): the last 20 bytes of its hash. */
export function addressOfPublicKey(publicKey: Uint8Array): Uint8Array {
  return keccak256(publicKey.subarray(1)).subarray(12);
}

/**
 * The address (20 bytes) whose key signed `hash` (32 bytes).
 *
 * @param options.allowHighS accept s above half the group order, as the oldest transactions may have.
 * @throws {HsyncError} SIGNATURE_INVALID, fault DATA.
 */
export function recoverAddress(
  hash: Uint8Array,
  signature: RecoverableSignature,
  options: { readonly allowHighS?: boolean } = {},
): Uint8Array {
  const { r, s, recoveryId } = signature;
  if (r < 1n || r >= ORDER || s < 1n || s >= ORDER) throw invalid("r or s is out of range");
  if (recoveryId !== 0 && recoveryId !== 1) throw invalid(`recovery id ${recoveryId}`);
  if (s > HALF_ORDER && options.allowHighS !== true) throw invalid("s is in the upper half");
  let publicKey: Uint8Array;
  try {
    publicKey = new secp256k1.Signature(r, s, recoveryId).recoverPublicKey(hash).toBytes(false);
  } catch (cause) {
    throw invalid("no public key fits", cause);
  }
  return addressOfPublicKey(publicKey);
}
