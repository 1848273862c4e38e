/**
 * The two small records that say what a store is and how far it has come.
 *
 * Why it exists: the commit that writes `state` is the moment a batch becomes visible (DESIGN.md rule 2). What must
 * stay true: both records are read strictly, since everything else is believed because of them; every written
 * state differs from every other one by `commits`, so that a writer can tell whether its commit happened.
 */
import { fromHex, toHex } from "../base/mod.ts";
import { damaged, foreign } from "./failures.ts";
import { type Assurance, ASSURANCES, type ChainHead, type StoreMeta } from "./types.ts";

/** Layout version; a store of another one is refused (exit 11). */
export const SCHEMA = 1;

/** What moves with every visible step. */
export interface ChainState {
  readonly head: ChainHead;
  readonly lowest: number;
  /** Number of blocks above `lowest` by assurance, in the order of `ASSURANCES`. */
  readonly counts: readonly number[];
  readonly checkpoints: Readonly<Record<string, number>>;
  /** ms since 1970. */
  readonly at: number;
  readonly commits: number;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function parse(what: string, value: Uint8Array): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(value));
  } catch (error) {
    throw damaged(`the record ${what} is not JSON`, undefined, error);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw damaged(`the record ${what} is not an object`);
  }
  return json as Record<string, unknown>;
}

function hash(what: string, text: unknown): Uint8Array {
  if (typeof text !== "string" || !/^[0-9a-f]{64}$/.test(text)) {
    throw damaged(`the record ${what} holds no hash`);
  }
  return fromHex(text);
}

const encoder = new TextEncoder();

export function encodeMeta(meta: StoreMeta): Uint8Array {
  return encoder.encode(JSON.stringify({
    network: meta.network,
    shard: meta.shardId,
    genesis: toHex(meta.genesisHash),
    schema: meta.schema,
  }));
}

/** @throws {HsyncError} STORE_DAMAGED; STORE_FOREIGN when another version of the program wrote it. */
export function decodeMeta(value: Uint8Array): StoreMeta {
  const json = parse("meta", value);
  const { network, shard, schema } = json;
  if (isCount(schema) && schema !== SCHEMA) {
    throw foreign(
      `the store was made by another version of hsync (layout ${schema}, this one reads ${SCHEMA})`,
      "use that version, or name another directory with --datadir",
    );
  }
  if (typeof network !== "string" || !isCount(shard) || !isCount(schema)) {
    throw damaged("the record meta lacks network, shard or schema");
  }
  return { network, shardId: shard, genesisHash: hash("meta", json["genesis"]), schema };
}

export function encodeState(state: ChainState): Uint8Array {
  return encoder.encode(JSON.stringify({
    head: state.head.number,
    hash: toHex(state.head.hash),
    lowest: state.lowest,
    counts: state.counts,
    checkpoints: state.checkpoints,
    at: state.at,
    commits: state.commits,
  }));
}

/** @throws {HsyncError} STORE_DAMAGED. */
export function decodeState(value: Uint8Array): ChainState {
  const json = parse("state", value);
  const { head, lowest, counts, checkpoints, at, commits } = json;
  if (!isCount(head) || !isCount(lowest) || !isCount(at) || !isCount(commits) || lowest > head) {
    throw damaged("the record state has no usable head");
  }
  if (!Array.isArray(counts) || counts.length !== ASSURANCES.length || !counts.every(isCount)) {
    throw damaged("the record state has no usable counts");
  }
  if (typeof checkpoints !== "object" || checkpoints === null || !Object.values(checkpoints).every(isCount)) {
    throw damaged("the record state has no usable checkpoints");
  }
  return {
    head: { number: head, hash: hash("state", json["hash"]) },
    lowest,
    counts: counts as number[],
    checkpoints: checkpoints as Record<string, number>,
    at,
    commits,
  };
}

/** The weakest level that any block has; `linked`, the least claim, while there is none above genesis. */
export function weakest(counts: readonly number[]): Assurance {
  for (let i = 0; i < ASSURANCES.length; i++) {
    if ((counts[i] ?? 0) > 0) return ASSURANCES[i] as Assurance;
  }
  return "linked";
}
