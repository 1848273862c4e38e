/**
 * How high the chain is, according to peers that may lie (sync-protocol.md §6.4.1).
 *
 * Why it exists: a cycle needs a target before it can ask for anything. What must stay true: one peer among
 * several can neither raise nor lower the target, a claim that the peer itself cannot support stops counting,
 * and a target is a plan only; no block is accepted because of it.
 */
import type { Clock } from "../base/mod.ts";

/** A claim older than this no longer counts, ms (config-cli-metrics.md §8.4). */
export const HEIGHT_MAX_AGE_MS = 60_000;
/**
 * While enough claims are younger than this, older ones are left out: the chain grows every two seconds, and a
 * minute-old claim would hold the target thirty blocks back.
 */
export const HEIGHT_FRESH_MS = 10_000;
/** First term of discredit, doubled at every relapse: an unsupported claim must not make the target flicker. */
const DISCREDIT_MS = 30_000;
const MAX_DISCREDIT_MS = 600_000;

/** One peer's claim. */
export interface HeightClaim {
  readonly streamId: string;
  readonly height: number;
  /** ms since 1970. */
  readonly at: number;
}

/** The target and what it rests on. */
export interface HeightEstimate {
  readonly height: number;
  /** Peers whose claims were counted. */
  readonly peers: number;
  /** How many of them claim at least `height`. */
  readonly quorum: number;
  /** The oldest of the `quorum` claims that carry the target, ms since 1970. */
  readonly asOf: number;
}

/** Of `n` answers, how many must reach a height before it becomes the target. */
export function heightQuorum(n: number): number {
  return Math.min(n, Math.max(2, Math.ceil(n / 3)));
}

/**
 * The q-th highest claim, q by {@link heightQuorum}; undefined without claims. Claims of height 0 are peers that
 * have nothing themselves: they say nothing about the chain and are not counted.
 */
export function estimateHeight(claims: readonly HeightClaim[]): HeightEstimate | undefined {
  const sorted = claims.filter((c) => c.height > 0).sort((a, b) => b.height - a.height);
  if (sorted.length === 0) return undefined;
  const quorum = heightQuorum(sorted.length);
  const carrying = sorted.slice(0, quorum);
  const last = carrying[carrying.length - 1] as HeightClaim;
  return {
    height: last.height,
    peers: sorted.length,
    quorum,
    asOf: Math.min(...carrying.map((c) => c.at)),
  };
}

/** Times are ms on the monotonic clock: a wall clock that is set back must not make old claims the newest. */
interface Entry {
  height: number;
  at: number;
  /** What the peer could show for its claim; the claim is cut to it until `until`. */
  cap: { height: number; until: number } | undefined;
  relapses: number;
}

/** What each peer claimed last, and which claims fell through. */
export class HeightBook {
  readonly #entries = new Map<string, Entry>();

  constructor(private readonly clock: Pick<Clock, "now" | "monotonic">) {}

  /** Records a claim that was made at `since1970` ms; an older one never replaces a newer one. */
  note(streamId: string, height: number, since1970: number): void {
    const { clock } = this;
    const at = clock.monotonic() - (clock.now() - since1970);
    const entry = this.#entries.get(streamId);
    if (entry === undefined) {
      this.#entries.set(streamId, { height, at, cap: undefined, relapses: 0 });
    } else if (at >= entry.at) {
      entry.height = height;
      entry.at = at;
    }
  }
  forget(streamId: string): void {
    this.#entries.delete(streamId);
  }
  /** The peer has no block where its own claim says it must: the claim counts only up to `height` for a while. */
  discredit(streamId: string, height: number): void {
    const entry = this.#entries.get(streamId);
    if (entry === undefined) return;
    const term = Math.min(DISCREDIT_MS * 2 ** entry.relapses, MAX_DISCREDIT_MS);
    entry.cap = { height: Math.max(0, height), until: this.clock.monotonic() + term };
    entry.relapses = Math.min(entry.relapses + 1, 10);
  }
  /** Height up to which the peer can be asked; undefined when it never said. */
  effective(streamId: string): number | undefined {
    const entry = this.#entries.get(streamId);
    if (entry === undefined) return undefined;
    const cap = entry.cap;
    return cap !== undefined && cap.until > this.clock.monotonic()
      ? Math.min(cap.height, entry.height)
      : entry.height;
  }
  /** The claim as made, for asking the peer to support it. */
  claimed(streamId: string): number | undefined {
    return this.#entries.get(streamId)?.height;
  }
  /** When the last claim was made, ms, monotonic. */
  askedAt(streamId: string): number | undefined {
    return this.#entries.get(streamId)?.at;
  }
  /** Claims not older than `maxAgeMs`, discredited ones cut. */
  claims(maxAgeMs: number): HeightClaim[] {
    const now = this.clock.monotonic();
    const out: HeightClaim[] = [];
    for (const [streamId, entry] of this.#entries) {
      const age = now - entry.at;
      if (age <= maxAgeMs) {
        out.push({ streamId, height: this.effective(streamId) ?? 0, at: this.clock.now() - age });
      }
    }
    return out;
  }
  /**
   * The target, or undefined while fewer than `needed` peers (at least one) named a height within the last minute.
   * Fresh claims alone decide when there are enough of them.
   */
  estimate(needed: number): HeightEstimate | undefined {
    const enough = Math.max(1, needed);
    const fresh = this.claims(HEIGHT_FRESH_MS).filter((c) => c.height > 0);
    const counted = fresh.length >= enough
      ? fresh
      : this.claims(HEIGHT_MAX_AGE_MS).filter((c) => c.height > 0);
    return counted.length >= enough ? estimateHeight(counted) : undefined;
  }
}
