/**
 * What happens to the request manager's core and what it wants done: the alphabet of its tests.
 *
 * Why it exists: events and effects are the whole interface between decisions and the world. What must stay true:
 * nothing in here is alive: numbers, names and sets only.
 */
import type { FailureName } from "./fault.ts";
import type { RequestType } from "./message.ts";

/** A request as the core sees it. Times are ms on the monotonic clock. */
export interface RequestSpec {
  readonly key: number;
  readonly type: RequestType;
  readonly priority: "high" | "low";
  readonly whitelist: ReadonlySet<string> | undefined;
  readonly blacklist: ReadonlySet<string> | undefined;
  /** How long it may wait for a stream. */
  readonly waitMs: number;
  /** How long the answer may take altogether, from the moment the request is written … */
  readonly hardMs: number;
  /** … and without progress. */
  readonly idleMs: number;
}

export type RequestEvent =
  | { readonly type: "submit"; readonly spec: RequestSpec }
  | { readonly type: "cancel"; readonly key: number }
  /** The request's frame is out: the peer's time begins. */
  | { readonly type: "written"; readonly instance: number; readonly id: bigint }
  /** Not a byte of it went out: it was taken back in time, or could not be put into a message. */
  | { readonly type: "unsent"; readonly instance: number; readonly id: bigint }
  | { readonly type: "writeFailed"; readonly instance: number; readonly id: bigint }
  /** An answer, awaited or late. */
  | { readonly type: "deliver"; readonly instance: number; readonly id: bigint }
  | { readonly type: "progress"; readonly instance: number }
  | { readonly type: "added"; readonly instance: number; readonly peer: string; readonly failures: number }
  /** A better stream to the same peer has taken over: no new requests, then `drained`. */
  | { readonly type: "drain"; readonly instance: number }
  | { readonly type: "removed"; readonly instance: number }
  /** The peer has answered a probe after a time-out. */
  | { readonly type: "revived"; readonly instance: number }
  /** The peer asked for a pause. */
  | { readonly type: "pause"; readonly instance: number; readonly ms: number }
  | { readonly type: "unsupported"; readonly instance: number; readonly request: RequestType }
  | { readonly type: "failures"; readonly peer: string; readonly count: number }
  /** No data requests to this peer for a while. */
  | { readonly type: "suspend"; readonly peer: string; readonly ms: number }
  | { readonly type: "tick" }
  | { readonly type: "stop" };

export type RequestEffect =
  | { readonly type: "send"; readonly key: number; readonly instance: number; readonly id: bigint }
  | {
    readonly type: "answered";
    readonly key: number;
    readonly instance: number;
    readonly peer: string;
    readonly ms: number;
  }
  | {
    readonly type: "failed";
    readonly key: number;
    readonly failure: FailureName;
    /** Present when the request had been dispatched. */
    readonly peer?: string;
    readonly instance?: number;
    readonly ms?: number;
  }
  /** The stream has let a request run out of time: report it, and probe before it is used again. */
  | {
    readonly type: "timedOut";
    readonly instance: number;
    readonly peer: string;
    readonly what: RequestType;
  }
  | { readonly type: "drained"; readonly instance: number };
