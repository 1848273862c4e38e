/**
 * The store's ways to fail, each with its code, exit code and hint.
 *
 * Why it exists: the same failure is met in several files and must read the same. What must stay true: exit codes
 * are those of config-cli-metrics.md §8.2: 10 damaged, 11 locked or somebody else's, 12 no room at start.
 */
import { ExitCode, HsyncError } from "../base/mod.ts";

/** Bytes that are not what was written. */
export function damaged(what: string, number?: number, cause?: unknown): HsyncError {
  return new HsyncError("STORE_DAMAGED", `the store is damaged: ${what}`, {
    exitCode: ExitCode.STORE_DAMAGED,
    hint: "restore a backup, or move the store away and synchronise again",
    ...(number === undefined ? {} : { blockNumber: number }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Somebody else is using the store. */
export function storeLocked(message: string, hint: string): HsyncError {
  return new HsyncError("STORE_LOCKED", message, { exitCode: ExitCode.STORE_LOCKED, hint });
}

/** The store belongs to another chain or to another version. */
export function foreign(message: string, hint: string): HsyncError {
  return new HsyncError("STORE_FOREIGN", message, { exitCode: ExitCode.STORE_LOCKED, hint });
}

/** A commit whose checks did not hold: somebody else writes. */
export function leaseLost(what: string): HsyncError {
  return new HsyncError("STORE_LEASE_LOST", `${what}: another process has taken over the store`, {
    exitCode: ExitCode.STORE_LOCKED,
    hint: "only one hsync may write a store; stop the other one, then restart this one",
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A commit that was refused or cut off; nothing of what it should have made visible is visible. */
export function writeFailed(what: string, cause: unknown): HsyncError {
  // SQLite says so in text only; every other failure of a commit has no reading of its own.
  if (/disk is full|no space left/i.test(textOf(cause))) {
    return new HsyncError("STORE_DISK_LOW", `${what}: the disk is full`, {
      hint: "free some space; importing goes on by itself",
      retryable: true,
      cause,
    });
  }
  return new HsyncError("STORE_WRITE_FAILED", `${what}: writing to the store failed: ${textOf(cause)}`, {
    retryable: true,
    cause,
  });
}

/** True for the texts by which SQLite says that a file is not, or no longer, a database. */
function saysMalformed(error: unknown): boolean {
  return /not a database|malformed|file is encrypted/i.test(textOf(error));
}

/** A read that the database refused. */
export function readFailed(cause: unknown): HsyncError {
  if (cause instanceof HsyncError) return cause;
  if (saysMalformed(cause)) return damaged(textOf(cause), undefined, cause);
  return new HsyncError("STORE_READ_FAILED", `reading from the store failed: ${textOf(cause)}`, {
    retryable: true,
    cause,
  });
}

/** Deno was started without its key-value store. */
export function noDenoKv(): HsyncError {
  return new HsyncError("STORE_NO_KV", "Deno runs without its key-value store", {
    hint: "start it with `deno run -A --unstable-kv`",
  });
}

/** A database that cannot be opened; `where` must not hold a password. */
export function openFailed(where: string, remote: boolean, cause: unknown): HsyncError {
  if (cause instanceof HsyncError) return cause;
  if (!remote && saysMalformed(cause)) return damaged(`${where}: ${textOf(cause)}`, undefined, cause);
  const text = textOf(cause);
  const hint = !remote
    ? "check the path and its permissions, or name another one with --datadir"
    : /401|unauthor|access token/i.test(text)
    ? "put the server's access token into DENO_KV_ACCESS_TOKEN"
    : "check that the database server of --db.url runs and can be reached";
  return new HsyncError("STORE_UNREACHABLE", `cannot open the store at ${where}: ${text}`, {
    hint,
    retryable: remote,
    cause,
  });
}
