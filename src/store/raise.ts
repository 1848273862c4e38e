/**
 * Raising the assurance of stored blocks, a few pages of marks at a time.
 *
 * Why it exists: a store may hold more marks than one commit takes. What must stay true: after every commit the counts
 * are those of the marks; cut off, it can simply be called again.
 */
import { MARKS_PER_PAGE, pageOf } from "./marks.ts";
import type { StateWriter } from "./state_writer.ts";
import type { ChainTables } from "./tables.ts";
import { type Assurance, ASSURANCES } from "./types.ts";

/** Mark pages raised in one commit: 64 × 4 KB. */
const PAGES_PER_COMMIT = 64;

/**
 * Marks blocks `from`..`to`, as far as they are stored, as at least `assurance`; part of a write.
 *
 * @param what names the write in errors.
 * @throws {HsyncError} what a commit throws; earlier commits stay.
 */
export async function raiseMarks(
  tables: ChainTables,
  writer: StateWriter,
  what: string,
  from: number,
  to: number,
  assurance: Assurance,
): Promise<void> {
  const level = ASSURANCES.indexOf(assurance);
  const { head, lowest } = writer.state;
  const last = Math.min(to, head.number);
  let number = Math.max(from, lowest);
  while (number <= last) {
    const marks = tables.marks.edit();
    const counts = [...writer.state.counts];
    // Genesis (or the checkpoint) may be marked, but does not count.
    if (number === lowest) {
      await marks.raise(lowest, lowest, level);
      number++;
    }
    const pages = pageOf(number) + PAGES_PER_COMMIT;
    while (number <= last && pageOf(number) < pages) {
      const end = Math.min(last, (pageOf(number) + 1) * MARKS_PER_PAGE - 1);
      const moved = await marks.raise(number, end, level);
      moved.forEach((n, i) => {
        counts[i] = (counts[i] ?? 0) - n;
        counts[level] = (counts[level] ?? 0) + n;
      });
      number = end + 1;
    }
    const publish = () => tables.marks.committed(marks);
    await writer.commit(what, writer.batch(what), marks.mutations(), writer.next({ counts }), publish);
  }
}
