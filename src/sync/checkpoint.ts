/**
 * Blocks that the operator vouches for, to begin at instead of genesis (`--sync.checkpoint`).
 *
 * Why it exists: old committees' keys may leak, and years of epochs take time; a block that its operator checked elsewhere
 * replaces both. What must stay true: only a block that hands over committees can be begun at, since without them nobody
 * could judge its child; a checkpoint never overrules what is stored, it ends the start with both hashes instead.
 */
import {
  asHsyncError,
  type Clock,
  equalBytes,
  ExitCode,
  HsyncError,
  type Logger,
  Signal,
  to0x,
} from "../base/mod.ts";
import { type Block, type NetworkParams, type ShardState } from "../chain/mod.ts";
import type { AnchorBook, AnchorLists } from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { PeerSource, StreamInfo } from "../stream/mod.ts";
import { appendRow } from "./append_row.ts";
import { checkEpochEnd } from "./epoch/epoch_rules.ts";

/** A block by shard, height and hash (32 bytes). */
export interface Checkpoint {
  readonly shardId: number;
  readonly number: number;
  readonly hash: Uint8Array;
}

/** The checkpoints that matter to a node of one shard. */
export interface ChosenCheckpoints {
  /** Where its own chain begins. */
  readonly own: Checkpoint | undefined;
  /** Where the epoch chain begins; the same as `own` on shard 0. */
  readonly beacon: Checkpoint | undefined;
  /** All that were given, as anchors: whoever passes one of these heights must have this block there. */
  readonly anchors: AnchorLists;
}

/** From this age on an operator is told to look for a newer one, days. */
export const CHECKPOINT_OLD_DAYS = 90;
const DAY_MS = 86_400_000;
const ASK_TIMEOUT_MS = 30_000;
const ROUND_MS = 5_000;
/** A wait for the block is told again this often, ms. */
const TELL_MS = 60_000;

/** `SHARD:NUMBER:HASH`, as the flag writes it. */
export function checkpointText(checkpoint: Checkpoint): string {
  return `${checkpoint.shardId}:${checkpoint.number}:${to0x(checkpoint.hash)}`;
}

/** The error for a checkpoint that is no place to begin at: exit 128. */
export function invalidCheckpoint(checkpoint: Checkpoint, why: string, hint: string): HsyncError {
  return new HsyncError(
    "CHECKPOINT_INVALID",
    `the checkpoint ${checkpointText(checkpoint)} cannot be used: ${why}`,
    {
      exitCode: ExitCode.CONFIG_INVALID,
      blockNumber: checkpoint.number,
      hint,
    },
  );
}

/** The newest of several for one shard. */
function newest(given: readonly Checkpoint[], shardId: number): Checkpoint | undefined {
  return given.filter((c) => c.shardId === shardId).reduce<Checkpoint | undefined>(
    (best, c) => best === undefined || c.number > best.number ? c : best,
    undefined,
  );
}

/**
 * Sorts out what was given.
 *
 * @throws {HsyncError} CHECKPOINT_INVALID, exit 128: an unknown shard, a height that ends no epoch, or one for another shard
 *   than 0 without one for shard 0.
 */
export function chooseCheckpoints(
  given: readonly Checkpoint[],
  shardId: number,
  params: NetworkParams,
): ChosenCheckpoints {
  for (const checkpoint of given) {
    if (checkpoint.shardId >= params.shardCountAt(0)) {
      throw invalidCheckpoint(
        checkpoint,
        `${params.name} has no shard ${checkpoint.shardId}`,
        "check its first number",
      );
    }
    if (checkpoint.shardId !== 0 || params.schedule.isLastBlock(checkpoint.number)) continue;
    const epoch = params.schedule.epochOf(checkpoint.number);
    throw invalidCheckpoint(
      checkpoint,
      `block ${checkpoint.number} does not end an epoch, so nobody is known to judge the blocks after it`,
      `the last block of its epoch is ${params.schedule.lastBlock(epoch)}`,
    );
  }
  const own = newest(given, shardId);
  const beacon = newest(given, 0);
  if (own !== undefined && beacon === undefined) {
    throw invalidCheckpoint(
      own,
      `shard ${shardId} takes its committees from shard 0, of which no checkpoint was given`,
      "add one for shard 0, of the same epoch or an older one",
    );
  }
  return { own, beacon, anchors: { anchors: given, never: [] } };
}

/**
 * Whether a chain of another shard that has yet to begin can do so with what was chosen: its committees are held against the
 * beacon chain's, which are not known below the beacon's own checkpoint.
 *
 * @throws {HsyncError} CHECKPOINT_INVALID, exit 128: there is one for shard 0 alone.
 */
export function requireOwnCheckpoint({ own, beacon }: ChosenCheckpoints, shardId: number): void {
  if (shardId === 0 || own !== undefined || beacon === undefined) return;
  throw invalidCheckpoint(
    beacon,
    `it is of shard 0 alone, and the chain of shard ${shardId} would begin at genesis, with committees that nobody could check`,
    `add one for shard ${shardId}, of the same epoch or a newer one`,
  );
}

/** How old a checkpoint is. */
export interface CheckpointAge {
  readonly days: number;
  /** Older than `CHECKPOINT_OLD_DAYS`. */
  readonly old: boolean;
}

/** How old a checkpoint is. @param time seconds since 1970 in its header. @param now ms since 1970. */
export function checkpointAge(time: bigint, now: number): CheckpointAge {
  const days = Math.max(0, Math.floor((now - Number(time) * 1000) / DAY_MS));
  return { days, old: days > CHECKPOINT_OLD_DAYS };
}

/** The newest block that was known beforehand, as plain JSON. */
export interface AnchorDocument {
  /** `SHARD:NUMBER:HASH`. */
  readonly block: string;
  /** The day (UTC) on which it was announced, `YYYY-MM-DD`. */
  readonly announced: string;
  readonly ageDays: number;
  /** Older than `CHECKPOINT_OLD_DAYS`. */
  readonly old: boolean;
}

/** The newest dated anchor of these shards, and its age; undefined when none has a date. @param now ms since 1970. */
export function newestAnchor(
  anchors: AnchorBook,
  shards: readonly number[],
  now: number,
): AnchorDocument | undefined {
  const anchor = anchors.newestOf(shards);
  if (anchor === undefined) return undefined;
  const { days, old } = checkpointAge(BigInt(Math.floor(anchor.announced / 1000)), now);
  const announced = new Date(anchor.announced).toISOString().slice(0, 10);
  return { block: checkpointText(anchor), announced, ageDays: days, old };
}

/**
 * Holds the checkpoints of a shard against what is stored of it.
 *
 * @param unwindTo where an unwind takes the other block away, for the hint; undefined: no unwind can.
 * @throws {HsyncError} CHECKPOINT_CONFLICT, exit 11: another block is stored at that height.
 */
export async function checkAgainstStore(
  given: readonly Checkpoint[],
  shardId: number,
  hashAt: (number: number) => Promise<Uint8Array | undefined>,
  unwindTo: (checkpoint: Checkpoint) => Promise<number | undefined> | number | undefined = () => undefined,
): Promise<void> {
  for (const checkpoint of given) {
    if (checkpoint.shardId !== shardId) continue;
    const stored = await hashAt(checkpoint.number);
    if (stored === undefined || equalBytes(stored, checkpoint.hash)) continue;
    const to = await unwindTo(checkpoint);
    const unwind = to === undefined ? "" : `take the stored ones away with \`hsync db unwind --to ${to}\`, `;
    throw new HsyncError(
      "CHECKPOINT_CONFLICT",
      `the store has ${to0x(stored)} as block ${checkpoint.number} of shard ${shardId}, the checkpoint says ${
        to0x(checkpoint.hash)
      }`,
      {
        exitCode: ExitCode.STORE_LOCKED,
        blockNumber: checkpoint.number,
        hint: `correct the checkpoint, ${unwind}or name another directory with --datadir`,
      },
    );
  }
}

export interface FetchCheckpointOptions {
  readonly peers: PeerSource;
  readonly checkpoint: Checkpoint;
  readonly params: NetworkParams;
  readonly anchors: AnchorBook;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Whom to ask, best first; default: those of the greatest height. */
  readonly order?: (streams: readonly StreamInfo[]) => readonly string[];
}

export interface CheckpointBlock {
  readonly checkpoint: Checkpoint;
  readonly block: Block;
  readonly state: ShardState;
  /** The epoch that its committees serve in: that of its child. */
  readonly serves: number;
}

function byHeight(streams: readonly StreamInfo[]): string[] {
  return [...streams].sort((a, b) => (b.height ?? 0) - (a.height ?? 0)).map((stream) => stream.id);
}

/**
 * Asks every stream for the block once.
 *
 * @returns undefined when nobody gave it.
 * @throws {HsyncError} CHECKPOINT_INVALID, exit 128: the block with this hash is not what the checkpoint says, or nothing can
 *   begin there; ANCHOR_BREACH; CANCELLED.
 */
export async function askForCheckpoint(
  options: FetchCheckpointOptions,
): Promise<CheckpointBlock | undefined> {
  const { peers, checkpoint, logger, signal, order = byHeight } = options;
  for (const id of order(peers.streams())) {
    try {
      const answer = await peers.client.getBlocksByHashes([checkpoint.hash], {
        priority: "high",
        whitelist: new Set([id]),
        timeoutMs: ASK_TIMEOUT_MS,
        signal,
      });
      const [delivered] = answer.value;
      if (delivered !== undefined) return judged(options, delivered.block);
    } catch (error) {
      if (signal.aborted || asHsyncError(error).exitCode !== ExitCode.RUNTIME) throw error;
      logger.debug("a peer did not give the checkpoint", {
        peer: id,
        checkpoint: checkpointText(checkpoint),
        error,
      });
    }
  }
  return undefined;
}

/** Gets the block from whoever has it, asking until somebody does. @throws {HsyncError} as `askForCheckpoint` */
export async function fetchCheckpoint(options: FetchCheckpointOptions): Promise<CheckpointBlock> {
  const { peers, clock, signal } = options;
  const tell = waitTeller(options);
  const added = new Signal();
  const off = peers.on((event) => {
    if (event.type === "added") added.raise();
  });
  try {
    for (;;) {
      const found = await askForCheckpoint(options);
      if (found !== undefined) return found;
      tell();
      peers.wantPeers("nobody has given the checkpoint yet");
      await added.wait(clock, ROUND_MS, signal);
    }
  } finally {
    off();
  }
}

/** Says in the log that the wait goes on, once a minute. */
function waitTeller({ peers, checkpoint, clock, logger }: FetchCheckpointOptions): () => void {
  const begun = clock.monotonic();
  let toldAt: number | undefined;
  return () => {
    const now = clock.monotonic();
    if (toldAt !== undefined && now - toldAt < TELL_MS) return;
    const text = "nobody has given the checkpoint block yet";
    const fields = {
      checkpoint: checkpointText(checkpoint),
      streams: peers.streams().length,
      seconds: Math.round((now - begun) / 1000),
    };
    if (toldAt === undefined) logger.info(text, fields);
    else logger.warn(text, fields);
    toldAt = now;
  };
}

/** The hash is right already: what is wrong now is wrong with the checkpoint. */
function judged({ checkpoint, params, anchors }: FetchCheckpointOptions, block: Block): CheckpointBlock {
  const { shardId, number } = checkpoint;
  anchors.requireHeader(block.header);
  if (block.number !== number) {
    throw invalidCheckpoint(
      checkpoint,
      `the block with this hash is block ${block.number}`,
      "check its number and hash",
    );
  }
  try {
    return { checkpoint, block, ...checkEpochEnd(block, shardId, params) };
  } catch (error) {
    const why = asHsyncError(error).message;
    throw invalidCheckpoint(checkpoint, why, "choose a block that ends an epoch, on the shard that you name");
  }
}

/** True while a store holds nothing but genesis, so that it can still begin elsewhere. */
export function isUnbegun(store: Pick<ChainStore, "head" | "lowest">): boolean {
  return store.head().number === 0 && store.lowest() === 0;
}

/**
 * Makes a store that holds nothing but genesis begin at the checkpoint; does nothing to any other store, whose
 * agreement with the checkpoint `checkAgainstStore` has shown.
 *
 * @param options.confirm has the last word before the store begins there, by throwing.
 * @returns the block, or undefined when the store had begun before.
 * @throws {HsyncError} as `fetchCheckpoint`, and what the store throws.
 */
export async function beginAtCheckpoint(
  store: Pick<ChainStore, "head" | "lowest" | "startAt">,
  options: FetchCheckpointOptions & { readonly confirm?: (found: CheckpointBlock) => Promise<void> },
): Promise<CheckpointBlock | undefined> {
  if (!isUnbegun(store)) return undefined;
  const found = await fetchCheckpoint(options);
  await options.confirm?.(found);
  const { block } = found;
  // Its own certificate cannot be judged by anybody here; the child's header will say who signed it.
  await store.startAt(appendRow(block, { assurance: "linked", commitSig: undefined }, options.params));
  options.logger.info("the chain begins at a checkpoint; there are no blocks below it", {
    checkpoint: checkpointText(found.checkpoint),
    epoch: found.serves,
  });
  return found;
}

/** A node that began at a checkpoint has history to serve from this many blocks above it. */
export const HISTORY_BLOCKS = 1_024;

/**
 * Whether a chain has enough to be worth announcing: everything from genesis, or a stretch above a checkpoint. Until
 * then the node should not advertise the `sync` service, because a peer would come for blocks that are not here.
 */
export function servesHistory(chain: Pick<ChainStore, "head" | "lowest">): boolean {
  return chain.lowest() === 0 || chain.head().number - chain.lowest() >= HISTORY_BLOCKS;
}
