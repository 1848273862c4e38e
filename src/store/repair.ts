/**
 * Removing what lies above the head.
 *
 * Why it exists: a batch that was cut off, and an unwind, leave rows that nobody may ever see again. What must stay
 * true: nothing at or below the given height is touched; doing it twice, or half and then again, is harmless.
 */
import { equalBytes, HsyncError } from "../base/mod.ts";
import { decodeCommittees } from "./items.ts";
import type { Keys } from "./keys.ts";
import type { Kv } from "./kv.ts";
import { pageOf } from "./marks.ts";
import type { ChainState } from "./state.ts";
import type { ChainTables } from "./tables.ts";
import type { WriteBatch } from "./write_batch.ts";

/** Removes every row of a block above `number`. */
export async function removeAbove(
  kv: Kv,
  keys: Keys,
  tables: ChainTables,
  batch: WriteBatch,
  number: number,
): Promise<void> {
  // Rows found through others go first, so that a second attempt still finds them.
  await tables.committees.purgeAbove(number, batch, async (entry) => {
    if (entry.item === undefined || entry.item.length < 8) return;
    await batch.delete(keys.key("epoch", decodeCommittees(entry.number, entry.item).epoch, entry.number));
  });
  await tables.receipts.purgeAbove(number, batch);
  await tables.bodies.purgeAbove(number, batch);
  await tables.headers.purgeAbove(number, batch);
  for (const range of [keys.range("sig", number + 1), keys.range("mark", pageOf(number) + 1)]) {
    for await (const row of kv.list(range)) await batch.delete(row.key);
  }
  // Last: as long as hashes are left, `anyAbove` knows that there is something to do.
  await tables.hashes.purgeAbove(number, batch, async (entry) => {
    if (entry.item !== undefined) await batch.delete(keys.key("num", entry.item));
  });
  await batch.flush();
  tables.marks.forget();
}

/** True when rows of blocks above `number` exist. */
export async function anyAbove(tables: ChainTables, number: number): Promise<boolean> {
  for (const table of tables.runs) if (await table.anyAbove(number)) return true;
  return false;
}

/** How far below a damaged head a sound one is looked for. */
const REPAIR_BLOCKS = 1_024;

async function isSound(tables: ChainTables, number: number, hash?: Uint8Array): Promise<boolean> {
  try {
    const stored = await tables.hashes.item(number);
    const header = await tables.headers.item(number);
    const body = await tables.bodies.item(number);
    if (stored === undefined || header === undefined || body === undefined) return false;
    return hash === undefined || equalBytes(stored, hash);
  } catch (error) {
    if (error instanceof HsyncError && error.code === "STORE_DAMAGED") return false;
    throw error;
  }
}

/** The highest block up to the head that can be read; undefined when none of the last 1,024 can. */
export async function soundHead(tables: ChainTables, state: ChainState): Promise<number | undefined> {
  const { head, lowest } = state;
  if (await isSound(tables, head.number, head.hash)) return head.number;
  for (let number = head.number - 1; number >= Math.max(lowest, head.number - REPAIR_BLOCKS); number--) {
    if (await isSound(tables, number)) return number;
  }
  return undefined;
}
