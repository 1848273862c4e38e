/**
 * Whom to dial and when to look for more: the half of the stream manager that works on peers without a stream.
 *
 * Why it exists: the Go node dials without a limit, and again whom it is connected to (sync-protocol.md §3.5, §10.1 S5,
 * S13); when it is time to look is told by `Pace`. What must stay true: at most 16 set-ups run at once, one discovery
 * runs at a time, and a peer is not dialled within seconds of the end of its last stream (§2.8).
 */
import type { FaultClass } from "../base/mod.ts";
import type { DiscoveredPeer } from "../p2p/mod.ts";
import { MANAGER_TIMES, PROBE_TIMEOUT_MS, REOPEN_PAUSE_MS, SETUP_CONCURRENCY } from "./constants.ts";
import type { DiscoveryTrigger, ManagerConfig, ManagerEffect, PeerOrigin } from "./manager_events.ts";
import { Pace } from "./pace.ts";
import type { PeerBook } from "./peer_book.ts";

/** What this half must know of the streams. */
export interface StreamView {
  /** True when a stream with the peer stands, is being probed or is on its way out (§2.8, never-lines). */
  hasStream(peer: string): boolean;
  activeCount(): number;
  /** Free places, those of the reserve included. */
  room(): number;
}

/** After a failed dial the peer is left alone for this long (§3.1). */
const DIAL_COOLDOWN_MS = 60_000;
/** The same during an outage of our own. */
const OUTAGE_DIAL_COOLDOWN_MS = 5_000;
/** Redials of a trusted peer after its transport has gone (§3.6). */
const TRUSTED_BACKOFF_MS = [0, 5, 10, 20, 40, 60].map((s) => s * 1_000);
const MAX_QUEUE = 256;
/** Lost peers that are remembered for another dial. */
const MAX_LOST = 32;

interface Setup {
  readonly startedAt: number;
  readonly origin: PeerOrigin;
  /** The stream, once it stands. */
  instance: number | undefined;
}
interface Candidate {
  readonly peer: DiscoveredPeer;
  readonly origin: PeerOrigin;
}

export class DiscoveryCore {
  readonly #config: ManagerConfig;
  readonly #book: PeerBook;
  readonly #view: StreamView;
  readonly #concurrency: number;
  readonly #trusted: Map<string, DiscoveredPeer>;
  /** Set-ups from dialling to the first exchange. */
  readonly #setups = new Map<string, Setup>();
  /** Who is to be dialled, in this order. */
  #queue = new Map<string, Candidate>();
  readonly #dialCooldown = new Map<string, number>();
  /** When the last stream with a peer ended. */
  readonly #endedAt = new Map<string, number>();
  readonly #redials = new Map<string, { attempt: number; at: number }>();
  #running: { readonly startedAt: number; readonly limit: number; taken: number } | undefined;
  readonly #pace: Pace;
  #lastFound = 0;
  #lastConnected = 0;

  constructor(config: ManagerConfig, book: PeerBook, view: StreamView) {
    this.#config = config;
    this.#book = book;
    this.#view = view;
    this.#pace = new Pace((config.times ?? MANAGER_TIMES).discoveryCooldownMs);
    this.#concurrency = config.setupConcurrency ?? SETUP_CONCURRENCY;
    this.#trusted = new Map((config.trusted ?? []).map((p) => [p.peerId, p]));
  }

  isTrusted(peer: string): boolean {
    return this.#trusted.has(peer);
  }
  /** Peer ids of the trusted. */
  trusted(): IterableIterator<string> {
    return this.#trusted.keys();
  }
  get trustedCount(): number {
    return this.#trusted.size;
  }
  get connecting(): number {
    return this.#setups.size;
  }
  /** State for the status page; times on the monotonic clock. */
  get status(): {
    readonly running: boolean;
    readonly lastAt: number | undefined;
    readonly lastFound: number;
    readonly lastConnected: number;
    readonly retryAt: number | undefined;
    readonly cooldownUntil: number;
    readonly outageUntil: number;
  } {
    const { lastAt, retryAt, cooldownUntil, outageUntil } = this.#pace;
    return {
      running: this.#running !== undefined,
      lastAt,
      lastFound: this.#lastFound,
      lastConnected: this.#lastConnected,
      retryAt,
      cooldownUntil,
      outageUntil,
    };
  }
  /** How many peers the running discovery still wants; 0 when none runs. */
  wanted(): number {
    return this.#running === undefined ? 0 : Math.max(0, this.#running.limit - this.#running.taken);
  }

  start(now: number, out: ManagerEffect[]): void {
    for (const id of this.#trusted.keys()) this.#redials.set(id, { attempt: 0, at: now });
    this.#redialTrusted(now, out, false);
    const remembered = this.#book.takeRemembered();
    if (this.#content) return;
    // Those who may not come now must take nobody's place.
    const welcome = remembered.filter((p) => this.#dialable(p.peerId, now));
    this.#enqueue(welcome.slice(0, this.#limit()), "memory", now);
    this.trigger("start", now, out);
  }

  /** True for a protocol that needs no streams of its own: it takes those that others open. */
  get #content(): boolean {
    const { hardLowCap, softLowCap } = this.#config.caps;
    return hardLowCap === 0 && softLowCap === 0;
  }

  get #low(): boolean {
    return this.#view.activeCount() < this.#config.caps.hardLowCap;
  }

  /** Besides those of the configuration these peers are trusted from now on, and others that were so before no more. */
  trust(peers: readonly DiscoveredPeer[], now: number, out: ManagerEffect[]): void {
    const configured = new Map((this.#config.trusted ?? []).map((p) => [p.peerId, p]));
    const wanted = new Map([...configured, ...peers.slice(0, MAX_QUEUE).map((p) => [p.peerId, p] as const)]);
    for (const id of this.#trusted.keys()) {
      if (wanted.has(id)) continue;
      this.#trusted.delete(id);
      this.#redials.delete(id);
    }
    for (const [id, peer] of wanted) {
      const addresses = [...new Set([...configured.get(id)?.addresses ?? [], ...peer.addresses])];
      const known = this.#trusted.get(id)?.addresses.length ?? 0;
      this.#trusted.set(id, { peerId: id, addresses });
      if (id === this.#config.selfId) continue;
      if (known === 0 && addresses.length > 0) this.#redials.set(id, { attempt: 0, at: now });
    }
    this.#redialTrusted(now, out, false);
  }

  /** Starts a run unless one is running, or it is too early, or only somebody's wish is a reason. */
  trigger(why: DiscoveryTrigger, now: number, out: ManagerEffect[]): void {
    if (this.#running !== undefined || (this.#content && why !== "manual" && why !== "wanted")) return;
    if (!this.#pace.allows(why, this.#low, now)) return;
    const limit = this.#limit();
    if (limit < 1) return;
    this.#redialTrusted(now, out, false);
    this.#running = { startedAt: now, limit, taken: 0 };
    this.#pace.began(now);
    this.#lastConnected = 0;
    out.push({ type: "discover", trigger: why, limit });
    this.#pump(now, out);
  }

  /** Peers to look for: as many as there are places for, among the active and in the reserve. */
  #limit(): number {
    const room = this.#view.room() - this.#setups.size - this.#queue.size;
    return Math.min(Math.max(1, this.#config.caps.discBatch), room);
  }

  /** Takes the peers that are worth a dial. */
  found(peers: readonly DiscoveredPeer[], origin: PeerOrigin, now: number, out: ManagerEffect[]): void {
    let room = this.#running === undefined ? this.#limit() : this.wanted();
    if (room <= 0) return;
    const fresh = peers.filter((p) => this.#dialable(p.peerId, now)).slice(0, room);
    room -= fresh.length;
    if (this.#running !== undefined) this.#running.taken += fresh.length;
    this.#enqueue(fresh, origin, now);
    this.#pump(now, out);
  }

  /** The run is over: when it was fruitless, the next one comes later. */
  discovered(now: number, out: ManagerEffect[]): void {
    const run = this.#running;
    if (run === undefined) return;
    this.#running = undefined;
    this.#lastFound = run.taken;
    if (run.taken > 0) {
      this.#pace.fruitful();
      return;
    }
    // Nobody new: the trusted peers are asked again even though they have just failed (§3.6).
    this.#redialTrusted(now, out, true);
    this.#pace.fruitless(this.#low, this.#view.activeCount() === 0, now);
    this.#pump(now, out);
  }

  #dialable(peer: string, now: number): boolean {
    if (peer === this.#config.selfId || this.#view.hasStream(peer)) return false;
    if (this.#setups.has(peer) || this.#queue.has(peer)) return false;
    if (now < (this.#dialCooldown.get(peer) ?? 0)) return false;
    if (this.#tooSoon(peer, now)) return false;
    // One that refuses us has redials of its own when it is trusted.
    if (this.#book.isRefused(peer, now)) return false;
    return this.isTrusted(peer) || !this.#book.cooldowns.active(peer, now);
  }

  #tooSoon(peer: string, now: number): boolean {
    const ended = this.#endedAt.get(peer);
    return ended !== undefined && now - ended < REOPEN_PAUSE_MS;
  }

  #enqueue(peers: readonly DiscoveredPeer[], origin: PeerOrigin, now: number): void {
    for (const peer of peers) {
      if (this.#queue.size >= MAX_QUEUE) return;
      if (this.#dialable(peer.peerId, now)) this.#queue.set(peer.peerId, { peer, origin });
    }
  }

  /** Starts as many set-ups as may run. */
  #pump(now: number, out: ManagerEffect[]): void {
    for (const [id, candidate] of this.#queue) {
      if (this.#setups.size >= this.#concurrency) return;
      this.#queue.delete(id);
      if (this.#view.hasStream(id)) continue;
      const page = this.#book.page(id);
      if (candidate.peer.addresses.length > 0) page.addresses = candidate.peer.addresses;
      this.#setups.set(id, { startedAt: now, origin: candidate.origin, instance: undefined });
      out.push({ type: "dial", peer: { peerId: id, addresses: page.addresses } });
    }
  }

  #redialTrusted(now: number, out: ManagerEffect[], anyway: boolean): void {
    const first = new Map<string, Candidate>();
    for (const [id, redial] of this.#redials) {
      const peer = this.#trusted.get(id);
      if (peer === undefined || this.#view.hasStream(id) || this.#setups.has(id)) continue;
      if (this.#tooSoon(id, now) || (!anyway && now < redial.at)) continue;
      this.#dialCooldown.delete(id);
      const step = Math.min(redial.attempt + 1, TRUSTED_BACKOFF_MS.length - 1);
      redial.attempt++;
      redial.at = now + (TRUSTED_BACKOFF_MS[step] as number);
      first.set(id, { peer, origin: "trusted" });
    }
    if (first.size > 0) this.#queue = new Map([...first, ...this.#queue]);
    this.#pump(now, out);
  }

  /** The stream that a set-up was for stands: what ends it from now on is the end of its probe or its own. */
  opened(peer: string, instance: number): void {
    const setup = this.#setups.get(peer);
    if (setup !== undefined) setup.instance ??= instance;
  }

  /**
   * The set-up that stream `instance` belongs to, undefined while there is none, has come to its end; one of another stream
   * is left alone. `failed` says how, undefined when the stream is proven. For want of an address (`unknown`) nobody is
   * left alone: whoever knows one may come the next moment.
   */
  setUp(
    peer: string,
    instance: number | undefined,
    failed: FaultClass | undefined,
    now: number,
    out: ManagerEffect[],
    unknown = false,
  ): void {
    const setup = this.#setups.get(peer);
    if (setup === undefined || setup.instance !== instance) return;
    this.#setups.delete(peer);
    const ok = failed === undefined;
    const trusted = this.isTrusted(peer);
    out.push({ type: "setup", ms: now - setup.startedAt, ok, origin: setup.origin, trusted });
    if (ok) {
      this.#lastConnected++;
      this.#dialCooldown.delete(peer);
    } else if (failed !== "REFUSED" && !unknown) {
      const cooldown = this.#pace.inOutage(now) ? OUTAGE_DIAL_COOLDOWN_MS : DIAL_COOLDOWN_MS;
      this.#dialCooldown.set(peer, now + cooldown);
    }
    this.#pump(now, out);
    if (!ok) this.turnedAway(now);
  }

  /** A peer was tried and did not come to be of use: when nobody else is being tried, the next run is due after a while. */
  turnedAway(now: number): void {
    const idle = this.#setups.size === 0 && this.#queue.size === 0 && this.#running === undefined;
    if (idle && this.#pace.retryAt === undefined && this.#low) {
      this.#pace.backOff(this.#view.activeCount() === 0, now);
    }
  }

  /** Set-ups of which nothing was heard for longer than one can take: their places are for others. */
  #giveUp(now: number, out: ManagerEffect[]): void {
    const { connectTimeoutMs } = this.#config.times ?? MANAGER_TIMES;
    for (const [peer, { startedAt, instance }] of this.#setups) {
      if (now - startedAt <= connectTimeoutMs + PROBE_TIMEOUT_MS) continue;
      this.setUp(peer, instance, "TRANSPORT", now, out);
    }
  }

  /** The peer is not dialled for a minute. */
  leaveAlone(peer: string, now: number): void {
    this.#dialCooldown.set(peer, now + DIAL_COOLDOWN_MS);
  }

  /** A stream with the peer was more than a refusal: a trusted one that is lost now may be dialled at once. */
  stood(peer: string, now: number): void {
    const redial = this.#redials.get(peer);
    if (redial !== undefined) Object.assign(redial, { attempt: 0, at: now });
  }

  /** A stream with the peer has ended. */
  ended(peer: string, now: number): void {
    this.#endedAt.set(peer, now);
    const redial = this.#redials.get(peer);
    if (redial !== undefined) redial.at = now + (TRUSTED_BACKOFF_MS[Math.min(redial.attempt, 5)] as number);
  }

  /**
   * The connection to a peer broke. Where it carried a stream and there are too few of these now, the peer is dialled
   * again as soon as it may be: it may have been restarted. One that only ended its stream does not want us.
   */
  lost(peer: string, now: number): void {
    if (this.isTrusted(peer) || this.#lost.size >= MAX_LOST) return;
    if (!this.#endedAt.has(peer) && !this.#view.hasStream(peer)) return;
    this.#lost.set(peer, now + REOPEN_PAUSE_MS);
  }
  readonly #lost = new Map<string, number>();

  #redialLost(now: number, out: ManagerEffect[]): void {
    for (const [peer, at] of this.#lost) {
      // A moment after the pause, as the stream's end may have come after the connection's.
      if (now <= at) continue;
      this.#lost.delete(peer);
      if (!this.#low) continue;
      this.#enqueue([{ peerId: peer, addresses: this.#book.page(peer).addresses }], "memory", now);
    }
    this.#pump(now, out);
  }

  /** Our own network failed: everybody lost is tried again soon, without dial cooldowns in the way. */
  outage(lost: readonly string[], now: number): void {
    this.#dialCooldown.clear();
    this.#pace.outage(!this.#content, now);
    if (this.#content) return;
    this.#lostInOutage = [...new Set([...this.#lostInOutage, ...lost])].slice(-MAX_QUEUE);
  }
  #lostInOutage: string[] = [];

  /** The last stream is gone. */
  isolated(now: number): void {
    this.#pace.isolated(now);
  }

  /** The network is back (a connection stands): no reason to wait for the next step. */
  online(now: number, out: ManagerEffect[]): void {
    const { lastAt, retryAt } = this.#pace;
    if (!this.#low || retryAt === undefined) return;
    if (lastAt !== undefined && now - lastAt < 1_000) return;
    this.trigger("online", now, out);
  }

  /** Once a second. */
  tick(now: number, out: ManagerEffect[]): void {
    this.#giveUp(now, out);
    this.#redialTrusted(now, out, false);
    if (this.#lost.size > 0) this.#redialLost(now, out);
    if (this.#pace.due(now)) {
      if (this.#pace.inOutage(now)) {
        const lost = this.#lostInOutage.map((id) => ({
          peerId: id,
          addresses: this.#book.page(id).addresses,
        }));
        this.#enqueue(lost, "memory", now);
        this.#lostInOutage = this.#lostInOutage.filter((id) => !this.#view.hasStream(id));
      } else {
        this.#lostInOutage = [];
      }
      this.trigger("retry", now, out);
      this.#pump(now, out);
    }
    for (const [id, at] of this.#endedAt) if (now - at >= REOPEN_PAUSE_MS) this.#endedAt.delete(id);
    for (const [id, until] of this.#dialCooldown) if (now >= until) this.#dialCooldown.delete(id);
  }
}
