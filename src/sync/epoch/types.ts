/**
 * The words of the epoch chain: the beacon chain reduced to the last block of every epoch (sync-protocol.md §6.5).
 *
 * Why it exists: chain, follower, store and light mode speak of the same things without importing each other. What
 * must stay true: an epoch block is named by its epoch, its height follows from the schedule, and what is stored here
 * was certified or is the block that the operator vouched for.
 */

/** One place of the epoch chain. */
export interface EpochPoint {
  readonly epoch: number;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** A block that ends an epoch of the beacon chain, with what is served beside it. */
export interface EpochBlock extends EpochPoint {
  /** Whole block, wire form. */
  readonly bytes: Uint8Array;
  /** Verified signature ‖ bitmap; undefined for a checkpoint, whose own committee is not known. */
  readonly commitSig: Uint8Array | undefined;
}

/** Where the chain begins. */
export type EpochOrigin = "genesis" | "checkpoint";

/** What is stored, without the blocks. */
export interface EpochIndex {
  readonly origin: EpochOrigin;
  /** The epoch of the first block: 0, or that of the checkpoint. */
  readonly first: number;
  /** The hash of each block, ascending by epoch, from `first`; possibly none. */
  readonly hashes: readonly Uint8Array[];
  /** Height of the newest block as it was stored; undefined while there is none. */
  readonly headNumber: number | undefined;
}

/**
 * Where an epoch chain is kept. A write is visible as a whole or not at all; rows of a step that was cut off are
 * written over by the next one.
 */
export interface EpochStore {
  /** What is there; undefined: nothing, or nothing that can be read. */
  load(): Promise<EpochIndex | undefined>;
  /** Makes these the newest blocks. `first` of a chain that had none is the epoch of `blocks[0]`. */
  append(blocks: readonly EpochBlock[], origin: EpochOrigin): Promise<void>;
  /** The block of an epoch and its certificate; undefined when it is not stored. */
  block(epoch: number): Promise<Pick<EpochBlock, "bytes" | "commitSig"> | undefined>;
  /** Makes a block that is stored the newest one, or empties the chain. */
  cut(head: EpochPoint | undefined): Promise<void>;
}
