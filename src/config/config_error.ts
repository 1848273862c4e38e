/**
 * The errors of this folder in one voice.
 *
 * Why it exists: every configuration error ends the program with the same exit code and a hint. What must stay
 * true: 128 means "the configuration is invalid", 2 means "the command line was typed wrongly"
 * (config-cli-metrics.md §8.2).
 */
import { ExitCode, HsyncError, safeText } from "../base/mod.ts";

/** The configuration is invalid: exit 128. */
export function configError(code: string, message: string, hint: string, cause?: unknown): HsyncError {
  return new HsyncError(code, message, {
    hint,
    exitCode: ExitCode.CONFIG_INVALID,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The command line was typed wrongly: exit 2. */
export function usageError(code: string, message: string, hint: string): HsyncError {
  return new HsyncError(code, message, { hint, exitCode: ExitCode.USAGE });
}

/** A value as it may appear in a message: short, and without control characters. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(safeText(value, 80));
  if (Array.isArray(value)) return safeText(`[${value.map(shown).join(", ")}]`, 160);
  if (typeof value === "object" && value !== null) return "a table";
  return String(value);
}
