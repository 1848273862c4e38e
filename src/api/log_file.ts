/**
 * The rotating log file.
 *
 * Why it exists: logs that fill the disk are a classic complaint (config-cli-metrics.md §4.1, §4.2, §7.3). What must
 * stay true: the file and its rotated copies together never take more than (RotateCount + 1) × RotateSize, not
 * even while a copy is being compressed; a line is either whole in one file or nowhere; rotation by somebody else
 * is noticed.
 */
import { createReadStream, createWriteStream } from "node:fs";
import * as fs from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { HsyncError } from "../base/mod.ts";

export interface LogFileOptions {
  readonly folder: string;
  /** The file is called `zerolog-<fileName>`. */
  readonly fileName: string;
  readonly rotateSizeBytes: number;
  /** Rotated copies to keep; undefined: no limit. */
  readonly rotateCount: number | undefined;
  /** 0: no limit. */
  readonly rotateMaxAgeDays: number;
  readonly now: () => number;
}

const DAY_MS = 86_400_000;
/** How often the file on disk is compared with the one that is open. */
const INODE_CHECK_MS = 1_000;

interface Rotated {
  readonly path: string;
  readonly bytes: number;
  readonly modified: number;
}

export class LogFile {
  readonly path: string;
  readonly #base: string;
  readonly #extension: string;
  #fd: number;
  #bytes = 0;
  #inode: number | bigint = 0;
  #checkedAt = 0;
  #sequence = 0;
  #compressing: Promise<void> | undefined;

  /** @throws {HsyncError} LOG_FILE when the folder or the file cannot be written */
  constructor(private readonly options: LogFileOptions) {
    const name = `zerolog-${options.fileName}`;
    const dot = name.lastIndexOf(".");
    this.#base = dot > 0 ? name.slice(0, dot) : name;
    this.#extension = dot > 0 ? name.slice(dot) : "";
    this.path = join(options.folder, name);
    try {
      fs.mkdirSync(options.folder, { recursive: true });
      this.#fd = this.#open();
      this.#prune();
    } catch (error) {
      throw new HsyncError("LOG_FILE", `cannot write the log file ${this.path}: ${String(error)}`, {
        hint: "choose another directory with --log.dir, or log to standard error with --log.console",
        cause: error,
      });
    }
  }

  #open(): number {
    const fd = fs.openSync(this.path, "a", 0o640);
    const stat = fs.fstatSync(fd);
    this.#bytes = stat.size;
    this.#inode = stat.ino;
    return fd;
  }

  /** Appends one line. Throws what the system throws (a full disk): the logger survives a failing sink. */
  write(line: string): void {
    let bytes = new TextEncoder().encode(line + "\n");
    const limit = this.options.rotateSizeBytes;
    // A line larger than a whole file would break the promise about the total size.
    if (bytes.length > limit) {
      bytes = new TextEncoder().encode('{"level":"warn","message":"line too long"}\n');
    }
    this.#noticeForeignRotation();
    if (this.#bytes + bytes.length > limit && this.#bytes > 0) this.#rotate();
    let written = 0;
    while (written < bytes.length) written += fs.writeSync(this.#fd, bytes, written);
    this.#bytes += bytes.length;
  }

  #noticeForeignRotation(): void {
    const now = this.options.now();
    if (Math.abs(now - this.#checkedAt) < INODE_CHECK_MS) return;
    this.#checkedAt = now;
    const stat = fs.statSync(this.path, { throwIfNoEntry: false });
    if (stat === undefined || stat.ino !== this.#inode) this.reopen();
  }

  /** Opens the file anew (SIGHUP, rotation by somebody else). */
  reopen(): void {
    fs.closeSync(this.#fd);
    this.#fd = this.#open();
  }

  #rotate(): void {
    fs.closeSync(this.#fd);
    const stamp = new Date(this.options.now()).toISOString().replaceAll(":", "-");
    const unique = String(++this.#sequence).padStart(4, "0");
    const target = join(this.options.folder, `${this.#base}-${stamp}-${unique}${this.#extension}`);
    fs.renameSync(this.path, target);
    this.#fd = this.#open();
    this.#prune();
    this.#compress(target);
  }

  /** Rotated copies, oldest first. */
  #rotated(): Rotated[] {
    const out: Rotated[] = [];
    for (const name of fs.readdirSync(this.options.folder)) {
      if (!name.startsWith(`${this.#base}-`) || name.endsWith(".part")) continue;
      const path = join(this.options.folder, name);
      const stat = fs.statSync(path, { throwIfNoEntry: false });
      if (stat?.isFile()) out.push({ path, bytes: stat.size, modified: stat.mtimeMs });
    }
    return out.sort((a, b) => a.path < b.path ? -1 : 1);
  }

  /** Removes copies that are too many, too old, or together too large. */
  #prune(): void {
    const { rotateCount, rotateMaxAgeDays, rotateSizeBytes } = this.options;
    const copies = this.#rotated();
    if (rotateMaxAgeDays > 0) {
      const oldest = this.options.now() - rotateMaxAgeDays * DAY_MS;
      while (copies.length > 0 && (copies[0] as Rotated).modified < oldest) remove(copies.shift());
    }
    if (rotateCount === undefined) return;
    // The compressed form under way may grow to the size of a whole copy.
    const room = rotateCount * rotateSizeBytes - (this.#compressing === undefined ? 0 : rotateSizeBytes);
    let total = copies.reduce((sum, c) => sum + c.bytes, 0);
    while (copies.length > rotateCount || (total > room && copies.length > 0)) {
      total -= copies[0]?.bytes ?? 0;
      remove(copies.shift());
    }
  }

  /** Compresses a copy in the background, when there is room for both forms and nothing else is under way. */
  #compress(path: string): void {
    const { rotateCount, rotateSizeBytes } = this.options;
    if (this.#compressing !== undefined) return;
    if (rotateCount !== undefined) {
      const total = this.#rotated().reduce((sum, c) => sum + c.bytes, 0);
      if (total + rotateSizeBytes > rotateCount * rotateSizeBytes) return;
    }
    const part = `${path}.gz.part`;
    this.#compressing = (async () => {
      try {
        await pipeline(createReadStream(path), createGzip(), createWriteStream(part, { mode: 0o640 }));
        // The copy may have been pruned meanwhile; its compressed form must not come back to life.
        if (fs.existsSync(path)) {
          fs.renameSync(part, `${path}.gz`);
          fs.rmSync(path, { force: true });
        }
      } catch {
        // A copy that stays uncompressed is no loss.
      } finally {
        fs.rmSync(part, { force: true });
        this.#compressing = undefined;
      }
    })();
  }

  /** Waits for a compression under way and closes the file. */
  async close(): Promise<void> {
    await this.#compressing;
    fs.closeSync(this.#fd);
  }
}

function remove(copy: Rotated | undefined): void {
  if (copy !== undefined) fs.rmSync(copy.path, { force: true });
}
