/**
 * Asks nodes of one source shard for headers, a peer at a time.
 *
 * Why it exists: any one of them may lie, lag or stay silent, so each block's question goes from peer to peer until one
 * answer proves it. What must stay true: a peer is asked only for what lies below its head (a Go node answers a
 * request for its newest block with an error, and ends the stream); what is wrong with an answer in itself is blamed by
 * the stream layer, and what merely does not prove a body is blamed on nobody.
 */
import { asHsyncError, type Clock, type Logger, LruMap } from "../../base/mod.ts";
import { decodeHeader, type Header } from "../../chain/mod.ts";
import type { PeerSource, StreamInfo } from "../../stream/mod.ts";
import type { RestReason } from "./backlog.ts";
import type { BodyCase, Shown } from "./body_case.ts";

/** Blocks of a request: the wire cap. */
const MAX_HEADERS = 10;
const TIMEOUT_MS = 15_000;
const HEIGHT_TIMEOUT_MS = 10_000;
/** A height older than this is asked for again before a peer counts as lacking something, ms. */
const HEIGHT_FRESH_MS = 1_000;
const REMEMBERED = 256;

/** What is to be asked of whom. */
export interface Question {
  readonly peer: string;
  readonly cases: readonly BodyCase[];
  /** Ascending; none: only how high the peer is. */
  readonly numbers: readonly number[];
}

export class SourceShard {
  readonly #busy = new Set<string>();
  /** How many bodies a peer's headers proved, less those that they did not. */
  readonly #worth = new LruMap<string, number>(REMEMBERED);
  readonly #lacking = new Set<BodyCase>();

  constructor(
    readonly shardId: number,
    readonly peers: PeerSource,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Streams at work. */
  get busy(): number {
    return this.#busy.size;
  }

  /** The best question that can be put now, and what it is about; undefined: nobody is left to be asked. */
  question(open: Iterable<BodyCase>): Question | undefined {
    const mine = [...open].filter((c) =>
      !c.proven && c.shards.includes(this.shardId) && !c.asking.has(this.shardId)
    );
    if (mine.length === 0) return undefined;
    const free = this.peers.streams().filter((s) => !s.suspended && !this.#busy.has(s.id))
      .sort((a, b) => this.#worthOf(b.id) - this.#worthOf(a.id));
    let best: Question | undefined;
    for (const stream of free) {
      const found = this.#questionTo(stream, mine);
      if (found === undefined) continue;
      if (found.numbers.length > 0) return found;
      best ??= found;
    }
    return best;
  }
  #questionTo(stream: StreamInfo, mine: readonly BodyCase[]): Question | undefined {
    const { id, height = -1 } = stream;
    const unasked = mine.filter((c) => this.#asked(c)?.has(id) === false);
    if (unasked.length === 0) return undefined;
    const cases: BodyCase[] = [];
    const numbers = new Set<number>();
    for (const c of unasked) {
      const wanted = c.headersOf(this.shardId);
      if (wanted.some((n) => n >= height)) continue;
      const more = wanted.filter((n) => !numbers.has(n));
      // One block may have more sources than a request takes; it is asked about alone then.
      if (cases.length > 0 && numbers.size + more.length > MAX_HEADERS) break;
      for (const n of more) numbers.add(n);
      cases.push(c);
    }
    if (cases.length > 0) return { peer: id, cases, numbers: [...numbers].sort((a, b) => a - b) };
    const age = stream.heightAt === undefined ? Infinity : this.clock.now() - stream.heightAt;
    if (age > HEIGHT_FRESH_MS) return { peer: id, cases: unasked, numbers: [] };
    for (const c of unasked) this.#lacks(c, id);
    return undefined;
  }

  /** Why a block cannot be asked about any further now; undefined: somebody may still answer. */
  stuck(open: BodyCase): RestReason | undefined {
    if (open.proven || open.asking.has(this.shardId)) return undefined;
    const streams = this.peers.streams().filter((s) => !s.suspended);
    if (streams.some((s) => this.#asked(open)?.has(s.id) === false)) return undefined;
    if ((this.#asked(open)?.size ?? 0) === 0) return "nobody";
    return this.#lacking.has(open) ? "lacking" : "other";
  }
  /** The block is not asked about any more. */
  forget(open: BodyCase): void {
    this.#lacking.delete(open);
  }

  /**
   * Puts a question, and shows the answer to the blocks that it is about.
   * @returns those that are proven now. @throws {HsyncError} CANCELLED; failures of our own.
   */
  async ask({ peer, cases, numbers }: Question, signal: AbortSignal): Promise<BodyCase[]> {
    this.#busy.add(peer);
    for (const c of cases) c.asking.add(this.shardId);
    try {
      if (numbers.length === 0) {
        await this.#askHeight(peer, cases, signal);
        return [];
      }
      const headers = await this.#askHeaders(peer, numbers, signal);
      const proven: BodyCase[] = [];
      for (const c of cases) {
        this.#asked(c)?.add(peer);
        const shown: Shown = headers === undefined ? "lacking" : await c.show(this.shardId, headers);
        if (shown === "proven") proven.push(c);
        if (shown === "lacking") this.#lacking.add(c);
        else this.#lacking.delete(c);
        if (headers !== undefined) {
          this.#worth.set(peer, this.#worthOf(peer) + (shown === "proven" ? 1 : -1));
        }
      }
      return proven;
    } finally {
      this.#busy.delete(peer);
      for (const c of cases) c.asking.delete(this.shardId);
    }
  }

  async #askHeight(peer: string, cases: readonly BodyCase[], signal: AbortSignal): Promise<void> {
    const options = {
      priority: "low",
      whitelist: new Set([peer]),
      timeoutMs: HEIGHT_TIMEOUT_MS,
      signal,
    } as const;
    try {
      await this.peers.client.getBlockNumber({ ...options, waitMs: HEIGHT_TIMEOUT_MS });
    } catch (error) {
      if (signal.aborted) throw error;
      for (const c of cases) this.#lacks(c, peer);
      this.#silent(peer, error);
    }
  }
  /** Headers by number, those that the peer has; undefined: it gave no answer that can be used. */
  async #askHeaders(
    peer: string,
    numbers: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, Header> | undefined> {
    const headers = new Map<number, Header>();
    for (let left = numbers; left.length > 0;) {
      const wanted = left.slice(0, MAX_HEADERS);
      try {
        const answer = await this.peers.client.getBlocksByNumber(wanted, {
          priority: "low",
          whitelist: new Set([peer]),
          timeoutMs: TIMEOUT_MS,
          waitMs: TIMEOUT_MS,
          signal,
        });
        // Copies: a view would keep ten blocks in memory for a header.
        for (const { block } of answer.value) {
          headers.set(block.number, decodeHeader(block.header.bytes.slice()));
        }
      } catch (error) {
        if (signal.aborted) throw error;
        this.#silent(peer, error);
        return undefined;
      }
      // An answer may end early for its size; what is missing within it is missing.
      const last = wanted.findLast((n) => headers.has(n)) ?? Infinity;
      left = left.filter((n) => n > last);
    }
    return headers;
  }

  #asked(open: BodyCase): Set<string> | undefined {
    return open.asked.get(this.shardId);
  }
  #lacks(open: BodyCase, peer: string): void {
    this.#asked(open)?.add(peer);
    this.#lacking.add(open);
  }
  #worthOf(peer: string): number {
    return this.#worth.get(peer) ?? 0;
  }
  /** The stream layer has acted on what is blameworthy. */
  #silent(peer: string, cause: unknown): void {
    const error = asHsyncError(cause);
    this.#worth.set(peer, this.#worthOf(peer) - 1);
    this.logger.debug("a node of another shard gave no headers", {
      shard: this.shardId,
      peer,
      code: error.code,
      error,
    });
  }
}
