/**
 * The closed lists of label values (config-cli-metrics.md §3.1, §3.5, §8.5).
 *
 * Why it exists: a label that takes free text makes a series per text; the Go node puts peer ids into labels. What
 * must stay true: nothing outside these lists ever becomes the value of one of these labels.
 */
import { HEADER_RULES } from "../consensus/mod.ts";
import { ERROR_LABELS, REMOVAL_REASONS, REQUEST_TYPES } from "../stream/mod.ts";
import { DIAGNOSIS_CODES, STAGE_IDS } from "../sync/mod.ts";

/** Label `error`. */
export const ERROR_VALUES = ERROR_LABELS;
/** Label `reason` of removed streams. */
export const REASON_VALUES = REMOVAL_REASONS;
/** Label `request_type` on the asking side. */
export const CLIENT_REQUEST_TYPES = REQUEST_TYPES;

/** Label `request_type` on the answering side: four names differ in the Go node, and dashboards know them so. */
export const SERVER_REQUEST_TYPES = [
  "getBlockNumber",
  "getBlockHashes",
  "getBlocksByNumber",
  "getBlocksByHashes",
  "getReceipts",
  "getNodeData",
  "getAccountRangeRequest",
  "getStorageRangesRequest",
  "getByteCodesRequest",
  "getTrieNodesRequest",
  "unknown",
] as const;

/** Label `stage`, in the order of a cycle. */
export const STAGE_VALUES = STAGE_IDS;
/** Label `rule`: what a header may break without being refused (consensus-verification.md §d.4). */
export const ODDITY_VALUES: readonly string[] = HEADER_RULES.filter((r) => r.fate === "log").map((r) => r.id);
/** Label `code`: the answers to "why am I not syncing?" (§8.5). */
export const CODE_VALUES = DIAGNOSIS_CODES;

/** What a label may hold: one of a list, one of those registered at run time, or text of our own making. */
export type LabelDomain = readonly string[] | "topic" | "shard" | "own";

/** `shard`: the chain this node follows; `beacon`: the epoch chain that a node of another shard keeps beside it. */
export const CHAIN_VALUES = ["shard", "beacon"] as const;
export const PHASE_VALUES = ["hashes", "bodies", "insert"] as const;
export const REQUIRED_KINDS = ["min", "init", "soft", "hard", "high"] as const;
