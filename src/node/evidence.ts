/**
 * Evidence of committees that signed against themselves, as files.
 *
 * Why it exists: two certified blocks of one height are proof that an operator wants to show to others, long after
 * the process has ended. What must stay true: a record is whole or absent, is never overwritten, and holds everything that is
 * needed to check it but the committee.
 */
import { dirname, join } from "node:path";
import { HsyncError, type Logger, type Meter, nullMeter } from "../base/mod.ts";
import {
  type ConflictEvidence,
  type ConflictSummary,
  evidenceName,
  type EvidenceSink,
  evidenceText,
  readEvidence,
} from "../consensus/mod.ts";

/** What is read of a folder at most: nobody has more conflicts than can be looked at. */
const MAX_FILES = 1_000;
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const METRIC = "hmy_sync_conflicting_certificates";

/** A conflict whose evidence is kept. */
export interface KeptConflict {
  readonly summary: ConflictSummary;
  readonly path: string;
}

/** Keeps records in a folder of the data directory. It counts the conflicts, too: all of them come by here. */
export class EvidenceFiles implements EvidenceSink {
  /** Names of those that were counted. */
  readonly #counted = new Set<string>();

  constructor(
    private readonly dir: string,
    private readonly logger: Logger,
    private readonly meter: Meter = nullMeter,
  ) {}

  /** Where a record is kept. */
  pathOf(evidence: ConflictEvidence): string {
    return join(this.dir, evidenceName(evidence));
  }
  /** A conflict that holds: it shows in the figures of this run, whenever it was found. */
  count(name: string, shardId: number): void {
    if (this.#counted.has(name) || this.#counted.size >= MAX_FILES) return;
    this.#counted.add(name);
    this.meter.inc(METRIC, { ShardID: String(shardId) });
  }

  /** @throws {HsyncError} EVIDENCE_WRITE when the record cannot be kept */
  async save(evidence: ConflictEvidence): Promise<void> {
    this.count(evidenceName(evidence), evidence.shardId);
    const path = this.pathOf(evidence);
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

  /** The records that can be read, by name. One that is damaged is logged, and proves nothing. */
  async kept(): Promise<KeptConflict[]> {
    const kept: KeptConflict[] = [];
    for (const name of await this.#names()) {
      const path = join(this.dir, name);
      try {
        const { size } = await Deno.stat(path);
        if (size > MAX_FILE_BYTES) throw new HsyncError("EVIDENCE_DAMAGED", `it has ${size} bytes`);
        kept.push({ path, summary: readEvidence(await Deno.readTextFile(path)) });
      } catch (error) {
        this.logger.warn("a file of evidence cannot be read", { path, error });
      }
    }
    return kept;
  }
  async #names(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name, isFile } of Deno.readDir(this.dir)) {
        if (isFile && name.startsWith("conflict-") && name.endsWith(".json")) names.push(name);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.logger.warn("the folder of evidence cannot be read", { path: this.dir, error });
      }
    }
    return names.sort().slice(0, MAX_FILES);
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
