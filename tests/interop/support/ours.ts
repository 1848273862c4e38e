/**
 * Our side of the interop tests: real hosts on loopback with the sync protocol over the recorded chain.
 *
 * Why it exists: every test needs some, and none may leave anything behind. What must stay true: protocols end before
 * their hosts; and tests wait for events or states, with one limit for all of them.
 */
import { nullLogger, SystemClock } from "../../../src/base/mod.ts";
import { createHost, type HostOptions, type LibP2PHost, newIdentity } from "../../../src/p2p/mod.ts";
import {
  protocolId,
  type StreamEvent,
  SyncProtocol,
  type SyncProtocolOptions,
} from "../../../src/stream/mod.ts";
import { RecordedChain } from "../../stream/support/chain.ts";
import { MemoryMeter } from "../../stream/support/meter.ts";

export const SYNC = protocolId("sync", "localnet", 0);
/** No wait in these tests should come near this. */
export const LIMIT_MS = 60_000;
export const NO_LIMITS = { perStream: 0, global: 0 };
/** Takes the streams of others and looks for none. */
export const PASSIVE = { hardLowCap: 0, softLowCap: 0, highCap: 64, discBatch: 1 };
/** Wants one stream. */
export const EAGER = { hardLowCap: 1, softLowCap: 1, highCap: 64, discBatch: 8 };

const clock = new SystemClock();

export interface Node {
  readonly host: LibP2PHost;
  readonly protocol: SyncProtocol;
  readonly chain: RecordedChain;
  /** Where others reach it. */
  readonly address: { readonly peerId: string; readonly addresses: readonly string[] };
}

export class Ours implements AsyncDisposable {
  readonly #hosts: LibP2PHost[] = [];
  readonly #protocols: SyncProtocol[] = [];

  async host(options: Partial<HostOptions> = {}): Promise<LibP2PHost> {
    const host = await createHost({
      identity: await newIdentity(),
      ip: "127.0.0.1",
      port: 0,
      userAgent: "hsync/test",
      ...options,
    });
    this.#hosts.push(host);
    return host;
  }

  /** A node that serves the recorded chain of shard 0 up to `height`. */
  async node(
    height: number,
    options: Partial<SyncProtocolOptions> = {},
    bootnodes: readonly string[] = [],
  ): Promise<Node> {
    const host = await this.host({ bootnodes });
    const chain = new RecordedChain(0, height);
    const protocol = await this.protocol(host, height, { reader: chain, ...options });
    return { host, protocol, chain, address: { peerId: host.peerId, addresses: host.addresses() } };
  }

  /** One more protocol on a host of ours; by default it serves the recorded chain. */
  async protocol(
    host: LibP2PHost,
    height: number,
    options: Partial<SyncProtocolOptions>,
  ): Promise<SyncProtocol> {
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: new RecordedChain(0, height),
      caps: PASSIVE,
      clock,
      logger: nullLogger,
      meter: new MemoryMeter(),
      rateLimits: NO_LIMITS,
      ...options,
    });
    this.#protocols.push(protocol);
    await protocol.start();
    return protocol;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#protocols.map((p) => p.stop()));
    await Promise.all(this.#hosts.map((h) => h.stop()));
  }
}

/** Waits until a state is reached that nothing announces. */
export async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!await reached()) {
    if (performance.now() > end) throw new Error(`still not so after ${LIMIT_MS / 1000} s: ${what}`);
    await clock.sleep(20);
  }
}

/** Resolves once the protocol has an active stream with the peer. */
export async function streamWith(protocol: SyncProtocol, peerId: string): Promise<void> {
  await until(`a stream with ${peerId}`, () => protocol.streams().some((s) => s.id === peerId));
}

/** The next removal of a stream of this peer. Ask before it can happen. */
export function removal(
  protocol: SyncProtocol,
  peerId: string,
): Promise<StreamEvent & { readonly type: "removed" }> {
  return new Promise((resolve) => {
    const stop = protocol.on((event) => {
      if (event.type !== "removed" || event.id !== peerId) return;
      stop();
      resolve(event);
    });
  });
}
