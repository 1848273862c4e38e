/**
 * The contract between the stream protocol and its users: the sync pipeline above, the chain store beside.
 *
 * Why it exists: `sync/` asks for blocks and reports misbehaviour, `store/` answers requests; neither needs to
 * know frames, queues or cooldowns. What must stay true: every failure is an HsyncError with a fault class, and
 * a stream is named by the peer id text.
 */
import type { Block } from "../chain/mod.ts";
import type { Cancel, FaultClass } from "../base/mod.ts";

/** Closed list of removal reasons, the label of `hmy_stream_stream_removal_reasons` (config-cli-metrics.md §3.1). */
export const REMOVAL_REASONS = [
  "read_failed",
  "write_failed",
  "handle_request_failed",
  "too_many_failures",
  "nil_hashes",
  "extra_hashes",
  "zero_hashes",
  "block_number_failed",
  "empty_blocks",
  "unexpected_blocks",
  "invalid_blocks",
  "sanity_check",
  "peer_closed",
  "protocol_mismatch",
  "rate_violation",
  "over_capacity",
  "shutdown",
  "other",
] as const;
export type RemovalReason = typeof REMOVAL_REASONS[number];

/** What is known of one stream. */
export interface StreamInfo {
  /** base58btc peer id text. */
  readonly id: string;
  /** Local sequence number of this instance: a reconnected peer gets a new one. */
  readonly instance: number;
  readonly state: "active" | "reserved";
  readonly direction: "in" | "out";
  readonly address: string;
  readonly muxer: string;
  readonly trusted: boolean;
  /** ms since 1970. */
  readonly since: number;
  /** Height the peer announced last; undefined before the probe was answered. */
  readonly height: number | undefined;
  /** ms since 1970 of that announcement. */
  readonly heightAt: number | undefined;
  readonly failures: number;
  readonly busy: boolean;
  readonly requestType: string | undefined;
  /** Median round trip of recent requests, ms. */
  readonly latencyMs: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Quality from 0 to 1; its formula and reasons stand in score.ts. */
  readonly score: number;
  /** How many blocks to ask of this stream at once, 1..10, from its measured capacity. */
  readonly blocksPerRequest: number;
  /** True while a trusted peer is left out of data requests because it sent bad data (§3.6). */
  readonly suspended: boolean;
}

export type StreamEvent =
  | { readonly type: "added"; readonly id: string; readonly instance: number }
  | {
    readonly type: "removed";
    readonly id: string;
    readonly instance: number;
    readonly reason: RemovalReason;
    readonly fault: FaultClass;
    readonly critical: boolean;
  }
  | { readonly type: "height"; readonly id: string; readonly height: number };

export interface RequestOptions {
  /** Default low. */
  readonly priority?: "high" | "low";
  /** Only these streams. */
  readonly whitelist?: ReadonlySet<string>;
  /** Never these streams. */
  readonly blacklist?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
  /** Hard limit for the answer in ms; the default depends on the request type (sync-protocol.md §4.4). */
  readonly timeoutMs?: number;
  /** How long the request may wait for a stream, in ms; default 60,000. */
  readonly waitMs?: number;
}

export interface HashOptions extends RequestOptions {
  /** Takes a list shorter than asked as a prefix instead of as a fault (short range only, §2.9). */
  readonly prefix?: boolean;
}

export interface ReceiptOptions extends RequestOptions {
  /** The receipt root of each block asked for; where one is given, the receipts must hash to it. */
  readonly receiptRoots?: ReadonlyArray<Uint8Array | undefined>;
}

/** A response and who gave it. */
export interface Answer<T> {
  readonly value: T;
  readonly streamId: string;
  /** Dispatch to response, ms. */
  readonly ms: number;
}

/** A block as a peer delivered it: decoded once, structure and roots checked on arrival (sync-protocol.md §2.9). */
export interface DeliveredBlock {
  readonly block: Block;
  /** 96-byte signature ‖ bitmap as received; unverified. Empty when the peer gave none. */
  readonly commitSig: Uint8Array;
}

/**
 * The typed client calls. Each rejects with an HsyncError whose `fault` and `streamId` say who is to blame; the
 * call itself has already reported that fault to the stream manager, the caller must not report it again.
 */
export interface BlockClient {
  /** Height of the peer's head. */
  getBlockNumber(options?: RequestOptions): Promise<Answer<number>>;
  /** 1..50 numbers; one entry per number, undefined where the peer has no such block. */
  getBlockHashes(
    numbers: readonly number[],
    options?: HashOptions,
  ): Promise<Answer<Array<Uint8Array | undefined>>>;
  /** 1..10 numbers, strictly increasing; the blocks that the peer has, increasing, possibly fewer than asked. */
  getBlocksByNumber(numbers: readonly number[], options?: RequestOptions): Promise<Answer<DeliveredBlock[]>>;
  /** 1..10 hashes of 32 bytes; one entry per hash, undefined where the peer did not deliver. */
  getBlocksByHashes(
    hashes: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<Answer<Array<DeliveredBlock | undefined>>>;
  /** 1..128 block hashes; per hash the consensus RLP of each receipt (empty list when the peer has none). */
  getReceipts(
    hashes: readonly Uint8Array[],
    options?: ReceiptOptions,
  ): Promise<Answer<Uint8Array[][]>>;
}

/**
 * State by content: every blob returned hashes to one of the hashes asked for. Never offered on `epochsync`, where
 * such a request ends a Go node (§2.8).
 */
export interface StateClient {
  /** 1..256 hashes of trie nodes or codes; one entry per hash, undefined where the peer did not deliver. */
  getNodeData(
    hashes: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<Answer<Array<Uint8Array | undefined>>>;
  /** 1..128 code hashes; one entry per hash, undefined where the peer did not deliver. `bytes` caps the answer (≤ 2 MiB). */
  getByteCodes(
    hashes: readonly Uint8Array[],
    bytes: number,
    options?: RequestOptions,
  ): Promise<Answer<Array<Uint8Array | undefined>>>;
}

/** What the sync pipeline sees of the network. */
export interface PeerSource {
  readonly client: BlockClient;
  /** The active streams now. */
  streams(): readonly StreamInfo[];
  /** Says that a stream misbehaved or failed; the stream manager acts by the fault class (§3.7). */
  report(streamId: string, fault: FaultClass, reason: RemovalReason, text: string): void;
  /** Asks for a discovery run now (bounded by the manager's own rules). */
  wantPeers(why: string): void;
  /**
   * Gives up streams of peers that did nothing wrong, so that others may have their places: no failure, no cooldown; for a
   * minute they are not dialled. Trusted peers keep theirs.
   */
  release(streamIds: readonly string[], why: string): void;
  on(listener: (event: StreamEvent) => void): Cancel;
}

/**
 * "Read the chain": what the server side of the protocol needs of a chain. Owned here, implemented by the store,
 * wired by `node/`. Everything answers from committed data only.
 */
export interface ChainReader {
  /** The head: everything up to it is present and served. */
  head(): { readonly number: number; readonly hash: Uint8Array };
  /** Lowest height with a body (0, or above a checkpoint). */
  lowest(): number;
  hashAt(number: number): Promise<Uint8Array | undefined>;
  numberOf(hash: Uint8Array): Promise<number | undefined>;
  /**
   * Wire bytes of a block and its commit signature ‖ bitmap (the child header's pair when the child is known, else
   * the stored one, else undefined; 96 zero bytes for block 0).
   */
  blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined>;
  /** Consensus RLP of each receipt of the block; undefined when the store has none. */
  receiptsAt(number: number): Promise<Uint8Array[] | undefined>;
  /** A trie node or code by its keccak; absent on stores that keep no state. */
  nodeData?(hash: Uint8Array): Promise<Uint8Array | undefined>;
}

/** The limits of a stream manager (guide: DiscHardLowCap and so on), plain numbers from the configuration. */
export interface StreamCaps {
  /** Below it after a removal, discovery starts at once. */
  readonly hardLowCap: number;
  /** Below it at a routine check, discovery starts. */
  readonly softLowCap: number;
  /** Most active streams. */
  readonly highCap: number;
  /** Peers wanted of one discovery run. */
  readonly discBatch: number;
}

/** The five figures of the guide's stream health statistics. */
export interface StreamHealthStats {
  readonly totalStreams: number;
  readonly availableStreams: number;
  readonly totalFailures: number;
  /** Failure count to the number of streams that have it. */
  readonly failureDistribution: Readonly<Record<string, number>>;
  /** 0 when there is no stream. */
  readonly averageFailures: number;
}

/** Small durable record for cooldowns and scores across restarts; wired to the store by `node/`. */
export interface PeerMemory {
  load(): Promise<Uint8Array | undefined>;
  /** At most 60 KB. */
  save(bytes: Uint8Array): Promise<void>;
}
