/**
 * What a stream manager is made of, and what it needs of the request manager.
 *
 * Why it exists: the manager, and the parts that are cut out of it, share these words. What must stay true: nothing here
 * does anything.
 */
import type { Clock, Logger } from "../base/mod.ts";
import type { P2PHost } from "../p2p/mod.ts";
import type { ManagerConfig } from "./manager_events.ts";
import type { RequestType, SyncResponse } from "./message.ts";
import type { Serving } from "./serve_loop.ts";
import type { PeerMemory } from "./types.ts";

/** What the manager tells the request manager. */
export interface RequestSide {
  added(instance: number, peer: string, failures: number): void;
  removed(instance: number): void;
  /** @returns false when the stream carries nothing. */
  drain(instance: number): boolean;
  revived(instance: number): void;
  failures(peer: string, count: number): void;
  suspend(peer: string, ms: number): void;
  expects(instance: number, id: bigint): boolean;
  deliver(instance: number, id: bigint, response: SyncResponse | undefined): void;
  progress(instance: number): void;
  /** What the stream works on for us. */
  working(instance: number): RequestType | undefined;
}

export interface ManagerOptions {
  readonly host: P2PHost;
  readonly protocolId: string;
  readonly config: ManagerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly serving: Serving;
  readonly requests: RequestSide;
  readonly newId: () => bigint;
  readonly heightBound: () => number;
  readonly memory?: PeerMemory;
  /** Default true. False: peers do not open streams to us, and are not told that we know the protocol. */
  readonly accepts?: boolean;
}
