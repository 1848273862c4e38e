/**
 * Failures as values of the metric label `error` (config-cli-metrics.md §3.1).
 *
 * Why it exists: labels come from a closed list, error codes from all over the program. What must stay true: no text
 * of a peer and no number ever becomes a label.
 */
import { type FaultClass, HsyncError, isAbort } from "../base/mod.ts";
import type { ERROR_LABELS } from "../stream/mod.ts";

/** A value of the label. */
export type ErrorLabel = typeof ERROR_LABELS[number];

const BY_FAULT: Readonly<Record<FaultClass, ErrorLabel>> = {
  NONE: "other",
  REFUSED: "other",
  BEHIND: "empty_response",
  TIMEOUT: "timeout",
  TRANSPORT: "stream_closed",
  MINORITY: "hash_mismatch",
  PROTOCOL: "bad_response",
  DATA: "bad_body",
  ABUSE: "rate_limited",
};

const BY_CODE: Readonly<Record<string, ErrorLabel>> = {
  QUEUE_FULL: "queue_full",
  NO_STREAM: "no_streams",
  NO_ELIGIBLE_STREAM: "no_streams",
  NO_STREAMS: "no_streams",
  NOT_ENOUGH_STREAMS: "not_enough_streams",
  NO_HASHES: "zero_hash",
  NO_BODIES: "empty_response",
  NO_LINK: "bad_parent",
};

/** The label of an error. */
export function errorLabel(error: unknown): ErrorLabel {
  if (isAbort(error)) return "canceled";
  if (!(error instanceof HsyncError)) return "other";
  return BY_CODE[error.code] ?? (error.code.startsWith("STORE_") ? "storage" : BY_FAULT[error.fault]);
}
