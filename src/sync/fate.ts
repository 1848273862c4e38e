/**
 * What follows when a cycle fails.
 *
 * Why it exists: codes decide, never texts (DESIGN.md rule 4). What must stay true: an error of our own store blames
 * no peer; only what cannot mend itself ends synchronising.
 */
import type { HsyncError } from "../base/mod.ts";

export type Fate =
  /** The store is gone or damaged, or the chain has two certified ends: nothing can go on by itself. */
  | { readonly kind: "end" }
  /** The disk is nearly full: importing stops until it is not. */
  | { readonly kind: "pause" }
  /** The next decision waits for peers. */
  | { readonly kind: "waitPeers" }
  /** Another try, after a pause that grows up to `maxMs`. `store`: the store is to blame. */
  | { readonly kind: "retry"; readonly maxMs: number; readonly store: boolean };

const END = new Set([
  "STORE_LEASE_LOST",
  "STORE_DAMAGED",
  "STORE_CLOSED",
  "STORE_LOCKED",
  "CONFLICTING_CERTIFICATES",
]);

/** Peers change by the second; a disk does not. */
const PEERS_MS = 5_000;
const OWN_MS = 30_000;

export function fateOf(error: HsyncError): Fate {
  if (END.has(error.code)) return { kind: "end" };
  switch (error.code) {
    case "STORE_DISK_LOW":
      return { kind: "pause" };
    case "NO_STREAMS":
      return { kind: "waitPeers" };
    case "NO_HASHES":
    case "NO_BODIES":
      return { kind: "retry", maxMs: PEERS_MS, store: false };
    default:
      return { kind: "retry", maxMs: OWN_MS, store: error.code.startsWith("STORE_") };
  }
}
