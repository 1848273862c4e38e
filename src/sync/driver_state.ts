/**
 * What the driver does next, as a pure function (sync-protocol.md §6.4 [TS]).
 *
 * Why it exists: which state the node is in must be derivable from facts at any moment, not from the order in which
 * events happened to arrive. What must stay true: distances are signed (a head above the target is a distance below
 * zero, not a huge one); every state says what it waits for.
 *
 * The arrows:
 * - WaitingPeers → any: enough streams, or at least one and the grace time is over, and a target is known.
 * - LongRange → ShortRange: ten blocks or fewer to go.
 * - ShortRange → LongRange: more than 256 blocks to go, or the window was full three times in a row.
 * - LongRange, ShortRange → Synced: nothing to go. Synced → ShortRange, LongRange: there is again.
 * - any → WaitingPeers: no stream is left. any → Paused: the disk is nearly full; back when it is not.
 * - any → Finished: the height that the operator asked for is reached.
 */

export const DRIVER_STATES = [
  "WaitingPeers",
  "LongRange",
  "ShortRange",
  "Synced",
  "Paused",
  "Finished",
] as const;
export type DriverState = typeof DRIVER_STATES[number];

/** Distance up to which short range is in charge (sync-protocol.md §6.2). */
export const SHORT_RANGE_THRESHOLD = 10;
/** Blocks that short range takes at once, at most (sync-protocol.md §6.2). */
export const SHORT_RANGE_WINDOW = 20;
/** A gap above this sends short range back to long range. */
export const SHORT_RANGE_GAP = 256;
/** Full short-range windows in a row that mean the same. */
export const SHORT_RANGE_FULL_RUNS = 3;
/** Once a stream is there, the others get this long to come (spec/anchors.md T-14). */
export const GRACE_MS = 10_000;

export interface DriverFacts {
  readonly previous: DriverState;
  /** Active streams. */
  readonly streams: number;
  /** Streams wanted: InitStreams before the first cycle, MinPeers after. */
  readonly wanted: number;
  /** ms since the first of the present streams came; undefined without streams. */
  readonly streamsForMs: number | undefined;
  readonly head: number;
  /** Undefined: too few peers told their height. */
  readonly target: number | undefined;
  /** False: the disk is below the threshold. */
  readonly writable: boolean;
  readonly stopAt: number | undefined;
  /** Short-range cycles in a row that filled their window and left blocks over. */
  readonly fullShortRuns: number;
}

export interface Decision {
  readonly state: DriverState;
  /** What the state waits for; undefined when it works or is content. */
  readonly waitsFor?: "streams" | "moreStreams" | "heights" | "disk";
  /** True: fewer streams than wanted, and we go on with them. */
  readonly degraded: boolean;
}

/**
 * Whether a node in `state` counts as in sync: it has been `before`, and merely takes the next blocks, or it has
 * nothing left to take.
 */
export function inSync(before: boolean, state: DriverState): boolean {
  return state === "Synced" || (before && (state === "ShortRange" || state === "Finished"));
}

/** The state that fits the facts. */
export function decide(facts: DriverFacts): Decision {
  const { streams, wanted, head, target, stopAt } = facts;
  const degraded = streams < wanted;
  if (stopAt !== undefined && head >= stopAt) return { state: "Finished", degraded: false };
  if (!facts.writable) return { state: "Paused", waitsFor: "disk", degraded };
  if (streams === 0) return { state: "WaitingPeers", waitsFor: "streams", degraded };
  if (degraded && (facts.streamsForMs ?? 0) < GRACE_MS && facts.previous === "WaitingPeers") {
    return { state: "WaitingPeers", waitsFor: "moreStreams", degraded };
  }
  if (target === undefined) {
    // A cycle needs a target; a node that is in sync keeps that state while it asks again.
    const state = facts.previous === "Synced" ? "Synced" : "WaitingPeers";
    return { state, waitsFor: "heights", degraded };
  }
  const distance = target - head;
  if (distance <= 0) return { state: "Synced", degraded };
  if (distance <= SHORT_RANGE_THRESHOLD) return { state: "ShortRange", degraded };
  const stays = facts.previous === "ShortRange" && distance <= SHORT_RANGE_GAP &&
    facts.fullShortRuns < SHORT_RANGE_FULL_RUNS;
  return { state: stays ? "ShortRange" : "LongRange", degraded };
}
