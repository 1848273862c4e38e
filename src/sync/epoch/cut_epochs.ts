/**
 * Takes the ends of epochs away again, when blocks of the shard are unwound.
 *
 * Why it exists: an epoch chain on an abandoned branch is not opened, so it must be mended from outside. What must stay true: the
 * committees of what stays in the store are no younger than it; all that goes can be fetched and proven again; what was
 * compared with an end that goes counts as not compared.
 */
import type { EpochSchedule } from "../../chain/mod.ts";
import { lowerCompared } from "./compared_mark.ts";
import { RecordEpochStore, type RecordTable } from "./record_store.ts";
import type { EpochPoint } from "./types.ts";

/**
 * Cuts the stored epoch chain below the first end that is not to stay.
 *
 * @param stays asked for one end after the other, the oldest first.
 * @returns how many ends are gone.
 * @throws what the store fails with.
 */
export async function cutEpochs(
  records: RecordTable,
  schedule: EpochSchedule,
  stays: (point: EpochPoint) => boolean | Promise<boolean>,
): Promise<number> {
  const store = new RecordEpochStore(records);
  const index = await store.load();
  if (index === undefined) return 0;
  const { first, hashes } = index;
  let last: EpochPoint | undefined;
  for (const [i, hash] of hashes.entries()) {
    const point = { epoch: first + i, number: schedule.lastBlock(first + i), hash };
    if (!await stays(point)) {
      // The committees of an epoch come from the end of the one before.
      await lowerCompared(records, last === undefined ? 0 : last.epoch + 1);
      await store.cut(last);
      return hashes.length - i;
    }
    last = point;
  }
  return 0;
}
