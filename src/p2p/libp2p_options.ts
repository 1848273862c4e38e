/**
 * The settings of the network library, and why each differs from its default.
 *
 * Why it exists: the defaults suit a browser app with a handful of peers; a node serves hundreds, moves frames of
 * 20 MiB and must fit Go nodes. What must stay true: everything that a stranger can make us hold is bounded here, and
 * yamux with noise stands first, which is what live Go nodes take.
 */
import { yamux } from "@chainsafe/libp2p-yamux";
import { identify, identifyPush } from "@libp2p/identify";
import type { PrivateKey, ServiceMap, StreamMuxerFactory } from "@libp2p/interface";
import { type KadDHT, kadDHT, passthroughMapper, removePrivateAddressesMapper } from "@libp2p/kad-dht";
import { mplex } from "@libp2p/mplex";
import { type Ping, ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import type { Multiaddr } from "@multiformats/multiaddr";
import type { Libp2pOptions } from "libp2p";
import { keepCrossedDials } from "./crossed_dials.ts";
import type { Gate } from "./gater.ts";
import { noiseLikeGo } from "./security.ts";

/** Services of our host. */
export interface HostServices extends ServiceMap {
  readonly dht: KadDHT;
  readonly ping: Ping;
}

export type Muxer = "yamux" | "mplex";

/** Settings that the operator or the network decides. */
export interface HostSettings {
  readonly privateKey: PrivateKey;
  readonly userAgent: string;
  /** Multiaddr to listen on. */
  readonly listen: string;
  /** Nodes with private addresses are peers like others: localnet, loopback, LAN. */
  readonly privateNetwork: boolean;
  readonly muxers: readonly Muxer[];
  readonly maxConnections: number;
  readonly gate: Gate;
  readonly dialTimeoutMs: number;
  /** Parallel questions of a DHT query. */
  readonly dhtConcurrency: number;
  /** From the start; a host may begin later. */
  readonly servesDht: boolean;
  /** Turns the addresses that the host would announce into those that it does. */
  readonly announce: (own: Multiaddr[]) => Multiaddr[];
}

/** A paused yamux stream may receive what is left of its window; the window never outgrows this (10 MB/s at 100 ms). */
export const MAX_WINDOW = 1024 * 1024;
/** Unread bytes at which the library aborts a stream: more than a window, so that only mplex can ever reach it. */
const READ_BUFFER = 4 * 1024 * 1024;
/** Streams of one connection, over all protocols. */
const MAX_STREAMS = 64;
/** Streams of one protocol on one connection: the sync protocol needs two, a reconnecting peer some more. */
export const MAX_PROTOCOL_STREAMS = 16;
/** Connections a second from one IP. The library's 5 would turn away a peer that restarts behind a shared address. */
const PUBLIC_CONNECTION_RATE = 20;
/** On a private network all peers may share one IP. */
const PRIVATE_CONNECTION_RATE = 1000;
/**
 * Connections that have come and did not complete their handshake, at once; each may take ten seconds. Strangers who never
 * speak keep newcomers out when they fill these places, so there are more than the addresses of a handful of machines
 * can take.
 */
const PENDING_CONNECTIONS = 256;
const DHT_PROTOCOL = "/ipfs/kad/1.0.0";
const HOUR = 3_600_000;

function muxer(name: Muxer): () => StreamMuxerFactory {
  const streamOptions = { maxReadBufferLength: READ_BUFFER };
  return name === "yamux"
    ? yamux({
      maxInboundStreams: MAX_STREAMS,
      maxOutboundStreams: MAX_STREAMS,
      streamOptions: { ...streamOptions, maxStreamWindowSize: MAX_WINDOW },
    }) as () => StreamMuxerFactory
    // The library cuts a whole mplex connection that opens five streams a second, or that still sends to a stream
    // which we reset: a Go node does both in good faith.
    : mplex({ disconnectThreshold: 2000 });
}

/** Options for `createLibp2p`; the host is not started by it. */
export function libp2pOptions(settings: HostSettings): Libp2pOptions<HostServices> {
  const { privateNetwork } = settings;
  return {
    privateKey: settings.privateKey,
    start: false,
    nodeInfo: { userAgent: settings.userAgent },
    addresses: { listen: [settings.listen], announceFilter: settings.announce },
    transports: [tcp()],
    connectionEncrypters: [noiseLikeGo()],
    streamMuxers: settings.muxers.map(muxer),
    connectionGater: settings.gate.rules,
    connectionManager: {
      maxConnections: settings.maxConnections,
      inboundConnectionThreshold: privateNetwork ? PRIVATE_CONNECTION_RATE : PUBLIC_CONNECTION_RATE,
      maxIncomingPendingConnections: PENDING_CONNECTIONS,
      dialTimeout: settings.dialTimeoutMs,
      addressDialTimeout: Math.min(10_000, settings.dialTimeoutMs),
      // Names inside addresses of strangers are not looked up; our own bootnode names are resolved by ourselves.
      resolvers: {},
      // Reconnecting is decided in one place, bootstrap.ts.
      reconnectRetries: 0,
    },
    // A peer that is busy verifying answers late; a dead one is noticed within a minute and a half.
    connectionMonitor: { pingInterval: 30_000, pingTimeout: { minTimeout: 20_000, maxTimeout: 60_000 } },
    services: {
      crossedDials: keepCrossedDials,
      identify: identify({ maxInboundStreams: 4, maxOutboundStreams: 4 }),
      identifyPush: identifyPush({ maxInboundStreams: 4, maxOutboundStreams: 4 }),
      ping: ping({ maxInboundStreams: 4, maxOutboundStreams: 4 }),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        kBucketSize: 20,
        alpha: settings.dhtConcurrency,
        peerInfoMapper: privateNetwork ? passthroughMapper : removePrivateAddressesMapper,
        // On a public network we serve once we know that we can be reached; the host switches then.
        clientMode: !settings.servesDht,
        // The library would hold every query back until a first look around; the host waits for a routing table
        // itself, with a limit, and looks around as soon as there is one.
        allowQueryWithZeroPeers: true,
        // A dead peer costs a query this long; left alone, the limit grows to a minute when peers are slow.
        networkDialTimeout: { minTimeout: 5_000, maxTimeout: 10_000 },
        providers: { provideValidity: 48 * 3600 },
        reprovide: { validity: 48 * HOUR, threshold: 24 * HOUR },
      }),
    },
  };
}
