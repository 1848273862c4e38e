/**
 * Real hosts on loopback for the tests of this folder.
 *
 * Why it exists: every test needs some hosts, and none may leave a socket or a timer behind. What must stay true:
 * tests wait for events, never for time.
 */
import { SystemClock } from "../../src/base/mod.ts";
import { createLibp2p, type Libp2p } from "libp2p";
import {
  createHost,
  type HostOptions,
  type LibP2PHost,
  newIdentity,
  type PeerEvent,
} from "../../src/p2p/mod.ts";
import { Gate } from "../../src/p2p/gater.ts";
import { type HostServices, libp2pOptions, type Muxer } from "../../src/p2p/libp2p_options.ts";
import { LibP2PStream } from "../../src/p2p/stream.ts";

/** No wait in these tests should come near this. */
export const TIMEOUT = 30_000;

/** Starts hosts and stops all of them, whatever happens in the test. */
export class Hosts implements AsyncDisposable {
  readonly #hosts: LibP2PHost[] = [];

  async start(options: Partial<HostOptions> = {}): Promise<LibP2PHost> {
    const host = await createHost({
      identity: options.identity ?? await newIdentity(),
      ip: "127.0.0.1",
      port: 0,
      userAgent: "hsync/test",
      ...options,
    });
    this.#hosts.push(host);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map((h) => h.stop()));
  }
}

/** The next event of a type, optionally one about a peer. */
export function nextEvent<T extends PeerEvent["type"]>(
  host: LibP2PHost,
  type: T,
  peerId?: string,
): Promise<PeerEvent & { type: T }> {
  return new Promise((resolve) => {
    const stop = host.on((event) => {
      if (event.type !== type || (peerId !== undefined && "peerId" in event && event.peerId !== peerId)) {
        return;
      }
      stop();
      resolve(event as PeerEvent & { type: T });
    });
  });
}

/** A stream from `from` to `to`: the opener's end and the other's. */
export async function streamPair(
  from: LibP2PHost,
  to: LibP2PHost,
  protocol = "harmony/test/1",
): Promise<{ out: LibP2PStream; in: LibP2PStream }> {
  const arrived = Promise.withResolvers<LibP2PStream>();
  const stop = await to.handle(protocol, (stream) => arrived.resolve(stream as LibP2PStream));
  const peer = { peerId: to.peerId, addresses: to.addresses() };
  const out = await from.openStream(peer, protocol, { timeoutMs: TIMEOUT }) as LibP2PStream;
  const other = await arrived.promise;
  stop();
  return { out, in: other };
}

/** Reads until `n` bytes have arrived and joins them. */
export async function readBytes(source: AsyncIterator<Uint8Array>, n: number): Promise<Uint8Array> {
  const out = new Uint8Array(n);
  let at = 0;
  while (at < n) {
    const next = await source.next();
    if (next.done === true) throw new Error(`ended after ${at} of ${n} bytes`);
    if (at + next.value.length > n) throw new Error(`more than ${n} bytes`);
    out.set(next.value, at);
    at += next.value.length;
  }
  return out;
}

/** A bare node of the network library, which can do what our streams never do. */
export async function bareNode(muxer: Muxer = "yamux"): Promise<Libp2p<HostServices>> {
  const node = await createLibp2p<HostServices>(libp2pOptions({
    privateKey: (await newIdentity()).privateKey,
    userAgent: "bare",
    listen: "/ip4/127.0.0.1/tcp/0",
    privateNetwork: true,
    muxers: [muxer],
    maxConnections: 100,
    gate: new Gate({ clock: new SystemClock(), maxConnsPerIp: 100, maxIps: 0, privateAddresses: true }),
    dialTimeoutMs: TIMEOUT,
    dhtConcurrency: 3,
    servesDht: true,
    announce: (own) => own,
  }));
  await node.start();
  return node;
}
