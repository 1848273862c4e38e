/**
 * Root of the Merkle-Patricia trie over an ordered list (chain-format.md §6).
 *
 * Why it exists: transaction, receipt and cross-shard roots are all of this shape, and every block that
 * arrives is checked against them, so no general trie stands in that path. What must stay true: the keys are
 * the RLP of the index, which are prefix-free (no branch ever holds a value) and at most 5 bytes long, so the
 * recursion is at most 10 deep whatever a peer sends.
 */
import { keccak256 } from "../crypto/mod.ts";
import { RLP_EMPTY_STRING, rlpBytes, rlpList, rlpUint } from "./rlp.ts";
import { fromHex } from "../base/mod.ts";

/** Root of a trie without entries: keccak-256 of the empty string's RLP. Never write to it. */
export const EMPTY_ROOT: Uint8Array = fromHex(
  "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
);

interface Entry {
  /** The key as half-bytes. */
  readonly path: Uint8Array;
  readonly value: Uint8Array;
}

function nibbles(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length * 2);
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] as number;
    out[2 * i] = byte >> 4;
    out[2 * i + 1] = byte & 15;
  }
  return out;
}

/** Half-bytes from `from` up to `to` in the compact form of a leaf or an extension. */
function compactPath(path: Uint8Array, from: number, to: number, leaf: boolean): Uint8Array {
  const odd = (to - from) & 1;
  const out = new Uint8Array(1 + ((to - from) >> 1));
  const flag = (leaf ? 2 : 0) + odd;
  out[0] = (flag << 4) | (odd ? path[from] as number : 0);
  for (let at = from + odd, i = 1; at < to; at += 2, i++) {
    out[i] = ((path[at] as number) << 4) | (path[at + 1] as number);
  }
  return out;
}

/** How a parent names a node: small ones stand there themselves, others by hash. */
function reference(node: Uint8Array): Uint8Array {
  return node.length < 32 ? node : rlpBytes(keccak256(node));
}

/** RLP of the node over `entries[lo..hi)`, which share their first `depth` half-bytes and are in key order. */
function encodeNode(entries: readonly Entry[], lo: number, hi: number, depth: number): Uint8Array {
  const first = entries[lo] as Entry;
  if (hi - lo === 1) {
    return rlpList([
      rlpBytes(compactPath(first.path, depth, first.path.length, true)),
      rlpBytes(first.value),
    ]);
  }
  // In key order the first and the last differ earliest.
  const last = entries[hi - 1] as Entry;
  let split = depth;
  while (first.path[split] === last.path[split]) split++;
  if (split > depth) {
    const below = reference(encodeNode(entries, lo, hi, split));
    return rlpList([rlpBytes(compactPath(first.path, depth, split, false)), below]);
  }
  const slots: Uint8Array[] = [];
  let at = lo;
  for (let nibble = 0; nibble < 16; nibble++) {
    const start = at;
    while (at < hi && (entries[at] as Entry).path[depth] === nibble) at++;
    slots.push(at === start ? RLP_EMPTY_STRING : reference(encodeNode(entries, start, at, depth + 1)));
  }
  slots.push(RLP_EMPTY_STRING);
  return rlpList(slots);
}

/** Key order of indexes: their RLP begins with the byte itself for 1..127, with 0x80 for 0, and higher above. */
function keyRank(index: number): number {
  return index === 0 ? 127.5 : index;
}

/**
 * Root over items under explicit indexes.
 *
 * @param items RLP of each item. @param indexes its index, as many as items, each once.
 * @returns 32 bytes.
 */
export function indexedTrieRoot(items: readonly Uint8Array[], indexes: readonly number[]): Uint8Array {
  if (items.length === 0) return EMPTY_ROOT;
  const order = items.map((_, i) => i);
  order.sort((a, b) => keyRank(indexes[a] as number) - keyRank(indexes[b] as number));
  const entries: Entry[] = order.map((i) => ({
    path: nibbles(rlpUint(indexes[i] as number)),
    value: items[i] as Uint8Array,
  }));
  return keccak256(encodeNode(entries, 0, entries.length, 0));
}

/** Root over items under their position in the list. @returns 32 bytes, `EMPTY_ROOT` for none. */
export function indexTrieRoot(items: readonly Uint8Array[]): Uint8Array {
  return indexedTrieRoot(items, items.map((_, i) => i));
}
