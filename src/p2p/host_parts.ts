/**
 * What a host is made of, and what it tells of itself.
 *
 * Why it exists: `create.ts` builds the parts, `host.ts` lives by them, `/status` shows the picture. What must stay
 * true: nothing here does anything.
 */
import type { Libp2p } from "@libp2p/interface";
import type { Clock, Logger, Random } from "../base/mod.ts";
import type { BootnodeEntry, TxtResolver } from "./bootnodes.ts";
import type { BootstrapPeer } from "./bootstrap.ts";
import type { Gate } from "./gater.ts";
import type { HostServices } from "./libp2p_options.ts";
import type { Reachability } from "./reachability.ts";
import type { Watermarks } from "./trim.ts";

/** A picture of the host for `/status`. */
export interface HostStatus {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly connected: number;
  readonly routingTable: number;
  readonly dhtMode: "client" | "server";
  /** The IP that others see us at, on a public network. */
  readonly observedIp: string | undefined;
  /** True when a connection came in from outside. */
  readonly reached: boolean;
  readonly bootstrap: readonly BootstrapPeer[];
  /** Bootnode names that could not be resolved yet. */
  readonly unresolved: readonly string[];
}

/** What a host is made of; every list is checked already. */
export interface HostParts {
  /** Created, not started. */
  readonly node: Libp2p<HostServices>;
  /** The one that the node asks. */
  readonly gate: Gate;
  readonly reachability: Reachability;
  readonly privateNetwork: boolean;
  /** Whether it may ever answer DHT questions. */
  readonly servesDht: boolean;
  readonly watermarks: Watermarks;
  readonly bootnodes: readonly BootnodeEntry[];
  readonly staticPeers: readonly BootnodeEntry[];
  readonly resolver: TxtResolver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
