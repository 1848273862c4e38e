/**
 * What happens to a store before a node uses it: anchors, and certificates for what was stored without.
 *
 * Why it exists: a store that was made without certificates must not be served as if it had them, and one on a branch
 * that the network gave up must not be used at all. What must stay true: a block that stays is certified; what was certified
 * before a cut-off need not be certified again.
 */
import { type HsyncError, nullLogger } from "../base/mod.ts";
import { decodeBlock, type Header, joinCommitSig, type NetworkParams } from "../chain/mod.ts";
import { type AnchorBook, type BatchVerifier, checkHeader } from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import { ReceiptWatch } from "./receipt_watch.ts";
import { type ReadableStore, storedFault, StoreWalk, type StoreWalkOptions } from "./store_walk.ts";

/** What certifying a store takes. */
export type CertifiableStore =
  & ReadableStore
  & Pick<
    ChainStore,
    | "lowestAssurance"
    | "info"
    | "headers"
    | "record"
    | "putRecord"
    | "raiseAssurance"
    | "markBodies"
    | "unprovenBodies"
    | "unwindTo"
    | "putCommitSig"
  >;

export interface CertifiedStore {
  /** Blocks that became `signed` now. */
  readonly raised: number;
  /** Blocks that had to go. */
  readonly removed: number;
  /** Why the first of them could not stay. */
  readonly reason: HsyncError | undefined;
}

/**
 * Certifies the blocks of a store that are only linked, from the lowest one on; what cannot be certified is removed.
 * Reads nothing when all is certified. A cut-off keeps what was certified so far.
 *
 * @throws {HsyncError} CANCELLED; what the store or the verifier throws.
 */
export async function certifyOnOpen(
  store: CertifiableStore,
  params: NetworkParams,
  verifier: BatchVerifier,
  options: StoreWalkOptions = {},
): Promise<CertifiedStore> {
  if (store.head().number === store.lowest() || store.lowestAssurance() !== "linked") {
    return { raised: 0, removed: 0, reason: undefined };
  }
  const { certified } = await store.info();
  const walk = await StoreWalk.begin(store, params, verifier, options, { from: certified + 1 });
  const receipts = new ReceiptWatch({ store, params, logger: nullLogger });
  let asked = await receipts.run(walk.done, []);
  const check = async (number: number, parent: Header) => {
    const stored = await store.blockAt(number);
    if (stored === undefined) throw storedFault(number, "STORED_BLOCK_MISSING", `block ${number} is missing`);
    const block = decodeBlock(stored.bytes);
    walk.anchors.requireHeader(block.header);
    checkHeader(parent, block.header, params);
    const problem = await asked.problem(block);
    if (problem !== undefined) {
      throw storedFault(number, "RECEIPTS_REFUSED", `block ${number} is refused: ${problem}`);
    }
    return block;
  };
  for (let below = walk.done;; below = walk.done) {
    const run = await walk.next(check);
    if (run === undefined) break;
    if (run.good.length > 0) {
      const { bodies, later } = await receipts.accept(run.good, below);
      await store.raiseAssurance(below + 1, walk.done, "signed");
      const now = run.good.flatMap(({ number, hash }) => {
        const body = bodies.get(number);
        return body === undefined ? [] : [{ number, hash, body }];
      });
      await store.markBodies([...later, ...now]);
    }
    asked = await receipts.run(walk.done, []);
    if (walk.failure !== undefined) {
      await store.unwindTo(walk.done);
      const certificate = run.outcome?.certificate;
      if (certificate !== undefined) await store.putCommitSig(walk.done, joinCommitSig(certificate));
    }
  }
  return { raised: walk.done - certified, removed: walk.to - walk.done, reason: walk.failure?.error };
}

/**
 * Holds a store against the anchors of its network, before anything is done with it.
 * @throws {HsyncError} ANCHOR_BREACH, exit 11: it is on a branch that the network gave up; `hsync db unwind` mends it.
 */
export async function requireAnchors(
  store: Pick<ChainStore, "meta" | "head" | "lowest" | "hashAt" | "numberOf">,
  anchors: AnchorBook,
): Promise<void> {
  const { shardId } = store.meta;
  for (const { number } of anchors.anchorsOf(shardId)) {
    if (number < store.lowest() || number > store.head().number) continue;
    const hash = await store.hashAt(number);
    if (hash !== undefined) anchors.require(shardId, number, hash);
  }
  for (const hash of anchors.knownBadOf(shardId)) {
    const number = await store.numberOf(hash);
    if (number !== undefined) anchors.require(shardId, number, hash);
  }
}
