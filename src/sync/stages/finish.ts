/**
 * Finish: the cycle is complete (guide stage 7).
 *
 * Why it exists: one place where a cycle's end is announced. What must stay true: it runs only after every stage
 * before it succeeded, and it changes no data.
 */
import type { Checkpoints, Cycle, Stage, StageStep } from "../stage.ts";
import type { ChainPoint } from "../types.ts";

export class FinishStage implements Stage {
  readonly id = "Finish";

  constructor(
    private readonly checkpoints: Checkpoints,
    private readonly head: () => number,
    private readonly onFinished: (cycle: Cycle, head: number) => void,
  ) {}

  skip(): undefined {
    return undefined;
  }
  ready(): Promise<void> {
    return Promise.resolve();
  }
  execute(cycle: Cycle): Promise<StageStep> {
    const head = this.head();
    this.checkpoints.set(this.id, head);
    this.onFinished(cycle, head);
    return Promise.resolve({ height: head, done: true });
  }
  unwind(to: ChainPoint): Promise<void> {
    this.checkpoints.lower(this.id, to.number);
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
