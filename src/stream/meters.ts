/**
 * The layer's metrics: names, labels and their zero values (config-cli-metrics.md §3.1, rows 10 to 34, and §3.5).
 *
 * Why it exists: names are part of the outer contract, letter for letter, and a series must exist before its first
 * event, else `rate()` misses that event. What must stay true: every label value here comes from a closed list.
 */
import type { Meter } from "../base/mod.ts";
import { ERROR_LABELS, type ErrorLabel } from "./fault.ts";
import { REQUEST_TYPES, type RequestType } from "./message.ts";
import { REMOVAL_REASONS, type RemovalReason } from "./types.ts";

export const METRIC = {
  clientRequest: "hmy_stream_sync_client_request",
  failedClientRequest: "hmy_stream_sync_failed_client_request",
  clientRequestDelay: "hmy_stream_sync_client_request_delay",
  serverRequest: "hmy_stream_sync_server_request",
  numStreams: "hmy_stream_num_streams",
  numReservedStreams: "hmy_stream_num_reserved_streams",
  addedStreams: "hmy_stream_added_streams",
  removedStreams: "hmy_stream_removed_streams",
  criticalErrors: "hmy_stream_stream_critical_errors",
  removalReasons: "hmy_stream_stream_removal_reasons",
  discover: "hmy_stream_discover",
  discoverPeers: "hmy_stream_discover_peers",
  setupDuration: "hmy_stream_setup_stream_duration",
  bytesRead: "hmy_stream_bytes_read",
  bytesWrite: "hmy_stream_bytes_write",
  msgRead: "hmy_stream_msg_read",
  msgWrite: "hmy_stream_msg_write",
  msgReadFailed: "hmy_stream_msg_read_failed",
  msgWriteFailed: "hmy_stream_msg_write_failed",
  connectedStreams: "hmy_stream_request_manager_num_connected_streams",
  availableStreams: "hmy_stream_request_manager_num_available_streams",
  waitingRequests: "hmy_stream_num_waiting_requests",
  pendingRequests: "hmy_stream_num_pending_requests",
  numServerRequest: "hmy_stream_num_server_request",
  serverRequestDelay: "hmy_stream_server_request_delay",
  shunnedPeers: "hmy_stream_shunned_peers",
  cooldownStreams: "hmy_stream_num_cooldown_streams",
  requiredStreams: "hmy_stream_num_required_streams",
  serverHandle: "hmy_stream_server_handle_seconds",
  peerHeightMax: "hmy_stream_peer_height_max",
  peerHeightMedian: "hmy_stream_peer_height_median",
  trustedStreams: "hmy_stream_num_trusted_peer_streams",
  reservedTrustedStreams: "hmy_stream_num_reserved_trusted_peer_streams",
  trustedAdded: "hmy_stream_trusted_peer_streams_added_total",
  trustedAttempts: "hmy_stream_trusted_peer_setup_attempts_total",
  trustedFailures: "hmy_stream_trusted_peer_connect_failures_total",
  recoverableErrors: "hmy_stream_recoverable_errors_total",
  fatalErrors: "hmy_stream_critical_errors_total",
  endedByRecoverable: "hmy_stream_streams_closed_by_recoverable_errors_total",
} as const;

/** `request_type` of the server's counter: the last four kinds carry the suffix `Request` there. */
export type ServerRequestLabel =
  | Exclude<RequestType, "getAccountRange" | "getStorageRanges" | "getByteCodes" | "getTrieNodes">
  | "getAccountRangeRequest"
  | "getStorageRangesRequest"
  | "getByteCodesRequest"
  | "getTrieNodesRequest"
  | "unknown";

/** The server's label for a kind of request; undefined is a kind that we do not know. */
export function serverLabel(type: RequestType | undefined): ServerRequestLabel {
  switch (type) {
    case undefined:
      return "unknown";
    case "getAccountRange":
    case "getStorageRanges":
    case "getByteCodes":
    case "getTrieNodes":
      return `${type}Request`;
    default:
      return type;
  }
}

/** The meter with this protocol's `topic` filled in. */
export class StreamMeter {
  /** What each gauge was told last: most steps of a request change none of them. */
  readonly #told = new Map<string, number>();

  constructor(readonly meter: Meter, readonly topic: string) {
    this.#zero();
  }
  clientRequest(type: RequestType): void {
    this.meter.inc(METRIC.clientRequest, { topic: this.topic, request_type: type });
  }
  clientDone(type: RequestType, ms: number): void {
    this.meter.observe(METRIC.clientRequestDelay, { topic: this.topic, request_type: type }, ms / 1000);
  }
  clientFailed(type: RequestType, error: ErrorLabel): void {
    this.meter.inc(METRIC.failedClientRequest, { topic: this.topic, request_type: type, error });
  }
  serverRequest(type: RequestType | undefined): void {
    this.meter.inc(METRIC.serverRequest, { topic: this.topic, request_type: serverLabel(type) });
  }
  serverAdmitted(waitedMs: number): void {
    this.meter.inc(METRIC.numServerRequest);
    this.meter.observe(METRIC.serverRequestDelay, {}, waitedMs / 1000);
  }
  serverHandled(type: RequestType | undefined, ms: number): void {
    const labels = { topic: this.topic, request_type: serverLabel(type) };
    this.meter.observe(METRIC.serverHandle, labels, ms / 1000);
  }
  read(bytes: number): void {
    this.meter.inc(METRIC.bytesRead, {}, bytes);
  }
  readMessage(): void {
    this.meter.inc(METRIC.msgRead);
  }
  readFailed(error: ErrorLabel): void {
    this.meter.inc(METRIC.msgReadFailed, { error });
  }
  wrote(bytes: number): void {
    this.meter.inc(METRIC.bytesWrite, {}, bytes);
    this.meter.inc(METRIC.msgWrite);
  }
  writeFailed(error: ErrorLabel): void {
    this.meter.inc(METRIC.msgWriteFailed, { error });
  }
  /** A counter that has the topic as its only label. */
  count(name: string, by = 1): void {
    this.meter.inc(name, { topic: this.topic }, by);
  }
  /** A gauge that has the topic as its only label. NaN: unknown. */
  gauge(name: string, value: number): void {
    if (Object.is(this.#told.get(name), value)) return;
    this.#told.set(name, value);
    this.meter.set(name, { topic: this.topic }, value);
  }
  setup(ms: number): void {
    this.meter.observe(METRIC.setupDuration, { topic: this.topic }, ms / 1000);
  }
  removal(reason: RemovalReason, critical: boolean): void {
    this.meter.inc(METRIC.removalReasons, { reason, critical: String(critical) });
  }
  /** A failure that a stream may survive; `ended`: this one was too many. */
  recoverable(error: ErrorLabel, ended: boolean): void {
    this.meter.inc(METRIC.recoverableErrors, { error_type: error });
    if (ended) this.meter.inc(METRIC.endedByRecoverable);
  }
  /** An error that no stream survives. */
  fatal(error: ErrorLabel): void {
    this.meter.inc(METRIC.fatalErrors, { error_type: error });
  }
  required(kind: "soft" | "hard" | "high", value: number): void {
    this.meter.set(METRIC.requiredStreams, { topic: this.topic, kind }, value);
  }

  #zero(): void {
    const { topic } = this;
    const gauges = [
      METRIC.numStreams,
      METRIC.numReservedStreams,
      METRIC.connectedStreams,
      METRIC.availableStreams,
      METRIC.waitingRequests,
      METRIC.pendingRequests,
      METRIC.cooldownStreams,
      METRIC.trustedStreams,
      METRIC.reservedTrustedStreams,
    ];
    for (const name of gauges) this.gauge(name, 0);
    const counters = [
      METRIC.addedStreams,
      METRIC.removedStreams,
      METRIC.criticalErrors,
      METRIC.discover,
      METRIC.discoverPeers,
      METRIC.shunnedPeers,
      METRIC.trustedAdded,
      METRIC.trustedAttempts,
      METRIC.trustedFailures,
    ];
    for (const name of counters) this.count(name, 0);
    for (const type of REQUEST_TYPES) {
      this.meter.inc(METRIC.clientRequest, { topic, request_type: type }, 0);
      this.meter.inc(METRIC.serverRequest, { topic, request_type: serverLabel(type) }, 0);
      for (const error of ["timeout", "stream_closed", "bad_response"] as const) {
        this.meter.inc(METRIC.failedClientRequest, { topic, request_type: type, error }, 0);
      }
    }
    this.meter.inc(METRIC.serverRequest, { topic, request_type: serverLabel(undefined) }, 0);
    for (const name of [METRIC.bytesRead, METRIC.bytesWrite, METRIC.msgRead, METRIC.msgWrite]) {
      this.meter.inc(name, {}, 0);
    }
    this.meter.inc(METRIC.numServerRequest, {}, 0);
    for (const reason of REMOVAL_REASONS) {
      for (const critical of ["true", "false"]) {
        this.meter.inc(METRIC.removalReasons, { reason, critical }, 0);
      }
    }
    for (const error of ERROR_LABELS) {
      if (error === "timeout" || error === "stream_closed" || error === "decode" || error === "oversize") {
        this.meter.inc(METRIC.msgReadFailed, { error }, 0);
      }
    }
    for (const error of ["write_failed", "timeout"] as const) {
      this.meter.inc(METRIC.msgWriteFailed, { error }, 0);
    }
  }
}
