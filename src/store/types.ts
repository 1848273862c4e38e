/**
 * What the store keeps and how the other layers name it.
 *
 * Why it exists: the pipeline, the server, the commands and the status page share these shapes. What must stay
 * true: assurance only ever rises, and a batch is visible as a whole or not at all (DESIGN.md rule 2).
 */

/** What has been proven about a block (DESIGN.md rule 3). */
export const ASSURANCES = ["linked", "signed", "proven", "executed"] as const;
export type Assurance = typeof ASSURANCES[number];

export interface ChainHead {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** The record that ties a store to one chain; checked on every opening. */
export interface StoreMeta {
  readonly network: string;
  readonly shardId: number;
  /** 32 bytes. */
  readonly genesisHash: Uint8Array;
  readonly schema: number;
}

/** One block to append. */
export interface AppendBlock {
  readonly number: number;
  /** 32 bytes: the header hash. */
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
  /** Whole block, wire form. */
  readonly bytes: Uint8Array;
  /** Wire form of the header alone (a subarray of `bytes` will do). */
  readonly headerBytes: Uint8Array;
  /** Signature ‖ bitmap of this block, if known. */
  readonly commitSig?: Uint8Array;
  /** Consensus RLP of each receipt, if known. */
  readonly receipts?: readonly Uint8Array[];
  /** Committees that this block hands over: the epoch they serve in, and the bytes of header.ShardState. */
  readonly shardState?: { readonly epoch: number; readonly bytes: Uint8Array };
  readonly assurance: Assurance;
  /** Whether the incoming receipts were proven by the source shard's certificate. */
  readonly body?: "proven" | "unproven";
}

export interface BlockRecord {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly assurance: Assurance;
  readonly body: "proven" | "unproven" | undefined;
}

/** What is known of the incoming receipts of a block. */
export interface BodyMark {
  readonly number: number;
  /** 32 bytes: another block of that number is not meant. */
  readonly hash: Uint8Array;
  readonly body: "proven" | "unproven";
}

/** A stretch of blocks looked through for unproven ones. */
export interface UnprovenBodies {
  readonly numbers: readonly number[];
  /** The first height that was not looked at. */
  readonly next: number;
}

/** A downloaded block that waits for the States stage. */
export interface StagedBlock {
  readonly number: number;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly commitSig: Uint8Array;
  /** Peer id text of the sender. */
  readonly streamId: string;
}

/** A skeleton hash and who vouched for it. */
export interface StagedHash {
  readonly number: number;
  readonly candidates: ReadonlyArray<{ readonly hash: Uint8Array; readonly voters: readonly string[] }>;
}

/** What `db info` tells. */
export interface StoreInfo {
  readonly meta: StoreMeta;
  readonly head: ChainHead;
  readonly lowest: number;
  /** Every block above `lowest` and up to this height is at least `signed`. */
  readonly certified: number;
  /** Blocks above `lowest` by assurance. */
  readonly assurances: Readonly<Record<Assurance, number>>;
  readonly checkpoints: Readonly<Record<string, number>>;
  /** ms since 1970 of the last commit. */
  readonly lastCommitAt: number | undefined;
  readonly disk: DiskState;
}

export interface DiskState {
  /** Bytes of the store, as far as known. */
  readonly storeBytes: number | undefined;
  readonly freeBytes: number | undefined;
  readonly totalBytes: number | undefined;
  /** False below the threshold of config-cli-metrics.md §6.3: importing stops, serving goes on. */
  readonly writable: boolean;
}

/**
 * The chain store as the other layers use it; also satisfies the stream server's `ChainReader`.
 *
 * Reads answer from committed data only and may run beside writes; writes queue up behind each other. Bytes that
 * are handed out are the caller's own. Any call may reject with STORE_DAMAGED (exit 10), with STORE_UNREACHABLE
 * (a remote database does not answer; retryable) and, after `close`, with STORE_CLOSED.
 */
export interface ChainStore {
  readonly meta: StoreMeta;
  head(): ChainHead;
  /** Lowest height with a body. */
  lowest(): number;
  hashAt(number: number): Promise<Uint8Array | undefined>;
  numberOf(hash: Uint8Array): Promise<number | undefined>;
  /** Wire form of the header. */
  headerAt(number: number): Promise<Uint8Array | undefined>;
  /** Headers `from`..`from+count-1` in order, stopping at the head. Reads ahead in batches. */
  headers(
    from: number,
    count: number,
  ): AsyncIterable<{ readonly number: number; readonly bytes: Uint8Array }>;
  /** The block in wire form and its certificate as of `commitSigAt`. */
  blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined>;
  /**
   * Signature ‖ bitmap of a block: the pair in its child's header when the child is stored, else the stored
   * side-car, else undefined; 96 zero bytes for block 0.
   */
  commitSigAt(number: number): Promise<Uint8Array | undefined>;
  /** Consensus RLP of each receipt; undefined where the store was never given any (an empty list is something else). */
  receiptsAt(number: number): Promise<Uint8Array[] | undefined>;
  recordAt(number: number): Promise<BlockRecord | undefined>;
  /** Bytes of the ShardState that serves in `epoch`. */
  shardStateAt(epoch: number): Promise<Uint8Array | undefined>;
  /** Lowest assurance of any block above genesis up to the head; `linked`, the least claim, while there is none. */
  lowestAssurance(): Assurance;

  /**
   * Appends blocks that continue the head without a gap, 1..128 of them, together with stage checkpoints: one
   * visible step. Staged rows up to the new head are dropped. The last block's `commitSig` is kept as a side-car,
   * the others' are in their children's headers.
   * @throws {HsyncError} STORE_NOT_CONTIGUOUS, STORE_DISK_LOW, STORE_LEASE_LOST, STORE_WRITE_FAILED; on any of them
   * nothing visible changed.
   */
  append(blocks: readonly AppendBlock[], checkpoints?: Readonly<Record<string, number>>): Promise<void>;
  /**
   * Begins the chain at a block that somebody vouched for, instead of genesis, which is not shown any more: `lowest` is
   * its height from then on. Only while there is nothing but genesis.
   * @throws {HsyncError} STORE_NOT_EMPTY, and those of `append`.
   */
  startAt(block: AppendBlock): Promise<void>;
  /**
   * Stores or replaces the verified commit signature of a stored block. Without effect where the child's header
   * already carries one. @throws {HsyncError} STORE_NO_BLOCK and those of `append`.
   */
  putCommitSig(number: number, commitSig: Uint8Array): Promise<void>;
  /**
   * Raises the assurance of blocks `from`..`to` (cut to what is stored); a block that has more keeps it. Long ranges take several
   * commits; a cut-off leaves the lower part raised.
   */
  raiseAssurance(from: number, to: number, assurance: Assurance): Promise<void>;
  /**
   * Records what came of proving the incoming receipts of stored blocks: what proves them may come later than the block.
   * A block that is not stored (any more) is ignored, and one that is proven stays so.
   */
  markBodies(marks: readonly BodyMark[]): Promise<void>;
  /**
   * Stored blocks from `from` on whose incoming receipts are recorded as unproven, ascending, at most `limit`. Reads one
   * byte a block, and stops after a bounded stretch: `next` is where to go on, above the head when that is the end.
   */
  unprovenBodies(from: number, limit: number): Promise<UnprovenBodies>;
  /**
   * Makes `number` the head, removing everything above it; its certificate is kept. Staged rows above are dropped.
   * `checkpoints` change in the same step. @throws {HsyncError} STORE_NO_BLOCK for a number that is not stored.
   */
  unwindTo(number: number, checkpoints?: Readonly<Record<string, number>>): Promise<void>;

  checkpoint(stage: string): number | undefined;
  setCheckpoints(checkpoints: Readonly<Record<string, number>>): Promise<void>;

  /** A later row of a number replaces an earlier one. */
  putStagedHashes(rows: readonly StagedHash[]): Promise<void>;
  /** In the order of their numbers. */
  stagedHashes(from: number, to: number): Promise<StagedHash[]>;
  /** A later row of a number replaces an earlier one. @throws {HsyncError} STORE_DISK_LOW and other write failures. */
  putStagedBlocks(rows: readonly StagedBlock[]): Promise<void>;
  stagedBlock(number: number): Promise<StagedBlock | undefined>;
  /** Drops staged hashes and bodies above `number` (all of them with -1). */
  clearStaged(above: number): Promise<void>;

  /** Small named records outside the chain (peer scores, evidence index): at most 60,000 bytes each. */
  putRecord(name: string, value: Uint8Array): Promise<void>;
  record(name: string): Promise<Uint8Array | undefined>;
  removeRecord(name: string): Promise<void>;

  /** As measured last; measured again every 10 s. */
  disk(): DiskState;
  /** ms since 1970 of the last commit; undefined before the first. */
  lastCommitAt(): number | undefined;
  /** Figures for `db info`; reads at most one byte per block. */
  info(): Promise<StoreInfo>;
  /** Finishes the write under way, gives the lock back. Harmless when repeated. */
  close(): Promise<void>;
}
