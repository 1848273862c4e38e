import assert from "node:assert/strict";
import { concat, HsyncError, toHex } from "../../src/base/mod.ts";
import {
  acceptsOutgoingReceiptHash,
  checkCXReceiptsProof,
  type CXReceipt,
  type CXReceiptsProof,
  decodeBlock,
  decodeCXMerkleProof,
  decodeCXReceipt,
  decodeCXReceiptsProof,
  EMPTY_ROOT,
  encodeCXReceipt,
  encodeCXReceiptsProof,
  makeHeader,
  outgoingReceiptHash,
  rlpListItems,
} from "../../src/chain/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { goRlp, hex, refuses, repeat, sameBytes } from "./support.ts";

function receipt(mark: number, toShardId: number, amount: bigint): CXReceipt {
  return {
    txHash: concat(Uint8Array.of(mark), new Uint8Array(31)),
    from: repeat("11", 20),
    to: repeat("22", 20),
    shardId: 0,
    toShardId,
    amount,
  };
}
const THREE = [receipt(1, 1, 100n), receipt(2, 3, 200n), receipt(3, 1, 300n)];

Deno.test("a receipt has Go's bytes, both ways", () => {
  const one = receipt(1, 1, 45_123n * 10n ** 15n);
  sameBytes(encodeCXReceipt(one), goRlp("CX"));
  assert.deepEqual(decodeCXReceipt(goRlp("CX")), one);
  refuses(() => decodeCXReceipt(goRlp("CXnilTo")), "RLP_FIXED_LENGTH");
});

Deno.test("the outgoing hash in both forms, and nothing else, is accepted", () => {
  const current = hex("8fdef076ab8b6155a65b88ee52a20378c893b675fc09cb65fe3921fe35d3f43e");
  const legacy = hex("a61dd83699acfb7376dfcf33138fe7a755a7d865918d00ca44f99ea8ed5b7886");
  sameBytes(outgoingReceiptHash(THREE), current);
  sameBytes(outgoingReceiptHash(THREE, "legacy"), legacy);
  assert.ok(acceptsOutgoingReceiptHash(current, THREE));
  assert.ok(acceptsOutgoingReceiptHash(legacy, THREE));
  assert.ok(!acceptsOutgoingReceiptHash(current, THREE.slice(1)));
  assert.ok(!acceptsOutgoingReceiptHash(EMPTY_ROOT, THREE));
  assert.ok(acceptsOutgoingReceiptHash(EMPTY_ROOT, []));
});

Deno.test("merkle proofs have Go's bytes", () => {
  const proof = decodeCXMerkleProof(goRlp("MerkleProof"));
  assert.equal(proof.blockNumber, 5);
  assert.deepEqual(proof.shardIds, [1, 3]);
  assert.deepEqual(proof.shardRoots.map((root) => root[0]), [4, 5]);
  const empty = decodeCXMerkleProof(goRlp("MerkleProofEmpty"));
  assert.deepEqual([empty.shardIds, empty.shardRoots], [[], []]);
  const [receipts, merkle] = rlpListItems(goRlp("CXP"), "proof");
  sameBytes(merkle ?? hex(""), goRlp("MerkleProof"));
  sameBytes(rlpListItems(receipts ?? hex(""), "receipts")[0] ?? hex(""), goRlp("CX"));
  // In Go's sample the header is missing, and a proof of nothing at all encodes but does not decode.
  refuses(() => decodeCXReceiptsProof(goRlp("CXP")), "RLP_TOO_FEW");
  refuses(() => decodeCXReceiptsProof(goRlp("CXPnil")), "RLP_TOO_FEW");
});

/** A recorded proof that reached shard 0. */
function recordedProof(): CXReceiptsProof {
  for (const recorded of recordedBlocks(0)) {
    if (recorded.incomingProofs === 0) continue;
    const [proof] = decodeBlock(hex(recorded.blockRLP)).incomingReceipts();
    if (proof !== undefined) return proof;
  }
  throw new Error("the recording has no proof");
}

Deno.test("a recorded proof re-encodes to its bytes and holds together", () => {
  const proof = recordedProof();
  checkCXReceiptsProof(proof, 0);
  const again = decodeCXReceiptsProof(encodeCXReceiptsProof(proof));
  checkCXReceiptsProof(again, 0);
  sameBytes(encodeCXReceiptsProof(again), encodeCXReceiptsProof(proof));
});

Deno.test("a proof with any part exchanged is refused, for the right reason", () => {
  const proof = recordedProof();
  const { merkleProof, receipts } = proof;
  const [first] = receipts;
  assert.ok(first !== undefined);
  const cases: [string, Partial<CXReceiptsProof>][] = [
    ["it names shard 7", { merkleProof: { ...merkleProof, shardId: 7 } }],
    ["it names block", { merkleProof: { ...merkleProof, blockNumber: merkleProof.blockNumber + 1 } }],
    ["it holds no receipt", { receipts: [] }],
    ["goes to shard 3", { receipts: [{ ...first, toShardId: 3 }] }],
    ["do not have the root", { receipts: [{ ...first, amount: first.amount + 1n }, ...receipts.slice(1)] }],
    ["do not have the root", { receipts: [...receipts, first] }],
    ["shards but", { merkleProof: { ...merkleProof, shardRoots: [] } }],
    ["not in ascending order", {
      merkleProof: {
        ...merkleProof,
        shardIds: [...merkleProof.shardIds, 0],
        shardRoots: [...merkleProof.shardRoots, repeat("11", 32)],
      },
    }],
    ["not among the destinations", {
      merkleProof: { ...merkleProof, shardIds: merkleProof.shardIds.map(() => 9) },
    }],
    ["do not hash to", { merkleProof: { ...merkleProof, receiptHash: repeat("11", 32) } }],
    ["does not have the hash", { merkleProof: { ...merkleProof, blockHash: repeat("11", 32) } }],
    ["does not have the hash", { header: makeHeader({ ...proof.header, gasUsed: 1n }) }],
  ];
  for (const [reason, change] of cases) {
    assert.throws(
      () => checkCXReceiptsProof({ ...proof, ...change }, 0),
      (error: unknown) =>
        error instanceof HsyncError && error.code === "CX_PROOF" && error.fault === "DATA" &&
        error.message.includes(reason),
      reason,
    );
  }
  refuses(() => checkCXReceiptsProof(proof, 2), "CX_PROOF");
  refuses(() => checkCXReceiptsProof(proof, proof.header.shardId), "CX_PROOF");
  // A header that commits to other receipts but is named by its own hash.
  const header = makeHeader({ ...proof.header, outgoingReceiptHash: EMPTY_ROOT });
  refuses(
    () =>
      checkCXReceiptsProof({ ...proof, header, merkleProof: { ...merkleProof, blockHash: header.hash } }, 0),
    "CX_PROOF",
  );
  assert.equal(toHex(keccak256(proof.header.bytes)), toHex(merkleProof.blockHash));
});
