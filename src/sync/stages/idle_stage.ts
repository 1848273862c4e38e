/**
 * A stage that stands in the order and says why it has nothing to do.
 *
 * Why it exists: the order of stages is fixed (guide), and an operator who looks for a stage must find it. What must
 * stay true: it always gives its reason.
 */
import type { Cycle, Stage, StageStep } from "../stage.ts";
import type { StageId } from "../types.ts";

export abstract class IdleStage implements Stage {
  abstract readonly id: StageId;
  abstract skip(cycle: Cycle): string;

  ready(): Promise<void> {
    return Promise.resolve();
  }
  execute(cycle: Cycle): Promise<StageStep> {
    return Promise.resolve({ height: cycle.from, done: true });
  }
  unwind(): Promise<void> {
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
