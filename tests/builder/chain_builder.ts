/**
 * Makes chains of linked blocks, as long and as big as a test wants, the same for the same seed.
 *
 * Why it exists: recorded chains are a few hundred blocks long and cannot be bent; benchmarks need ten thousand blocks and
 * hostile tests need forks. What must stay true: what `next` makes without changes obeys every rule an honest
 * chain obeys; whatever is wrong with a block was asked for.
 */
import { type SeededRandom } from "../../src/base/mod.ts";
import {
  type Block,
  commitPayload,
  type CommitSig,
  type Committee,
  decodeBlock,
  EMPTY_ROOT,
  encodeBlock,
  encodeShardState,
  type HeaderFields,
  joinCommitSig,
  makeHeader,
  shardStateHash,
  transactionsRoot,
} from "../../src/chain/mod.ts";
import { type EpochCommittee, epochCommittee } from "../../src/consensus/mod.ts";
import type { TestNetwork } from "./test_network.ts";
import { poolForBlockSize, type TransactionPool } from "./transactions.ts";

/** A block together with what a store keeps beside it. */
export interface BuiltBlock {
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly block: Block;
  /** Wire form of the block. */
  readonly bytes: Uint8Array;
  /** Signature ‖ bitmap over this block; the next block carries the same. For block 0: 96 zero bytes. */
  readonly commitSig: Uint8Array;
  /** Consensus RLP of each receipt; their root is the header's. */
  readonly receipts: readonly Uint8Array[];
}

export interface BuilderOptions {
  readonly shardId?: number;
  /** Size of a block in bytes, about; default: no transactions, some 850 bytes. */
  readonly bytesPerBlock?: number;
  /** Chance that a committee member's signature is missing, as far as the quorum allows; default 0.1. */
  readonly absence?: number;
}

/** How a block is to differ from the honest one. */
export interface BlockChange {
  /** Header fields to replace, after everything else was filled in. */
  readonly header?: Partial<HeaderFields>;
  /** RLP items instead of drawn transactions; the root follows them. */
  readonly transactions?: readonly Uint8Array[];
  /** RLP items of incoming receipts. */
  readonly incomingReceipts?: readonly Uint8Array[];
  /** Makes the certificate over this block; default: the right committee with quorum. */
  readonly certify?: (block: Block) => CommitSig;
}

const EMPTY = new Uint8Array(0);
const TRANSACTIONS = 10;
const BLOCKS = 11;
const EPOCH_END = 12;

/** A growing chain of one shard of a test network. */
export class ChainBuilder {
  readonly network: TestNetwork;
  readonly shardId: number;
  readonly #options: BuilderOptions;
  readonly #random: SeededRandom;
  readonly #pool: TransactionPool;
  #head: BuiltBlock;
  #committee: EpochCommittee | undefined;

  private constructor(
    network: TestNetwork,
    options: BuilderOptions,
    random: SeededRandom,
    pool: TransactionPool,
    head: BuiltBlock,
  ) {
    this.network = network;
    this.shardId = options.shardId ?? 0;
    this.#options = options;
    this.#random = random;
    this.#pool = pool;
    this.#head = head;
  }

  /** A chain that holds its genesis block. */
  static start(network: TestNetwork, options: BuilderOptions = {}): ChainBuilder {
    const shardId = options.shardId ?? 0;
    const block = network.params.genesisBlock(shardId);
    const genesis: BuiltBlock = {
      number: 0,
      hash: block.hash,
      block,
      bytes: block.bytes,
      commitSig: new Uint8Array(96),
      receipts: [],
    };
    const pool = poolForBlockSize(
      network.random(TRANSACTIONS, shardId),
      { chainId: network.params.chainId, shardId },
      options.bytesPerBlock ?? 0,
      EMPTY_BLOCK_BYTES,
    );
    return new ChainBuilder(network, options, network.random(BLOCKS, shardId), pool, genesis);
  }

  /** The newest block. */
  get head(): BuiltBlock {
    return this.#head;
  }

  /** Another chain that goes on from this head, with other blocks for another `salt`. */
  fork(salt: number): ChainBuilder {
    const random = this.network.random(BLOCKS, this.shardId, this.#head.number, salt);
    return new ChainBuilder(this.network, this.#options, random, this.#pool, this.#head);
  }

  /** The committee that signs blocks of an epoch. */
  committee(epoch: number): EpochCommittee {
    if (this.#committee?.epoch !== epoch) {
      this.#committee = epochCommittee(
        this.network.params,
        epoch,
        this.network.committee(epoch, this.shardId),
      );
    }
    return this.#committee;
  }

  /** True when an honest chain's block at this height hands over to the next epoch. */
  endsEpoch(number: number, epoch: number): boolean {
    const { schedule, isStaking } = this.network.params;
    if (this.shardId === 0 || !isStaking(epoch + 1)) return schedule.isLastBlock(number);
    // From staking on other shards wait for the beacon chain, and so end an epoch some blocks later.
    const length = schedule.lastBlock(epoch) - schedule.firstBlock(epoch) + 1;
    const late = this.network.random(EPOCH_END, this.shardId, epoch).int(Math.min(4, length));
    return number === schedule.lastBlock(epoch) + late;
  }

  /** The epoch that the next honest block has. */
  epochAfterHead(): number {
    const { header, number } = this.#head.block;
    return number > 0 && header.shardState.length > 0 ? header.epoch + 1 : header.epoch;
  }

  /** A certificate by the members of `committee` whose bits are set in `bitmap`. */
  certificate(block: Block, committee: Committee, bitmap: Uint8Array, staking: boolean): CommitSig {
    const secrets = committee.slots.filter((_, i) => ((bitmap[i >> 3] ?? 0) & (1 << (i & 7))) !== 0)
      .map((slot) => this.network.secretKeyOf(slot.blsKey));
    const payload = commitPayload(
      { number: block.number, hash: block.hash, viewId: block.header.viewId },
      staking,
    );
    return { signature: this.network.signer.sign(secrets, payload), bitmap };
  }

  /** An honest certificate: some members are absent, never so many that quorum is lost. */
  honestCertificate(block: Block): CommitSig {
    const committee = this.committee(block.header.epoch);
    const bitmap = this.#presentMembers(committee);
    const plain = { shardId: committee.shardId, slots: committee.slots };
    return this.certificate(block, plain, bitmap, committee.staking);
  }

  #presentMembers(committee: EpochCommittee): Uint8Array {
    const { slots, quorum } = committee;
    const bitmap = new Uint8Array((slots.length + 7) >> 3);
    for (let i = 0; i < slots.length; i++) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
    const absence = this.#options.absence ?? 0.1;
    for (let i = 0; i < slots.length; i++) {
      if (this.#random.next() >= absence) continue;
      bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) & ~(1 << (i & 7));
      if (!quorum.tally(bitmap).reached) bitmap[i >> 3] = (bitmap[i >> 3] ?? 0) | (1 << (i & 7));
    }
    return bitmap;
  }

  /** Appends a block. With a change, what follows it is still honest, but on top of the changed block. */
  next(change: BlockChange = {}): BuiltBlock {
    const parent = this.#head;
    const previous = parent.block.header;
    const number = parent.number + 1;
    const epoch = this.epochAfterHead();
    const { params } = this.network;
    const version = params.headerVersionAt(epoch);
    const ends = this.endsEpoch(number, epoch);
    const committee = this.committee(epoch);
    const leader = committee.slots[number % committee.slots.length];
    const transactions = change.transactions ?? this.#pool.draw(this.#random);
    const outcome = change.transactions === undefined
      ? this.#pool.outcome()
      : { receipts: [], root: EMPTY_ROOT, gasUsed: 0n };
    const body = {
      transactions,
      stakingTransactions: [],
      uncles: [],
      incomingReceipts: change.incomingReceipts ?? [],
    };
    const header = makeHeader({
      version,
      parentHash: parent.hash,
      coinbase: leader === undefined ? new Uint8Array(20) : this.network.coinbaseOf(leader, epoch),
      stateRoot: this.#random.bytes(32),
      txRoot: transactionsRoot(body),
      receiptsRoot: outcome.root,
      outgoingReceiptHash: EMPTY_ROOT,
      incomingReceiptHash: EMPTY_ROOT,
      bloom: new Uint8Array(256),
      number,
      gasLimit: 80_000_000n,
      gasUsed: outcome.gasUsed,
      time: previous.time + 2n,
      extra: EMPTY,
      mixDigest: new Uint8Array(32),
      // Views that failed leave gaps.
      viewId: previous.viewId + 1n + (this.#random.int(20) === 0 ? 1n : 0n),
      epoch,
      shardId: this.shardId,
      lastCommitSignature: parent.commitSig.subarray(0, 96),
      lastCommitBitmap: parent.commitSig.subarray(96),
      shardStateHash: version !== "v3" && ends
        ? shardStateHash(this.network.shardState(epoch + 1).committees)
        : new Uint8Array(32),
      vrf: version !== "v0" && params.isActive("vrf", epoch) ? this.#random.bytes(128) : EMPTY,
      vdf: EMPTY,
      shardState: ends ? encodeShardState(this.network.shardState(epoch + 1)) : EMPTY,
      crossLinks: EMPTY,
      slashes: EMPTY,
      ...change.header,
    });
    const block = decodeBlock(encodeBlock({ header, ...body }));
    const sig = (change.certify ?? ((b) => this.honestCertificate(b)))(block);
    this.#head = {
      number: header.number,
      hash: block.hash,
      block,
      bytes: block.bytes,
      commitSig: joinCommitSig(sig),
      receipts: outcome.receipts,
    };
    return this.#head;
  }
}

/** Size of a block without transactions, about: header, seal of a small committee, random beacon, envelopes. */
const EMPTY_BLOCK_BYTES = 830;
