/**
 * Chains for the sync tests: the recorded one, and made-up ones with forks.
 *
 * Why it exists: the recorded chain is real, but it cannot fork and is short. What must stay true: every block here
 * links to the one below it; a fork shares the blocks below its first own height.
 */
import { concat, fromHex, HsyncError } from "../../../src/base/mod.ts";
import {
  decodeBlock,
  encodeBlock,
  type Header,
  type HeaderFields,
  makeHeader,
} from "../../../src/chain/mod.ts";
import type { DeliveredBlock } from "../../../src/stream/mod.ts";
import { recordedBlocks } from "../../vectors/load.ts";

/** Blocks by number; index 0 is genesis. */
export interface TestChain {
  readonly blocks: readonly DeliveredBlock[];
}

export function at(chain: TestChain, number: number): DeliveredBlock {
  const block = chain.blocks[number];
  if (block === undefined) throw new HsyncError("TEST", `the chain has no block ${number}`);
  return block;
}
export function hashAt(chain: TestChain, number: number): Uint8Array {
  return at(chain, number).block.hash;
}
export function tip(chain: TestChain): number {
  return chain.blocks.length - 1;
}

const recorded = new Map<number, TestChain>();

/** The recorded chain of a localnet shard. */
export function recordedChain(shard: 0 | 1): TestChain {
  const known = recorded.get(shard);
  if (known !== undefined) return known;
  const chain = {
    blocks: recordedBlocks(shard).map((line) => ({
      block: decodeBlock(fromHex(line.blockRLP)),
      commitSig: fromHex(line.commitSig),
    })),
  };
  recorded.set(shard, chain);
  return chain;
}

const TEMPLATE: HeaderFields = (() => {
  const zero = (n: number) => new Uint8Array(n);
  return {
    version: "v3",
    parentHash: zero(32),
    coinbase: zero(20),
    stateRoot: zero(32),
    txRoot: fromHex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    receiptsRoot: fromHex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    outgoingReceiptHash: fromHex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    incomingReceiptHash: fromHex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    bloom: zero(256),
    number: 0,
    gasLimit: 80_000_000n,
    gasUsed: 0n,
    time: 1_700_000_000n,
    extra: zero(0),
    mixDigest: zero(32),
    viewId: 0n,
    epoch: 5,
    shardId: 0,
    lastCommitSignature: zero(96),
    lastCommitBitmap: zero(0),
    shardStateHash: zero(32),
    vrf: zero(0),
    vdf: zero(0),
    shardState: zero(0),
    crossLinks: zero(0),
    slashes: zero(0),
  };
})();

function deliver(header: Header): DeliveredBlock {
  return {
    block: decodeBlock(encodeBlock({ header })),
    commitSig: concat(new Uint8Array(96), new Uint8Array([1])),
  };
}

/** A block like `base` with other header fields; it links only where `base` did. */
export function variant(base: DeliveredBlock, change: Partial<HeaderFields>): DeliveredBlock {
  return deliver(makeHeader({ ...TEMPLATE, ...fieldsOf(base), ...change }));
}
function fieldsOf(base: DeliveredBlock): Partial<HeaderFields> {
  const { number, parentHash, epoch, shardId, time } = base.block.header;
  return { number, parentHash, epoch, shardId, time };
}

/**
 * A made-up chain of blocks 0..`length`.
 *
 * @param flavour goes into every own block, so that chains of different flavour differ.
 * @param fork blocks below `from` are taken from another chain.
 */
export function madeChain(
  length: number,
  flavour = 0,
  fork?: { readonly from: number; readonly of: TestChain },
): TestChain {
  const blocks: DeliveredBlock[] = [];
  for (let number = 0; number <= length; number++) {
    if (fork !== undefined && number < fork.from) {
      blocks.push(at(fork.of, number));
      continue;
    }
    const parent = blocks.at(-1);
    blocks.push(deliver(makeHeader({
      ...TEMPLATE,
      number,
      parentHash: parent?.block.hash ?? TEMPLATE.parentHash,
      time: TEMPLATE.time + BigInt(2 * number),
      viewId: BigInt(number),
      extra: new Uint8Array([flavour]),
    })));
  }
  return { blocks };
}

/** The lowest blocks of a chain, up to `height`. */
export function upTo(chain: TestChain, height: number): TestChain {
  return { blocks: chain.blocks.slice(0, height + 1) };
}
