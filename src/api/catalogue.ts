/**
 * Every metric of the program: name, type, labels, buckets, meaning.
 *
 * Why it exists: names, types and label sets are a promise to dashboards and alert rules (config-cli-metrics.md
 * §3.1, §3.3, §3.5); one table keeps it. What must stay true: the first 34 rows are the guide's, letter for letter;
 * label sets of gauges that are divided by each other are equal; counters carry no suffix that the table does not
 * show.
 */
import {
  CHAIN_VALUES,
  CLIENT_REQUEST_TYPES,
  CODE_VALUES,
  ERROR_VALUES,
  type LabelDomain,
  ODDITY_VALUES,
  PHASE_VALUES,
  REASON_VALUES,
  REQUIRED_KINDS,
  SERVER_REQUEST_TYPES,
  STAGE_VALUES,
} from "./label_values.ts";

export type MetricType = "counter" | "gauge" | "histogram";

export interface MetricSpec {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  /** Label names with what each may hold. */
  readonly labels: Readonly<Record<string, LabelDomain>>;
  readonly buckets: readonly number[] | undefined;
  /**
   * Series to show before anything happened: for each label the values to start with (default: all of its domain);
   * `none`: no series until a value is known.
   */
  readonly start: "none" | Readonly<Record<string, readonly string[]>>;
}

/** Network round trips in seconds; the last five lift the ceiling of the Go node's eight (§3.2 rule 6). */
const S8 = [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5, 10, 30, 60, 180];
/** Waiting in the rate limiter, seconds. */
const S5 = [0.01, 0.02, 0.04, 0.08, 0.16];
/** Blocks of one run. */
const N5 = [0.5, 1, 2, 4, 8];
/** Stages, seconds. */
const STAGE_SECONDS = [0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600];
/** Commits and answers, seconds. */
const FINE_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

const TOPIC = { topic: "topic" } as const;
const SHARD = { ShardID: "shard" } as const;
const NONE = {} as const;
const ERROR = ERROR_VALUES;
const CLIENT = CLIENT_REQUEST_TYPES;
const SERVER = SERVER_REQUEST_TYPES;

/** Requests that are really sent, and failures that really happen: enough for `rate()` to see the first one. */
const BLOCK_REQUESTS = [
  "getBlockNumber",
  "getBlockHashes",
  "getBlocksByNumber",
  "getBlocksByHashes",
  "getReceipts",
];
const START_CLIENT = { request_type: BLOCK_REQUESTS };
const START_SERVER = { request_type: BLOCK_REQUESTS };
const START_FAILED = { ...START_CLIENT, error: ["timeout", "no_streams", "stream_closed", "bad_response"] };
const START_IO = { error: ["timeout", "stream_closed", "decode", "oversize", "write_failed", "other"] };

type Row = readonly [
  type: MetricType,
  name: string,
  labels: Readonly<Record<string, LabelDomain>>,
  help: string,
  options?: { readonly buckets?: readonly number[]; readonly start?: MetricSpec["start"] },
];

/** The guide's 34, in its order. */
const GUIDE: readonly Row[] = [
  ["counter", "hmy_staged_stream_sync_consensus_trigger", SHARD, "wake-ups by a newly announced block"],
  [
    "counter",
    "hmy_staged_stream_sync_num_blocks_synced_long_range",
    SHARD,
    "blocks imported in long-range cycles",
  ],
  [
    "counter",
    "hmy_staged_stream_sync_num_blocks_failed_long_range",
    { ...SHARD, error: ERROR },
    "blocks refused in long-range cycles",
  ],
  ["counter", "hmy_staged_stream_sync_num_short_range", SHARD, "short-range runs"],
  ["counter", "hmy_staged_stream_sync_num_epoch_sync", SHARD, "runs of the epoch stage"],
  [
    "counter",
    "hmy_staged_stream_sync_failed_download",
    { ...SHARD, error: ERROR },
    "failed cycles and stages",
  ],
  [
    "histogram",
    "hmy_staged_stream_sync_num_blocks_inserted_short_range",
    SHARD,
    "blocks of a short-range run",
    { buckets: N5 },
  ],
  [
    "histogram",
    "hmy_staged_stream_sync_num_blocks_inserted_epoch_sync",
    SHARD,
    "blocks of a run of the epoch stage",
    { buckets: N5 },
  ],
  [
    "counter",
    "hmy_staged_stream_sync_num_blocks_inserted_beacon_helper",
    NONE,
    "beacon blocks that a node of another shard imported",
  ],
  [
    "counter",
    "hmy_stream_sync_client_request",
    { ...TOPIC, request_type: CLIENT },
    "requests sent",
    { start: START_CLIENT },
  ],
  [
    "counter",
    "hmy_stream_sync_failed_client_request",
    { ...TOPIC, request_type: CLIENT, error: ERROR },
    "requests that failed",
    { start: START_FAILED },
  ],
  [
    "histogram",
    "hmy_stream_sync_client_request_delay",
    { ...TOPIC, request_type: CLIENT },
    "seconds from sending a request to its answer or failure",
    { buckets: S8, start: START_CLIENT },
  ],
  [
    "counter",
    "hmy_stream_sync_server_request",
    { ...TOPIC, request_type: SERVER },
    "requests received",
    { start: START_SERVER },
  ],
  ["gauge", "hmy_stream_num_streams", TOPIC, "active streams"],
  ["gauge", "hmy_stream_num_reserved_streams", TOPIC, "streams held in reserve"],
  ["counter", "hmy_stream_added_streams", TOPIC, "streams that became active"],
  ["counter", "hmy_stream_removed_streams", TOPIC, "streams that stopped being active"],
  ["counter", "hmy_stream_stream_critical_errors", TOPIC, "streams removed for a critical error"],
  [
    "counter",
    "hmy_stream_stream_removal_reasons",
    { reason: REASON_VALUES, critical: ["true", "false"] },
    "streams removed, by reason",
  ],
  ["counter", "hmy_stream_discover", TOPIC, "discovery runs"],
  ["counter", "hmy_stream_discover_peers", TOPIC, "discovered peers that became streams"],
  [
    "histogram",
    "hmy_stream_setup_stream_duration",
    TOPIC,
    "seconds of setting up a stream, failures included",
    { buckets: S8 },
  ],
  ["counter", "hmy_stream_bytes_read", NONE, "bytes read from streams"],
  ["counter", "hmy_stream_bytes_write", NONE, "bytes written to streams"],
  ["counter", "hmy_stream_msg_read", NONE, "messages read from streams"],
  ["counter", "hmy_stream_msg_write", NONE, "messages written to streams"],
  [
    "counter",
    "hmy_stream_msg_read_failed",
    { error: ERROR },
    "messages that could not be read",
    { start: START_IO },
  ],
  [
    "counter",
    "hmy_stream_msg_write_failed",
    { error: ERROR },
    "messages that could not be written",
    { start: START_IO },
  ],
  ["gauge", "hmy_stream_request_manager_num_connected_streams", TOPIC, "streams the request manager knows"],
  ["gauge", "hmy_stream_request_manager_num_available_streams", TOPIC, "of these, idle ones"],
  ["gauge", "hmy_stream_num_waiting_requests", TOPIC, "requests in the queues"],
  ["gauge", "hmy_stream_num_pending_requests", TOPIC, "requests under way"],
  ["counter", "hmy_stream_num_server_request", NONE, "requests that passed the rate limiter"],
  [
    "histogram",
    "hmy_stream_server_request_delay",
    NONE,
    "seconds a request waited in the rate limiter",
    { buckets: S5 },
  ],
];

const UNKNOWN = { start: "none" } as const;
const CHAIN = { ...SHARD, chain: CHAIN_VALUES } as const;

/** Other names of the Go node that dashboards use (§3.3). */
const COMPATIBLE: readonly Row[] = [
  ["gauge", "hmy_consensus_signatures", { consensus: ["block_num"] }, "height of the head"],
  ["counter", "hmy_consensus_sync", { consensus: ["in_sync", "out_of_sync"] }, "changes of the sync state"],
  ["counter", "hmy_node_metadata", { key: "own", value: "own" }, "1 for each fact about the node", UNKNOWN],
  ["gauge", "hmy_stream_num_trusted_peer_streams", TOPIC, "active streams of trusted peers"],
  ["gauge", "hmy_stream_num_reserved_trusted_peer_streams", TOPIC, "reserved streams of trusted peers"],
  ["counter", "hmy_stream_trusted_peer_streams_added_total", TOPIC, "streams of trusted peers added"],
  ["counter", "hmy_stream_trusted_peer_setup_attempts_total", TOPIC, "attempts to reach trusted peers"],
  ["counter", "hmy_stream_trusted_peer_connect_failures_total", TOPIC, "of these, failed ones"],
  [
    "counter",
    "hmy_stream_recoverable_errors_total",
    { error_type: ERROR },
    "errors that a stream may survive",
  ],
  ["counter", "hmy_stream_critical_errors_total", { error_type: ERROR }, "errors that no stream survives"],
  [
    "counter",
    "hmy_stream_streams_closed_by_recoverable_errors_total",
    NONE,
    "streams closed after too many recoverable errors",
  ],
  ["counter", "promhttp_metric_handler_requests_total", { code: ["200", "500", "503"] }, "scrapes by status"],
  ["gauge", "promhttp_metric_handler_requests_in_flight", NONE, "scrapes being answered"],
];

/** Ours (§3.5). */
const OURS: readonly Row[] = [
  ["gauge", "hmy_sync_current_height", CHAIN, "height of the head", UNKNOWN],
  ["gauge", "hmy_sync_target_height", CHAIN, "height to reach; absent while unknown", UNKNOWN],
  ["gauge", "hmy_sync_blocks_behind", CHAIN, "target less head; absent while the target is unknown", UNKNOWN],
  ["gauge", "hmy_sync_in_sync", CHAIN, "1 in sync, 0 not, -1 unknown", UNKNOWN],
  ["gauge", "hmy_sync_head_age_seconds", CHAIN, "age of the head by its own time stamp", UNKNOWN],
  ["gauge", "hmy_sync_blocks_per_second", { ...SHARD, phase: PHASE_VALUES }, "speed, smoothed"],
  ["gauge", "hmy_sync_eta_seconds", SHARD, "time to the target; absent while unknown", UNKNOWN],
  [
    "gauge",
    "hmy_sync_stage_height",
    { ...SHARD, stage: STAGE_VALUES },
    "height each stage has reached",
    UNKNOWN,
  ],
  [
    "histogram",
    "hmy_sync_stage_duration_seconds",
    { ...SHARD, stage: STAGE_VALUES },
    "seconds of a run of a stage",
    { buckets: STAGE_SECONDS },
  ],
  ["gauge", "hmy_sync_current_stage", { ...SHARD, stage: STAGE_VALUES }, "1 for the running stage"],
  ["gauge", "hmy_sync_stalled_reason", { ...SHARD, code: CODE_VALUES }, "1 for each reason that holds"],
  ["gauge", "hmy_sync_degraded", SHARD, "1 while syncing with fewer streams than MinPeers"],
  ["counter", "hmy_sync_conflicting_certificates", SHARD, "heights with two valid certificates"],
  [
    "counter",
    "hmy_sync_odd_headers",
    { ...SHARD, rule: ODDITY_VALUES },
    "headers that break a rule which is only noted, such as odd view ids and times",
  ],
  ["gauge", "hmy_sync_bodies_waiting", SHARD, "blocks whose incoming receipts wait for a proof"],
  ["counter", "hmy_sync_bodies_proven", SHARD, "blocks whose incoming receipts source headers have proven"],
  ["gauge", "hmy_stream_num_cooldown_streams", TOPIC, "peers in cooldown"],
  [
    "counter",
    "hmy_stream_shunned_peers",
    TOPIC,
    "times that a peer's connections were refused for opening stream after stream",
  ],
  ["gauge", "hmy_stream_num_required_streams", { ...TOPIC, kind: REQUIRED_KINDS }, "thresholds in force"],
  ["gauge", "hmy_stream_discovery_next_run_seconds", TOPIC, "time to the next discovery run", UNKNOWN],
  [
    "histogram",
    "hmy_stream_server_handle_seconds",
    { ...TOPIC, request_type: SERVER },
    "seconds of answering a request, waiting excluded",
    { buckets: FINE_SECONDS, start: START_SERVER },
  ],
  ["gauge", "hmy_stream_peer_height_max", TOPIC, "highest height that peers report", UNKNOWN],
  ["gauge", "hmy_stream_peer_height_median", TOPIC, "median height that peers report", UNKNOWN],
  ["gauge", "hmy_store_bytes", NONE, "size of the store"],
  ["histogram", "hmy_store_commit_seconds", NONE, "seconds of a commit", { buckets: FINE_SECONDS }],
  ["gauge", "hmy_store_free_bytes", NONE, "free space beside the store"],
  ["gauge", "hmy_config_notices", NONE, "notices about the configuration"],
  ["gauge", "hmy_event_loop_lag_seconds", NONE, "p99 delay of the event loop"],
  [
    "gauge",
    "hmy_build_info",
    { version: "own", commit: "own", deno: "own", target: "own" },
    "1, with the build in its labels",
    UNKNOWN,
  ],
  ["gauge", "process_resident_memory_bytes", NONE, "resident memory"],
  ["counter", "process_cpu_seconds_total", NONE, "processor time, user and system"],
  ["gauge", "process_start_time_seconds", NONE, "start of the process, seconds since 1970"],
  ["gauge", "process_open_fds", NONE, "open file descriptors", UNKNOWN],
  ["gauge", "process_max_fds", NONE, "file descriptors allowed", UNKNOWN],
];

function specs(rows: readonly Row[]): MetricSpec[] {
  return rows.map(([type, name, labels, help, options = {}]) => ({
    type,
    name,
    labels,
    help,
    buckets: options.buckets,
    start: options.start ?? {},
  }));
}

/** The guide's 34 metrics, in its order. */
export const GUIDE_METRICS: readonly MetricSpec[] = specs(GUIDE);
/** Every metric. */
export const CATALOGUE: readonly MetricSpec[] = [...GUIDE_METRICS, ...specs(COMPATIBLE), ...specs(OURS)];
