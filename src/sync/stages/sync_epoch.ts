/**
 * SyncEpoch: the beacon chain's last-of-epoch blocks, for nodes of other shards (guide stage 2; sync-protocol.md §6.5).
 *
 * Why it exists: the blocks of a cycle may hand over to other committees, and those must be held against the beacon chain's; so the
 * epoch chain goes ahead of the shard's. What must stay true: it runs in long range too; a node without anybody to ask is
 * not held up for longer than the time below, and goes on with its own chain's committees.
 */
import { type Clock, isAbort } from "../../base/mod.ts";
import type { Cycle, Stage, StageStep } from "../stage.ts";
import type { StageId } from "../types.ts";

/** The longest that a cycle waits for the epoch chain (sync-protocol.md §6.2). */
const LIMIT_MS = 60_000;

/** The epoch chain, as far as the stage needs it: an `EpochFollower`. */
export interface EpochSource {
  readonly chain: { readonly epoch: number; head(): { readonly number: number } | undefined };
  /** Resolves true once the committees of `epoch` are known, false when nobody gives them. */
  reach(epoch: number, signal?: AbortSignal): Promise<boolean>;
  /** `target`: the newest epoch that peers say has ended. */
  status(): { readonly target: number | undefined };
}

export interface SyncEpochOptions {
  readonly shardId: number;
  /** Undefined: certificates are not checked, or nobody follows the beacon chain. */
  readonly epochs: EpochSource | undefined;
  /** The epoch of the stored head. */
  readonly ownEpoch: () => Promise<number>;
  readonly clock: Clock;
}

export class SyncEpochStage implements Stage {
  readonly id: StageId = "SyncEpoch";

  constructor(private readonly options: SyncEpochOptions) {}

  skip(): string | undefined {
    const { shardId, epochs } = this.options;
    if (shardId === 0) return "beacon shard";
    return epochs === undefined ? "the beacon chain is not followed" : undefined;
  }
  async ready(_cycle: Cycle, signal: AbortSignal): Promise<void> {
    const { epochs, ownEpoch, clock } = this.options;
    if (epochs === undefined) return;
    const own = await ownEpoch();
    // In the running epoch there is nothing to wait for: the next hand-over is checked when it comes.
    const wanted = (epochs.status().target ?? -1) >= own ? own + 1 : own;
    if (epochs.chain.epoch >= wanted) return;
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const cancel = clock.after(LIMIT_MS, () => over.abort());
    try {
      await epochs.reach(wanted, both);
    } catch (error) {
      if (signal.aborted || !over.signal.aborted || !isAbort(error)) throw error;
    } finally {
      cancel();
    }
  }
  execute(cycle: Cycle): Promise<StageStep> {
    return Promise.resolve({ height: this.options.epochs?.chain.head()?.number ?? cycle.from, done: true });
  }
  unwind(): Promise<void> {
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
