/**
 * Committees: who may sign the blocks of an epoch, in the order of the bits of a signer bitmap
 * (chain-format.md §10).
 *
 * Why it exists: a block that ends an epoch hands over to the next committees in these bytes. What must stay true:
 * what decodes encodes to the same bytes; slots are never sorted or de-duplicated, because their order is the order
 * of the bits.
 */
import { concat, equalBytes } from "../base/mod.ts";
import { keccak256 } from "../crypto/mod.ts";
import { readDec, rlpDec } from "./decimal.ts";
import type { Dec } from "./decimal.ts";
import { RLP_EMPTY_LIST, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** One seat. */
export interface Slot {
  /** 20 bytes. */
  readonly address: Uint8Array;
  /** 48 bytes: public key in Harmony's BLS serialization; may be no valid point. */
  readonly blsKey: Uint8Array;
  /**
   * Effective stake as a raw decimal: atto times 10^18, as on the wire. Undefined: a slot without stake, which before
   * staking is every slot, and from then on a slot that Harmony runs. Zero is not undefined.
   */
  readonly stake: Dec | undefined;
}

/** The slots of one shard. */
export interface Committee {
  readonly shardId: number;
  readonly slots: readonly Slot[];
}

/** The committees that a header carries. */
export interface ShardState {
  /** The epoch they serve in; undefined in the legacy form, which does not say. */
  readonly epoch: number | undefined;
  readonly committees: readonly Committee[];
}

const WHAT = "shard state";

function readSlot(reader: RlpReader, staked: boolean): Slot {
  const list = reader.list("slot");
  const address = list.fixed(20, "slot address");
  const blsKey = list.fixed(48, "slot BLS key");
  let stake: Dec | undefined;
  if (staked) {
    // An empty list says "no stake"; the decimal zero is a list of one empty item.
    const item = list.raw("slot stake");
    if (item.length !== 1 || item[0] !== RLP_EMPTY_LIST[0]) {
      stake = readDec(new RlpReader(item, WHAT), "slot stake");
    }
  }
  list.finish();
  return { address, blsKey, stake };
}

function readCommittees(list: RlpReader, staked: boolean): Committee[] {
  const committees: Committee[] = [];
  while (!list.done) {
    const item = list.list("committee");
    const shardId = item.uint32("committee shard id");
    const slotList = item.list("committee slots");
    item.finish();
    const slots: Slot[] = [];
    while (!slotList.done) slots.push(readSlot(slotList, staked));
    committees.push({ shardId, slots });
  }
  return committees;
}

/**
 * Committees from the bytes of `header.ShardState`, in either form: the staking form begins with an epoch (a
 * string), the legacy form with a committee (a list). Addresses and keys are views into `bytes`.
 *
 * @throws {HsyncError} fault DATA: empty input, or neither form exactly.
 */
export function decodeShardState(bytes: Uint8Array): ShardState {
  const whole = new RlpReader(bytes, WHAT);
  const outer = whole.list(WHAT);
  whole.finish();
  if (outer.done || outer.nextIsList("first item")) {
    return { epoch: undefined, committees: readCommittees(outer, false) };
  }
  const epoch = outer.safeInteger("epoch");
  const committees = readCommittees(outer.list("committees"), true);
  outer.finish();
  return { epoch, committees };
}

function encodeSlot(slot: Slot, staked: boolean): Uint8Array {
  const items = [rlpFixed(slot.address, 20, "slot address"), rlpFixed(slot.blsKey, 48, "slot BLS key")];
  if (staked) items.push(slot.stake === undefined ? RLP_EMPTY_LIST : rlpDec(slot.stake));
  else if (slot.stake !== undefined) {
    throw new RangeError("cannot encode a stake in the legacy form of a shard state");
  }
  return rlpList(items);
}

/**
 * Bytes for `header.ShardState`: the staking form when the state says its epoch, else the legacy form.
 *
 * @throws {RangeError} a key or address of the wrong size, or a stake in a state without epoch: a fault of the caller.
 */
export function encodeShardState(state: ShardState): Uint8Array {
  const staked = state.epoch !== undefined;
  const committees = state.committees.map((committee) =>
    rlpList([
      rlpUint(committee.shardId),
      rlpList(committee.slots.map((slot) => encodeSlot(slot, staked))),
    ])
  );
  return state.epoch === undefined
    ? rlpList(committees)
    : rlpList([rlpUint(state.epoch), rlpList(committees)]);
}

/**
 * The hash that headers before v3 carry beside a shard state (chain-format.md §10.4): over addresses and keys, not
 * over stakes or the epoch.
 *
 * @returns 32 bytes.
 */
export function shardStateHash(committees: readonly Committee[]): Uint8Array {
  const sorted = [...committees].sort((a, b) => a.shardId - b.shardId);
  const hashes = sorted.filter((committee) => committee.slots.length > 0).map((committee) =>
    keccak256(concat(...committee.slots.flatMap((slot) => [slot.address, slot.blsKey])))
  );
  return keccak256(concat(...hashes));
}

/** The committee of a shard, the first one should there be several; undefined: that shard has none. */
export function committeeOfShard(state: ShardState, shardId: number): Committee | undefined {
  return state.committees.find((committee) => committee.shardId === shardId);
}

/** True when both have the same slots (address, key, stake) in the same order for the same shard. */
export function sameCommittee(a: Committee, b: Committee): boolean {
  return a.shardId === b.shardId && a.slots.length === b.slots.length &&
    a.slots.every((slot, i) => {
      const other = b.slots[i];
      return other !== undefined && slot.stake === other.stake && equalBytes(slot.address, other.address) &&
        equalBytes(slot.blsKey, other.blsKey);
    });
}

/** What `nextEpoch` reads of a header; a `Header` fits. */
export interface EpochEnd {
  readonly number: number;
  readonly epoch: number;
  /** The bytes of the field, empty when the block does not end its epoch. */
  readonly shardState: Uint8Array;
}

/**
 * The epoch of a block's child (chain-format.md §10.2): the block's own unless it hands over; then the epoch that the
 * new committees name, when they name one of the staking era (a shard other than 0 may jump so), else the one after.
 *
 * @param state the decoded `header.shardState`, when the caller has it; it is decoded here otherwise.
 * @param params of the network; only the first epoch of the staking era is read.
 * @throws {HsyncError} fault DATA: the shard state does not decode.
 */
export function nextEpoch(
  header: EpochEnd,
  state: ShardState | undefined,
  params: { readonly stakingEpoch: number },
): number {
  if (header.shardState.length === 0) return header.epoch;
  const epoch = (state ?? decodeShardState(header.shardState)).epoch;
  if (epoch !== undefined && epoch >= params.stakingEpoch) return epoch;
  return header.number === 0 ? header.epoch : header.epoch + 1;
}
