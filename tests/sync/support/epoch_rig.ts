/**
 * An epoch chain with its follower over scripted peers.
 *
 * Why it exists: each test says only what is special about it. What must stay true: nothing sleeps, and nothing is left
 * running.
 */
import assert from "node:assert/strict";
import { ManualClock, type Meter, nullLogger } from "../../../src/base/mod.ts";
import { type NetworkParams, networkParams } from "../../../src/chain/mod.ts";
import { AnchorBook, type AnchorLists, type BatchVerifier, inThread } from "../../../src/consensus/mod.ts";
import { WasmBls } from "../../../src/crypto/mod.ts";
import type { Checkpoint } from "../../../src/sync/checkpoint.ts";
import { EpochChain } from "../../../src/sync/epoch/epoch_chain.ts";
import { type EpochEvent, EpochFollower } from "../../../src/sync/epoch/epoch_follower.ts";
import { RecordEpochStore } from "../../../src/sync/epoch/record_store.ts";
import { EpochWorld, MemoryRecords, until } from "./epoch_world.ts";

/** Judges for real, on this thread. */
export const realVerifier: BatchVerifier = inThread(await WasmBls.create());
/** Built chains have noise for signatures unless told otherwise; this takes any. */
export const blindVerifier: BatchVerifier = {
  verifyBatch: (_keys, inputs) => Promise.resolve(inputs.map(() => ({ valid: true as const, signers: 1 }))),
};

export interface EpochRigOptions {
  readonly params?: NetworkParams;
  readonly records?: MemoryRecords;
  readonly clock?: ManualClock;
  readonly verifier?: BatchVerifier;
  readonly anchors?: AnchorLists;
  readonly checkpoint?: Checkpoint;
  readonly world?: EpochWorld;
  readonly meter?: Meter;
  readonly helps?: boolean;
}

export class EpochRig {
  readonly events: EpochEvent[] = [];

  private constructor(
    readonly clock: ManualClock,
    readonly world: EpochWorld,
    readonly records: MemoryRecords,
    readonly chain: EpochChain,
    readonly follower: EpochFollower,
  ) {
    follower.on((event) => this.events.push(event));
  }

  static async start(options: EpochRigOptions = {}): Promise<EpochRig> {
    const clock = options.clock ?? new ManualClock();
    const records = options.records ?? new MemoryRecords();
    const params = options.params ?? networkParams("localnet");
    const anchors = AnchorBook.of(params.name, ...(options.anchors === undefined ? [] : [options.anchors]));
    const chain = await EpochChain.open({ params, store: new RecordEpochStore(records), anchors });
    const world = options.world ?? new EpochWorld(clock);
    const follower = new EpochFollower({
      chain,
      peers: world,
      anchors,
      verifier: options.verifier ?? realVerifier,
      clock,
      logger: nullLogger,
      ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
      ...(options.meter === undefined ? {} : { meter: options.meter }),
      helps: options.helps ?? false,
    });
    const rig = new EpochRig(clock, world, records, chain, follower);
    follower.start();
    return rig;
  }
  /** Turns the clock until the committees of `epoch` are known. */
  async untilEpoch(epoch: number, ms?: number): Promise<void> {
    await this.until(() => this.chain.epoch >= epoch, ms);
  }
  async until(done: () => boolean, ms?: number): Promise<void> {
    await until(this.clock, done, () => this.follower.status(), ms);
  }
  async stop(): Promise<void> {
    const done = this.follower.stop();
    await this.clock.advance(0);
    await done;
    assert.equal(this.clock.pending, 0, "timers were left behind");
  }
}
