/**
 * Whether the chain stands on one of two certified blocks of one height.
 *
 * Why it exists: a node that found such a pair must not go on by itself, and neither must the same node after a restart: only
 * the operator can say which block is right. What must stay true: the node stays stopped while the disputed block is
 * stored and no anchor settles it; an anchor, or an unwind below that height, ends it; a damaged record stops nothing.
 */
import { basename } from "node:path";
import { equalBytes, type HsyncError, type Logger } from "../base/mod.ts";
import {
  type AnchorBook,
  ConflictingCertificates,
  type ConflictSummary,
  isConflict,
  standingConflict,
} from "../consensus/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import type { Finding } from "../sync/mod.ts";
import type { EvidenceFiles } from "./evidence.ts";

/** Why the chain cannot go on. */
export interface Conflict {
  readonly error: HsyncError;
  /** Where its evidence is kept. */
  readonly path: string | undefined;
}

/** The error that ended synchronising, if it is a conflict. */
export function conflictOf(error: Error | undefined, evidence: EvidenceFiles): Conflict | undefined {
  if (!isConflict(error)) return undefined;
  const path = error instanceof ConflictingCertificates ? evidence.pathOf(error.evidence) : undefined;
  return { error, path };
}

/** The lowest conflict of an earlier run that nobody has settled. @throws {HsyncError} what reading the store throws */
export async function standingConflictOf(
  store: Pick<ChainStore, "meta" | "head" | "hashAt">,
  anchors: AnchorBook,
  evidence: EvidenceFiles,
  logger: Logger,
): Promise<Conflict | undefined> {
  let lowest: { readonly summary: ConflictSummary; readonly path: string } | undefined;
  for (const { summary, path } of await evidence.kept()) {
    if (!await stands(summary, store, anchors)) continue;
    evidence.count(basename(path), summary.shardId);
    if (lowest === undefined || summary.number < lowest.summary.number) lowest = { summary, path };
  }
  if (lowest === undefined) return undefined;
  const error = standingConflict(lowest.summary);
  logger.error("an earlier run found two certified blocks of one height, and nobody has settled it", {
    number: lowest.summary.number,
    path: lowest.path,
    hint: error.hint,
  });
  return { error, path: lowest.path };
}

async function stands(
  { network, shardId, number, ours, theirs }: ConflictSummary,
  store: Pick<ChainStore, "meta" | "head" | "hashAt">,
  anchors: AnchorBook,
): Promise<boolean> {
  if (network !== store.meta.network || shardId !== store.meta.shardId) return false;
  const stored = await store.hashAt(number);
  if (stored === undefined || !equalBytes(stored, ours) && !equalBytes(stored, theirs)) return false;
  if ([ours, theirs].some((hash) => anchors.verdict(shardId, number, hash).kind !== "unknown")) return false;
  // The stored blocks keep to the anchors: what leads to one is settled with it.
  const head = store.head().number;
  return !anchors.anchorsOf(shardId).some((anchor) => anchor.number >= number && anchor.number <= head);
}

/** What an operator reads of it. */
export function conflictFindings(conflict: Conflict | undefined): Finding[] {
  if (conflict === undefined) return [];
  const { error, path } = conflict;
  return [{
    code: "CONFLICTING_CERTIFICATES",
    severity: "error",
    text: `${error.message}; synchronising is stopped, what is stored is served${
      path === undefined ? "" : `; the evidence is in ${path}`
    }`,
    hint: error.hint ?? "",
  }];
}
