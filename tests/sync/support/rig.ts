/**
 * A driver over scripted peers and a manual clock.
 *
 * Why it exists: each test says only what is special about it. What must stay true: nothing sleeps; a run that does
 * not get where it should fails with the status, not with a timeout.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import {
  type Logger,
  ManualClock,
  type Meter,
  type MetricLabels,
  nullLogger,
} from "../../../src/base/mod.ts";
import { networkParams } from "../../../src/chain/mod.ts";
import type { StagedSyncConfig } from "../../../src/config/mod.ts";
import {
  type BatchVerifier,
  SyncDriver,
  type SyncDriverOptions,
  type SyncEvent,
  type SyncStore,
} from "../../../src/sync/mod.ts";
import { unturned } from "./epoch_world.ts";
import { hashAt, type TestChain } from "./chains.ts";
import { FakePeers } from "./peers.ts";
import { FakeStore } from "./store.ts";
import { LinkedOnlyVerifier } from "./linked_only.ts";

/** The guide's defaults. */
export const STAGED: StagedSyncConfig = {
  doubleCheckBlockHashes: false,
  maxBlocksPerSyncCycle: 512,
  maxBackgroundBlocks: 512,
  insertChainBatchSize: 128,
  verifyAllSig: false,
  verifyHeaderBatchSize: 100,
  maxMemSyncCycleSize: 1024,
  useMemDb: true,
  logProgress: false,
  debugMode: false,
};

/** Counts what the pipeline counts. */
export class CountingMeter implements Meter {
  readonly counters = new Map<string, number>();
  readonly gauges = new Map<string, number>();
  static key(name: string, labels: MetricLabels = {}): string {
    const parts = Object.entries(labels).map(([k, v]) => `${k}=${v}`).sort();
    return parts.length === 0 ? name : `${name}{${parts.join(",")}}`;
  }
  inc(name: string, labels: MetricLabels = {}, by = 1): void {
    const key = CountingMeter.key(name, labels);
    this.counters.set(key, (this.counters.get(key) ?? 0) + by);
  }
  set(name: string, labels: MetricLabels, value: number): void {
    this.gauges.set(CountingMeter.key(name, labels), value);
  }
  observe(): void {}
  count(name: string, labels: MetricLabels = {}): number {
    return this.counters.get(CountingMeter.key(name, labels)) ?? 0;
  }
}

export interface RigOptions {
  readonly concurrency?: number;
  readonly minPeers?: number;
  readonly initStreams?: number;
  readonly staged?: Partial<StagedSyncConfig>;
  readonly verifier?: BatchVerifier;
  readonly stopAt?: number;
  readonly logger?: Logger;
  readonly clock?: ManualClock;
  readonly shardId?: number;
}

export class Rig {
  readonly clock: ManualClock;
  readonly peers: FakePeers;
  readonly meter = new CountingMeter();
  readonly events: SyncEvent[] = [];
  readonly driver: SyncDriver;

  constructor(readonly store: SyncStore, options: RigOptions = {}) {
    this.clock = options.clock ?? new ManualClock();
    this.peers = new FakePeers(this.clock);
    const params = networkParams("localnet");
    const driver: SyncDriverOptions = {
      store,
      peers: this.peers,
      params,
      config: {
        concurrency: options.concurrency ?? 4,
        minPeers: options.minPeers ?? 1,
        initStreams: options.initStreams ?? 1,
        staged: { ...STAGED, ...options.staged },
      },
      verifier: options.verifier ?? new LinkedOnlyVerifier(params, options.shardId ?? 0),
      clock: this.clock,
      logger: options.logger ?? nullLogger,
      meter: this.meter,
      ...(options.stopAt === undefined ? {} : { stopAt: options.stopAt }),
    };
    this.driver = new SyncDriver(driver);
    this.driver.on((event) => this.events.push(event));
  }
  /** Turns the clock until `done`, at most `ms`; with a real store a macrotask lies between the steps. */
  async until(done: () => boolean, ms = 60_000, step = 10): Promise<void> {
    for (let spent = 0; !done(); spent += step) {
      if (spent >= ms) {
        const what = () => `not done after ${ms} ms: ${JSON.stringify(this.driver.status(), null, 1)}`;
        if (this.store instanceof FakeStore) assert.fail(what());
        return await unturned(done, what);
      }
      await this.clock.advance(step);
      // A real store works outside the microtask queue.
      if (!(this.store instanceof FakeStore)) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  async untilHead(number: number, ms = 60_000): Promise<void> {
    await this.until(() => this.store.head().number >= number, ms);
  }
  /** Stops the driver and checks that nothing is left behind. */
  async stop(): Promise<void> {
    const done = this.driver.stop();
    await this.clock.advance(0);
    await done;
    assert.equal(this.clock.pending, 0, "timers were left behind");
  }
  /** The head is block `number` of `chain`. */
  assertHead(chain: TestChain, number: number): void {
    const head = this.store.head();
    assert.equal(head.number, number);
    assert.deepEqual(head.hash, hashAt(chain, number));
  }
  event<T extends SyncEvent["type"]>(type: T): Array<SyncEvent & { type: T }> {
    return this.events.filter((e): e is SyncEvent & { type: T } => e.type === type);
  }
}
