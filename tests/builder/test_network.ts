/**
 * A network of our own: parameters, and the committees of every epoch, all from a seed.
 *
 * Why it exists: hostile tests need the keys of whole committees and committees that really change hands. What must stay
 * true: the committees of an epoch depend on the seed and the epoch only, so that all shards and all forks of a chain
 * agree on them; consecutive committees share too little power to stand in for each other.
 */
import { createHash } from "node:crypto";
import { SeededRandom, toHex } from "../../src/base/mod.ts";
import {
  type Committee,
  customNetwork,
  DEC_ONE,
  type ForkEpochs,
  type NetworkParams,
  type ShardState,
  type Slot,
} from "../../src/chain/mod.ts";
import { type ChainSigner, noiseSigner } from "./signer.ts";

export interface TestNetworkOptions {
  readonly seed: number;
  /** Default `test-<seed>`. */
  readonly name?: string;
  /** Default 50. */
  readonly epochLength?: number;
  readonly firstEpochLength?: number;
  /** Default 2. */
  readonly shardCount?: number;
  /** Slots of a shard without stake in the staking era, default 3. */
  readonly reservedSlots?: number;
  /** Elected slots of a shard, default 6; in the staking era their number changes by one from epoch to epoch. */
  readonly electedSlots?: number;
  /** First epoch of the staking era, from 1, default 2. */
  readonly stakingEpoch?: number;
  /** Further changes to the fork table of `customNetwork`. */
  readonly forks?: Partial<ForkEpochs>;
  /** Share of the reserved slots, default "0.30": no quorum without elected slots. */
  readonly harmonyVoteShare?: string;
  /** Real signatures; default none. */
  readonly signer?: ChainSigner;
}

export interface TestNetwork {
  readonly seed: number;
  readonly params: NetworkParams;
  readonly signer: ChainSigner;
  /** The committees of an epoch, all shards; from staking on they say their epoch. */
  shardState(epoch: number): ShardState;
  /** The committee of a shard in an epoch. */
  committee(epoch: number, shardId: number): Committee;
  /** The secret key of a public key that is or was in a committee. @throws {Error} for a stranger's. */
  secretKeyOf(blsKey: Uint8Array): Uint8Array;
  /** A generator for whatever is named by these numbers; the same every time. */
  random(...purpose: readonly number[]): SeededRandom;
  /** The coinbase of blocks that this slot leads (20 bytes), which is derived from the key in the staking era. */
  coinbaseOf(slot: Slot, epoch: number): Uint8Array;
}

interface Validator {
  /** 20 bytes. */
  readonly address: Uint8Array;
  readonly secretKey: Uint8Array;
  readonly blsKey: Uint8Array;
}

/** Mixes numbers into a seed; nearby inputs give unrelated generators. */
function mixedSeed(seed: number, purpose: readonly number[]): number {
  let mixed = seed >>> 0;
  for (const part of purpose) {
    mixed = Math.imul(mixed ^ (part >>> 0), 0x9e3779b1) >>> 0;
    mixed ^= mixed >>> 15;
  }
  return mixed >>> 0;
}

const RESERVED = 1;
const ELECTED = 2;
const STAKE = 3;
const SIZE = 4;

/** A network of its own for this seed. */
export function testNetwork(options: TestNetworkOptions): TestNetwork {
  const { seed } = options;
  const shardCount = options.shardCount ?? 2;
  const reservedSlots = options.reservedSlots ?? 3;
  const electedSlots = options.electedSlots ?? 6;
  const stakingEpoch = options.stakingEpoch ?? 2;
  const random = (...purpose: readonly number[]) => new SeededRandom(mixedSeed(seed, purpose));
  // A committee without stakes, such as that of genesis, has no quorum under the rules of the staking era.
  if (stakingEpoch < 1) throw new RangeError("a test network cannot begin in the staking era");
  const signer = options.signer ?? noiseSigner(random(0));

  const secrets = new Map<string, Uint8Array>();
  const validators = new Map<string, Validator>();
  const validator = (kind: number, index: number): Validator => {
    const name = `${kind}/${index}`;
    const known = validators.get(name);
    if (known !== undefined) return known;
    const source = random(kind, index);
    const secretKey = signer.secretKey(source);
    const made = { address: source.bytes(20), secretKey, blsKey: signer.publicKey(secretKey) };
    validators.set(name, made);
    secrets.set(toHex(made.blsKey), secretKey);
    return made;
  };

  // Genesis committees have no stakes and never say their epoch.
  const isStaking = (epoch: number) => epoch > 0 && epoch >= stakingEpoch;
  const committeeOf = (epoch: number, shardId: number): Committee => {
    const staking = isStaking(epoch);
    const slots: Slot[] = [];
    for (let i = 0; i < reservedSlots; i++) {
      const { address, blsKey } = validator(RESERVED, i * shardCount + shardId);
      slots.push({ address, blsKey, stake: undefined });
    }
    // Validators come from three pools in turn: nobody is elected twice running, everybody comes back.
    const extra = staking && electedSlots > 1 ? random(SIZE, epoch, shardId).int(3) - 1 : 0;
    for (let i = 0; i < electedSlots + extra; i++) {
      const index = ((epoch % 3) * (electedSlots + 1) + i) * shardCount + shardId;
      const { address, blsKey } = validator(ELECTED, index);
      const stake = staking
        ? BigInt(10_000 + random(STAKE, epoch, index).int(90_000)) * DEC_ONE * DEC_ONE
        : undefined;
      slots.push({ address, blsKey, stake });
    }
    return { shardId, slots };
  };
  const states = new Map<number, ShardState>();
  const shardState = (epoch: number): ShardState => {
    const known = states.get(epoch);
    if (known !== undefined) return known;
    const state: ShardState = {
      epoch: isStaking(epoch) ? epoch : undefined,
      committees: Array.from({ length: shardCount }, (_, shardId) => committeeOf(epoch, shardId)),
    };
    states.set(epoch, state);
    return state;
  };

  const epochLength = options.epochLength ?? 50;
  const params = customNetwork({
    name: options.name ?? `test-${seed}`,
    genesisCommittees: shardState(0).committees,
    epochLength,
    firstEpochLength: options.firstEpochLength ?? epochLength,
    forks: { ...options.forks, staking: stakingEpoch, crossLink: stakingEpoch },
    harmonyVoteShare: options.harmonyVoteShare ?? "0.30",
    harmonySlotsPerShard: reservedSlots,
    genesisStateRoot: random(5).bytes(32),
  });
  return {
    seed,
    params,
    signer,
    random,
    shardState,
    committee(epoch, shardId) {
      const committee = shardState(epoch).committees[shardId];
      if (committee === undefined) {
        throw new Error(`the test network of seed ${seed} has no shard ${shardId}`);
      }
      return committee;
    },
    secretKeyOf(blsKey) {
      const secret = secrets.get(toHex(blsKey));
      if (secret === undefined) {
        throw new Error(`no secret key for ${toHex(blsKey)} in the network of seed ${seed}`);
      }
      return secret;
    },
    coinbaseOf(slot, epoch) {
      if (epoch < stakingEpoch) return slot.address;
      return new Uint8Array(createHash("sha256").update(slot.blsKey).digest()).subarray(0, 20);
    },
  };
}
