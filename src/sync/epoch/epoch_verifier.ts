/**
 * From delivered blocks to certified epochs (consensus-verification.md §e.3, sync-protocol.md §6.5).
 *
 * Why it exists: a window of epochs is judged at once, so that all cores share the work, although each block is
 * judged by the committee that the one before it hands over. What must stay true: nothing counts beyond the first block
 * that fails; a failure of our own says nothing about a block.
 */
import { asHsyncError, HsyncError } from "../../base/mod.ts";
import { type NetworkParams, splitCommitSig } from "../../chain/mod.ts";
import {
  type AnchorBook,
  type BatchVerifier,
  type CertificatePlan,
  CommitteeBook,
  planCertificate,
  verifyPlans,
} from "../../consensus/mod.ts";
import type { DeliveredBlock } from "../../stream/mod.ts";
import { checkEpochBlock, nameOfEpochBlock } from "./epoch_rules.ts";
import type { EpochBlock } from "./types.ts";

/** More slots than any committee has; a larger one is decoded only once its own block is certified. */
const MAX_UNPROVEN_SLOTS = 2_000;

export interface VerifiedEpochBlock extends EpochBlock {
  /** Seconds since 1970 in its header. */
  readonly time: bigint;
}

export interface EpochVerdict {
  /** The leading blocks that are certified. */
  readonly accepted: readonly VerifiedEpochBlock[];
  /** Why the block after them is not; its fault is DATA. */
  readonly refusal: HsyncError | undefined;
}

export interface EpochVerifierOptions {
  readonly params: NetworkParams;
  readonly anchors: AnchorBook;
  readonly verifier: BatchVerifier;
  /** Bytes of the beacon ShardState that serves in an epoch, from certified blocks. */
  readonly shardStateAt: (epoch: number) => Promise<Uint8Array | undefined>;
}

export class EpochVerifier {
  readonly #o: EpochVerifierOptions;

  constructor(options: EpochVerifierOptions) {
    this.#o = options;
  }

  /**
   * Judges the ends of epochs `first`, `first + 1`, and so on; the committee of `first` must be known.
   *
   * @throws {HsyncError} fault NONE: a failure of ours, or CANCELLED.
   */
  async verify(
    blocks: readonly DeliveredBlock[],
    first: number,
    signal?: AbortSignal,
  ): Promise<EpochVerdict> {
    const { params, anchors, verifier, shardStateAt } = this.#o;
    // A book of its own: what this window offers must be seen by nobody else.
    const book = new CommitteeBook(params, 0, shardStateAt);
    const plans: CertificatePlan[] = [];
    let refusal: HsyncError | undefined;
    for (const [i, { block, commitSig }] of blocks.entries()) {
      const epoch = first + i;
      try {
        checkEpochBlock(block, epoch, params, anchors);
        const { committee, provisionalFrom } = await book.committee(epoch, 0);
        // Whoever forged the block before may have invented a committee that takes minutes to decode.
        if (provisionalFrom !== undefined && committee.slots.length > MAX_UNPROVEN_SLOTS) break;
        plans.push(planCertificate(block.header, splitCommitSig(commitSig), committee));
        book.offer(block.header);
      } catch (cause) {
        // No usable committee, by a block that is not judged yet: it may be a forgery, and is judged first.
        if (i > 0 && asHsyncError(cause).fault !== "DATA") break;
        refusal = refusalOf(cause, block, epoch);
        break;
      }
    }
    const verdicts = plans.length === 0 ? [] : await verifyPlans(plans, verifier, signal);
    const bad = verdicts.findIndex((error) => error !== undefined);
    const good = bad < 0 ? plans.length : bad;
    if (bad >= 0) {
      const { block } = blocks[bad] as DeliveredBlock;
      refusal = refusalOf(verdicts[bad], block, first + bad);
    }
    return { accepted: blocks.slice(0, good).map((delivered, i) => rowOf(delivered, first + i)), refusal };
  }
}

function rowOf({ block, commitSig }: DeliveredBlock, epoch: number): VerifiedEpochBlock {
  const { number, hash, bytes, header } = block;
  return { epoch, number, hash, bytes, commitSig, time: header.time };
}

/** The error for a block that is not accepted, naming it as an epoch block. @throws what is nobody else's fault. */
function refusalOf(
  cause: unknown,
  block: { readonly number: number; readonly hash: Uint8Array },
  epoch: number,
): HsyncError {
  const error = asHsyncError(cause);
  if (error.fault !== "DATA") throw error;
  // Rules and anchors name it already; a certificate's refusal speaks of blocks.
  if (!error.code.startsWith("CERT_") && error.code !== "COMMIT_SIG_SHORT") return error;
  return new HsyncError(error.code, `${nameOfEpochBlock(block, epoch)} is refused: ${error.message}`, {
    fault: "DATA",
    blockNumber: block.number,
    cause: error,
  });
}
