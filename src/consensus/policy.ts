/**
 * Which certificates of a hash-linked run of blocks are verified (sync-protocol.md §6.7).
 *
 * Why it exists: a header names its parent by hash, so one certificate covers everything below it; verifying every one
 * finds bad bytes earlier and proves nothing more. What must stay true: the last block of
 * whatever is committed together is always among the chosen ones, and so is every block that hands over to another committee, because nobody after it can vouch for it.
 */

/** How far from the believed end of the chain every certificate is verified, in blocks. */
export const NEAR_TARGET = 128;

/** What the operator can choose. */
export interface CertificatePolicy {
  /** `VerifyAllSig`: no block is covered by its descendants alone. */
  readonly everyBlock: boolean;
  /** `VerifyHeaderBatchSize`: heights that are multiples of this are always verified. */
  readonly everyNth: number;
}

/** The guide's defaults. */
export const DEFAULT_POLICY: CertificatePolicy = { everyBlock: false, everyNth: 100 };

/** What the choice depends on; a `Header` fits. */
export interface PolicyBlock {
  readonly number: number;
  /** Not empty: the block ends its epoch and hands over. */
  readonly shardState: Uint8Array;
}

/**
 * True when the block's own certificate must be verified wherever in a run it stands.
 *
 * @param target where the chain is believed to end; a target below the block counts as near.
 */
export function certificateDue(block: PolicyBlock, target: number, policy: CertificatePolicy): boolean {
  return policy.everyBlock ||
    block.shardState.length > 0 ||
    block.number % Math.max(1, Math.floor(policy.everyNth)) === 0 ||
    block.number + NEAR_TARGET >= target;
}

/**
 * The places in `run` whose certificates must be verified, ascending; never empty unless the run is.
 *
 * @param run consecutive, hash-linked blocks.
 * @param group the run is committed in groups of this many blocks: the last of each is verified.
 */
export function dueCertificates(
  run: readonly PolicyBlock[],
  target: number,
  policy: CertificatePolicy,
  group: number = run.length,
): number[] {
  const due: number[] = [];
  for (const [i, block] of run.entries()) {
    const tip = i === run.length - 1 || (i + 1) % group === 0;
    if (tip || certificateDue(block, target, policy)) due.push(i);
  }
  return due;
}
