/**
 * Transactions to fill blocks with: decodable, signed, and of a chosen size.
 *
 * Why it exists: roots, senders and sizes must be real while building stays fast, so a small pool is signed once and
 * drawn from for ever. What must stay true: every item decodes, and its sender can be recovered.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { bytesToBigint, type SeededRandom } from "../../src/base/mod.ts";
import {
  encodeReceipt,
  encodeTransaction,
  receiptsRoot,
  type TransactionFields,
  transactionSigningHash,
} from "../../src/chain/mod.ts";

/** Gas that every pooled transaction is said to have used. */
const GAS = 21_000n;

/** A signed transaction of the chain's Harmony kind, as its 11-item list. */
export function signedTransaction(
  fields: Omit<TransactionFields, "v" | "r" | "s">,
  chainId: bigint,
  secretKey: Uint8Array,
): Uint8Array {
  const hash = transactionSigningHash(fields, chainId);
  // Recovery id first, then r and s.
  const signature = secp256k1.sign(hash, secretKey, { prehash: false, format: "recovered" });
  return encodeTransaction({
    ...fields,
    v: 35n + 2n * chainId + BigInt(signature[0] ?? 0),
    r: bytesToBigint(signature.subarray(1, 33)),
    s: bytesToBigint(signature.subarray(33, 65)),
  });
}

/** Draws transactions that come close to a number of bytes per block. */
export class TransactionPool {
  readonly #items: Uint8Array[] = [];
  readonly #perBlock: number;
  readonly #receipts: Uint8Array[] = [];
  #receiptsRoot: Uint8Array | undefined;

  /**
   * @param perBlock how many transactions a block gets.
   * @param itemBytes size of one, about; the smallest possible is some 110.
   * @param distinct how many to sign.
   */
  constructor(
    random: SeededRandom,
    place: { readonly chainId: bigint; readonly shardId: number },
    perBlock: number,
    itemBytes: number,
    distinct = 32,
  ) {
    this.#perBlock = perBlock;
    if (perBlock === 0) return;
    for (let i = 0; i < distinct; i++) {
      const make = (dataLength: number) =>
        signedTransaction(
          {
            nonce: BigInt(i),
            gasPrice: 100_000_000_000n,
            gasLimit: GAS,
            shardId: place.shardId,
            toShardId: place.shardId,
            to: random.bytes(20),
            value: BigInt(random.int(1_000_000)) * 10n ** 12n,
            data: random.bytes(dataLength),
          },
          place.chainId,
          random.bytes(32),
        );
      const bare = make(0).length;
      this.#items.push(itemBytes > bare + 4 ? make(itemBytes - bare - 3) : make(0));
    }
    for (let i = 1; i <= perBlock; i++) {
      this.#receipts.push(encodeReceipt({
        outcome: { kind: "success" },
        cumulativeGasUsed: GAS * BigInt(i),
        bloom: new Uint8Array(256),
        logs: [],
      }));
    }
  }
  /** Transactions for one block. */
  draw(random: SeededRandom): Uint8Array[] {
    const items: Uint8Array[] = [];
    for (let i = 0; i < this.#perBlock; i++) {
      items.push(this.#items[random.int(this.#items.length)] as Uint8Array);
    }
    return items;
  }
  /** The receipts of any such block, their root, and the gas they add up to. */
  outcome(): {
    readonly receipts: readonly Uint8Array[];
    readonly root: Uint8Array;
    readonly gasUsed: bigint;
  } {
    this.#receiptsRoot ??= receiptsRoot(this.#receipts);
    return { receipts: this.#receipts, root: this.#receiptsRoot, gasUsed: GAS * BigInt(this.#perBlock) };
  }
}

/** A pool whose blocks have about `bytesPerBlock` bytes in all. */
export function poolForBlockSize(
  random: SeededRandom,
  place: { readonly chainId: bigint; readonly shardId: number },
  bytesPerBlock: number,
  emptyBlockBytes: number,
): TransactionPool {
  const room = bytesPerBlock - emptyBlockBytes;
  const smallest = 120;
  if (room < smallest) return new TransactionPool(random, place, 0, 0);
  // Ordinary blocks hold a few small transactions; big ones hold big ones, so that building stays quick.
  const perBlock = Math.max(1, Math.min(Math.floor(room / 300), 40));
  return new TransactionPool(random, place, perBlock, Math.floor(room / perBlock), perBlock === 1 ? 32 : 8);
}
