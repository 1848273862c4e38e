/**
 * A simulated network of hosts on one clock: connections, streams, a provider table, outages.
 *
 * Why it exists: many nodes of the real stream layer run in one process, replayable by seed, from two-node tests to
 * the twenty-node simulation. What must stay true: nothing here knows the sync protocol; every host behaves as
 * `P2PHost` promises; and time passes only on the injected clock.
 */
import { type Cancel, cancelled, type Clock, HsyncError, type Random } from "../../../src/base/mod.ts";
import type { DiscoveredPeer, P2PHost, P2PStream, PeerEvent } from "../../../src/p2p/mod.ts";
import { INSTANT, type LinkProfile, type SimStream, streamPair } from "./sim_stream.ts";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** A peer id text of the usual look for a small number. */
export function simPeerId(n: number): string {
  let digits = "";
  for (let i = 0; i < 4; i++) {
    digits = (ALPHABET[n % ALPHABET.length] as string) + digits;
    n = Math.floor(n / ALPHABET.length);
  }
  return `12D3KooWSimPeer${digits}`;
}

function unreachable(what: string): HsyncError {
  return new HsyncError("SIM_UNREACHABLE", what, { fault: "TRANSPORT", retryable: true });
}

export class SimNetwork {
  readonly clock: Clock;
  readonly random: Random;
  /** The link between two hosts; asked once per stream. */
  link: (from: string, to: string) => LinkProfile;
  readonly hosts = new Map<string, SimHost>();
  readonly #providers = new Map<string, Set<string>>();
  #next = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly link?: (from: string, to: string) => LinkProfile;
  }) {
    this.clock = options.clock;
    this.random = options.random;
    this.link = options.link ?? (() => INSTANT);
  }

  /** A new host, up at once. */
  host(peerId: string = simPeerId(this.#next++)): SimHost {
    const host = new SimHost(this, peerId);
    this.hosts.set(peerId, host);
    return host;
  }
  provide(namespace: string, peerId: string): void {
    const set = this.#providers.get(namespace) ?? new Set();
    set.add(peerId);
    this.#providers.set(namespace, set);
  }
  providers(namespace: string): string[] {
    return [...(this.#providers.get(namespace) ?? [])];
  }
  /** Waits one way's time; at once on an instant link. */
  async delay(from: string, to: string, times: number, signal?: AbortSignal): Promise<void> {
    const { latencyMs } = this.link(from, to);
    if (latencyMs > 0) await this.clock.sleep(latencyMs * times, signal);
    else if (signal?.aborted) throw cancelled("waiting for the network");
  }
}

export class SimHost implements P2PHost {
  readonly peerId: string;
  readonly network: SimNetwork;
  /** Every stream that this host opened or accepted, in order: tests look at how they ended. */
  readonly streams: SimStream[] = [];
  /** Protected peers, and on whose account. */
  readonly protectedPeers = new Map<string, Set<string>>();
  /** Number of dials and discoveries, for tests of pace. */
  dials = 0;
  discoveries = 0;
  isUp = true;
  /** True once it has left: nobody gets in or out until `enter`. */
  #left = false;
  /** False: the DHT knows nobody yet. */
  tableReady = true;
  readonly #handlers = new Map<string, (stream: P2PStream) => void>();
  readonly #listeners = new Set<(event: PeerEvent) => void>();
  readonly #connected = new Set<string>();
  readonly #shunned = new Map<string, number>();

  constructor(network: SimNetwork, peerId: string) {
    this.network = network;
    this.peerId = peerId;
  }

  addresses(): readonly string[] {
    return [`/sim/${this.peerId}`];
  }
  handle(protocol: string, onStream: (stream: P2PStream) => void): Promise<Cancel> {
    this.#handlers.set(protocol, onStream);
    return Promise.resolve(() => {
      this.#handlers.delete(protocol);
    });
  }
  speaks(protocol: string): boolean {
    return this.#handlers.has(protocol);
  }
  protocols(): string[] {
    return [...this.#handlers.keys()];
  }

  #reach(peerId: string): SimHost {
    const other = this.network.hosts.get(peerId);
    if (!this.isUp || other === undefined || !other.isUp || this.#left || other.#left) {
      throw unreachable(`no route to ${peerId}`);
    }
    if (this.#shuns(peerId) || other.#shuns(this.peerId)) throw unreachable(`${peerId} lets nobody in`);
    return other;
  }

  async openStream(
    peer: DiscoveredPeer,
    protocol: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<P2PStream> {
    this.dials++;
    const { network } = this;
    await network.delay(this.peerId, peer.peerId, 2, options.signal);
    const other = this.#reach(peer.peerId);
    this.#connectTo(other);
    const handler = other.#handlers.get(protocol);
    if (handler === undefined) {
      throw new HsyncError("SIM_REFUSED", `${peer.peerId} does not speak ${protocol}`, { fault: "REFUSED" });
    }
    const { clock, random } = network;
    const link = network.link(this.peerId, peer.peerId);
    const pair = streamPair({ from: this.peerId, to: peer.peerId, protocol, clock, random, link });
    this.streams.push(pair.out);
    other.streams.push(pair.in);
    if (link.latencyMs === 0) handler(pair.in);
    else clock.after(link.latencyMs, () => other.isUp ? handler(pair.in) : pair.in.cut("host down"));
    return pair.out;
  }

  async connect(
    address: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<string> {
    const peerId = address.split("/").at(-1) as string;
    await this.network.delay(this.peerId, peerId, 2, options.signal);
    this.#connectTo(this.#reach(peerId));
    return peerId;
  }

  #connectTo(other: SimHost): void {
    if (this.#connected.has(other.peerId)) return;
    for (const [a, b] of [[this, other], [other, this]] as const) {
      a.#connected.add(b.peerId);
      a.#emit({ type: "connected", peerId: b.peerId });
    }
    const identify = () => {
      if (!this.#connected.has(other.peerId)) return;
      this.#emit({ type: "identified", peerId: other.peerId, protocols: other.protocols() });
      other.#emit({ type: "identified", peerId: this.peerId, protocols: this.protocols() });
    };
    const { latencyMs } = this.network.link(this.peerId, other.peerId);
    if (latencyMs > 0) this.network.clock.after(2 * latencyMs, identify);
    else identify();
  }

  async *discover(
    namespace: string,
    options: { readonly limit: number; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<DiscoveredPeer, void, void> {
    this.discoveries++;
    await this.network.delay(this.peerId, this.peerId, 4, options.signal);
    if (!this.isUp) return;
    const found = this.network.random.shuffle(this.network.providers(namespace)).slice(0, options.limit);
    for (const peerId of found) yield { peerId, addresses: [`/sim/${peerId}`] };
  }
  async advertise(
    namespace: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<void> {
    await this.network.delay(this.peerId, this.peerId, 4, options.signal);
    if (this.routingTableSize() === 0) throw unreachable("no server took the announcement");
    this.network.provide(namespace, this.peerId);
  }

  peersSpeaking(protocol: string): readonly string[] {
    return [...this.#connected].filter((id) => this.network.hosts.get(id)?.speaks(protocol) ?? false);
  }
  addressesOf(peerId: string): readonly string[] {
    return this.#connected.has(peerId) ? [`/sim/${peerId}`] : [];
  }
  /** What the operator named. */
  statics: readonly DiscoveredPeer[] = [];
  staticPeers(): readonly DiscoveredPeer[] {
    return this.statics;
  }
  /** A name was looked up and stands for these. */
  resolved(statics: readonly DiscoveredPeer[]): void {
    this.statics = statics;
    this.#emit({ type: "static" });
  }
  connectedPeers(): number {
    return this.#connected.size;
  }
  routingTableSize(): number {
    return this.isUp && this.tableReady ? this.network.hosts.size - 1 : 0;
  }
  protect(peerId: string, tag: string): void {
    this.protectedPeers.set(peerId, new Set([...this.protectedPeers.get(peerId) ?? [], tag]));
  }
  unprotect(peerId: string, tag: string): void {
    const tags = this.protectedPeers.get(peerId);
    if (tags?.delete(tag) === true && tags.size === 0) this.protectedPeers.delete(peerId);
  }
  disconnect(peerId: string): Promise<void> {
    this.#drop(peerId, "disconnected");
    return Promise.resolve();
  }
  shun(peerId: string, ms: number): void {
    this.#shunned.set(peerId, this.network.clock.monotonic() + ms);
    this.#drop(peerId, "shunned");
  }
  admit(peerId: string | undefined): void {
    if (peerId === undefined) this.#shunned.clear();
    else this.#shunned.delete(peerId);
  }
  #shuns(peerId: string): boolean {
    return this.network.clock.monotonic() < (this.#shunned.get(peerId) ?? 0);
  }
  on(listener: (event: PeerEvent) => void): Cancel {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
  #emit(event: PeerEvent): void {
    for (const l of [...this.#listeners]) l(event);
  }
  #drop(peerId: string, reason: string): void {
    for (const s of this.streams) if (s.peerId === peerId && !s.isReset) s.cut(reason);
    const other = this.network.hosts.get(peerId);
    if (this.#connected.delete(peerId)) this.#emit({ type: "disconnected", peerId });
    if (other !== undefined && other.#connected.delete(this.peerId)) {
      other.#emit({ type: "disconnected", peerId: this.peerId });
    }
  }

  /** Pulls the plug: every connection breaks and none can be made. */
  down(): void {
    this.isUp = false;
    for (const id of [...this.#connected]) this.#drop(id, "the network is gone");
    for (const s of this.streams) if (!s.isReset) s.cut("the network is gone");
  }
  up(): void {
    this.isUp = true;
  }
  /** As the real host leaves: connections are cut before any stream is reset, and the gate is shut. */
  leave(): void {
    this.#left = true;
    for (const id of [...this.#connected]) this.#drop(id, "the host leaves");
  }
  /** The next run of a node on this host. */
  enter(): void {
    this.#left = false;
  }
  stop(): Promise<void> {
    this.down();
    this.network.hosts.delete(this.peerId);
    return Promise.resolve();
  }
}
