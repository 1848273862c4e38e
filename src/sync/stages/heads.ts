/**
 * Heads: how far this cycle goes (guide stage 1; sync-protocol.md §6.5).
 *
 * Why it exists: a cycle is a stretch that fits in memory and ends in a commit. What must stay true: the end of a
 * cycle never lies above what peers claim, and an interrupted cycle is finished before a new one is planned.
 */
import { SHORT_RANGE_WINDOW } from "../driver_state.ts";
import type { Checkpoints, Cycle, Stage, StageStep } from "../stage.ts";
import { type ChainPoint, SKELETON_STEP } from "../types.ts";

/**
 * Where a cycle ends that begins at `head`.
 *
 * @param stored end of the last planned cycle.
 * @param max blocks in a cycle (`MaxBlocksPerSyncCycle`); 0: no limit.
 * @returns a height in `head`..`target`; a multiple of ten where the cycle is cut, so that no leg is split.
 */
export function cycleEnd(head: number, target: number, stored: number, max: number): number {
  if (target <= head) return head;
  const to = stored > head ? Math.min(stored, target) : target;
  if (max === 0 || to - head <= max) return to;
  const cut = head + max;
  const even = Math.floor(cut / SKELETON_STEP) * SKELETON_STEP;
  return even > head ? even : cut;
}

export class HeadsStage implements Stage {
  readonly id = "Heads";

  /** @param refreshHeights asks peers for their heights unless that was done lately. */
  constructor(
    private readonly checkpoints: Checkpoints,
    private readonly maxBlocks: number,
    private readonly refreshHeights: (signal: AbortSignal) => Promise<void>,
    private readonly onPlanned: (cycle: Cycle) => void,
  ) {}

  skip(): undefined {
    return undefined;
  }
  async ready(_cycle: Cycle, signal: AbortSignal): Promise<void> {
    await this.refreshHeights(signal);
  }
  execute(cycle: Cycle): Promise<StageStep> {
    const window = cycle.range === "short" ? SHORT_RANGE_WINDOW : Infinity;
    const max = Math.min(this.maxBlocks === 0 ? Infinity : this.maxBlocks, window);
    cycle.to = cycleEnd(cycle.from, cycle.target, this.checkpoints.get(this.id), max === Infinity ? 0 : max);
    this.checkpoints.set(this.id, cycle.to);
    this.onPlanned(cycle);
    return Promise.resolve({ height: cycle.to, done: true });
  }
  unwind(to: ChainPoint): Promise<void> {
    this.checkpoints.lower(this.id, to.number);
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
