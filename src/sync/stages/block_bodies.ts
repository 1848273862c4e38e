/**
 * BlockBodies: blocks, checked on arrival and attributed to their sender (guide stage 5).
 *
 * Why it exists: it waits for the downloader and makes the run of accepted blocks durable where it should be. What
 * must stay true: the checkpoint is the end of the unbroken run above the head (never the hoped-for target), and a
 * refused block is fetched again from somebody else.
 */
import { HsyncError } from "../../base/mod.ts";
import { type Checkpoints, type Cycle, partEnd, type Stage, type StageStep } from "../stage.ts";
import type { Staging } from "../staging.ts";
import type { ChainPoint } from "../types.ts";
import type { Refusal } from "../verify.ts";
import { leftToShortRange } from "./short_range.ts";

/** What the stage needs of the downloader. */
export interface BodySource {
  waitBodies(to: number, signal: AbortSignal): Promise<number>;
  rewind(point: ChainPoint, bad?: readonly string[], refuse?: string, hopeless?: number): Promise<void>;
}

export class BlockBodiesStage implements Stage {
  readonly id = "BlockBodies";
  #reached = 0;

  /** @param head number of the store's head. @param part blocks of one pass (`MaxMemSyncCycleSize`). */
  constructor(
    private readonly source: BodySource,
    private readonly staging: Staging,
    private readonly checkpoints: Checkpoints,
    private readonly head: () => number,
    private readonly part: number,
  ) {}

  skip(cycle: Cycle): string | undefined {
    return leftToShortRange(cycle);
  }
  async ready(cycle: Cycle, signal: AbortSignal): Promise<void> {
    const head = this.head();
    const to = Math.min(partEnd(cycle, head, this.part), this.checkpoints.get("BlockHashes"));
    this.#reached = await this.source.waitBodies(to, signal);
    const next = head + 1;
    if (this.#reached >= next) return;
    throw new HsyncError("NO_BODIES", `no peer delivers block ${next}`, {
      retryable: true,
      blockNumber: next,
      hint: "peers that keep old blocks are needed: add one with --sync.trusted-nodes",
    });
  }
  async execute(): Promise<StageStep> {
    await this.staging.flush(this.#reached);
    this.checkpoints.set(this.id, this.#reached);
    return { height: this.#reached, done: true };
  }
  async unwind(to: ChainPoint, refusal: Refusal | undefined): Promise<void> {
    const refuse = refusal?.remedy === "anotherCandidate" ? refusal.text : undefined;
    await this.source.rewind(to, refusal?.culprits.map((c) => c.streamId), refuse, refusal?.hopeless);
    this.checkpoints.lower(this.id, to.number);
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
