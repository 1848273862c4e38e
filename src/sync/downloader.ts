/**
 * The download scheduler put to work: requests, timers, staging, blame.
 *
 * Why it exists: it is the shell around `DownloadCore`; it decides nothing itself. It runs on beside the stages, so
 * that the next blocks arrive while States writes. What must stay true: every request it started has ended when
 * `stop` resolves; an answer that came after a stop changes nothing; accepted blocks reach the staging in order.
 */
import {
  asHsyncError,
  type Cancel,
  cancelled,
  type Clock,
  HsyncError,
  isAbort,
  type Logger,
  Signal,
  to0x,
} from "../base/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import { DownloadCore } from "./download_core.ts";
import type { HeightBook } from "./height.ts";
import type { BodyOrder, Effect, HashOrder, Order, ProofOrder } from "./orders.ts";
import { fetched, type Staging } from "./staging.ts";
import { type ChainPoint, type DownloadLimits, type FetchedBlock, MAX_BLOCKS_PER_REQUEST } from "./types.ts";

/**
 * When blocks are at hand but no more came for this long, the stages go on with what there is: a slow peer or a
 * target that is a lie must not hold back what is already here.
 */
const PATIENCE_MS = 3_000;
/**
 * However well it goes, blocks that are at hand are not kept from their commit for longer: with few or slow peers a whole
 * cycle takes many seconds, and progress that was made should be progress that lasts.
 */
const TURN_MS = 1_500;
/** The same for hashes: bodies that have come are asked for before hashes far ahead, so these would wait for long. */
const HASH_TURN_MS = 400;
/** A voucher for a refused hash has this long to show the block, ms. */
const PROOF_TIMEOUT_MS = 20_000;
/** How long a stage waits once nothing can be asked of anybody, before it gives the turn back to the driver. */
const STARVED_MS = 2_000;

export interface DownloaderOptions {
  readonly peers: PeerSource;
  readonly book: HeightBook;
  readonly staging: Staging;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: DownloadLimits;
  /** End of what is at hand: the head, or the last staged block. */
  readonly frontier: ChainPoint;
  /** Number of the store's head. */
  readonly base: number;
  /** Log every request (`DebugMode`). */
  readonly verbose: boolean;
  /** Called whenever bodies or hashes came in. */
  readonly onProgress: () => void;
  /**
   * Looks at blocks that contradict the store; what it fails with is passed on to the stage that waits next.
   * @returns the first block of that chain whose bytes are wrong; undefined: nobody was convicted.
   */
  readonly onForeign: (blocks: readonly FetchedBlock[], signal: AbortSignal) => Promise<number | undefined>;
  /** Judges what a voucher for a refused hash has sent; false: nothing is wrong with it. Failures as of `onForeign`. */
  readonly onTestimony: (blocks: readonly FetchedBlock[], signal: AbortSignal) => Promise<boolean>;
}

/** What the status page shows of it. */
export interface DownloadStatus {
  readonly hashesTo: number;
  readonly bodiesTo: number;
  /** Blocks beyond `bodiesTo` that wait for one below them. */
  readonly looseBlocks: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** What is out of reach, and since when (ms since 1970). */
  readonly starved: { readonly why: string; readonly number: number; readonly since: number } | undefined;
}

export class Downloader {
  readonly #core: DownloadCore;
  readonly #changed = new Signal();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #listening: Cancel | undefined;
  #timer: Cancel | undefined;
  #base: number;
  #advancedAt: number;
  #failure: unknown;

  constructor(private readonly options: DownloaderOptions) {
    const { limits, frontier, base, staging, clock } = options;
    this.#core = new DownloadCore(limits, frontier, base, () => staging.bytes);
    this.#base = base;
    this.#advancedAt = clock.monotonic();
  }

  start(): void {
    this.#listening = this.options.peers.on(() => this.#refresh());
    this.#refresh();
  }
  /** Gives up all requests; resolves when none is left. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#listening?.();
    this.#timer?.();
    this.#changed.raise();
    await Promise.allSettled([...this.#running]);
  }
  /** How far to go; see `DownloadCore.setGoal`. */
  setGoal(target: number, windowTo: number): void {
    this.#core.setGoal(target, windowTo);
    this.#advancedAt = this.options.clock.monotonic();
    this.#refresh();
  }
  committed(number: number): void {
    this.#base = number;
    this.#core.committed(number);
    this.options.staging.committed(number);
    this.#pump();
  }
  /** Blocks above `point` are fetched again; see `LegChain.rewind`. */
  async rewind(
    point: ChainPoint,
    bad: readonly string[] = [],
    refuse?: string,
    hopeless?: number,
  ): Promise<void> {
    this.#core.rewind(point, bad, refuse, hopeless);
    await this.options.staging.dropAbove(point.number);
    this.#core.takeEffects().forEach((e) => this.#carryOut(e));
    this.#pump();
  }
  /** Nothing of this peer counts any more; the stream manager has been told already. */
  convict(streamId: string): void {
    this.#core.convict(streamId, this.options.clock.monotonic());
    this.#pump();
  }
  /** Agreed hashes of the skeleton above `from` and up to `to`. */
  hashes(from: number, to: number): Array<{
    readonly number: number;
    readonly candidates: ReadonlyArray<{ readonly hash: Uint8Array; readonly voters: readonly string[] }>;
  }> {
    return this.#core.skeleton.filter((p) => p.number > from && p.number <= to).map((p) => ({
      number: p.number,
      candidates: p.candidates.map((c) => ({ hash: c.hash, voters: [...c.voters] })),
    }));
  }
  /** @param goal the height to reach: what is above it is not waited for. */
  status(goal = Infinity): DownloadStatus {
    const { clock } = this.options;
    const now = clock.monotonic();
    const held = this.#core.held();
    const starved = this.#core.starved;
    return {
      hashesTo: this.#core.hashesTo(now),
      bodiesTo: this.#core.frontier.number,
      looseBlocks: held.blocks,
      bytes: held.bytes,
      inFlight: this.#core.ledger.inFlight(now),
      starved: starved === undefined || starved.number > goal
        ? undefined
        : { why: starved.why, number: starved.number, since: clock.now() - (now - starved.since) },
    };
  }

  /**
   * Waits until hashes are agreed up to `to`. Comes back with less when nobody can tell more, or after a moment when
   * bodies have come already.
   * @throws {HsyncError} CANCELLED, NO_STREAMS.
   */
  waitHashes(to: number, signal: AbortSignal): Promise<number> {
    return this.#wait(to, signal, HASH_TURN_MS, () => this.#core.hashesTo(this.options.clock.monotonic()));
  }
  /**
   * Waits until bodies are at hand up to `to`. Comes back with less when the memory bound is reached, after a while
   * when some have come, or when nobody can deliver more.
   * @throws {HsyncError} CANCELLED, NO_STREAMS, or what writing staged blocks failed with.
   */
  waitBodies(to: number, signal: AbortSignal): Promise<number> {
    return this.#wait(to, signal, TURN_MS, () => this.#core.frontier.number);
  }
  async #wait(to: number, signal: AbortSignal, turnMs: number, reached: () => number): Promise<number> {
    const { clock, limits, staging } = this.options;
    const begun = clock.monotonic();
    for (;;) {
      if (this.#stop.signal.aborted) throw cancelled("downloading blocks");
      if (this.#failure !== undefined) {
        const failure = this.#failure;
        this.#failure = undefined;
        throw failure;
      }
      const height = reached();
      if (height >= to) return height;
      const now = clock.monotonic();
      const idle = now - Math.max(this.#advancedAt, begun);
      const some = this.#core.frontier.number > this.#base;
      const enough = staging.bytes > limits.budgetBytes / 2 || now - begun >= turnMs;
      if (some && (enough || idle >= PATIENCE_MS)) return height;
      const starved = this.#core.starved;
      if (starved !== undefined && (some || now - Math.max(starved.since, begun) >= STARVED_MS)) {
        if (some || starved.why !== "noStreams") return height;
        throw new HsyncError("NO_STREAMS", "no stream is left to download from", { retryable: true });
      }
      await this.#changed.wait(clock, 500, signal);
    }
  }

  #refresh(): void {
    const { peers, book, clock } = this.options;
    const views = peers.streams().filter((s) => !s.suspended).map((s) => ({
      id: s.id,
      reach: book.effective(s.id),
      claimed: book.claimed(s.id),
      batch: s.blocksPerRequest,
    }));
    this.#core.setStreams(views, clock.monotonic());
    this.#pump();
  }
  #pump(): void {
    if (this.#stop.signal.aborted) return;
    const { clock } = this.options;
    const now = clock.monotonic();
    for (const order of this.#core.orders(now)) this.#send(order);
    this.#core.takeEffects().forEach((e) => this.#carryOut(e));
    this.#timer?.();
    const next = this.#core.nextChange(now);
    this.#timer = next === undefined ? undefined : clock.after(Math.max(1, next - now), () => this.#pump());
    this.#changed.raise();
  }
  #send(order: Order): void {
    if (this.options.verbose) {
      this.options.logger.info("asking", { ...describe(order), peer: order.streamId });
    }
    this.#track(this.#request(order));
  }
  /** Only our own code can fail in `work`: the stage that waits next hears of it. */
  #track(work: Promise<void>): void {
    const run = work.catch((error: unknown) => {
      if (isAbort(error)) return;
      this.#failure ??= error;
      this.#changed.raise();
    }).finally(() => {
      this.#running.delete(run);
    });
    this.#running.add(run);
  }
  async #request(order: Order): Promise<void> {
    const { clock } = this.options;
    const begun = clock.monotonic();
    let apply: (now: number) => void;
    try {
      if (order.kind === "hashes") apply = await this.#askHashes(order, begun);
      else if (order.kind === "bodies") apply = await this.#askBodies(order, begun);
      else apply = await this.#askProof(order);
    } catch (error) {
      const known = asHsyncError(error);
      apply = (now) => this.#core.onFailure(order, known.fault, now);
      if (!isAbort(error)) this.#logFailure(order, known);
    }
    if (this.#stop.signal.aborted) return;
    apply(clock.monotonic());
    this.#core.takeEffects().forEach((e) => this.#carryOut(e));
    this.options.onProgress();
    this.#pump();
  }
  async #askHashes(order: HashOrder, begun: number): Promise<(now: number) => void> {
    const { peers } = this.options;
    const answer = await peers.client.getBlockHashes(order.numbers, {
      whitelist: new Set([order.streamId]),
      signal: this.#stop.signal,
    });
    return (now) => this.#core.onHashes(order, answer.value, now, now - begun);
  }
  async #askBodies(order: BodyOrder, begun: number): Promise<(now: number) => void> {
    const { from, to } = order.question;
    const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    if (numbers.length > MAX_BLOCKS_PER_REQUEST) {
      throw new HsyncError("REQUEST_INVALID", `a request for ${numbers.length} blocks is above the cap`);
    }
    const answer = await this.options.peers.client.getBlocksByNumber(numbers, {
      whitelist: new Set([order.streamId]),
      signal: this.#stop.signal,
    });
    const blocks = answer.value.map((b) => fetched(b, answer.streamId));
    return (now) => this.#core.onBodies(order, blocks, now, now - begun);
  }
  async #askProof(order: ProofOrder): Promise<(now: number) => void> {
    const answer = await this.options.peers.client.getBlocksByNumber(order.numbers, {
      whitelist: new Set([order.streamId]),
      timeoutMs: PROOF_TIMEOUT_MS,
      signal: this.#stop.signal,
    });
    const blocks = answer.value.map((b) => fetched(b, answer.streamId));
    return (now) => this.#core.onProof(order, blocks, now);
  }
  async #hear(order: ProofOrder, blocks: readonly FetchedBlock[]): Promise<void> {
    if (await this.options.onTestimony(blocks, this.#stop.signal)) return;
    this.#core.acquit(order);
    this.#settle();
  }
  async #examine(blocks: readonly FetchedBlock[]): Promise<void> {
    const bad = await this.options.onForeign(blocks, this.#stop.signal);
    const last = blocks.at(-1);
    if (bad === undefined || last === undefined) return;
    this.#core.condemn(last.number, last.hash, bad);
    this.#settle();
  }
  /** Carries out what the scheduler has decided, and goes on. */
  #settle(): void {
    if (this.#stop.signal.aborted) return;
    this.#core.takeEffects().forEach((e) => this.#carryOut(e));
    this.#pump();
  }
  #logFailure(order: Order, error: HsyncError): void {
    const fields = { ...describe(order), peer: order.streamId, code: error.code, fault: error.fault, error };
    if (this.options.verbose) this.options.logger.info("request failed", fields);
    else this.options.logger.debug("request failed", fields);
  }

  #carryOut(effect: Effect): void {
    const { peers, staging, logger, book } = this.options;
    switch (effect.kind) {
      case "accepted":
        staging.add(effect.blocks);
        this.#advancedAt = this.options.clock.monotonic();
        break;
      case "rewound":
        this.#track(staging.dropAbove(effect.number));
        break;
      case "foreign":
        this.#track(this.#examine(effect.blocks));
        break;
      case "testimony":
        this.#track(this.#hear(effect.order, effect.blocks));
        break;
      case "makeWay": {
        const why = "they vouch for a block that was refused, and nobody has a better one";
        logger.warn("streams make way for others", {
          code: "STREAMS_RENEWED",
          released: effect.streamIds.length,
          why,
        });
        peers.release(effect.streamIds, why);
        peers.wantPeers(why);
        break;
      }
      case "blame": {
        const { streamId, number, text } = effect;
        logger.warn("a peer sent a wrong block", { peer: streamId, number, text });
        peers.report(streamId, "DATA", "invalid_blocks", text);
        break;
      }
      case "refused":
        logger.warn("a candidate for a block was set aside", {
          number: effect.number,
          hash: to0x(effect.hash),
          why: effect.why,
        });
        break;
      case "unsupported":
        logger.debug("a peer has no block at the height that it claims", {
          peer: effect.streamId,
          shown: effect.height,
        });
        book.discredit(effect.streamId, effect.height);
        this.#refresh();
    }
  }
}

function describe(order: Order): Record<string, unknown> {
  if (order.kind === "bodies") return { kind: order.kind, from: order.question.from, to: order.question.to };
  return { kind: order.kind, from: order.numbers[0], to: order.numbers.at(-1), count: order.numbers.length };
}
