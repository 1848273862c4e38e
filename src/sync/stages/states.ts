/**
 * States: judged blocks become part of the chain (guide stage 6; sync-protocol.md §6.5, §6.7).
 *
 * Why it exists: it is the one place where blocks enter the store. What must stay true: batches are judged first and
 * written then, one by one, blocks and checkpoint in one commit; a failure of the store blames no peer; what was accepted before
 * a bad block is kept.
 */
import { cancelled, HsyncError } from "../../base/mod.ts";
import type { NetworkParams } from "../../chain/mod.ts";
import { appendRow } from "../append_row.ts";
import { type Checkpoints, type Cycle, type Stage, type StageStep, UnwindRequest } from "../stage.ts";
import type { Staging } from "../staging.ts";
import type { ChainPoint, FetchedBlock, SyncStore } from "../types.ts";
import type { Acceptance, BatchVerifier, Refusal } from "../verify.ts";
import { leftToShortRange } from "./short_range.ts";

/** The store takes no larger batch. */
const MAX_BATCH = 128;
/** Batches judged together: certificates that are verified together cost half as much each. */
const BATCHES_AT_ONCE = 4;

export interface StatesOptions {
  readonly store: SyncStore;
  readonly staging: Staging;
  readonly checkpoints: Checkpoints;
  readonly verifier: BatchVerifier;
  readonly params: Pick<NetworkParams, "stakingEpoch">;
  /** `InsertChainBatchSize`. */
  readonly batchSize: number;
  /** Blocks were committed; `ms` went into judging and into writing. */
  readonly onCommitted: (
    blocks: readonly FetchedBlock[],
    ms: { readonly verify: number; readonly write: number },
  ) => void;
  /** A block was refused: culprits are to be reported, the figure counted. */
  readonly onRefused: (refusal: Refusal) => void;
  /** ms, monotonic. */
  readonly monotonic: () => number;
}

export class StatesStage implements Stage {
  readonly id = "States";

  constructor(private readonly options: StatesOptions) {}

  skip(cycle: Cycle): string | undefined {
    return leftToShortRange(cycle);
  }
  ready(): Promise<void> {
    return Promise.resolve();
  }
  async execute(cycle: Cycle, signal: AbortSignal): Promise<StageStep> {
    const { store, staging, verifier, checkpoints, batchSize, monotonic } = this.options;
    const head = store.head();
    const end = Math.min(cycle.to, checkpoints.get("BlockBodies"));
    const group = Math.min(Math.max(1, batchSize), MAX_BATCH);
    const count = Math.min(group * BATCHES_AT_ONCE, end - head.number);
    if (count <= 0) return this.#step(end);
    const run = await staging.read(head.number + 1, count + 1);
    const batch = run.slice(0, count);
    if (batch.length === 0) {
      throw new UnwindRequest(
        head,
        undefined,
        `block ${head.number + 1} is not among the downloaded ones any more`,
      );
    }
    if (signal.aborted) throw cancelled("judging blocks");
    const begun = monotonic();
    const verdict = await verifier.verify(batch, {
      parent: head,
      target: cycle.target,
      child: run[batch.length],
      group,
      signal,
    });
    const verify = monotonic() - begun;
    const accepted = batch.slice(0, verdict.accepted.length);
    for (let from = 0; from < accepted.length; from += group) {
      if (from > 0 && signal.aborted) throw cancelled("storing blocks");
      const blocks = accepted.slice(from, from + group);
      await this.#commit(blocks, verdict.accepted.slice(from), verify * blocks.length / accepted.length);
    }
    if (verdict.bodies !== undefined) await store.markBodies(verdict.bodies);
    if (verdict.refusal !== undefined) {
      this.options.onRefused(verdict.refusal);
      throw new UnwindRequest(store.head(), verdict.refusal, verdict.refusal.text);
    }
    if (accepted.length === 0) {
      throw new HsyncError(
        "VERIFIER_SILENT",
        `the verifier neither accepted nor refused block ${head.number + 1}`,
      );
    }
    return this.#step(end);
  }
  /** One commit: blocks and checkpoint. @param verify ms that went into judging them. */
  async #commit(
    blocks: readonly FetchedBlock[],
    acceptances: readonly Acceptance[],
    verify: number,
  ): Promise<void> {
    const { store, checkpoints, params, monotonic } = this.options;
    const begun = monotonic();
    const rows = blocks.map((b, i) => appendRow(b.delivered.block, acceptances[i] as Acceptance, params));
    const height = store.head().number + blocks.length;
    await store.append(rows, checkpoints.with(this.id, height));
    checkpoints.set(this.id, height);
    this.options.onCommitted(blocks, { verify, write: monotonic() - begun });
  }
  #step(end: number): StageStep {
    const height = this.options.store.head().number;
    return { height, done: height >= end };
  }
  async unwind(to: ChainPoint): Promise<void> {
    const { store, checkpoints } = this.options;
    checkpoints.lower(this.id, to.number);
    if (store.head().number > to.number) {
      await store.unwindTo(to.number, checkpoints.with(this.id, to.number));
    }
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
}
