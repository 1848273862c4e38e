/**
 * From an accepted block to the row that the store appends.
 *
 * Why it exists: the States stage and the import of a file store blocks in the same form. What must stay true: the
 * epoch under which committees are kept is the one that the child of the block will have.
 */
import { type Block, type NetworkParams, nextEpoch } from "../chain/mod.ts";
import type { AppendBlock } from "../store/mod.ts";
import type { Acceptance } from "./verify.ts";

/** The row of a block; `receipts`: consensus RLP of each, where they are known and have been checked. */
export function appendRow(
  block: Block,
  acceptance: Acceptance,
  params: Pick<NetworkParams, "stakingEpoch">,
  receipts?: readonly Uint8Array[],
): AppendBlock {
  const { header } = block;
  return {
    number: block.number,
    hash: block.hash,
    parentHash: header.parentHash,
    bytes: block.bytes,
    headerBytes: header.bytes,
    assurance: acceptance.assurance,
    ...(acceptance.commitSig === undefined ? {} : { commitSig: acceptance.commitSig }),
    ...(acceptance.body === undefined ? {} : { body: acceptance.body }),
    ...(receipts === undefined ? {} : { receipts }),
    ...(header.shardState.length === 0
      ? {}
      : { shardState: { epoch: nextEpoch(header, undefined, params), bytes: header.shardState } }),
  };
}
