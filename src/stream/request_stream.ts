/**
 * A stream in the eyes of the request manager, and which of two is the better one.
 *
 * Why it exists: the choice of a stream is a rule of the guide ("health-based selection") and stands alone. What must
 * stay true: the order is deterministic, so that a simulation replays.
 */
import type { RequestType } from "./message.ts";
import type { RequestSpec } from "./request_events.ts";

/** A request in flight. Times are ms on the monotonic clock. */
export interface Pending {
  readonly spec: RequestSpec;
  readonly id: bigint;
  readonly sentAt: number;
  readonly hardAt: number;
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
  };
}

/** True when `a` is to be asked before `b`: fewer failures, then longer unused, then quicker (§4.3). */
export function better(a: RequestStream, b: RequestStream): boolean {
  if (a.failures !== b.failures) return a.failures < b.failures;
  if (a.lastUsed !== b.lastUsed) return a.lastUsed < b.lastUsed;
  return a.latencyMs < b.latencyMs;
}
