/**
 * The chain store over Deno KV.
 *
 * Why it exists: data, indexes, head and stage checkpoints must move together, though a commit of Deno KV takes
 * 800 KiB and a batch may weigh 256 MiB. What must stay true: rows above the head may be left behind by a cut-off
 * batch but are never shown, and are removed before anything is written in their place; only the commit that
 * writes `state` makes a step visible, and it checks that nobody else wrote `state` since; in memory, `#state` is
 * never ahead of what is stored.
 */
import { type Clock, equalBytes, HsyncError, type Logger, type Meter } from "../base/mod.ts";
import type { DiskGuard } from "./disk.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvCheck, KvMutation } from "./kv.ts";
import { damaged } from "./failures.ts";
import { encodeMark } from "./marks.ts";
import { PACK_BYTES } from "./pack.ts";
import { raiseMarks } from "./raise.ts";
import { anyAbove, removeAbove, soundHead } from "./repair.ts";
import type { Staging } from "./staging.ts";
import { type ChainState, weakest } from "./state.ts";
import { StateWriter } from "./state_writer.ts";
import { cutAfter, mustBegin, mustContinue, mustFit, sideCars, writeBlocks } from "./steps.ts";
import { ChainTables, type ParentCommitSig } from "./tables.ts";
import {
  type AppendBlock,
  type Assurance,
  ASSURANCES,
  type BlockRecord,
  type BodyMark,
  type ChainHead,
  type ChainStore,
  type DiskState,
  type StagedBlock,
  type StagedHash,
  type StoreInfo,
  type StoreMeta,
  type UnprovenBodies,
} from "./types.ts";

/** Mark pages read by one search: a quarter of a million blocks. */
const PAGES_PER_LOOK = 64;

export interface ChainStoreParts {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly meta: StoreMeta;
  readonly state: ChainState;
  /** Versionstamp of the stored `state`; null when there is none yet. */
  readonly stamp: string | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  readonly staging: Staging;
  readonly disk: DiskGuard;
  readonly parentCommitSig: ParentCommitSig;
  /** Checks that every commit carries: those of the lease. */
  readonly fence: () => readonly KvCheck[];
  /** True for a store opened to be read beside its writer: every write is refused. */
  readonly readOnly: boolean;
  /** Gives back what was taken on opening; called once, after the last write. */
  readonly release: () => Promise<void>;
}

export class KvChainStore implements ChainStore {
  readonly meta: StoreMeta;
  readonly #parts: ChainStoreParts;
  readonly #tables: ChainTables;
  readonly #writer: StateWriter;

  constructor(parts: ChainStoreParts) {
    const { kv, keys } = parts;
    this.#parts = parts;
    this.meta = parts.meta;
    this.#tables = new ChainTables(kv, keys, () => this.#state, parts.parentCommitSig);
    this.#writer = new StateWriter(
      {
        ...parts,
        onJump: () => this.#tables.invalidate(),
        removeAbove: (batch, number) => removeAbove(kv, keys, this.#tables, batch, number),
      },
      parts.state,
      parts.stamp,
    );
  }

  get #state(): ChainState {
    return this.#writer.state;
  }

  /**
   * Puts right what a process that died left behind; called once, before anything else.
   * @throws {HsyncError} STORE_DAMAGED, exit 10: neither the head nor any of the blocks below it can be read.
   */
  async repair(): Promise<void> {
    const { head } = this.#state;
    const { logger } = this.#parts;
    if (await anyAbove(this.#tables, head.number)) {
      logger.info("removing a batch that was cut off", { head: head.number });
      await this.#writer.removeAbove("removing a batch that was cut off", head.number);
    }
    const sound = await soundHead(this.#tables, this.#state);
    if (sound === head.number) return;
    if (sound === undefined) {
      throw damaged(`neither block ${head.number} nor those before it can be read`, head.number);
    }
    logger.error("the newest blocks are damaged and will be downloaded again", { head: head.number, sound });
    await this.unwindTo(sound);
  }

  // Reading.

  head(): ChainHead {
    return this.#state.head;
  }
  lowest(): number {
    return this.#state.lowest;
  }
  hashAt(number: number): Promise<Uint8Array | undefined> {
    return this.#tables.hashAt(number);
  }
  numberOf(hash: Uint8Array): Promise<number | undefined> {
    return this.#tables.numberOf(hash);
  }
  headerAt(number: number): Promise<Uint8Array | undefined> {
    return this.#tables.headerAt(number);
  }
  headers(
    from: number,
    count: number,
  ): AsyncIterable<{ readonly number: number; readonly bytes: Uint8Array }> {
    return this.#tables.headersFrom(from, count);
  }
  blockAt(
    number: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly commitSig: Uint8Array | undefined } | undefined> {
    return this.#tables.blockAt(number);
  }
  commitSigAt(number: number): Promise<Uint8Array | undefined> {
    return this.#tables.commitSigAt(number);
  }
  receiptsAt(number: number): Promise<Uint8Array[] | undefined> {
    return this.#tables.receiptsAt(number);
  }
  recordAt(number: number): Promise<BlockRecord | undefined> {
    return this.#tables.recordAt(number);
  }
  shardStateAt(epoch: number): Promise<Uint8Array | undefined> {
    return this.#tables.shardStateAt(epoch);
  }
  unprovenBodies(from: number, limit: number): Promise<UnprovenBodies> {
    const { head, lowest } = this.#state;
    const first = Math.max(from, lowest);
    return this.#tables.marks.unproven(first, head.number, Math.max(1, limit), PAGES_PER_LOOK);
  }
  lowestAssurance(): Assurance {
    return weakest(this.#state.counts);
  }
  checkpoint(stage: string): number | undefined {
    const { checkpoints } = this.#state;
    return Object.hasOwn(checkpoints, stage) ? checkpoints[stage] : undefined;
  }
  disk(): DiskState {
    return this.#parts.disk.state();
  }
  lastCommitAt(): number | undefined {
    return this.#state.commits === 0 ? undefined : this.#state.at;
  }

  async info(): Promise<StoreInfo> {
    await this.#parts.disk.refresh();
    const { head, lowest, counts, checkpoints } = this.#state;
    const below = counts[0] === 0
      ? undefined
      : await this.#tables.marks.firstBelow(ASSURANCES.indexOf("signed"), lowest + 1, head.number);
    const [linked = 0, signed = 0, proven = 0, executed = 0] = counts;
    return {
      meta: this.meta,
      head,
      lowest,
      certified: below === undefined ? head.number : below - 1,
      assurances: { linked, signed, proven, executed },
      checkpoints,
      lastCommitAt: this.lastCommitAt(),
      disk: this.disk(),
    };
  }

  // Writing.

  #write<T>(what: string, job: () => Promise<T>): Promise<T> {
    return this.#writer.write(what, job).catch((error: unknown) => {
      if (error instanceof HsyncError && error.code === "STORE_DISK_LOW") this.#parts.disk.full();
      throw error;
    });
  }

  append(blocks: readonly AppendBlock[], checkpoints: Readonly<Record<string, number>> = {}): Promise<void> {
    const what = `appending blocks ${blocks[0]?.number}..${blocks.at(-1)?.number}`;
    return this.#write(what, async () => {
      mustContinue(what, this.#state.head, blocks);
      await this.#add(what, blocks, { checkpoints: merged(this.#state.checkpoints, checkpoints) });
    });
  }

  startAt(block: AppendBlock): Promise<void> {
    const what = `beginning at block ${block.number}`;
    return this.#write(what, async () => {
      mustBegin(what, this.#state, block);
      await this.#add(what, [block], { lowest: block.number });
    });
  }

  async #add(what: string, blocks: readonly AppendBlock[], change: Partial<ChainState>): Promise<void> {
    const { keys, parentCommitSig } = this.#parts;
    this.#parts.disk.check();
    const batch = this.#writer.batch(what);
    const final = await writeBlocks(this.#tables, keys, batch, blocks);
    const marks = this.#tables.marks.edit();
    const counts = [...this.#state.counts];
    for (const block of blocks) {
      await marks.set(block.number, encodeMark(block.assurance, block.body));
      const level = ASSURANCES.indexOf(block.assurance);
      // What a chain begins with is not counted.
      if (block.number !== change.lowest) counts[level] = (counts[level] ?? 0) + 1;
    }
    final.push(...marks.mutations(), ...sideCars(keys, parentCommitSig, blocks));
    const last = blocks.at(-1) as AppendBlock;
    const head = { number: last.number, hash: last.hash.slice() };
    const next = this.#writer.next({ ...change, head, counts });
    await this.#writer.commit(what, batch, final, next, () => this.#tables.marks.committed(marks));
    await this.#afterwards(() => this.#parts.staging.clear(Infinity, last.number));
  }

  /** Tidying after a step that is already visible: a failure is repeated later, not reported as the step's. */
  async #afterwards(job: () => Promise<void>): Promise<void> {
    try {
      await job();
    } catch (error) {
      if (error instanceof HsyncError && error.code === "STORE_LEASE_LOST") throw error;
      this.#parts.logger.warn("tidying up the store failed; it will be done again", { error });
    }
  }

  #mustHave(what: string, number: number): void {
    const { head, lowest } = this.#state;
    if (Number.isSafeInteger(number) && number >= lowest && number <= head.number) return;
    throw new HsyncError(
      "STORE_NO_BLOCK",
      `${what}: the store has blocks ${lowest}..${head.number} only`,
      { blockNumber: number },
    );
  }

  putCommitSig(number: number, commitSig: Uint8Array): Promise<void> {
    const what = `storing the commit signature of block ${number}`;
    return this.#write(what, async () => {
      this.#mustHave(what, number);
      if (number < this.#state.head.number && await this.#tables.pairOfChild(number) !== undefined) return;
      mustFit(what, commitSig);
      await this.#writer.rows(what, [{ key: this.#parts.keys.key("sig", number), value: commitSig.slice() }]);
    });
  }

  raiseAssurance(from: number, to: number, assurance: Assurance): Promise<void> {
    const what = `raising blocks ${from}..${to} to ${assurance}`;
    return this.#write(what, () => raiseMarks(this.#tables, this.#writer, what, from, to, assurance));
  }

  markBodies(bodies: readonly BodyMark[]): Promise<void> {
    const what = `recording what is proven of the incoming receipts of ${bodies.length} blocks`;
    return this.#write(what, async () => {
      const marks = this.#tables.marks.edit();
      for (const { number, hash, body } of bodies) {
        const stored = await this.hashAt(number);
        if (stored !== undefined && equalBytes(stored, hash)) await marks.body(number, body);
      }
      const pages = marks.mutations();
      if (pages.length === 0) return;
      const publish = () => this.#tables.marks.committed(marks);
      await this.#writer.commit(what, this.#writer.batch(what), pages, this.#writer.next({}), publish);
    });
  }

  unwindTo(number: number, checkpoints: Readonly<Record<string, number>> = {}): Promise<void> {
    const what = `unwinding to block ${number}`;
    return this.#write(what, async () => {
      this.#mustHave(what, number);
      const { kv, keys, staging } = this.#parts;
      const old = this.#state.head.number;
      if (number === old && Object.keys(checkpoints).length === 0) return;
      const hash = await this.#tables.hashAt(number);
      if (hash === undefined) throw new HsyncError("STORE_NO_BLOCK", `${what}: it has no hash`);
      const final: KvMutation[] = [];
      const counts = [...this.#state.counts];
      const marks = this.#tables.marks.edit();
      if (number < old) {
        const removed = await this.#tables.marks.count(number + 1, old);
        removed.forEach((n, level) => counts[level] = (counts[level] ?? 0) - n);
        await marks.clearAfter(number);
        final.push(...marks.mutations(), ...await cutAfter(kv, keys, this.#tables, number));
      }
      const next = this.#writer.next({
        head: { number, hash },
        counts,
        checkpoints: merged(this.#state.checkpoints, checkpoints),
      });
      await this.#writer.commit(
        what,
        this.#writer.batch(what),
        final,
        next,
        () => this.#tables.invalidate(),
      );
      if (number < old) {
        await this.#afterwards(() => this.#writer.removeAbove(what, number));
        await this.#afterwards(() => staging.clear(number));
        this.#parts.logger.info("chain unwound", { from: old, to: number, chain: keys.chain });
      }
    });
  }

  setCheckpoints(checkpoints: Readonly<Record<string, number>>): Promise<void> {
    const what = "storing stage checkpoints";
    return this.#write(what, async () => {
      const next = this.#writer.next({ checkpoints: merged(this.#state.checkpoints, checkpoints) });
      await this.#writer.commit(what, this.#writer.batch(what), [], next);
    });
  }

  // Staged rows and records.

  async putStagedHashes(rows: readonly StagedHash[]): Promise<void> {
    this.#writer.mustBeOpen("staging hashes");
    await this.#parts.staging.putHashes(rows);
  }
  stagedHashes(from: number, to: number): Promise<StagedHash[]> {
    return this.#parts.staging.hashes(from, to);
  }
  async putStagedBlocks(rows: readonly StagedBlock[]): Promise<void> {
    this.#writer.mustBeOpen("staging blocks");
    this.#parts.disk.check();
    await this.#parts.staging.putBlocks(rows);
  }
  stagedBlock(number: number): Promise<StagedBlock | undefined> {
    return this.#parts.staging.block(number);
  }
  async clearStaged(above: number): Promise<void> {
    this.#writer.mustBeOpen("clearing staged rows");
    await this.#parts.staging.clear(above);
  }

  putRecord(name: string, value: Uint8Array): Promise<void> {
    const what = `storing the record ${name}`;
    return this.#write(what, async () => {
      if (value.length > PACK_BYTES || name.length > 200) {
        throw new HsyncError(
          "STORE_RECORD_SIZE",
          `${what}: ${value.length} bytes, at most ${PACK_BYTES} fit`,
        );
      }
      await this.#writer.rows(what, [{ key: this.#parts.keys.key("rec", name), value: value.slice() }]);
    });
  }
  async record(name: string): Promise<Uint8Array | undefined> {
    return (await this.#parts.kv.get(this.#parts.keys.key("rec", name)))?.value;
  }
  removeRecord(name: string): Promise<void> {
    const what = `removing the record ${name}`;
    return this.#write(what, () => this.#writer.rows(what, [{ key: this.#parts.keys.key("rec", name) }]));
  }

  close(): Promise<void> {
    return this.#writer.close(() => this.#parts.release());
  }
}

/** @throws {HsyncError} STORE_CHECKPOINT: a value that is not a height. */
function merged(
  old: Readonly<Record<string, number>>,
  change: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  for (const [stage, value] of Object.entries(change)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new HsyncError("STORE_CHECKPOINT", `the checkpoint of ${stage} cannot be ${value}`);
    }
  }
  return { ...old, ...change };
}
