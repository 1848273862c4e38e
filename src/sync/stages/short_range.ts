/**
 * ShortRange: the last blocks before the head in one go (guide stage 3; sync-protocol.md §6.2, §6.4 [TS]).
 *
 * Why it exists: near the head a cycle is a handful of blocks; they are agreed, fetched and judged in one stage, and counted
 * apart from the long haul. What must stay true: a block gets in here by the same steps, and through the same
 * checks, as over a long distance; one step is one commit, and waiting and writing never mix.
 */
import type { Cycle, Stage, StageStep } from "../stage.ts";

/** Why the stages of the long range have nothing to do in this cycle; undefined: they run. */
export function leftToShortRange(cycle: Cycle): string | undefined {
  return cycle.range === "short" ? "ShortRange takes the last blocks" : undefined;
}

export class ShortRangeStage implements Stage {
  readonly id = "ShortRange";
  #cycle = 0;
  #step = 0;

  /**
   * @param steps BlockHashes, BlockBodies and States. They stand in the order themselves, where they are unwound
   * and tidied; here they do their work.
   * @param head number of the store's head.
   */
  constructor(
    private readonly steps: readonly [Stage, Stage, Stage],
    private readonly head: () => number,
  ) {}

  skip(cycle: Cycle): string | undefined {
    if (cycle.range === "short") return undefined;
    return `${cycle.target - cycle.from} blocks behind`;
  }
  async ready(cycle: Cycle, signal: AbortSignal): Promise<void> {
    if (cycle.number !== this.#cycle) {
      this.#cycle = cycle.number;
      this.#step = 0;
    }
    await this.#current().ready(cycle, signal);
  }
  async execute(cycle: Cycle, signal: AbortSignal): Promise<StageStep> {
    const { done } = await this.#current().execute(cycle, signal);
    if (done) this.#step++;
    return { height: this.head(), done: this.#step === this.steps.length };
  }
  unwind(): Promise<void> {
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
  #current(): Stage {
    // `done` ends the calls before the last step is left.
    return this.steps[Math.min(this.#step, 2)] as Stage;
  }
}
