/**
 * SyncEpoch: the beacon chain's last-of-epoch blocks, for nodes of other shards (guide stage 2).
 *
 * Why it exists: it keeps its place in the order. What must stay true: as long as no certificate is checked, no
 * committee is needed, and the stage says so.
 */
import type { StageId } from "../types.ts";
import { IdleStage } from "./idle_stage.ts";

export class SyncEpochStage extends IdleStage {
  readonly id: StageId = "SyncEpoch";

  constructor(private readonly shardId: number) {
    super();
  }
  skip(): string {
    return this.shardId === 0
      ? "beacon shard"
      : "blocks are only linked: no committee of the beacon chain is needed";
  }
}
