/**
 * What becomes of blocks: counted, told, and laid at the right door.
 *
 * Why it exists: the driver decides what comes next; what has happened is booked here. What must stay true: blocks are
 * counted under the range that brought them; only senders of wrong bytes are reported.
 */
import type { Logger, Meter } from "../base/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import { type DriverState, inSync } from "./driver_state.ts";
import type { Cycle } from "./stage.ts";
import type { SyncEvent } from "./status.ts";
import type { Troubles } from "./troubles.ts";
import type { SyncStore } from "./types.ts";
import type { Culprit, Refusal } from "./verify.ts";

export interface OutcomeParts {
  readonly store: Pick<SyncStore, "head">;
  readonly peers: Pick<PeerSource, "report">;
  readonly meter: Meter;
  readonly logger: Logger;
  readonly troubles: Troubles;
  /** Label of the metrics. */
  readonly shard: string;
  /** Log every commit. */
  readonly verbose: boolean;
  readonly emit: (event: SyncEvent) => void;
  /** Takes back what a sender of wrong bytes has delivered. */
  readonly convict: (streamId: string) => void;
}

export class Outcomes {
  constructor(private readonly parts: OutcomeParts) {}

  /** The driver has changed its state: counted where that ends or begins being in sync. */
  entered(state: DriverState): void {
    const now = inSync(this.#inSync, state);
    if (now === this.#inSync) return;
    this.#inSync = now;
    this.parts.meter.inc("hmy_consensus_sync", { consensus: now ? "in_sync" : "out_of_sync" });
  }
  #inSync = false;
  /** @param blocks how many more the store has. */
  committed(blocks: number, range: Cycle["range"]): void {
    const { store, meter, logger, troubles, shard, verbose, emit } = this.parts;
    const head = store.head();
    troubles.committed(head.number);
    if (range === "long") {
      meter.inc("hmy_staged_stream_sync_num_blocks_synced_long_range", { ShardID: shard }, blocks);
    }
    emit({ type: "committed", head, blocks });
    if (verbose) logger.info("committed", { head: head.number, blocks });
  }
  /** A short-range cycle is over. @param blocks how many it brought. */
  shortRange(blocks: number): void {
    const { meter, shard } = this.parts;
    meter.inc("hmy_staged_stream_sync_num_short_range", { ShardID: shard });
    meter.observe("hmy_staged_stream_sync_num_blocks_inserted_short_range", { ShardID: shard }, blocks);
  }
  refused(refusal: Refusal): void {
    const { meter, logger, troubles, shard } = this.parts;
    const { number, label, text, culprits } = refusal;
    meter.inc("hmy_staged_stream_sync_num_blocks_failed_long_range", { ShardID: shard, error: label });
    troubles.blockRefused(refusal);
    logger.warn("a block was refused", { number, code: label, text });
    this.culprits(culprits);
  }
  /** Somebody sent bytes that are objectively wrong. */
  culprits(culprits: readonly Culprit[]): void {
    for (const { streamId, reason, text } of culprits) {
      this.parts.troubles.convicted(streamId);
      this.parts.peers.report(streamId, "DATA", reason, text);
      this.parts.convict(streamId);
    }
  }
}
