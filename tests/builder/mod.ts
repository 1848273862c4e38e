/**
 * Chains made to measure.
 *
 * Why it exists: one call gives a test network and a chain of it. What must stay true: `blocks[n].number` is `n`.
 */
import type { NetworkParams } from "../../src/chain/mod.ts";
import { type BuilderOptions, type BuiltBlock, ChainBuilder } from "./chain_builder.ts";
import { type TestNetwork, testNetwork, type TestNetworkOptions } from "./test_network.ts";

export { type BlockChange, type BuilderOptions, type BuiltBlock, ChainBuilder } from "./chain_builder.ts";
export { forgeNext, FORGERIES, type Forgery } from "./forgeries.ts";
export { blsSigner, type ChainSigner } from "./signer.ts";
export { type TestNetwork, testNetwork, type TestNetworkOptions } from "./test_network.ts";
export { signedTransaction } from "./transactions.ts";

export interface BuildChainOptions extends TestNetworkOptions, BuilderOptions {
  /** Height of the newest block: `length` blocks are built on top of genesis. */
  readonly length: number;
}

export interface BuiltChain {
  readonly network: TestNetwork;
  readonly params: NetworkParams;
  /** From genesis on: `blocks[n].number === n`. */
  readonly blocks: readonly BuiltBlock[];
}

/** A network and a chain of `length` linked blocks above its genesis; the same for the same options. */
export function buildChain(options: BuildChainOptions): BuiltChain {
  const network = testNetwork(options);
  return { network, params: network.params, blocks: buildBlocks(network, options.length, options) };
}

/** A chain of one shard of a network that exists already. */
export function buildBlocks(
  network: TestNetwork,
  length: number,
  options: BuilderOptions = {},
): BuiltBlock[] {
  const builder = ChainBuilder.start(network, options);
  const blocks = [builder.head];
  for (let i = 0; i < length; i++) blocks.push(builder.next());
  return blocks;
}
