/**
 * Recordings: one JSON object a line, plain or gzipped, as the recorded networks come.
 *
 * Why it exists: a chain recorded from another node can be imported as it is. What must stay true: a line is read
 * strictly and named by its number when it is wrong; keys that are not ours are ignored.
 *
 * Keys: `number`, `blockRLP` (hex), and optionally `hash`, `commitSig` (signature ‖ bitmap) and `receiptsRLP` (the
 * RLP list of the receipts in consensus form), all `0x` hex.
 */
import { fromHex, HsyncError } from "../base/mod.ts";
import { rlpListItems } from "../chain/mod.ts";
import { badFile, type FileBlock } from "./block_file.ts";
import type { ByteReader } from "./byte_reader.ts";

/** Twice the hex of the largest block, receipts and derived fields: nothing real comes near. */
const LINE_BYTES = 128 << 20;

function hexField(json: Record<string, unknown>, key: string): Uint8Array | undefined {
  const text = json[key];
  if (text === undefined || text === null) return undefined;
  if (typeof text !== "string") throw new TypeError(`${key} is not a text`);
  try {
    return fromHex(text);
  } catch (error) {
    throw new RangeError(`${key}: ${(error as Error).message}`);
  }
}

function decodeLine(line: Uint8Array): FileBlock {
  const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new TypeError("not an object");
  const fields = json as Record<string, unknown>;
  const { number } = fields;
  if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 0) {
    throw new TypeError("number is not a block number");
  }
  const bytes = hexField(fields, "blockRLP");
  if (bytes === undefined) throw new TypeError("blockRLP is missing");
  const hash = hexField(fields, "hash");
  if (hash !== undefined && hash.length !== 32) throw new RangeError(`hash has ${hash.length} bytes`);
  const commitSig = hexField(fields, "commitSig");
  const receipts = hexField(fields, "receiptsRLP");
  return {
    number,
    bytes,
    ...(hash === undefined ? {} : { hash }),
    ...(commitSig === undefined || commitSig.length === 0 ? {} : { commitSig }),
    ...(receipts === undefined
      ? {}
      : { receipts: rlpListItems(receipts, "receiptsRLP").map((r) => r.slice()) }),
  };
}

/**
 * The blocks of a recording, line by line.
 * @throws {HsyncError} BLOCK_FILE_DAMAGED naming the line, after everything before it was yielded.
 */
export async function* readLines(reader: ByteReader): AsyncGenerator<FileBlock> {
  let last: number | undefined;
  for (let n = 1;; n++) {
    let block: FileBlock;
    try {
      const line = await reader.line(LINE_BYTES);
      if (line === undefined) return;
      if (line.every((byte) => byte === 32 || byte === 13 || byte === 9)) continue;
      block = decodeLine(line);
    } catch (error) {
      const after = last === undefined ? "" : `, after block ${last}`;
      const why = error instanceof HsyncError || error instanceof Error ? error.message : String(error);
      throw badFile(
        "BLOCK_FILE_DAMAGED",
        `line ${n}${after} is damaged: ${why}`,
        last === undefined ? undefined : last + 1,
        error,
      );
    }
    last = block.number;
    yield block;
  }
}
