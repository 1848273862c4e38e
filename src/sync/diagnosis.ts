/**
 * Why the node is not in sync, as codes (config-cli-metrics.md §8.5).
 *
 * Why it exists: nothing waits silently, and the same code stands in the status, the log, the metric and the page.
 * What must stay true: the list of codes is closed; a code keeps the time when it first applied until it no longer
 * does; this folder only judges what it can see (codes about the host are added by others).
 */

import type { RefusedBlock } from "./troubles.ts";

export const DIAGNOSIS_CODES = [
  "CLIENT_DISABLED",
  "BOOTNODES_UNRESOLVED",
  "NO_CONNECTIVITY",
  "PORT_UNREACHABLE",
  "NO_PEERS_FOUND",
  "PROTOCOL_REFUSED",
  "STREAMS_BELOW_INIT",
  "STREAMS_BELOW_MIN",
  "ALL_IN_COOLDOWN",
  "PEERS_BEHIND",
  "TARGET_UNKNOWN",
  "RANGE_UNAVAILABLE",
  "BAD_BLOCK",
  "CONFLICTING_CERTIFICATES",
  "BEACON_CONTRADICTS",
  "EPOCH_CHAIN",
  "CHECKPOINT_AWAITED",
  "CHECKPOINT_OLD",
  "NO_HISTORY",
  "NO_WORKERS",
  "IMPORT_TOO_SLOW",
  "RATE_LIMITED",
  "DISK_LOW",
  "CLOCK_SKEW",
  "FD_LIMIT",
  "MEMORY_PRESSURE",
  "IDLE_IN_SYNC",
] as const;
export type DiagnosisCode = typeof DIAGNOSIS_CODES[number];

export interface Diagnosis {
  readonly code: DiagnosisCode;
  readonly severity: "info" | "warn" | "error";
  /** ISO 8601. */
  readonly since: string;
  readonly text: string;
  readonly hint: string;
}

/** A finding before it got its time. */
export type Finding = Omit<Diagnosis, "since">;

/** What the sync pipeline knows about itself. */
export interface SyncFacts {
  readonly streams: number;
  readonly minPeers: number;
  readonly initStreams: number;
  /** No cycle has begun yet. */
  readonly starting: boolean;
  readonly writable: boolean;
  /** Peers whose height counts, and how many are needed. */
  readonly heights: number;
  readonly heightsNeeded: number;
  readonly head: number;
  readonly target: number | undefined;
  /** Age of the head's own timestamp, seconds; undefined at genesis. */
  readonly headAgeSeconds: number | undefined;
  readonly starved: { readonly why: string; readonly number: number } | undefined;
  /** The last refused block that still stands in the way. */
  readonly refused: RefusedBlock | undefined;
  readonly importSlowerThanChain: boolean;
  /** What the store failed with last, when it is being retried. */
  readonly storeTrouble: string | undefined;
}

/** So many convicted peers without a block gained are liars in a crowd, or a sign that we are the ones who are wrong. */
const MANY_CONVICTED = 4;
/** A head older than this while nobody has a newer one means trouble somewhere, s. */
const OLD_HEAD_SECONDS = 120;

/** The codes that apply, the likeliest cause first. */
export function diagnose(facts: SyncFacts): Finding[] {
  const out: Finding[] = [];
  const add = (code: DiagnosisCode, severity: Finding["severity"], text: string, hint: string) =>
    out.push({ code, severity, text, hint });
  const { streams, head, target } = facts;
  if (!facts.writable) {
    add(
      "DISK_LOW",
      "error",
      "the disk is nearly full: importing is paused, serving goes on",
      "free some space; it resumes by itself",
    );
  } else if (facts.storeTrouble !== undefined) {
    add(
      "DISK_LOW",
      "error",
      `the store cannot be written: ${facts.storeTrouble}`,
      "check the disk; it is tried again by itself",
    );
  }
  if (facts.starting && streams < facts.initStreams) {
    add(
      "STREAMS_BELOW_INIT",
      streams === 0 ? "error" : "warn",
      `${streams} of ${facts.initStreams} streams wanted for the start (InitStreams)`,
      "discovery goes on; a lower --sync.init-peers starts with fewer",
    );
  } else if (streams < facts.minPeers) {
    add(
      "STREAMS_BELOW_MIN",
      streams === 0 ? "error" : "warn",
      streams === 0
        ? `no stream of the ${facts.minPeers} wanted (MinPeers)`
        : `${streams} of ${facts.minPeers} streams wanted (MinPeers): going on with fewer`,
      "discovery goes on; a lower --sync.min-peers makes this normal",
    );
  }
  if (facts.refused !== undefined) {
    const { number, text, from, peers } = facts.refused;
    const others = peers > 1 ? `, and ${peers - 1} more sent what is wrong` : "";
    add(
      "BAD_BLOCK",
      "error",
      `block ${number} was refused (${text}); it came from ${from}${others}`,
      peers < MANY_CONVICTED
        ? "another peer is asked for it"
        : "another peer is asked for it; if they are honest, the network has rules that this version does not know: look for a " +
          "newer one, and end their cooldowns with: hsync streams forgive all",
    );
  }
  if (facts.starved !== undefined && streams > 0) {
    const { why, number } = facts.starved;
    if (why === "noLink") {
      add(
        "BAD_BLOCK",
        "error",
        `what every peer offers as block ${number} does not continue our block ${number - 1}`,
        "our last blocks may be the wrong ones: hsync db unwind --to N goes back",
      );
    } else {
      add(
        "RANGE_UNAVAILABLE",
        "error",
        why === "noHashes"
          ? `no peer names a hash from block ${number} on`
          : `no peer delivers block ${number}`,
        "peers that keep old blocks are needed: add one with --sync.trusted-nodes",
      );
    }
  }
  if (streams > 0 && target === undefined) {
    add(
      "TARGET_UNKNOWN",
      "warn",
      `${facts.heights} of ${facts.heightsNeeded} peers told their height`,
      "peers are asked again every few seconds",
    );
  }
  if (facts.importSlowerThanChain) {
    add(
      "IMPORT_TOO_SLOW",
      "error",
      "blocks are imported more slowly than the chain grows",
      "a faster CPU or disk is needed",
    );
  }
  if (target !== undefined && target <= head && streams > 0) {
    const old = (facts.headAgeSeconds ?? 0) > OLD_HEAD_SECONDS;
    if (old) {
      add(
        "PEERS_BEHIND",
        "warn",
        `no peer is above block ${head}, which is ${Math.round(facts.headAgeSeconds ?? 0)} s old`,
        "the network stands still, or our peers are poor: add one with --sync.trusted-nodes",
      );
    }
    if (out.length === 0) add("IDLE_IN_SYNC", "info", `in sync at block ${head}`, "nothing to do");
  }
  return out;
}

/** Remembers since when a finding has applied. */
export class DiagnosisLog {
  readonly #since = new Map<DiagnosisCode, number>();

  /** @param now ms since 1970. */
  update(findings: readonly Finding[], now: number): Diagnosis[] {
    const codes = new Set(findings.map((f) => f.code));
    for (const code of [...this.#since.keys()]) if (!codes.has(code)) this.#since.delete(code);
    const seen = new Set<DiagnosisCode>();
    const out: Diagnosis[] = [];
    for (const finding of findings) {
      if (seen.has(finding.code)) continue;
      seen.add(finding.code);
      const since = this.#since.get(finding.code) ?? now;
      this.#since.set(finding.code, since);
      out.push({ ...finding, since: new Date(since).toISOString() });
    }
    return out;
  }
}
