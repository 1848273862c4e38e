/**
 * Runs the stages of one cycle in order (DESIGN.md rules 1 and 2; sync-protocol.md §6.6 [TS]).
 *
 * Why it exists: order, unwinding and tidying are the same whatever the stages do. What must stay true: each stage
 * succeeds before the next begins; an unwind runs through all stages in reverse order and never goes below what is
 * good; nothing here panics, and a failing prune is only logged.
 */
import { cancelled, isAbort, type Logger } from "../base/mod.ts";
import type { StageTracker } from "./stage_tracker.ts";
import { type Cycle, type Stage, UnwindRequest } from "./stage.ts";
import type { StageId } from "./types.ts";

/** Stages that are not repeated when a cycle goes through the rest in several parts. */
const ONCE: ReadonlySet<StageId> = new Set<StageId>(["Heads", "SyncEpoch", "ShortRange"]);

export class Pipeline {
  /**
   * @param stages in forward order.
   * @param head number of the store's head.
   */
  constructor(
    private readonly stages: readonly Stage[],
    private readonly tracker: StageTracker,
    private readonly head: () => number,
    private readonly logger: Logger,
  ) {}

  /**
   * One cycle. A cycle that is larger than the memory bound passes through the later stages in several parts.
   * Returns normally also when blocks were refused and unwound: the head says what was gained.
   * @throws {HsyncError} what a stage failed with; CANCELLED on abort.
   */
  async run(cycle: Cycle, signal: AbortSignal): Promise<void> {
    this.tracker.reset();
    try {
      for (let part = 0;; part++) {
        const before = this.head();
        await this.#part(cycle, signal, part > 0);
        if (this.head() >= cycle.to || this.head() <= before) break;
      }
    } catch (error) {
      if (!(error instanceof UnwindRequest)) throw error;
      await this.#unwind(error);
    } finally {
      this.tracker.abandon();
    }
    await this.#prune();
  }
  async #part(cycle: Cycle, signal: AbortSignal, again: boolean): Promise<void> {
    for (const stage of this.stages) {
      if (signal.aborted) throw cancelled("synchronising");
      if (again && ONCE.has(stage.id)) continue;
      const why = stage.skip(cycle);
      if (why !== undefined) {
        this.tracker.skipped(stage.id, why);
        continue;
      }
      this.tracker.begin(stage.id);
      for (let done = false; !done;) {
        await stage.ready(cycle, signal);
        if (signal.aborted) throw cancelled(`stage ${stage.id}`);
        const step = await stage.execute(cycle, signal);
        if (stage.id === "Heads") this.tracker.bounds(cycle.from, cycle.to);
        this.tracker.step(stage.id, step.height);
        done = step.done;
        if (signal.aborted) throw cancelled(`stage ${stage.id}`);
      }
      this.tracker.end(stage.id);
    }
  }
  async #unwind(request: UnwindRequest): Promise<void> {
    this.logger.warn("taking back what is above a height", {
      height: request.to.number,
      why: request.message,
    });
    for (const stage of [...this.stages].reverse()) await stage.unwind(request.to, request.refusal);
  }
  async #prune(): Promise<void> {
    for (const stage of [...this.stages].reverse()) {
      try {
        await stage.prune();
      } catch (error) {
        if (isAbort(error)) throw error;
        this.logger.warn("a stage could not tidy up; it tries again after the next cycle", {
          stage: stage.id,
          error,
        });
      }
    }
  }
}
