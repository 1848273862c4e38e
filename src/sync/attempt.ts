/**
 * Going after a height that fewer peers claim than a quorum.
 *
 * Why it exists: where certificates decide, one peer that is ahead is enough; but a lone claim is more often a lie than
 * news. What must stay true: an attempt is short until it pays, and then twice as long each time, so that one honest peer
 * among many old ones is followed at its own speed; and as soon as the quorum's target rises, that comes first.
 */
import { asHsyncError, type Clock, isAbort } from "../base/mod.ts";
import type { Heights } from "./heights.ts";

/** Blocks of a first attempt. */
const FIRST_SPAN = 20;
const MAX_SPAN = 2 ** 20;
/** Least time between two looks at the heights, ms. */
const MIN_REST_MS = 20;

export interface AttemptOptions {
  readonly heights: Heights;
  readonly clock: Clock;
  /** How often peers are asked for their heights meanwhile, ms. */
  readonly pollMs: number;
  /** Number of the store's head. */
  readonly head: () => number;
  /** Whether blocks count by their certificates here: only then is a lone claim followed. */
  readonly certifies: boolean;
}

export class Attempts {
  /** How far above the head a lone claim is followed now. */
  #span = FIRST_SPAN;

  constructor(private readonly options: AttemptOptions) {}

  /**
   * The height to reach. Once the quorum's target is reached, a verifier that checks certificates lets a single
   * peer's higher claim be tried as well, a stretch at a time: what it cannot support falls, and what is certified
   * counts.
   */
  goal(): number | undefined {
    const { heights, certifies } = this.options;
    const target = heights.target();
    const head = this.options.head();
    if (!certifies || target === undefined || target > head) return target;
    return Math.min(heights.highest() ?? target, head + this.#span);
  }

  /**
   * One pass over the stages. That it leads nowhere is no failure.
   * @throws {HsyncError} what else `pass` fails with; CANCELLED when `signal` aborts.
   */
  async run(pass: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { head } = this.options;
    const from = head();
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const watching = this.#watch(both).then((risen) => {
      if (risen) over.abort();
    });
    try {
      await pass(both);
    } catch (error) {
      const { code } = asHsyncError(error);
      const overtaken = isAbort(error) && over.signal.aborted && !signal.aborted;
      if (!overtaken && code !== "NO_HASHES" && code !== "NO_BODIES") throw error;
    } finally {
      over.abort();
      await watching;
      this.#span = head() > from ? Math.min(MAX_SPAN, 2 * this.#span) : FIRST_SPAN;
    }
  }
  /** True once the quorum's target lies above the head; false when `signal` aborts first. */
  async #watch(signal: AbortSignal): Promise<boolean> {
    const { heights, clock, pollMs, head } = this.options;
    try {
      for (;;) {
        await heights.refresh(pollMs, signal);
        if ((heights.target() ?? 0) > head()) return true;
        await clock.sleep(Math.max(MIN_REST_MS, pollMs - heights.age), signal);
      }
    } catch (error) {
      if (isAbort(error)) return false;
      throw error;
    }
  }
}
