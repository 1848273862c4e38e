/**
 * Room on the disk.
 *
 * Why it exists: a full disk stops more than this program, so importing stops before (config-cli-metrics.md §6.3).
 * What must stay true: serving is never touched by it; the state between the two thresholds is kept, so that
 * importing does not flicker at the edge; an unknown figure never stops anything.
 */
import { statfs } from "node:fs/promises";
import {
  asHsyncError,
  type Cancel,
  type Clock,
  ExitCode,
  HsyncError,
  type Logger,
  type Meter,
} from "../base/mod.ts";
import type { DiskState } from "./types.ts";

/** Importing stops below either of these … */
export const LOW_SHARE = 0.05;
export const LOW_BYTES = 2 * 1024 ** 3;
/** … and resumes above this share (and LOW_BYTES). */
export const RESUME_SHARE = 0.07;
/** How often the figures are refreshed. */
export const PROBE_MS = 10_000;

/** Free and total bytes of the disk that holds the store; undefined where nobody can tell. */
export type DiskProbe = () => Promise<
  { readonly freeBytes: number; readonly totalBytes: number } | undefined
>;

/** Whether importing may go on, given whether it did until now. */
export function mayImport(importing: boolean, freeBytes: number, totalBytes: number): boolean {
  const share = totalBytes > 0 ? freeBytes / totalBytes : 1;
  if (freeBytes < LOW_BYTES || share < LOW_SHARE) return false;
  return importing || share > RESUME_SHARE;
}

/** The probe for a directory. */
export function probeOf(dir: string): DiskProbe {
  return async () => {
    const s = await statfs(dir);
    return { freeBytes: s.bavail * s.bsize, totalBytes: s.blocks * s.bsize };
  };
}

/** Bytes of the files of a local database; undefined when there are none. */
export async function bytesOfFiles(path: string): Promise<number | undefined> {
  let sum: number | undefined;
  for (const suffix of ["", "-wal", "-shm"]) {
    try {
      sum = (sum ?? 0) + (await Deno.stat(path + suffix)).size;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return sum;
}

export interface DiskOptions {
  /** Undefined: nothing is measured and importing never stops (memory, remote database). */
  readonly probe: DiskProbe | undefined;
  readonly storeBytes: () => Promise<number | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

export class DiskGuard {
  readonly #options: DiskOptions;
  #state: DiskState = { storeBytes: undefined, freeBytes: undefined, totalBytes: undefined, writable: true };
  #stop: Cancel = () => {};
  #running: Promise<void> | undefined;

  constructor(options: DiskOptions) {
    this.#options = options;
  }
  state(): DiskState {
    return this.#state;
  }
  /** Measures every 10 s from now on, where there is something to measure. */
  start(): void {
    if (this.#options.probe === undefined) return;
    this.#stop = this.#options.clock.every(PROBE_MS, () => void this.refresh());
  }
  /** Measures now. Never rejects. */
  refresh(): Promise<void> {
    this.#running ??= this.#measure().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }
  async #measure(): Promise<void> {
    const { probe, storeBytes, logger, meter } = this.#options;
    const before = this.#state;
    try {
      const bytes = await storeBytes();
      const disk = await probe?.();
      const writable = disk === undefined
        ? true
        : mayImport(before.writable, disk.freeBytes, disk.totalBytes);
      this.#state = { storeBytes: bytes, freeBytes: disk?.freeBytes, totalBytes: disk?.totalBytes, writable };
      if (bytes !== undefined) meter.set("hmy_store_bytes", {}, bytes);
    } catch (error) {
      logger.warn("the free space of the disk cannot be measured", { error: asHsyncError(error) });
      this.#state = { ...before, writable: true };
    }
    const now = this.#state;
    if (before.writable && !now.writable) {
      logger.error("DISK_LOW: importing stops, serving goes on", {
        free: now.freeBytes,
        total: now.totalBytes,
      });
    } else if (!before.writable && now.writable) {
      logger.info("there is room on the disk again: importing goes on", { free: now.freeBytes });
    }
  }
  /** A write said that the disk is full: stop until a measurement says otherwise. */
  full(): void {
    this.#state = { ...this.#state, writable: false };
  }
  #text(): string {
    const { freeBytes, totalBytes } = this.#state;
    if (freeBytes === undefined || totalBytes === undefined) return "the disk is full";
    const gb = (n: number) => (n / 1024 ** 3).toFixed(1);
    return `${gb(freeBytes)} of ${gb(totalBytes)} GiB are free, less than 5 % or 2 GiB`;
  }
  /** @throws {HsyncError} STORE_DISK_LOW while importing is stopped. */
  check(exitCode?: ExitCode): void {
    if (this.#state.writable) return;
    throw new HsyncError("STORE_DISK_LOW", `no room for more blocks: ${this.#text()}`, {
      hint: "free some space or move the data directory; importing resumes above 7 % free",
      retryable: true,
      ...(exitCode === undefined ? {} : { exitCode }),
    });
  }
  async close(): Promise<void> {
    this.#stop();
    await this.#running;
  }
}
