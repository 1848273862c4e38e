/**
 * Who is asked for the newest block, and what comes of asking.
 *
 * Why it exists: a height is a claim, and only the block of that height can show it; many peers may claim one at a time.
 * What must stay true: few are asked at once, highest claims first, each on its own stream and only after the blocks known
 * beforehand; a peer that does not give its newest block is asked for the one before, and who cannot show that either is
 * disbelieved for a while; nothing is certified here.
 */
import { asHsyncError, type HsyncError, isAbort, type Logger, LruMap } from "../../base/mod.ts";
import type { Header } from "../../chain/mod.ts";
import type { DeliveredBlock, PeerSource, StreamInfo } from "../../stream/mod.ts";
import type { AnchorProbe } from "../anchor_probe.ts";
import type { HeightBook } from "../height.ts";
import type { CertifiedHead } from "./certified_head.ts";
import type { HeadJudge } from "./head_judge.ts";

const ASK_TIMEOUT_MS = 10_000;
/** Peers that are asked for their newest block at once. */
const WIDTH = 4;

export interface HeadSeekerOptions {
  readonly peers: PeerSource;
  readonly book: HeightBook;
  readonly probe: AnchorProbe;
  readonly judge: HeadJudge;
  readonly logger: Logger;
  /** Number of the head; 0 without one. */
  readonly above: () => number;
  /** A certified header, from the peer of this id text. @returns true when the head moved. */
  readonly certified: (header: Header, head: CertifiedHead, from: string) => Promise<boolean>;
  readonly refused: (from: string, header: Header, error: HsyncError) => void;
}

interface Claim {
  /** Peer id text. */
  readonly id: string;
  readonly height: number;
}

export class HeadSeeker {
  readonly #o: HeadSeekerOptions;
  /** Peers that did not give their newest block: those are asked for the one before, which has its certificate above it. */
  readonly #shy = new LruMap<string, true>(512);

  constructor(options: HeadSeekerOptions) {
    this.#o = options;
  }

  /**
   * Asks those who claim more than the head, until it has moved.
   *
   * @throws {HsyncError} CANCELLED, and failures of our own.
   */
  async seek(signal: AbortSignal): Promise<void> {
    const claims = this.#claims();
    for (let i = 0; i < claims.length; i += WIDTH) {
      if (await this.#several(claims.slice(i, i + WIDTH), signal)) break;
    }
  }

  /** Those who claim more than we have, highest first. */
  #claims(): Claim[] {
    const above = this.#o.above();
    return this.#o.peers.streams().filter((stream) => !stream.suspended)
      .map((stream) => ({ id: stream.id, height: this.#o.book.effective(stream.id) ?? 0 }))
      .filter(({ id, height }) => height - (this.#shy.has(id) ? 1 : 0) > above)
      .sort((a, b) => b.height - a.height);
  }

  /** The first good answer counts, the others are let go. @returns true when the head moved. */
  async #several(claims: readonly Claim[], signal: AbortSignal): Promise<boolean> {
    const enough = new AbortController();
    const both = AbortSignal.any([signal, enough.signal]);
    let moved = false;
    let failure: unknown;
    await Promise.all(claims.map(async (claim) => {
      try {
        if (!await this.#try(claim, both)) return;
        moved = true;
        enough.abort();
      } catch (error) {
        if (!isAbort(error) || signal.aborted) failure ??= error;
      }
    }));
    if (failure !== undefined) throw failure;
    return moved;
  }

  /** Asks a peer for the block that it says is its newest. @returns true when that moved the head. */
  async #try({ id, height }: Claim, signal: AbortSignal): Promise<boolean> {
    const { peers, book, judge, above, certified, refused } = this.#o;
    const stream = peers.streams().find((s) => s.id === id);
    if (stream === undefined) return false;
    const shy = this.#shy.has(id);
    const delivered = await this.#ask(stream, shy ? height - 1 : height, signal);
    if (delivered === undefined) {
      if (!shy) this.#shy.set(id, true);
      else book.discredit(id, above());
      return false;
    }
    const verdict = await judge.judge(delivered, signal);
    if (verdict.kind === "certified") return await certified(verdict.header, verdict.head, id);
    refused(id, delivered.block.header, verdict.error);
    return false;
  }

  /** What a peer answers; undefined for any failure but our own abort, since the stream layer has dealt with it. */
  async #ask(stream: StreamInfo, number: number, signal: AbortSignal): Promise<DeliveredBlock | undefined> {
    const { peers, probe, logger } = this.#o;
    try {
      if (!await probe.passes(stream, signal)) return undefined;
      const answer = await peers.client.getBlocksByNumber([number], {
        priority: "high",
        whitelist: new Set([stream.id]),
        timeoutMs: ASK_TIMEOUT_MS,
        signal,
      });
      return answer.value[0];
    } catch (error) {
      if (signal.aborted) throw error;
      logger.debug("a peer did not give its newest block", { peer: stream.id, error: asHsyncError(error) });
      return undefined;
    }
  }
}
