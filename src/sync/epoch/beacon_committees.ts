/**
 * Holds the committees that a shard hands to itself against those that the beacon chain elected.
 *
 * Why it exists: the committee of a shard that is lost to an attacker can sign any successor it likes; the beacon chain's own
 * signatures say who it really is (consensus-verification.md §e.3). What must stay true: committees that differ are never
 * accepted; where the beacon chain cannot be asked, the shard's own word stands, this is said, kept across restarts, and
 * made good as soon as somebody gives the beacon chain's block; so are committees that came into the store without this check.
 */
import { type Cancel, type Clock, equalBytes, ExitCode, HsyncError, type Logger } from "../../base/mod.ts";
import {
  committeeOfShard,
  decodeShardState,
  type Header,
  nextEpoch,
  sameCommittee,
} from "../../chain/mod.ts";
import type { LoadShardState } from "../../consensus/mod.ts";
import { checkBeaconState } from "../../consensus/mod.ts";
import { markCompared, neverCompared, type OwnEpochs } from "./compared_mark.ts";
import type { EpochFollower } from "./epoch_follower.ts";
import type { RecordTable } from "./record_store.ts";

export type BeaconVerdict =
  /** The header hands over what the beacon chain says, or hands over nothing. */
  | { readonly kind: "ok" }
  /** The beacon chain's committees of that epoch are not known. */
  | { readonly kind: "unknown"; readonly why: string }
  /** They are others; the error's fault is DATA. */
  | { readonly kind: "mismatch"; readonly error: HsyncError };

/** What verification asks before it uses the committees of a header. */
export interface BeaconCommittees {
  /**
   * Waits, but not for ever, until the beacon chain's committees are known.
   *
   * @throws {HsyncError} CANCELLED, and failures of our own store; never the mismatch.
   */
  check(header: Header, signal?: AbortSignal): Promise<BeaconVerdict>;
}

export interface BeaconCheckStatus {
  /** Epochs whose committees stand on the shard's own word until the beacon chain can be asked. */
  readonly unchecked: number;
  /** Epochs that were compared in this run. */
  readonly checked: number;
  /** Committees that were accepted before the beacon chain contradicted them. */
  readonly contradicted: { readonly epoch: number; readonly text: string } | undefined;
}

const RECORD = "epochs/unchecked";
/** How long a committee is waited for: while peers say that they have it, and while they may not have noticed yet, ms. */
const PATIENCE_MS = 60_000;
const NOTICE_MS = 10_000;
const RETRY_MS = 2_000;
/** Epochs that are remembered for a later check: more than a chain has. */
const MAX_UNCHECKED = 8_192;

export interface BeaconCheckOptions {
  readonly follower: EpochFollower;
  readonly shardId: number;
  /** Bytes of the ShardState that the shard's own chain has stored for an epoch: `ChainStore.shardStateAt`. */
  readonly ownStateAt: LoadShardState;
  /** Height of the shard's own block that hands over to an epoch, for the hint of an error. */
  readonly ownHandOver?: (epoch: number) => Promise<number | undefined>;
  /** The shard's own chain as it is stored, which may hold epochs that came in without this check; undefined: it does not. */
  readonly own?: OwnEpochs;
  /** Where unchecked epochs are kept across restarts. */
  readonly records: RecordTable;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Committees that were accepted unchecked turn out to be others than the beacon chain's. */
  readonly onContradicted?: (error: HsyncError) => void;
}

export class BeaconCheck implements BeaconCommittees {
  readonly #o: BeaconCheckOptions;
  readonly #logger: Logger;
  readonly #unchecked: Set<number>;
  #checked = 0;
  #contradicted: BeaconCheckStatus["contradicted"];
  /** Up to here the shard's own chain was stored when this was opened: an epoch without committees has none. */
  #storedUpTo = -1;
  /** True after a wait in vain: until an epoch arrives again nobody waits that long. */
  #resigned = false;
  readonly #cancel: Cancel;
  #work: Promise<void> = Promise.resolve();

  private constructor(options: BeaconCheckOptions, unchecked: Set<number>) {
    this.#o = options;
    this.#unchecked = unchecked;
    this.#logger = options.logger.child("epochs");
    this.#cancel = options.follower.on((event) => {
      if (event.type !== "advanced") return;
      this.#resigned = false;
      if (this.#unchecked.size > 0) this.#work = this.#work.then(() => this.#recheck());
    });
  }

  /**
   * With the epochs that an earlier run could not check, as far as their committees are still stored: a batch that was
   * lost, or blocks that were unwound, are noted again when they come again. And with those that entered the store without any
   * check, as blocks of a file do.
   *
   * @throws what reading the records fails with.
   */
  static async open(options: BeaconCheckOptions): Promise<BeaconCheck> {
    const bytes = await options.records.record(RECORD);
    const unchecked = new Set<number>();
    for (const epoch of bytes === undefined ? [] : decodeEpochs(bytes)) {
      if (await options.ownStateAt(epoch) !== undefined) unchecked.add(epoch);
    }
    const check = new BeaconCheck(options, unchecked);
    await check.#noteNeverCompared();
    if (check.#unchecked.size > 0) check.#work = check.#recheck();
    return check;
  }
  async #noteNeverCompared(): Promise<void> {
    const { own, records, follower } = this.#o;
    if (own === undefined) return;
    const { epochs, newest } = await neverCompared(records, own);
    if (newest === undefined) return;
    this.#storedUpTo = newest.epoch;
    // Before staking the committees follow from the tables, and the header rules hold them against those.
    const fresh = epochs.filter((e) => follower.chain.params.isStaking(e) && !this.#unchecked.has(e));
    for (const epoch of fresh) this.#unchecked.add(epoch);
    if (fresh.length > 0) {
      await this.#save();
      this.#logger.info(
        "committees that were stored without asking the beacon chain will be compared with it",
        {
          epochs: fresh.length,
          from: fresh[0],
          to: fresh.at(-1),
        },
      );
    }
    await markCompared(records, newest);
  }
  /** Ends the later checks; waits for the one under way. */
  async stop(): Promise<void> {
    this.#cancel();
    await this.#work;
    try {
      // What came in meanwhile went through `stateAt`.
      const span = await this.#o.own?.span();
      if (span !== undefined) await markCompared(this.#o.records, span.newest);
    } catch (error) {
      this.#logger.debug("it could not be noted which committees were compared; the next run does it again", {
        error,
      });
    }
  }

  async check(header: Header, signal?: AbortSignal): Promise<BeaconVerdict> {
    if (header.shardState.length === 0 || header.number === 0) return { kind: "ok" };
    const epoch = nextEpoch(header, undefined, this.#o.follower.chain.params);
    const known = await this.stateAt(epoch, signal);
    if (known === undefined) return { kind: "unknown", why: this.#why(epoch) };
    const error = this.#difference(
      header.shardState,
      epoch,
      known,
      (bytes) => checkBeaconState(header, bytes),
    );
    return error === undefined ? { kind: "ok" } : { kind: "mismatch", error };
  }

  /**
   * Bytes of the beacon chain's ShardState for an epoch, waiting as `check` does. An epoch for which there is none is noted:
   * the caller goes on with the shard's own committees, and they are looked at later.
   *
   * @throws as `check`.
   */
  async stateAt(epoch: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const known = await this.#wait(epoch, signal)
      ? await this.#o.follower.chain.shardStateAt(epoch)
      : undefined;
    if (known !== undefined) {
      this.#checked++;
      return known;
    }
    if (this.#unchecked.has(epoch)) return undefined;
    const first = this.#unchecked.size === 0;
    this.#unchecked.add(epoch);
    await this.#save();
    const text = "the committees of an epoch stand on the shard's own word";
    const fields = { epoch, why: this.#why(epoch), unchecked: this.#unchecked.size };
    if (first) this.#logger.warn(text, fields);
    else this.#logger.debug(text, fields);
    return undefined;
  }

  /** @param strict throws when the bytes are not the same. */
  #difference(
    own: Uint8Array,
    epoch: number,
    beacon: Uint8Array,
    strict: (beacon: Uint8Array) => void,
  ): HsyncError | undefined {
    if (equalBytes(own, beacon)) return undefined;
    const { shardId, follower } = this.#o;
    if (!follower.chain.params.isStaking(epoch)) {
      // Before staking every shard computed its own committees, and only its own one concerns us.
      const ours = committeeOfShard(decodeShardState(own), shardId);
      const theirs = committeeOfShard(decodeShardState(beacon), shardId);
      if (ours !== undefined && theirs !== undefined && sameCommittee(ours, theirs)) return undefined;
    }
    try {
      strict(beacon);
    } catch (error) {
      if (error instanceof HsyncError) return error;
      throw error;
    }
    return undefined;
  }

  /** True when the epoch chain has the committees of `epoch` or got them in reasonable time. */
  async #wait(epoch: number, signal?: AbortSignal): Promise<boolean> {
    const { follower, clock } = this.#o;
    if (follower.chain.epoch >= epoch) return true;
    const begun = clock.monotonic();
    for (;;) {
      if (await follower.reach(epoch, signal)) return true;
      const { target, failed } = follower.status();
      if (failed !== undefined || target === undefined || this.#resigned) break;
      const patience = target >= epoch - 1 ? PATIENCE_MS : NOTICE_MS;
      if (clock.monotonic() - begun + RETRY_MS > patience) break;
      await clock.sleep(RETRY_MS, signal);
    }
    this.#resigned = true;
    return false;
  }

  #why(epoch: number): string {
    const { chain } = this.#o.follower;
    const base = chain.base();
    if (base !== undefined && epoch <= base.epoch) return `the epoch chain begins at epoch ${base.epoch}`;
    const { failed, waiting } = this.#o.follower.status();
    return failed ?? waiting?.what ?? `nobody gives the end of epoch ${epoch - 1} of the beacon chain`;
  }

  /** The beacon chain has come further: what was accepted unchecked is looked at again. */
  async #recheck(): Promise<void> {
    try {
      let changed = false;
      for (const epoch of [...this.#unchecked].sort((a, b) => a - b)) {
        if (epoch > this.#o.follower.chain.epoch) break;
        changed = await this.#recheckEpoch(epoch) || changed;
      }
      if (changed) await this.#save();
    } catch (error) {
      // The store may be closing; what is left is looked at with the next epoch, or by the next run.
      this.#logger.debug("committees could not be checked again", { error });
    }
  }
  /** @returns true when the epoch is done with. */
  async #recheckEpoch(epoch: number): Promise<boolean> {
    const beacon = await this.#o.follower.chain.shardStateAt(epoch);
    const own = await this.#o.ownStateAt(epoch);
    if (beacon === undefined) return false;
    // Not stored: a batch on its way, or one that was refused after all; below the stored head, an epoch that the shard left out.
    if (own === undefined) return epoch <= this.#storedUpTo && this.#unchecked.delete(epoch);
    const difference = this.#difference(own, epoch, beacon, () => {
      throw new HsyncError("BEACON_CONTRADICTS", `the committees of epoch ${epoch} are others`);
    });
    this.#checked++;
    if (difference === undefined) return this.#unchecked.delete(epoch);
    // It stays noted until an unwind takes the block away, so that a restart finds it again.
    if (this.#contradicted !== undefined) return false;
    const error = await this.#contradiction(epoch);
    this.#contradicted = { epoch, text: error.message };
    this.#logger.error("the beacon chain contradicts committees that were accepted before", { epoch, error });
    this.#o.onContradicted?.(error);
    return false;
  }

  async #contradiction(epoch: number): Promise<HsyncError> {
    const { shardId, ownHandOver } = this.#o;
    const from = await ownHandOver?.(epoch);
    return new HsyncError(
      "BEACON_CONTRADICTS",
      `shard ${shardId} has other committees for epoch ${epoch} in its store than the beacon chain elected: ` +
        "its blocks from there on are not to be trusted",
      {
        exitCode: ExitCode.STORE_LOCKED,
        ...(from === undefined ? {} : { blockNumber: from }),
        hint: from === undefined
          ? "take away the blocks from the one that hands over to that epoch on: hsync db unwind --to N"
          : `block ${from} hands over to them; take it and all above it away: hsync db unwind --to ${
            from - 1
          }`,
      },
    );
  }

  async #save(): Promise<void> {
    while (this.#unchecked.size > MAX_UNCHECKED) {
      const oldest = this.#unchecked.values().next();
      if (oldest.done) break;
      this.#unchecked.delete(oldest.value);
    }
    await this.#o.records.putRecord(RECORD, encodeEpochs(this.#unchecked));
  }

  status(): BeaconCheckStatus {
    return { unchecked: this.#unchecked.size, checked: this.#checked, contradicted: this.#contradicted };
  }
}

/** Four bytes an epoch: 8,192 of them fit a record. */
function encodeEpochs(epochs: ReadonlySet<number>): Uint8Array {
  return new Uint8Array(Uint32Array.from(epochs).buffer);
}
function decodeEpochs(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice(0, bytes.length - bytes.length % 4).buffer);
}
