/**
 * The libp2p host behind `P2PHost`.
 *
 * Why it exists: one place knows the network library; the layers above see peer id texts, byte streams and typed
 * errors (types.ts). What must stay true: no call waits longer than its timeout; starting never waits for the network;
 * after `stop()` nothing of ours runs any more, and every later call fails with P2P_STOPPED.
 */
import type { Connection, IdentifyResult, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { type Cancel, type Clock, Emitter, type Logger, safeText } from "../base/mod.ts";
import { parseMultiaddr, parsePeerId, usableMultiaddrs } from "./addresses.ts";
import { parseBootnode, resolveBootnodes, type TxtResolver } from "./bootnodes.ts";
import { Bootstrap } from "./bootstrap.ts";
import { Deadline } from "./deadline.ts";
import { Discovery, MAX_PEER_ADDRESSES } from "./discovery.ts";
import { hostStopped, openFailure } from "./errors.ts";
import type { Gate } from "./gater.ts";
import type { HostParts, HostStatus } from "./host_parts.ts";
import { type HostServices, MAX_PROTOCOL_STREAMS } from "./libp2p_options.ts";
import { OwnAddresses } from "./own_addresses.ts";
import type { Reachability } from "./reachability.ts";
import { LibP2PStream } from "./stream.ts";
import { PeersTold } from "./told.ts";
import { Trim } from "./trim.ts";
import type { DiscoveredPeer, P2PHost, P2PStream, PeerEvent } from "./types.ts";

/** Routing table entries below which a lost bootnode is dialled again. */
const SMALL_TABLE = 20;
/** The highest value a tag may have; the library gives 1 by itself, and about 50 to close DHT neighbours. */
const PROTECTED_VALUE = 100;
const PROTECT_PREFIX = "hsync-";
/** A stream on a connection that stands may take this long to negotiate, however long dialling took. */
const NEGOTIATION_MS = 1_000;

/** The host, plus what only its owner needs. */
export class LibP2PHost implements P2PHost {
  readonly peerId: string;
  readonly #node: Libp2p<HostServices>;
  readonly #gate: Gate;
  readonly #events = new Emitter<PeerEvent>();
  readonly #told: PeersTold;
  readonly #trim: Trim;
  readonly #reachability: Reachability;
  readonly #discovery: Discovery;
  readonly #bootstrap: Bootstrap;
  readonly #stopping = new AbortController();
  readonly #background = new Set<Promise<void>>();
  readonly #streams = new Set<LibP2PStream>();
  readonly #own: OwnAddresses;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #resolver: TxtResolver;
  #endTrim: Cancel = () => {};
  #left: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /** Does nothing by itself; use `createHost`. */
  constructor(parts: HostParts) {
    const { node, clock, log } = parts;
    this.#node = node;
    this.#gate = parts.gate;
    this.peerId = node.peerId.toString();
    this.#clock = clock;
    this.#log = log;
    this.#resolver = parts.resolver;
    this.#told = new PeersTold(parts.privateNetwork);
    this.#trim = new Trim({
      marks: parts.watermarks,
      clock,
      log,
      connections: () => node.getConnections(),
      streamsOn: (c) => [...this.#streams].filter((s) => s.timeline === c.timeline).length,
      identified: (peerId) => this.#told.has(peerId),
      isStatic: (peerId) => this.#bootstrap.isStatic(peerId),
    });
    this.#reachability = parts.reachability;
    this.#own = new OwnAddresses({ ...parts, run: (work, what) => this.#run(work, what) });
    this.#events.onError = (error) => log.error("a listener of network events failed", { error });
    const isConnected = (peerId: string) => this.#isConnected(peerId);
    this.#discovery = new Discovery({
      dht: node.services.dht,
      selfId: this.peerId,
      privateNetwork: parts.privateNetwork,
      clock,
      log,
      isConnected,
      announcedAddresses: () => node.getMultiaddrs().length,
    });
    this.#bootstrap = new Bootstrap({
      bootnodes: parts.bootnodes,
      staticPeers: parts.staticPeers,
      resolver: parts.resolver,
      clock,
      random: parts.random,
      log,
      dial: (addresses, signal, timeoutMs) => this.#dialAll(addresses, { signal, timeoutMs }),
      isConnected,
      needsBootnodes: () => this.#discovery.routingTableSize < SMALL_TABLE,
      isolated: () => node.getPeers().length === 0,
      onStatic: () => {
        for (const peer of this.staticPeers()) this.admit(peer.peerId);
        this.#events.emit({ type: "static" });
      },
    });
    this.#listen();
  }

  /** Opens the port, then connects to bootnodes and static peers in the background. Rejects when it cannot listen. */
  async start(): Promise<void> {
    await this.#node.start();
    this.#own.listening();
    this.#bootstrap.start();
    this.#endTrim = this.#trim.begin((look) => this.#run(look, "trimming connections"));
  }

  #listen(): void {
    const node = this.#node;
    node.addEventListener("peer:connect", ({ detail }) => {
      this.#bootstrap.poke();
      this.#events.emit({ type: "connected", peerId: detail.toString() });
    });
    node.addEventListener("peer:disconnect", ({ detail }) => {
      this.#told.forget(detail.toString());
      this.#bootstrap.poke();
      this.#events.emit({ type: "disconnected", peerId: detail.toString() });
    });
    node.addEventListener("peer:identify", ({ detail }) => this.#onIdentify(detail));
    node.addEventListener("connection:open", ({ detail }) => this.#onConnection(detail));
    node.addEventListener("self:peer:update", ({ detail }) => {
      if (this.#stopping.signal.aborted) return;
      const before = detail.previous?.addresses.map((a) => a.multiaddr.toString()).sort().join();
      const after = detail.peer.addresses.map((a) => a.multiaddr.toString()).sort().join();
      if (before !== after) this.#events.emit({ type: "addresses", addresses: this.addresses() });
    });
  }

  #onIdentify(result: IdentifyResult): void {
    const peerId = result.peerId.toString();
    if (this.#isConnected(peerId)) this.#told.note(result);
    this.#own.identified(result);
    this.#events.emit({
      type: "identified",
      peerId,
      protocols: this.#told.protocolsOf(peerId),
    });
  }

  #onConnection(connection: Connection): void {
    if (!this.#stopping.signal.aborted) this.#run(this.#trim.look(), "trimming connections");
    this.#own.connected(connection);
  }

  /** Runs work that nobody waits for, so that its failure is seen and `stop()` waits for it. */
  #run(work: Promise<void>, what: string): void {
    const task = work.catch((error) => {
      if (!this.#stopping.signal.aborted) this.#log.debug(`${what} failed`, { error });
    }).finally(() => this.#background.delete(task));
    this.#background.add(task);
  }

  addresses(): readonly string[] {
    return this.#own.texts();
  }

  async handle(protocol: string, onStream: (stream: P2PStream) => void): Promise<Cancel> {
    this.#assertRunning(`handling ${protocol}`);
    await this.#node.handle(protocol, (stream, connection) => {
      const wrapped = this.#wrap(stream, connection);
      try {
        onStream(wrapped);
      } catch (error) {
        this.#log.error("a stream handler failed", { protocol, peerId: wrapped.peerId, error });
        wrapped.reset("handler failed");
      }
    }, { maxInboundStreams: MAX_PROTOCOL_STREAMS, maxOutboundStreams: MAX_PROTOCOL_STREAMS });
    let active = true;
    return () => {
      if (!active || this.#stopping.signal.aborted) return;
      active = false;
      this.#run(this.#node.unhandle(protocol), `unregistering ${protocol}`);
    };
  }

  async openStream(
    peer: DiscoveredPeer,
    protocol: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<P2PStream> {
    const what = `opening ${protocol} to ${peer.peerId}`;
    const start = this.#clock.monotonic();
    const connection = await this.#within(what, peer.peerId, options, async (signal) => {
      const id = parsePeerId(peer.peerId);
      await this.#remember(id, peer.addresses);
      return await this.#node.dial(id, { signal });
    });
    // The caller's signal ends here: the peer may have taken the stream already, and to give it up again would look
    // like a stream that was lost.
    const timeoutMs = Math.max(NEGOTIATION_MS, options.timeoutMs - (this.#clock.monotonic() - start));
    return await this.#within(what, peer.peerId, { timeoutMs }, async (signal) => {
      const limits = { signal, maxOutboundStreams: MAX_PROTOCOL_STREAMS };
      return this.#wrap(await connection.newStream(protocol, limits), connection);
    });
  }

  async connect(
    address: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<string> {
    const entry = parseBootnode(address);
    const what = `connecting to ${safeText(address, 120)}`;
    return await this.#within(
      what,
      entry.kind === "peer" ? entry.address.peerId : "",
      options,
      async (signal) => {
        const { addresses, failures } = await resolveBootnodes([entry], this.#resolver, signal);
        if (addresses.length === 0) throw failures[0] ?? new Error("the name has no address");
        const tries = addresses.map((a) => this.#node.dial(parseMultiaddr(a.text), { signal }));
        const connection = await Promise.any(tries);
        return connection.remotePeer.toString();
      },
    );
  }

  discover(
    namespace: string,
    options: { readonly limit: number; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): AsyncIterable<DiscoveredPeer> {
    this.#assertRunning(`looking for ${namespace}`);
    return this.#discovery.discover(namespace, options);
  }

  async advertise(
    namespace: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<void> {
    this.#assertRunning(`announcing ${namespace}`);
    await this.#discovery.advertise(namespace, options);
  }

  peersSpeaking(protocol: string): readonly string[] {
    return this.#told.speaking(protocol);
  }

  addressesOf(peerId: string): readonly string[] {
    return this.#told.addressesOf(peerId);
  }

  staticPeers(): readonly DiscoveredPeer[] {
    return this.#bootstrap.staticPeers();
  }

  connectedPeers(): number {
    return this.#node.getPeers().length;
  }

  routingTableSize(): number {
    return this.#discovery.routingTableSize;
  }

  protect(peerId: string, tag: string): void {
    this.#trim.guard(peerId, tag);
    this.#tag(peerId, tag, { value: PROTECTED_VALUE });
  }

  unprotect(peerId: string, tag: string): void {
    this.#trim.unguard(peerId, tag);
    this.#tag(peerId, tag, undefined);
  }

  async disconnect(peerId: string): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    for (const stream of this.#streams) if (stream.peerId === peerId) stream.forsake("disconnecting");
    this.#gate.cut(peerId, "disconnecting");
    await this.#node.hangUp(parsePeerId(peerId));
  }

  shun(peerId: string, ms: number): void {
    if (!this.#bootstrap.isStatic(peerId)) this.#gate.shun(peerId, ms);
    if (!this.#stopping.signal.aborted) this.#run(this.disconnect(peerId), "disconnecting a shunned peer");
  }

  admit(peerId: string | undefined): void {
    this.#gate.admit(peerId);
  }

  on(listener: (event: PeerEvent) => void): Cancel {
    return this.#events.on(listener);
  }

  /** What the host knows of itself. */
  status(): HostStatus {
    return {
      peerId: this.peerId,
      addresses: this.addresses(),
      connected: this.connectedPeers(),
      routingTable: this.routingTableSize(),
      dhtMode: this.#node.services.dht.getMode(),
      observedIp: this.#reachability.observedIp,
      reached: this.#reachability.reached,
      bootstrap: this.#bootstrap.peers(),
      unresolved: this.#bootstrap.unresolved(),
    };
  }

  /**
   * Leaves the network at once: nobody gets in any more and every connection is cut below its streams. A stream that is
   * reset while its connection stands is opened again by a Go node within a millisecond, and the loss of that one then
   * puts us into a cooldown (sync-protocol.md §3.4); a library's polite close half-closes it, and the Go node spins
   * (§2.4). Handlers stay; what they hold fails by itself. Resolves when nothing dials any more.
   */
  leave(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#endTrim();
    // A connection and its raw one share the record of their times: that is how to tell which of them carries streams.
    const busy = new Set<unknown>([...this.#streams].map((stream) => stream.timeline));
    for (const stream of this.#streams) stream.forsake("leaving");
    // First the connections, then the signal: it would make the library reset streams that are being opened.
    this.#gate.shut("leaving", (raw) => busy.has(raw.timeline));
    this.#stopping.abort();
    await Promise.all([this.#bootstrap.stop(), this.#discovery.stop()]);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.leave();
    await Promise.all(this.#background);
    await this.#node.stop();
    this.#told.clear();
  }

  #assertRunning(what: string): void {
    if (this.#stopping.signal.aborted) throw hostStopped(what);
  }

  #wrap(stream: Stream, connection: Connection): LibP2PStream {
    const wrapped = new LibP2PStream(stream, connection);
    this.#streams.add(wrapped);
    wrapped.closed.then(() => this.#streams.delete(wrapped));
    return wrapped;
  }

  #isConnected(peerId: string): boolean {
    return this.#node.getConnections(parsePeerId(peerId)).some((c) => c.status === "open");
  }

  #tag(peerId: string, tag: string, value: { readonly value: number } | undefined): void {
    if (this.#stopping.signal.aborted) return;
    const tags = { [PROTECT_PREFIX + tag]: value };
    const merge = this.#node.peerStore.merge(parsePeerId(peerId), { tags }).then(() => {});
    this.#run(merge, "tagging a peer");
  }

  /** Merges addresses that somebody told us into the peer store; unusable ones are left out. */
  async #remember(id: PeerId, addresses: readonly string[]): Promise<void> {
    const multiaddrs = usableMultiaddrs(addresses.slice(0, MAX_PEER_ADDRESSES));
    if (multiaddrs.length > 0) await this.#node.peerStore.merge(id, { multiaddrs });
  }

  async #dialAll(
    addresses: readonly string[],
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<void> {
    await this.#within("dialling a bootstrap peer", "", options, async (signal) => {
      await this.#node.dial(addresses.map(parseMultiaddr), { signal });
    });
  }

  /** Runs `work` with a signal for cancellation, timeout and stop; its failure becomes one of our errors. */
  async #within<T>(
    what: string,
    peerId: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#assertRunning(what);
    const deadline = new Deadline(this.#clock, options.timeoutMs, options.signal, this.#stopping.signal);
    try {
      return await work(deadline.signal);
    } catch (error) {
      throw openFailure(error, what, peerId, deadline);
    } finally {
      deadline.end();
    }
  }
}
