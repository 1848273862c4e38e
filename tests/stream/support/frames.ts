/** The recorded conversations with Go nodes, sync messages only. */
import { fromHex } from "../../../src/base/mod.ts";
import { vectorLines } from "../../vectors/load.ts";

export interface RecordedFrame {
  readonly what: string;
  readonly dir: "in" | "out";
  /** Message bytes without the length prefix, `0x` hex. */
  readonly message: string;
  readonly note?: string;
}

export const RECORDINGS = ["frames-s0", "frames-s1", "frames-epoch-s0", "frames-epoch-s1"] as const;

/** All lines of a recording. */
export function recording(name: typeof RECORDINGS[number]): RecordedFrame[] {
  return vectorLines<RecordedFrame>(`localnet/${name}.jsonl.gz`);
}

/** The sync messages of a recording: the gRPC part and marks without bytes left out. */
export function recordedMessages(
  name: typeof RECORDINGS[number],
): (RecordedFrame & { readonly bytes: Uint8Array })[] {
  return recording(name).filter((f) => !f.what.startsWith("grpc ") && f.message.length > 2)
    .map((f) => ({ ...f, bytes: fromHex(f.message) }));
}
