/**
 * From options to a running host.
 *
 * Why it exists: what can be wrong before the first packet (addresses, the port, the IP) is said here, once and with a
 * hint. What must stay true: nothing is left behind when starting fails.
 */
import { createLibp2p } from "libp2p";
import {
  type Clock,
  ExitCode,
  HsyncError,
  type Logger,
  nullLogger,
  type Random,
  safeText,
  SystemClock,
  SystemRandom,
} from "../base/mod.ts";
import { isLoopbackHost, parseMultiaddr } from "./addresses.ts";
import { parseBootnodes, systemTxtResolver, type TxtResolver } from "./bootnodes.ts";
import { Gate } from "./gater.ts";
import { LibP2PHost } from "./host.ts";
import type { Identity } from "./identity.ts";
import { type HostServices, libp2pOptions, type Muxer } from "./libp2p_options.ts";
import { Reachability } from "./reachability.ts";
import type { Watermarks } from "./trim.ts";

/** What `createHost` needs to know. */
export interface HostOptions {
  readonly identity: Identity;
  /** IP to listen on. */
  readonly ip: string;
  /** TCP port; 0 asks the system for a free one. */
  readonly port: number;
  /** Announced in identify, `hsync/<version>`. */
  readonly userAgent: string;
  /** Multiaddrs or `/dnsaddr/…`; checked before anything starts. */
  readonly bootnodes?: readonly string[];
  /** Trusted and static peers: kept connected for good. */
  readonly staticPeers?: readonly string[];
  /** Peers with private addresses count (localnet, LAN). Default: true when listening on loopback. */
  readonly privateNetwork?: boolean;
  /** In order of preference. Default yamux, mplex. */
  readonly muxers?: readonly Muxer[];
  /** Connections over all peers: above it nobody is let in, and those without streams are closed. Default 512. */
  readonly maxConnections?: number;
  /** When connections of the least use are closed, and how many stay. Default: never. */
  readonly watermarks?: Watermarks;
  /** Nobody with a private address is dialled. Default false; strangers' private addresses count only on a private network. */
  readonly neverDialPrivate?: boolean;
  /** Inbound connections of one IP (of one /64 of IPv6). Default 10, on a private network 100. */
  readonly maxConnsPerIp?: number;
  /** Distinct IPs with inbound connections; 0 (default): no limit. */
  readonly maxPeers?: number;
  /** Limit of one dial over all addresses of a peer, ms. Default 60 s. */
  readonly dialTimeoutMs?: number;
  /** Parallel questions of a DHT query. Default 10. */
  readonly dhtConcurrency?: number;
  /**
   * Whether it may answer DHT questions, once others can reach it. Default true. False for a host of a few seconds: in
   * the routing tables of others it would cost every query that finds it a dial in vain.
   */
  readonly servesDht?: boolean;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
  /** Default: the system's name servers. */
  readonly resolver?: TxtResolver;
}

function listenFailure(error: unknown, options: HostOptions): HsyncError {
  const text = error instanceof Error ? error.message : String(error);
  const where = `${options.ip}:${options.port}`;
  if (/EADDRINUSE|address (is )?already in use|AddrInUse/i.test(text)) {
    return new HsyncError("P2P_PORT_IN_USE", `listening on ${where}: the port is taken by another program`, {
      exitCode: ExitCode.RUNTIME,
      hint:
        "choose another port with --p2p.port (0: any free one); a second node also needs its own key file, --p2p.keyfile",
      cause: error,
    });
  }
  return new HsyncError(
    "P2P_LISTEN_FAILED",
    `listening on ${where}: ${safeText(text.split("\n").pop() ?? text)}`,
    {
      exitCode: ExitCode.RUNTIME,
      hint: "check --p2p.ip (an address of this machine, or 0.0.0.0) and --p2p.port",
      cause: error,
    },
  );
}

/**
 * Starts a host: listens, and begins to connect to bootnodes and static peers in the background.
 * @throws {HsyncError} P2P_PORT_IN_USE or P2P_LISTEN_FAILED (exit code 1) when it cannot listen; MULTIADDR_INVALID or
 * PEER_ID_INVALID for a bad entry of `bootnodes` or `staticPeers`.
 *
 * A program that has had a host must end with `Deno.exit`: the library's locks open one `BroadcastChannel` a process
 * and ask it not to keep the process alive, in a way that Deno does not have.
 */
export async function createHost(options: HostOptions): Promise<LibP2PHost> {
  const bootnodes = parseBootnodes(options.bootnodes ?? []);
  const staticPeers = parseBootnodes(options.staticPeers ?? []);
  const privateNetwork = options.privateNetwork ?? isLoopbackHost(options.ip);
  const servesDht = options.servesDht ?? true;
  const reachability = new Reachability();
  const family = options.ip.includes(":") ? "ip6" : "ip4";
  const listen = parseMultiaddr(`/${family}/${options.ip}/tcp/${options.port}`).toString();
  const clock = options.clock ?? new SystemClock();
  const gate = new Gate({
    clock,
    maxConnsPerIp: options.maxConnsPerIp ?? (privateNetwork ? 100 : 10),
    maxIps: options.maxPeers ?? 0,
    privateAddresses: privateNetwork,
    neverDialPrivate: options.neverDialPrivate ?? false,
  });
  const node = await createLibp2p<HostServices>(libp2pOptions({
    privateKey: options.identity.privateKey,
    userAgent: options.userAgent,
    listen,
    privateNetwork,
    muxers: options.muxers ?? ["yamux", "mplex"],
    maxConnections: options.maxConnections ?? 512,
    gate,
    dialTimeoutMs: options.dialTimeoutMs ?? 60_000,
    dhtConcurrency: options.dhtConcurrency ?? 10,
    servesDht: privateNetwork && servesDht,
    announce: privateNetwork ? (own) => own : (own) => reachability.announced(own),
  }));
  const host = new LibP2PHost({
    node,
    gate,
    reachability,
    privateNetwork,
    servesDht,
    watermarks: options.watermarks ?? { low: 0, high: 0 },
    bootnodes,
    staticPeers,
    resolver: options.resolver ?? systemTxtResolver,
    clock,
    random: options.random ?? new SystemRandom(),
    log: options.log ?? nullLogger,
  });
  try {
    await host.start();
  } catch (error) {
    await host.stop();
    throw listenFailure(error, options);
  }
  return host;
}
