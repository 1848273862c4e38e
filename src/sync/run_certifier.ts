/**
 * How far a run of linked blocks is certified, and who sent what is wrong (sync-protocol.md §6.7, §6.9).
 *
 * Why it exists: blocks on their way in and blocks in a store are judged alike. What must stay true: a block counts only when its
 * own certificate or that of a descendant in the same run verified; the committees that a block hands over are
 * used only after that block's own certificate verified; a bad certificate that a good one above it covers counts only where the
 * policy asks for it; the certificate in a child's header comes before the one that came beside the block. A certificate in a header is covered by that header's hash: a bad one condemns the child, and
 * only what stood beside the block condemns nothing but its sender.
 */
import { equalBytes, HsyncError, LruMap, toHex } from "../base/mod.ts";
import { type CommitSig, type Header, parentCommitSig, splitCommitSig } from "../chain/mod.ts";
import {
  type BatchVerifier,
  type CertificatePlan,
  type CertificatePolicy,
  type CommitteeBook,
  dueCertificates,
  type EpochCommittee,
  planCertificate,
  verifyPlans,
} from "../consensus/mod.ts";
import type { Culprit, Refusal } from "./verify.ts";

/** A block of a run; its header passed the header rules. */
export interface RunBlock {
  readonly header: Header;
  /** Signature ‖ bitmap that came beside the block; undefined: none did. */
  readonly sideCar: Uint8Array | undefined;
  /** Who sent both; undefined: our own store. */
  readonly streamId: string | undefined;
}

/** What certifying came to. */
export interface RunOutcome {
  /** How many leading blocks of the run are certified. */
  readonly count: number;
  /** The verified certificate of the last of them. */
  readonly certificate: CommitSig | undefined;
  /** The verified certificates of blocks that end a group, by their place in the run. */
  readonly tips: ReadonlyMap<number, CommitSig>;
  /** Why it is not the whole run, or why the block after it cannot follow. */
  readonly refusal: Refusal | undefined;
}

/** How far it goes, without the groups on the way. */
type Ending = Omit<RunOutcome, "tips">;

/** What is to be certified, and which certificates decide. */
interface Plan {
  readonly run: readonly RunBlock[];
  readonly claims: readonly Claim[];
  readonly due: ReadonlySet<number>;
  readonly group: number;
}

/** Undefined: it verified. Fault DATA otherwise. */
type Judged = HsyncError | undefined;

/** A block and one certificate for it. */
interface Claim {
  readonly header: Header;
  readonly sig: CommitSig | undefined;
  /** The block whose header carries `sig`; undefined: it is a side-car. */
  readonly carrier: RunBlock | undefined;
}

/** Certificates that are known to be good: retries, and each batch's tip in the next one. */
const KNOWN_GOOD = 2_048;

export interface RunCertifierOptions {
  readonly committees: CommitteeBook;
  readonly verifier: BatchVerifier;
  readonly policy: CertificatePolicy;
}

export class RunCertifier {
  readonly #good = new LruMap<string, true>(KNOWN_GOOD);
  #verified = 0;

  constructor(private readonly options: RunCertifierOptions) {}

  /** Certificates verified so far. */
  get verified(): number {
    return this.#verified;
  }

  /**
   * Certifies a run from its beginning.
   *
   * @param run linked blocks on top of `head`, 1 or more, whose headers passed the rules.
   * @param head the certified block below.
   * @param after the block after the run, if any is at hand; it counts only where it names the run's last block.
   * @param target where the chain is believed to end.
   * @param group the run is committed in groups of this many blocks: the last of each needs a certificate of its own.
   * @throws {HsyncError} fault NONE: cancelled, or something failed on our side; nothing is known then.
   */
  async certify(
    run: readonly RunBlock[],
    head: Header,
    after: RunBlock | undefined,
    target: number,
    signal: AbortSignal | undefined,
    group: number = Math.max(1, run.length),
  ): Promise<RunOutcome> {
    const claims = run.map((block, i) => primaryClaim(block, run[i + 1] ?? after));
    const tips = new Map<number, CommitSig>();
    const bad = await this.#headsPair(run[0], head, signal);
    if (bad !== undefined) return { ...bad, tips };
    const headers = run.map((block) => block.header);
    const due = new Set(dueCertificates(headers, target, this.options.policy, group));
    for (let from = 0; from < run.length;) {
      const { epoch } = headers[from] as Header;
      let to = from;
      while (to < run.length && headers[to]?.epoch === epoch) to++;
      const failed = await this.#epoch({ run, claims, due, group }, from, to, signal);
      // What certifies the last block before a failure is in `certificate`: it need not be what was tried first.
      for (let i = from; i < (failed === undefined ? to : failed.count - 1); i++) {
        const sig = claims[i]?.sig;
        if ((i + 1) % group === 0 && sig !== undefined) tips.set(i, sig);
      }
      if (failed !== undefined) return { ...failed, tips };
      // The block that leads to another epoch has just been certified itself: its committees may be used.
      if (to < run.length) this.options.committees.offer((run[to - 1] as RunBlock).header);
      from = to;
    }
    return { count: run.length, certificate: claims.at(-1)?.sig, tips, refusal: undefined };
  }

  /**
   * Judges certificates of one block, best first.
   * @returns the first good one, or why each is refused.
   * @throws {HsyncError} fault NONE.
   */
  async certificateOf(
    block: RunBlock,
    child: RunBlock | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly good: CommitSig | undefined; readonly culprits: readonly Culprit[] }> {
    const claims = [primaryClaim(block, child)];
    if (claims[0]?.carrier !== undefined) claims.push(sideClaim(block));
    const culprits: Culprit[] = [];
    for (const claim of claims) {
      const [error] = await this.#judge([claim], signal);
      if (error === undefined) return { good: claim.sig, culprits: [] };
      blame(culprits, claim, block, error);
    }
    return { good: undefined, culprits };
  }

  /** The pair that the run's first block carries for the head: bad, it condemns that block. */
  async #headsPair(
    first: RunBlock | undefined,
    head: Header,
    signal: AbortSignal | undefined,
  ): Promise<Ending | undefined> {
    if (first === undefined || head.number === 0) return undefined;
    const claim: Claim = { header: head, sig: parentCommitSig(first.header), carrier: first };
    let error: Judged;
    try {
      [error] = await this.#judge([claim], signal);
    } catch (cause) {
      // A chain that begins at a checkpoint: the operator vouched for that block, and nobody here knows who had to sign it.
      if (cause instanceof HsyncError && cause.code === "COMMITTEE_UNKNOWN") return undefined;
      throw cause;
    }
    if (error === undefined) return undefined;
    const culprits: Culprit[] = [];
    blame(culprits, claim, first, error);
    return { count: 0, certificate: undefined, refusal: condemned(first, error, culprits) };
  }

  /** Blocks `from`..`to - 1`, all of one epoch. @returns undefined when they are certified up to the last. */
  async #epoch(
    { run, claims, due, group }: Plan,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<Ending | undefined> {
    const all = Array.from({ length: to - from }, (_, i) => from + i);
    const judged = new Map<number, Judged>();
    await this.#judgeAt(claims, all.filter((i) => due.has(i)), judged, signal);
    const wrong = all.find((i) => judged.get(i) !== undefined);
    if (wrong === undefined) return undefined;
    // The groups below are certified by their last blocks. Within this one every certificate tells where it goes wrong.
    const places = all.filter((i) => Math.floor(i / group) === Math.floor(wrong / group));
    await this.#judgeAt(claims, places.filter((i) => !judged.has(i)), judged, signal);
    const good = places.filter((i) => judged.get(i) === undefined);
    // One good certificate covers everything below it, whatever else is wrong there.
    const firstBad = (good.findLast((i) => i < wrong) ?? (places[0] as number) - 1) + 1;
    const block = run[firstBad] as RunBlock;
    const claim = claims[firstBad] as Claim;
    const error = judged.get(firstBad) as HsyncError;
    const culprits: Culprit[] = [];
    for (const i of places.filter((i) => i >= firstBad && (due.has(i) || i > (good.at(-1) ?? -1)))) {
      const why = judged.get(i);
      if (why !== undefined) blame(culprits, claims[i] as Claim, run[i] as RunBlock, why);
    }
    const below = { count: firstBad, certificate: claims[firstBad - 1]?.sig };
    if (claim.carrier === undefined) {
      return { ...below, refusal: { ...uncertified(block, error, culprits), remedy: "anotherSender" } };
    }
    // No child that can stay is held, so what came beside the block may speak for it.
    const beside = sideClaim(block);
    const [sideError] = await this.#judge([beside], signal);
    if (sideError === undefined) {
      const refusal = condemned(claim.carrier, error, culprits);
      return { count: firstBad + 1, certificate: beside.sig, refusal };
    }
    blame(culprits, beside, block, sideError);
    const hopeless = claim.carrier.header.number;
    return {
      ...below,
      refusal: { ...uncertified(block, error, culprits), remedy: "anotherCandidate", hopeless },
    };
  }

  async #judgeAt(
    claims: readonly Claim[],
    places: readonly number[],
    into: Map<number, Judged>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const judged = await this.#judge(places.map((i) => claims[i] as Claim), signal);
    places.forEach((place, i) => into.set(place, judged[i]));
  }
  /** A verdict for each claim, in order. All must be of one epoch. */
  async #judge(claims: readonly Claim[], signal: AbortSignal | undefined): Promise<Judged[]> {
    const [first] = claims;
    if (first === undefined) return [];
    const committee = await this.#committee(first.header);
    const judged: Judged[] = claims.map(() => undefined);
    const plans: CertificatePlan[] = [];
    const places: number[] = [];
    for (const [i, { header, sig }] of claims.entries()) {
      if (sig === undefined) {
        judged[i] = new HsyncError("CERT_MISSING", `no certificate came with block ${header.number}`, {
          fault: "DATA",
          blockNumber: header.number,
        });
        continue;
      }
      if (this.#good.get(certificateName(header, sig)) === true) continue;
      try {
        plans.push(planCertificate(header, sig, committee));
        places.push(i);
      } catch (error) {
        if (!(error instanceof HsyncError) || error.fault !== "DATA") throw error;
        judged[i] = error;
      }
    }
    const verdicts = await verifyPlans(plans, this.options.verifier, signal);
    for (const [k, place] of places.entries()) {
      const { header, sig } = claims[place] as Claim;
      judged[place] = verdicts[k];
      this.#verified++;
      if (verdicts[k] === undefined && sig !== undefined) this.#good.set(certificateName(header, sig), true);
    }
    return judged;
  }
  async #committee(header: Header): Promise<EpochCommittee> {
    return (await this.options.committees.committee(header.epoch, header.shardId)).committee;
  }
}

function certificateName(header: Header, sig: CommitSig): string {
  return `${toHex(header.hash)}/${toHex(sig.signature)}/${toHex(sig.bitmap)}`;
}

/** The certificate that counts first: the child's, where a child is held. */
function primaryClaim(block: RunBlock, child: RunBlock | undefined): Claim {
  const { header } = block;
  const linked = child !== undefined && child.header.number === header.number + 1 &&
    equalBytes(child.header.parentHash, header.hash);
  return linked ? { header, sig: parentCommitSig(child.header), carrier: child } : sideClaim(block);
}
function sideClaim(block: RunBlock): Claim {
  const { header, sideCar } = block;
  const usable = sideCar !== undefined && sideCar.length > 96;
  return { header, sig: usable ? splitCommitSig(sideCar) : undefined, carrier: undefined };
}

/** Adds who sent a bad certificate: the child's sender for one in its header, the block's own for a side-car. */
function blame(culprits: Culprit[], claim: Claim, block: RunBlock, error: HsyncError): void {
  const sender = (claim.carrier ?? block).streamId;
  if (sender === undefined || culprits.some((c) => c.streamId === sender)) return;
  const text = claim.carrier === undefined
    ? `what came beside block ${block.header.number}: ${error.message}`
    : `in the header of block ${claim.carrier.header.number}: ${error.message}`;
  culprits.push({ streamId: sender, reason: "invalid_blocks", text });
}

function uncertified(block: RunBlock, error: HsyncError, culprits: readonly Culprit[]) {
  return { number: block.header.number, label: "bad_signature", text: error.message, culprits } as const;
}
/** The block carries a bad certificate of its parent: no bytes can make its hash good. */
function condemned(block: RunBlock, error: HsyncError, culprits: readonly Culprit[]): Refusal {
  const { number } = block.header;
  const text = `block ${number} carries a bad certificate: ${error.message}`;
  return { number, label: "bad_signature", text, culprits, remedy: "anotherCandidate" };
}
