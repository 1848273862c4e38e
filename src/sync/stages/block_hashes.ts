/**
 * BlockHashes: agreed hashes, one every ten blocks (guide stage 4; sync-protocol.md §6.5 [TS]).
 *
 * Why it exists: bodies are checked against these on arrival. What must stay true: progress counts the blocks that
 * agreed hashes cover, without a gap, and never more.
 */
import { HsyncError } from "../../base/mod.ts";
import type { StagedHash } from "../../store/mod.ts";
import { type Checkpoints, type Cycle, partEnd, type Stage, type StageStep } from "../stage.ts";
import type { ChainPoint, SyncStore } from "../types.ts";
import { leftToShortRange } from "./short_range.ts";

/** What the stage needs of the downloader. */
export interface HashSource {
  waitHashes(to: number, signal: AbortSignal): Promise<number>;
  hashes(from: number, to: number): StagedHash[];
}

export class BlockHashesStage implements Stage {
  readonly id = "BlockHashes";
  #reached = 0;

  /**
   * @param table where the `BlockHashes` table is kept; undefined: it lives in memory (`UseMemDB`).
   * @param head number of the store's head. @param part blocks of one pass (`MaxMemSyncCycleSize`).
   */
  constructor(
    private readonly source: HashSource,
    private readonly checkpoints: Checkpoints,
    private readonly table: SyncStore | undefined,
    private readonly head: () => number,
    private readonly part: number,
  ) {}

  skip(cycle: Cycle): string | undefined {
    return leftToShortRange(cycle);
  }
  async ready(cycle: Cycle, signal: AbortSignal): Promise<void> {
    const head = this.head();
    const to = partEnd(cycle, head, this.part);
    this.#reached = Math.min(to, await this.source.waitHashes(to, signal));
    if (this.#reached > head) return;
    throw new HsyncError("NO_HASHES", `no peer names a hash for block ${head + 1} or the ones after it`, {
      retryable: true,
      blockNumber: head + 1,
      hint: "peers that keep old blocks are needed: add one with --sync.trusted-nodes",
    });
  }
  async execute(): Promise<StageStep> {
    await this.table?.putStagedHashes(this.source.hashes(this.head(), this.#reached));
    this.checkpoints.set(this.id, this.#reached);
    return { height: this.#reached, done: true };
  }
  unwind(to: ChainPoint): Promise<void> {
    this.checkpoints.lower(this.id, to.number);
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
