/**
 * A look at a message without decoding it: which of the two it is, whose id it carries, how many items it holds.
 *
 * Why it exists: an answer that nobody waits for is not worth decoding, and a list of ten million empty elements
 * fits into a legal frame while its decoded form would not fit into memory. What must stay true: the scan allocates
 * nothing that grows with the message.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { HsyncError } from "../base/mod.ts";

/** More than any honest request or answer holds: 20 MiB of receipts are fewer than 81,000. */
const MAX_REQUEST_ITEMS = 16_384;
const MAX_RESPONSE_ITEMS = 200_000;

/** Fields whose content is itself a message, by field number; everything else is a leaf. */
interface Nesting {
  readonly [field: number]: Nesting;
}
/** Payload field of a request to the nesting inside it. */
const REQUEST_NESTING: Nesting = { 11: { 2: {} } };
const RESPONSE_NESTING: Nesting = {
  8: { 1: { 2: {} } },
  9: { 1: {} },
  10: { 1: { 1: {} } },
};
/** Payloads of a request that are packed integers: block hashes and blocks by number. */
const PACKED_REQUESTS = new Set([3, 4]);

export type MessageHead =
  | { readonly kind: "request" | "response"; readonly id: bigint }
  | { readonly kind: "empty" };

function malformed(what: string, cause?: unknown): HsyncError {
  return new HsyncError("MESSAGE_MALFORMED", what, { fault: "PROTOCOL", cause });
}

/**
 * Kind and id of a message.
 *
 * @throws {HsyncError} MESSAGE_MALFORMED, fault PROTOCOL: broken wire form, two members at once, or too many items.
 */
export function scanMessage(bytes: Uint8Array): MessageHead {
  try {
    return scan(bytes);
  } catch (cause) {
    if (cause instanceof HsyncError) throw cause;
    throw malformed(`a message of ${bytes.length} bytes is not a protobuf message`, cause);
  }
}

function scan(bytes: Uint8Array): MessageHead {
  const reader = new BinaryReader(bytes);
  let head: MessageHead | undefined;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if ((field === 1 || field === 2) && type === WireType.LengthDelimited) {
      if (head !== undefined) throw malformed("a message holds more than one request or response");
      const kind = field === 1 ? "request" : "response";
      const limit = kind === "request" ? MAX_REQUEST_ITEMS : MAX_RESPONSE_ITEMS;
      const counter: Counter = { kind, left: limit, limit };
      head = { kind, id: scanMember(view(reader), counter) };
    } else {
      reader.skip(type, field);
    }
  }
  return head ?? { kind: "empty" };
}

interface Counter {
  readonly kind: "request" | "response";
  readonly limit: number;
  left: number;
}

function spend(counter: Counter, n: number): void {
  counter.left -= n;
  if (counter.left < 0) throw malformed(`a ${counter.kind} holds more than ${counter.limit} items`);
}

/** The bytes of a length-delimited field, bounds checked, as a view. */
function view(reader: BinaryReader): Uint8Array {
  return reader.bytes();
}

function scanMember(bytes: Uint8Array, counter: Counter): bigint {
  const reader = new BinaryReader(bytes);
  const nesting = counter.kind === "request" ? REQUEST_NESTING : RESPONSE_NESTING;
  let id = 0n;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1 && type === WireType.Varint) {
      id = BigInt(reader.uint64());
    } else if (type === WireType.LengthDelimited) {
      const packed = counter.kind === "request" && PACKED_REQUESTS.has(field);
      count(view(reader), nesting[field] ?? {}, counter, packed);
    } else {
      reader.skip(type, field);
    }
  }
  return id;
}

function count(bytes: Uint8Array, nesting: Nesting, counter: Counter, packed: boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    spend(counter, 1);
    const inner = nesting[field];
    if (type !== WireType.LengthDelimited) {
      reader.skip(type, field);
    } else if (inner !== undefined) {
      count(view(reader), inner, counter, false);
    } else if (packed && field === 1) {
      let integers = 0;
      for (const b of view(reader)) if (b < 0x80) integers++;
      spend(counter, integers);
    } else {
      reader.skip(type, field);
    }
  }
}
