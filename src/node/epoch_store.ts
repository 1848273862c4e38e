/**
 * The epoch chain and the shard's own chain in one store: opening, what each knows of the other, unwinding both.
 *
 * Why it exists: the ends of epochs lie in the records of a store whose blocks rest on them. What must stay true: a chain on an
 * abandoned branch is not opened, and the error names the height to unwind to; an unwind leaves no end of an epoch that
 * the rest of the store does not need.
 */
import { equalBytes, HsyncError, type Logger } from "../base/mod.ts";
import { decodeHeader, type NetworkParams, nextEpoch } from "../chain/mod.ts";
import type { AnchorBook } from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import {
  checkAgainstStore,
  type Checkpoint,
  cutEpochs,
  EpochChain,
  type HandOver,
  RecordEpochStore,
} from "../sync/mod.ts";

/** @throws {HsyncError} ANCHOR_BREACH, exit 11, saying how the store is mended; store errors. */
export async function openEpochChain(
  store: ChainStore,
  anchors: AnchorBook,
  params: NetworkParams,
  logger: Logger,
): Promise<EpochChain> {
  try {
    return await EpochChain.open({ params, store: new RecordEpochStore(store, logger), anchors, logger });
  } catch (error) {
    if (!(error instanceof HsyncError) || error.code !== "ANCHOR_BREACH") throw error;
    const epoch = params.schedule.epochOf(error.blockNumber ?? 0);
    const to = await unwindBelow(store, epoch);
    throw new HsyncError(error.code, error.message, {
      exitCode: error.exitCode,
      ...(error.blockNumber === undefined ? {} : { blockNumber: error.blockNumber }),
      hint:
        `hsync db unwind --to ${to} --shard ${store.meta.shardId} takes it away, with whatever rests on it`,
      cause: error,
    });
  }
}

/** Holds the checkpoints of its own shard against a store. @throws {HsyncError} CHECKPOINT_CONFLICT, exit 11 */
export async function requireCheckpoints(store: ChainStore, given: readonly Checkpoint[]): Promise<void> {
  await checkAgainstStore(
    given,
    store.meta.shardId,
    (number) => store.hashAt(number),
    ({ number }) => number > store.lowest() ? number - 1 : undefined,
  );
}

/** To where `db unwind` must go so that the end of an epoch goes with what rests on the committees that it hands over. */
export async function unwindBelow(store: ChainStore, epoch: number): Promise<number> {
  // The beacon chain's own blocks have their anchors and checkpoints themselves.
  if (store.meta.shardId === 0) return store.head().number;
  return await handOverTo(store, epoch + 1) ?? store.lowest();
}

/**
 * Cuts the epoch chain of a store whose head was just unwound: the ends of epochs that are above it, and on shard 0 those that
 * its own chain does not have.
 *
 * @returns how many ends are gone.
 */
export async function unwindEpochs(store: ChainStore, params: NetworkParams): Promise<number> {
  const head = store.head();
  const bytes = await store.headerAt(head.number);
  const begun = head.number > store.lowest() && bytes !== undefined;
  const epoch = begun ? decodeHeader(bytes).epoch : 0;
  return await cutEpochs(store, params.schedule, async (end) => {
    if (!begun) return false;
    if (store.meta.shardId !== 0) return end.epoch < epoch;
    const own = end.number <= head.number ? await store.hashAt(end.number) : undefined;
    return own !== undefined && equalBytes(own, end.hash);
  });
}

/** Height of the stored block that hands over to `epoch`; undefined where that is not stored. */
export async function handOverTo(store: ChainStore, epoch: number): Promise<number | undefined> {
  let low = store.lowest();
  let high = store.head().number + 1;
  // The first block of the epoch or a later one; epochs never fall.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const bytes = await store.headerAt(middle);
    if (bytes === undefined) return undefined;
    if (decodeHeader(bytes).epoch >= epoch) high = middle;
    else low = middle + 1;
  }
  return low > store.lowest() + 1 ? low - 1 : undefined;
}

/** The epochs of a stored chain: that of its lowest block, and its newest hand-over; undefined where it has none. */
export async function ownSpan(
  store: ChainStore,
  params: NetworkParams,
): Promise<{ readonly lowest: number; readonly newest: HandOver } | undefined> {
  const head = store.head();
  const [lowestBytes, headBytes] = [await store.headerAt(store.lowest()), await store.headerAt(head.number)];
  if (lowestBytes === undefined || headBytes === undefined) return undefined;
  const header = decodeHeader(headBytes);
  const lowest = decodeHeader(lowestBytes).epoch;
  if (header.shardState.length > 0 && head.number > store.lowest()) {
    return { lowest, newest: { epoch: nextEpoch(header, undefined, params), ...head } };
  }
  const number = await handOverTo(store, header.epoch);
  const hash = number === undefined ? undefined : await store.hashAt(number);
  if (number === undefined || hash === undefined) return undefined;
  return { lowest, newest: { epoch: header.epoch, number, hash } };
}
