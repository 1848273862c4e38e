/**
 * A stream in the eyes of the request manager, and which of two is the better one.
 *
 * Why it exists: what a stream is busy with, and the choice of a stream, a rule of the guide ("health-based
 * selection"), stand alone. What must stay true: the order is deterministic, so that a simulation replays; and a
 * stream has one request at a time, its write included.
 */
import type { RequestType } from "./message.ts";
import type { RequestSpec } from "./request_events.ts";

/** A peer that still works on this many requests we gave up gets no new one. */
const MAX_ABANDONED = 2;

/** A request in flight. Times are ms on the monotonic clock. */
export interface Pending {
  readonly spec: RequestSpec;
  readonly id: bigint;
  /** When the stream got it; once it is written, when that was. */
  sentAt: number;
  /** The frame is out. Until then whatever takes long is not the peer's doing. */
  written: boolean;
  /** Of the write at first, of the answer once it is written. */
  hardAt: number;
  idleAt: number;
}

/** A stream as the request manager uses it. */
export interface RequestStream {
  readonly instance: number;
  readonly peer: string;
  failures: number;
  lastUsed: number;
  latencyMs: number;
  pending: Pending | undefined;
  draining: boolean;
  /** After a time-out: not used until a probe is answered. */
  doubtful: boolean;
  pausedUntil: number;
  readonly unsupported: Set<RequestType>;
  /** Requests that we gave up while the peer may still be working on them, and until when we remember them. */
  readonly abandoned: Map<bigint, number>;
  /** A request given up before it was written: the stream is busy until that write is over or taken back. */
  withdrawn: { readonly id: bigint; readonly hardMs: number } | undefined;
}

/** A stream that has just become available. */
export function requestStream(instance: number, peer: string, failures: number): RequestStream {
  return {
    instance,
    peer,
    failures,
    lastUsed: -1,
    latencyMs: 0,
    pending: undefined,
    draining: false,
    doubtful: false,
    pausedUntil: 0,
    unsupported: new Set(),
    abandoned: new Map(),
    withdrawn: undefined,
  };
}

/** A request that a stream has just been given. Until it is written its shorter limit counts, for the write. */
export function pendingRequest(spec: RequestSpec, id: bigint, now: number): Pending {
  return { spec, id, sentAt: now, written: false, hardAt: now + spec.hardMs, idleAt: now + spec.idleMs };
}

/** A request's frame is out: the peer's time begins, or, given up meanwhile, its answer may come. */
export function written(stream: RequestStream, id: bigint, now: number): void {
  const { pending, withdrawn } = stream;
  if (pending?.id === id) {
    pending.written = true;
    pending.sentAt = now;
    pending.hardAt = now + pending.spec.hardMs;
    pending.idleAt = now + pending.spec.idleMs;
  } else if (withdrawn?.id === id) {
    stream.abandoned.set(id, now + withdrawn.hardMs);
    stream.withdrawn = undefined;
  }
}

/** Takes a request off its stream. An answer is expected only to what the peer has. */
export function giveUp(stream: RequestStream, pending: Pending): void {
  const { id, spec, hardAt } = pending;
  stream.pending = undefined;
  if (pending.written) stream.abandoned.set(id, hardAt);
  else stream.withdrawn = { id, hardMs: spec.hardMs };
}

/** True when the stream may serve such a request by its lists and abilities. */
export function allows(stream: RequestStream, spec: RequestSpec): boolean {
  if (stream.draining || stream.unsupported.has(spec.type)) return false;
  if (spec.whitelist !== undefined && !spec.whitelist.has(stream.peer)) return false;
  return !spec.blacklist?.has(stream.peer);
}

/** True when the stream may be given a request now. */
export function isIdle(stream: RequestStream, now: number): boolean {
  return stream.pending === undefined && stream.withdrawn === undefined && !stream.draining &&
    !stream.doubtful && now >= stream.pausedUntil && stream.abandoned.size < MAX_ABANDONED;
}

/** True when `a` is to be asked before `b`: fewer failures, then longer unused, then quicker (§4.3). */
export function better(a: RequestStream, b: RequestStream): boolean {
  if (a.failures !== b.failures) return a.failures < b.failures;
  if (a.lastUsed !== b.lastUsed) return a.lastUsed < b.lastUsed;
  return a.latencyMs < b.latencyMs;
}
