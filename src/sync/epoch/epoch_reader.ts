/**
 * The epoch chain as others read it over `epochsync` (sync-protocol.md §2.1, §2.8).
 *
 * Why it exists: a Go node of another shard keeps headers only, and ends the stream of whoever asks it for a block it has;
 * this one keeps whole blocks, so it can give them. What must stay true: heights between the ends of epochs are gaps, not
 * errors; a block without a certificate that we verified is not given.
 */
import { equalBytes } from "../../base/mod.ts";
import type { NetworkParams } from "../../chain/mod.ts";
import type { ChainReader } from "../../stream/mod.ts";
import type { EpochBlock, EpochPoint } from "./types.ts";

/** What is read of the chain. */
export interface ReadableEpochs {
  readonly params: NetworkParams;
  head(): EpochPoint | undefined;
  base(): EpochPoint | undefined;
  at(epoch: number): EpochPoint | undefined;
  block(epoch: number): Promise<Pick<EpochBlock, "bytes" | "commitSig"> | undefined>;
  epochOfHash(hash: Uint8Array): number | undefined;
}

/** A reader over `chain`, which may grow meanwhile. Block 0 is the network's, as with every node. */
export function epochChainReader(chain: ReadableEpochs): ChainReader {
  const { params } = chain;
  const genesis = params.genesisBlock(0);
  const pointAt = (number: number): EpochPoint | undefined => {
    if (!Number.isSafeInteger(number) || number < 0 || !params.schedule.isLastBlock(number)) return undefined;
    return chain.at(params.schedule.epochOf(number));
  };
  return {
    head: () => chain.head() ?? { number: 0, hash: genesis.hash },
    lowest: () => chain.base()?.number ?? 0,
    hashAt: (number) => Promise.resolve((number === 0 ? genesis.hash : pointAt(number)?.hash)?.slice()),
    numberOf: (hash) => {
      const epoch = chain.epochOfHash(hash);
      if (epoch !== undefined) return Promise.resolve(chain.at(epoch)?.number);
      return Promise.resolve(equalBytes(hash, genesis.hash) ? 0 : undefined);
    },
    blockAt: async (number) => {
      if (number === 0) return { bytes: genesis.bytes.slice(), commitSig: new Uint8Array(96) };
      const point = pointAt(number);
      return point === undefined ? undefined : await chain.block(point.epoch);
    },
    // Receipts are no part of it.
    receiptsAt: () => Promise.resolve(undefined),
  };
}
