/**
 * A stage: three verbs, and a fourth to tidy up.
 *
 * Why it exists: waiting and writing never mix (DESIGN.md rule 1). *ready* waits for the network and holds nothing
 * open; *execute* makes one commit, data and checkpoint together, and touches no network; *unwind* takes back what
 * lies above a height; *prune* drops what the finished cycle no longer needs. What must stay true: a stage that is
 * cut off anywhere can simply be run again.
 */
import { HsyncError } from "../base/mod.ts";
import type { ChainPoint, StageId, SyncStore } from "./types.ts";
import type { Refusal } from "./verify.ts";

/** One pass over the stages. */
export interface Cycle {
  readonly number: number;
  /** Head when it began. */
  readonly from: number;
  /** Where the chain is believed to end. */
  readonly target: number;
  /** Where this cycle ends; set by Heads. */
  to: number;
  /** Which stages are in charge: ShortRange, or BlockHashes, BlockBodies and States. */
  readonly range: "short" | "long";
  /** ms since 1970. */
  readonly startedAt: number;
}

/**
 * How far a cycle goes in one pass over the later stages: a cycle larger than `blocks` (`MaxMemSyncCycleSize`) takes
 * several.
 */
export function partEnd(cycle: Cycle, head: number, blocks: number): number {
  return Math.min(cycle.to, head + Math.max(1, blocks));
}

/** What one commit achieved. */
export interface StageStep {
  /** The stage's checkpoint now. */
  readonly height: number;
  /** False: call `ready` and `execute` again. */
  readonly done: boolean;
}

export interface Stage {
  readonly id: StageId;
  /** Why the stage has nothing to do in this cycle; undefined: it runs. */
  skip(cycle: Cycle): string | undefined;
  /** Waits and downloads. @throws {HsyncError} CANCELLED on abort. */
  ready(cycle: Cycle, signal: AbortSignal): Promise<void>;
  /** One commit. @throws {UnwindRequest} when blocks above a height turned out to be bad. */
  execute(cycle: Cycle, signal: AbortSignal): Promise<StageStep>;
  /** Takes back what lies above `to`. @param refusal the reason, when a block was refused. */
  unwind(to: ChainPoint, refusal: Refusal | undefined): Promise<void>;
  prune(): Promise<void>;
}

/** A stage found that what lies above `to` must go: not an error of anybody here, but an order to the pipeline. */
export class UnwindRequest extends HsyncError {
  constructor(readonly to: ChainPoint, readonly refusal: Refusal | undefined, text: string) {
    super("UNWIND", text, { retryable: true, blockNumber: to.number + 1 });
  }
}

/**
 * The checkpoints of all stages. A checkpoint lives where its data lives: those of stages that work in memory
 * become durable together with the next commit of blocks, and mean nothing after a restart without their data.
 */
export class Checkpoints {
  readonly #heights = new Map<StageId, number>();

  constructor(private readonly store: Pick<SyncStore, "checkpoint">) {}

  get(stage: StageId): number {
    return this.#heights.get(stage) ?? this.store.checkpoint(stage) ?? 0;
  }
  set(stage: StageId, height: number): void {
    this.#heights.set(stage, height);
  }
  /** All of them with `stage` at `height`, for the commit that makes them durable. */
  with(stage: StageId, height: number): Record<string, number> {
    return { ...Object.fromEntries(this.#heights), [stage]: height };
  }
  /** No checkpoint is above `height` any more. */
  lower(stage: StageId, height: number): void {
    this.#heights.set(stage, Math.min(this.get(stage), height));
  }
}
