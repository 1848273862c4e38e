/**
 * A verifier that asks for no certificate.
 *
 * Why it exists: how blocks are fetched, ordered and stored is tested without the cost of signatures. What must stay true: it is
 * no part of the program, where nothing enters a store without a certificate.
 */
import { equalBytes, HsyncError } from "../../../src/base/mod.ts";
import { type NetworkParams, nextEpoch } from "../../../src/chain/mod.ts";
import type { ErrorLabel } from "../../../src/sync/error_label.ts";
import type { ChainPoint, FetchedBlock } from "../../../src/sync/types.ts";
import type { Acceptance, BatchVerifier, Refusal, Verdict, VerifyContext } from "../../../src/sync/verify.ts";

/**
 * Accepts what links, has the right shard and decodes: everything that can be said without signatures. Side-cars are
 * kept as they came.
 */
export class LinkedOnlyVerifier implements BatchVerifier {
  readonly certifies = false;

  constructor(
    private readonly params: Pick<NetworkParams, "stakingEpoch">,
    private readonly shardId: number,
  ) {}

  verify(batch: readonly FetchedBlock[], context: VerifyContext): Promise<Verdict> {
    const accepted: Acceptance[] = [];
    let parent = context.parent;
    for (const block of batch) {
      const refusal = this.#refusal(block, parent);
      if (refusal !== undefined) return Promise.resolve({ accepted, refusal });
      const { commitSig } = block.delivered;
      accepted.push({ assurance: "linked", commitSig: commitSig.length > 0 ? commitSig : undefined });
      parent = block;
    }
    return Promise.resolve({ accepted });
  }

  #refusal(block: FetchedBlock, parent: ChainPoint): Refusal | undefined {
    const { header } = block.delivered.block;
    if (block.number !== parent.number + 1 || !equalBytes(block.parentHash, parent.hash)) {
      return refuse(
        block,
        "bad_parent",
        `block ${block.number} does not continue block ${parent.number}`,
        false,
      );
    }
    if (header.shardId !== this.shardId) {
      const text = `block ${block.number} is of shard ${header.shardId}, not of shard ${this.shardId}`;
      return refuse(block, "bad_body", text, true);
    }
    try {
      nextEpoch(header, undefined, this.params);
    } catch (error) {
      if (!(error instanceof HsyncError)) throw error;
      return refuse(block, "decode", `block ${block.number}: ${error.message}`, true);
    }
    return undefined;
  }
}

function refuse(block: FetchedBlock, label: ErrorLabel, text: string, blamed: boolean): Refusal {
  const culprit = { streamId: block.streamId, reason: "invalid_blocks", text } as const;
  return { number: block.number, label, text, culprits: blamed ? [culprit] : [], remedy: "anotherCandidate" };
}
