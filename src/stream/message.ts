/**
 * Typed messages over the generated wire code (sync-protocol.md §2.6).
 *
 * Why it exists: the rest of the layer speaks of requests and responses by name and never sees a protobuf object.
 * What must stay true: request ids and heights are bigints from wire to wire; empty elements of byte lists are
 * kept, because two lists of an answer belong together by position; and a message is refused before it is decoded
 * when its items are so many that the objects made of them would dwarf its bytes.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HsyncError } from "../base/mod.ts";
import * as wire from "./gen/msg_pb.ts";
import { scanMessage } from "./message_scan.ts";

/** The kinds of request, named as in the metrics (config-cli-metrics.md §3.1). */
export const REQUEST_TYPES = [
  "getBlockNumber",
  "getBlockHashes",
  "getBlocksByNumber",
  "getBlocksByHashes",
  "getNodeData",
  "getReceipts",
  "getAccountRange",
  "getStorageRanges",
  "getByteCodes",
  "getTrieNodes",
] as const;
export type RequestType = typeof REQUEST_TYPES[number];

export type SyncRequest =
  | { readonly type: "getBlockNumber" }
  | { readonly type: "getBlockHashes"; readonly numbers: readonly bigint[] }
  | { readonly type: "getBlocksByNumber"; readonly numbers: readonly bigint[] }
  | { readonly type: "getBlocksByHashes"; readonly hashes: readonly Uint8Array[] }
  | { readonly type: "getNodeData"; readonly hashes: readonly Uint8Array[] }
  | { readonly type: "getReceipts"; readonly hashes: readonly Uint8Array[] }
  | {
    readonly type: "getAccountRange";
    readonly root: Uint8Array;
    readonly origin: Uint8Array;
    readonly limit: Uint8Array;
    readonly bytes: bigint;
  }
  | {
    readonly type: "getStorageRanges";
    readonly root: Uint8Array;
    readonly accounts: readonly Uint8Array[];
    readonly origin: Uint8Array;
    readonly limit: Uint8Array;
    readonly bytes: bigint;
  }
  | { readonly type: "getByteCodes"; readonly hashes: readonly Uint8Array[]; readonly bytes: bigint }
  | {
    readonly type: "getTrieNodes";
    readonly root: Uint8Array;
    readonly paths: ReadonlyArray<readonly Uint8Array[]>;
    readonly bytes: bigint;
  };

/** A hash and what it stands for, in range answers. */
export interface HashedItem {
  readonly hash: Uint8Array;
  readonly body: Uint8Array;
}

/** Blocks and their commit signatures, which belong together by position. */
export interface BlockPairs {
  readonly blocks: readonly Uint8Array[];
  readonly commitSigs: readonly Uint8Array[];
}

export type SyncResponse =
  | { readonly type: "error"; readonly text: string }
  | { readonly type: "getBlockNumber"; readonly number: bigint }
  | { readonly type: "getBlockHashes"; readonly hashes: readonly Uint8Array[] }
  | ({ readonly type: "getBlocksByNumber" } & BlockPairs)
  | ({ readonly type: "getBlocksByHashes" } & BlockPairs)
  | { readonly type: "getNodeData"; readonly blobs: readonly Uint8Array[] }
  /** Position of the hash in the request to the receipts of that block. */
  | { readonly type: "getReceipts"; readonly receipts: ReadonlyMap<bigint, readonly Uint8Array[]> }
  | {
    readonly type: "getAccountRange";
    readonly accounts: readonly HashedItem[];
    readonly proof: readonly Uint8Array[];
  }
  | {
    readonly type: "getStorageRanges";
    readonly slots: ReadonlyArray<readonly HashedItem[]>;
    readonly proof: readonly Uint8Array[];
  }
  | { readonly type: "getByteCodes"; readonly blobs: readonly Uint8Array[] }
  | { readonly type: "getTrieNodes"; readonly blobs: readonly Uint8Array[] };

export type WireMessage =
  /** `request` is undefined for a kind that we do not know. */
  | { readonly kind: "request"; readonly id: bigint; readonly request: SyncRequest | undefined }
  | { readonly kind: "response"; readonly id: bigint; readonly response: SyncResponse | undefined }
  /** Neither member is set: to be ignored (§2.5). */
  | { readonly kind: "empty" };

/**
 * The message in a frame's body. Byte fields are views into `bytes`.
 *
 * @throws {HsyncError} MESSAGE_MALFORMED, fault PROTOCOL.
 */
export function decodeMessage(bytes: Uint8Array): WireMessage {
  const head = scanMessage(bytes);
  if (head.kind === "empty") return head;
  let message: wire.Message;
  try {
    message = fromBinary(wire.MessageSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new HsyncError("MESSAGE_MALFORMED", `a ${head.kind} of ${bytes.length} bytes does not decode`, {
      fault: "PROTOCOL",
      cause,
    });
  }
  const member = message.reqOrResp;
  switch (member.case) {
    case "req":
      return { kind: "request", id: member.value.reqId, request: requestFrom(member.value.request) };
    case "resp":
      return { kind: "response", id: member.value.reqId, response: responseFrom(member.value.response) };
    default:
      return { kind: "empty" };
  }
}

function requestFrom(body: wire.Request["request"]): SyncRequest | undefined {
  switch (body.case) {
    case "getBlockNumberRequest":
      return { type: "getBlockNumber" };
    case "getBlockHashesRequest":
      return { type: "getBlockHashes", numbers: body.value.nums };
    case "getBlocksByNumRequest":
      return { type: "getBlocksByNumber", numbers: body.value.nums };
    case "getBlocksByHashesRequest":
      return { type: "getBlocksByHashes", hashes: body.value.blockHashes };
    case "getNodeDataRequest":
      return { type: "getNodeData", hashes: body.value.nodeHashes };
    case "getReceiptsRequest":
      return { type: "getReceipts", hashes: body.value.blockHashes };
    case "getAccountRangeRequest": {
      const { root, origin, limit, bytes } = body.value;
      return { type: "getAccountRange", root, origin, limit, bytes };
    }
    case "getStorageRangesRequest": {
      const { root, accounts, origin, limit, bytes } = body.value;
      return { type: "getStorageRanges", root, accounts, origin, limit, bytes };
    }
    case "getByteCodesRequest":
      return { type: "getByteCodes", hashes: body.value.hashes, bytes: body.value.bytes };
    case "getTrieNodesRequest": {
      const { root, paths, bytes } = body.value;
      return { type: "getTrieNodes", root, paths: paths.map((p) => p.pathset), bytes };
    }
    default:
      return undefined;
  }
}

function hashed(items: readonly { readonly hash: Uint8Array; readonly body: Uint8Array }[]): HashedItem[] {
  return items.map(({ hash, body }) => ({ hash, body }));
}

function responseFrom(body: wire.Response["response"]): SyncResponse | undefined {
  switch (body.case) {
    case "errorResponse":
      return { type: "error", text: body.value.error };
    case "getBlockNumberResponse":
      return { type: "getBlockNumber", number: body.value.number };
    case "getBlockHashesResponse":
      return { type: "getBlockHashes", hashes: body.value.hashes };
    case "getBlocksByNumResponse":
      return { type: "getBlocksByNumber", blocks: body.value.blocksBytes, commitSigs: body.value.commitSig };
    case "getBlocksByHashesResponse":
      return { type: "getBlocksByHashes", blocks: body.value.blocksBytes, commitSigs: body.value.commitSig };
    case "getNodeDataResponse":
      return { type: "getNodeData", blobs: body.value.dataBytes };
    case "getReceiptsResponse": {
      const receipts = new Map<bigint, readonly Uint8Array[]>();
      // The generated code keeps map keys as object property names, that is as decimal text.
      for (const [key, list] of Object.entries(body.value.receipts)) {
        receipts.set(BigInt(key), list.receiptBytes);
      }
      return { type: "getReceipts", receipts };
    }
    case "getAccountRangeResponse":
      return { type: "getAccountRange", accounts: hashed(body.value.accounts), proof: body.value.proof };
    case "getStorageRangesResponse":
      return {
        type: "getStorageRanges",
        slots: body.value.slots.map((s) => hashed(s.data)),
        proof: body.value.proof,
      };
    case "getByteCodesResponse":
      return { type: "getByteCodes", blobs: body.value.codes };
    case "getTrieNodesResponse":
      return { type: "getTrieNodes", blobs: body.value.nodes };
    default:
      return undefined;
  }
}

/** The body of a request frame. `id` is any unsigned 64-bit integer. */
export function encodeRequest(id: bigint, request: SyncRequest): Uint8Array {
  const value = create(wire.RequestSchema, { reqId: id, request: requestTo(request) });
  return toBinary(wire.MessageSchema, create(wire.MessageSchema, { reqOrResp: { case: "req", value } }));
}

/** The body of a response frame. */
export function encodeResponse(id: bigint, response: SyncResponse): Uint8Array {
  const value = create(wire.ResponseSchema, { reqId: id, response: responseTo(response) });
  return toBinary(wire.MessageSchema, create(wire.MessageSchema, { reqOrResp: { case: "resp", value } }));
}

function requestTo(request: SyncRequest): wire.Request["request"] {
  switch (request.type) {
    case "getBlockNumber":
      return { case: "getBlockNumberRequest", value: create(wire.GetBlockNumberRequestSchema) };
    case "getBlockHashes":
      return {
        case: "getBlockHashesRequest",
        value: create(wire.GetBlockHashesRequestSchema, { nums: [...request.numbers] }),
      };
    case "getBlocksByNumber":
      return {
        case: "getBlocksByNumRequest",
        value: create(wire.GetBlocksByNumRequestSchema, { nums: [...request.numbers] }),
      };
    case "getBlocksByHashes":
      return {
        case: "getBlocksByHashesRequest",
        value: create(wire.GetBlocksByHashesRequestSchema, { blockHashes: [...request.hashes] }),
      };
    case "getNodeData":
      return {
        case: "getNodeDataRequest",
        value: create(wire.GetNodeDataRequestSchema, { nodeHashes: [...request.hashes] }),
      };
    case "getReceipts":
      return {
        case: "getReceiptsRequest",
        value: create(wire.GetReceiptsRequestSchema, { blockHashes: [...request.hashes] }),
      };
    case "getAccountRange": {
      const { root, origin, limit, bytes } = request;
      return {
        case: "getAccountRangeRequest",
        value: create(wire.GetAccountRangeRequestSchema, { root, origin, limit, bytes }),
      };
    }
    case "getStorageRanges": {
      const { root, origin, limit, bytes } = request;
      return {
        case: "getStorageRangesRequest",
        value: create(wire.GetStorageRangesRequestSchema, {
          root,
          accounts: [...request.accounts],
          origin,
          limit,
          bytes,
        }),
      };
    }
    case "getByteCodes":
      return {
        case: "getByteCodesRequest",
        value: create(wire.GetByteCodesRequestSchema, { hashes: [...request.hashes], bytes: request.bytes }),
      };
    case "getTrieNodes":
      return {
        case: "getTrieNodesRequest",
        value: create(wire.GetTrieNodesRequestSchema, {
          root: request.root,
          paths: request.paths.map((p) => create(wire.TrieNodePathSetSchema, { pathset: [...p] })),
          bytes: request.bytes,
        }),
      };
  }
}

function items(list: readonly HashedItem[]): { hash: Uint8Array; body: Uint8Array }[] {
  return list.map(({ hash, body }) => ({ hash, body }));
}

function responseTo(response: SyncResponse): wire.Response["response"] {
  switch (response.type) {
    case "error":
      return { case: "errorResponse", value: create(wire.ErrorResponseSchema, { error: response.text }) };
    case "getBlockNumber":
      return {
        case: "getBlockNumberResponse",
        value: create(wire.GetBlockNumberResponseSchema, { number: response.number }),
      };
    case "getBlockHashes":
      return {
        case: "getBlockHashesResponse",
        value: create(wire.GetBlockHashesResponseSchema, { hashes: [...response.hashes] }),
      };
    case "getBlocksByNumber":
      return {
        case: "getBlocksByNumResponse",
        value: create(wire.GetBlocksByNumResponseSchema, {
          blocksBytes: [...response.blocks],
          commitSig: [...response.commitSigs],
        }),
      };
    case "getBlocksByHashes":
      return {
        case: "getBlocksByHashesResponse",
        value: create(wire.GetBlocksByHashesResponseSchema, {
          blocksBytes: [...response.blocks],
          commitSig: [...response.commitSigs],
        }),
      };
    case "getNodeData":
      return {
        case: "getNodeDataResponse",
        value: create(wire.GetNodeDataResponseSchema, { dataBytes: [...response.blobs] }),
      };
    case "getReceipts": {
      const receipts: Record<string, wire.Receipts> = {};
      for (const [key, list] of response.receipts) {
        receipts[key.toString()] = create(wire.ReceiptsSchema, { receiptBytes: [...list] });
      }
      return { case: "getReceiptsResponse", value: create(wire.GetReceiptsResponseSchema, { receipts }) };
    }
    case "getAccountRange":
      return {
        case: "getAccountRangeResponse",
        value: create(wire.GetAccountRangeResponseSchema, {
          accounts: items(response.accounts),
          proof: [...response.proof],
        }),
      };
    case "getStorageRanges":
      return {
        case: "getStorageRangesResponse",
        value: create(wire.GetStorageRangesResponseSchema, {
          slots: response.slots.map((data) => ({ data: items(data) })),
          proof: [...response.proof],
        }),
      };
    case "getByteCodes":
      return {
        case: "getByteCodesResponse",
        value: create(wire.GetByteCodesResponseSchema, { codes: [...response.blobs] }),
      };
    case "getTrieNodes":
      return {
        case: "getTrieNodesResponse",
        value: create(wire.GetTrieNodesResponseSchema, { nodes: [...response.blobs] }),
      };
  }
}
