/**
 * The networks that exist, by name.
 *
 * Why it exists: the name goes verbatim into protocol ids and store records, while people type aliases
 * (sync-protocol.md §1.3). What must stay true: every place that reads a network from text goes through
 * `parseNetworkName`, so that an alias never reaches the wire.
 */
import { ExitCode, HsyncError, safeText } from "../base/mod.ts";

/** All built-in networks, the main one first. */
export const NETWORK_NAMES = [
  "mainnet",
  "testnet",
  "pangaea",
  "partner",
  "stressnet",
  "devnet",
  "localnet",
] as const;
export type NetworkName = typeof NETWORK_NAMES[number];

const ALIASES: ReadonlyMap<string, NetworkName> = new Map<string, NetworkName>([
  ["staking", "pangaea"],
  ["stk", "pangaea"],
  ["stress", "stressnet"],
  ["stn", "stressnet"],
  ["dev", "devnet"],
]);

/** True for the exact name of a built-in network. */
export function isNetworkName(text: string): text is NetworkName {
  return (NETWORK_NAMES as readonly string[]).includes(text);
}

/**
 * The network that a name or an alias stands for (sync-protocol.md §1.3).
 *
 * @throws {HsyncError} NETWORK_UNKNOWN
 */
export function parseNetworkName(text: string): NetworkName {
  if (isNetworkName(text)) return text;
  const aliased = ALIASES.get(text);
  if (aliased !== undefined) return aliased;
  throw new HsyncError("NETWORK_UNKNOWN", `there is no network called "${safeText(text, 40)}"`, {
    exitCode: ExitCode.USAGE,
    hint: `use one of ${NETWORK_NAMES.join(", ")}`,
  });
}
