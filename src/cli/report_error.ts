/**
 * How the program says that it failed.
 *
 * Why it exists: every non-zero exit prints exactly one line that begins with `error:` and names a way out
 * (config-cli-metrics.md §8.2). What must stay true: one line, whatever the message holds; no stack trace unless
 * the operator asked for debugging.
 */
import { asHsyncError, ExitCode, HsyncError, safeText } from "../base/mod.ts";

/** The line for an error. */
export function errorLine(error: HsyncError): string {
  const hint = error.hint ??
    (error.code === "UNEXPECTED"
      ? "run again with --sync.debug to see where it happened"
      : "`hsync help` lists the commands");
  return `error: ${safeText(error.message, 600)}; hint: ${safeText(hint, 300)}`;
}

/** Prints the line and gives the exit code. */
export function reportError(thrown: unknown, err: (line: string) => void, debug: boolean): ExitCode {
  const error = asHsyncError(thrown);
  err(errorLine(error));
  if (debug) err(fullStack(thrown));
  return error.exitCode === ExitCode.OK ? ExitCode.RUNTIME : error.exitCode;
}

/** The stack with those of its causes. */
function fullStack(thrown: unknown): string {
  const out: string[] = [];
  for (let e: unknown = thrown, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++) {
    out.push(e.stack ?? String(e));
  }
  return out.length === 0 ? String(thrown) : out.join("\ncaused by ");
}

/** An outcome that is no failure of the program but ends with a code of its own. */
export function outcome(code: ExitCode, message: string, hint: string): HsyncError {
  return new HsyncError("OUTCOME", message, { exitCode: code, hint });
}
