/** Where a recording lies, for tests that read the file itself. */
export function recordingUrl(shard: 0 | 1): URL {
  return new URL(`../vectors/localnet/s${shard}.blocks.jsonl.gz`, import.meta.url);
}
