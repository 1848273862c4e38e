/**
 * Peers by the letter of a script, records in memory, and a clock turned by hand: the world of an epoch chain.
 *
 * Why it exists: who has whole blocks, who has headers only and who lies must be repeatable without a network. What must
 * stay true: a peer answers as the stream layer promises: typed failures, removal on a critical fault, one entry per hash.
 */
import assert from "node:assert/strict";
import {
  type Cancel,
  type Clock,
  Emitter,
  equalBytes,
  type FaultClass,
  HsyncError,
  isCritical,
  type ManualClock,
} from "../../../src/base/mod.ts";
import type { EpochSchedule } from "../../../src/chain/mod.ts";
import type {
  Answer,
  BlockClient,
  DeliveredBlock,
  PeerSource,
  RemovalReason,
  RequestOptions,
  StreamEvent,
  StreamInfo,
} from "../../../src/stream/mod.ts";
import type { RecordTable } from "../../../src/sync/epoch/record_store.ts";

/** How a peer answers; a missing member means "like an honest node without that". An error is thrown to the asker. */
export interface Behaviour {
  readonly height: () => number;
  readonly blocks?: (numbers: readonly number[]) => DeliveredBlock[] | HsyncError;
  readonly byHash?: (hash: Uint8Array) => DeliveredBlock | undefined | HsyncError;
  readonly hashes?: (numbers: readonly number[]) => Array<Uint8Array | undefined>;
  /** ms to an answer, default 10; Infinity: never. */
  readonly latencyMs?: number;
}

/** A node with the whole chain up to a height that may change. */
export function fullNode(
  blocks: readonly DeliveredBlock[],
  height: () => number = () => blocks.length - 1,
): Behaviour {
  const has = (n: number) => n <= height();
  return {
    height,
    blocks: (numbers) => numbers.filter(has).map((n) => blocks[n]).filter((b) => b !== undefined),
    byHash: (hash) => blocks.find(({ block }) => equalBytes(block.hash, hash) && has(block.number)),
    hashes: (numbers) => numbers.map((n) => has(n) ? blocks[n]?.block.hash : undefined),
  };
}

/** A Go node of another shard on `epochsync`: heights and hashes are there, blocks end in an error. */
export function headersOnly(blocks: readonly DeliveredBlock[], schedule: EpochSchedule): Behaviour {
  const height = blocks.findLastIndex((_, n) => schedule.isLastBlock(n));
  const missing = () =>
    new HsyncError("PEER_LACKS", "get block 0x00 at 4: block 4 not found", { fault: "BEHIND" });
  return {
    height: () => Math.max(0, height),
    blocks: (numbers) => numbers.some((n) => n <= height) ? missing() : [],
    byHash: missing,
    hashes: (numbers) => numbers.map((n) => schedule.isLastBlock(n) ? blocks[n]?.block.hash : undefined),
  };
}

interface Peer {
  readonly id: string;
  readonly instance: number;
  behaviour: Behaviour;
  height: number | undefined;
  readonly gone: AbortController;
}

export class EpochWorld implements PeerSource, BlockClient {
  readonly client: BlockClient = this;
  readonly reports: Array<{ readonly id: string; readonly fault: FaultClass; readonly text: string }> = [];
  readonly asked: Array<{ readonly id: string; readonly kind: string; readonly what: readonly unknown[] }> =
    [];
  readonly #peers = new Map<string, Peer>();
  readonly #events = new Emitter<StreamEvent>();
  #instances = 0;

  constructor(private readonly clock: Clock) {}

  add(id: string, behaviour: Behaviour): void {
    const instance = ++this.#instances;
    const peer = { id, instance, behaviour, height: behaviour.height(), gone: new AbortController() };
    this.#peers.set(id, peer);
    this.#events.emit({ type: "added", id, instance });
  }
  change(id: string, behaviour: Behaviour): void {
    const peer = this.#peers.get(id);
    assert.ok(peer !== undefined, `no peer ${id}`);
    peer.behaviour = behaviour;
  }
  remove(id: string, fault: FaultClass = "TRANSPORT"): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    peer.gone.abort();
    const { instance } = peer;
    const event = { id, instance, reason: "other", fault, critical: isCritical(fault) } as const;
    this.#events.emit({ type: "removed", ...event });
  }
  has(id: string): boolean {
    return this.#peers.has(id);
  }
  /** How often a peer was asked for blocks by number. */
  count(id: string, kind = "blocks"): number {
    return this.asked.filter((a) => a.id === id && a.kind === kind).length;
  }

  streams(): readonly StreamInfo[] {
    return [...this.#peers.values()].map((p) => ({
      id: p.id,
      instance: p.instance,
      state: "active",
      direction: "out",
      address: "/ip4/127.0.0.1/tcp/9000",
      muxer: "/yamux/1.0.0",
      trusted: false,
      since: 0,
      height: p.height,
      heightAt: this.clock.now(),
      failures: 0,
      busy: false,
      requestType: undefined,
      latencyMs: undefined,
      bytesIn: 0,
      bytesOut: 0,
      score: 1,
      blocksPerRequest: 10,
      suspended: false,
    }));
  }
  report(id: string, fault: FaultClass, _reason: RemovalReason, text: string): void {
    this.reports.push({ id, fault, text });
    if (isCritical(fault)) this.remove(id, fault);
  }
  wantPeers(): void {}
  release(): void {}
  on(listener: (event: StreamEvent) => void): Cancel {
    return this.#events.on(listener);
  }

  async #ask<T>(
    kind: string,
    what: readonly unknown[],
    options: RequestOptions,
    answer: (peer: Peer) => T | HsyncError,
  ): Promise<Answer<T>> {
    const peer = [...this.#peers.values()].find((p) => options.whitelist?.has(p.id) ?? true);
    if (peer === undefined) throw new HsyncError("NO_ELIGIBLE_STREAM", "no such stream");
    this.asked.push({ id: peer.id, kind, what });
    const { latencyMs = 10 } = peer.behaviour;
    const begun = this.clock.monotonic();
    const limit = Math.min(latencyMs, options.timeoutMs ?? 60_000);
    const signals = [peer.gone.signal, ...(options.signal === undefined ? [] : [options.signal])];
    await this.clock.sleep(limit, AbortSignal.any(signals));
    if (latencyMs > limit) {
      throw new HsyncError("REQUEST_TIMEOUT", "no answer", { fault: "TIMEOUT", streamId: peer.id });
    }
    const value = answer(peer);
    if (value instanceof HsyncError) {
      // A Go node closes the stream after an error.
      this.remove(peer.id);
      throw value;
    }
    return { value, streamId: peer.id, ms: this.clock.monotonic() - begun };
  }
  getBlockNumber(options: RequestOptions = {}): Promise<Answer<number>> {
    return this.#ask("height", [], options, (peer) => {
      peer.height = peer.behaviour.height();
      this.#events.emit({ type: "height", id: peer.id, height: peer.height });
      return peer.height;
    });
  }
  getBlockHashes(
    numbers: readonly number[],
    options: RequestOptions = {},
  ): Promise<Answer<Array<Uint8Array | undefined>>> {
    assert.ok(numbers.length > 0 && numbers.length <= 50);
    return this.#ask(
      "hashes",
      numbers,
      options,
      (peer) => peer.behaviour.hashes?.(numbers) ?? numbers.map(() => undefined),
    );
  }
  getBlocksByNumber(
    numbers: readonly number[],
    options: RequestOptions = {},
  ): Promise<Answer<DeliveredBlock[]>> {
    assert.ok(numbers.length > 0 && numbers.length <= 10);
    return this.#ask("blocks", numbers, options, (peer) => peer.behaviour.blocks?.(numbers) ?? []);
  }
  getBlocksByHashes(
    hashes: readonly Uint8Array[],
    options: RequestOptions = {},
  ): Promise<Answer<Array<DeliveredBlock | undefined>>> {
    assert.ok(hashes.length > 0 && hashes.length <= 10);
    return this.#ask<Array<DeliveredBlock | undefined>>("byHash", hashes, options, (peer) => {
      const found = hashes.map((hash) => peer.behaviour.byHash?.(hash));
      const error = found.find((f) => f instanceof HsyncError);
      return error instanceof HsyncError ? error : found as Array<DeliveredBlock | undefined>;
    });
  }
  getReceipts(): Promise<Answer<Uint8Array[][]>> {
    return Promise.reject(new HsyncError("TEST", "not scripted"));
  }
}

/** Records as a store keeps them, with its limit. */
export class MemoryRecords implements RecordTable {
  readonly rows = new Map<string, Uint8Array>();
  writes = 0;
  /** Fails the write after so many more. */
  failAfter = Infinity;

  putRecord(name: string, value: Uint8Array): Promise<void> {
    if (this.failAfter-- <= 0) return Promise.reject(new HsyncError("STORE_WRITE_FAILED", "cut off"));
    assert.ok(value.length <= 60_000, `record ${name} has ${value.length} bytes`);
    this.writes++;
    this.rows.set(name, value.slice());
    return Promise.resolve();
  }
  record(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.rows.get(name)?.slice());
  }
  removeRecord(name: string): Promise<void> {
    this.rows.delete(name);
    return Promise.resolve();
  }
}

/** Real time that a store may take for what it has begun, once the virtual time is over: a busy machine is no failure. */
const GRACE_MS = 20_000;

/** Turns the clock until `done`; fails with `what()` after `ms`, when nothing more comes of it in real time either. */
export async function until(
  clock: ManualClock,
  done: () => boolean,
  what: () => unknown = () => "",
  ms = 120_000,
  step = 50,
): Promise<void> {
  for (let spent = 0; !done(); spent += step) {
    if (spent >= ms) return await unturned(done, () => `not done after ${ms} ms: ${json(what())}`);
    await clock.advance(step);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Gives work that is under way its real time, with the clock standing still. */
export async function unturned(done: () => boolean, what: () => string): Promise<void> {
  const begun = performance.now();
  while (!done()) {
    if (performance.now() - begun > GRACE_MS) assert.fail(what());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function json(value: unknown): string {
  return JSON.stringify(
    value,
    (_, v) => typeof v === "bigint" ? String(v) : v instanceof Uint8Array ? `<${v.length} bytes>` : v,
    1,
  );
}
