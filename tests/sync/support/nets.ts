/**
 * The same story on two networks: a simulated one, and real libp2p on loopback.
 *
 * Why it exists: the marks of the pipeline over the stream layer are shown on both, with one clock that is turned by hand
 * and, on the second, sockets that are real. What must stay true: a story knows nothing of the network that it
 * is told on.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { createLogger, type LogRecord, ManualClock, nullMeter } from "../../../src/base/mod.ts";
import { networkParams } from "../../../src/chain/mod.ts";
import { newIdentity } from "../../../src/p2p/mod.ts";
import type { StreamEvent, SyncProtocol, SyncProtocolOptions } from "../../../src/stream/mod.ts";
import { type BatchVerifier, SyncDriver, type SyncEvent } from "../../../src/sync/mod.ts";
import type { RecordedChain } from "../../stream/support/chain.ts";
import { io, Loopback, type LoopbackNode } from "../../stream/support/loopback.ts";
import { SimWorld } from "../../stream/support/node.ts";
import { recordedChain } from "./chains.ts";
import { STAGED } from "./rig.ts";
import { FakeStore } from "./store.ts";
import { LinkedOnlyVerifier } from "./linked_only.ts";

const CHAIN = recordedChain(0);

export interface Server {
  readonly id: string;
  readonly chain: RecordedChain;
  /** Dies, and comes back at once as a new process of the same identity. */
  restart(): Promise<void>;
  /** Dies for good. */
  die(): Promise<void>;
}
export interface ServerOptions {
  readonly height?: number;
  readonly rateLimits?: SyncProtocolOptions["rateLimits"];
  /** Changes what is served before anybody can ask. */
  readonly prepare?: (chain: RecordedChain) => void;
}
export interface ClientOptions {
  /** Also `InitStreams`. */
  readonly minPeers: number;
  readonly concurrency?: number;
  readonly verifier?: BatchVerifier;
}
export interface Client {
  readonly protocol: SyncProtocol;
  readonly driver: SyncDriver;
  readonly store: FakeStore;
  readonly streamEvents: readonly StreamEvent[];
  readonly events: readonly SyncEvent[];
  readonly logs: readonly LogRecord[];
}

/** A network with a clock, servers and one client. */
export abstract class Net {
  abstract readonly clock: ManualClock;
  abstract readonly real: boolean;
  readonly #drivers: SyncDriver[] = [];
  abstract server(options?: ServerOptions): Promise<Server>;
  protected abstract protocol(): Promise<{ protocol: SyncProtocol; events: readonly StreamEvent[] }>;
  /** Lets a moment pass. */
  abstract turn(ms: number): Promise<void>;
  protected abstract end(): Promise<void>;

  async client(options: ClientOptions): Promise<Client> {
    const { clock } = this;
    const { protocol, events: streamEvents } = await this.protocol();
    const store = new FakeStore(CHAIN);
    const params = networkParams("localnet");
    const logs: LogRecord[] = [];
    const { minPeers, concurrency = 6 } = options;
    const driver = new SyncDriver({
      store,
      peers: protocol,
      params,
      config: { concurrency, minPeers, initStreams: minPeers, staged: STAGED },
      verifier: options.verifier ?? new LinkedOnlyVerifier(params, 0),
      clock,
      logger: createLogger({ level: "info", sinks: [(r) => logs.push(r)], now: () => clock.now() }),
      meter: nullMeter,
    });
    const events: SyncEvent[] = [];
    driver.on((event) => events.push(event));
    driver.start();
    this.#drivers.push(driver);
    return { protocol, driver, store, streamEvents, events, logs };
  }
  /** Turns the clock until something is true. @returns virtual ms that it took. */
  async until(what: string, is: () => boolean, ms: number, step = 20): Promise<number> {
    const begun = this.clock.monotonic();
    while (!is()) {
      assert.ok(this.clock.monotonic() - begun <= ms, `waited in vain for ${what}`);
      await this.turn(step);
    }
    return this.clock.monotonic() - begun;
  }
  async pass(ms: number, step = 1_000): Promise<void> {
    for (let left = ms; left > 0; left -= step) await this.turn(Math.min(step, left));
  }
  async close(): Promise<void> {
    for (const driver of this.#drivers) {
      const stopping = driver.stop();
      await this.turn(10);
      await stopping;
    }
    await this.end();
  }
}

class SimulatedNet extends Net {
  readonly real = false;
  readonly #world = new SimWorld({ link: () => ({ latencyMs: 20 }) });
  get clock(): ManualClock {
    return this.#world.clock;
  }
  async server(options: ServerOptions = {}): Promise<Server> {
    const { height = 426, rateLimits, prepare } = options;
    const node = this.#world.node({ height, ...(rateLimits === undefined ? {} : { rateLimits }) });
    const chain = node.chain as RecordedChain;
    prepare?.(chain);
    await this.#world.start(node);
    return {
      id: node.host.peerId,
      chain,
      restart: () => {
        node.host.down();
        node.host.up();
        return Promise.resolve();
      },
      die: () => {
        node.host.down();
        return Promise.resolve();
      },
    };
  }
  protected async protocol(): Promise<{ protocol: SyncProtocol; events: readonly StreamEvent[] }> {
    const caps = { hardLowCap: 8, softLowCap: 16, highCap: 64, discBatch: 64 };
    const node = this.#world.node({ height: 0, caps });
    await this.#world.start(node);
    return node;
  }
  async turn(ms: number): Promise<void> {
    await this.#world.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
  protected end(): Promise<void> {
    return this.#world.close();
  }
}

class RealNet extends Net {
  readonly real = true;
  readonly clock = new ManualClock();
  readonly #net = new Loopback(this.clock);
  #client: LoopbackNode | undefined;

  /** A server that is known to the client, and dials it. */
  async #serve(options: ServerOptions & { readonly identity: Awaited<ReturnType<typeof newIdentity>> }) {
    const { height = 426, rateLimits = { perStream: 0, global: 0 }, identity } = options;
    const client = await this.#reach();
    return await this.#net.node({ height, rateLimits, knows: [client], hostOptions: { identity } });
  }
  async server(options: ServerOptions = {}): Promise<Server> {
    const identity = await newIdentity();
    let node = await this.#serve({ ...options, identity });
    options.prepare?.(node.chain);
    return {
      id: node.host.peerId,
      chain: node.chain,
      // As a killed process: its connections break, nothing is said.
      die: () => node.host.stop(),
      restart: async () => {
        const { chain, host, protocol } = node;
        await host.stop();
        void protocol.stop();
        node = await this.#serve({ ...options, height: chain.height, identity });
        options.prepare?.(node.chain);
      },
    };
  }
  async #reach(): Promise<LoopbackNode> {
    const caps = { hardLowCap: 8, softLowCap: 16, highCap: 64, discBatch: 64 };
    this.#client ??= await this.#net.node({ height: 0, caps });
    return this.#client;
  }
  protected protocol(): Promise<LoopbackNode> {
    return this.#reach();
  }
  async turn(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await io();
  }
  protected async end(): Promise<void> {
    await this.#net[Symbol.asyncDispose]();
  }
}

type Story<T> = (net: Net) => Promise<T>;

async function tell<T>(open: () => Net, story: Story<T>): Promise<T> {
  const net = open();
  try {
    return await story(net);
  } finally {
    await net.close();
  }
}

/** Tells a story on both networks, as two tests; `again` tells a part of it on another network of the same kind. */
export function onBothNetworks(
  name: string,
  story: (net: Net, again: <T>(part: Story<T>) => Promise<T>) => Promise<void>,
): void {
  for (
    const [kind, open] of [["simulated", () => new SimulatedNet()], ["real", () => new RealNet()]] as const
  ) {
    Deno.test(`${name} (${kind} network)`, async () => {
      await tell(open, (net) => story(net, (part) => tell(open, part)));
    });
  }
}
