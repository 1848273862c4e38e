/**
 * Ordinary transactions (chain-format.md §4).
 *
 * Why it exists: one encoding inside blocks carries three kinds (without chain id, Harmony, Ethereum-compatible)
 * that differ in what is signed and in the hash people know them by. What must stay true: a decoded transaction
 * keeps its bytes, and `hash` is taken over those.
 */
import { HsyncError } from "../base/mod.ts";
import { keccak256, recoverAddress } from "../crypto/mod.ts";
import { RLP_EMPTY_STRING, rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";
import { chainIdOfV, ETH_CHAIN_ID_START, isUnprotectedV, recoveryIdOfV } from "./signature.ts";

/** What a transaction says. */
export interface TransactionFields {
  readonly nonce: bigint;
  /** In atto. */
  readonly gasPrice: bigint;
  readonly gasLimit: bigint;
  /** Source shard. */
  readonly shardId: number;
  /** Destination shard. */
  readonly toShardId: number;
  /** 20 bytes; undefined creates a contract. */
  readonly to: Uint8Array | undefined;
  /** In atto. */
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

/** `unprotected` names no chain; the other two name one by the size of the id. */
export type TransactionKind = "unprotected" | "harmony" | "ethereum";

/** Which signatures count at a place in the chain (chain-format.md §4.4). */
export interface SignerRules {
  /** Harmony chain id of the network. */
  readonly chainId: bigint;
  /** Eth chain id of this node's shard. */
  readonly ethChainId: bigint;
  /** Whether chain ids count at all (from the EIP155 epoch). */
  readonly eip155: boolean;
  /** Whether Ethereum-compatible transactions are valid (from the EthCompatible epoch). */
  readonly ethCompatible: boolean;
}

/** A transaction together with its chain form. */
export class Transaction implements TransactionFields {
  /** The 11-item list. */
  readonly bytes: Uint8Array;
  readonly nonce: bigint;
  readonly gasPrice: bigint;
  readonly gasLimit: bigint;
  readonly shardId: number;
  readonly toShardId: number;
  readonly to: Uint8Array | undefined;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
  #hash: Uint8Array | undefined;
  #ethHash: Uint8Array | undefined;
  #sender: Uint8Array | undefined;

  private constructor(bytes: Uint8Array, fields: TransactionFields) {
    this.bytes = bytes;
    this.nonce = fields.nonce;
    this.gasPrice = fields.gasPrice;
    this.gasLimit = fields.gasLimit;
    this.shardId = fields.shardId;
    this.toShardId = fields.toShardId;
    this.to = fields.to;
    this.value = fields.value;
    this.data = fields.data;
    this.v = fields.v;
    this.r = fields.r;
    this.s = fields.s;
  }

  /**
   * A transaction from its chain form. Integers that the reference reads at any width (prices, values, signature
   * parts) may have 256 bits: a wider one cannot be paid for or be a signature.
   *
   * @throws {HsyncError} fault DATA.
   */
  static decode(bytes: Uint8Array): Transaction {
    const whole = new RlpReader(bytes, "transaction");
    const r = whole.list("transaction");
    whole.finish();
    const fields = {
      nonce: r.uint64("nonce"),
      gasPrice: r.bigint("gasPrice"),
      gasLimit: r.uint64("gasLimit"),
      shardId: r.uint32("shardId"),
      toShardId: r.uint32("toShardId"),
      to: r.optionalFixed(20, "to"),
      value: r.bigint("value"),
      data: r.bytes("data"),
      v: r.bigint("v"),
      r: r.bigint("r"),
      s: r.bigint("s"),
    };
    r.finish();
    return new Transaction(bytes, fields);
  }

  /** Identity on the chain, 32 bytes: hash of the 11-item list. */
  get hash(): Uint8Array {
    return this.#hash ??= keccak256(this.bytes);
  }
  /** Hash of the 9-item list, 32 bytes: what Ethereum tools compute. */
  get ethHash(): Uint8Array {
    return this.#ethHash ??= keccak256(encodeEthTransaction(this));
  }
  /** The hash that users of this kind of transaction know it by, 32 bytes. */
  get hashByType(): Uint8Array {
    return this.kind === "ethereum" ? this.ethHash : this.hash;
  }
  /** 0 when the signature names no chain. */
  get chainId(): bigint {
    return chainIdOfV(this.v);
  }
  get kind(): TransactionKind {
    if (isUnprotectedV(this.v)) return "unprotected";
    return this.chainId >= ETH_CHAIN_ID_START ? "ethereum" : "harmony";
  }
  /** What was signed, 32 bytes. An Ethereum-compatible signature does not cover the shards. */
  get signingHash(): Uint8Array {
    return transactionSigningHash(this, this.kind === "unprotected" ? undefined : this.chainId);
  }
  /**
   * The address (20 bytes) that the signature names, judged by its own V alone; whether such a signature is valid
   * at a place in the chain says `senderUnder`.
   *
   * @throws {HsyncError} SIGNATURE_INVALID, fault DATA.
   */
  get sender(): Uint8Array {
    return this.#sender ??= recoverAddress(this.signingHash, {
      r: this.r,
      s: this.s,
      recoveryId: recoveryIdOfV(this.v),
    }, { allowHighS: this.kind === "unprotected" });
  }
}

/** See {@link Transaction.decode}. */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  return Transaction.decode(bytes);
}

function toItem(to: Uint8Array | undefined): Uint8Array {
  return to === undefined ? RLP_EMPTY_STRING : rlpFixed(to, 20, "to");
}

type Unsigned = Omit<TransactionFields, "v" | "r" | "s">;

function leadingItems(fields: Unsigned, withShards: boolean): Uint8Array[] {
  const items = [rlpUint(fields.nonce), rlpUint(fields.gasPrice), rlpUint(fields.gasLimit)];
  if (withShards) items.push(rlpUint(fields.shardId), rlpUint(fields.toShardId));
  items.push(toItem(fields.to), rlpUint(fields.value), rlpBytes(fields.data));
  return items;
}

function signatureItems(fields: TransactionFields): Uint8Array[] {
  return [rlpUint(fields.v), rlpUint(fields.r), rlpUint(fields.s)];
}

/** The chain form: 11 items. @throws {RangeError} a field of another length or out of range. */
export function encodeTransaction(fields: TransactionFields): Uint8Array {
  return rlpList([...leadingItems(fields, true), ...signatureItems(fields)]);
}

/** The Ethereum form: 9 items, without the shards. @throws {RangeError} as `encodeTransaction`. */
export function encodeEthTransaction(fields: TransactionFields): Uint8Array {
  return rlpList([...leadingItems(fields, false), ...signatureItems(fields)]);
}

/**
 * The chain form of a transaction that came in Ethereum form (chain-format.md §4.2).
 *
 * @param node eth chain id and shard of the node that accepts it: both shard fields follow from them.
 * @throws {HsyncError} fault DATA.
 */
export function decodeEthTransaction(
  bytes: Uint8Array,
  node: { readonly ethChainId: bigint; readonly shardId: number },
): Transaction {
  const whole = new RlpReader(bytes, "eth transaction");
  const r = whole.list("eth transaction");
  whole.finish();
  const part = {
    nonce: r.uint64("nonce"),
    gasPrice: r.bigint("gasPrice"),
    gasLimit: r.uint64("gasLimit"),
    to: r.optionalFixed(20, "to"),
    value: r.bigint("value"),
    data: r.bytes("data"),
    v: r.bigint("v"),
    r: r.bigint("r"),
    s: r.bigint("s"),
  };
  r.finish();
  const shard = Number(BigInt.asUintN(32, chainIdOfV(part.v) - node.ethChainId + BigInt(node.shardId)));
  return Transaction.decode(encodeTransaction({ ...part, shardId: shard, toShardId: shard }));
}

/** What a signer of a transaction signs, 32 bytes. @param chainId undefined: the form that names no chain. */
export function transactionSigningHash(fields: Unsigned, chainId: bigint | undefined): Uint8Array {
  const items = leadingItems(fields, chainId === undefined || chainId < ETH_CHAIN_ID_START);
  if (chainId !== undefined) items.push(rlpUint(chainId), RLP_EMPTY_STRING, RLP_EMPTY_STRING);
  return keccak256(rlpList(items));
}

/**
 * The sender (20 bytes) of a transaction at a place in the chain.
 *
 * @throws {HsyncError} SIGNATURE_INVALID or CHAIN_ID, fault DATA: the rules there do not accept the signature.
 */
export function senderUnder(tx: Transaction, rules: SignerRules): Uint8Array {
  const refuse = (why: string): never => {
    throw new HsyncError("CHAIN_ID", `transaction of chain id ${tx.chainId}: ${why}`, { fault: "DATA" });
  };
  switch (tx.kind) {
    case "ethereum":
      if (!rules.ethCompatible) refuse("Ethereum-compatible transactions are not valid yet");
      if (tx.chainId !== rules.ethChainId) refuse(`the shard's is ${rules.ethChainId}`);
      return tx.sender;
    case "harmony":
      if (!rules.eip155) refuse("chain ids are not valid yet");
      if (tx.chainId !== rules.chainId) refuse(`the network's is ${rules.chainId}`);
      return tx.sender;
    case "unprotected":
      return recoverAddress(tx.signingHash, { r: tx.r, s: tx.s, recoveryId: recoveryIdOfV(tx.v) }, {
        allowHighS: !rules.eip155,
      });
  }
}
