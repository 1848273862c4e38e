/**
 * Where a peer's chain leaves ours.
 *
 * Why it exists: a fork that began before the last change of committee is signed by people whom our chain does not know, so its
 * newest blocks tell nothing. Its first block does: the committee that had to sign it is ours as well. What must stay
 * true: a handful of questions to the one peer, whatever the heights; what it answers only says where to look, and is
 * never evidence of anything.
 */
import { equalBytes, type Logger } from "../base/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import { fetched } from "./staging.ts";
import { type ChainPoint, type FetchedBlock, MAX_HASHES_PER_REQUEST } from "./types.ts";

const TIMEOUT_MS = 20_000;

export interface ForkSearchOptions {
  readonly peers: PeerSource;
  readonly store: Pick<ChainStore, "lowest" | "hashAt">;
  readonly logger: Logger;
}

export class ForkSearch {
  constructor(private readonly options: ForkSearchOptions) {}

  /**
   * The first block of the peer's chain that is another than ours, up to `head`, and the one after it, if the peer gives it.
   *
   * @returns undefined when the peer does not say, names no other block, or gives one that does not stand on ours.
   * @throws {HsyncError} CANCELLED; what reading the store throws.
   */
  async rootOf(
    streamId: string,
    head: ChainPoint,
    signal: AbortSignal,
  ): Promise<readonly FetchedBlock[] | undefined> {
    const { peers, store } = this.options;
    const number = await this.#firstOther(streamId, head.number, signal);
    if (number === undefined) return undefined;
    const height = peers.streams().find((s) => s.id === streamId)?.height ?? 0;
    const numbers = height > number ? [number, number + 1] : [number];
    const answer = await this.#ask(
      streamId,
      signal,
      (options) => peers.client.getBlocksByNumber(numbers, options),
    );
    const [first, second] = answer ?? [];
    const [ours, below] = [await store.hashAt(number), await store.hashAt(number - 1)];
    if (first === undefined || ours === undefined || below === undefined) return undefined;
    const { header } = first.block;
    const stands = header.number === number && equalBytes(header.parentHash, below) &&
      !equalBytes(header.hash, ours);
    if (!stands) return undefined;
    const child = second !== undefined && equalBytes(second.block.header.parentHash, header.hash);
    return (child ? [first, second] : [first]).map((block) => fetched(block, streamId));
  }

  /** The lowest height at which the peer names another hash; undefined: it does not say. */
  async #firstOther(streamId: string, head: number, signal: AbortSignal): Promise<number | undefined> {
    const { peers, store } = this.options;
    // Below is common to both, above is not: the first by what the store begins with, the second by what the peer sent.
    let common = store.lowest(), other = head + 1;
    while (other - common > 1) {
      const numbers = spread(common, other);
      const hashes = await this.#ask(
        streamId,
        signal,
        (options) => peers.client.getBlockHashes(numbers, options),
      );
      if (hashes === undefined) return undefined;
      for (const [i, number] of numbers.entries()) {
        const [theirs, ours] = [hashes[i], await store.hashAt(number)];
        if (theirs === undefined || ours === undefined) return undefined;
        if (!equalBytes(theirs, ours)) {
          other = number;
          break;
        }
        common = number;
      }
    }
    return other > head ? undefined : other;
  }

  async #ask<T>(
    streamId: string,
    signal: AbortSignal,
    call: (options: {
      readonly whitelist: ReadonlySet<string>;
      readonly timeoutMs: number;
      readonly waitMs: number;
      readonly signal: AbortSignal;
    }) => Promise<{ readonly value: T }>,
  ): Promise<T | undefined> {
    try {
      const whitelist = new Set([streamId]);
      return (await call({ whitelist, timeoutMs: TIMEOUT_MS, waitMs: TIMEOUT_MS, signal })).value;
    } catch (error) {
      // The stream layer has acted on what is blameworthy.
      if (signal.aborted) throw error;
      this.options.logger.debug("a peer does not say where its chain leaves ours", { peer: streamId, error });
      return undefined;
    }
  }
}

/** Up to fifty heights strictly between two others, evenly spread, ascending. */
function spread(low: number, high: number): number[] {
  const between = high - low - 1;
  const count = Math.min(between, MAX_HASHES_PER_REQUEST);
  return Array.from({ length: count }, (_, i) => low + Math.ceil((i + 1) * between / count));
}
