/**
 * The stream manager: keeps enough good streams to peers of one protocol.
 *
 * Why it exists: `ManagerCore` decides; this shell owns the sockets. It opens, accepts, probes and ends streams,
 * runs discoveries, keeps time, and tells the request manager what changed; `ManagerNews` tells all others. What must
 * stay true: events reach the core one after another and effects are carried out in their order; every promise started
 * here is either awaited or cannot reject; and after `stop` no stream, timer or handler is left.
 */
import { type Cancel, Emitter } from "../base/mod.ts";
import type { P2PStream, PeerEvent } from "../p2p/mod.ts";
import { BookKeeper } from "./book_keeper.ts";
import { STREAM_MONITOR_INTERVAL_MS } from "./constants.ts";
import { type FailureName, type Offence, offence, offenceOf } from "./fault.ts";
import { gaugePeers, gaugePlaces } from "./gauges.ts";
import { ManagerCore } from "./manager_core.ts";
import type { ManagerEffect, ManagerEvent } from "./manager_events.ts";
import { ManagerNews } from "./manager_news.ts";
import type { ManagerOptions } from "./manager_parts.ts";
import type { SyncResponse } from "./message.ts";
import { METRIC } from "./meters.ts";
import { PeerBook } from "./peer_book.ts";
import { Seeker } from "./seeker.ts";
import { askForLife, needsAsking } from "./sign_of_life.ts";
import { type StreamEnd, type StreamOwner, SyncStream } from "./sync_stream.ts";
import type { StreamEvent } from "./types.ts";
import { type Weight, weightOfResponse } from "./weight.ts";

/** Streams that never completed an exchange are given this long at shutdown (§2.8, never-lines). */
const STOP_GRACE_MS = 3_000;
/** How often a leaving node looks whether its streams have come to rest. */
const QUIET_POLL_MS = 20;
/**
 * Of two streams with one peer the unused one is kept for this long: the other side must have chosen too, else it
 * would see its only proven stream end.
 */
const RETIRE_MS = 5_000;

export class StreamManager implements StreamOwner {
  readonly core: ManagerCore;
  readonly events = new Emitter<StreamEvent>();
  readonly #o: ManagerOptions;
  readonly #keeper: BookKeeper;
  readonly #streams = new Map<number, SyncStream>();
  readonly #effects: ManagerEffect[] = [];
  readonly #tasks = new Set<Promise<void>>();
  /** Emptied streams to the time when they may end. */
  readonly #retiring = new Map<number, number>();
  readonly #seeker: Seeker;
  readonly #news: ManagerNews;
  #working = false;
  /** No stream is ended by ourselves meanwhile: its connection stands. */
  #leaving = false;
  #nextInstance = 1;
  #cancels: Cancel[] = [];
  #unhandle: Cancel = () => {};

  constructor(options: ManagerOptions) {
    this.#o = options;
    const book = new PeerBook(options.config.times);
    this.core = new ManagerCore(options.config, book);
    this.#keeper = new BookKeeper(book, options);
    this.#seeker = new Seeker({
      ...options,
      meter: options.serving.meter,
      core: this.core,
      step: (event) => this.#step(event),
      accept: (stream) => this.#accept(stream),
    });
    const { core, events } = this;
    const { logger, serving: { meter } } = options;
    this.#news = new ManagerNews({ core, events, meter, logger, now: () => this.#now() });
    this.events.onError = (error) => logger.error("a stream listener failed", { error });
    const { caps } = options.config;
    meter.required("soft", caps.softLowCap);
    meter.required("hard", caps.hardLowCap);
    meter.required("high", caps.highCap);
  }

  /** Registers the protocol, remembers old peers and starts looking for new ones. */
  async start(): Promise<void> {
    const { host, protocolId, clock } = this.#o;
    await this.#keeper.load();
    if (this.#o.accepts ?? true) {
      this.#unhandle = await host.handle(protocolId, (stream) => this.#accept(stream));
    }
    this.#cancels.push(host.on((event) => this.#hostEvent(event)));
    this.#cancels.push(clock.every(STREAM_MONITOR_INTERVAL_MS, () => this.#tick()));
    this.#step({ type: "start" });
    this.#learnTrusted();
  }

  /**
   * The first half of an orderly end: no discovery, no new stream of ours, while those that stand, and those that
   * peers open now, are served on. Resolves when no exchange is under way, after three seconds at the latest. To be
   * followed by cutting the connections (`LibP2PHost.leave`), then `stop`.
   */
  async leave(): Promise<void> {
    const { clock } = this.#o;
    this.#leaving = true;
    this.#seeker.stop();
    this.#step({ type: "leave" });
    const by = clock.monotonic() + STOP_GRACE_MS;
    const busy = () => this.#seeker.dials > 0 || [...this.#streams.values()].some((s) => !s.quiet);
    while (busy() && clock.monotonic() < by) await clock.sleep(QUIET_POLL_MS);
  }

  /** Ends all streams, the reserved ones too, and saves what is known of the peers. */
  async stop(): Promise<void> {
    const { clock } = this.#o;
    this.#leaving = false;
    this.#seeker.stop();
    this.#unhandle();
    this.#step({ type: "stop" });
    await this.#finish(clock.monotonic() + STOP_GRACE_MS);
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
    await this.#keeper.save();
  }

  /** Waits for streams and tasks to end; what still stands at `by` is ended by force. */
  async #finish(by: number): Promise<void> {
    const { clock } = this.#o;
    while (this.#streams.size > 0 || this.#tasks.size > 0) {
      const left = by - clock.monotonic();
      if (left <= 0) { for (const s of [...this.#streams.values()]) s.fail("SHUTDOWN", "shutting down"); }
      const all = Promise.allSettled([
        ...[...this.#streams.values()].map((s) => s.finished()),
        ...this.#tasks,
      ]);
      if (left <= 0) {
        await all;
        continue;
      }
      const hurry = new AbortController();
      await Promise.race([all, clock.sleep(left, hurry.signal).catch(() => {})]);
      hurry.abort();
    }
  }

  /**
   * Says that a peer (by id text) misbehaved, on stream `instance` where that is known. The stream may be gone by now: a
   * lie is remembered all the same.
   */
  report(peer: string, offence: Offence, instance?: number): void {
    this.#o.logger.debug("stream reported", { peer, instance, ...offence });
    this.#step({ type: "offence", peer, ...(instance === undefined ? {} : { instance }), offence });
  }
  /** The same for a stream that stands. */
  reportInstance(instance: number, offence: Offence): void {
    const stream = this.core.streams.get(instance);
    if (stream !== undefined) this.report(stream.peer, offence, instance);
  }
  credit(peer: string, weight: Weight): void {
    this.#step({ type: "credit", peer, weight });
  }
  measured(instance: number, items: number, ms: number): void {
    this.#step({ type: "measured", instance, items, ms });
  }
  /** @param byHand the operator's wish: no cooldown is in its way. */
  wantPeers(why: string, byHand = false): void {
    this.#o.logger.debug("more peers wanted", { why });
    this.#step({ type: "wanted", byHand });
  }
  /** Ends cooldowns by hand: of one peer, or of all. @returns how many there were. */
  forgive(peer: string | undefined): number {
    const before = this.core.book.cooldowns.activeCount(this.#now());
    this.#step({ type: "forgive", peer });
    this.#o.host.admit(peer);
    return before - this.core.book.cooldowns.activeCount(this.#now());
  }
  /** Ends a peer's streams by hand. @returns false when there is none. */
  drop(peer: string): boolean {
    if (this.core.streams.ofPeer(peer).length === 0) return false;
    this.#step({ type: "drop", peer });
    return true;
  }
  /** Gives up streams without blame; see `PeerSource`. */
  release(peers: readonly string[], why: string): void {
    this.#step({ type: "release", peers, why });
  }
  /** The stream object of an instance, while it stands. */
  stream(instance: number): SyncStream | undefined {
    return this.#streams.get(instance);
  }
  /** A stream that makes way has nothing in flight any more. */
  drained(instance: number): void {
    this.#retiring.set(instance, this.#now() + RETIRE_MS);
  }

  // What streams say (StreamOwner).

  expects(stream: SyncStream, id: bigint): boolean {
    return this.#o.requests.expects(stream.instance, id);
  }
  response(stream: SyncStream, id: bigint, response: SyncResponse | undefined): void {
    this.#step({ type: "alive", instance: stream.instance, weight: weightOfResponse(response) });
    this.#o.requests.deliver(stream.instance, id, response);
  }
  late(stream: SyncStream, id: bigint): void {
    this.#o.requests.deliver(stream.instance, id, undefined);
  }
  progress(stream: SyncStream): void {
    this.#o.requests.progress(stream.instance);
  }
  height(stream: SyncStream | number, height: number): void {
    const instance = typeof stream === "number" ? stream : stream.instance;
    this.#step({ type: "height", instance, height });
    this.#o.requests.revived(instance);
  }
  misbehaved(stream: SyncStream, failure: FailureName, text: string): void {
    this.report(stream.id, offence(failure, text), stream.instance);
    // One that is to go goes at once: it would only go on.
    if (stream.isEnding) stream.fail(failure, text);
  }
  gone(stream: SyncStream, end: StreamEnd): void {
    this.#streams.delete(stream.instance);
    this.#retiring.delete(stream.instance);
    this.#o.logger.debug("stream gone", {
      peer: stream.id,
      instance: stream.instance,
      why: end.failure,
      text: end.text,
    });
    this.#step({ type: "gone", instance: stream.instance, offence: offence(end.failure, end.text) });
    this.#task(stream.finished());
  }

  #now(): number {
    return this.#o.clock.monotonic();
  }

  /** Keeps a promise until it settles. It must not reject. */
  #task(promise: Promise<void>): void {
    const task = promise.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  /** Gives an event to the core and carries out what follows, in order, also when that causes further events. */
  #step(event: ManagerEvent): void {
    this.#effects.push(...this.core.step(this.#now(), event));
    if (this.#working) return;
    this.#working = true;
    try {
      for (let next = this.#effects.shift(); next !== undefined; next = this.#effects.shift()) {
        this.#effect(next);
      }
    } finally {
      this.#working = false;
    }
    gaugePlaces(this.#o.serving.meter, this.core);
  }

  #effect(effect: ManagerEffect): void {
    // A peer is protected in the name of the protocol: another one may use it longer.
    const { requests, host, protocolId, serving: { meter } } = this.#o;
    switch (effect.type) {
      case "probe":
        return this.#probe(effect.instance);
      case "end":
        this.#streams.get(effect.instance)?.end(effect.failure, effect.text);
        return;
      case "cut":
        this.#streams.get(effect.instance)?.fail(effect.failure, effect.text);
        return;
      case "activate":
        return requests.added(effect.instance, effect.peer, effect.failures);
      case "deactivate":
        return requests.removed(effect.instance);
      case "drain":
        // One that the request manager does not know carries nothing.
        if (!requests.drain(effect.instance)) this.drained(effect.instance);
        return;
      case "failures":
        return requests.failures(effect.peer, effect.count);
      case "suspend":
        return requests.suspend(effect.peer, effect.ms);
      case "protect":
        return host.protect(effect.peer, protocolId);
      case "unprotect":
        return host.unprotect(effect.peer, protocolId);
      case "dial":
        if (this.core.discovery.isTrusted(effect.peer.peerId)) meter.count(METRIC.trustedAttempts);
        return this.#task(this.#seeker.dial(effect.peer));
      case "discover":
        return this.#task(this.#seeker.discover(effect.trigger));
      case "criticalError":
        this.#keeper.soon();
        return this.#news.tell(effect);
      default:
        return this.#news.tell(effect);
    }
  }

  #accept(p2p: P2PStream): void {
    const instance = this.#nextInstance++;
    const { serving, newId, heightBound } = this.#o;
    const stream = new SyncStream(p2p, { instance, serving, owner: this, newId, heightBound });
    this.#streams.set(instance, stream);
    stream.run();
    const { peerId: peer, direction, remoteAddress: address, muxer } = p2p;
    this.#step({ type: "opened", instance, peer, direction, address, muxer });
    if (direction === "in") this.#countOpened(peer);
  }

  /**
   * Has nothing to do with a peer any more that opens stream after stream: a refused one costs us about as much as it does
   * its opener, so that counting them is not enough.
   */
  #countOpened(peer: string): void {
    const { core: { discovery, book: { cooldowns } } } = this;
    const { host, serving: { allowances, meter } } = this.#o;
    if (this.#leaving || discovery.isTrusted(peer)) return;
    const count = allowances.breach(peer, "open");
    if (count === 0) return;
    this.report(peer, offence("FLOOD", `${count} streams opened within a minute`));
    meter.count(METRIC.shunnedPeers);
    host.shun(peer, (cooldowns.get(peer)?.expireAt ?? 0) - this.#now());
  }

  #probe(instance: number): void {
    const stream = this.#streams.get(instance);
    if (stream === undefined) return;
    this.#task(
      stream.probe().then(
        (height) => {
          const addresses = this.#o.host.addressesOf(stream.id);
          this.#step({ type: "probed", instance, height, addresses });
        },
        (cause) => this.#step({ type: "probeFailed", instance, offence: offenceOf(cause) }),
      ),
    );
  }

  #hostEvent(event: PeerEvent): void {
    if (event.type === "identified" && event.protocols.includes(this.#o.protocolId)) {
      const { streams, discovery, config } = this.core;
      if (streams.activeCount + discovery.connecting < config.caps.softLowCap) {
        this.#step({ type: "found", peers: [{ peerId: event.peerId, addresses: [] }], origin: "connected" });
      }
    } else if (event.type === "static") {
      this.#learnTrusted();
    } else if (event.type === "connected") {
      this.#step({ type: "online" });
    } else if (event.type === "disconnected") {
      this.#step({ type: "disconnected", peer: event.peerId });
    }
  }

  /** Peers behind names become trusted as soon as they are looked up. */
  #learnTrusted(): void {
    const { host, config } = this.#o;
    const peers = config.trusted === undefined ? [] : host.staticPeers();
    if (peers.length > 0) this.#step({ type: "trusted", peers });
  }

  #tick(): void {
    if (this.#leaving) return;
    this.#step({ type: "tick" });
    for (const [instance, at] of this.#retiring) {
      if (this.#now() < at) continue;
      this.#retiring.delete(instance);
      this.#streams.get(instance)?.end("OVER_CAPACITY", "the peer's other stream is used");
    }
    for (const stream of [...this.#streams.values()]) {
      stream.check();
      const working = this.#o.requests.working(stream.instance) !== undefined;
      const core = this.core.streams.get(stream.instance);
      if (needsAsking(stream, core, working, this.#now())) this.#task(this.#keepAlive(stream));
    }
    const { meter, limiter } = this.#o.serving;
    limiter.purge();
    gaugePeers(meter, this.core, this.#now());
    if (this.#keeper.due()) this.#task(this.#keeper.save());
  }

  async #keepAlive(stream: SyncStream): Promise<void> {
    const { instance } = stream;
    const asked = this.#now();
    const why = await askForLife(stream);
    if (why === undefined) {
      this.measured(instance, 0, this.#now() - asked);
      this.#step({ type: "alive", instance, weight: 0 });
    } else if (!stream.isGone) {
      this.report(stream.id, why, instance);
    }
  }
}
