/**
 * Every rule that a header is held to against its parent, and what happens when it is broken.
 *
 * Why it exists: which oddities end a chain and which are merely noted is a decision of its own, so it stands in
 * one table (consensus-verification.md §d.4). What must stay true: a rule rejects only what an honest network cannot have
 * produced; real chains contain odd view ids and times, and those are logged. Certificates are not judged here.
 */
import { equalBytes, HsyncError, isZero, to0x } from "../base/mod.ts";
import { decodeShardState, nextEpoch, sameCommittee, shardStateHash } from "../chain/mod.ts";
import type { Header, NetworkParams, ShardState } from "../chain/mod.ts";

/** What a rule looks at. */
export interface HeaderContext {
  readonly params: NetworkParams;
  readonly parent: Header;
  readonly header: Header;
  /** The epoch that the parent gives to its child. */
  readonly expectedEpoch: number;
  /** `header.shardState` decoded; undefined when the field is empty. */
  readonly state: ShardState | undefined;
  /** The epoch that `state` would serve in. */
  readonly stateEpoch: number | undefined;
  /** Wall-clock time in seconds since 1970; undefined: not known, nothing is in the future. */
  readonly now: number | undefined;
}

export interface HeaderRule {
  /** Stable; errors carry it as `HEADER_<id>`. */
  readonly id: string;
  /** `reject`: the header is no child of this parent; `log`: it is noted and goes on. */
  readonly fate: "reject" | "log";
  /** What honest headers do. */
  readonly says: string;
  /** What is wrong, or undefined. */
  readonly broken: (c: HeaderContext) => string | undefined;
}

/** Seconds by which a header may be ahead of our clock before that is worth a note. */
const CLOCK_SLACK = 60;
/** View ids advance by failed views; a greater step is noted (one of a thousand million happened in 2026). */
const VIEW_STEP = 1_000_000n;

/** True when the bytes of a hand-over are in the form that its epoch has, and lead forward. */
function stateFormProblem(c: HeaderContext): string | undefined {
  const { header, params, state, stateEpoch } = c;
  if (state === undefined || stateEpoch === undefined) return undefined;
  if (state.epoch === undefined) {
    return params.isStaking(stateEpoch)
      ? `legacy form for epoch ${stateEpoch} of the staking era`
      : undefined;
  }
  if (!params.isStaking(state.epoch)) return `staking form for epoch ${state.epoch}, before the staking era`;
  if (state.epoch <= header.epoch) {
    return `committees for epoch ${state.epoch} handed over in epoch ${header.epoch}`;
  }
  if (header.shardId === 0 && state.epoch !== header.epoch + 1) {
    return `committees for epoch ${state.epoch}, the beacon chain goes on with epoch ${header.epoch + 1}`;
  }
  const ids = state.committees.map((committee) => committee.shardId);
  return new Set(ids).size === ids.length ? undefined : `two committees for one shard (${ids.join(", ")})`;
}

/** Compares a hand-over before staking with the account tables, committee by committee. */
function tableProblem(c: HeaderContext): string | undefined {
  if (c.state === undefined || c.stateEpoch === undefined) return undefined;
  const expected = c.params.tableCommittees(c.stateEpoch);
  if (expected === undefined) return undefined;
  for (const committee of expected) {
    const given = c.state.committees.find((other) => other.shardId === committee.shardId);
    if (given === undefined) return `no committee for shard ${committee.shardId} in epoch ${c.stateEpoch}`;
    if (!sameCommittee(given, committee)) {
      return `the committee of shard ${committee.shardId} in epoch ${c.stateEpoch} is not that of the account tables`;
    }
  }
  return c.state.committees.length === expected.length
    ? undefined
    : `${c.state.committees.length} committees for ${expected.length} shards`;
}

/** The table. Rejecting rules come first and are tried in order, so that the error names the plainest cause. */
export const HEADER_RULES: readonly HeaderRule[] = [
  {
    id: "SHARD",
    fate: "reject",
    says: "the shard of a chain never changes",
    broken: ({ header, parent }) =>
      header.shardId === parent.shardId ? undefined : `shard ${header.shardId} after shard ${parent.shardId}`,
  },
  {
    id: "NUMBER",
    fate: "reject",
    says: "numbers are consecutive",
    broken: ({ header, parent }) =>
      header.number === parent.number + 1 ? undefined : `number ${header.number} after ${parent.number}`,
  },
  {
    id: "PARENT_HASH",
    fate: "reject",
    says: "a header names its parent's hash",
    broken: ({ header, parent }) =>
      equalBytes(header.parentHash, parent.hash)
        ? undefined
        : `parent hash ${to0x(header.parentHash)}, the parent is ${to0x(parent.hash)}`,
  },
  {
    id: "EPOCH",
    fate: "reject",
    says: "the epoch is the one that the parent hands over to, else the parent's",
    broken: ({ header, expectedEpoch }) =>
      header.epoch === expectedEpoch
        ? undefined
        : `epoch ${header.epoch}, the parent leads to ${expectedEpoch}`,
  },
  {
    id: "EPOCH_HEIGHT",
    fate: "reject",
    says: "on shard 0 the schedule binds epochs to heights; other shards follow at any height",
    broken: ({ header, params }) => {
      if (header.shardId !== 0) return undefined;
      const scheduled = params.schedule.epochOf(header.number);
      return header.epoch === scheduled
        ? undefined
        : `epoch ${header.epoch} at a height of epoch ${scheduled}`;
    },
  },
  {
    id: "VERSION",
    fate: "reject",
    says: "the form of a header follows from its epoch",
    broken: ({ header, params }) => {
      const expected = params.headerVersionAt(header.epoch);
      return header.version === expected
        ? undefined
        : `form ${header.version}, epoch ${header.epoch} has ${expected}`;
    },
  },
  {
    id: "SHARD_STATE_PLACE",
    fate: "reject",
    says:
      "on shard 0 exactly the scheduled last blocks carry committees; elsewhere those in legacy form do so only there",
    broken: ({ header, params, state }) => {
      const last = params.schedule.isLastBlock(header.number);
      if (header.shardId !== 0) {
        return last || state === undefined || state.epoch !== undefined
          ? undefined
          : "committees in legacy form in the middle of an epoch";
      }
      if (last === (header.shardState.length > 0)) return undefined;
      return last ? "no committees in the last block of an epoch" : "committees in the middle of an epoch";
    },
  },
  {
    id: "SHARD_STATE_FORM",
    fate: "reject",
    says: "committees come in the form of their epoch, for a later epoch, one for a shard",
    broken: stateFormProblem,
  },
  {
    id: "SHARD_STATE_TABLES",
    fate: "reject",
    says: "before staking the committees are those of the account tables",
    broken: tableProblem,
  },
  {
    id: "VIEW_ID",
    fate: "log",
    says: "view ids grow",
    broken: ({ header, parent }) =>
      header.viewId > parent.viewId || header.number === 1
        ? undefined
        : `view ${header.viewId} after ${parent.viewId}`,
  },
  {
    id: "VIEW_ID_STEP",
    fate: "log",
    says: "view ids do not leap",
    broken: ({ header, parent }) =>
      header.viewId - parent.viewId <= VIEW_STEP ? undefined : `view ${header.viewId} after ${parent.viewId}`,
  },
  {
    id: "TIME_ORDER",
    fate: "log",
    says: "time does not run backwards",
    broken: ({ header, parent }) =>
      header.time >= parent.time ? undefined : `${parent.time - header.time} s before the parent`,
  },
  {
    id: "TIME_FUTURE",
    fate: "log",
    says: "blocks are not from the future",
    broken: ({ header, now }) =>
      now === undefined || header.time <= BigInt(Math.floor(now) + CLOCK_SLACK)
        ? undefined
        : `${header.time - BigInt(Math.floor(now))} s ahead of this machine's clock`,
  },
  {
    id: "FIRST_SEAL",
    fate: "log",
    says: "block 1 carries no signature, because genesis is signed by nobody",
    broken: ({ header }) =>
      header.number !== 1 || (header.lastCommitBitmap.length === 0 && isZero(header.lastCommitSignature))
        ? undefined
        : "block 1 carries a signature",
  },
  {
    id: "MIX_DIGEST",
    fate: "log",
    says: "the mix digest is zero",
    broken: ({ header }) => isZero(header.mixDigest) ? undefined : "a mix digest",
  },
  {
    id: "EXTRA",
    fate: "log",
    says: "only genesis has extra data",
    broken: ({ header }) =>
      header.extra.length === 0 ? undefined : `${header.extra.length} bytes of extra data`,
  },
  {
    id: "VRF",
    fate: "log",
    says: "there are 128 bytes of randomness from its fork on, and none before",
    broken: ({ header, params }) => {
      const expected = params.isActive("vrf", header.epoch) ? 128 : 0;
      return header.vrf.length === expected
        ? undefined
        : `${header.vrf.length} bytes of randomness, not ${expected}`;
    },
  },
  {
    id: "VDF",
    fate: "log",
    says: "the delay-function field stays empty",
    broken: ({ header }) => header.vdf.length === 0 ? undefined : `${header.vdf.length} bytes`,
  },
  {
    id: "SHARD_STATE_HASH",
    fate: "log",
    says: "before v3 a hand-over carries its hash, and other headers zero",
    broken: ({ header, state }) => {
      if (header.version === "v3") return undefined;
      const right = state === undefined
        ? isZero(header.shardStateHash)
        : equalBytes(header.shardStateHash, shardStateHash(state.committees));
      return right ? undefined : `shard state hash ${to0x(header.shardStateHash)}`;
    },
  },
  {
    id: "SHARD_COUNT",
    fate: "log",
    says: "committees are listed by shard, one for every shard of their epoch",
    broken: ({ state, stateEpoch, params }) => {
      if (state === undefined || stateEpoch === undefined) return undefined;
      const count = params.shardCountAt(stateEpoch);
      const inOrder = state.committees.every((committee, i) => committee.shardId === i);
      if (inOrder && state.committees.length === count) return undefined;
      return `committees for shards ${
        state.committees.map((x) => x.shardId).join(", ")
      }, expected ${count} from 0`;
    },
  },
  {
    id: "BEACON_FIELDS",
    fate: "log",
    says: "only the beacon chain carries cross-links and slash records, from their forks on",
    broken: ({ header, params }) => {
      const links = header.shardId === 0 && params.isActive("crossLink", header.epoch);
      const slashes = header.shardId === 0 && params.isStaking(header.epoch);
      if (header.crossLinks.length > 0 && !links) return "cross-links where there can be none";
      return header.slashes.length > 0 && !slashes ? "slash records where there can be none" : undefined;
    },
  },
];

/** A broken rule of the kind that is only noted. */
export interface HeaderOddity {
  /** The rule's id. */
  readonly id: string;
  readonly number: number;
  readonly text: string;
}

function rejected(header: Header, id: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError(
    `HEADER_${id}`,
    `block ${header.number} (${to0x(header.hash).slice(0, 18)}…) is refused: ${why}`,
    { fault: "DATA", blockNumber: header.number, cause },
  );
}

/**
 * Holds a header against its parent.
 *
 * @param options.now wall-clock seconds since 1970, for the note about blocks from the future.
 * @returns the oddities to log, usually none.
 * @throws {HsyncError} `HEADER_<rule>`, fault DATA, for the first rejecting rule that is broken; the parent must have
 *   passed these rules itself.
 */
export function checkHeader(
  parent: Header,
  header: Header,
  params: NetworkParams,
  options: { readonly now?: number } = {},
): HeaderOddity[] {
  let state: ShardState | undefined;
  if (header.shardState.length > 0) {
    try {
      state = decodeShardState(header.shardState);
    } catch (cause) {
      throw rejected(header, "SHARD_STATE_FORM", "its committees do not decode", cause);
    }
  }
  const context: HeaderContext = {
    params,
    parent,
    header,
    expectedEpoch: nextEpoch(parent, undefined, params),
    state,
    stateEpoch: state === undefined ? undefined : nextEpoch(header, state, params),
    now: options.now,
  };
  const oddities: HeaderOddity[] = [];
  for (const rule of HEADER_RULES) {
    const text = rule.broken(context);
    if (text === undefined) continue;
    if (rule.fate === "reject") throw rejected(header, rule.id, text);
    oddities.push({ id: rule.id, number: header.number, text });
  }
  return oddities;
}

/**
 * Holds the committees that a header of another shard hands over against those of the beacon chain for the same
 * epoch (consensus-verification.md §e.3): from staking on they are the same bytes.
 *
 * @param beaconState bytes of the beacon chain's ShardState for the epoch that `header` leads to.
 * @throws {HsyncError} HEADER_BEACON_STATE, fault DATA.
 */
export function checkBeaconState(header: Header, beaconState: Uint8Array): void {
  if (equalBytes(header.shardState, beaconState)) return;
  throw rejected(header, "BEACON_STATE", "its committees are not those that the beacon chain elected");
}
