/**
 * What is to be done when blocks are missing and nobody can be asked for them.
 *
 * Why it exists: a download stands still for four reasons, and each has another way out: a rival hash, one leg further back,
 * or to wait and ask everyone again. What must stay true: nothing is declared out of reach while a stream that could help
 * rests or works; nobody is blamed here; a wait has a reason and an end.
 */
import type { LegChain } from "./leg_chain.ts";
import type { Starvation } from "./orders.ts";
import type { StreamLedger } from "./stream_ledger.ts";

/** Pause before everyone is asked again, doubled up to the maximum. */
const RETRY_MS = 5_000;
const MAX_RETRY_MS = 30_000;

/** What a look at a download that stands still gave. */
export type WayOut =
  /** Nothing is missing, or a stream will be free again shortly. */
  | "none"
  /** The candidate that nobody delivers is set aside: the next one can be asked for. */
  | "rival"
  /** The run was shortened: another candidate stands below. */
  | "rewound"
  /** Nothing is left but to wait; why is in `starved`. */
  | "starved";

export class Starving {
  #starved: Starvation | undefined;
  #retryAt: number | undefined;
  #retries = 0;

  constructor(private readonly chain: LegChain, private readonly ledger: StreamLedger) {}

  get starved(): Starvation | undefined {
    return this.#starved;
  }
  /** Blocks came, or none is missing. */
  fed(): void {
    this.#starved = undefined;
    this.#retryAt = undefined;
    this.#retries = 0;
  }

  /**
   * Nothing is under way and nothing can be sent: finds out why.
   *
   * @param target how far to go. @param windowTo bodies above this height are not asked for yet. @param now ms, monotonic.
   */
  wayOut(target: number, windowTo: number, now: number): WayOut {
    const { chain, ledger } = this;
    const frontier = chain.frontier.number;
    const point = chain.skeleton.after(frontier);
    if (point === undefined || point.number > target || frontier >= windowTo) return "none";
    if (ledger.ids().length === 0) return this.#starve("noStreams", now);
    if (ledger.resting(now)) return "none";
    const [first, second] = chain.ranked(point);
    if (first === undefined) {
      const foreign = point.candidates.some((c) => c.voters.size > 0);
      if (foreign && chain.backtrack(point)) return "rewound";
      return this.#starve(foreign ? "noLink" : "noHashes", now);
    }
    const excluded = chain.get(point.number)?.segment.excluded;
    // An overdue voter may still deliver; a majority that is merely slow must not lose to a fast minority.
    const slow = [...first.voters].some((id) => ledger.open(id)?.aside === false && !excluded?.has(id));
    if (!slow && second !== undefined) {
      chain.refuseUndelivered(point, first);
      return "rival";
    }
    return this.#starve("noBodies", now);
  }
  #starve(why: Starvation["why"], now: number): WayOut {
    const number = this.chain.frontier.number + 1;
    if (this.#starved?.why !== why || this.#starved.number !== number) {
      this.#starved = { since: now, number, why };
    }
    if (this.#retryAt === undefined) {
      this.#retryAt = now + Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(this.#retries, 3));
      this.#retries++;
    }
    return "starved";
  }

  /** Once the pause is over, everyone may be asked again: peers catch up, heal and come back. */
  retry(now: number): void {
    if (this.#retryAt === undefined || this.#retryAt > now) return;
    this.#retryAt = undefined;
    this.chain.skeleton.reask(this.chain.frontier.number + 1, this.#starved?.why === "noLink");
    this.chain.forgive();
  }
  /** When the pause will be over, ms, monotonic; undefined: none runs after `now`. */
  nextRetry(now: number): number | undefined {
    return this.#retryAt === undefined || this.#retryAt <= now ? undefined : this.#retryAt;
  }
}
