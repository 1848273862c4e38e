/**
 * The envelope that names a value's version: `["HmnyTgd", tag, value]`, or the bare value (chain-format.md §1).
 *
 * Why it exists: headers, blocks and bodies carry the same envelope, each with its own list of tags.
 * What must stay true: a bare value is reported as tag `""`, and the caller decides which tags exist.
 */
import { HsyncError, safeText } from "../base/mod.ts";
import { rlpBytes, rlpList, RlpReader } from "./rlp.ts";

const MAGIC = new TextEncoder().encode("HmnyTgd");
const MAGIC_ITEM = rlpBytes(MAGIC);

/** A value taken out of its envelope. */
export interface Tagged {
  /** `""` for a value without envelope. */
  readonly tag: string;
  /** A cursor over the items of the value, which is a list. */
  readonly items: RlpReader;
}

function startsWithMagic(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAGIC_ITEM.length; i++) if (bytes[at + i] !== MAGIC_ITEM[i]) return false;
  return true;
}

/**
 * Opens the one item that `bytes` holds, with or without envelope.
 *
 * A bare header begins with a 32-byte string and a bare block or body with a list, so whatever begins with
 * the magic text is an envelope or wrong.
 *
 * @throws {HsyncError} fault DATA: malformed RLP, trailing bytes, or an envelope of other than three items.
 */
export function openTagged(bytes: Uint8Array, what: string): Tagged {
  const whole = new RlpReader(bytes, what);
  const outer = whole.list(what);
  whole.finish();
  if (!startsWithMagic(bytes, outer.position)) return { tag: "", items: outer };
  outer.raw("envelope");
  const tag = outer.bytes("tag");
  const items = outer.list("tagged value");
  outer.finish();
  // Tags are two ASCII bytes; anything longer only needs to be recognisable as unknown.
  return { tag: String.fromCharCode(...tag.subarray(0, 8)) || "(empty)", items };
}

/** Puts an encoded value into its envelope; tag `""` leaves it bare. */
export function sealTagged(tag: string, value: Uint8Array): Uint8Array {
  if (tag === "") return value;
  return rlpList([MAGIC_ITEM, rlpBytes(new TextEncoder().encode(tag)), value]);
}

/** The error for a tag that the registry of `what` does not list: there is no fallback. */
export function unknownTag(what: string, tag: string): HsyncError {
  return new HsyncError("TAG_UNKNOWN", `cannot decode ${what}: unknown version tag "${safeText(tag)}"`, {
    fault: "DATA",
  });
}
