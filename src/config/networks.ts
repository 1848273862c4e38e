/**
 * What the configuration takes from the network parameters: names, boot nodes, zones, number of shards.
 *
 * Why it exists: defaults differ per network, and those facts live in `chain/`. What must stay true: this file
 * only translates; it adds no fact about a network.
 */
import { type NetworkName, networkParams, parseNetworkName } from "../chain/mod.ts";

export { NETWORK_NAMES, type NetworkName } from "../chain/mod.ts";

/** The network a name or an alias stands for, or undefined. */
export function networkOf(text: string): NetworkName | undefined {
  try {
    return parseNetworkName(text);
  } catch {
    return undefined;
  }
}

/** Default boot nodes. */
export function bootNodesOf(network: NetworkName): readonly string[] {
  return networkParams(network).bootnodes;
}

/** Zone of the legacy sync servers, or empty. */
export function dnsZoneOf(network: NetworkName): string {
  return networkParams(network).dnsZone ?? "";
}

/** Number of shards of the network today. */
export function shardCountOf(network: NetworkName, devnetShards: number): number {
  // The last row of the sharding table holds from its epoch on, so the far future shows it.
  return network === "devnet" ? devnetShards : networkParams(network).shardCountAt(Number.MAX_SAFE_INTEGER);
}
