/**
 * Blame: the one closed table from what went wrong to whose fault it is, and from there to what is done about it.
 *
 * Why it exists: sync-protocol.md §3.7 and §7.1 as data. Whoever meets a failure names it; class, removal reason
 * and metric label follow from here, and the text is for people only. What must stay true: the list is closed, and
 * nothing that we did ourselves, and nobody who is merely behind or slow, is treated as a liar.
 */
import { asHsyncError, type FaultClass } from "../base/mod.ts";
import type { RequestType } from "./message.ts";
import type { RemovalReason } from "./types.ts";

/** Closed list of the `error` label (config-cli-metrics.md §3.1). */
export const ERROR_LABELS = [
  "timeout",
  "canceled",
  "no_streams",
  "not_enough_streams",
  "queue_full",
  "stream_closed",
  "write_failed",
  "decode",
  "oversize",
  "bad_response",
  "empty_response",
  "zero_hash",
  "hash_mismatch",
  "bad_parent",
  "bad_signature",
  "bad_body",
  "rate_limited",
  "execution",
  "storage",
  "other",
] as const;
export type ErrorLabel = typeof ERROR_LABELS[number];

interface Verdict {
  readonly fault: FaultClass;
  readonly reason: RemovalReason;
  readonly error: ErrorLabel;
}

function verdict(fault: FaultClass, reason: RemovalReason, error: ErrorLabel): Verdict {
  return { fault, reason, error };
}

/** Every failure the stream layer knows. */
export const FAILURES = {
  // Ours: nobody is blamed.
  CANCELLED: verdict("NONE", "other", "canceled"),
  CLOSED: verdict("NONE", "shutdown", "canceled"),
  QUEUE_FULL: verdict("NONE", "other", "queue_full"),
  NO_STREAM: verdict("NONE", "other", "no_streams"),
  NO_ELIGIBLE_STREAM: verdict("NONE", "other", "no_streams"),
  WAIT_TIMEOUT: verdict("NONE", "other", "timeout"),
  STREAM_REMOVED: verdict("NONE", "other", "stream_closed"),
  REQUEST_INVALID: verdict("NONE", "other", "other"),
  DELIVER_TIMEOUT: verdict("NONE", "other", "timeout"),
  /** A request could not be written in time: the peer never had it. */
  WRITE_TIMEOUT: verdict("NONE", "other", "timeout"),
  /** Streams end because we end. */
  SHUTDOWN: verdict("NONE", "shutdown", "canceled"),
  /** No room, or the peer already has a better stream with us. */
  OVER_CAPACITY: verdict("NONE", "over_capacity", "other"),
  /** The stream manager has already noted the fault; what is left is to end the stream. */
  BANISHED: verdict("NONE", "other", "stream_closed"),
  DROPPED: verdict("NONE", "other", "stream_closed"),
  /** The peer said that our request was above a cap: our bug. */
  PEER_CAP: verdict("NONE", "other", "other"),
  /** The peer does not offer this kind of request. */
  UNSUPPORTED: verdict("NONE", "other", "bad_response"),
  /** The peer asks us to slow down. */
  PEER_BUSY: verdict("NONE", "other", "rate_limited"),

  // Theirs, but honest.
  PROBE_SILENT: verdict("REFUSED", "other", "timeout"),
  NOT_DELIVERED: verdict("BEHIND", "empty_blocks", "empty_response"),
  PEER_LACKS: verdict("BEHIND", "empty_blocks", "empty_response"),
  REQUEST_TIMEOUT: verdict("TIMEOUT", "too_many_failures", "timeout"),
  KEEP_ALIVE_TIMEOUT: verdict("TIMEOUT", "too_many_failures", "timeout"),
  /** Three error answers in a row without a reason we know. */
  PEER_ERROR: verdict("TIMEOUT", "too_many_failures", "bad_response"),
  FRAME_STALLED: verdict("TRANSPORT", "read_failed", "timeout"),
  PEER_CLOSED: verdict("TRANSPORT", "peer_closed", "stream_closed"),
  PEER_RESET: verdict("TRANSPORT", "read_failed", "stream_closed"),
  READ_FAILED: verdict("TRANSPORT", "read_failed", "stream_closed"),
  WRITE_FAILED: verdict("TRANSPORT", "write_failed", "write_failed"),
  DIAL_FAILED: verdict("TRANSPORT", "other", "stream_closed"),
  /** Requests above a cap, again and again: annoying, as with the Go node not critical. */
  CAP_VIOLATIONS: verdict("TRANSPORT", "handle_request_failed", "other"),

  // Breaches of the protocol.
  FRAME_TOO_LONG: verdict("PROTOCOL", "read_failed", "oversize"),
  MESSAGE_MALFORMED: verdict("PROTOCOL", "read_failed", "decode"),
  RESPONSE_TYPE: verdict("PROTOCOL", "unexpected_blocks", "bad_response"),
  RESPONSE_SHAPE: verdict("PROTOCOL", "unexpected_blocks", "bad_response"),
  HASHES_MISSING: verdict("PROTOCOL", "nil_hashes", "bad_response"),
  HASHES_EXTRA: verdict("PROTOCOL", "extra_hashes", "bad_response"),
  UNSOLICITED: verdict("PROTOCOL", "unexpected_blocks", "bad_response"),
  SANITY: verdict("PROTOCOL", "sanity_check", "other"),
  PROTOCOL_MISMATCH: verdict("PROTOCOL", "protocol_mismatch", "other"),

  // Lies.
  HEIGHT_ABSURD: verdict("DATA", "block_number_failed", "bad_response"),
  HASHES_GAP: verdict("DATA", "zero_hashes", "zero_hash"),
  BLOCK_UNREQUESTED: verdict("DATA", "unexpected_blocks", "bad_response"),
  BLOCK_HASH: verdict("DATA", "invalid_blocks", "hash_mismatch"),
  BLOCK_INVALID: verdict("DATA", "invalid_blocks", "bad_body"),
  COMMIT_SIG_SHAPE: verdict("DATA", "invalid_blocks", "bad_signature"),
  RECEIPTS_INVALID: verdict("DATA", "invalid_blocks", "bad_body"),
  BLOB_HASH: verdict("DATA", "invalid_blocks", "hash_mismatch"),

  // Abuse.
  FLOOD: verdict("ABUSE", "rate_violation", "rate_limited"),
} as const satisfies Record<string, Verdict>;
export type FailureName = keyof typeof FAILURES;

/** What the stream manager does about a class (§3.7). */
export interface FaultAction {
  /** End the stream of a peer that is not trusted. */
  readonly remove: boolean;
  /** The long cooldown. */
  readonly critical: boolean;
  /** Failures to add. */
  readonly failures: number;
  /** Set the per-peer back-off of refusals. */
  readonly backOff: boolean;
  /** How long a trusted peer is left out of data requests, ms. */
  readonly suspendTrustedMs: number;
}

const NOTHING: FaultAction = {
  remove: false,
  critical: false,
  failures: 0,
  backOff: false,
  suspendTrustedMs: 0,
};
const CRITICAL: FaultAction = { ...NOTHING, remove: true, critical: true };

const ACTIONS: Readonly<Record<FaultClass, FaultAction>> = {
  NONE: NOTHING,
  REFUSED: { ...NOTHING, backOff: true },
  BEHIND: NOTHING,
  TIMEOUT: { ...NOTHING, failures: 1 },
  TRANSPORT: { ...NOTHING, remove: true },
  MINORITY: NOTHING,
  PROTOCOL: CRITICAL,
  DATA: { ...CRITICAL, suspendTrustedMs: 5 * 60_000 },
  ABUSE: CRITICAL,
};

/** The action for a class: total, so that a new class cannot be born without one. */
export function actionFor(fault: FaultClass): FaultAction {
  return ACTIONS[fault];
}

/** The failure a request error stands for: its code where the table knows it, else by its fault class. */
export function failureOf(code: string, fault: FaultClass): Verdict {
  if (Object.hasOwn(FAILURES, code)) return FAILURES[code as FailureName];
  switch (fault) {
    case "NONE":
    case "MINORITY":
      return verdict(fault, "other", "other");
    case "REFUSED":
      return FAILURES.PROBE_SILENT;
    case "BEHIND":
      return FAILURES.NOT_DELIVERED;
    case "TIMEOUT":
      return FAILURES.REQUEST_TIMEOUT;
    case "TRANSPORT":
      return FAILURES.READ_FAILED;
    case "PROTOCOL":
      return FAILURES.RESPONSE_SHAPE;
    case "DATA":
      return FAILURES.BLOCK_INVALID;
    case "ABUSE":
      return FAILURES.FLOOD;
  }
}

/** A Go node closes, a node of ours resets. */
export type EndByPeer = "closed" | "reset";

/** What went wrong with a stream, as far as the stream manager acts on it. */
export interface Offence {
  readonly fault: FaultClass;
  readonly reason: RemovalReason;
  readonly text: string;
  /** The peer itself brought it about: no sign that our own network failed. */
  readonly deliberate?: true;
  /** The peer itself ended the stream, while its connection stands: how. */
  readonly endedByPeer?: EndByPeer;
  /** What was asked, where no good answer came; default: no more than a sign of life. */
  readonly request?: RequestType;
}

/** What a removal reason is called among errors: an offence that came from above names only its reason. */
const ERROR_OF: Readonly<Record<RemovalReason, ErrorLabel>> = {
  read_failed: "stream_closed",
  write_failed: "write_failed",
  handle_request_failed: "other",
  too_many_failures: "timeout",
  nil_hashes: "bad_response",
  extra_hashes: "bad_response",
  zero_hashes: "zero_hash",
  block_number_failed: "bad_response",
  empty_blocks: "empty_response",
  unexpected_blocks: "bad_response",
  invalid_blocks: "bad_body",
  sanity_check: "other",
  peer_closed: "stream_closed",
  protocol_mismatch: "other",
  rate_violation: "rate_limited",
  over_capacity: "other",
  shutdown: "canceled",
  other: "other",
};

/** The `error_type` of an offence: total, from the closed list. */
export function errorOf({ fault, reason }: Offence): ErrorLabel {
  // What could be read but not understood is no end of the stream.
  return reason === "read_failed" && fault === "PROTOCOL" ? "decode" : ERROR_OF[reason];
}

/** Failures of the forgivable classes that no outage of ours can look like. */
const DELIBERATE: ReadonlySet<FailureName> = new Set(["CAP_VIOLATIONS", "FRAME_STALLED"]);

/** Ends that the peer chose. */
const ENDED_BY_PEER: ReadonlyMap<FailureName, EndByPeer> = new Map([
  ["PEER_CLOSED", "closed"],
  ["PEER_RESET", "reset"],
]);

/** An offence by its row of the table. */
export function offence(failure: FailureName, text: string): Offence {
  const { fault, reason } = FAILURES[failure];
  const endedByPeer = ENDED_BY_PEER.get(failure);
  return {
    fault,
    reason,
    text,
    ...(DELIBERATE.has(failure) ? { deliberate: true } : {}),
    ...(endedByPeer === undefined ? {} : { endedByPeer }),
  };
}

/** The offence that an error stands for. */
export function offenceOf(cause: unknown): Offence {
  const error = asHsyncError(cause);
  return { fault: error.fault, reason: failureOf(error.code, error.fault).reason, text: error.message };
}
