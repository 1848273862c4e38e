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
