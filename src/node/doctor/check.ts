/**
 * What a check of `hsync doctor` is.
 *
 * Why it exists: every check says the same three things: how it is, what was seen, how to mend it (config-cli-metrics.md
 * §8.1). What must stay true: a check changes nothing that stays, and waits no longer than its limit.
 */
import { HsyncError, safeText } from "../../base/mod.ts";

/** `skip`: it could not be found out, which is nobody's fault. */
export type CheckState = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  readonly state: CheckState;
  /** What was seen. */
  readonly text: string;
  /** How to mend it. */
  readonly fix?: string;
}

export interface Check {
  /** One word or two, for the first column. */
  readonly name: string;
  run(signal: AbortSignal): Finding | Promise<Finding>;
}

export const CHECK_LIMIT_MS = 20_000;

export function ok(text: string): Finding {
  return { state: "ok", text };
}
export function warn(text: string, fix: string): Finding {
  return { state: "warn", text, fix };
}
export function fail(text: string, fix: string): Finding {
  return { state: "fail", text, fix };
}
export function skip(text: string): Finding {
  return { state: "skip", text };
}

/** Text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return safeText(error instanceof Error ? error.message : String(error), 200);
}

/** The finding of a check; one that throws has failed. */
export async function findingOf(check: Check, stop: AbortSignal): Promise<Finding> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(CHECK_LIMIT_MS)]);
  try {
    return await check.run(signal);
  } catch (error) {
    const fix = error instanceof HsyncError ? error.hint : undefined;
    return fail(reasonOf(error), fix ?? "`--sync.debug` shows where this came from");
  }
}
