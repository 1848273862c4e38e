/**
 * What a driver is made of.
 *
 * Why it exists: the driver and what describes it need the same parts. What must stay true: nothing here has a state
 * of its own.
 */
import type { Clock, Logger, Meter } from "../base/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { SyncConfig } from "../config/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import type { EpochSource } from "./stages/sync_epoch.ts";
import type { SyncStore } from "./types.ts";
import type { BatchVerifier } from "./verify.ts";

export interface SyncDriverOptions {
  readonly store: SyncStore;
  readonly peers: PeerSource;
  readonly params: NetworkParams;
  readonly config: Pick<SyncConfig, "concurrency" | "minPeers" | "initStreams" | "staged">;
  readonly verifier: BatchVerifier;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Stop importing at this height. */
  readonly stopAt?: number;
  /** How often peers are asked for new blocks while in sync, ms; about the network's block time. Default 2,000. */
  readonly pollMs?: number;
  /** Follows the beacon chain; on shards other than 0, where certificates are checked. */
  readonly epochs?: EpochSource;
}
