/**
 * Holds the committees that a shard hands to itself against those that the beacon chain elected.
 *
 * Why it exists: the committee of a shard that is lost to an attacker can sign any successor it likes; the beacon chain's own
 * signatures say who it really is (consensus-verification.md §e.3). What must stay true: committees that differ are never
 * accepted; where the beacon chain cannot be asked, the shard's own word stands, this is said, and it is checked later.
 */
import { type Cancel, type Clock, equalBytes, HsyncError, type Logger, to0x } from "../../base/mod.ts";
import {
  committeeOfShard,
  decodeShardState,
  type Header,
  nextEpoch,
  sameCommittee,
} from "../../chain/mod.ts";
import { checkBeaconState } from "../../consensus/mod.ts";
import type { EpochFollower } from "./epoch_follower.ts";

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
  /** Hand-overs that stand on the shard's own word until the beacon chain can be asked. */
  readonly unchecked: number;
  readonly checked: number;
  /** A hand-over that was accepted before the beacon chain contradicted it. */
  readonly contradicted: { readonly number: number; readonly text: string } | undefined;
}

/** How long a committee is waited for: while peers say that they have it, and while they may not have noticed yet, ms. */
const PATIENCE_MS = 60_000;
const NOTICE_MS = 10_000;
const RETRY_MS = 2_000;
/** Hand-overs that are remembered for a later check. */
const MAX_UNCHECKED = 4_096;

export interface BeaconCheckOptions {
  readonly follower: EpochFollower;
  readonly shardId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A hand-over that was accepted unchecked turns out to be another than the beacon chain's. */
  readonly onContradicted?: (error: HsyncError) => void;
}

export class BeaconCheck implements BeaconCommittees {
  readonly #o: BeaconCheckOptions;
  readonly #logger: Logger;
  /** By the epoch that they serve in. */
  readonly #unchecked = new Map<number, Header>();
  #checked = 0;
  #contradicted: BeaconCheckStatus["contradicted"];
  /** True after a wait in vain: until an epoch arrives again nobody waits that long. */
  #resigned = false;
  readonly #cancels: Cancel[];
  #work: Promise<void> = Promise.resolve();

  constructor(options: BeaconCheckOptions) {
    this.#o = options;
    this.#logger = options.logger.child("epochs");
    this.#cancels = [options.follower.on((event) => {
      if (event.type !== "advanced") return;
      this.#resigned = false;
      if (this.#unchecked.size > 0) this.#work = this.#work.then(() => this.#recheck());
    })];
  }
  /** Ends the later checks; waits for the one under way. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    await this.#work;
  }

  async check(header: Header, signal?: AbortSignal): Promise<BeaconVerdict> {
    if (header.shardState.length === 0 || header.number === 0) return { kind: "ok" };
    const { chain } = this.#o.follower;
    const epoch = nextEpoch(header, undefined, chain.params);
    const known = await this.#wait(epoch, signal) ? await chain.shardStateAt(epoch) : undefined;
    if (known === undefined) {
      const why = this.#why(epoch);
      this.#remember(epoch, header, why);
      return { kind: "unknown", why };
    }
    const error = this.#difference(header, epoch, known);
    if (error !== undefined) return { kind: "mismatch", error };
    this.#checked++;
    return { kind: "ok" };
  }

  #difference(header: Header, epoch: number, beaconState: Uint8Array): HsyncError | undefined {
    const { chain } = this.#o.follower;
    if (equalBytes(header.shardState, beaconState)) return undefined;
    if (!chain.params.isStaking(epoch)) {
      // Before staking every shard computed its own committee, and only that one concerns us.
      const { shardId } = this.#o;
      const ours = committeeOfShard(decodeShardState(header.shardState), shardId);
      const theirs = committeeOfShard(decodeShardState(beaconState), shardId);
      if (ours !== undefined && theirs !== undefined && sameCommittee(ours, theirs)) return undefined;
    }
    try {
      checkBeaconState(header, beaconState);
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

  #remember(epoch: number, header: Header, why: string): void {
    if (this.#unchecked.size >= MAX_UNCHECKED) {
      const oldest = this.#unchecked.keys().next();
      if (!oldest.done) this.#unchecked.delete(oldest.value);
    }
    this.#unchecked.set(epoch, header);
    this.#logger.warn("committees stand on the shard's own word", {
      number: header.number,
      epoch,
      why,
      unchecked: this.#unchecked.size,
    });
  }

  /** The beacon chain has come further: what was accepted unchecked is looked at again. */
  async #recheck(): Promise<void> {
    const { follower, onContradicted } = this.#o;
    try {
      for (const [epoch, header] of [...this.#unchecked].sort(([a], [b]) => a - b)) {
        const known = follower.chain.epoch >= epoch ? await follower.chain.shardStateAt(epoch) : undefined;
        if (known === undefined) continue;
        if (this.#unchecked.get(epoch) === header) this.#unchecked.delete(epoch);
        const error = this.#difference(header, epoch, known);
        this.#checked++;
        if (error === undefined) continue;
        this.#contradicted ??= { number: header.number, text: error.message };
        this.#logger.error("the beacon chain contradicts committees that were accepted before", {
          number: header.number,
          hash: to0x(header.hash),
          error,
        });
        onContradicted?.(error);
      }
    } catch (error) {
      // The store may be closing; what is left is looked at with the next epoch.
      this.#logger.debug("committees could not be checked again", { error });
    }
  }

  /** An unwind took back what is above `number`: nothing of it needs a check any more. */
  forgetAbove(number: number): void {
    for (const [epoch, header] of this.#unchecked) if (header.number > number) this.#unchecked.delete(epoch);
    if (this.#contradicted !== undefined && this.#contradicted.number > number) {
      this.#contradicted = undefined;
    }
  }

  status(): BeaconCheckStatus {
    return { unchecked: this.#unchecked.size, checked: this.#checked, contradicted: this.#contradicted };
  }
}
