/**
 * A whole syncing node of a simulation: real stream layer, pipeline, verifier and store, on a host that outlives it.
 *
 * Why it exists: what a restart keeps (rows, peers) and what it loses (everything else) must be as in the program. What must
 * stay true: nothing here decides anything; after `stop` none of its timers is left.
 */
import { type Clock, type Meter, type MetricLabels, nullLogger, type Random } from "../../../src/base/mod.ts";
import { nextEpoch } from "../../../src/chain/mod.ts";
import { AnchorBook, DEFAULT_POLICY } from "../../../src/consensus/mod.ts";
import { type ChainStore, openStore } from "../../../src/store/mod.ts";
import { type PeerMemory, type StreamCaps, SyncProtocol } from "../../../src/stream/mod.ts";
import { METRIC } from "../../../src/stream/meters.ts";
import { CertifyingVerifier, SyncDriver } from "../../../src/sync/mod.ts";
import type { SimHost } from "../../stream/support/sim_network.ts";
import { STAGED } from "../../sync/support/rig.ts";
import { NETWORK, remembered } from "./chain.ts";
import { MemoryKv } from "./memory_kv.ts";

export const CAPS: StreamCaps = { hardLowCap: 3, softLowCap: 4, highCap: 8, discBatch: 6 };
export const MAX_RESERVED = 16;
/** Half as often as by default: half the processor time goes into it. */
const POLL_MS = 4_000;
/** Honest heights stay below it. */
const HEIGHT_BOUND = 100_000;

/** Keeps the gauges only. */
export class Gauges implements Meter {
  readonly values = new Map<string, number>();
  inc(): void {}
  observe(): void {}
  set(name: string, _labels: MetricLabels, value: number): void {
    this.values.set(name, value);
  }
  /** The guide's `num_waiting_requests`. */
  get waiting(): number {
    return this.values.get(METRIC.waitingRequests) ?? 0;
  }
}

export interface FullNodeParts {
  readonly host: SimHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly newId: () => bigint;
  /** Called for each part that was made anew, before it starts. */
  readonly onStart: (node: FullNode) => void;
}

/** What one run of the program has. */
interface Running {
  readonly store: ChainStore;
  readonly protocol: SyncProtocol;
  readonly driver: SyncDriver;
}

export class FullNode {
  readonly host: SimHost;
  readonly meter = new Gauges();
  readonly #parts: FullNodeParts;
  readonly #kv = new MemoryKv();
  readonly #memory: PeerMemory;
  #running: Running | undefined;

  constructor(parts: FullNodeParts) {
    this.#parts = parts;
    this.host = parts.host;
    let saved: Uint8Array | undefined;
    this.#memory = {
      load: () => Promise.resolve(saved),
      save: (bytes) => {
        saved = bytes;
        return Promise.resolve();
      },
    };
  }
  get running(): boolean {
    return this.#running !== undefined;
  }
  get store(): ChainStore {
    return this.#of().store;
  }
  get protocol(): SyncProtocol {
    return this.#of().protocol;
  }
  get driver(): SyncDriver {
    return this.#of().driver;
  }
  #of(): Running {
    if (this.#running === undefined) throw new Error("the node does not run");
    return this.#running;
  }

  async start(): Promise<void> {
    const { host, clock, random, newId } = this.#parts;
    const { params } = NETWORK;
    const { hash, bytes, header } = params.genesisBlock(0);
    const store = await openStore({
      location: { kind: "memory" },
      network: params.name,
      shardId: 0,
      genesis: {
        hash,
        bytes,
        headerBytes: header.bytes,
        shardState: { epoch: nextEpoch(header, undefined, params), bytes: header.shardState },
      },
      clock,
      kvFactory: () => Promise.resolve(this.#kv),
    });
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: store,
      caps: CAPS,
      maxReserved: MAX_RESERVED,
      clock,
      logger: nullLogger,
      meter: this.meter,
      random,
      newId,
      memory: this.#memory,
      heightBound: () => HEIGHT_BOUND,
    });
    const driver = new SyncDriver({
      store,
      peers: protocol,
      params,
      config: {
        concurrency: 6,
        minPeers: 3,
        initStreams: 3,
        staged: { ...STAGED, insertChainBatchSize: 32 },
      },
      verifier: new CertifyingVerifier({
        store,
        params,
        certificates: remembered,
        anchors: new AnchorBook(),
        policy: DEFAULT_POLICY,
        evidence: {
          save: () => Promise.reject(new Error("two certified chains in a simulation that has one")),
        },
        clock,
        logger: nullLogger,
      }),
      clock,
      logger: nullLogger,
      meter: this.meter,
      pollMs: POLL_MS,
    });
    this.#running = { store, protocol, driver };
    this.#parts.onStart(this);
    host.enter();
    await protocol.start();
    driver.start();
  }
  /** Ends as the program does: sync first, then the connections, the streams and the store. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    await running.driver.stop();
    await running.protocol.leave();
    this.host.leave();
    await running.protocol.stop();
    await running.store.close();
  }
}
