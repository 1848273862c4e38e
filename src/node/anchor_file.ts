/**
 * The operator's own anchors: a file beside the lists that ship with the program.
 *
 * Why it exists: when a network is recovered by hand, the hashes are announced before a release carries them. What must
 * stay true: a file that cannot be used ends the start; a node never runs with half of what its operator vouched for.
 */
import { ExitCode, HsyncError } from "../base/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { CheckpointConfig } from "../config/mod.ts";
import { AnchorBook, type AnchorLists, parseAnchorLists } from "../consensus/mod.ts";

/** Bytes that are read at most: a thousand entries fit ten times. */
const MAX_BYTES = 1024 * 1024;

const NONE: AnchorLists = { anchors: [], never: [] };

function unreadable(path: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("ANCHORS_UNREADABLE", `the anchor file ${path} (--sync.anchor-file) ${why}`, {
    exitCode: ExitCode.CONFIG_INVALID,
    hint: "give the path of a JSON file, or leave the setting out",
    cause,
  });
}

/**
 * What the operator adds to the built-in lists.
 *
 * @param path of the JSON file; undefined: nothing is added.
 * @throws {HsyncError} ANCHORS_UNREADABLE or ANCHORS_INVALID, exit 128.
 */
export async function operatorAnchors(path: string | undefined): Promise<AnchorLists> {
  if (path === undefined) return NONE;
  let text: string;
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_BYTES) throw unreadable(path, `has ${size} bytes, more than ${MAX_BYTES}`);
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof HsyncError) throw error;
    throw unreadable(path, `cannot be read: ${error instanceof Error ? error.message : error}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, `is no JSON: ${error instanceof Error ? error.message : error}`, error);
  }
  return parseAnchorLists(value, path);
}

/**
 * All lists that hold for a configuration, its checkpoints among them.
 *
 * @throws {HsyncError} as `operatorAnchors`; ANCHORS_CONFLICT when what the operator gives contradicts the built-in lists.
 */
export async function configuredAnchors(
  params: NetworkParams,
  sync: { readonly anchorFile?: string | undefined; readonly checkpoints?: readonly CheckpointConfig[] },
): Promise<AnchorBook> {
  const checkpoints: AnchorLists = { anchors: sync.checkpoints ?? [], never: [] };
  return AnchorBook.of(params.name, await operatorAnchors(sync.anchorFile), checkpoints);
}
