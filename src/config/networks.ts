/**
 * What the configuration takes from the network parameters: names, boot nodes, zones.
 *
 * Why it exists: defaults differ per network, and those facts live in `chain/`. What must stay true: this file
 * only translates; it adds no fact about a network.
 */
export type NetworkName =
  | "mainnet"
  | "testnet"
  | "pangaea"
  | "partner"
  | "stressnet"
  | "devnet"
  | "localnet";
export const NETWORK_NAMES: readonly NetworkName[] = [
  "mainnet",
  "testnet",
  "pangaea",
  "partner",
  "stressnet",
  "devnet",
  "localnet",
];
const ALIASES: Record<string, NetworkName> = {
  staking: "pangaea",
  stk: "pangaea",
  stress: "stressnet",
  stn: "stressnet",
  dev: "devnet",
};
const ZONES: Partial<Record<NetworkName, string>> = {
  mainnet: "t.hmny.io",
  testnet: "b.hmny.io",
  partner: "ps.hmny.io",
  stressnet: "stn.hmny.io",
  pangaea: "os.hmny.io",
};

/** The network a name or an alias stands for, or undefined. */
export function networkOf(text: string): NetworkName | undefined {
  return NETWORK_NAMES.find((n) => n === text) ?? ALIASES[text];
}

/** Default boot nodes (sync-protocol.md §1.3). */
export function bootNodesOf(network: NetworkName): readonly string[] {
  if (network === "pangaea") {
    return [
      "/ip4/52.40.84.2/tcp/9800/p2p/QmbPVwrqWsTYXq1RxGWcxx9SWaTUCfoo1wA6wmdbduWe29",
      "/ip4/54.86.126.90/tcp/9800/p2p/Qmdfjtk6hPoyrH1zVD9PEH4zfWLo38dP2mDvvKXfh3tnEv",
    ];
  }
  const zone = ZONES[network];
  return zone === undefined ? [] : [`/dnsaddr/bootstrap.${zone}`];
}

/** Zone of the legacy sync servers, or empty. */
export function dnsZoneOf(network: NetworkName): string {
  return ZONES[network] ?? "";
}

/** Number of shards of the network today. */
export function shardCountOf(_network: NetworkName, devnetShards: number): number {
  return _network === "devnet" ? devnetShards : 2;
}
