/**
 * Staking transactions (chain-format.md §5).
 *
 * Why it exists: the envelope is what is hashed, signed and put into the transaction trie; the message inside is
 * a matter of execution. What must stay true: a transaction whose message has the wrong shape still decodes, as
 * in the reference, and only `message()` refuses it.
 */
import { HsyncError } from "../base/mod.ts";
import { keccak256, recoverAddress } from "../crypto/mod.ts";
import { RLP_EMPTY_STRING, rlpList, RlpReader, rlpUint } from "./rlp.ts";
import { chainIdOfV, isUnprotectedV, recoveryIdOfV } from "./signature.ts";
import { decodeStakingMessage, type StakingMessage } from "./staking_message.ts";

/** What a staking transaction says. */
export interface StakingTransactionFields {
  /** The directive byte; `Directive` names the known ones. */
  readonly directive: number;
  /** RLP of the message. */
  readonly messageBytes: Uint8Array;
  readonly nonce: bigint;
  /** In atto. */
  readonly gasPrice: bigint;
  readonly gasLimit: bigint;
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

/** A staking transaction together with its bytes. */
export class StakingTransaction implements StakingTransactionFields {
  /** The 8-item list. */
  readonly bytes: Uint8Array;
  readonly directive: number;
  readonly messageBytes: Uint8Array;
  readonly nonce: bigint;
  readonly gasPrice: bigint;
  readonly gasLimit: bigint;
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
  #hash: Uint8Array | undefined;
  #sender: Uint8Array | undefined;
  #message: StakingMessage | undefined;

  private constructor(bytes: Uint8Array, fields: StakingTransactionFields) {
    this.bytes = bytes;
    this.directive = fields.directive;
    this.messageBytes = fields.messageBytes;
    this.nonce = fields.nonce;
    this.gasPrice = fields.gasPrice;
    this.gasLimit = fields.gasLimit;
    this.v = fields.v;
    this.r = fields.r;
    this.s = fields.s;
  }

  /**
   * A staking transaction from its RLP. The message may be any well-formed item.
   *
   * @throws {HsyncError} fault DATA.
   */
  static decode(bytes: Uint8Array): StakingTransaction {
    const whole = new RlpReader(bytes, "staking transaction");
    const r = whole.list("staking transaction");
    whole.finish();
    const fields = {
      directive: r.uint8("directive"),
      messageBytes: r.rawDeep("message"),
      nonce: r.uint64("nonce"),
      gasPrice: r.bigint("gasPrice"),
      gasLimit: r.uint64("gasLimit"),
      v: r.bigint("v"),
      r: r.bigint("r"),
      s: r.bigint("s"),
    };
    r.finish();
    return new StakingTransaction(bytes, fields);
  }

  /** Identity, 32 bytes. */
  get hash(): Uint8Array {
    return this.#hash ??= keccak256(this.bytes);
  }
  /** The same as `hash`: staking transactions have no Ethereum form. */
  get hashByType(): Uint8Array {
    return this.hash;
  }
  get chainId(): bigint {
    return chainIdOfV(this.v);
  }
  /** What was signed, 32 bytes, with the chain id that V names. */
  get signingHash(): Uint8Array {
    return stakingSigningHash(this, this.chainId);
  }
  /**
   * The address (20 bytes) that signed. Whether the chain id is the network's is not looked at: neither does the
   * reference when it executes a block (chain-format.md §5.3).
   *
   * @throws {HsyncError} SIGNATURE_INVALID, fault DATA.
   */
  get sender(): Uint8Array {
    if (this.#sender === undefined) {
      if (isUnprotectedV(this.v)) {
        throw new HsyncError("SIGNATURE_INVALID", `staking transaction without chain id (V is ${this.v})`, {
          fault: "DATA",
        });
      }
      const { r, s } = this;
      this.#sender = recoverAddress(this.signingHash, { r, s, recoveryId: recoveryIdOfV(this.v) });
    }
    return this.#sender;
  }
  /** What the transaction asks for, decoded on first use. @throws {HsyncError} fault DATA. */
  message(): StakingMessage {
    return this.#message ??= decodeStakingMessage(this.directive, this.messageBytes);
  }
}

/** See {@link StakingTransaction.decode}. */
export function decodeStakingTransaction(bytes: Uint8Array): StakingTransaction {
  return StakingTransaction.decode(bytes);
}

type Unsigned = Omit<StakingTransactionFields, "v" | "r" | "s">;

function leadingItems(fields: Unsigned): Uint8Array[] {
  return [
    rlpUint(fields.directive),
    fields.messageBytes,
    rlpUint(fields.nonce),
    rlpUint(fields.gasPrice),
    rlpUint(fields.gasLimit),
  ];
}

/** RLP of a staking transaction: 8 items. @throws {RangeError} a number out of range. */
export function encodeStakingTransaction(fields: StakingTransactionFields): Uint8Array {
  return rlpList([...leadingItems(fields), rlpUint(fields.v), rlpUint(fields.r), rlpUint(fields.s)]);
}

/** What a signer of a staking transaction signs, 32 bytes. @param chainId the Harmony chain id. */
export function stakingSigningHash(fields: Unsigned, chainId: bigint): Uint8Array {
  return keccak256(rlpList([...leadingItems(fields), rlpUint(chainId), RLP_EMPTY_STRING, RLP_EMPTY_STRING]));
}
