/**
 * How far a shard's committees went through the comparison with the beacon chain's, across restarts and unwinds.
 *
 * Why it exists: blocks also enter a store where no beacon chain is at hand: out of a file, or before the node followed one. What must
 * stay true: every epoch up to the mark was compared or is noted as unchecked; the mark names a block of the shard's own
 * chain, so that it holds for nothing that was put in that block's place.
 */
import { equalBytes, fromHex, to0x } from "../../base/mod.ts";
import type { RecordTable } from "./record_store.ts";

const RECORD = "epochs/compared";

/** A block of the shard's own chain that hands over to an epoch. */
export interface HandOver {
  /** The epoch that its committees serve in. */
  readonly epoch: number;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** What is asked of the shard's own stored chain. */
export interface OwnEpochs {
  /** The epoch of its lowest block, and its newest hand-over; undefined while it has none. */
  span(): Promise<{ readonly lowest: number; readonly newest: HandOver } | undefined>;
  hashAt(number: number): Promise<Uint8Array | undefined>;
}

function decode(bytes: Uint8Array): HandOver | undefined {
  try {
    const { epoch, number, hash } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(number) || typeof hash !== "string") {
      return undefined;
    }
    return { epoch: epoch as number, number: number as number, hash: fromHex(hash) };
  } catch {
    return undefined;
  }
}

async function write(records: RecordTable, { epoch, number, hash }: HandOver): Promise<void> {
  const text = JSON.stringify({ epoch, number, hash: to0x(hash) });
  await records.putRecord(RECORD, new TextEncoder().encode(text));
}

/** Epochs of the stored chain that never went through the comparison, ascending, and where the mark belongs then. */
export async function neverCompared(
  records: RecordTable,
  own: OwnEpochs,
): Promise<{ readonly epochs: readonly number[]; readonly newest: HandOver | undefined }> {
  const span = await own.span();
  if (span === undefined) return { epochs: [], newest: undefined };
  const { lowest, newest } = span;
  const bytes = await records.record(RECORD);
  const mark = bytes === undefined ? undefined : decode(bytes);
  const there = mark === undefined ? undefined : await own.hashAt(mark.number);
  // Whatever stands in the place of the marked block was never compared, and what is below it may not have been either.
  const holds = mark !== undefined && there !== undefined && equalBytes(there, mark.hash);
  const from = Math.max(lowest, holds ? mark.epoch : lowest) + 1;
  const count = Math.max(0, newest.epoch - from + 1);
  return { epochs: Array.from({ length: count }, (_, i) => from + i), newest };
}

/** Everything up to the newest hand-over has been compared or is noted. @throws what the store fails with. */
export async function markCompared(records: RecordTable, newest: HandOver): Promise<void> {
  await write(records, newest);
}

/**
 * What was compared above `epoch` was compared with blocks that are gone.
 *
 * @throws what the store fails with.
 */
export async function lowerCompared(records: RecordTable, epoch: number): Promise<void> {
  const bytes = await records.record(RECORD);
  const mark = bytes === undefined ? undefined : decode(bytes);
  if (mark !== undefined && mark.epoch > epoch) await write(records, { ...mark, epoch });
}
