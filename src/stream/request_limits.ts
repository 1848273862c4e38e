/**
 * What may be asked at all, and how long an answer may take.
 *
 * Why it exists: both follow from the kind of request alone (sync-protocol.md §2.8, §4.4). What must stay true: no request
 * of ours can end a Go node, whoever calls.
 */
import { PENDING_REQUEST_TIMEOUT_MS, PROGRESS_TIMEOUT_MS } from "./constants.ts";
import type { RequestType } from "./message.ts";

/** Hard limits by kind (§4.4); kinds not named carry blocks or state and live as long as bytes arrive. */
const HARD_MS: Partial<Record<RequestType, number>> = { getBlockNumber: 10_000, getBlockHashes: 20_000 };

/** §2.8, never-lines: whatever else is asked on an epoch stream may end a Go node of another shard. */
const EPOCH_REQUESTS: ReadonlySet<RequestType> = new Set([
  "getBlockNumber",
  "getBlockHashes",
  "getBlocksByNumber",
  "getBlocksByHashes",
  "getReceipts",
]);

/** Why such a request must not be sent on this service's streams; undefined when it may. */
export function forbidden(service: "sync" | "epochsync", type: RequestType): string | undefined {
  if (service === "sync" || EPOCH_REQUESTS.has(type)) return undefined;
  return `${type} must never be sent on an epoch stream`;
}

/** How long the answer may take altogether and without progress, ms. @param timeoutMs the caller's own limit. */
export function limitsOf(
  type: RequestType,
  timeoutMs: number | undefined,
): { readonly hardMs: number; readonly idleMs: number } {
  const hardMs = timeoutMs ?? HARD_MS[type] ?? PENDING_REQUEST_TIMEOUT_MS;
  return { hardMs, idleMs: type in HARD_MS ? hardMs : Math.min(hardMs, PROGRESS_TIMEOUT_MS) };
}
