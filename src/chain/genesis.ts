/**
 * Block 0: what nobody signs and everybody must agree on (chain-format.md §12).
 *
 * Why it exists: trust begins with this hash, and it is computed here from the account tables rather than believed.
 * What must stay true: the same parameters always give the same bytes; the state root is the root of exactly the
 * allocations beside it.
 */
import { fromHex } from "../base/mod.ts";
import { type Block, decodeBlock, encodeBlock } from "./block.ts";
import { EMPTY_ROOT } from "./index_trie.ts";
import { makeHeader } from "./header.ts";
import type { HeaderVersion } from "./header.ts";
import type { NetworkName } from "./network_name.ts";
import { encodeShardState, shardStateHash } from "./shard_state.ts";
import type { ShardState } from "./shard_state.ts";

/** An account that exists in the genesis state, with nonce 0, no code and no storage. */
export interface GenesisAllocation {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** atto. */
  readonly balance: bigint;
}

/** The state before block 1. */
export interface GenesisState {
  readonly allocations: readonly GenesisAllocation[];
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** What the genesis header of one shard is made of. */
export interface GenesisSpec {
  readonly shardId: number;
  readonly version: HeaderVersion;
  readonly gasLimit: bigint;
  /** Seconds since 1970. */
  readonly time: bigint;
  readonly extra: Uint8Array;
  /** 32 bytes. */
  readonly stateRoot: Uint8Array;
  /** Legacy form: all shards for shard 0, the shard's own committee elsewhere. */
  readonly shardState: ShardState;
}

/** Time of the genesis block of every built-in network, seconds since 1970. */
export const GENESIS_TIME = 1_561_734_000n;
/** Extra data of every built-in genesis block. */
export const GENESIS_EXTRA: Uint8Array = new TextEncoder().encode(
  "Harmony for One and All. Open Consensus for 10B.",
);

const ONE = 10n ** 18n;
const MAINNET_TREASURY = fromHex("e25abc3f7c3d5fb7fb81eafd421ff1621a61107c");
const TEST_DEPLOYER = fromHex("15a128e599b74842bccba860311efa92991bffb5");
const LOCAL_FAUCET = fromHex("a5241513da9f4463f1d4874b548dfbac29d91f34");

const MAINNET_BEACON: GenesisState = {
  allocations: [{ address: MAINNET_TREASURY, balance: 12_600_000_000n * ONE }],
  root: fromHex("8be048c908585bbb6b155324ad8a854484994ab27e5987af134ad036079675bf"),
};
const NOTHING: GenesisState = { allocations: [], root: EMPTY_ROOT };
const TEST_NETWORKS: GenesisState = {
  allocations: [{ address: TEST_DEPLOYER, balance: 10_000_000_000n * ONE }],
  root: fromHex("9e470e803db498e6ba3c9108d3f951060e7121289c2354b8b185349ddef4fc0a"),
};
const LOCALNET: GenesisState = {
  allocations: [
    { address: TEST_DEPLOYER, balance: 10_000_000_000n * ONE },
    { address: LOCAL_FAUCET, balance: 10_000_000_000n * ONE },
  ],
  root: fromHex("0fd45a16d7b29584880824530746a3ef42864c9c42c3c8301e239584d3c8efb9"),
};

/** The accounts that a shard of a built-in network starts with (chain-format.md §12.2). */
export function genesisState(network: NetworkName, shardId: number): GenesisState {
  if (network === "mainnet") return shardId === 0 ? MAINNET_BEACON : NOTHING;
  return network === "localnet" ? LOCALNET : TEST_NETWORKS;
}

/** Gas limit of the genesis block (chain-format.md §12.1). */
export function genesisGasLimit(network: NetworkName): bigint {
  return network === "mainnet" ? 4_712_388n : 80_000_000n;
}

/** The genesis block of one shard: an empty body under a header that carries the first committees. */
export function makeGenesisBlock(spec: GenesisSpec): Block {
  const header = makeHeader({
    version: spec.version,
    parentHash: new Uint8Array(32),
    coinbase: new Uint8Array(20),
    stateRoot: spec.stateRoot,
    txRoot: EMPTY_ROOT,
    receiptsRoot: EMPTY_ROOT,
    outgoingReceiptHash: EMPTY_ROOT,
    incomingReceiptHash: EMPTY_ROOT,
    bloom: new Uint8Array(256),
    number: 0,
    gasLimit: spec.gasLimit,
    gasUsed: 0n,
    time: spec.time,
    extra: spec.extra,
    mixDigest: new Uint8Array(32),
    viewId: 0n,
    epoch: 0,
    shardId: spec.shardId,
    lastCommitSignature: new Uint8Array(96),
    lastCommitBitmap: new Uint8Array(0),
    shardStateHash: spec.version === "v3" ? new Uint8Array(32) : shardStateHash(spec.shardState.committees),
    vrf: new Uint8Array(0),
    vdf: new Uint8Array(0),
    shardState: encodeShardState(spec.shardState),
    crossLinks: new Uint8Array(0),
    slashes: new Uint8Array(0),
  });
  return decodeBlock(encodeBlock({ header }));
}
