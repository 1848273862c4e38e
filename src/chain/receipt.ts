/**
 * Transaction receipts: the consensus form, which travels and is hashed, and the reference's database form
 * (chain-format.md §7).
 *
 * Why it exists: a block's receipts are fetched beside it and must have the root that its header names. What must
 * stay true: encoding a decoded receipt gives the same bytes.
 */
import { HsyncError } from "../base/mod.ts";
import { bloomOfLogs } from "./bloom.ts";
import { indexTrieRoot } from "./index_trie.ts";
import { rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** An event of a contract, as far as consensus knows it. */
export interface Log {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 32 bytes each. */
  readonly topics: readonly Uint8Array[];
  readonly data: Uint8Array;
}

/** How a transaction ended: early blocks record the state root after it instead of success or failure. */
export type ReceiptOutcome =
  | { readonly kind: "success" }
  | { readonly kind: "failure" }
  /** 32 bytes. */
  | { readonly kind: "root"; readonly root: Uint8Array };

export interface Receipt {
  readonly outcome: ReceiptOutcome;
  /** Gas of this and all earlier transactions of the block, staking ones included. */
  readonly cumulativeGasUsed: bigint;
  /** 256 bytes; zero in receipts of staking transactions even when they have logs. */
  readonly bloom: Uint8Array;
  readonly logs: readonly Log[];
}

/** A receipt as the reference stores it. */
export interface StoredReceipt extends Receipt {
  /** 32 bytes. */
  readonly txHash: Uint8Array;
  /** 20 bytes; zero unless a contract was created. */
  readonly contractAddress: Uint8Array;
  readonly gasUsed: bigint;
  /** In atto; undefined where it was not recorded. */
  readonly effectiveGasPrice: bigint | undefined;
  readonly logs: readonly StoredLog[];
}

/** A log as the reference stores it, with its place in the chain. */
export interface StoredLog extends Log {
  readonly blockNumber: bigint;
  /** 32 bytes. */
  readonly txHash: Uint8Array;
  readonly txIndex: number;
  /** 32 bytes. */
  readonly blockHash: Uint8Array;
  readonly index: number;
}

function readOutcome(r: RlpReader): ReceiptOutcome {
  const bytes = r.bytes("status");
  if (bytes.length === 0) return { kind: "failure" };
  if (bytes.length === 1 && bytes[0] === 1) return { kind: "success" };
  if (bytes.length === 32) return { kind: "root", root: bytes };
  throw new HsyncError("RECEIPT_STATUS", `cannot decode receipt: status of ${bytes.length} bytes`, {
    fault: "DATA",
  });
}

function encodeOutcome(outcome: ReceiptOutcome): Uint8Array {
  switch (outcome.kind) {
    case "success":
      return Uint8Array.of(1);
    case "failure":
      return rlpBytes(new Uint8Array(0));
    case "root":
      return rlpFixed(outcome.root, 32, "root");
  }
}

function readLogBody(r: RlpReader): Log {
  return {
    address: r.fixed(20, "address"),
    topics: r.each("topics", (topics) => topics.fixed(32, "topics")),
    data: r.bytes("data"),
  };
}

function readLog(reader: RlpReader): Log {
  const r = reader.list("log");
  const log = readLogBody(r);
  r.finish();
  return log;
}

function encodeLog(log: Log): Uint8Array {
  return rlpList([
    rlpFixed(log.address, 20, "address"),
    rlpList(log.topics.map((topic) => rlpFixed(topic, 32, "topics"))),
    rlpBytes(log.data),
  ]);
}

/** A receipt from its consensus form. @throws {HsyncError} fault DATA. */
export function decodeReceipt(bytes: Uint8Array): Receipt {
  const whole = new RlpReader(bytes, "receipt");
  const r = whole.list("receipt");
  whole.finish();
  const receipt = {
    outcome: readOutcome(r),
    cumulativeGasUsed: r.uint64("cumulativeGasUsed"),
    bloom: r.fixed(256, "bloom"),
    logs: r.each("logs", readLog),
  };
  r.finish();
  return receipt;
}

/** The consensus form of a receipt. @throws {RangeError} a field of another length or out of range. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  return rlpList([
    encodeOutcome(receipt.outcome),
    rlpUint(receipt.cumulativeGasUsed),
    rlpFixed(receipt.bloom, 256, "bloom"),
    rlpList(receipt.logs.map(encodeLog)),
  ]);
}

/** Root over a block's receipts, each in consensus form, in order. @returns 32 bytes. */
export function receiptsRoot(items: readonly Uint8Array[]): Uint8Array {
  return indexTrieRoot(items);
}

/** The filter that a header carries: over all logs of its receipts, 256 bytes. */
export function headerBloom(receipts: readonly Receipt[]): Uint8Array {
  return bloomOfLogs(receipts.flatMap((receipt) => receipt.logs));
}

function readStoredLog(reader: RlpReader): StoredLog {
  const r = reader.list("log");
  const log = {
    ...readLogBody(r),
    blockNumber: r.uint64("blockNumber"),
    txHash: r.fixed(32, "txHash"),
    txIndex: r.uint32("txIndex"),
    blockHash: r.fixed(32, "blockHash"),
    index: r.uint32("index"),
  };
  r.finish();
  return log;
}

/** A receipt from the reference's database form. @throws {HsyncError} fault DATA. */
export function decodeStoredReceipt(bytes: Uint8Array): StoredReceipt {
  const whole = new RlpReader(bytes, "stored receipt");
  const r = whole.list("receipt");
  whole.finish();
  const receipt = {
    outcome: readOutcome(r),
    cumulativeGasUsed: r.uint64("cumulativeGasUsed"),
    bloom: r.fixed(256, "bloom"),
    txHash: r.fixed(32, "txHash"),
    contractAddress: r.fixed(20, "contractAddress"),
    logs: r.each("logs", readStoredLog),
    gasUsed: r.uint64("gasUsed"),
    // The only trailing item of the chain's formats that may be missing.
    effectiveGasPrice: r.done ? undefined : r.bigint("effectiveGasPrice"),
  };
  r.finish();
  return receipt;
}
