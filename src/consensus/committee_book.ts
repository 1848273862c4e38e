/**
 * Who judges which epoch: the committees that certified blocks have handed over.
 *
 * Why it exists: verification runs ahead of storing, yet a committee counts only once the block that carries it is
 * certified (DESIGN.md rule 3). The book keeps the two apart: stored or certified committees, and provisional ones of blocks that are
 * still being verified. What must stay true: a provisional committee is marked as such wherever it is handed out, and
 * nothing it has signed may be acknowledged before its own block is certified.
 */
import { equalBytes, HsyncError, LruMap } from "../base/mod.ts";
import { decodeShardState, nextEpoch } from "../chain/mod.ts";
import type { Header, NetworkParams, ShardState } from "../chain/mod.ts";
import { committeeFromState, committeeUnknown, epochCommittee } from "./committee.ts";
import type { EpochCommittee } from "./committee.ts";

/** Answers which committee judges the blocks of an epoch and shard. */
export interface CommitteeSource {
  /** @throws {HsyncError} COMMITTEE_UNKNOWN, COMMITTEE_UNUSABLE, or what loading throws. */
  committee(epoch: number, shardId: number): Promise<FoundCommittee>;
}

export interface FoundCommittee {
  readonly committee: EpochCommittee;
  /**
   * Height of the block that carries it while that block is not certified; undefined: the committee counts. What a
   * provisional committee signed must not be acknowledged before that block.
   */
  readonly provisionalFrom: number | undefined;
}

/** Where certified committees are kept: the bytes of the ShardState that serves in an epoch. */
export type LoadShardState = (epoch: number) => Promise<Uint8Array | undefined>;

interface HandOver {
  readonly number: number;
  /** 32 bytes: the block that carries the state. */
  readonly hash: Uint8Array;
  readonly state: ShardState;
}

/** Epochs that may be under verification at once; a download never runs further ahead. */
const MAX_PROVISIONAL = 256;

/** The committees as one chain's verification sees them. */
export class CommitteeBook implements CommitteeSource {
  readonly #params: NetworkParams;
  readonly #shardId: number;
  readonly #load: LoadShardState;
  readonly #certified = new LruMap<string, EpochCommittee>(64);
  readonly #provisional = new Map<number, HandOver>();

  /**
   * @param shardId the chain whose headers hand the committees over.
   * @param load certified states by epoch, normally `ChainStore.shardStateAt`.
   */
  constructor(params: NetworkParams, shardId: number, load: LoadShardState) {
    this.#params = params;
    this.#shardId = shardId;
    this.#load = load;
  }

  /**
   * The committee for blocks of `shardId` in `epoch`: a certified one where there is one, else a provisional one.
   * Epoch 0 comes from genesis; before staking another shard's comes from the account tables.
   */
  async committee(epoch: number, shardId: number): Promise<FoundCommittee> {
    const key = `${epoch}/${shardId}`;
    const known = this.#certified.get(key);
    if (known !== undefined) return { committee: known, provisionalFrom: undefined };
    const certified = await this.#certifiedCommittee(epoch, shardId);
    if (certified !== undefined) {
      this.#certified.set(key, certified);
      return { committee: certified, provisionalFrom: undefined };
    }
    const offered = this.#provisional.get(epoch);
    if (offered === undefined) throw committeeUnknown(this.#params, epoch, shardId);
    return {
      committee: committeeFromState(this.#params, epoch, shardId, offered.state),
      provisionalFrom: offered.number,
    };
  }

  async #certifiedCommittee(epoch: number, shardId: number): Promise<EpochCommittee | undefined> {
    if (epoch === 0) {
      const first = this.#params.genesisCommittees().find((committee) => committee.shardId === shardId);
      if (first === undefined) throw committeeUnknown(this.#params, epoch, shardId);
      return epochCommittee(this.#params, 0, first);
    }
    const bytes = await this.#load(epoch);
    if (bytes !== undefined) return committeeFromState(this.#params, epoch, shardId, decodeShardState(bytes));
    if (shardId === this.#shardId) return undefined;
    const tables = this.#params.tableCommittees(epoch)?.find((committee) => committee.shardId === shardId);
    return tables === undefined ? undefined : epochCommittee(this.#params, epoch, tables);
  }

  /**
   * Notes the committees that a block hands over, before the block is certified. Does nothing for a block that hands
   * over nothing; a later offer for the same epoch replaces an earlier one (another candidate block is tried).
   *
   * @returns the epoch that the committees serve in, or undefined.
   * @throws {HsyncError} fault DATA: the state does not decode; COMMITTEE_BACKLOG: too many epochs unverified.
   */
  offer(header: Header): number | undefined {
    if (header.shardState.length === 0 || header.number === 0) return undefined;
    const state = decodeShardState(header.shardState);
    const epoch = nextEpoch(header, state, this.#params);
    if (this.#provisional.size >= MAX_PROVISIONAL && !this.#provisional.has(epoch)) {
      throw new HsyncError(
        "COMMITTEE_BACKLOG",
        `${MAX_PROVISIONAL} epochs wait for verification already, cannot note the committees of epoch ${epoch}`,
      );
    }
    this.#provisional.set(epoch, { number: header.number, hash: header.hash, state });
    return epoch;
  }

  /**
   * The block at `number` with `hash` is certified and stored: its committees count from now on, out of the store.
   * A different block that had been offered for that epoch is forgotten.
   */
  certified(number: number, hash: Uint8Array): void {
    for (const [epoch, offered] of this.#provisional) {
      if (offered.number === number) {
        this.#provisional.delete(epoch);
        if (equalBytes(offered.hash, hash)) this.#keep(epoch, offered.state);
      }
    }
  }

  #keep(epoch: number, state: ShardState): void {
    for (const committee of state.committees) {
      if (committee.slots.length === 0) continue;
      this.#certified.set(`${epoch}/${committee.shardId}`, epochCommittee(this.#params, epoch, committee));
    }
  }

  /** Forgets what blocks above `number` have offered: their batch failed, or the chain was unwound to there. */
  forgetAbove(number: number): void {
    for (const [epoch, offered] of this.#provisional) {
      if (offered.number > number) this.#provisional.delete(epoch);
    }
  }

  /** Forgets everything but genesis and what loading gives: after an unwind certified committees may be gone too. */
  reset(): void {
    this.#provisional.clear();
    this.#certified.clear();
  }
}
