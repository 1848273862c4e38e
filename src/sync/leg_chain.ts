/**
 * Legs: the stretches between agreed skeleton hashes, and how they join into one run above the store's head.
 *
 * Why it exists: legs are filled in any order, but only an unbroken, linked run may go on to the stages. What must
 * stay true: a block is accepted only when it links down to the store's head; a candidate that does not link is set
 * aside without blaming those who named it; what is in the store is never reopened.
 */
import { equalBytes } from "../base/mod.ts";
import { Segment } from "./segment.ts";
import { type Candidate, Skeleton, type SkeletonPoint } from "./skeleton.ts";
import type { ChainPoint, FetchedBlock } from "./types.ts";

/** A stretch of bodies on its way. */
export interface Leg {
  readonly to: number;
  readonly segment: Segment;
  readonly candidate: Candidate;
  /** Streams at work on it, and when each is overdue (ms, monotonic). */
  readonly jobs: Map<string, number>;
}

interface AcceptedLeg {
  readonly to: number;
  readonly candidate: Candidate;
  /** The block it stands on. */
  readonly below: ChainPoint;
}

/** What joining the run gave. */
export type Joined =
  | { readonly kind: "accepted"; readonly blocks: readonly FetchedBlock[] }
  /** The leg is whole, but stands on another block than the run's end. */
  | { readonly kind: "foreign"; readonly blocks: readonly FetchedBlock[] };

/** What the chain of legs must know of the streams. */
export interface Witness {
  /** True when the votes on the point are as complete as they will soon be. */
  heard(point: SkeletonPoint): boolean;
  /** Blocks of ours that the stream delivered: breaks ties. */
  weight(streamId: string): number;
}

/** Candidates that were set aside only because nobody delivered them come back with the next round of questions. */
const UNDELIVERED = "no peer that named it delivers its blocks";

export class LegChain {
  readonly skeleton: Skeleton;
  readonly #legs = new Map<number, Leg>();
  #accepted: AcceptedLeg[] = [];
  /** Streams whose bytes for a leg were unusable, by the leg's end. */
  readonly #badFor = new Map<number, Set<string>>();
  #frontier: ChainPoint;
  #base: number;
  /** Called when a candidate is set aside. */
  onRefused: (number: number, hash: Uint8Array, why: string) => void = () => {};
  /** Called when that is because somebody sent wrong bytes of block `bad`. */
  onCondemned: (number: number, hash: Uint8Array, bad: number) => void = () => {};

  constructor(frontier: ChainPoint, base: number, private readonly witness: Witness) {
    this.#frontier = frontier;
    this.#base = base;
    this.skeleton = new Skeleton(frontier.number);
  }
  /** End of the unbroken run of accepted blocks. */
  get frontier(): ChainPoint {
    return this.#frontier;
  }
  /** The run's end is the store's head: what does not link to it contradicts the store. */
  get atBase(): boolean {
    return this.#frontier.number === this.#base;
  }
  legs(): Iterable<Leg> {
    return this.#legs.values();
  }
  get(to: number): Leg | undefined {
    return this.#legs.get(to);
  }
  /** Legs that are agreed and not accepted yet, lowest first; points without agreement have no leg. */
  *open(target: number): Generator<{ readonly point: SkeletonPoint; readonly leg: Leg | undefined }> {
    let below = this.#frontier.number;
    for (const point of this.skeleton.points) {
      if (point.number <= below) continue;
      if (point.number > target) return;
      yield { point, leg: this.#leg(point, below + 1) };
      below = point.number;
    }
  }
  /** Usable candidates in order of trial. */
  ranked(point: SkeletonPoint): Candidate[] {
    return this.skeleton.ranked(point, (id) => this.witness.weight(id));
  }

  #leg(point: SkeletonPoint, from: number): Leg | undefined {
    const known = this.#legs.get(point.number);
    if (known !== undefined && known.segment.from === from) {
      const started = known.jobs.size > 0 || known.segment.bytes > 0;
      if (started || known.candidate === this.ranked(point)[0]) return known;
    }
    this.#legs.delete(point.number);
    const candidate = this.ranked(point)[0];
    if (candidate === undefined || !this.witness.heard(point)) return undefined;
    const segment = new Segment(from, point.number, candidate.hash);
    for (const id of this.#badFor.get(point.number) ?? []) segment.excluded.add(id);
    const leg = { to: point.number, segment, candidate, jobs: new Map<string, number>() };
    this.#legs.set(point.number, leg);
    return leg;
  }

  /** Lets the next complete leg join the run; undefined when the leg above the run is not complete. */
  join(): Joined | undefined {
    const point = this.skeleton.after(this.#frontier.number);
    const leg = point === undefined ? undefined : this.#legs.get(point.number);
    if (point === undefined || leg === undefined || !leg.segment.complete) return undefined;
    this.#legs.delete(point.number);
    if (leg.segment.from !== this.#frontier.number + 1) return this.join();
    if (!equalBytes(leg.segment.linksTo, this.#frontier.hash)) {
      const { number } = this.#frontier;
      leg.candidate.unlinked = number;
      this.refuse(point, leg.candidate, `its blocks do not link to block ${number}`);
      return { kind: "foreign", blocks: leg.segment.blocks };
    }
    this.#accepted.push({ to: leg.to, candidate: leg.candidate, below: this.#frontier });
    this.#frontier = { number: leg.to, hash: leg.candidate.hash };
    return { kind: "accepted", blocks: leg.segment.blocks };
  }
  refuse(point: SkeletonPoint, candidate: Candidate, why: string): void {
    candidate.refused = why;
    this.onRefused(point.number, candidate.hash, why);
  }
  /** Sets aside what nobody delivers, in favour of the next candidate. */
  refuseUndelivered(point: SkeletonPoint, candidate: Candidate): void {
    this.refuse(point, candidate, UNDELIVERED);
    this.#legs.delete(point.number);
  }

  /** Blocks up to `number` are in the store. */
  committed(number: number): void {
    this.#base = Math.max(this.#base, number);
    this.skeleton.trim(Math.min(this.#base, this.#frontier.number));
    this.#accepted = this.#accepted.filter((leg) => leg.to > this.#base);
    for (const to of [...this.#badFor.keys()]) if (to <= this.#base) this.#badFor.delete(to);
  }
  /** Drops what was planned above `number`, but nothing that is accepted. */
  cut(number: number): void {
    const keep = Math.max(number, this.#frontier.number);
    this.skeleton.cut(keep);
    for (const to of [...this.#legs.keys()]) if (to > keep) this.#legs.delete(to);
  }
  /**
   * Gives up accepted blocks above `point`, the highest good one.
   * @param bad streams that are not asked for the block above `point` any more.
   * @param refuse set: an agreed hash is out as well, and why.
   * @param hopeless the block that this hash covers; default: the one above `point`.
   */
  rewind(point: ChainPoint, bad: readonly string[], refuse?: string, hopeless?: number): void {
    const next = this.skeleton.covering(point.number + 1);
    if (next !== undefined && bad.length > 0) {
      const set = this.#badFor.get(next.number) ?? new Set<string>();
      for (const id of bad) set.add(id);
      this.#badFor.set(next.number, set);
    }
    const lost = this.skeleton.covering(hopeless ?? point.number + 1);
    if (refuse !== undefined && lost !== undefined) {
      const candidate = this.#accepted.find((leg) => leg.to === lost.number)?.candidate ??
        this.#legs.get(lost.number)?.candidate;
      if (candidate !== undefined) {
        this.refuse(lost, candidate, refuse);
        if (bad.length > 0) this.onCondemned(lost.number, candidate.hash, point.number + 1);
      }
      this.#legs.delete(lost.number);
    }
    if (next !== undefined) this.#legs.delete(next.number);
    this.#rewindTo(point);
  }
  /** The stream is gone: its work is given back, and if it comes again it may be asked for what it failed on. */
  gone(streamId: string): void {
    this.skeleton.gone(streamId);
    for (const leg of this.#legs.values()) {
      leg.jobs.delete(streamId);
      if (this.#badFor.get(leg.to)?.has(streamId) !== true) leg.segment.excluded.delete(streamId);
    }
  }
  /** A stream has come: what was set aside because nobody delivered it has a chance again, where the peer had named it. */
  came(streamId: string): void {
    for (const point of this.skeleton.points) {
      for (const c of point.candidates) {
        if (c.refused === UNDELIVERED && c.voters.has(streamId)) c.refused = undefined;
      }
    }
  }
  /**
   * A peer's votes from `from` on are void: drops legs that rested on them alone, and reopens the run where it did and a rival
   * candidate stands. Returns true when the run was shortened.
   * @param bare heights where a candidate lost its last voter.
   */
  discard(streamId: string, from = 0): boolean {
    const bare = new Set(this.skeleton.discard(streamId, from));
    for (const [to, leg] of [...this.#legs]) {
      if (bare.has(to) && leg.candidate.voters.size === 0) this.#legs.delete(to);
    }
    const doubtful = this.#accepted.find((leg) =>
      bare.has(leg.to) && leg.below.number >= this.#base && leg.candidate.voters.size === 0 &&
      this.#rival(leg)
    );
    if (doubtful !== undefined) this.#rewindTo(doubtful.below);
    return doubtful !== undefined;
  }
  /**
   * No candidate at `stuck` links to the run: the candidate accepted last may be the wrong one. Opens that leg
   * again if another candidate stands there and nothing of it is in the store.
   */
  backtrack(stuck: SkeletonPoint): boolean {
    const last = this.#accepted.at(-1);
    if (last === undefined || last.below.number < this.#base || !this.#rival(last)) return false;
    const point = this.skeleton.at(last.to);
    if (point === undefined) return false;
    for (const c of stuck.candidates) c.refused = undefined;
    this.#rewindTo(last.below);
    last.candidate.unlinked = stuck.number;
    this.refuse(point, last.candidate, `nothing links to it at block ${stuck.number}`);
    return true;
  }
  /**
   * Forgets who failed to deliver, and what did not link to blocks that are not in the store, so that everyone can be
   * asked again.
   */
  forgive(): void {
    this.skeleton.relink(this.#base);
    for (const point of this.skeleton.points) {
      for (const c of point.candidates) if (c.refused === UNDELIVERED) c.refused = undefined;
    }
    for (const leg of this.#legs.values()) {
      leg.segment.excluded.clear();
      for (const id of this.#badFor.get(leg.to) ?? []) leg.segment.excluded.add(id);
    }
  }

  #rewindTo(point: ChainPoint): void {
    this.#accepted = this.#accepted.filter((leg) => leg.to <= point.number);
    this.#frontier = point;
    this.skeleton.relink(point.number);
  }
  /** Another candidate stands beside the accepted one. */
  #rival(leg: AcceptedLeg): boolean {
    const point = this.skeleton.at(leg.to);
    return point !== undefined && this.ranked(point).some((c) => c !== leg.candidate);
  }
}
