/**
 * The words that the files of this folder share: stages, blocks on their way, limits.
 *
 * Why it exists: pure cores, stages and driver meet here without importing each other. What must stay true: stage
 * names and their order are the guide's, letter for letter.
 */
import type { ChainStore } from "../store/mod.ts";
import type { DeliveredBlock } from "../stream/mod.ts";

/** Full sync, forward order (guide; sync-protocol.md §6.5). Unwind and prune run in exact reverse. */
export const STAGE_IDS = [
  "Heads",
  "SyncEpoch",
  "ShortRange",
  "BlockHashes",
  "BlockBodies",
  "States",
  "Finish",
] as const;
export type StageId = typeof STAGE_IDS[number];

/** A place in the chain. */
export interface ChainPoint {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** A block on its way from a peer to the store; `delivered` is what the stream client decoded. */
export interface FetchedBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Bytes it holds in memory, about. */
  readonly size: number;
  /** Peer id text of the sender: blame outlives the download. */
  readonly streamId: string;
  readonly delivered: DeliveredBlock;
}

/** What the pipeline needs of the chain store. */
export type SyncStore = Pick<
  ChainStore,
  | "meta"
  | "head"
  | "lowest"
  | "hashAt"
  | "headerAt"
  | "lowestAssurance"
  | "append"
  | "markBodies"
  | "unwindTo"
  | "checkpoint"
  | "setCheckpoints"
  | "putStagedHashes"
  | "putStagedBlocks"
  | "stagedBlock"
  | "clearStaged"
  | "disk"
>;

/** What one request may ask for, and how much may be under way. */
export interface DownloadLimits {
  /** Requests under way at once (`Concurrency`). Overdue ones do not count. */
  readonly concurrency: number;
  /** How many peers vouch for a hash before it is used, where that many can (sync-protocol.md §6.5). */
  readonly votes: number;
  /** Upper bound on bytes held and under way. */
  readonly budgetBytes: number;
}

/** Downloaded bytes that may be held or under way (sync-protocol.md §6.10). */
export const BUDGET_BYTES = 256 * 1024 * 1024;
/** Blocks a request may ask for (wire cap). */
export const MAX_BLOCKS_PER_REQUEST = 10;
/** Big blocks shrink a request down to this many. */
export const MIN_BLOCKS_PER_REQUEST = 3;
/** Hashes a request may ask for (wire cap); one more costs the stream on a Go server. */
export const MAX_HASHES_PER_REQUEST = 50;
/** Every tenth height is a skeleton point: one body request ends at each. */
export const SKELETON_STEP = 10;
