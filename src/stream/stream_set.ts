/**
 * The streams of one protocol and their places: active, reserved, spare (guide, "Stream States").
 *
 * Why it exists: moving streams between places is one idea, blaming them another. What must stay true: a peer holds
 * at most one place among active and reserved; active never exceeds the high cap except for trusted peers; and each
 * move says what it changed.
 */
import { Capacity } from "./capacity.ts";
import {
  MAX_REFUSED_STREAMS,
  MAX_RESERVED_STREAMS,
  REFUSED_STREAMS_PER_PEER,
  SETTLE_MS,
} from "./constants.ts";
import { type FailureName, offence } from "./fault.ts";
import type { ManagerConfig, ManagerEffect } from "./manager_events.ts";
import type { PeerBook } from "./peer_book.ts";
import { score } from "./score.ts";
import type { StreamState } from "./states.ts";

/** When the reserve falls below this share of its cap, discovery starts (§3.5). */
const RESERVE_LOW_SHARE = 0.1;

/** One stream as the core knows it. Times are ms on the monotonic clock. */
export interface CoreStream {
  readonly instance: number;
  readonly peer: string;
  readonly direction: "in" | "out";
  readonly address: string;
  readonly muxer: string;
  readonly openedAt: number;
  state: StreamState;
  height: number | undefined;
  heightAt: number | undefined;
  aliveAt: number;
  /** Its first exchange was over. */
  provenAt: number | undefined;
  /** See `noteUse`. */
  used: boolean;
  timeoutsInARow: number;
  readonly capacity: Capacity;
}

export class StreamSet {
  readonly maxReserved: number;
  readonly #config: ManagerConfig;
  readonly #book: PeerBook;
  readonly #isTrusted: (peer: string) => boolean;
  readonly #streams = new Map<number, CoreStream>();
  readonly #active = new Map<string, CoreStream>();
  readonly #reserved = new Map<string, CoreStream>();

  constructor(config: ManagerConfig, book: PeerBook, isTrusted: (peer: string) => boolean) {
    this.#config = config;
    this.#book = book;
    this.#isTrusted = isTrusted;
    this.maxReserved = config.maxReserved ?? MAX_RESERVED_STREAMS;
  }

  get activeCount(): number {
    return this.#active.size;
  }
  get reservedCount(): number {
    return this.#reserved.size;
  }
  /** Free places, those of the reserve included. */
  get room(): number {
    const { highCap } = this.#config.caps;
    return Math.max(0, highCap - this.#active.size) + Math.max(0, this.maxReserved - this.#reserved.size);
  }
  /** True when the reserve has shrunk below the share of its cap at which others are looked for (§3.5). */
  get reserveIsLow(): boolean {
    return this.#reserved.size < this.maxReserved * RESERVE_LOW_SHARE;
  }
  get full(): boolean {
    return this.#active.size >= this.#config.caps.highCap && this.#reserved.size >= this.maxReserved;
  }
  get(instance: number): CoreStream | undefined {
    return this.#streams.get(instance);
  }
  all(): IterableIterator<CoreStream> {
    return this.#streams.values();
  }
  activePeers(): IterableIterator<string> {
    return this.#active.keys();
  }
  /** The streams that count: active first, then reserved. */
  main(): CoreStream[] {
    return [...this.#active.values(), ...this.#reserved.values()];
  }
  mainOf(peer: string): CoreStream | undefined {
    return this.#active.get(peer) ?? this.#reserved.get(peer);
  }
  isActive(stream: CoreStream): boolean {
    return this.#active.get(stream.peer) === stream;
  }
  /** How many of these peers have a place. */
  countOf(peers: Iterable<string>): { readonly active: number; readonly reserved: number } {
    let active = 0, reserved = 0;
    for (const peer of peers) {
      if (this.#active.has(peer)) active++;
      else if (this.#reserved.has(peer)) reserved++;
    }
    return { active, reserved };
  }
  /** True while any stream with a peer stands, also one that is on its way out. */
  hasAny(peer: string): boolean {
    for (const s of this.#streams.values()) if (s.peer === peer) return true;
    return false;
  }
  /** Streams of a peer that are not on their way out. */
  ofPeer(peer: string): CoreStream[] {
    const out: CoreStream[] = [];
    for (const s of this.#streams.values()) if (s.peer === peer && s.state !== "ending") out.push(s);
    return out;
  }
  /** Inbound streams whose first exchange is awaited. */
  probingInbound(): number {
    let n = 0;
    for (const s of this.#streams.values()) if (s.state === "probing" && s.direction === "in") n++;
    return n;
  }
  score(stream: CoreStream, now: number): number {
    return score({
      failures: this.#book.failures(stream.peer, now),
      latencyMs: stream.capacity.latencyMs,
      success: this.#book.success(stream.peer),
    });
  }

  /** A new stream, in the state `probing`. */
  add(
    given: Pick<CoreStream, "instance" | "peer" | "direction" | "address" | "muxer">,
    now: number,
  ): CoreStream {
    const stream: CoreStream = {
      instance: given.instance,
      peer: given.peer,
      direction: given.direction,
      address: given.address,
      muxer: given.muxer,
      openedAt: now,
      state: "probing",
      height: undefined,
      heightAt: undefined,
      aliveAt: now,
      provenAt: undefined,
      used: false,
      timeoutsInARow: 0,
      capacity: new Capacity(),
    };
    this.#streams.set(stream.instance, stream);
    return stream;
  }
  /** Forgets a stream that is gone. Its place, if it had one, is given up by `leave`. */
  forget(stream: CoreStream): void {
    this.#streams.delete(stream.instance);
  }

  /** Sends a stream on its way out. */
  end(stream: CoreStream, failure: FailureName, text: string, out: ManagerEffect[]): void {
    if (stream.state === "ending") return;
    stream.state = "ending";
    out.push({ type: "end", instance: stream.instance, failure, text });
  }

  /**
   * Keeps the inbound streams that are on their way out few: each is read and served until it may be reset without harm.
   * A Go node never has more than two with us, so that one peer's are cut whatever their age; among those of many peers
   * only streams whose opener is past accepting them (§2.8, never-lines), which their number of connections bounds.
   */
  thin(peer: string, now: number, out: ManagerEffect[]): void {
    const ending = [...this.#streams.values()].filter((s) => s.state === "ending" && s.direction === "in");
    const own = ending.filter((s) => s.peer === peer);
    const cut = new Set(own.slice(0, Math.max(0, own.length - REFUSED_STREAMS_PER_PEER)));
    for (const s of ending) {
      if (ending.length - cut.size <= MAX_REFUSED_STREAMS) break;
      if (now - s.openedAt >= SETTLE_MS) cut.add(s);
    }
    for (const { instance } of cut) {
      out.push({ type: "cut", instance, failure: "OVER_CAPACITY", text: "too many refused streams" });
    }
  }

  /** Gives a proven stream a place: active while there is room, else reserved, else none (§3.3). */
  place(stream: CoreStream, now: number, out: ManagerEffect[]): void {
    const trusted = this.#isTrusted(stream.peer);
    if (this.#active.size >= this.#config.caps.highCap && trusted) this.#demoteWorst(now, out);
    if (this.#active.size < this.#config.caps.highCap || trusted) {
      out.push({ type: "protect", peer: stream.peer });
      this.#activate(stream, now, out);
    } else if (this.#reserved.size < this.maxReserved) {
      out.push({ type: "protect", peer: stream.peer });
      stream.state = "reserved";
      this.#reserved.set(stream.peer, stream);
    } else {
      this.end(stream, "OVER_CAPACITY", "no room for more streams", out);
    }
  }

  #activate(stream: CoreStream, now: number, out: ManagerEffect[]): void {
    stream.state = "active";
    this.#active.set(stream.peer, stream);
    const { peer, instance } = stream;
    out.push({ type: "activate", instance, peer, failures: this.#book.failures(peer, now) });
    out.push({ type: "added", peer, instance });
  }

  /** Makes room for a trusted peer: the worst other stream waits in the reserve. */
  #demoteWorst(now: number, out: ManagerEffect[]): void {
    let worst: CoreStream | undefined;
    let worstFailures = -1;
    for (const s of this.#active.values()) {
      if (this.#isTrusted(s.peer)) continue;
      const failures = this.#book.failures(s.peer, now);
      const worse = failures > worstFailures ||
        (failures === worstFailures && worst !== undefined && this.score(s, now) < this.score(worst, now));
      if (worst === undefined || worse) {
        worst = s;
        worstFailures = failures;
      }
    }
    if (worst === undefined) return;
    const { peer, instance } = worst;
    const why = offence("OVER_CAPACITY", "a trusted peer takes its place");
    this.leave(worst, out);
    out.push({
      type: "removed",
      peer,
      instance,
      offence: why,
      critical: false,
      wasActive: true,
    });
    if (this.#reserved.size < this.maxReserved) {
      worst.state = "reserved";
      this.#reserved.set(peer, worst);
    } else {
      out.push({ type: "unprotect", peer });
      this.end(worst, "OVER_CAPACITY", why.text, out);
    }
  }

  /** Puts a stream into the place of another of the same peer: nobody above needs to know. */
  replace(old: CoreStream, fresh: CoreStream, now: number, out: ManagerEffect[]): void {
    const { peer, instance } = fresh;
    if (this.#active.get(peer) === old) {
      fresh.state = "active";
      this.#active.set(peer, fresh);
      out.push({ type: "activate", instance, peer, failures: this.#book.failures(peer, now) });
    } else {
      fresh.state = "reserved";
      this.#reserved.set(peer, fresh);
    }
  }

  /** Takes a stream off its place. @returns true when it had been active. */
  leave(stream: CoreStream, out: ManagerEffect[]): boolean {
    const wasActive = this.#active.get(stream.peer) === stream;
    if (wasActive) {
      this.#active.delete(stream.peer);
      out.push({ type: "deactivate", instance: stream.instance });
    }
    if (this.#reserved.get(stream.peer) === stream) this.#reserved.delete(stream.peer);
    return wasActive;
  }

  /**
   * Promotes from the reserve while there is room, the best score first (guide, "Automatic Promotion"). A stream that
   * has just let a sign of life run out is passed over while there are others.
   */
  refill(now: number, out: ManagerEffect[]): void {
    while (this.#active.size < this.#config.caps.highCap && this.#reserved.size > 0) {
      const candidates = [...this.#reserved.values()];
      const healthy = candidates.filter((s) => s.timeoutsInARow === 0);
      let best: CoreStream | undefined;
      for (const s of healthy.length > 0 ? healthy : candidates) {
        if (best === undefined || this.score(s, now) > this.score(best, now)) best = s;
      }
      if (best === undefined) return;
      this.#reserved.delete(best.peer);
      this.#activate(best, now, out);
    }
  }
}
