/** The recorded blocks of the vectors, typed for the tests of the store. */
import { type RecordedBlock, vectorLines } from "../vectors/load.ts";

export function recordedBlocks(shard: 0 | 1): RecordedBlock[] {
  return vectorLines<RecordedBlock>(`localnet/s${shard}.blocks.jsonl.gz`);
}

/** Where the recording lies, for tests that read the file itself. */
export function recordingUrl(shard: 0 | 1): URL {
  return new URL(`../vectors/localnet/s${shard}.blocks.jsonl.gz`, import.meta.url);
}
