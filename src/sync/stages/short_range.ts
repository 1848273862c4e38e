/**
 * ShortRange: the last blocks before the head, agreed hash by hash (guide stage 3).
 *
 * Why it exists: it keeps its place in the order. What must stay true: long range closes every distance down to
 * zero, so nothing is left for this stage, and it says so.
 */
import type { Cycle } from "../stage.ts";
import type { StageId } from "../types.ts";
import { IdleStage } from "./idle_stage.ts";

export class ShortRangeStage extends IdleStage {
  readonly id: StageId = "ShortRange";

  /** @param threshold distance up to which this stage would be in charge. */
  constructor(private readonly threshold: number) {
    super();
  }
  skip(cycle: Cycle): string {
    const behind = cycle.target - cycle.from;
    return behind > this.threshold
      ? `${behind} blocks behind`
      : "the long-range stages take the last blocks too";
  }
}
