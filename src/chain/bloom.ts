/**
 * The 2048-bit filter over logs (chain-format.md §7.3).
 *
 * Why it exists: headers and receipts carry it, and it is recomputed from logs: a staking receipt's own filter
 * stays zero even when it has logs, so a header's is not the union of its receipts'. What must stay true: three
 * bits per address and per topic, the same as Ethereum's.
 */
import { keccak256 } from "../crypto/mod.ts";

/** Length of a filter in bytes. */
export const BLOOM_LENGTH = 256;

/** What of a log enters the filter. */
export interface BloomLog {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 32 bytes each. */
  readonly topics: readonly Uint8Array[];
}

function add(bloom: Uint8Array, item: Uint8Array): void {
  const hash = keccak256(item);
  for (let i = 0; i < 6; i += 2) {
    const bit = (((hash[i] as number) << 8) | (hash[i + 1] as number)) & 2047;
    const at = BLOOM_LENGTH - 1 - (bit >> 3);
    bloom[at] = (bloom[at] as number) | (1 << (bit & 7));
  }
}

/** The filter over `logs`, 256 bytes. */
export function bloomOfLogs(logs: Iterable<BloomLog>): Uint8Array {
  const bloom = new Uint8Array(BLOOM_LENGTH);
  for (const log of logs) {
    add(bloom, log.address);
    for (const topic of log.topics) add(bloom, topic);
  }
  return bloom;
}

/** True when an item that was added has all its bits set; for others true by chance only. */
export function bloomMayContain(bloom: Uint8Array, item: Uint8Array): boolean {
  const probe = new Uint8Array(BLOOM_LENGTH);
  add(probe, item);
  for (let i = 0; i < BLOOM_LENGTH; i++) {
    if (((bloom[i] ?? 0) & (probe[i] as number)) !== probe[i]) return false;
  }
  return true;
}
