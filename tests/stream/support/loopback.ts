/**
 * The stream layer over real libp2p on loopback, with peers that speak frames by hand beside it.
 *
 * Why it exists: what the simulation cannot vouch for is seen here once. What must stay true: nothing is left behind; tests
 * wait for what happens, not for time; where a rule is about minutes, the protocol gets a clock that is turned by
 * hand while the sockets stay real.
 */
import assert from "node:assert/strict";
import { type Clock, type HsyncError, ManualClock, nullLogger, SystemClock } from "../../../src/base/mod.ts";
import {
  createHost,
  type HostOptions,
  type LibP2PHost,
  newIdentity,
  type P2PHost,
  type P2PStream,
} from "../../../src/p2p/mod.ts";
import {
  type ChainReader,
  type PeerMemory,
  type StreamEvent,
  SyncProtocol,
  type SyncProtocolOptions,
} from "../../../src/stream/mod.ts";
import { RecordedChain } from "./chain.ts";
import { MemoryMeter } from "./meter.ts";
import { TOPIC } from "./node.ts";
import { type Incoming, RawPeer } from "./raw_peer.ts";

/** Far beyond what anything here takes: a busy machine must not decide a test. */
const TIMEOUT_MS = 120_000;
const real = new SystemClock();

/** A node of ours. */
export interface LoopbackNode {
  readonly host: LibP2PHost;
  readonly protocol: SyncProtocol;
  readonly chain: RecordedChain;
  readonly meter: MemoryMeter;
  readonly events: StreamEvent[];
  /** For others to dial. */
  readonly peer: { readonly peerId: string; readonly addresses: readonly string[] };
}

export interface LoopbackNodeOptions extends Partial<SyncProtocolOptions> {
  /** Of the recorded chain that it serves. */
  readonly height?: number;
  /** Peers it dials first. */
  readonly knows?: ReadonlyArray<{ readonly peer: LoopbackNode["peer"] }>;
  readonly hostOptions?: Partial<HostOptions>;
  /** Stands between the host and the protocol. */
  readonly wrapHost?: (host: LibP2PHost) => P2PHost;
}

/** A peer by hand. */
export interface RawHost {
  readonly host: LibP2PHost;
  readonly peer: LoopbackNode["peer"];
  /** Streams that others opened to it. */
  readonly accepted: RawPeer<P2PStream>[];
  /** Opens a stream to a node. */
  open(to: LoopbackNode): Promise<RawPeer<P2PStream>>;
}

export type OnRawMessage = (message: Incoming, peer: RawPeer<P2PStream>) => void;

/** Hosts that know only whom a test tells them, and that all end with it. */
export class Loopback implements AsyncDisposable {
  readonly #hosts: LibP2PHost[] = [];
  readonly #protocols: SyncProtocol[] = [];
  /** Of the protocols; sockets live in real time. */
  readonly clock: Clock;

  /** @param clock of the protocols; default: the real one. */
  constructor(clock: Clock = real) {
    this.clock = clock;
  }

  async host(options: Partial<HostOptions> = {}): Promise<LibP2PHost> {
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
  async node(options: LoopbackNodeOptions = {}): Promise<LoopbackNode> {
    const { height, knows = [], hostOptions, wrapHost, ...rest } = options;
    const host = await this.host(hostOptions);
    const chain = new RecordedChain(0, height ?? 60);
    const meter = new MemoryMeter();
    const protocol = new SyncProtocol({
      host: wrapHost?.(host) ?? host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: chain as ChainReader,
      caps: { hardLowCap: 0, softLowCap: knows.length, highCap: 16, discBatch: 8 },
      clock: this.clock,
      logger: nullLogger,
      meter,
      advertise: false,
      ...(knows.length === 0 ? {} : { memory: remembering(knows) }),
      ...rest,
    });
    const events: StreamEvent[] = [];
    protocol.on((event) => events.push(event));
    this.#protocols.push(protocol);
    await protocol.start();
    return {
      host,
      protocol,
      chain,
      meter,
      events,
      peer: { peerId: host.peerId, addresses: host.addresses() },
    };
  }
  async raw(onMessage?: OnRawMessage, hostOptions: Partial<HostOptions> = {}): Promise<RawHost> {
    const host = await this.host(hostOptions);
    const accepted: RawPeer<P2PStream>[] = [];
    await host.handle(TOPIC, (stream) => {
      accepted.push(new RawPeer(stream, onMessage));
    });
    return {
      host,
      peer: { peerId: host.peerId, addresses: host.addresses() },
      accepted,
      open: async (to) => {
        const stream = await host.openStream(to.peer, TOPIC, { timeoutMs: TIMEOUT_MS });
        return new RawPeer(stream, onMessage);
      },
    };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    // Protocols on a hand-turned clock need it turned to end.
    const stopping = Promise.all(this.#protocols.map((p) => p.stop()));
    if (this.clock instanceof ManualClock) {
      let over = false;
      void stopping.finally(() => over = true);
      while (!over) await turn(this.clock, 1_000);
    }
    await stopping;
    await Promise.all(this.#hosts.map((h) => h.stop()));
  }
}

/** The memory of a node that has met these peers before: it dials them at once. */
function remembering(known: NonNullable<LoopbackNodeOptions["knows"]>): PeerMemory {
  const peers = known.map(({ peer }) => ({
    id: peer.peerId,
    failures: 0,
    failedAgoMs: 0,
    success: 0.5,
    goodAgoMs: 0,
    addresses: peer.addresses,
  }));
  const bytes = new TextEncoder().encode(JSON.stringify({ version: 1, cooldowns: [], refusals: [], peers }));
  return { load: () => Promise.resolve(bytes), save: () => Promise.resolve() };
}

/** Lets the sockets do what they can in a moment. */
export async function io(): Promise<void> {
  await real.sleep(2);
}
/** Turns a clock by `ms` and lets the sockets follow. */
async function turn(clock: ManualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await io();
}
/** Turns a clock by `ms`, a second at a time, with time for the sockets in between. */
export async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) await turn(clock, Math.min(1_000, left));
}
/** Waits until something is true; a hand-turned clock goes on by `stepMs` meanwhile. */
export async function until(
  what: string,
  is: () => boolean,
  clock?: ManualClock,
  stepMs = 10,
): Promise<void> {
  const begun = real.monotonic();
  while (!is()) {
    assert.ok(real.monotonic() - begun < TIMEOUT_MS, `waited in vain for ${what}`);
    if (clock !== undefined) await clock.advance(stepMs);
    await io();
  }
}

/** Waits for an outcome while a hand-turned clock goes on. */
export async function outcome<T>(clock: ManualClock, call: Promise<T>): Promise<T | HsyncError> {
  let result: { readonly value: T | HsyncError } | undefined;
  call.then((value) => result = { value }, (error) => result = { value: error });
  await until("an outcome", () => result !== undefined, clock);
  return (result as { readonly value: T | HsyncError } | undefined)?.value as T | HsyncError;
}
/** The raw peer has a proven stream to the node. */
export async function joined(node: LoopbackNode, raw: RawHost): Promise<RawPeer<P2PStream>> {
  const peer = await raw.open(node);
  await until(
    "the stream to be proven",
    () =>
      node.protocol.snapshot().list.some((s) =>
        s.id === raw.peer.peerId && (s.state === "active" || s.state === "reserved")
      ),
  );
  return peer;
}
export function answerHeight(message: Incoming, peer: RawPeer<P2PStream>): boolean {
  if (message.kind !== "request" || message.request?.type !== "getBlockNumber") return false;
  peer.respond(message.id, { type: "getBlockNumber", number: 60n });
  return true;
}
