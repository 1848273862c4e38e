/**
 * Takes epoch blocks from one peer for as long as it has more.
 *
 * Why it exists: the next ten are on their way while these ten are verified. What must stay true: the blocks that are used are
 * a prefix of those asked for; the sender of a bad one is blamed alone and named; a block that another certified one
 * excludes is never just another bad block.
 */
import {
  asHsyncError,
  type Clock,
  equalBytes,
  type HsyncError,
  isAbort,
  type Logger,
} from "../../base/mod.ts";
import { splitCommitSig } from "../../chain/mod.ts";
import { ConflictingCertificates, type ConflictSide } from "../../consensus/mod.ts";
import type { Answer, DeliveredBlock, PeerSource } from "../../stream/mod.ts";
import type { AnchorProbe } from "../anchor_probe.ts";
import type { EpochChain } from "./epoch_chain.ts";
import { endedAt, type EpochPeers } from "./epoch_peers.ts";
import type { EpochRefusal } from "./epoch_status.ts";
import type { EpochVerifier } from "./epoch_verifier.ts";

/** Blocks of a request (sync-protocol.md §6.2). */
const WINDOW = 10;
const ASK_TIMEOUT_MS = 15_000;
/** A window that takes longer sends us to another peer, if there is one. */
const SLOW_MS = 10_000;

export interface EpochSessionOptions {
  readonly chain: EpochChain;
  readonly peers: PeerSource;
  readonly order: EpochPeers;
  readonly probe: AnchorProbe;
  readonly verifier: EpochVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The peer did not give what its height says it has, or gave something else. */
  readonly onLacking: (id: string) => void;
  readonly onAccepted: (count: number) => void;
  readonly onRefused: (refusal: EpochRefusal) => void;
}

/** A request under way. */
interface Window {
  readonly first: number;
  readonly answer: Promise<Answer<DeliveredBlock[]>>;
}

export class EpochSession {
  readonly #o: EpochSessionOptions;

  constructor(options: EpochSessionOptions) {
    this.#o = options;
  }

  /**
   * Asks the peer for the next epochs until it has no more, lies, or is slow.
   *
   * @throws {HsyncError} CANCELLED, CONFLICTING_CERTIFICATES, and failures of our own.
   */
  async drain(id: string, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    let ahead: Window | undefined;
    try {
      if (!await this.#passes(id, signal)) return;
      for (;;) {
        const first = this.#o.chain.epoch;
        const window = ahead?.first === first ? ahead : this.#ask(id, first, both);
        ahead = undefined;
        if (window === undefined) return;
        const { blocks, ms } = await this.#usable(id, window, signal);
        if (blocks.length === 0) return;
        const slow = ms >= SLOW_MS && this.#hasOthers(id);
        if (blocks.length === WINDOW && !slow) ahead = this.#ask(id, first + WINDOW, both);
        if (!await this.#take(id, blocks, first, signal) || slow) return;
      }
    } finally {
      over.abort();
      await ahead?.answer.catch(() => undefined);
    }
  }

  /** False when the peer is on another branch or does not say; an error of ours is thrown. */
  async #passes(id: string, signal: AbortSignal): Promise<boolean> {
    const stream = this.#o.peers.streams().find((s) => s.id === id);
    if (stream === undefined) return false;
    try {
      return await this.#o.probe.passes(stream, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#lacks(id, asHsyncError(error));
      return false;
    }
  }

  /** Requests the ends of up to ten epochs; undefined when the peer does not claim to have the first. */
  #ask(id: string, first: number, signal: AbortSignal): Window | undefined {
    const { chain, peers } = this.#o;
    const { schedule } = chain.params;
    const height = peers.streams().find((stream) => stream.id === id)?.height;
    const last = height === undefined ? -1 : Math.min(endedAt(schedule, height), first + WINDOW - 1);
    if (last < first) return undefined;
    const numbers = Array.from({ length: last - first + 1 }, (_, i) => schedule.lastBlock(first + i));
    const answer = peers.client.getBlocksByNumber(numbers, {
      priority: "high",
      whitelist: new Set([id]),
      timeoutMs: ASK_TIMEOUT_MS,
      waitMs: ASK_TIMEOUT_MS,
      signal,
    });
    // Whoever asked ahead may never look at the answer.
    answer.catch(() => undefined);
    return { first, answer };
  }

  /** The blocks that continue without a gap. A peer without any is left alone for a while. */
  async #usable(
    id: string,
    window: Window,
    signal: AbortSignal,
  ): Promise<{ readonly blocks: readonly DeliveredBlock[]; readonly ms: number }> {
    const { chain, order, onLacking } = this.#o;
    let answer: Answer<DeliveredBlock[]>;
    try {
      answer = await window.answer;
    } catch (error) {
      // The stream client has acted on what is blameworthy; a node with headers only answers with an error.
      if (signal.aborted) throw error;
      this.#lacks(id, asHsyncError(error));
      return { blocks: [], ms: 0 };
    }
    const gap = answer.value.findIndex(({ block }, i) =>
      block.number !== chain.params.schedule.lastBlock(window.first + i)
    );
    const blocks = gap < 0 ? answer.value : answer.value.slice(0, gap);
    if (blocks.length === 0) onLacking(id);
    else order.delivered(id, blocks.length, answer.ms);
    return { blocks, ms: answer.ms };
  }
  #hasOthers(id: string): boolean {
    const { chain, order, peers, clock } = this.#o;
    return order.candidates(peers.streams(), chain.epoch, clock.monotonic()).some((other) => other !== id);
  }
  #lacks(id: string, error: HsyncError): void {
    this.#o.onLacking(id);
    this.#o.logger.debug("a peer gave no epoch blocks", { peer: id, code: error.code, error });
  }

  /** Verifies and stores. @returns false when this peer should not be asked on. */
  async #take(
    id: string,
    blocks: readonly DeliveredBlock[],
    first: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { chain, verifier, peers, clock, onAccepted } = this.#o;
    const { accepted, refusal } = await verifier.verify(blocks, first, signal);
    if (accepted.length > 0) {
      await chain.append(accepted);
      onAccepted(accepted.length);
    }
    if (refusal !== undefined) {
      await this.#examine(id, signal);
      const number = chain.params.schedule.lastBlock(chain.epoch);
      this.#o.onRefused({
        epoch: chain.epoch,
        number,
        code: refusal.code,
        text: refusal.message,
        from: id,
        at: clock.now(),
      });
      peers.report(id, "DATA", "invalid_blocks", refusal.message);
      this.#o.onLacking(id);
      return false;
    }
    return true;
  }

  /**
   * Before somebody is called a liar for a block that our committee did not sign: does he have another block than we where
   * that committee comes from? If both are certified, the committee before has signed against itself.
   *
   * @throws {HsyncError} CONFLICTING_CERTIFICATES.
   */
  async #examine(id: string, signal: AbortSignal): Promise<void> {
    const { chain, verifier, peers, clock, logger } = this.#o;
    const head = chain.head();
    // Nobody is known to judge a checkpoint.
    if (head === undefined || (chain.origin === "checkpoint" && chain.length === 1)) return;
    let theirs: DeliveredBlock | undefined;
    try {
      const answer = await peers.client.getBlocksByNumber([head.number], {
        priority: "high",
        whitelist: new Set([id]),
        timeoutMs: ASK_TIMEOUT_MS,
        signal,
      });
      theirs = answer.value[0];
    } catch (error) {
      if (isAbort(error)) throw error;
      logger.debug("a peer does not say what its bad block stands on", {
        peer: id,
        error: asHsyncError(error),
      });
    }
    if (theirs === undefined || equalBytes(theirs.block.hash, head.hash)) return;
    const { accepted } = await verifier.verify([theirs], head.epoch, signal);
    const header = await chain.header(head.epoch);
    const stored = await chain.block(head.epoch);
    if (accepted.length === 0 || header === undefined || stored?.commitSig === undefined) return;
    const ours: ConflictSide = {
      hash: head.hash,
      header,
      certificate: splitCommitSig(stored.commitSig),
      streamId: undefined,
    };
    throw new ConflictingCertificates({
      network: chain.params.name,
      shardId: 0,
      number: head.number,
      ours,
      theirs: {
        hash: theirs.block.hash,
        header: theirs.block.header,
        certificate: splitCommitSig(theirs.commitSig),
        streamId: id,
      },
      foundAt: clock.now(),
    });
  }
}
