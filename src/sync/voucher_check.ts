/**
 * What a voucher for a refused hash has sent: wrong, or not.
 *
 * Why it exists: thirty peers that send the same bytes are thirty liars and one piece of work. What must stay true: a
 * peer is convicted by bytes that it sent itself, judged as any block is; bytes that are not wrong convict nobody,
 * whatever was voted for.
 */
import { equalBytes, LruMap, toHex } from "../base/mod.ts";
import type { FetchedBlock, SyncStore } from "./types.ts";
import type { BatchVerifier, Culprit } from "./verify.ts";

/** Verdicts that are remembered. */
const MAX_KNOWN = 64;

export class VoucherCheck {
  /** Why bytes are wrong, by what they are; also while that is being worked out. */
  readonly #known = new LruMap<string, Promise<string | undefined>>(MAX_KNOWN);

  constructor(
    private readonly store: Pick<SyncStore, "head" | "hashAt">,
    private readonly verifier: BatchVerifier,
  ) {}

  /**
   * @param blocks a block that was refused and perhaps the one after it, both from one sender.
   * @returns undefined: nothing is wrong with them, or they are not ours to judge.
   * @throws {HsyncError} fault NONE; CONFLICTING_CERTIFICATES as of `BatchVerifier.examineFork`.
   */
  async guilt(blocks: readonly FetchedBlock[], signal: AbortSignal): Promise<Culprit | undefined> {
    const [block, next] = blocks;
    if (block === undefined) return undefined;
    const child = next !== undefined && equalBytes(next.parentHash, block.hash) ? next : undefined;
    // All that a verdict can rest on: what stands beside a block is not covered by its hash, and each answers for its own.
    const name = [block, child].map((b) =>
      b === undefined ? "" : `${toHex(b.hash)}/${toHex(b.delivered.commitSig)}`
    )
      .join("/");
    let verdict = this.#known.get(name);
    if (verdict === undefined) {
      verdict = this.#judge(child === undefined ? [block] : [block, child], signal);
      this.#known.set(name, verdict);
    }
    let text: string | undefined;
    try {
      text = await verdict;
    } finally {
      // With another head the same bytes may mean something else; only wrong ones stay wrong.
      if (text === undefined) this.#known.delete(name);
    }
    return text === undefined ? undefined : { streamId: block.streamId, reason: "invalid_blocks", text };
  }

  async #judge(blocks: readonly FetchedBlock[], signal: AbortSignal): Promise<string | undefined> {
    const { store, verifier } = this;
    const { number, parentHash, streamId } = blocks[0] as FetchedBlock;
    const head = store.head();
    const below = number <= head.number + 1 ? await store.hashAt(number - 1) : undefined;
    if (below === undefined) return undefined;
    const stands = equalBytes(parentHash, below);
    if (number === 1 && !stands) return "block 1 does not name this network's genesis block as its parent";
    const culprits = stands && number === head.number + 1
      ? await verifier.examineNext?.(blocks, head, signal)
      : await verifier.examineFork?.(blocks, head, signal);
    return culprits?.find((c) => c.streamId === streamId)?.text;
  }
}
