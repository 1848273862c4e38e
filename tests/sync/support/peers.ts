/**
 * Peers that behave as a script says, behind the interface of the stream layer.
 *
 * Why it exists: every lie, silence and lag of a peer must be repeatable without a network. What must stay true: it
 * behaves as the stream client promises: one request at a time per stream, typed failures, removal on a critical
 * fault, two silent answers in a row end a stream.
 */
import {
  type Cancel,
  type Clock,
  Emitter,
  type FaultClass,
  HsyncError,
  isCritical,
  Semaphore,
} from "../../../src/base/mod.ts";
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
import { type TestChain, tip } from "./chains.ts";

export interface Script {
  readonly chain: TestChain;
  /** What it announces; default its tip. */
  readonly claims?: () => number;
  /** Request to answer, ms; default 10. */
  readonly latencyMs?: number;
  /** Questions that are never answered. */
  readonly silent?: (kind: "height" | "hashes" | "bodies") => boolean;
  readonly hashes?: (
    numbers: readonly number[],
    honest: Array<Uint8Array | undefined>,
  ) => Array<Uint8Array | undefined>;
  readonly bodies?: (numbers: readonly number[], honest: DeliveredBlock[]) => DeliveredBlock[];
  /** Fails the call with this instead. */
  readonly fails?: (kind: "height" | "hashes" | "bodies") => HsyncError | undefined;
}

interface Peer {
  readonly id: string;
  readonly instance: number;
  script: Script;
  readonly turn: Semaphore;
  timeouts: number;
  readonly gone: AbortController;
  height: number | undefined;
  heightAt: number | undefined;
}

export interface Report {
  readonly id: string;
  readonly fault: FaultClass;
  readonly reason: RemovalReason;
  readonly text: string;
}

export class FakePeers implements PeerSource, BlockClient {
  readonly client: BlockClient = this;
  readonly reports: Report[] = [];
  readonly removed: Array<{ readonly id: string; readonly fault: FaultClass }> = [];
  readonly requests: Array<
    { readonly id: string; readonly kind: string; readonly numbers: readonly number[] }
  > = [];
  readonly wants: string[] = [];
  /** Requests for hashes and bodies under way at once, at most. */
  mostInFlight = 0;
  #inFlight = 0;
  #instances = 0;
  readonly #peers = new Map<string, Peer>();
  readonly #events = new Emitter<StreamEvent>();

  constructor(private readonly clock: Clock) {}

  /** @param probed false: the stream layer has not heard its height yet. */
  add(id: string, script: Script, probed = true): void {
    const instance = ++this.#instances;
    const height = probed ? script.claims?.() ?? tip(script.chain) : undefined;
    this.#peers.set(id, {
      id,
      instance,
      script,
      turn: new Semaphore(1),
      timeouts: 0,
      gone: new AbortController(),
      height,
      heightAt: height === undefined ? undefined : this.clock.now(),
    });
    this.#events.emit({ type: "added", id, instance });
  }
  /** Changes how a peer behaves, and has it announce its height. */
  change(id: string, script: Script, announce = true): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.script = script;
    if (announce) this.#heard(peer, script.claims?.() ?? tip(script.chain));
  }
  remove(id: string, fault: FaultClass = "TRANSPORT", reason: RemovalReason = "peer_closed"): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#peers.delete(id);
    peer.gone.abort();
    this.removed.push({ id, fault });
    const critical = isCritical(fault);
    this.#events.emit({ type: "removed", id, instance: peer.instance, reason, fault, critical });
  }
  has(id: string): boolean {
    return this.#peers.has(id);
  }
  count(kind: string, id?: string): number {
    return this.requests.filter((r) => r.kind === kind && (id === undefined || r.id === id)).length;
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
      heightAt: p.heightAt,
      failures: p.timeouts,
      busy: p.turn.free === 0,
      requestType: undefined,
      latencyMs: undefined,
      bytesIn: 0,
      bytesOut: 0,
      score: 1,
      blocksPerRequest: 10,
      suspended: false,
    }));
  }
  report(id: string, fault: FaultClass, reason: RemovalReason, text: string): void {
    this.reports.push({ id, fault, reason, text });
    if (isCritical(fault)) this.remove(id, fault, reason);
  }
  wantPeers(why: string): void {
    this.wants.push(why);
  }
  release(ids: readonly string[]): void {
    for (const id of ids) this.remove(id, "NONE", "other");
  }
  on(listener: (event: StreamEvent) => void): Cancel {
    return this.#events.on(listener);
  }

  getBlockNumber(options: RequestOptions = {}): Promise<Answer<number>> {
    return this.#ask("height", [], options, (script, peer) => {
      const height = script.claims?.() ?? tip(script.chain);
      this.#heard(peer, height);
      return height;
    });
  }
  getBlockHashes(
    numbers: readonly number[],
    options: RequestOptions = {},
  ): Promise<Answer<Array<Uint8Array | undefined>>> {
    if (numbers.length === 0 || numbers.length > 50) throw new RangeError(`${numbers.length} numbers asked`);
    return this.#ask("hashes", numbers, options, (script) => {
      const honest = numbers.map((n) => script.chain.blocks[n]?.block.hash);
      return script.hashes?.(numbers, honest) ?? honest;
    });
  }
  getBlocksByNumber(
    numbers: readonly number[],
    options: RequestOptions = {},
  ): Promise<Answer<DeliveredBlock[]>> {
    if (numbers.length === 0 || numbers.length > 10) throw new RangeError(`${numbers.length} blocks asked`);
    return this.#ask("bodies", numbers, options, (script) => {
      const honest = numbers.map((n) => script.chain.blocks[n]).filter((b) => b !== undefined);
      return script.bodies?.(numbers, honest) ?? honest;
    });
  }
  getBlocksByHashes(): Promise<Answer<Array<DeliveredBlock | undefined>>> {
    return Promise.reject(new HsyncError("TEST", "not scripted"));
  }
  getReceipts(): Promise<Answer<Uint8Array[][]>> {
    return Promise.reject(new HsyncError("TEST", "not scripted"));
  }

  #heard(peer: Peer, height: number): void {
    peer.height = height;
    peer.heightAt = this.clock.now();
    this.#events.emit({ type: "height", id: peer.id, height });
  }
  async #ask<T>(
    kind: "height" | "hashes" | "bodies",
    numbers: readonly number[],
    options: RequestOptions,
    answer: (script: Script, peer: Peer) => T,
  ): Promise<Answer<T>> {
    const peer = [...this.#peers.values()].find((p) => options.whitelist?.has(p.id) ?? true);
    if (peer === undefined) throw new HsyncError("NO_ELIGIBLE_STREAM", "no such stream", { fault: "NONE" });
    const signal = AbortSignal.any([
      peer.gone.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ]);
    const release = await peer.turn.acquire(signal);
    const begun = this.clock.monotonic();
    if (kind !== "height") this.#inFlight++;
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    this.requests.push({ id: peer.id, kind, numbers });
    try {
      if (peer.script.silent?.(kind) === true) {
        await this.clock.sleep(options.timeoutMs ?? (kind === "bodies" ? 60_000 : 20_000), signal);
        peer.timeouts++;
        if (peer.timeouts >= 2) this.remove(peer.id, "TIMEOUT", "too_many_failures");
        throw new HsyncError("REQUEST_TIMEOUT", "no answer", { fault: "TIMEOUT", streamId: peer.id });
      }
      await this.clock.sleep(peer.script.latencyMs ?? 10, signal);
      const failure = peer.script.fails?.(kind);
      if (failure !== undefined) {
        if (isCritical(failure.fault)) this.remove(peer.id, failure.fault);
        throw failure;
      }
      peer.timeouts = 0;
      return { value: answer(peer.script, peer), streamId: peer.id, ms: this.clock.monotonic() - begun };
    } finally {
      if (kind !== "height") this.#inFlight--;
      release();
    }
  }
}
