/**
 * The text form of a checkpoint: `SHARD:NUMBER:HASH`.
 *
 * Why it exists: flag, file and messages write it the same way (config-cli-metrics.md §2.5). What must stay true:
 * the hash has 32 bytes, so that a cut-off copy is refused.
 */
import { fromHex } from "../base/mod.ts";
import type { CheckpointConfig } from "./types.ts";

/** The checkpoint, or undefined when the text is none. */
export function parseCheckpoint(text: string): CheckpointConfig | undefined {
  const m = /^(\d{1,3}):(\d{1,15}):(?:0x)?([0-9a-fA-F]{64})$/.exec(text.trim());
  if (m === null) return undefined;
  return { shardId: Number(m[1]), number: Number(m[2]), hash: fromHex(m[3] as string) };
}
