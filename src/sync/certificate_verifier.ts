/**
 * The verifier that makes blocks `signed`: header rules, anchors, certificates, incoming receipts
 * (consensus-verification.md §d, §e; sync-protocol.md §6.7, §6.9).
 *
 * Why it exists: it decides what enters the store. What must stay true: no block is accepted that no verified certificate
 * covers, and none goes on from a stored block whose committee was not certified; a certificate is kept only after it
 * verified; whoever is named a culprit sent bytes that are wrong whatever else is true; whatever fails on our own side
 * is thrown with fault NONE.
 */
import {
  asHsyncError,
  type Clock,
  equalBytes,
  HsyncError,
  isAbort,
  type Logger,
  type Meter,
  nullMeter,
  safeText,
  to0x,
} from "../base/mod.ts";
import {
  decodeCrossLinks,
  decodeHeader,
  type Header,
  joinCommitSig,
  type NetworkParams,
  nextEpoch,
} from "../chain/mod.ts";
import {
  type AnchorBook,
  type BatchVerifier as CurveWork,
  type CertificatePolicy,
  checkBeaconState,
  checkHeader,
  CommitteeBook,
  type EvidenceSink,
} from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { ErrorLabel } from "./error_label.ts";
import { examineFork } from "./fork_check.ts";
import { OddityLog } from "./oddity_log.ts";
import type { ReceiptRun } from "./receipt_rules.ts";
import { ReceiptWatch } from "./receipt_watch.ts";
import { type RunBlock, RunCertifier } from "./run_certifier.ts";
import type { ChainPoint, FetchedBlock } from "./types.ts";
import type { Acceptance, BatchVerifier, Culprit, Refusal, Verdict, VerifyContext } from "./verify.ts";

/** What the verifier reads and writes of the store; blocks themselves are appended by States. */
export type VerifierStore = Pick<
  ChainStore,
  | "meta"
  | "hashAt"
  | "headerAt"
  | "headers"
  | "blockAt"
  | "commitSigAt"
  | "shardStateAt"
  | "record"
  | "putRecord"
  | "recordAt"
  | "unprovenBodies"
>;

/** Bytes of the beacon chain's ShardState for an epoch; undefined where it is not known. @throws CANCELLED */
export type LoadBeaconState = (epoch: number, signal?: AbortSignal) => Promise<Uint8Array | undefined>;

export interface CertifyingVerifierOptions {
  readonly store: VerifierStore;
  readonly params: NetworkParams;
  /** Does the curve work: `createCertificateVerifier()`, shared and closed by whoever made it. */
  readonly certificates: CurveWork;
  readonly anchors: AnchorBook;
  /** `VerifyAllSig` and `VerifyHeaderBatchSize`. */
  readonly policy: CertificatePolicy;
  readonly evidence: EvidenceSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter?: Meter;
  /**
   * On shards other than 0: bytes of the beacon chain's certified ShardState for an epoch; undefined where it is not known
   * (yet), and then the shard's own hand-over stands alone. It may wait; the signal ends that.
   */
  readonly beaconStateAt?: LoadBeaconState;
}

/** The first block of a batch that cannot enter, whatever its certificate says. */
interface Breach {
  readonly place: number;
  readonly refusal: Refusal;
}

export class CertifyingVerifier implements BatchVerifier {
  readonly certifies = true;
  /** The committees as this chain hands them over; reading is free to all. */
  readonly committees: CommitteeBook;
  readonly #certifier: RunCertifier;
  readonly #receipts: ReceiptWatch;
  readonly #oddities: OddityLog;
  /** The newest accepted block: normally the next batch's parent. */
  #tip: Header | undefined;

  constructor(private readonly options: CertifyingVerifierOptions) {
    const { store, params, certificates, policy, logger } = options;
    this.committees = new CommitteeBook(params, store.meta.shardId, (epoch) => store.shardStateAt(epoch));
    this.#certifier = new RunCertifier({ committees: this.committees, verifier: certificates, policy });
    this.#receipts = new ReceiptWatch({ store, params, logger });
    this.#oddities = new OddityLog(logger, options.meter ?? nullMeter, String(store.meta.shardId));
  }

  async verify(batch: readonly FetchedBlock[], context: VerifyContext): Promise<Verdict> {
    return await this.#guard("verifying blocks", () => this.#verify(batch, context));
  }
  async examineNext(
    [block, child]: readonly FetchedBlock[],
    head: ChainPoint,
    signal: AbortSignal,
  ): Promise<readonly Culprit[]> {
    return await this.#guard("looking at a block that was refused", async () => {
      const bytes = await this.options.store.headerAt(head.number);
      if (block === undefined || bytes === undefined) return [];
      const parent = decodeHeader(bytes);
      const breach = await this.#headerBreach(block, parent, signal);
      if (breach !== undefined) return breach.culprits;
      const after = child === undefined ? undefined : runBlock(child);
      // A run of one block never leads to another epoch: no committee is offered.
      const { refusal } = await this.#certifier.certify(
        [runBlock(block)],
        parent,
        after,
        block.number,
        signal,
      );
      return refusal?.culprits ?? [];
    });
  }
  async examineFork(
    blocks: readonly FetchedBlock[],
    head: ChainPoint,
    signal: AbortSignal,
    rootOf?: (streamId: string) => Promise<readonly FetchedBlock[] | undefined>,
  ): Promise<readonly Culprit[]> {
    const { store, params, anchors, evidence, clock, logger } = this.options;
    return await this.#guard("looking at a fork", () =>
      examineFork(blocks.map(runBlock), head, {
        store,
        params,
        anchors,
        evidence,
        logger,
        now: () => clock.now(),
        committees: this.committees,
        certifier: this.#certifier,
        rootOf: rootOf === undefined ? undefined : async (id) => (await rootOf(id))?.map(runBlock),
        signal,
      }));
  }

  /** An error of our own blames nobody, whatever it was about. */
  async #guard<T>(what: string, job: () => Promise<T>): Promise<T> {
    try {
      return await job();
    } catch (error) {
      const known = asHsyncError(error);
      if (isAbort(error) || known.fault === "NONE") throw known;
      throw new HsyncError("VERIFIER_FAILED", `${what}: ${known.message}`, { cause: error, retryable: true });
    }
  }

  async #verify(batch: readonly FetchedBlock[], context: VerifyContext): Promise<Verdict> {
    const { target, child, group, signal } = context;
    const head = await this.#follow(context.parent);
    const breach = await this.#firstBreach(batch, head, signal);
    const good = batch.slice(0, breach?.place ?? batch.length);
    if (good.length === 0) {
      return { accepted: [], ...(breach === undefined ? {} : { refusal: breach.refusal }) };
    }
    const after = batch[good.length] ?? child;
    const run = good.map(runBlock);
    const outcome = await this.#certifier.certify(
      run,
      head,
      after === undefined ? undefined : runBlock(after),
      target,
      signal,
      group,
    );
    const blocks = good.slice(0, outcome.count).map((b) => b.delivered.block);
    const { bodies, later } = await this.#receipts.accept(blocks, head.number);
    const accepted = blocks.map((block, i): Acceptance => {
      const kept = i === blocks.length - 1 ? outcome.certificate : outcome.tips.get(i);
      const body = bodies.get(block.number);
      return {
        assurance: "signed",
        commitSig: kept === undefined ? undefined : joinCommitSig(kept),
        ...(body === undefined ? {} : { body }),
      };
    });
    this.#tip = blocks.at(-1)?.header ?? head;
    const refusal = outcome.refusal ?? breach?.refusal;
    return {
      accepted,
      ...(later.length === 0 ? {} : { bodies: later }),
      ...(refusal === undefined ? {} : { refusal }),
    };
  }

  /** The header of the stored head; what was remembered of another chain, or of blocks that were not stored, goes. */
  async #follow(parent: ChainPoint): Promise<Header> {
    const tip = this.#tip;
    this.committees.forgetAbove(-1);
    if (tip !== undefined && equalBytes(tip.hash, parent.hash)) return tip;
    if (tip !== undefined) {
      this.committees.reset();
      this.#receipts.forgetAbove(parent.number);
    }
    const bytes = await this.options.store.headerAt(parent.number);
    const header = bytes === undefined ? undefined : decodeHeader(bytes);
    if (header === undefined || !equalBytes(header.hash, parent.hash)) {
      throw new HsyncError("STORE_HEAD_MOVED", `block ${parent.number} is not in the store any more`, {
        retryable: true,
        blockNumber: parent.number,
      });
    }
    this.#tip = header;
    return header;
  }

  async #firstBreach(
    batch: readonly FetchedBlock[],
    head: Header,
    signal: AbortSignal,
  ): Promise<Breach | undefined> {
    const headers = batch.map((block) => block.delivered.block.header);
    const receipts = await this.#receipts.run(head.number, headers);
    let parent = head;
    for (const [place, block] of batch.entries()) {
      const refusal = await this.#headerBreach(block, parent, signal) ??
        await this.#bodyBreach(block, receipts);
      if (refusal !== undefined) return { place, refusal };
      parent = block.delivered.block.header;
    }
    return undefined;
  }
  async #headerBreach(
    block: FetchedBlock,
    parent: Header,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const { params, anchors, clock } = this.options;
    const { header } = block.delivered.block;
    try {
      anchors.requireHeader(header);
      requireLinks(header, anchors);
    } catch (error) {
      return refuse(block, "hash_mismatch", error, "anotherCandidate");
    }
    try {
      this.#oddities.note(checkHeader(parent, header, params, { now: clock.now() / 1000 }));
      await this.#beaconBreach(header, signal);
      return undefined;
    } catch (error) {
      // Blocks were linked on arrival: a gap is not what this peer sent, but how we put it together.
      const ours = error instanceof HsyncError &&
        ["HEADER_NUMBER", "HEADER_PARENT_HASH"].includes(error.code);
      return refuse(block, ours ? "bad_parent" : "bad_body", error, "anotherCandidate", !ours);
    }
  }
  /** The committees that another shard hands over are those of the beacon chain, where that is known. */
  async #beaconBreach(header: Header, signal: AbortSignal): Promise<void> {
    const { params, beaconStateAt } = this.options;
    if (beaconStateAt === undefined || header.shardId === 0 || header.shardState.length === 0) return;
    const epoch = nextEpoch(header, undefined, params);
    if (!params.isStaking(epoch)) return;
    const bytes = await beaconStateAt(epoch, signal);
    if (bytes !== undefined) checkBeaconState(header, bytes);
  }
  async #bodyBreach(block: FetchedBlock, receipts: ReceiptRun): Promise<Refusal | undefined> {
    const { block: whole } = block.delivered;
    if (whole.incomingReceiptItems().length === 0) return undefined;
    try {
      for (const { header } of whole.incomingReceipts()) {
        this.options.anchors.requireHeader(header);
      }
    } catch (error) {
      return refuse(block, "bad_body", error, "anotherSender");
    }
    const problem = await receipts.problem(whole);
    if (problem === undefined) return undefined;
    const text = `block ${block.number} (${to0x(block.hash).slice(0, 18)}…) is refused: ${problem}`;
    return refuse(
      block,
      "bad_body",
      new HsyncError("RECEIPTS_REFUSED", text, { fault: "DATA" }),
      "anotherSender",
    );
  }
}

/** A beacon block that links a block which must not be is not of the true chain either. */
function requireLinks(header: Header, anchors: AnchorBook): void {
  if (header.crossLinks.length === 0) return;
  let links;
  try {
    links = decodeCrossLinks(header.crossLinks);
  } catch {
    // Not readable: nothing is linked. Whoever uses links says so.
    return;
  }
  for (const { shardId, blockNumber, hash } of links) anchors.require(shardId, blockNumber, hash);
}

function runBlock(block: FetchedBlock): RunBlock {
  const { delivered, streamId } = block;
  return { header: delivered.block.header, sideCar: delivered.commitSig, streamId };
}

/** A refusal out of an error with fault DATA; any other error is ours and goes on. */
function refuse(
  block: FetchedBlock,
  label: ErrorLabel,
  error: unknown,
  remedy: Refusal["remedy"],
  blamed = true,
): Refusal {
  if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
  const text = safeText(error.message, 500);
  const culprits: Culprit[] = blamed ? [{ streamId: block.streamId, reason: "invalid_blocks", text }] : [];
  return { number: block.number, label, text, culprits, remedy };
}
