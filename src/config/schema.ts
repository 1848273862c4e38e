/**
 * The schema table as a whole: every key, every section and its fate, every rename of past versions.
 *
 * Why it exists: loading, flags, dump, check and explain all read this one table (config-cli-metrics.md §1.3,
 * §1.4, §1.7). What must stay true: a path occurs once; a rename leads to a path of the table or to nothing.
 */
import type { KeySpec } from "./key_spec.ts";
import { NETWORK_KEYS } from "./schema_network.ts";
import { SYNC_KEYS } from "./schema_sync.ts";
import { SERVICE_KEYS } from "./schema_services.ts";
import { FOREIGN_KEYS } from "./schema_foreign.ts";

/** Every key. */
export const KEYS: readonly KeySpec[] = [...NETWORK_KEYS, ...SYNC_KEYS, ...SERVICE_KEYS, ...FOREIGN_KEYS];

const BY_PATH: ReadonlyMap<string, KeySpec> = new Map(KEYS.map((k) => [k.path, k]));

/** The row of a path. */
export function keySpec(path: string): KeySpec | undefined {
  return BY_PATH.get(path);
}

/** Top-level sections that are passed over as a whole: whatever stands in them never stops the node. */
export const IGNORED_SECTIONS: ReadonlySet<string> = new Set([
  "BLSKeys",
  "TxPool",
  "Consensus",
  "GPO",
  "Cache",
  "Legacy",
  "ShardData",
  "Pprof",
  "TiKV",
  "WS",
]);

/** Every section and sub-section of the table. */
export const SECTIONS: ReadonlySet<string> = new Set(
  KEYS.flatMap((k) => {
    const parts = k.path.split(".").slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join("."));
  }),
);

/** What became of a key of a past or a newer version. */
export interface Rename {
  readonly from: string;
  /** Undefined: it has no meaning any more. */
  readonly to: string | undefined;
  /** Converts the value. */
  readonly convert?: (value: unknown) => unknown;
}

/** Ports of the oldest files are those of the peer-to-peer host; the sync servers listen 3000 below. */
function minus3000(value: unknown): unknown {
  return typeof value === "number" ? value - 3000 : value;
}

export const RENAMES: readonly Rename[] = [
  { from: "Network.DNSZone", to: "DNSSync.Zone" },
  { from: "Network.DNSPort", to: "DNSSync.Port", convert: minus3000 },
  { from: "Network.LegacySyncing", to: undefined },
  { from: "DNSSync.LegacySyncing", to: undefined },
  { from: "Sync.LegacyClient", to: "DNSSync.Client" },
  { from: "Sync.LegacyServer", to: "DNSSync.Server" },
  { from: "Sync.LegacyServerPort", to: "DNSSync.ServerPort" },
  { from: "Sync.Downloader", to: "Sync.Client" },
  { from: "Sync.TrustedNodes", to: "Network.TrustedNodes" },
  { from: "Sync.ResourceMgrFileDescriptorsLimit", to: "P2P.ResourceMgrFileDescriptorsLimit" },
  { from: "Localnet.LocalnetBlocksPerEpoch", to: "Localnet.BlocksPerEpoch" },
  { from: "Localnet.LocalnetBlocksPerEpochV2", to: "Localnet.BlocksPerEpochV2" },
  { from: "General.TriesInMemory", to: "Cache.TriesInMemory" },
];

/** The version a dump states: the schema the guide describes (§1.7 rule 4). */
export const DUMP_VERSION = "2.6.6";
/** The newest version whose keys are all known. */
export const NEWEST_VERSION = "2.6.8";
