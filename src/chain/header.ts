/**
 * Block headers, versions v0 to v3 (chain-format.md §2).
 *
 * Why it exists: the header is what a certificate signs and what every other check starts from. What must
 * stay true: a decoded header keeps the very bytes it came from, and its hash is taken over those, envelope
 * included; encoding the fields again gives the same bytes.
 */
import { equalBytes, HsyncError } from "../base/mod.ts";
import { keccak256 } from "../crypto/mod.ts";
import { EMPTY_ROOT } from "./index_trie.ts";
import { rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";
import { openTagged, sealTagged, unknownTag } from "./tagged.ts";

/** Which field list a header has; v0 is the form without envelope. */
export type HeaderVersion = "v0" | "v1" | "v2" | "v3";

/**
 * What a header says. A field that the version does not have holds the neutral value named here.
 *
 * Byte fields of a decoded header are views into the bytes it was decoded from: do not write to them.
 */
export interface HeaderFields {
  readonly version: HeaderVersion;
  /** 32 bytes. */
  readonly parentHash: Uint8Array;
  /** 20 bytes: the leader's address, or from staking on the hash of its BLS key. */
  readonly coinbase: Uint8Array;
  /** 32 bytes. */
  readonly stateRoot: Uint8Array;
  /** 32 bytes. */
  readonly txRoot: Uint8Array;
  /** 32 bytes. */
  readonly receiptsRoot: Uint8Array;
  /** 32 bytes; `EMPTY_ROOT` in v0. */
  readonly outgoingReceiptHash: Uint8Array;
  /** 32 bytes; `EMPTY_ROOT` in v0. */
  readonly incomingReceiptHash: Uint8Array;
  /** 256 bytes. */
  readonly bloom: Uint8Array;
  readonly number: number;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  /** Seconds since 1970. */
  readonly time: bigint;
  readonly extra: Uint8Array;
  /** 32 bytes. */
  readonly mixDigest: Uint8Array;
  readonly viewId: bigint;
  readonly epoch: number;
  readonly shardId: number;
  /** 96 bytes: the aggregate signature over the parent block. */
  readonly lastCommitSignature: Uint8Array;
  /** Who signed the parent block, least significant bit first in committee order. */
  readonly lastCommitBitmap: Uint8Array;
  /** 32 bytes; zero in v3. */
  readonly shardStateHash: Uint8Array;
  /** Empty in v0. */
  readonly vrf: Uint8Array;
  /** Empty in v0. */
  readonly vdf: Uint8Array;
  /** RLP of the next epoch's committees; empty except in genesis and in the last block of an epoch. */
  readonly shardState: Uint8Array;
  /** RLP list of cross-links or empty; empty before v2. */
  readonly crossLinks: Uint8Array;
  /** RLP list of slash records or empty; empty before v3. */
  readonly slashes: Uint8Array;
}

const TAGS: Readonly<Record<HeaderVersion, string>> = { v0: "", v1: "v1", v2: "v2", v3: "v3" };
const EMPTY = new Uint8Array(0);
const ZERO_HASH = new Uint8Array(32);

/** A header together with its wire form. */
export class Header implements HeaderFields {
  /** Wire form, with the envelope where the version has one. */
  readonly bytes: Uint8Array;
  readonly version: HeaderVersion;
  readonly parentHash: Uint8Array;
  readonly coinbase: Uint8Array;
  readonly stateRoot: Uint8Array;
  readonly txRoot: Uint8Array;
  readonly receiptsRoot: Uint8Array;
  readonly outgoingReceiptHash: Uint8Array;
  readonly incomingReceiptHash: Uint8Array;
  readonly bloom: Uint8Array;
  readonly number: number;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  readonly time: bigint;
  readonly extra: Uint8Array;
  readonly mixDigest: Uint8Array;
  readonly viewId: bigint;
  readonly epoch: number;
  readonly shardId: number;
  readonly lastCommitSignature: Uint8Array;
  readonly lastCommitBitmap: Uint8Array;
  readonly shardStateHash: Uint8Array;
  readonly vrf: Uint8Array;
  readonly vdf: Uint8Array;
  readonly shardState: Uint8Array;
  readonly crossLinks: Uint8Array;
  readonly slashes: Uint8Array;
  #hash: Uint8Array | undefined;

  /** Reads the items of the inner list in wire order; use `decodeHeader` or `makeHeader`. */
  private constructor(bytes: Uint8Array, version: HeaderVersion, r: RlpReader) {
    const v0 = version === "v0";
    this.bytes = bytes;
    this.version = version;
    this.parentHash = r.fixed(32, "parentHash");
    this.coinbase = r.fixed(20, "coinbase");
    this.stateRoot = r.fixed(32, "stateRoot");
    this.txRoot = r.fixed(32, "txRoot");
    this.receiptsRoot = r.fixed(32, "receiptsRoot");
    this.outgoingReceiptHash = v0 ? EMPTY_ROOT : r.fixed(32, "outgoingReceiptHash");
    this.incomingReceiptHash = v0 ? EMPTY_ROOT : r.fixed(32, "incomingReceiptHash");
    this.bloom = r.fixed(256, "bloom");
    this.number = r.safeInteger("number");
    this.gasLimit = r.uint64("gasLimit");
    this.gasUsed = r.uint64("gasUsed");
    this.time = r.uint64("time");
    this.extra = r.bytes("extra");
    this.mixDigest = r.fixed(32, "mixDigest");
    this.viewId = r.uint64("viewId");
    this.epoch = r.safeInteger("epoch");
    this.shardId = r.uint32("shardId");
    this.lastCommitSignature = r.fixed(96, "lastCommitSignature");
    this.lastCommitBitmap = r.bytes("lastCommitBitmap");
    this.shardStateHash = version === "v3" ? ZERO_HASH : r.fixed(32, "shardStateHash");
    this.vrf = v0 ? EMPTY : r.bytes("vrf");
    this.vdf = v0 ? EMPTY : r.bytes("vdf");
    this.shardState = r.bytes("shardState");
    this.crossLinks = version === "v2" || version === "v3" ? r.bytes("crossLinks") : EMPTY;
    this.slashes = version === "v3" ? r.bytes("slashes") : EMPTY;
    r.finish();
  }

  /** The block hash, 32 bytes: keccak-256 of the whole wire form. */
  get hash(): Uint8Array {
    return this.#hash ??= keccak256(this.bytes);
  }

  /**
   * A header from its wire form, which it keeps a view of.
   *
   * Stricter than the reference decoder in four places, none of which a real chain can reach: `number` and
   * `epoch` above 2^53-1 and `time` and `viewId` above 2^64-1 are refused.
   *
   * @throws {HsyncError} fault DATA: anything but exactly one well-formed header of a known version.
   */
  static decode(bytes: Uint8Array): Header {
    const { tag, items } = openTagged(bytes, "header");
    switch (tag) {
      case "":
        return new Header(bytes, "v0", items);
      case "v1":
      case "v2":
      case "v3":
        return new Header(bytes, tag, items);
      default:
        throw unknownTag("header", tag);
    }
  }
}

/** See {@link Header.decode}. */
export function decodeHeader(bytes: Uint8Array): Header {
  return Header.decode(bytes);
}

function mustBeNeutral(fields: HeaderFields, name: string, neutral: boolean): void {
  if (neutral) return;
  throw new HsyncError(
    "HEADER_FIELD",
    `cannot encode header ${fields.number}: ${fields.version} has no ${name}`,
  );
}

/**
 * The wire form of a header.
 *
 * @throws {RangeError} a fixed field of another length, a number out of range.
 * @throws {HsyncError} HEADER_FIELD: a field is set that this version cannot carry.
 */
export function encodeHeader(fields: HeaderFields): Uint8Array {
  const { version } = fields;
  const v0 = version === "v0";
  const linked = version === "v2" || version === "v3";
  if (v0) {
    for (const name of ["outgoingReceiptHash", "incomingReceiptHash"] as const) {
      mustBeNeutral(fields, name, equalBytes(fields[name], EMPTY_ROOT));
    }
    for (const name of ["vrf", "vdf"] as const) mustBeNeutral(fields, name, fields[name].length === 0);
  }
  if (!linked) mustBeNeutral(fields, "crossLinks", fields.crossLinks.length === 0);
  if (version === "v3") mustBeNeutral(fields, "shardStateHash", equalBytes(fields.shardStateHash, ZERO_HASH));
  else mustBeNeutral(fields, "slashes", fields.slashes.length === 0);

  const items = [
    rlpFixed(fields.parentHash, 32, "parentHash"),
    rlpFixed(fields.coinbase, 20, "coinbase"),
    rlpFixed(fields.stateRoot, 32, "stateRoot"),
    rlpFixed(fields.txRoot, 32, "txRoot"),
    rlpFixed(fields.receiptsRoot, 32, "receiptsRoot"),
  ];
  if (!v0) {
    items.push(
      rlpFixed(fields.outgoingReceiptHash, 32, "outgoingReceiptHash"),
      rlpFixed(fields.incomingReceiptHash, 32, "incomingReceiptHash"),
    );
  }
  items.push(
    rlpFixed(fields.bloom, 256, "bloom"),
    rlpUint(fields.number),
    rlpUint(fields.gasLimit),
    rlpUint(fields.gasUsed),
    rlpUint(fields.time),
    rlpBytes(fields.extra),
    rlpFixed(fields.mixDigest, 32, "mixDigest"),
    rlpUint(fields.viewId),
    rlpUint(fields.epoch),
    rlpUint(fields.shardId),
    rlpFixed(fields.lastCommitSignature, 96, "lastCommitSignature"),
    rlpBytes(fields.lastCommitBitmap),
  );
  if (version !== "v3") items.push(rlpFixed(fields.shardStateHash, 32, "shardStateHash"));
  if (!v0) items.push(rlpBytes(fields.vrf), rlpBytes(fields.vdf));
  items.push(rlpBytes(fields.shardState));
  if (linked) items.push(rlpBytes(fields.crossLinks));
  if (version === "v3") items.push(rlpBytes(fields.slashes));
  return sealTagged(TAGS[version], rlpList(items));
}

/** A header from its fields; throws as `encodeHeader` does, and where the result could not be read back. */
export function makeHeader(fields: HeaderFields): Header {
  return Header.decode(encodeHeader(fields));
}
