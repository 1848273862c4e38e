/**
 * The request manager's decisions, without clock, network or promises: (state, event) → effects.
 *
 * Why it exists: who gets the next free stream, what happens to a request whose stream dies, and when somebody is to
 * blame are questions for tables in tests, not for timing (sync-protocol.md §4; DESIGN.md rule 10). What must stay
 * true: a request is in exactly one place (a queue or in flight) until it is settled once; a stream carries one
 * request at a time; nothing is held up by a request that cannot go; and a peer's time runs only while it has the
 * request.
 */
import { MAX_WAITING, NO_STREAM_TIMEOUT_MS, SCAN_LIMIT } from "./constants.ts";
import type { RequestType } from "./message.ts";
import type { RequestEffect, RequestEvent, RequestSpec } from "./request_events.ts";
import {
  allows,
  better,
  giveUp,
  isIdle,
  type Pending,
  pendingRequest,
  type RequestStream,
  requestStream,
  written,
} from "./request_stream.ts";
import { WaitingList } from "./waiting_list.ts";

interface Waiting {
  readonly key: number;
  readonly spec: RequestSpec;
  readonly since: number;
}

/** A low request that has waited this long goes before the high ones, every other time (T-19: no starvation). */
const STARVING_MS = 2_500;
/** A stream on which a request could not be written in time gets none for this long. */
const UNWRITTEN_PAUSE_MS = 60_000;

export class RequestCore {
  readonly #high = new WaitingList<Waiting>(MAX_WAITING);
  readonly #low = new WaitingList<Waiting>(MAX_WAITING);
  readonly #streams = new Map<number, RequestStream>();
  /** Request key to the stream that works on it. */
  readonly #pending = new Map<number, RequestStream>();
  readonly #suspended = new Map<string, number>();
  readonly #newId: () => bigint;
  #noStreamSince: number;
  #servedStarving = false;
  #stopped = false;

  /** @param newId gives a request id that no pending request has. @param now ms on the monotonic clock. */
  constructor(newId: () => bigint, now: number) {
    this.#newId = newId;
    this.#noStreamSince = now;
  }

  get waitingHigh(): number {
    return this.#high.size;
  }
  get waitingLow(): number {
    return this.#low.size;
  }
  get pendingCount(): number {
    return this.#pending.size;
  }
  get connected(): number {
    let n = 0;
    for (const s of this.#streams.values()) if (!s.draining) n++;
    return n;
  }
  available(now: number): number {
    let n = 0;
    for (const s of this.#streams.values()) if (isIdle(s, now)) n++;
    return n;
  }
  /** ms that the oldest waiting request has waited; 0 when none waits. */
  oldestWaitMs(now: number): number {
    const starts = [this.#high.first(), this.#low.first()].flatMap((w) => w === undefined ? [] : [w.since]);
    return starts.length === 0 ? 0 : now - Math.min(...starts);
  }
  /** Failure counts of the connected streams. */
  failureCounts(): number[] {
    return [...this.#streams.values()].filter((s) => !s.draining).map((s) => s.failures);
  }
  has(instance: number): boolean {
    return this.#streams.has(instance);
  }
  /** What the stream works on now. */
  working(instance: number): RequestType | undefined {
    return this.#streams.get(instance)?.pending?.spec.type;
  }
  isSuspended(peer: string, now: number): boolean {
    return now < (this.#suspended.get(peer) ?? 0);
  }
  /** True when an answer with this id on this stream belongs to a pending request. */
  expects(instance: number, id: bigint): boolean {
    return this.#streams.get(instance)?.pending?.id === id;
  }
  /** The pending request with this id on this stream. */
  keyOf(instance: number, id: bigint): number | undefined {
    const pending = this.#streams.get(instance)?.pending;
    return pending?.id === id ? pending.spec.key : undefined;
  }

  /** Takes an event and says what is to be done. `now` is ms on the monotonic clock. */
  step(now: number, event: RequestEvent): RequestEffect[] {
    const out: RequestEffect[] = [];
    this.#handle(now, event, out);
    // Bytes that move free nobody; a stream that they do free is found by the next look of the throttle.
    const moving = event.type === "progress" || event.type === "written";
    if (!this.#stopped && !moving) this.#dispatch(now, out, Number.MAX_SAFE_INTEGER);
    return out;
  }

  /** The safety net: hands out at most `batch` requests. */
  throttle(now: number, batch: number): RequestEffect[] {
    const out: RequestEffect[] = [];
    if (!this.#stopped) this.#dispatch(now, out, batch);
    return out;
  }

  #handle(now: number, event: RequestEvent, out: RequestEffect[]): void {
    switch (event.type) {
      case "submit":
        return this.#submit(now, event.spec, out);
      case "cancel":
        return this.#cancel(now, event.key, out);
      case "writeFailed":
        return this.#writeFailed(now, event.instance, event.id, out);
      case "written": {
        const stream = this.#streams.get(event.instance);
        if (stream !== undefined) written(stream, event.id, now);
        return;
      }
      case "unsent":
        return this.#unsent(now, event.instance, event.id, out);
      case "deliver":
        return this.#deliver(now, event.instance, event.id, out);
      case "progress": {
        const pending = this.#streams.get(event.instance)?.pending;
        if (pending?.written) pending.idleAt = now + pending.spec.idleMs;
        return;
      }
      case "added":
        this.#streams.set(event.instance, requestStream(event.instance, event.peer, event.failures));
        return;
      case "drain": {
        const stream = this.#streams.get(event.instance);
        if (stream === undefined) return;
        stream.draining = true;
        this.#afterDrain(stream, out);
        return;
      }
      case "removed":
        return this.#removed(now, event.instance, out);
      case "revived": {
        const stream = this.#streams.get(event.instance);
        if (stream !== undefined) stream.doubtful = false;
        return;
      }
      case "pause": {
        const stream = this.#streams.get(event.instance);
        if (stream !== undefined) stream.pausedUntil = Math.max(stream.pausedUntil, now + event.ms);
        return;
      }
      case "unsupported":
        this.#streams.get(event.instance)?.unsupported.add(event.request);
        return this.#failIneligible(now, out);
      case "failures":
        for (const s of this.#streams.values()) if (s.peer === event.peer) s.failures = event.count;
        return;
      case "suspend":
        this.#suspended.set(event.peer, now + event.ms);
        return this.#failIneligible(now, out);
      case "tick":
        return this.#tick(now, out);
      case "stop":
        return this.#stop(now, out);
    }
  }

  #queue(spec: RequestSpec): WaitingList<Waiting> {
    return spec.priority === "high" ? this.#high : this.#low;
  }

  #submit(now: number, spec: RequestSpec, out: RequestEffect[]): void {
    if (this.#stopped) out.push({ type: "failed", key: spec.key, failure: "CLOSED" });
    else if (this.#hopeless(spec, now)) {
      out.push({ type: "failed", key: spec.key, failure: "NO_ELIGIBLE_STREAM" });
    } else if (this.#queue(spec).full) out.push({ type: "failed", key: spec.key, failure: "QUEUE_FULL" });
    else this.#queue(spec).push({ key: spec.key, spec, since: now });
  }

  /** Takes a pending request off its stream, which remembers that an answer may come if the peer has it already. */
  #abandon(stream: RequestStream, pending: Pending): void {
    this.#pending.delete(pending.spec.key);
    giveUp(stream, pending);
  }

  #cancel(now: number, key: number, out: RequestEffect[]): void {
    const stream = this.#pending.get(key);
    const pending = stream?.pending;
    if (stream !== undefined && pending !== undefined) {
      this.#abandon(stream, pending);
      const ms = now - pending.sentAt;
      out.push({
        type: "failed",
        key,
        failure: "CANCELLED",
        peer: stream.peer,
        instance: stream.instance,
        ms,
      });
      this.#afterDrain(stream, out);
    } else if (this.#high.delete(key) || this.#low.delete(key)) {
      out.push({ type: "failed", key, failure: "CANCELLED" });
    }
  }

  #unsent(now: number, instance: number, id: bigint, out: RequestEffect[]): void {
    const stream = this.#streams.get(instance);
    if (stream === undefined) return;
    if (stream.withdrawn?.id === id) stream.withdrawn = undefined;
    const pending = stream.pending;
    if (pending?.id !== id) return;
    stream.pending = undefined;
    this.#pending.delete(pending.spec.key);
    const { peer } = stream;
    const ms = now - pending.sentAt;
    out.push({ type: "failed", key: pending.spec.key, failure: "REQUEST_INVALID", peer, instance, ms });
    this.#afterDrain(stream, out);
  }

  #writeFailed(now: number, instance: number, id: bigint, out: RequestEffect[]): void {
    const stream = this.#streams.get(instance);
    if (stream === undefined) return;
    const pending = stream.pending;
    if (pending?.id !== id && stream.withdrawn?.id !== id) return;
    // The stream itself ends now, so it is left unusable and not made available again (§4.3).
    stream.doubtful = true;
    if (pending?.id !== id) return;
    this.#abandon(stream, pending);
    const { peer } = stream;
    const ms = now - pending.sentAt;
    out.push({ type: "failed", key: pending.spec.key, failure: "WRITE_FAILED", peer, instance, ms });
  }

  #deliver(now: number, instance: number, id: bigint, out: RequestEffect[]): void {
    const stream = this.#streams.get(instance);
    const pending = stream?.pending;
    if (stream === undefined) return;
    if (pending?.id !== id) {
      stream.abandoned.delete(id);
      if (stream.withdrawn?.id === id) stream.withdrawn = undefined;
      return;
    }
    stream.pending = undefined;
    this.#pending.delete(pending.spec.key);
    const ms = now - pending.sentAt;
    stream.latencyMs = stream.latencyMs === 0 ? ms : stream.latencyMs * 0.8 + ms * 0.2;
    out.push({ type: "answered", key: pending.spec.key, instance, peer: stream.peer, ms });
    this.#afterDrain(stream, out);
  }

  #afterDrain(stream: RequestStream, out: RequestEffect[]): void {
    if (stream.draining && stream.pending === undefined) {
      out.push({ type: "drained", instance: stream.instance });
    }
  }

  #removed(now: number, instance: number, out: RequestEffect[]): void {
    const stream = this.#streams.get(instance);
    if (stream === undefined) return;
    this.#streams.delete(instance);
    if (this.#streams.size === 0) this.#noStreamSince = now;
    const pending = stream.pending;
    if (pending !== undefined) {
      this.#pending.delete(pending.spec.key);
      const { peer } = stream;
      const ms = now - pending.sentAt;
      out.push({ type: "failed", key: pending.spec.key, failure: "STREAM_REMOVED", peer, instance, ms });
    }
    this.#failIneligible(now, out);
  }

  #tick(now: number, out: RequestEffect[]): void {
    for (const stream of this.#streams.values()) {
      for (const [id, until] of stream.abandoned) if (now >= until) stream.abandoned.delete(id);
      const pending = stream.pending;
      if (pending === undefined || now < Math.min(pending.hardAt, pending.idleAt)) continue;
      this.#abandon(stream, pending);
      const { peer, instance } = stream;
      const { key, type } = pending.spec;
      const failure = pending.written ? "REQUEST_TIMEOUT" : "WRITE_TIMEOUT";
      out.push({ type: "failed", key, failure, peer, instance, ms: now - pending.sentAt });
      if (pending.written) {
        stream.doubtful = true;
        out.push({ type: "timedOut", instance, peer, what: type });
      } else {
        // An answer of ours is still on its way out, or too much is being written: others are asked meanwhile.
        stream.pausedUntil = Math.max(stream.pausedUntil, now + UNWRITTEN_PAUSE_MS);
      }
      this.#afterDrain(stream, out);
    }
    for (const [peer, until] of this.#suspended) if (now >= until) this.#suspended.delete(peer);
    const noStream = this.#streams.size === 0;
    for (const queue of [this.#high, this.#low]) {
      for (const { key, spec, since } of [...queue.values()]) {
        const alone = noStream && now >= Math.max(this.#noStreamSince, since) + NO_STREAM_TIMEOUT_MS;
        if (!alone && now < since + spec.waitMs) continue;
        queue.delete(key);
        out.push({ type: "failed", key, failure: noStream ? "NO_STREAM" : "WAIT_TIMEOUT" });
      }
    }
  }

  #stop(now: number, out: RequestEffect[]): void {
    this.#stopped = true;
    for (const [key, stream] of this.#pending) {
      const ms = now - (stream.pending?.sentAt ?? now);
      out.push({ type: "failed", key, failure: "CLOSED", peer: stream.peer, instance: stream.instance, ms });
      stream.pending = undefined;
    }
    this.#pending.clear();
    for (const queue of [this.#high, this.#low]) {
      for (const { key } of [...queue.values()]) {
        queue.delete(key);
        out.push({ type: "failed", key, failure: "CLOSED" });
      }
    }
  }

  /** True when the stream may serve this request, now or later. */
  #allowed(spec: RequestSpec, stream: RequestStream, now: number): boolean {
    return allows(stream, spec) &&
      (spec.type === "getBlockNumber" || !this.isSuspended(stream.peer, now));
  }

  /**
   * True when no stream that exists may ever serve it. Without any stream only a whitelist makes a request hopeless:
   * anything else waits for streams to come.
   */
  #hopeless(spec: RequestSpec, now: number): boolean {
    if (spec.whitelist === undefined && this.#streams.size === 0) return false;
    for (const stream of this.#streams.values()) if (this.#allowed(spec, stream, now)) return false;
    return true;
  }

  #failIneligible(now: number, out: RequestEffect[]): void {
    for (const queue of [this.#high, this.#low]) {
      for (const { key, spec } of [...queue.values()]) {
        if (!this.#hopeless(spec, now)) continue;
        queue.delete(key);
        out.push({ type: "failed", key, failure: "NO_ELIGIBLE_STREAM" });
      }
    }
  }

  /** The best idle stream for a request: fewest failures, then least recently used, then quickest (§4.3). */
  #pick(spec: RequestSpec, idle: ReadonlySet<RequestStream>, now: number): RequestStream | undefined {
    let best: RequestStream | undefined;
    for (const s of idle) {
      if (!this.#allowed(spec, s, now)) continue;
      if (best === undefined || better(s, best)) best = s;
    }
    return best;
  }

  #dispatch(now: number, out: RequestEffect[], batch: number): void {
    if (this.#high.size + this.#low.size === 0) return;
    const idle = new Set<RequestStream>();
    for (const s of this.#streams.values()) if (isIdle(s, now)) idle.add(s);
    let left = batch;
    const assign = ({ spec }: Waiting): "taken" | "passed" | "stop" => {
      if (left <= 0 || idle.size === 0) return "stop";
      const stream = this.#pick(spec, idle, now);
      if (stream === undefined) return "passed";
      left--;
      idle.delete(stream);
      this.#send(now, spec, stream, out);
      return "taken";
    };
    if (!this.#servedStarving) {
      // One of the starving ones, not only the oldest: that one may want a stream that stays busy.
      this.#low.offer(SCAN_LIMIT, (waiting) => {
        if (this.#servedStarving || now - waiting.since < STARVING_MS) return "stop";
        const verdict = assign(waiting);
        if (verdict === "taken") this.#servedStarving = true;
        return verdict;
      });
    }
    const before = left;
    this.#high.offer(SCAN_LIMIT, assign);
    if (left < before || this.#high.size === 0) this.#servedStarving = false;
    this.#low.offer(SCAN_LIMIT, assign);
  }

  #send(now: number, spec: RequestSpec, stream: RequestStream, out: RequestEffect[]): void {
    const id = this.#newId();
    stream.pending = pendingRequest(spec, id, now);
    stream.lastUsed = now;
    this.#pending.set(spec.key, stream);
    out.push({ type: "send", key: spec.key, instance: stream.instance, id });
  }
}
