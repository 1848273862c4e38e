/**
 * What a block holds beside its header, as item boundaries (chain-format.md §3).
 *
 * Why it exists: the wire form of a block and the database form of a body order the same lists by the same
 * tags; the order is written down once, here. What must stay true: items are whole RLP items as they came,
 * never decoded and encoded again, because roots are taken over them.
 */
import { HsyncError } from "../base/mod.ts";
import type { HeaderVersion } from "./header.ts";
import { rlpList, type RlpReader } from "./rlp.ts";
import { openTagged, sealTagged, unknownTag } from "./tagged.ts";

/** The version tag of a block or a body; `""` has no envelope. */
export type BodyTag = "" | "v1" | "v2";

/** The lists of a body; each entry is one whole RLP item. */
export interface BodyItems {
  readonly transactions: readonly Uint8Array[];
  /** Always empty before v2. */
  readonly stakingTransactions: readonly Uint8Array[];
  /** Headers; empty on every real chain. */
  readonly uncles: readonly Uint8Array[];
  /** Proofs of receipts from other shards; always empty before v1. */
  readonly incomingReceipts: readonly Uint8Array[];
}

const LAYOUTS: Readonly<Record<BodyTag, readonly (keyof BodyItems)[]>> = {
  "": ["transactions", "uncles"],
  v1: ["transactions", "uncles", "incomingReceipts"],
  v2: ["transactions", "stakingTransactions", "uncles", "incomingReceipts"],
};
const LISTS = LAYOUTS.v2;

/** The tag that a block with such a header is written under. */
export function bodyTagFor(version: HeaderVersion): BodyTag {
  if (version === "v0") return "";
  return version === "v3" ? "v2" : "v1";
}

/** A tag as it was read, when it is one of the registered. @throws {HsyncError} TAG_UNKNOWN, fault DATA. */
export function asBodyTag(what: string, tag: string): BodyTag {
  if (tag === "" || tag === "v1" || tag === "v2") return tag;
  throw unknownTag(what, tag);
}

/** Reads the lists of a body up to the end of `reader`. @throws {HsyncError} fault DATA. */
export function readBodyItems(reader: RlpReader, tag: BodyTag): BodyItems {
  const items: Record<keyof BodyItems, Uint8Array[]> = {
    transactions: [],
    stakingTransactions: [],
    uncles: [],
    incomingReceipts: [],
  };
  for (const list of LAYOUTS[tag]) items[list] = reader.rawItems(list);
  reader.finish();
  return items;
}

/**
 * The lists of a body, each as one RLP item, in the order of `tag`.
 *
 * @throws {HsyncError} BODY_LAYOUT: there are items that this form has no place for.
 */
export function writeBodyItems(items: Partial<BodyItems>, tag: BodyTag): Uint8Array[] {
  const layout = LAYOUTS[tag];
  for (const list of LISTS) {
    if (!layout.includes(list) && (items[list]?.length ?? 0) > 0) {
      throw new HsyncError("BODY_LAYOUT", `cannot encode a body of form "${tag}": it has no ${list}`);
    }
  }
  return layout.map((list) => rlpList(items[list] ?? []));
}

/** The database form of a body: its lists under the same tags as the block's (chain-format.md §3.2). */
export function encodeBody(version: HeaderVersion, items: Partial<BodyItems>): Uint8Array {
  const tag = bodyTagFor(version);
  return sealTagged(tag, rlpList(writeBodyItems(items, tag)));
}

/** Reads the database form of a body. @throws {HsyncError} fault DATA: not exactly one well-formed body. */
export function decodeBody(bytes: Uint8Array): BodyItems {
  const { tag, items } = openTagged(bytes, "body");
  return readBodyItems(items, asBodyTag("body", tag));
}
