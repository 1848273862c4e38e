/**
 * Puts stages, staging and downloader together for one run.
 *
 * Why it exists: which options reach which part is decided in one place. What must stay true: every key of
 * `[Sync.StagedSyncCfg]` that concerns the pipeline ends up in exactly one part below.
 */
import type { Clock, Logger } from "../base/mod.ts";
import { decodeHeader, type NetworkParams } from "../chain/mod.ts";
import type { SyncConfig } from "../config/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import { Downloader } from "./downloader.ts";
import { ForkSearch } from "./fork_search.ts";
import type { HeightBook } from "./height.ts";
import { Pipeline } from "./pipeline.ts";
import { Checkpoints, type Cycle, partEnd } from "./stage.ts";
import type { StageTracker } from "./stage_tracker.ts";
import { BlockBodiesStage } from "./stages/block_bodies.ts";
import { BlockHashesStage } from "./stages/block_hashes.ts";
import { FinishStage } from "./stages/finish.ts";
import { HeadsStage } from "./stages/heads.ts";
import { ShortRangeStage } from "./stages/short_range.ts";
import { StatesStage } from "./stages/states.ts";
import { type EpochSource, SyncEpochStage } from "./stages/sync_epoch.ts";
import { MemoryStaging, type Staging, StoreStaging } from "./staging.ts";
import { BUDGET_BYTES, type FetchedBlock, type SyncStore } from "./types.ts";
import type { BatchVerifier, Culprit, Refusal } from "./verify.ts";
import { VoucherCheck } from "./voucher_check.ts";

/** Peers that vouch for a hash, where there are that many (sync-protocol.md §6.5). */
const VOTES = 3;

export interface AssemblyOptions {
  readonly store: SyncStore;
  readonly peers: PeerSource;
  readonly params: NetworkParams;
  readonly config: Pick<SyncConfig, "concurrency" | "staged">;
  readonly verifier: BatchVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly book: HeightBook;
  readonly tracker: StageTracker;
  readonly refreshHeights: (signal: AbortSignal) => Promise<void>;
  /** The height to reach, as known now. */
  readonly target: () => number | undefined;
  readonly onCommitted: (
    blocks: readonly FetchedBlock[],
    ms: { readonly verify: number; readonly write: number },
  ) => void;
  readonly onRefused: (refusal: Refusal) => void;
  /** Somebody sent bytes that are objectively wrong. */
  readonly onCulprits: (culprits: readonly Culprit[]) => void;
  readonly onProgress: () => void;
  /** Follows the beacon chain; on shards other than 0, where certificates are checked. */
  readonly epochs?: EpochSource;
}

export interface Assembly {
  readonly downloader: Downloader;
  readonly pipeline: Pipeline;
}

/**
 * The parts of a run, going on from what the store holds.
 * @throws {HsyncError} what reading the store fails with.
 */
export async function assemble(options: AssemblyOptions): Promise<Assembly> {
  const { store, peers, params, config, verifier, clock, logger, book, tracker } = options;
  const { staged } = config;
  const head = () => store.head().number;
  const staging: Staging = staged.useMemDb
    ? new MemoryStaging()
    : new StoreStaging(store, Math.max(1, staged.maxMemSyncCycleSize));
  const base = store.head();
  const frontier = await staging.resume(base);
  if (frontier.number > base.number) {
    logger.info("going on with blocks that were downloaded before", {
      from: base.number + 1,
      to: frontier.number,
    });
  }
  const votes = Math.min(config.concurrency, VOTES);
  const forks = new ForkSearch({ peers, store, logger });
  const vouchers = new VoucherCheck(store, verifier);
  const downloader = new Downloader({
    peers,
    book,
    staging,
    clock,
    logger,
    limits: {
      concurrency: Math.max(1, config.concurrency),
      votes: Math.max(1, staged.doubleCheckBlockHashes ? 2 * votes : votes),
      budgetBytes: BUDGET_BYTES,
    },
    frontier,
    base: base.number,
    verbose: staged.debugMode,
    onProgress: options.onProgress,
    onForeign: async (blocks, signal) => {
      const head = store.head();
      let root: number | undefined;
      const rootOf = async (id: string) => {
        const found = await forks.rootOf(id, head, signal);
        root = found?.[0]?.number;
        return found;
      };
      const culprits = await verifier.examineFork?.(blocks, head, signal, rootOf) ?? [];
      options.onCulprits(culprits);
      return culprits.length === 0 ? undefined : root ?? blocks[0]?.number;
    },
    onTestimony: async (blocks, signal) => {
      const culprit = await vouchers.guilt(blocks, signal);
      if (culprit !== undefined) options.onCulprits([culprit]);
      return culprit !== undefined;
    },
  });
  const checkpoints = new Checkpoints(store);
  const part = staged.maxMemSyncCycleSize;
  let current: Cycle | undefined;
  /** What may be downloaded: the part of the cycle at hand, and the background blocks after it. */
  const plan = () => {
    if (current === undefined) return;
    const target = Math.max(current.to, options.target() ?? 0);
    downloader.setGoal(target, Math.min(target, partEnd(current, head(), part) + staged.maxBackgroundBlocks));
  };
  const hashes = new BlockHashesStage(
    downloader,
    checkpoints,
    staged.useMemDb ? undefined : store,
    head,
    part,
  );
  const bodies = new BlockBodiesStage(downloader, staging, checkpoints, head, part);
  const states = new StatesStage({
    store,
    staging,
    checkpoints,
    verifier,
    params,
    batchSize: staged.insertChainBatchSize,
    monotonic: () => clock.monotonic(),
    onCommitted: (blocks, ms) => {
      downloader.committed(head());
      plan();
      options.onCommitted(blocks, ms);
    },
    onRefused: options.onRefused,
  });
  const stages = [
    new HeadsStage(checkpoints, staged.maxBlocksPerSyncCycle, options.refreshHeights, (cycle) => {
      current = cycle;
      plan();
    }),
    new SyncEpochStage({
      shardId: store.meta.shardId,
      epochs: options.epochs,
      ownEpoch: async () => {
        const header = await store.headerAt(head());
        return header === undefined ? 0 : decodeHeader(header).epoch;
      },
      clock,
    }),
    new ShortRangeStage([hashes, bodies, states], head),
    hashes,
    bodies,
    states,
    new FinishStage(
      checkpoints,
      head,
      (cycle, reached) =>
        logger.debug("cycle finished", { cycle: cycle.number, from: cycle.from, to: reached }),
    ),
  ];
  return { downloader, pipeline: new Pipeline(stages, tracker, head, logger) };
}
