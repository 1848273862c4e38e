/**
 * Proves incoming receipts by headers of their source shards, after the blocks were stored (`[Sync] ProveBodies`).
 *
 * Why it exists: cross-links reach the beacon chain alone, so elsewhere only the source shard's own headers tell the true bitmap
 * (chain-format.md §8.4). What must stay true: it runs beside the pipeline and nothing ever waits for it; a body is marked
 * `proven` only when its root matched; every stored block that is not proven is looked at, those of an earlier run too;
 * memory, requests and waiting are bounded, and what waits is told.
 */
import {
  asHsyncError,
  type Cancel,
  type Clock,
  equalBytes,
  isAbort,
  type Logger,
  type Meter,
  Signal,
} from "../../base/mod.ts";
import { decodeBlock } from "../../chain/mod.ts";
import type { ChainStore } from "../../store/mod.ts";
import type { PeerSource } from "../../stream/mod.ts";
import { Backlog, PATIENT_ROUNDS, type Resting, type RestReason } from "./backlog.ts";
import { BodyCase } from "./body_case.ts";
import { type Question, SourceShard } from "./source_shard.ts";

/** Blocks that are asked about at once, and their bytes. */
const MAX_OPEN = 64;
const MAX_OPEN_BYTES = 16 * 1024 * 1024;
/** Source blocks of one block; a block of a chain that works has a few. */
const MAX_SOURCES = 256;
/** Requests under way to one shard. */
const REQUESTS = 2;
/** The longest time without a look, ms; whatever matters raises the signal. */
const IDLE_MS = 30_000;
const RETRY_MS = 10_000;
const SAVE_MS = 30_000;
/** Waiting is logged after this, ms, and then every ten minutes. */
const NAG_AFTER_MS = 60_000;
const NAG_MS = 10 * 60_000;
const RECORD = "bodies/waiting";

/** Where nodes of other shards are found. */
export interface SourceShards {
  /**
   * Streams to nodes of a shard, opened when they are first asked for; undefined: the network has no such shard.
   * @throws {HsyncError} they cannot be opened now.
   */
  peersOf(shardId: number): Promise<PeerSource | undefined>;
}

export type ProverStore = Pick<
  ChainStore,
  | "meta"
  | "head"
  | "hashAt"
  | "blockAt"
  | "recordAt"
  | "unprovenBodies"
  | "markBodies"
  | "record"
  | "putRecord"
>;

export interface BodyProverOptions {
  readonly store: ProverStore;
  readonly sources: SourceShards;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What a prover says about itself. */
export interface BodyProverStatus {
  /** Blocks proven in this run. */
  readonly proven: number;
  /** Blocks that are not proven yet, and the lowest of them. */
  readonly waiting: number;
  readonly lowest: number | undefined;
  /** ms since 1970, of the one that has waited longest for somebody to ask; undefined: everybody has been asked. */
  readonly since: number | undefined;
  /** What they wait for: how many blocks for each reason; the rest is being asked about. */
  readonly reasons: Readonly<Record<RestReason, number>>;
  /** Of those that wait: nodes were asked again and again for hours, and none could prove them. */
  readonly doubtful: number;
  /** Blocks that were given up: too many waited, or their sources cannot be. */
  readonly givenUp: number;
  /** Blocks up to this height have been looked at. */
  readonly lookedTo: number;
  /** Streams by source shard. */
  readonly streams: Readonly<Record<number, number>>;
}

interface Open {
  readonly body: BodyCase;
  readonly rounds: number;
  readonly since: number;
}

export class BodyProver {
  readonly #o: BodyProverOptions;
  readonly #wake = new Signal();
  readonly #stop = new AbortController();
  readonly #open = new Map<number, Open>();
  readonly #shards = new Map<number, SourceShard>();
  readonly #tasks = new Set<Promise<void>>();
  #cancels: Cancel[] = [];
  #backlog = new Backlog();
  #proven = 0;
  #hopeless = 0;
  #changed = false;
  #savedAt = -Infinity;
  #naggedAt = -Infinity;
  /** Blocks that nobody could prove, when that was logged. */
  #disputed = 0;
  #loop: Promise<void> | undefined;

  constructor(options: BodyProverOptions) {
    this.#o = options;
  }

  start(): void {
    this.#loop ??= this.#run();
  }
  /** Blocks were stored: there may be something to prove. */
  notice(): void {
    this.#wake.raise();
  }
  /** Ends every request, and keeps what waits for the next run. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { store, clock, logger } = this.#o;
    const { signal } = this.#stop;
    let loaded = false;
    while (!signal.aborted) {
      try {
        if (!loaded) {
          const now = { mono: clock.monotonic(), wall: clock.now() };
          this.#backlog = Backlog.decode(await store.record(RECORD), now);
          loaded = true;
        }
        const more = await this.#turn();
        if (this.#changed && clock.monotonic() - this.#savedAt >= SAVE_MS) await this.#save();
        this.#tell();
        if (more) continue;
        // Without room whatever ends a request raises the signal.
        const rest = this.#room() > 0 ? this.#backlog.nextDueAt() - clock.monotonic() : IDLE_MS;
        await this.#wake.wait(clock, Math.min(IDLE_MS, Math.max(0, rest)), signal);
      } catch (cause) {
        if (isAbort(cause)) continue;
        const error = asHsyncError(cause);
        logger.warn("proving incoming receipts failed; it is tried again", { code: error.code, error });
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    for (const cancel of this.#cancels.splice(0)) cancel();
    await Promise.all(this.#tasks);
    try {
      if (loaded) await this.#save();
    } catch (error) {
      // Everything that waits is found again by looking through the store.
      logger.debug("what waits for a proof was not written down", { error });
    }
  }

  /** Takes blocks up, puts questions, lays aside what is stuck. @returns whether there is more to look through now. */
  async #turn(): Promise<boolean> {
    await this.#takeRested();
    const more = await this.#look();
    for (const shard of this.#shards.values()) {
      while (shard.busy < REQUESTS) {
        const question = shard.question(this.#cases());
        if (question === undefined) break;
        this.#ask(shard, question);
      }
    }
    this.#layAside();
    return more && this.#room() > 0;
  }
  #cases(): BodyCase[] {
    return [...this.#open.values()].map((o) => o.body);
  }
  #room(): number {
    let bytes = 0;
    for (const { body } of this.#open.values()) bytes += body.size;
    return bytes >= MAX_OPEN_BYTES ? 0 : Math.max(0, MAX_OPEN - this.#open.size);
  }

  /** Takes up what has rested long enough. */
  async #takeRested(): Promise<void> {
    const { clock } = this.#o;
    for (const rested of this.#backlog.due(this.#room(), clock.monotonic())) {
      // What came of it since: unwound, or proven by a cross-link.
      const record = await this.#o.store.recordAt(rested.number);
      if (record?.body === "unproven") await this.#takeUp(rested.number, rested);
      this.#backlog.taken(rested.number);
      this.#changed = true;
    }
  }
  /** Looks through the stored blocks that were not looked at. @returns whether there are more, and room for them. */
  async #look(): Promise<boolean> {
    const { store, clock } = this.#o;
    const from = this.#backlog.next;
    if (from > 0 && !this.#backlog.holds(await store.hashAt(from - 1))) return true;
    const limit = Math.min(this.#room(), this.#backlog.room());
    const head = store.head();
    if (limit <= 0 || from > head.number) return false;
    const { numbers, next } = await store.unprovenBodies(from, limit);
    const since = clock.now();
    for (const number of numbers) await this.#takeUp(number, { rounds: 0, since });
    const last = next - 1;
    if (last < from) return false;
    const [hash, top] = await Promise.all([store.hashAt(last), store.hashAt(head.number)]);
    // The chain was unwound under us, and perhaps grew anew: what was seen is no longer what is stored.
    if (hash === undefined || top === undefined || !equalBytes(top, head.hash)) return true;
    this.#backlog.looked({ number: last, hash });
    this.#changed ||= numbers.length > 0 || next - from > MAX_OPEN;
    return next <= head.number;
  }
  async #takeUp(number: number, { rounds, since }: Pick<Resting, "rounds" | "since">): Promise<void> {
    if (this.#open.has(number)) return;
    const body = await this.#read(number);
    let known = body !== undefined && body.sources > 0 && body.sources <= MAX_SOURCES;
    for (const shardId of body !== undefined && known ? body.shards : []) {
      known = known && await this.#shardOf(shardId) !== undefined;
    }
    if (body !== undefined && known) this.#open.set(number, { body, rounds, since });
    else this.#hopeless++;
  }
  /** A stored block; undefined: it is gone, or cannot be read. */
  async #read(number: number): Promise<BodyCase | undefined> {
    try {
      const stored = await this.#o.store.blockAt(number);
      return stored === undefined ? undefined : new BodyCase(decodeBlock(stored.bytes));
    } catch (error) {
      const known = asHsyncError(error);
      if (known.fault !== "DATA" && known.code !== "STORE_DAMAGED") throw error;
      this.#o.logger.warn("a stored block cannot be read, so its receipts stay unproven", { number, error });
      return undefined;
    }
  }
  async #shardOf(shardId: number): Promise<SourceShard | undefined> {
    const { sources, store, clock, logger } = this.#o;
    if (shardId === store.meta.shardId) return undefined;
    const known = this.#shards.get(shardId);
    if (known !== undefined) return known;
    const peers = await sources.peersOf(shardId);
    if (peers === undefined) return undefined;
    const shard = new SourceShard(shardId, peers, clock, logger);
    this.#shards.set(shardId, shard);
    logger.info("headers of another shard are asked for, to prove incoming receipts", { shard: shardId });
    this.#cancels.push(peers.on((event) => {
      if (event.type === "added") this.#backlog.came(shardId, event.id, clock.monotonic());
      this.#wake.raise();
    }));
    return shard;
  }

  /** Puts a question; what comes of it wakes the loop. */
  #ask(shard: SourceShard, question: Question): void {
    const { signal } = this.#stop;
    const task = this.#asked(shard, question, signal).catch((cause: unknown) => {
      if (isAbort(cause)) return;
      const error = asHsyncError(cause);
      this.#o.logger.warn("what another shard's headers prove could not be recorded", {
        code: error.code,
        error,
      });
      for (const { number } of question.cases) this.#rest(number, "other");
    }).finally(() => {
      this.#tasks.delete(task);
      this.#wake.raise();
    });
    this.#tasks.add(task);
  }
  async #asked(shard: SourceShard, question: Question, signal: AbortSignal): Promise<void> {
    const { store, meter, logger } = this.#o;
    const proven = await shard.ask(question, signal);
    if (proven.length === 0) return;
    await store.markBodies(proven.map(({ number, hash }) => ({ number, hash, body: "proven" })));
    for (const { number } of proven) this.#close(number);
    this.#proven += proven.length;
    this.#changed = true;
    meter.inc("hmy_sync_bodies_proven", { ShardID: String(store.meta.shardId) }, proven.length);
    logger.debug("incoming receipts proven", { blocks: proven.map((c) => c.number), shard: shard.shardId });
  }
  #close(number: number): Open | undefined {
    const open = this.#open.get(number);
    if (open === undefined) return undefined;
    this.#open.delete(number);
    for (const shard of this.#shards.values()) shard.forget(open.body);
    return open;
  }

  /** Lets those rest that nobody can be asked about any further. */
  #layAside(): void {
    for (const [number, { body }] of [...this.#open]) {
      const reasons = body.shards.map((id) => this.#shards.get(id)?.stuck(body));
      if (body.asking.size > 0 || reasons.some((reason) => reason === undefined)) continue;
      const worst = (["nobody", "lacking", "other"] as const).find((r) => reasons.includes(r)) ?? "other";
      this.#rest(number, worst);
    }
  }
  #rest(number: number, reason: RestReason): void {
    const open = this.#close(number);
    if (open === undefined) return;
    const asked = new Set([...open.body.asked.values()].flatMap((peers) => [...peers]));
    const { shards } = open.body;
    this.#backlog.rest(number, { reason, shards, asked }, open, this.#o.clock.monotonic());
    this.#changed = true;
  }

  async #save(): Promise<void> {
    this.#changed = false;
    this.#savedAt = this.#o.clock.monotonic();
    await this.#o.store.putRecord(RECORD, this.#backlog.encode(this.#open.keys()));
  }

  /** Names what has waited for longer than a minute, and what nobody could prove. */
  #tell(): void {
    const { clock, logger, meter, store } = this.#o;
    const { waiting, since, lowest, reasons } = this.status();
    meter.set("hmy_sync_bodies_waiting", { ShardID: String(store.meta.shardId) }, waiting);
    const now = clock.now();
    const waits = since !== undefined && now - since >= NAG_AFTER_MS;
    const disputed = reasons.other > this.#disputed;
    if (!waits && !disputed || now - this.#naggedAt < NAG_MS) return;
    this.#naggedAt = now;
    this.#disputed = reasons.other;
    logger.info("incoming receipts wait for a proof", {
      blocks: waiting,
      lowest,
      ...(since === undefined ? {} : { seconds: Math.round((now - since) / 1000) }),
      ...reasons,
    });
  }

  status(): BodyProverStatus {
    const reasons: Record<RestReason, number> = { nobody: 0, lacking: 0, other: 0 };
    let since = Infinity, lowest = Infinity, doubtful = 0;
    for (const resting of this.#backlog.resting()) {
      reasons[resting.reason]++;
      if (resting.reason !== "other") since = Math.min(since, resting.since);
      lowest = Math.min(lowest, resting.number);
      if (resting.rounds >= PATIENT_ROUNDS && resting.reason === "other") doubtful++;
    }
    for (const { body } of this.#open.values()) lowest = Math.min(lowest, body.number);
    const streams: Record<number, number> = {};
    for (const [id, shard] of this.#shards) streams[id] = shard.peers.streams().length;
    return {
      proven: this.#proven,
      waiting: this.#backlog.size + this.#open.size,
      lowest: Number.isFinite(lowest) ? lowest : undefined,
      since: Number.isFinite(since) ? since : undefined,
      reasons,
      doubtful,
      givenUp: this.#backlog.givenUp + this.#hopeless,
      lookedTo: this.#backlog.next - 1,
      streams,
    };
  }
}
