/**
 * The data directory must be there and writable before anything else starts.
 *
 * Why it exists: a typing error in `--datadir` shall not surface later as trouble with the key file or the store
 * (config-cli-metrics.md §1.6). What must stay true: it creates the directory and nothing in it.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { configError, shown } from "./config_error.ts";

/** Creates the directory if it is missing. @throws {HsyncError} DATA_DIR (exit 128) when it cannot be written */
export function prepareDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw configError(
      "DATA_DIR",
      `General.DataDir ${shown(dataDir)} cannot be written (${why})`,
      "check the path and its owner, or name another one with --datadir",
      error,
    );
  }
}
