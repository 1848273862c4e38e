/**
 * Light mode over scripted peers of a shard and of the epoch chain.
 *
 * Why it exists: each test says only what is special about it. What must stay true: nothing sleeps, and nothing is left
 * running.
 */
import assert from "node:assert/strict";
import { ManualClock, nullLogger } from "../../../src/base/mod.ts";
import { type NetworkParams, networkParams } from "../../../src/chain/mod.ts";
import { AnchorBook, type AnchorLists, type BatchVerifier } from "../../../src/consensus/mod.ts";
import type { DeliveredBlock } from "../../../src/stream/mod.ts";
import type { Checkpoint } from "../../../src/sync/checkpoint.ts";
import { EpochChain } from "../../../src/sync/epoch/epoch_chain.ts";
import { EpochFollower } from "../../../src/sync/epoch/epoch_follower.ts";
import { RecordEpochStore } from "../../../src/sync/epoch/record_store.ts";
import { LightClient, type LightEvent } from "../../../src/sync/light/light_client.ts";
import { lightStatusJson } from "../../../src/sync/light/light_status.ts";
import { MemoryMeter } from "../../stream/support/meter.ts";
import { realVerifier } from "./epoch_rig.ts";
import { EpochWorld, MemoryRecords, until } from "./epoch_world.ts";

export interface LightRigOptions {
  readonly shardId: number;
  readonly params?: NetworkParams;
  readonly records?: MemoryRecords;
  readonly verifier?: BatchVerifier;
  readonly anchors?: AnchorLists;
  readonly checkpoint?: Checkpoint;
  readonly maxHeadAgeSeconds?: number;
  /** Wall-clock time to begin with: that of this block, so that it is fresh. */
  readonly at?: DeliveredBlock;
}

export class LightRig {
  readonly events: LightEvent[] = [];

  private constructor(
    readonly clock: ManualClock,
    /** Streams of the shard. */
    readonly shard: EpochWorld,
    /** Streams of the epoch chain. */
    readonly beacon: EpochWorld,
    readonly records: MemoryRecords,
    readonly chain: EpochChain,
    readonly light: LightClient,
    readonly meter: MemoryMeter,
  ) {
    light.on((event) => this.events.push(event));
  }

  static async start(options: LightRigOptions): Promise<LightRig> {
    const { shardId, checkpoint } = options;
    const params = options.params ?? networkParams("localnet");
    const time = options.at?.block.header.time;
    const clock = time === undefined ? new ManualClock() : new ManualClock(Number(time) * 1000 + 1_000);
    const records = options.records ?? new MemoryRecords();
    const anchors = AnchorBook.of(params.name, ...(options.anchors === undefined ? [] : [options.anchors]));
    const verifier = options.verifier ?? realVerifier;
    const chain = await EpochChain.open({ params, store: new RecordEpochStore(records), anchors });
    const shard = new EpochWorld(clock);
    const beacon = new EpochWorld(clock);
    const given = checkpoint === undefined ? {} : { checkpoint };
    const common = { anchors, verifier, clock, logger: nullLogger, ...given };
    const epochs = new EpochFollower({ ...common, chain, peers: beacon });
    const meter = new MemoryMeter();
    const light = new LightClient({
      ...common,
      meter,
      params,
      shardId,
      peers: shard,
      epochs,
      records,
      ...(options.maxHeadAgeSeconds === undefined ? {} : { maxHeadAgeSeconds: options.maxHeadAgeSeconds }),
    });
    const rig = new LightRig(clock, shard, beacon, records, chain, light, meter);
    light.start();
    return rig;
  }
  async until(done: () => boolean, ms?: number): Promise<void> {
    await until(this.clock, done, () => lightStatusJson(this.light.status()), ms);
  }
  async untilHead(number: number, ms?: number): Promise<void> {
    await this.until(() => (this.light.head?.number ?? -1) >= number, ms);
  }
  /** The events of a type. */
  seen<T extends LightEvent["type"]>(type: T): Array<LightEvent & { type: T }> {
    return this.events.filter((e): e is LightEvent & { type: T } => e.type === type);
  }
  async stop(): Promise<void> {
    const done = this.light.stop();
    await this.clock.advance(0);
    await done;
    assert.equal(this.clock.pending, 0, "timers were left behind");
  }
}
