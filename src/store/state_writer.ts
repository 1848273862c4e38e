/**
 * The one place where a step becomes visible.
 *
 * Why it exists: a commit can fail, or end without an answer and still take effect; everything above only wants to
 * know whether its step happened. What must stay true: `state` is never ahead of what is stored; every commit
 * checks the stored `state` that it began from, so neither another process nor a late commit of our own can
 * change anything under us; after a failure nothing is written before its leftovers are gone.
 */
import { type Cancel, type Clock, equalBytes, HsyncError, type Meter, Semaphore } from "../base/mod.ts";
import { leaseLost, writeFailed } from "./failures.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvCheck, KvMutation } from "./kv.ts";
import { type ChainState, encodeState } from "./state.ts";
import { WriteBatch } from "./write_batch.ts";

/** A stop of the program may take ten seconds in all, and a write that is cut off is repaired on opening. */
const CLOSE_MS = 5_000;

export interface StateWriterParts {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly meter: Meter;
  /** Checks of the lease. */
  readonly fence: () => readonly KvCheck[];
  readonly readOnly: boolean;
  /** Called when the stored state turns out to be another one than the one in memory. */
  readonly onJump: () => void;
  /** Removes every row above `number`. */
  readonly removeAbove: (batch: WriteBatch, number: number) => Promise<void>;
}

export class StateWriter {
  readonly #parts: StateWriterParts;
  readonly #writes = new Semaphore(1);
  #state: ChainState;
  #stamp: string | null;
  /** Rows above the head may exist, or a commit of ours may still be on its way. */
  #dirty = false;
  /** States whose commits ended without an answer. */
  #unknown: ChainState[] = [];
  #closed = false;
  #closing: Promise<void> | undefined;

  /** @param stamp versionstamp of the stored state; null when there is none yet. */
  constructor(parts: StateWriterParts, state: ChainState, stamp: string | null) {
    this.#parts = parts;
    this.#state = state;
    this.#stamp = stamp;
  }

  /** The newest visible state. */
  get state(): ChainState {
    return this.#state;
  }

  /** @throws {HsyncError} STORE_CLOSED, STORE_READ_ONLY. */
  mustBeOpen(what: string): void {
    if (this.#closed) throw new HsyncError("STORE_CLOSED", `${what}: the store is closed`);
    if (this.#parts.readOnly) {
      throw new HsyncError("STORE_READ_ONLY", `${what}: the store was opened for reading`);
    }
  }

  /** Runs one write at a time, after whatever a failed one left was cleared away. */
  write<T>(what: string, job: () => Promise<T>): Promise<T> {
    return this.#writes.run(async () => {
      this.mustBeOpen(what);
      if (this.#dirty) await this.#recover(what);
      return await job();
    });
  }

  /** A batch of this step. */
  batch(what: string): WriteBatch {
    const { kv, keys, fence } = this.#parts;
    const checks: KvCheck[] = [...fence(), { key: keys.key("state"), versionstamp: this.#stamp }];
    return new WriteBatch(kv, what, checks, () => {
      this.#dirty = true;
    });
  }

  /** The state after a step that changes only what is named. */
  next(change: Partial<ChainState>): ChainState {
    return { ...this.#state, ...change, at: this.#parts.clock.now(), commits: this.#state.commits + 1 };
  }

  /**
   * The commit that makes a step visible, with `final` in it. @throws {HsyncError} STORE_WRITE_FAILED,
   * STORE_DISK_LOW, STORE_LEASE_LOST: nothing became visible, or nobody can tell yet (the next write finds out).
   * @param publish brings cached rows up to date. It runs in the same turn as the new state is shown: a reader that
   * came between the two would see the new head with the marks of the old one.
   */
  async commit(
    what: string,
    batch: WriteBatch,
    final: readonly KvMutation[],
    next: ChainState,
    publish: () => void = () => {},
  ): Promise<void> {
    const { clock, meter, keys } = this.#parts;
    const since = clock.monotonic();
    let stamp: string | undefined;
    try {
      stamp = await batch.finish([...final, { key: keys.key("state"), value: encodeState(next) }]);
    } catch (error) {
      if (error instanceof HsyncError && error.code !== "STORE_UNREACHABLE") throw error;
      this.#unknown.push(next);
      this.#dirty = true;
      await this.#settle(what).catch((unsettled: unknown) => {
        if (unsettled instanceof HsyncError && unsettled.code === "STORE_LEASE_LOST") throw unsettled;
        // Otherwise the first failure tells more than this one.
      });
      if (this.#state !== next) throw writeFailed(what, error);
      return;
    }
    if (stamp === undefined) throw leaseLost(what);
    meter.observe("hmy_store_commit_seconds", {}, (clock.monotonic() - since) / 1000);
    publish();
    this.#become(next, stamp);
  }

  /** Writes a few rows that belong to no step. @throws as `commit` does. */
  async rows(what: string, rows: readonly KvMutation[]): Promise<void> {
    const batch = this.batch(what);
    const before = this.#dirty;
    for (const row of rows) await batch.add(row);
    await batch.flush();
    // Only a failed write can still arrive late; this one is done.
    this.#dirty = before;
  }

  #become(state: ChainState, stamp: string): void {
    this.#state = state;
    this.#stamp = stamp;
    this.#unknown = [];
    this.#dirty = false;
  }

  /** Finds out whether a commit without an answer happened. @throws what reading throws, and STORE_LEASE_LOST. */
  async #settle(what: string): Promise<void> {
    if (this.#unknown.length === 0) return;
    const row = await this.#parts.kv.get(this.#parts.keys.key("state"));
    if ((row?.versionstamp ?? null) === this.#stamp) return;
    for (const state of this.#unknown) {
      if (row === undefined || !equalBytes(row.value, encodeState(state))) continue;
      this.#become(state, row.versionstamp);
      this.#parts.onJump();
      return;
    }
    throw leaseLost(what);
  }

  async #recover(what: string): Promise<void> {
    for (let attempt = 0;; attempt++) {
      await this.#settle(what);
      try {
        // A new versionstamp of `state`: commits of the failed write that are still on their way check the old one.
        await this.commit(what, this.batch(what), [], this.next({}));
        break;
      } catch (error) {
        // The late commit may have come between looking and writing; look again, once.
        if (attempt > 0 || !(error instanceof HsyncError) || error.code !== "STORE_LEASE_LOST") throw error;
      }
    }
    await this.removeAbove(what, this.#state.head.number);
  }

  /** Removes rows above `number`; until that has succeeded, every write begins with it. */
  async removeAbove(what: string, number: number): Promise<void> {
    this.#dirty = true;
    await this.#parts.removeAbove(this.batch(what), number);
    this.#dirty = false;
  }

  /** Lets the write under way end (for 5 s at most), refuses all later ones, then runs `job`; once. */
  close(job: () => Promise<void>): Promise<void> {
    return this.#closing ??= this.#close(job);
  }

  async #close(job: () => Promise<void>): Promise<void> {
    let stop: Cancel = () => {};
    const late = new Promise<undefined>((resolve) => {
      stop = this.#parts.clock.after(CLOSE_MS, () => resolve(undefined));
    });
    const turn = this.#writes.acquire();
    const release = await Promise.race([turn, late]);
    stop();
    this.#closed = true;
    try {
      await job();
    } finally {
      // Writes that still wait for their turn are to learn that it is over.
      if (release !== undefined) release();
      else void turn.then((give) => give());
    }
  }
}
