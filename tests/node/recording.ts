/** The beginning of the recorded chain, as a file to import: a whole one takes seconds to certify. */
import { recordedBlocks } from "../vectors/load.ts";

/** Writes blocks 0..`head` of a recorded shard to `path`, in the recordings' form. */
export async function writeRecording(path: string, head: number, shard: 0 | 1 = 0): Promise<void> {
  const lines = recordedBlocks(shard).slice(0, head + 1).map((
    { number, hash, blockRLP, commitSig, receiptsRLP },
  ) => JSON.stringify({ number, hash, blockRLP, commitSig, receiptsRLP }));
  await Deno.writeTextFile(path, lines.join("\n") + "\n");
}

/** Hash of a recorded block, `0x` hex. */
export function recordedHash(number: number, shard: 0 | 1 = 0): string {
  return recordedBlocks(shard)[number]?.hash ?? "";
}
