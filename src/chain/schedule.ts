/**
 * Which epoch a height of the beacon chain belongs to.
 *
 * Why it exists: shard 0 ends its epochs at fixed heights; a header that ends one elsewhere, or fails to, is not
 * part of the chain. What must stay true: these formulas bind shard 0 only. Another shard ends an epoch when its
 * leader has seen the beacon end one, at any height (chain-format.md §13.3), so its epochs come from its headers.
 */
import { HsyncError } from "../base/mod.ts";

/** Heights and epochs of the beacon chain. All values are non-negative safe integers. */
export interface EpochSchedule {
  /** The epoch of the block at this height. */
  epochOf(number: number): number;
  /** Height of the first block of an epoch. */
  firstBlock(epoch: number): number;
  /** Height of the last block of an epoch: the one that carries the next committees. */
  lastBlock(epoch: number): number;
  /** True when the block at this height ends its epoch. */
  isLastBlock(number: number): boolean;
}

/** From `fromEpoch` on, until the next period, every epoch has `blocksPerEpoch` blocks. */
export interface SchedulePeriod {
  readonly fromEpoch: number;
  readonly blocksPerEpoch: number;
}

interface Period extends SchedulePeriod {
  readonly firstBlock: number;
}

function requireIndex(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new HsyncError("SCHEDULE_RANGE", `${what} must be a whole number from 0, got ${value}`);
  }
}

/**
 * A schedule of periods in ascending order, the first from epoch 0.
 *
 * @throws {HsyncError} SCHEDULE_INVALID when the periods are out of order or an epoch would be empty. The schedule's
 *   own functions throw SCHEDULE_RANGE for negative, fractional or unrepresentable arguments.
 */
export function periodicSchedule(definition: readonly SchedulePeriod[]): EpochSchedule {
  const periods: Period[] = [];
  for (const { fromEpoch, blocksPerEpoch } of definition) {
    const previous = periods.at(-1);
    const inOrder = previous === undefined ? fromEpoch === 0 : fromEpoch > previous.fromEpoch;
    if (!inOrder || !Number.isSafeInteger(fromEpoch) || !Number.isSafeInteger(blocksPerEpoch)) {
      throw new HsyncError(
        "SCHEDULE_INVALID",
        `epoch schedule has a misplaced period from epoch ${fromEpoch}`,
      );
    }
    if (blocksPerEpoch < 1) {
      throw new HsyncError(
        "SCHEDULE_INVALID",
        `epochs from ${fromEpoch} would have ${blocksPerEpoch} blocks`,
        {
          hint: "an epoch needs at least one block",
        },
      );
    }
    const firstBlock = previous === undefined
      ? 0
      : previous.firstBlock + (fromEpoch - previous.fromEpoch) * previous.blocksPerEpoch;
    periods.push({ fromEpoch, blocksPerEpoch, firstBlock });
  }
  const [first] = periods;
  if (first === undefined) throw new HsyncError("SCHEDULE_INVALID", "epoch schedule has no periods");
  const byEpoch = (epoch: number): Period => periods.findLast((p) => p.fromEpoch <= epoch) ?? first;
  const byBlock = (number: number): Period => periods.findLast((p) => p.firstBlock <= number) ?? first;

  const schedule: EpochSchedule = {
    epochOf(number) {
      requireIndex("block number", number);
      const p = byBlock(number);
      return p.fromEpoch + Math.floor((number - p.firstBlock) / p.blocksPerEpoch);
    },
    firstBlock(epoch) {
      requireIndex("epoch", epoch);
      const p = byEpoch(epoch);
      const number = p.firstBlock + (epoch - p.fromEpoch) * p.blocksPerEpoch;
      requireIndex(`first block of epoch ${epoch}`, number);
      return number;
    },
    lastBlock(epoch) {
      return schedule.firstBlock(epoch + 1) - 1;
    },
    isLastBlock(number) {
      requireIndex("block number", number);
      const p = byBlock(number);
      return (number - p.firstBlock) % p.blocksPerEpoch === p.blocksPerEpoch - 1;
    },
  };
  return schedule;
}
