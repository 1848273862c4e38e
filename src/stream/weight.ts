/**
 * How much a question asks for and how much an answer gives: nothing, hashes, data.
 *
 * Why it exists: a peer that tells heights and never gives a block costs a whole time-out with every block request; if
 * any answer made up for that, its stream would keep its place for ever. What must stay true: a failure is made good
 * only by an answer of at least the weight of what failed, and an answer weighs what is in it, not what it is called.
 */
import type { RequestType, SyncResponse } from "./message.ts";

/** 0: a sign of life; 1: hashes; 2: blocks, receipts or state. */
export type Weight = 0 | 1 | 2;

export function weightOfRequest(type: RequestType): Weight {
  if (type === "getBlockNumber") return 0;
  return type === "getBlockHashes" ? 1 : 2;
}

/** An error, or blocks of which none was delivered, is no more than a sign of life. */
export function weightOfResponse(response: SyncResponse | undefined): Weight {
  if (response === undefined) return 0;
  switch (response.type) {
    case "error":
      return 0;
    case "getBlocksByNumber":
    case "getBlocksByHashes":
      return response.blocks.some((b) => b.length > 1) ? 2 : 0;
    default:
      return weightOfRequest(response.type);
  }
}
