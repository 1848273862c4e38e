/**
 * What a hash-linked batch is worth, as an exchangeable part (sync-protocol.md §6.7, §6.9).
 *
 * Why it exists: downloading and storing do not change when certificates, and later execution, decide what a block
 * is worth; only the verifier does. What must stay true: a block that a verifier did not accept is not stored, and
 * the recorded assurance is never more than what this verifier proved.
 */
import type { Assurance, BodyMark } from "../store/mod.ts";
import type { RemovalReason } from "../stream/mod.ts";
import type { ErrorLabel } from "./error_label.ts";
import type { ChainPoint, FetchedBlock } from "./types.ts";

/** What is recorded of an accepted block. */
export interface Acceptance {
  readonly assurance: Assurance;
  /** Signature ‖ bitmap to keep and serve; undefined: none is kept. */
  readonly commitSig: Uint8Array | undefined;
  /** Whether the incoming receipts were proven; undefined: not looked at. */
  readonly body?: "proven" | "unproven";
}

/** A peer that sent bytes that are objectively wrong. */
export interface Culprit {
  readonly streamId: string;
  readonly reason: RemovalReason;
  readonly text: string;
}

/** Why the batch was not accepted beyond a block, and what to try next. */
export interface Refusal {
  /** The first block that is not accepted. */
  readonly number: number;
  readonly label: ErrorLabel;
  readonly text: string;
  readonly culprits: readonly Culprit[];
  /**
   * `anotherSender`: the hash may be right, the bytes beside it (side-car, incoming receipts) are not.
   * `anotherCandidate`: no bytes can make this hash good.
   */
  readonly remedy: "anotherSender" | "anotherCandidate";
  /**
   * With `anotherCandidate`: the block that cannot be good. Default `number`; above it when only the bytes beside
   * block `number` were wrong, and its hash may still be right.
   */
  readonly hopeless?: number;
}

export interface Verdict {
  /** For the leading blocks of the batch, in order. */
  readonly accepted: readonly Acceptance[];
  /** Present when fewer blocks were accepted than asked, or when the block after the batch turned out to be bad. */
  readonly refusal?: Refusal;
  /** Of blocks that were stored before: what this batch has proven of their incoming receipts. */
  readonly bodies?: readonly BodyMark[];
}

export interface VerifyContext {
  /** The store's head, which the batch continues. */
  readonly parent: ChainPoint;
  /** Where the chain is believed to end: blocks near it deserve more care. */
  readonly target: number;
  /** The block after the batch, when it is at hand: its header carries the last block's certificate. */
  readonly child: FetchedBlock | undefined;
  /** The batch is committed in groups of this many blocks, the last of each with its certificate. Default: in one. */
  readonly group?: number;
  readonly signal: AbortSignal;
}

export interface BatchVerifier {
  /** True when accepted blocks are covered by certificates; then a single peer's word is enough to try a block. */
  readonly certifies: boolean;
  /**
   * Judges blocks that were linked on arrival, 1..512 of them. An internal error rejects and blames nobody.
   * @throws {HsyncError} fault NONE.
   */
  verify(batch: readonly FetchedBlock[], context: VerifyContext): Promise<Verdict>;
  /**
   * Judges the block that would follow `head`, the store's, and with it perhaps the block after, by what they are alone:
   * nothing is accepted, and nothing is remembered of them.
   *
   * @returns those who sent bytes that are objectively wrong.
   * @throws {HsyncError} fault NONE.
   */
  examineNext?(
    blocks: readonly FetchedBlock[],
    head: ChainPoint,
    signal: AbortSignal,
  ): Promise<readonly Culprit[]>;
  /**
   * Looks at blocks, ascending and linked, the lowest of which stands on another block than `head`, the store's.
   *
   * @param rootOf the first blocks of a sender's chain that are others than ours; undefined where it does not say.
   * @returns those who sent bytes of them that are objectively wrong.
   * @throws {HsyncError} CONFLICTING_CERTIFICATES: both they and the stored block are certified; nothing may go on.
   */
  examineFork?(
    blocks: readonly FetchedBlock[],
    head: ChainPoint,
    signal: AbortSignal,
    rootOf?: (streamId: string) => Promise<readonly FetchedBlock[] | undefined>,
  ): Promise<readonly Culprit[]>;
}
