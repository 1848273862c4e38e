/** Whole protocol nodes and hand-made peers on a simulated network. */
import {
  type Clock,
  createLogger,
  type LogRecord,
  ManualClock,
  type Random,
  SeededRandom,
} from "../../../src/base/mod.ts";
import {
  type ChainReader,
  protocolId,
  type StreamCaps,
  type StreamEvent,
  SyncProtocol,
  type SyncProtocolOptions,
} from "../../../src/stream/mod.ts";
import { RecordedChain } from "./chain.ts";
import { MemoryMeter } from "./meter.ts";
import { type Incoming, RawPeer, settle } from "./raw_peer.ts";
import { type SimHost, SimNetwork } from "./sim_network.ts";
import type { LinkProfile, SimStream } from "./sim_stream.ts";

export const TOPIC = protocolId("sync", "localnet", 0);
export const CAPS: StreamCaps = { hardLowCap: 4, softLowCap: 4, highCap: 16, discBatch: 8 };

export interface SimNode {
  readonly host: SimHost;
  readonly protocol: SyncProtocol;
  readonly chain: ChainReader & { height: number };
  readonly meter: MemoryMeter;
  readonly logs: LogRecord[];
  readonly events: StreamEvent[];
}

/** A clock, a network, and the nodes on it; `close` ends them all. */
export class SimWorld {
  readonly clock: ManualClock;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly nodes: SimNode[] = [];
  readonly seed: number;

  constructor(
    options: { readonly seed?: number; readonly link?: (from: string, to: string) => LinkProfile } = {},
  ) {
    this.seed = options.seed ?? 1;
    this.clock = new ManualClock();
    this.random = new SeededRandom(this.seed);
    this.network = new SimNetwork({
      clock: this.clock,
      random: this.random,
      ...(options.link === undefined ? {} : { link: options.link }),
    });
  }

  /** A node over a recorded chain, not started. */
  node(options: Partial<SyncProtocolOptions> & { readonly height?: number } = {}): SimNode {
    const host = this.network.host();
    const chain = new RecordedChain(0, options.height);
    const meter = new MemoryMeter();
    const logs: LogRecord[] = [];
    const { height: _height, ...rest } = options;
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: chain,
      caps: CAPS,
      clock: this.clock as Clock,
      logger: createLogger({ level: "debug", sinks: [(r) => logs.push(r)], now: () => this.clock.now() }),
      meter,
      random: this.random,
      ...rest,
    });
    const events: StreamEvent[] = [];
    protocol.on((event) => events.push(event));
    const node: SimNode = { host, protocol, chain, meter, logs, events };
    this.nodes.push(node);
    return node;
  }

  /** A host that provides the protocol and answers by hand. */
  raw(
    onMessage: (message: Incoming, peer: RawPeer) => void,
  ): { readonly host: SimHost; readonly peers: RawPeer[] } {
    const host = this.network.host();
    const peers: RawPeer[] = [];
    void host.handle(TOPIC, (stream) => {
      peers.push(new RawPeer(stream as SimStream, onMessage));
    });
    this.network.provide(TOPIC, host.peerId);
    return { host, peers };
  }

  async start(...nodes: SimNode[]): Promise<void> {
    for (const n of nodes) await n.protocol.start();
    await this.pass(0);
  }
  /** Lets `ms` pass in steps small enough for replies to replies. */
  async pass(ms: number): Promise<void> {
    await settle();
    await this.clock.advance(ms);
    await settle();
  }
  async close(): Promise<void> {
    const stopping = this.nodes.map((n) => n.protocol.stop());
    for (let i = 0; i < 8; i++) await this.pass(1_000);
    await Promise.all(stopping);
  }
}

/** Runs a story in a world and ends everything afterwards. */
export async function inWorld(
  options: ConstructorParameters<typeof SimWorld>[0],
  story: (world: SimWorld) => Promise<void>,
): Promise<void> {
  const world = new SimWorld(options);
  try {
    await story(world);
  } finally {
    await world.close();
  }
}
