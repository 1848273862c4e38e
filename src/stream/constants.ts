/**
 * The numbers of the stream protocol in one place, with their reasons.
 *
 * Why it exists: limits that two sides of a wire must agree on, and times that operators compare with the guide,
 * should not hide inside algorithms. What must stay true: caps equal the Go node's (sync-protocol.md §2.8), since a
 * request above a cap costs the asker its stream.
 */

/** Largest frame body, inclusive, both directions (§2.5). */
export const MAX_FRAME_BYTES = 20 * 1024 * 1024;
/** A server stops adding blocks to an answer here, so that the frame stays far below its limit (§2.8 [TS] 2). */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/**
 * Largest frame taken on a stream that owes us no big answer: twice what is even looked at as a request. With this limit
 * a peer that was asked nothing cannot make us hold twenty megabytes.
 */
export const MAX_UNASKED_FRAME_BYTES = 128 * 1024;
/** A request longer than this is refused unread: the caps of every request fit into a quarter of it. */
export const MAX_REQUEST_BYTES = 64 * 1024;

/** Most items of one request, by kind (§2.8). */
export const CAPS = {
  getBlockHashes: 50,
  getBlocksByNumber: 10,
  getBlocksByHashes: 10,
  getNodeData: 256,
  getReceipts: 128,
  getStorageRanges: 256,
  getByteCodes: 128,
  getTrieNodes: 128,
} as const;
/** Most bytes that a range, code or trie request may ask for (§2.8). */
export const MAX_STATE_BYTES = 2 * 1024 * 1024;

/** The first exchange on a stream, and every later sign of life (§2.3). */
export const PROBE_TIMEOUT_MS = 15_000;
/** A stream without traffic for this long is probed (§2.5). */
export const KEEP_ALIVE_MS = 45_000;
/** How long a refused stream is kept for its first request (§2.3). */
export const REFUSED_LINGER_MS = 10_000;
/**
 * Time between our answer to a stream's first request and its reset: the remote side must be past accepting the
 * stream before it goes away (§2.8, never-lines).
 */
export const SETTLE_MS = 1_000;
/**
 * A stream that the other side ends within this time after its first answer was refused by it: a refuser keeps it as long
 * as that at most, and mostly for no more than the settle time.
 */
export const REFUSAL_MS = REFUSED_LINGER_MS;
/**
 * For so long after the first answer a refused stream is served as any, data included: the settle time, the second between
 * two looks at it, and a second for the way.
 */
export const REFUSAL_SERVES_MS = SETTLE_MS + 2_000;
/** Least time between the end of a stream and the next one we open to the same peer (§2.8, never-lines). */
export const REOPEN_PAUSE_MS = 3_000;
/** Streams of one peer that are served at once (§2.3). */
export const MAX_STREAMS_PER_PEER = 2;
/** Refused streams that are kept until they may be reset without harm (§2.8): of one peer … */
export const REFUSED_STREAMS_PER_PEER = 2;
/** … and of all together. */
export const MAX_REFUSED_STREAMS = 128;

/** An unfinished frame must grow by this much … */
export const PROGRESS_BYTES = 4 * 1024;
/** … within this time, else it is given up (§4.4) … */
export const PROGRESS_TIMEOUT_MS = 60_000;
/** … and be whole after this time. */
export const FRAME_TIMEOUT_MS = 180_000;

/** Requests of one peer that may wait here (§2.8 [TS] 4). */
export const MAX_QUEUED_REQUESTS = 16;
/** Requests above a cap that a peer may send within `CAP_WINDOW_MS` before its stream ends (§2.8 [TS] 1). */
export const CAP_VIOLATIONS_ALLOWED = 3;
/** As long as the memory of removals. */
export const CAP_WINDOW_MS = 60 * 60_000;
/**
 * Requests turned away with `too busy` within `BUSY_WINDOW_MS` that make a peer an abuser. The spec's "60 s of such answers
 * in a row" (§5) would never come true for one that pauses for a moment each minute, and lets one that does not pause take
 * any number of answers for a minute; what it costs us is the number, so the number is counted.
 */
export const BUSY_ABUSE = 64;
export const BUSY_WINDOW_MS = 60_000;
/**
 * Streams that a peer may open within a minute. A Go node whose stream ends opens the next one at once, and then waits
 * minutes (§3.4); every removal that leaves it with few streams starts a discovery, and each of those may bring us one
 * that it does not need (§3.5). One that opens more is not looking for a stream.
 */
export const OPENED_PER_MINUTE = 20;
/** Answers to questions never asked, within a minute, that make a peer a liar (§7.1). */
export const UNSOLICITED_PER_MINUTE = 20;

/**
 * Frames and messages with nothing in them are ignored (§2.5), but not for ever: a minute's allowance, of which every 4 KiB
 * of such a message takes one more.
 */
export const EMPTY_PER_MINUTE = 256;
export const EMPTY_BYTES = 4 * 1024;

/** Guide, "Request Manager". */
export const THROTTLE_INTERVAL_MS = 100;
export const THROTTLE_BATCH = 16;
export const STREAM_MONITOR_INTERVAL_MS = 1_000;
export const NO_STREAM_TIMEOUT_MS = 60_000;
export const PENDING_REQUEST_TIMEOUT_MS = 180_000;
export const DELIVER_TIMEOUT_MS = 5_000;
export const MAX_WAITING = 1_024;
export const WRITE_CONCURRENCY = 32;
/** A write that takes longer counts as stalled and makes room for another. */
export const WRITE_PERMIT_MS = 2_000;
/** Waiting requests that one dispatch run passes over (§4.4). */
export const SCAN_LIMIT = 64;

/** Guide, "Advanced Stream Management". */
export const MAX_RESERVED_STREAMS = 100;
export const SETUP_CONCURRENCY = 16;

/** Times of the stream manager that an operator may choose (`[Sync.StreamManager]`), all in ms. */
export interface ManagerTimes {
  /** Between two looks at the number of streams. */
  readonly checkIntervalMs: number;
  /** Of one discovery run. */
  readonly discoveryTimeoutMs: number;
  /** After a run that found nobody, while there are streams enough. */
  readonly discoveryCooldownMs: number;
  /** One stream's set-up, dialling and probe included (§3.1). */
  readonly connectTimeoutMs: number;
  /** Added to a peer's cooldown with every further removal. */
  readonly removalCooldownMs: number;
  /** The longest cooldown; critical errors take it at once. */
  readonly maxRemovalCooldownMs: number;
}
/** The guide's choice. */
export const MANAGER_TIMES: ManagerTimes = {
  checkIntervalMs: 30_000,
  discoveryTimeoutMs: 10_000,
  discoveryCooldownMs: 5 * 60_000,
  connectTimeoutMs: 60_000,
  removalCooldownMs: 5 * 60_000,
  maxRemovalCooldownMs: 60 * 60_000,
};
