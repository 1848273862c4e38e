/**
 * Typed errors: a stable code, a fault class and a hint.
 *
 * Why it exists: blame is data, not text (DESIGN.md rule 4). Whoever catches an error decides from `fault`
 * what happens to the peer, and from `code` what the operator is told; the text is for people only.
 * What must stay true: the list of fault classes is closed, and only PROTOCOL, DATA and ABUSE are critical.
 */

/** Who is to blame, and how (sync-protocol.md §3.7). */
export type FaultClass =
  | "NONE"
  | "REFUSED"
  | "BEHIND"
  | "TIMEOUT"
  | "TRANSPORT"
  | "MINORITY"
  | "PROTOCOL"
  | "DATA"
  | "ABUSE";

/** True for the classes whose action is a critical removal (sync-protocol.md §3.7). */
export function isCritical(fault: FaultClass): boolean {
  return fault === "PROTOCOL" || fault === "DATA" || fault === "ABUSE";
}

/** Exit codes of the program (config-cli-metrics.md §8.2). */
export const ExitCode = {
  OK: 0,
  RUNTIME: 1,
  USAGE: 2,
  NOT_IN_SYNC: 3,
  NO_ANSWER: 4,
  CONFIG_NOTICES: 5,
  DOCTOR_FAILED: 6,
  STORE_DAMAGED: 10,
  STORE_LOCKED: 11,
  DISK_FULL: 12,
  CONFIG_INVALID: 128,
  FORCED: 255,
} as const;
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** What an error may carry beside its text. */
export interface HsyncErrorOptions {
  /** Default `NONE`: nobody is blamed unless the thrower says so. */
  readonly fault?: FaultClass;
  /** What the reader can do about it, one sentence. */
  readonly hint?: string;
  /** Exit code when this error ends the program; default 1. */
  readonly exitCode?: ExitCode;
  /** The block height that it is about. */
  readonly blockNumber?: number;
  /** The stream (peer id text) that delivered the bytes. */
  readonly streamId?: string;
  /** True when the same call may succeed later or elsewhere. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** The one error class of the project; modules tell their errors apart by `code`. */
export class HsyncError extends Error {
  override readonly name = "HsyncError";
  /** Stable, upper case, for example `RLP_TRAILING_BYTES`. */
  readonly code: string;
  readonly fault: FaultClass;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  readonly blockNumber: number | undefined;
  readonly streamId: string | undefined;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: HsyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fault = options.fault ?? "NONE";
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.RUNTIME;
    this.blockNumber = options.blockNumber;
    this.streamId = options.streamId;
    this.retryable = options.retryable ?? false;
  }
}

/** The error as an `HsyncError`; anything unknown becomes code `UNEXPECTED`, fault NONE. */
export function asHsyncError(error: unknown): HsyncError {
  if (error instanceof HsyncError) return error;
  if (error instanceof Error) return new HsyncError("UNEXPECTED", error.message, { cause: error });
  return new HsyncError("UNEXPECTED", String(error), { cause: error });
}

/** True when `error` is an abort: by our own error code or the platform's `AbortError`. */
export function isAbort(error: unknown): boolean {
  return error instanceof HsyncError
    ? error.code === "CANCELLED"
    : error instanceof Error && error.name === "AbortError";
}

/** The error for "we gave up ourselves": blames nobody. */
export function cancelled(what: string): HsyncError {
  return new HsyncError("CANCELLED", `${what}: cancelled`, { fault: "NONE", retryable: true });
}
