/**
 * Evidence of committees that signed against themselves, as files.
 *
 * Why it exists: two certified blocks of one height are proof that an operator wants to show to others, long after
 * the process has ended. What must stay true: a record is whole or absent, is never overwritten, and holds everything that is
 * needed to check it but the committee.
 */
import { dirname, join } from "node:path";
import { HsyncError, type Logger, to0x, toHex } from "../base/mod.ts";
import type { ConflictEvidence, ConflictSide, EvidenceSink } from "../consensus/mod.ts";
import { joinCommitSig } from "../chain/mod.ts";

function sideJson(side: ConflictSide): Record<string, unknown> {
  return {
    hash: to0x(side.hash),
    header: to0x(side.header.bytes),
    certificate: to0x(joinCommitSig(side.certificate)),
    sentBy: side.streamId ?? null,
  };
}

/** A record as it is kept: JSON, all bytes as `0x` hex. */
export function evidenceJson(evidence: ConflictEvidence): string {
  return JSON.stringify(
    {
      schema: 1,
      network: evidence.network,
      shard: evidence.shardId,
      number: evidence.number,
      foundAt: new Date(evidence.foundAt).toISOString(),
      ours: sideJson(evidence.ours),
      theirs: sideJson(evidence.theirs),
    },
    undefined,
    2,
  ) + "\n";
}

/** Keeps records in a folder of the data directory. */
export class EvidenceFiles implements EvidenceSink {
  constructor(private readonly dir: string, private readonly logger: Logger) {}

  /** @throws {HsyncError} EVIDENCE_WRITE when the record cannot be kept */
  async save(evidence: ConflictEvidence): Promise<void> {
    const name = `conflict-${evidence.shardId}-${evidence.number}-${
      toHex(evidence.theirs.hash.subarray(0, 8))
    }.json`;
    const path = join(this.dir, name);
    const temporary = `${path}.tmp`;
    try {
      await Deno.mkdir(dirname(path), { recursive: true });
      const file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode: 0o644 });
      try {
        const bytes = new TextEncoder().encode(evidenceJson(evidence));
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
