import assert from "node:assert/strict";
import { HsyncError, toHex } from "../../src/base/mod.ts";
import {
  chainIdOfV,
  decodeEthTransaction,
  decodeStakingTransaction,
  decodeTransaction,
  encodeEthTransaction,
  encodeTransaction,
  ETH_CHAIN_ID_START,
  rlpList,
  rlpListItems,
  rlpUint,
  senderUnder,
  type SignerRules,
  type TransactionFields,
  transactionSigningHash,
} from "../../src/chain/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { vectorJson } from "../vectors/load.ts";
import { goRlp, hex, refuses, repeat, sameBytes, sign, testAddress } from "./support.ts";

interface PublicTransactions {
  readonly transactions: readonly {
    readonly kind: string;
    readonly raw: string;
    readonly hash: string;
    readonly sender: string;
    readonly sigHash?: string;
  }[];
}
const PUBLIC = vectorJson<PublicTransactions>("chain-public.json").transactions;

const PLAIN: TransactionFields = {
  nonce: 1n,
  gasPrice: 1_000_000_000n,
  gasLimit: 21_000n,
  shardId: 0,
  toShardId: 1,
  to: repeat("11", 20),
  value: 45_123_000_000_000_000_000n,
  data: new Uint8Array(0),
  v: 37n,
  r: 3n,
  s: 4n,
};

/** The same transaction signed by the test key for a chain id; undefined: the form without one. */
function signed(chainId: bigint | undefined, change: Partial<TransactionFields> = {}) {
  const fields = { ...PLAIN, ...change };
  const { r, s, recoveryId } = sign(transactionSigningHash(fields, chainId));
  const v = chainId === undefined ? 27n + BigInt(recoveryId) : 35n + 2n * chainId + BigInt(recoveryId);
  return decodeTransaction(encodeTransaction({ ...fields, v, r, s }));
}

Deno.test("every public transaction decodes, re-encodes, and has its hash and sender", () => {
  assert.equal(PUBLIC.length, 33);
  for (const recorded of PUBLIC) {
    const raw = hex(recorded.raw);
    const tx = recorded.kind.startsWith("stk") ? decodeStakingTransaction(raw) : decodeTransaction(raw);
    assert.equal(toHex(tx.hash), recorded.hash, recorded.kind);
    assert.equal(toHex(tx.sender), recorded.sender, recorded.kind);
    if (recorded.sigHash !== undefined) assert.equal(toHex(tx.signingHash), recorded.sigHash);
    if (!recorded.kind.startsWith("stk")) sameBytes(encodeTransaction(decodeTransaction(raw)), raw);
  }
});

Deno.test("the synthetic transactions have Go's bytes", () => {
  sameBytes(encodeTransaction(PLAIN), goRlp("Tx"));
  const creation = {
    ...PLAIN,
    toShardId: 0,
    to: undefined,
    value: 0n,
    data: hex("60"),
  };
  sameBytes(encodeTransaction(creation), goRlp("TxCreate"));
  assert.equal(decodeTransaction(goRlp("TxCreate")).to, undefined);
});

Deno.test("a plain cross-shard transaction on a real localnet", () => {
  const tx = decodeTransaction(hex(PUBLIC[0]?.raw ?? ""));
  assert.equal(tx.kind, "harmony");
  assert.equal(tx.chainId, 2n);
  assert.deepEqual([tx.shardId, tx.toShardId], [0, 1]);
  assert.equal(toHex(tx.hash), "9dae9c8e2c8abc8eebab1f7731f5c28cacf2ced913f4e4d49d000f74df0edca2");
  assert.equal(toHex(tx.hashByType), toHex(tx.hash));
});

Deno.test("chain ids of V, with the reference's wrap-around below 35", () => {
  assert.equal(chainIdOfV(27n), 0n);
  assert.equal(chainIdOfV(28n), 0n);
  assert.equal(chainIdOfV(35n), 0n);
  assert.equal(chainIdOfV(38n), 1n);
  assert.equal(chainIdOfV(39n), 2n);
  assert.equal(chainIdOfV(35n + 2n * 1_666_600_000n + 1n), 1_666_600_000n);
  assert.equal(chainIdOfV(0n), ((1n << 64n) - 35n) / 2n);
  assert.equal(chainIdOfV(34n), ((1n << 64n) - 1n) / 2n);
  assert.equal(chainIdOfV(1n << 70n), ((1n << 70n) - 35n) / 2n);
});

Deno.test("an Ethereum-compatible signature does not cover the shards; its hash by type is the 9-item one", () => {
  const chainId = 1_666_700_000n;
  const tx = signed(chainId);
  assert.equal(tx.kind, "ethereum");
  assert.equal(toHex(tx.sender), toHex(testAddress));
  const moved = decodeTransaction(encodeTransaction({ ...tx, shardId: 3, toShardId: 2 }));
  assert.equal(toHex(moved.sender), toHex(testAddress));
  assert.equal(toHex(moved.ethHash), toHex(tx.ethHash));
  assert.notEqual(toHex(moved.hash), toHex(tx.hash));
  assert.equal(toHex(tx.hashByType), toHex(tx.ethHash));
  const items = rlpListItems(tx.bytes, "transaction");
  const nine = rlpList(items.filter((_, i) => i !== 3 && i !== 4));
  assert.equal(toHex(tx.ethHash), toHex(keccak256(nine)));
  sameBytes(encodeEthTransaction(tx), nine);
});

Deno.test("a Harmony signature covers the shards", () => {
  const tx = signed(2n);
  assert.equal(toHex(tx.sender), toHex(testAddress));
  const moved = decodeTransaction(encodeTransaction({ ...tx, toShardId: 0 }));
  let other = "none";
  try {
    other = toHex(moved.sender);
  } catch (error) {
    assert.ok(error instanceof HsyncError && error.code === "SIGNATURE_INVALID");
  }
  assert.notEqual(other, toHex(testAddress));
});

Deno.test("a transaction in Ethereum form gets its shards from the chain id", () => {
  const shard0 = 1_666_700_000n;
  for (const shardId of [0, 1, 3]) {
    const chainId = shard0 + BigInt(shardId);
    const tx = signed(chainId, { shardId, toShardId: shardId });
    const eth = encodeEthTransaction(tx);
    const accepted = decodeEthTransaction(eth, { ethChainId: chainId, shardId });
    sameBytes(accepted.bytes, tx.bytes);
  }
  // One for shard 2 that reaches a node of shard 1 is still given its own shard.
  const stray = signed(shard0 + 2n, { shardId: 2, toShardId: 2 });
  sameBytes(
    decodeEthTransaction(encodeEthTransaction(stray), { ethChainId: shard0 + 1n, shardId: 1 }).bytes,
    stray.bytes,
  );
  refuses(() => decodeEthTransaction(stray.bytes, { ethChainId: shard0, shardId: 0 }), "RLP_FIXED_LENGTH");
});

Deno.test("which signatures count depends on the place in the chain", () => {
  const late: SignerRules = { chainId: 2n, ethChainId: 1_666_700_000n, eip155: true, ethCompatible: true };
  const early: SignerRules = { ...late, eip155: false, ethCompatible: false };
  const from = toHex(testAddress);

  assert.equal(toHex(senderUnder(signed(2n), late)), from);
  assert.equal(toHex(senderUnder(signed(1_666_700_000n), late)), from);
  assert.equal(toHex(senderUnder(signed(undefined), late)), from);
  assert.equal(toHex(senderUnder(signed(undefined), early)), from);
  refuses(() => senderUnder(signed(1n), late), "CHAIN_ID");
  refuses(() => senderUnder(signed(1_666_700_001n), late), "CHAIN_ID");
  refuses(() => senderUnder(signed(2n), early), "CHAIN_ID");
  refuses(() => senderUnder(signed(1_666_700_000n), { ...late, ethCompatible: false }), "CHAIN_ID");

  const low = signed(undefined);
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const high = decodeTransaction(encodeTransaction({ ...low, s: order - low.s, v: 55n - low.v }));
  assert.equal(toHex(senderUnder(high, early)), from);
  refuses(() => senderUnder(high, late), "SIGNATURE_INVALID");
  const harmony = signed(2n);
  const highHarmony = decodeTransaction(
    encodeTransaction({
      ...harmony,
      s: order - harmony.s,
      v: harmony.v % 2n === 1n ? harmony.v + 1n : harmony.v - 1n,
    }),
  );
  refuses(() => highHarmony.sender, "SIGNATURE_INVALID");
});

Deno.test("values of V that no signer makes are refused when the sender is asked for, not before", () => {
  for (const v of [0n, 26n, 29n, 34n]) {
    const tx = decodeTransaction(encodeTransaction({ ...PLAIN, v }));
    assert.ok(tx.chainId >= ETH_CHAIN_ID_START);
    refuses(() => tx.sender, "SIGNATURE_INVALID", `V ${v}`);
  }
});

Deno.test("a transaction is a list of eleven items of the right kinds", () => {
  const items = rlpListItems(encodeTransaction(PLAIN), "transaction");
  const change = (index: number, item: Uint8Array) =>
    rlpList(items.map((old, i) => i === index ? item : old));
  refuses(() => decodeTransaction(rlpList(items.slice(1))), "RLP_INTEGER_TOO_LONG");
  refuses(() => decodeTransaction(rlpList(items.slice(0, 10))), "RLP_TOO_FEW");
  refuses(() => decodeTransaction(rlpList([...items, hex("80")])), "RLP_TRAILING");
  refuses(() => decodeTransaction(change(0, hex("00"))), "RLP_LEADING_ZERO");
  refuses(() => decodeTransaction(change(0, rlpUint(1n << 64n))), "RLP_INTEGER_TOO_LONG");
  refuses(() => decodeTransaction(change(2, rlpUint(1n << 64n))), "RLP_INTEGER_TOO_LONG");
  refuses(() => decodeTransaction(change(3, rlpUint(1n << 32n))), "RLP_INTEGER_TOO_LONG");
  refuses(() => decodeTransaction(change(5, hex("c0"))), "RLP_KIND");
  refuses(() => decodeTransaction(change(5, hex("11"))), "RLP_FIXED_LENGTH");
  refuses(() => decodeTransaction(change(6, hex("c180"))), "RLP_KIND");
  refuses(() => decodeTransaction(change(7, hex("c0"))), "RLP_KIND");
  refuses(() => decodeTransaction(hex("01")), "RLP_KIND");
  // A typed transaction of Ethereum.
  refuses(() => decodeTransaction(hex("02c0")), "RLP_KIND");
});
