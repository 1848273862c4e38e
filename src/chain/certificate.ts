/**
 * Commit signatures as bytes, and what they sign (chain-format.md §11.1, §11.2).
 *
 * Why it exists: the same pair of signature and bitmap travels in child headers, in stream messages, in
 * cross-links and in proofs. What must stay true: nothing here says that a signature is good.
 */
import { concat, HsyncError, le64 } from "../base/mod.ts";

/** Length of an aggregate signature, in bytes. */
export const COMMIT_SIGNATURE_LENGTH = 96;

/** An aggregate signature and who is in it. */
export interface CommitSig {
  /** 96 bytes. */
  readonly signature: Uint8Array;
  /** One bit per slot of the committee, least significant bit of the first byte first. */
  readonly bitmap: Uint8Array;
}

/**
 * Cuts `signature ‖ bitmap` apart, as views. An empty bitmap is possible: block 0 is served with one.
 *
 * @throws {HsyncError} COMMIT_SIG_SHORT, fault DATA: fewer than 96 bytes.
 */
export function splitCommitSig(bytes: Uint8Array): CommitSig {
  if (bytes.length < COMMIT_SIGNATURE_LENGTH) {
    throw new HsyncError(
      "COMMIT_SIG_SHORT",
      `commit signature of ${bytes.length} bytes, at least 96 expected`,
      {
        fault: "DATA",
      },
    );
  }
  return {
    signature: bytes.subarray(0, COMMIT_SIGNATURE_LENGTH),
    bitmap: bytes.subarray(COMMIT_SIGNATURE_LENGTH),
  };
}

/** `signature ‖ bitmap`. @throws {RangeError} the signature does not have 96 bytes. */
export function joinCommitSig(sig: CommitSig): Uint8Array {
  if (sig.signature.length !== COMMIT_SIGNATURE_LENGTH) {
    throw new RangeError(`cannot join a commit signature of ${sig.signature.length} bytes`);
  }
  return concat(sig.signature, sig.bitmap);
}

/** The certificate of a block's parent, as the block's header carries it. */
export function parentCommitSig(
  header: { readonly lastCommitSignature: Uint8Array; readonly lastCommitBitmap: Uint8Array },
): CommitSig {
  return { signature: header.lastCommitSignature, bitmap: header.lastCommitBitmap };
}

/**
 * The message that a committee signs to commit a block: all values are the signed block's own.
 *
 * @param staking whether the block's epoch is in the staking era: then the view id is signed too.
 * @returns 40 bytes, or 48 in the staking era.
 */
export function commitPayload(
  block: { readonly number: number; readonly hash: Uint8Array; readonly viewId: bigint },
  staking: boolean,
): Uint8Array {
  return staking
    ? concat(le64(block.number), block.hash, le64(block.viewId))
    : concat(le64(block.number), block.hash);
}
