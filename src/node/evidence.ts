/**
 * Evidence of committees that signed against themselves, as files.
 *
 * Why it exists: two certified blocks of one height are proof that an operator wants to show to others, long after
 * the process has ended. What must stay true: a record is whole or absent, is never overwritten, and holds everything that is
 * needed to check it but the committee.
 */
import { dirname, join } from "node:path";
import { HsyncError, type Logger } from "../base/mod.ts";
import { type ConflictEvidence, evidenceName, type EvidenceSink, evidenceText } from "../consensus/mod.ts";

/** Keeps records in a folder of the data directory. */
export class EvidenceFiles implements EvidenceSink {
  constructor(private readonly dir: string, private readonly logger: Logger) {}

  /** @throws {HsyncError} EVIDENCE_WRITE when the record cannot be kept */
  async save(evidence: ConflictEvidence): Promise<void> {
    const path = join(this.dir, evidenceName(evidence));
    if (await exists(path)) {
      this.logger.error("two certified blocks of one height, again: the evidence is kept already", {
        number: evidence.number,
        path,
      });
      return;
    }
    const temporary = `${path}.tmp`;
    try {
      await Deno.mkdir(dirname(path), { recursive: true });
      const file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode: 0o644 });
      try {
        const bytes = new TextEncoder().encode(evidenceText(evidence));
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        await file.sync();
      } finally {
        file.close();
      }
      await Deno.rename(temporary, path);
    } catch (cause) {
      throw new HsyncError("EVIDENCE_WRITE", `cannot keep the evidence in ${path}`, {
        hint: "check owner and free space of the data directory",
        cause,
      });
    }
    this.logger.error("two certified blocks of one height: evidence kept", { number: evidence.number, path });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    // Whatever else is wrong with the place shows when it is written to.
    return false;
  }
}
