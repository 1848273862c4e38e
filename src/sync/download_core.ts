/**
 * The download scheduler as a pure machine: who is asked what next, and what an answer means
 * (sync-protocol.md §6.5, §6.9, §6.10).
 *
 * Why it exists: every decision about hashes and bodies is here, without clocks, promises or sockets, so that it
 * can be tested by tables. The shell asks for `orders`, feeds back what came of them, and carries out the
 * `effects`. What must stay true: only the sender of wrong bytes is blamed, never a voter that lost; nothing is
 * declared out of reach before every peer that could help was asked; bytes held and under way stay below the
 * budget, except for the leg above the run, without which nothing could be freed.
 */
import { equalBytes, type FaultClass, isCritical } from "../base/mod.ts";
import { type Leg, LegChain } from "./leg_chain.ts";
import type { BodyOrder, Effect, HashOrder, Order, ProofOrder, Starvation, StreamView } from "./orders.ts";
import { type Judgement, Segment } from "./segment.ts";
import type { SkeletonPoint } from "./skeleton.ts";
import { Starving } from "./starving.ts";
import { StreamLedger } from "./stream_ledger.ts";
import {
  type ChainPoint,
  type DownloadLimits,
  type FetchedBlock,
  MAX_BLOCKS_PER_REQUEST,
  MAX_HASHES_PER_REQUEST,
} from "./types.ts";
import { Vouchers } from "./vouchers.ts";

/** How far the skeleton is planned ahead of the bodies: they should never wait for hashes. */
const LEAD_BLOCKS = 750;
/** One plan step: what a hash request covers when the peer's own height rides along. */
const CHUNK_BLOCKS = 490;
/** With fewer agreed legs than this waiting for a stream, hashes are asked before bodies. */
const FEW_LEGS = 25;

export class DownloadCore {
  readonly ledger = new StreamLedger();
  readonly #chain: LegChain;
  readonly #vouchers = new Vouchers();
  readonly #starving: Starving;
  #views = new Map<string, StreamView>();
  #effects: Effect[] = [];
  #target: number;
  #windowTo: number;
  #now = 0;

  /**
   * @param frontier end of what is at hand: the head, or the last staged block above it.
   * @param base number of the store's head.
   * @param stagedBytes bytes that accepted blocks still hold in memory.
   */
  constructor(
    private readonly limits: DownloadLimits,
    frontier: ChainPoint,
    base: number,
    private readonly stagedBytes: () => number = () => 0,
  ) {
    this.#target = frontier.number;
    this.#windowTo = frontier.number;
    this.#chain = new LegChain(frontier, base, {
      heard: (point) => this.#heard(point),
      weight: (id) => this.ledger.delivered(id),
    });
    this.#starving = new Starving(this.#chain, this.ledger);
    this.#chain.onRefused = (number, hash, why) => this.#effects.push({ kind: "refused", number, hash, why });
    this.#chain.onCondemned = (number, hash, bad) => this.condemn(number, hash, bad);
  }

  /** End of the unbroken run of accepted blocks. */
  get frontier(): ChainPoint {
    return this.#chain.frontier;
  }
  get starved(): Starvation | undefined {
    return this.#starving.starved;
  }
  get target(): number {
    return this.#target;
  }
  /** Skeleton heights with their candidates and voters, for the `BlockHashes` table. */
  get skeleton(): readonly SkeletonPoint[] {
    return this.#chain.skeleton.points;
  }
  /** Height up to which every skeleton point has an agreed hash. */
  hashesTo(now: number): number {
    this.#now = now;
    let to = this.frontier.number;
    for (const { point, leg } of this.#chain.open(this.#target)) {
      if (leg === undefined) break;
      to = point.number;
    }
    return to;
  }
  /** Blocks that wait for what is missing below them, and bytes held in all. */
  held(): { readonly blocks: number; readonly bytes: number } {
    let blocks = 0, bytes = this.stagedBytes();
    for (const leg of this.#chain.legs()) {
      blocks += leg.segment.blocks.length;
      bytes += leg.segment.bytes;
    }
    return { blocks, bytes };
  }
  /** Takes what is to be carried out, in order. */
  takeEffects(): Effect[] {
    const out = this.#effects;
    this.#effects = [];
    return out;
  }

  /** Says which streams are active. */
  setStreams(views: readonly StreamView[], now: number): void {
    this.#views = new Map(views.map((v) => [v.id, v]));
    for (const { id } of views) if (!this.ledger.has(id)) this.#chain.came(id);
    for (const id of this.ledger.sync(new Set(this.#views.keys()), now)) {
      this.#chain.gone(id);
      this.#vouchers.forget(id);
    }
  }
  /**
   * Says how far to go. A lower target than before drops what was planned above it.
   * @param windowTo bodies above this height are not asked for yet.
   */
  setGoal(target: number, windowTo: number): void {
    if (target < this.#target) this.#chain.cut(target);
    this.#target = target;
    this.#windowTo = windowTo;
    if (this.frontier.number >= target) this.#starving.fed();
  }
  /** Blocks up to `number` are in the store. */
  committed(number: number): void {
    this.#chain.committed(number);
  }
  /** Gives up accepted blocks above `point`; see {@link LegChain.rewind}. */
  rewind(point: ChainPoint, bad: readonly string[] = [], refuse?: string, hopeless?: number): void {
    this.#chain.rewind(point, bad, refuse, hopeless);
    this.#effects.push({ kind: "rewound", number: point.number });
  }
  /** Block `bad`, which the hash of block `number` covers, was sent with wrong bytes: its other vouchers are asked. */
  condemn(number: number, hash: Uint8Array, bad: number): void {
    const candidate = this.#chain.skeleton.at(number)?.candidates.find((c) => equalBytes(c.hash, hash));
    this.#vouchers.condemn({ number, hash, bad }, candidate?.voters ?? []);
  }
  /** The peer lied: its word counts no more, and what rests on it alone is fetched again. */
  convict(streamId: string, now: number): void {
    this.ledger.distrust(streamId, now);
    this.#vouchers.forget(streamId);
    this.#discard(streamId);
  }
  /** The voucher has not shown what it vouched for, or what it showed is not wrong: its word from there on is void. */
  acquit(order: ProofOrder): void {
    this.#vouchers.vain(order);
    this.#retract(order.streamId, order.numbers[0] as number);
  }

  /** Requests to send now. Each is under way from here on: answer it with one of the `on…` calls. */
  orders(now: number): Order[] {
    this.#now = now;
    this.#starving.retry(now);
    const out: Order[] = [];
    do {
      this.#plan();
      for (const id of this.ledger.idle(now)) {
        const free = this.ledger.inFlight(now) < this.limits.concurrency;
        const order = this.#vouchers.question(id, this.#views.get(id)?.claimed, now) ??
          (free ? this.#orderFor(id) : undefined);
        if (order !== undefined) {
          this.#begin(order);
          out.push(order);
        }
      }
    } while (this.ledger.inFlight(now) === 0 && this.#unstick());
    return out;
  }
  /** When `orders` should be asked again even if nothing happens, ms, monotonic. */
  nextChange(now: number): number | undefined {
    const next = this.ledger.nextChange(now);
    const retry = this.#starving.nextRetry(now);
    return next === undefined || retry === undefined ? next ?? retry : Math.min(next, retry);
  }

  /** The answer to a hash order; one entry per number, undefined where the peer has no block. */
  onHashes(
    order: HashOrder,
    hashes: ReadonlyArray<Uint8Array | undefined>,
    now: number,
    ms: number,
  ): void {
    this.#now = now;
    const { streamId, numbers } = order;
    this.ledger.succeed(streamId, "hashes", ms, 0, 0);
    if (this.ledger.distrusts(streamId, now)) return;
    this.#chain.skeleton.answered(streamId, numbers, hashes);
    const bad = this.#vouchers.voted(streamId, numbers, hashes);
    if (bad !== undefined) this.#retract(streamId, bad);
    const claimed = this.#views.get(streamId)?.claimed;
    const own = claimed === undefined ? -1 : numbers.indexOf(claimed);
    if (own < 0 || hashes[own] !== undefined) return;
    let height = (numbers[0] as number) - 1;
    numbers.forEach((n, i) => height = hashes[i] === undefined ? height : Math.max(height, n));
    this.#effects.push({ kind: "unsupported", streamId, height });
  }
  /** The answer to a body order: blocks within the question, increasing. */
  onBodies(order: BodyOrder, blocks: readonly FetchedBlock[], now: number, ms: number): void {
    this.#now = now;
    const { streamId, question } = order;
    const leg = this.#finish(order);
    // A leg that was given up meanwhile still tells whether the sender kept its word.
    const segment = leg?.segment ?? new Segment(question.from, question.to, question.hash);
    const judgement = segment.offer(question, blocks);
    if (judgement.kind === "lie") this.#onLie(judgement);
    if (judgement.kind === "behind" || (judgement.kind === "lie" && judgement.streamId === streamId)) {
      this.ledger.fail(streamId, now, false);
      segment.excluded.add(streamId);
    } else {
      const bytes = blocks.reduce((sum, b) => sum + b.size, 0);
      this.ledger.succeed(streamId, "bodies", ms, blocks.length, bytes);
    }
    this.#join();
  }
  /** The answer to a proof order: blocks within the question, increasing. */
  onProof(order: ProofOrder, blocks: readonly FetchedBlock[], now: number): void {
    this.#now = now;
    this.ledger.fail(order.streamId, now, false);
    if (this.ledger.distrusts(order.streamId, now)) return;
    if (blocks[0]?.number === order.numbers[0]) this.#effects.push({ kind: "testimony", order, blocks });
    else this.acquit(order);
  }
  /** The order failed; the stream client has already acted on `fault`. */
  onFailure(order: Order, fault: FaultClass, now: number): void {
    this.#now = now;
    const { streamId } = order;
    this.ledger.fail(streamId, now, fault !== "BEHIND");
    if (order.kind === "hashes") this.#chain.skeleton.failed(streamId, order.numbers);
    else if (order.kind === "proof") {
      if (fault !== "NONE" || !this.#vouchers.again(order)) this.acquit(order);
    } else if (fault === "NONE") this.#finish(order);
    else this.#finish(order)?.segment.excluded.add(streamId);
    if (isCritical(fault)) this.convict(streamId, now);
  }

  #begin(order: Order): void {
    const { streamId, kind } = order;
    const aside = kind === "proof";
    const open = this.ledger.begin(streamId, aside ? "bodies" : kind, this.#now, aside);
    if (order.kind === "hashes") this.#chain.skeleton.asked(streamId, order.numbers, this.#now);
    else if (order.kind === "proof") this.#vouchers.asked(order, open.overdueAt);
    else this.#chain.get(order.leg)?.jobs.set(streamId, open.overdueAt);
  }
  /** Ends the job of a body order; the leg it was for, if that leg is still in play. */
  #finish(order: BodyOrder): Leg | undefined {
    const leg = this.#chain.get(order.leg);
    leg?.jobs.delete(order.streamId);
    const { from, to } = order.question;
    return leg !== undefined && leg.segment.from <= from && leg.segment.to >= to ? leg : undefined;
  }
  #onLie(lie: Judgement & { kind: "lie" }): void {
    const { streamId, number, text } = lie;
    this.#effects.push({ kind: "blame", streamId, number, text });
    this.convict(streamId, this.#now);
  }

  #discard(streamId: string, from = 0): void {
    if (this.#chain.discard(streamId, from)) {
      this.#effects.push({ kind: "rewound", number: this.frontier.number });
    }
  }
  /** What the peer names from block `bad` on is of no use, and so is its claim to be that high. */
  #retract(streamId: string, bad: number): void {
    this.#discard(streamId, bad);
    this.#effects.push({ kind: "unsupported", streamId, height: bad - 1 });
  }

  #plan(): void {
    const skeleton = this.#chain.skeleton;
    let cursor = this.frontier.number;
    for (const leg of this.#chain.legs()) {
      if (leg.jobs.size > 0 || leg.segment.bytes > 0) cursor = Math.max(cursor, leg.to);
    }
    while (skeleton.tip < this.#target && skeleton.tip - cursor < LEAD_BLOCKS) {
      const claims = [...this.#views.values()].map((v) => v.reach ?? 0);
      skeleton.extend(skeleton.tip + CHUNK_BLOCKS, this.#target, claims);
    }
  }
  #orderFor(id: string): Order | undefined {
    let free = this.limits.budgetBytes - this.held().bytes;
    for (const leg of this.#chain.legs()) {
      free -= leg.jobs.size * MAX_BLOCKS_PER_REQUEST * this.ledger.bytesPerBlock;
    }
    const batch = Math.min(this.ledger.batch, this.#views.get(id)?.batch ?? MAX_BLOCKS_PER_REQUEST);
    let waiting = 0;
    let bodies: BodyOrder | undefined;
    const vouch = new Set<number>();
    for (const { leg } of this.#chain.open(this.#target)) {
      if (leg === undefined || leg.segment.complete || this.#busy(leg)) continue;
      waiting++;
      const { segment, candidate, to } = leg;
      const next = segment.from === this.frontier.number + 1;
      if (segment.from > this.#windowTo || (free <= 0 && !next) || segment.excluded.has(id)) continue;
      if (!candidate.voters.has(id)) vouch.add(to);
      else if (bodies === undefined) {
        const question = segment.question(batch);
        if (question !== undefined) bodies = { kind: "bodies", streamId: id, question, leg: to };
      }
      if (waiting >= FEW_LEGS && bodies !== undefined) return bodies;
    }
    if (waiting < FEW_LEGS || bodies === undefined) {
      const policy = {
        votes: this.limits.votes,
        overdueMs: this.ledger.overdueMs("hashes"),
        now: this.#now,
      };
      const wanted = (reach: number, max: number) => this.#chain.skeleton.wanting(id, reach, policy, max);
      const order = this.#ask(id, wanted);
      if (order !== undefined) return order;
    }
    return bodies ??
      this.#ask(id, (reach, max) => this.#chain.skeleton.unasked(id, reach, (n) => vouch.has(n), max));
  }
  #ask(streamId: string, pick: (reach: number, max: number) => number[]): HashOrder | undefined {
    const view = this.#views.get(streamId);
    const claimed = view?.claimed;
    const reach = Math.min(view?.reach ?? Infinity, this.#target);
    const numbers = pick(reach, claimed === undefined ? MAX_HASHES_PER_REQUEST : MAX_HASHES_PER_REQUEST - 1);
    const last = numbers.at(-1);
    if (last === undefined) return undefined;
    if (claimed !== undefined && claimed > last) numbers.push(claimed);
    return { kind: "hashes", streamId, numbers };
  }
  /** A stream that is not overdue works on the leg. */
  #busy(leg: Leg): boolean {
    for (const overdueAt of leg.jobs.values()) if (overdueAt > this.#now) return true;
    return false;
  }
  /** Enough peers answered, or nobody is left who could answer soon. */
  #heard(point: SkeletonPoint): boolean {
    let votes = 0;
    for (const ask of point.asks.values()) if (ask.answer === "voted") votes++;
    if (votes >= this.limits.votes) return true;
    const overdue = this.ledger.overdueMs("hashes");
    for (const [id, view] of this.#views) {
      if ((view.reach ?? Infinity) < point.number || !this.ledger.responsive(id, this.#now)) continue;
      const ask = point.asks.get(id);
      if (ask === undefined || (ask.answer === "pending" && this.#now - ask.at <= overdue)) return false;
    }
    return true;
  }

  /** Lets complete legs join the run. */
  #join(): void {
    for (;;) {
      const joined = this.#chain.join();
      if (joined === undefined) return;
      if (joined.kind === "accepted") {
        this.#effects.push({ kind: "accepted", blocks: joined.blocks });
        this.#starving.fed();
      } else if (this.frontier.number === 0) {
        // Higher up our own head may be the wrong one; above genesis there is no such excuse.
        const { streamId } = joined.blocks[0] as FetchedBlock;
        const text = "block 1 does not name this network's genesis block as its parent";
        const { number, hash } = joined.blocks.at(-1) as FetchedBlock;
        this.condemn(number, hash, 1);
        this.#onLie({ kind: "lie", streamId, number: 1, text });
      } else if (this.#chain.atBase) this.#effects.push(joined);
    }
  }
  /** Nothing is under way and nothing can be sent. Returns true when a way forward was opened. */
  #unstick(): boolean {
    const way = this.#starving.wayOut(this.#target, this.#windowTo, this.#now);
    if (way === "rewound") this.#effects.push({ kind: "rewound", number: this.frontier.number });
    if (way === "starved") {
      const streamIds = this.#vouchers.useless(this.#now).filter((id) => this.ledger.has(id));
      if (streamIds.length > 0) this.#effects.push({ kind: "makeWay", streamIds });
    }
    return way === "rewound" || way === "rival";
  }
}
