/**
 * Blocks in wire form (chain-format.md §3.1).
 *
 * Why it exists: blocks arrive by the thousand, and most of their bytes only need to be found, hashed and
 * stored; so decoding reads the header and finds where the items of the body begin and end, and everything
 * else is decoded when asked for. What must stay true: a block keeps the bytes it came from, and its hash is
 * its header's: the body counts only through the roots (`checkBody`).
 */
import {
  asBodyTag,
  type BodyItems,
  type BodyTag,
  bodyTagFor,
  readBodyItems,
  writeBodyItems,
} from "./body.ts";
import { type CXReceiptsProof, decodeCXReceiptsProof } from "./cx_proof.ts";
import { decodeHeader, type Header } from "./header.ts";
import { indexTrieRoot } from "./index_trie.ts";
import { rlpList } from "./rlp.ts";
import { decodeStakingTransaction, type StakingTransaction } from "./staking.ts";
import { openTagged, sealTagged } from "./tagged.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";

/** A block together with its wire form. Items and byte fields are views into it: do not write to them. */
export class Block {
  readonly bytes: Uint8Array;
  readonly header: Header;
  /** The tag the block came under; `checkBody` says whether it fits the header. */
  readonly tag: BodyTag;
  /** The lists of the body, undecoded. */
  readonly body: BodyItems;
  #transactions: readonly Transaction[] | undefined;
  #stakingTransactions: readonly StakingTransaction[] | undefined;
  #incomingReceipts: readonly CXReceiptsProof[] | undefined;

  private constructor(bytes: Uint8Array, header: Header, tag: BodyTag, body: BodyItems) {
    this.bytes = bytes;
    this.header = header;
    this.tag = tag;
    this.body = body;
  }

  /** The block hash: the header's, 32 bytes. */
  get hash(): Uint8Array {
    return this.header.hash;
  }
  get number(): number {
    return this.header.number;
  }
  /** RLP of each ordinary transaction. */
  transactionItems(): readonly Uint8Array[] {
    return this.body.transactions;
  }
  /** RLP of each staking transaction. */
  stakingTransactionItems(): readonly Uint8Array[] {
    return this.body.stakingTransactions;
  }
  /** RLP of each uncle header. */
  uncleItems(): readonly Uint8Array[] {
    return this.body.uncles;
  }
  /** RLP of each proof of receipts from another shard. */
  incomingReceiptItems(): readonly Uint8Array[] {
    return this.body.incomingReceipts;
  }
  /** The ordinary transactions, decoded on first use. @throws {HsyncError} fault DATA. */
  transactions(): readonly Transaction[] {
    return this.#transactions ??= this.body.transactions.map(decodeTransaction);
  }
  /** The staking transactions, decoded on first use. @throws {HsyncError} fault DATA. */
  stakingTransactions(): readonly StakingTransaction[] {
    return this.#stakingTransactions ??= this.body.stakingTransactions.map(decodeStakingTransaction);
  }
  /** The proofs of receipts from other shards, decoded on first use. @throws {HsyncError} fault DATA. */
  incomingReceipts(): readonly CXReceiptsProof[] {
    return this.#incomingReceipts ??= this.body.incomingReceipts.map(decodeCXReceiptsProof);
  }

  /**
   * A block from its wire form, which it keeps a view of. The header is decoded, the body only cut up.
   *
   * @throws {HsyncError} fault DATA: anything but exactly one block; an absent block is none either.
   */
  static decode(bytes: Uint8Array): Block {
    const { tag, items } = openTagged(bytes, "block");
    const known = asBodyTag("block", tag);
    const header = decodeHeader(items.raw("header"));
    return new Block(bytes, header, known, readBodyItems(items, known));
  }
}

/** See {@link Block.decode}. */
export function decodeBlock(bytes: Uint8Array): Block {
  return Block.decode(bytes);
}

/**
 * The wire form of a block, under the tag that fits its header.
 *
 * @param parts the header and the items of the body, each as RLP; absent lists are empty.
 * @throws {HsyncError} BODY_LAYOUT: items that a block of this header version has no place for.
 */
export function encodeBlock(parts: { readonly header: Header } & Partial<BodyItems>): Uint8Array {
  const tag = bodyTagFor(parts.header.version);
  return sealTagged(tag, rlpList([parts.header.bytes, ...writeBodyItems(parts, tag)]));
}

/** True for what a server sends in the place of a block it does not have: one byte `c0`, or nothing. */
export function isAbsentBlock(bytes: Uint8Array): boolean {
  return bytes.length === 0 || (bytes.length === 1 && bytes[0] === 0xc0);
}

/** Root over the ordinary and then the staking transactions, in one trie under one running index. */
export function transactionsRoot(body: BodyItems): Uint8Array {
  return indexTrieRoot([...body.transactions, ...body.stakingTransactions]);
}
