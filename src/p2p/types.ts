/**
 * What the layers above need of a peer-to-peer host.
 *
 * Why it exists: the stream layer talks to this interface, so that the real libp2p host and the seeded
 * many-node simulation are interchangeable. What must stay true: peer ids are always the base58btc text of
 * the peer id multihash (sync-protocol.md §0), and no libp2p type appears in a signature here.
 */
import type { Cancel } from "../base/mod.ts";

/** A peer as discovery reports it. */
export interface DiscoveredPeer {
  /** base58btc peer id text. */
  readonly peerId: string;
  /** Multiaddr texts, possibly empty. */
  readonly addresses: readonly string[];
}

/** One open duplex byte stream to a peer. */
export interface P2PStream {
  readonly peerId: string;
  /** `in`: the remote side opened it. */
  readonly direction: "in" | "out";
  /** Remote multiaddr text. */
  readonly remoteAddress: string;
  /** The protocol id that was negotiated. */
  readonly protocol: string;
  /** Muxer protocol id of the connection, for example `/yamux/1.0.0`. */
  readonly muxer: string;
  /**
   * The incoming bytes in the order of arrival, with back-pressure: while the consumer does not pull, at most a
   * bounded amount is buffered. Ends on a remote half-close; throws HsyncError (fault TRANSPORT) when the
   * stream is lost, with code STREAM_RESET_BY_PEER when the other side reset it. May be consumed once.
   */
  readonly source: AsyncIterable<Uint8Array>;
  /**
   * Sends the bytes in slices, resolving when all of them have been handed to the transport and its buffer has
   * drained. Concurrent calls are queued in order.
   * @throws {HsyncError} fault TRANSPORT when the stream is gone, with codes as above; CANCELLED on abort (the stream is
   * then reset, since a half-written frame cannot be taken back).
   */
  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Abort both directions at once; harmless when already closed. Sync streams are never half-closed (§2.4). */
  reset(reason: string): void;
  /** Resolves, never rejects, when the stream is gone for whatever reason. */
  readonly closed: Promise<void>;
}

export type PeerEvent =
  | { readonly type: "connected"; readonly peerId: string }
  | { readonly type: "disconnected"; readonly peerId: string }
  /** Identify finished: the protocols of the peer are known. */
  | { readonly type: "identified"; readonly peerId: string; readonly protocols: readonly string[] }
  /** Names of static peers were looked up: who they are has changed; see `staticPeers`. */
  | { readonly type: "static" }
  /** Our own reachable addresses changed. */
  | { readonly type: "addresses"; readonly addresses: readonly string[] };

export interface P2PHost {
  readonly peerId: string;
  /** Listen multiaddrs with the real port and `/p2p/<id>`. */
  addresses(): readonly string[];
  /** Registers the handler for an exact protocol id; the result unregisters it. */
  handle(protocol: string, onStream: (stream: P2PStream) => void): Promise<Cancel>;
  /**
   * Opens a stream, dialling if necessary; `addresses` are merged into the peer store first.
   * @throws {HsyncError} fault TRANSPORT (no route, refused, timed out) or REFUSED (the peer does not speak it).
   */
  openStream(
    peer: DiscoveredPeer,
    protocol: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<P2PStream>;
  /** Connects without opening a stream (bootnodes, trusted peers). Returns the peer id text. */
  connect(
    multiaddr: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<string>;
  /** Providers of a namespace from the DHT as they arrive; ends at `limit`, at the timeout or when the query ends. */
  discover(
    namespace: string,
    options: { readonly limit: number; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): AsyncIterable<DiscoveredPeer>;
  /** Announces this node as a provider of the namespace, once. @throws {HsyncError} when no server took it. */
  advertise(
    namespace: string,
    options: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<void>;
  /** Connected peers whose identify list contains the protocol: free candidates, no DHT needed. */
  peersSpeaking(protocol: string): readonly string[];
  /** Where a connected peer says that it listens: for finding it again without the DHT. Empty when it has not said. */
  addressesOf(peerId: string): readonly string[];
  /** The peers that the operator named, those behind `/dnsaddr/` names as they were looked up last. */
  staticPeers(): readonly DiscoveredPeer[];
  /** Number of distinct connected peers. */
  connectedPeers(): number;
  /** Number of peers in the DHT routing table: 0 means that questions are pointless yet (guide: wait, then ask). */
  routingTableSize(): number;
  /** Keeps the connection manager from pruning the peer while it has a sync stream. */
  protect(peerId: string, tag: string): void;
  unprotect(peerId: string, tag: string): void;
  /** Closes every connection to the peer. */
  disconnect(peerId: string): Promise<void>;
  /** Closes every connection to the peer and has none with it for `ms`; one that the operator named is only disconnected. */
  shun(peerId: string, ms: number): void;
  /** Takes back `shun`: of one peer, or of all. */
  admit(peerId: string | undefined): void;
  on(listener: (event: PeerEvent) => void): Cancel;
  stop(): Promise<void>;
}
