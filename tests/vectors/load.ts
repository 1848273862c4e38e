/**
 * Reads the recorded vectors.
 *
 * Why it exists: tests of every folder use the same recordings, and none should know how they are packed.
 * What must stay true: paths are relative to this directory, and a big file is parsed once per process.
 */
import { gunzipSync } from "node:zlib";

const cache = new Map<string, unknown>();

function once<T>(name: string, read: () => T): T {
  const known = cache.get(name);
  if (known !== undefined) return known as T;
  const value = read();
  cache.set(name, value);
  return value;
}

/** Raw bytes of a vector file. */
export function vectorBytes(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, import.meta.url));
}

/** Text of a vector file; a name that ends in `.gz` is unpacked. */
export function vectorText(name: string): string {
  const bytes = vectorBytes(name);
  return new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** A JSON vector file. The caller states the shape; the files are part of the repository. */
export function vectorJson<T>(name: string): T {
  return once(name, () => JSON.parse(vectorText(name)) as T);
}

/** The lines of a JSON-lines file, plain or gzipped. */
export function vectorLines<T>(name: string): T[] {
  return once(name, () => {
    const lines: T[] = [];
    for (const line of vectorText(name).split("\n")) if (line !== "") lines.push(JSON.parse(line) as T);
    return lines;
  });
}

/** One transaction of a recorded block; all bytes are `0x` hex. */
export interface RecordedTransaction {
  readonly hash: string;
  readonly hashByType: string;
  readonly sender: string;
  /** `harmony`, `ethereum`, or the name of a staking directive. */
  readonly kind: string;
  readonly nonce: number;
  readonly to?: string;
  readonly shardID: number;
  readonly toShardID: number;
  readonly status: number;
  readonly gasUsed: number;
  readonly cumulativeGasUsed: number;
  readonly logs: number;
  readonly contractAddress?: string;
}

/** One line of `localnet/s*.blocks.jsonl.gz`; all bytes are `0x` hex. */
export interface RecordedBlock {
  readonly number: number;
  readonly hash: string;
  readonly epoch: number;
  readonly viewID: number;
  readonly stateRoot: string;
  readonly commitPayload: string;
  readonly headerRLP: string;
  readonly blockRLP: string;
  readonly commitSig: string;
  readonly commitSigStored: string;
  readonly receiptsRLP: string;
  /** Destination shard to the RLP list of the receipts that go there. */
  readonly outgoingReceiptsRLP?: Readonly<Record<string, string>>;
  readonly txRoot: string;
  readonly receiptRoot: string;
  readonly outgoingReceiptRoot: string;
  readonly incomingReceiptRoot: string;
  readonly incomingProofs: number;
  readonly crossLinks: number;
  readonly gasUsed: number;
  readonly coinbase: string;
  readonly txs: readonly RecordedTransaction[];
  readonly stakingTxs: readonly RecordedTransaction[];
}

/** The recorded blocks of localnet shard 0 (0..426) or 1 (0..255), in order. */
export function recordedBlocks(shard: 0 | 1): RecordedBlock[] {
  return vectorLines<RecordedBlock>(`localnet/s${shard}.blocks.jsonl.gz`);
}
