/**
 * What a peer means by an error answer (sync-protocol.md §7.1).
 *
 * Why it exists: the wire knows one error form, free text; whether the peer lacks a block, is overloaded or found
 * our request wrong decides who is to blame. What must stay true: the text only sorts; it never reaches a label or
 * the terminal unescaped, and an unknown text blames nobody at once.
 */
import { HsyncError, safeText } from "../base/mod.ts";
import { type FailureName, FAILURES } from "./fault.ts";

const TABLE: ReadonlyArray<readonly [RegExp, FailureName]> = [
  [/exceed/i, "PEER_CAP"],
  [/too busy|rate limit/i, "PEER_BUSY"],
  [/unknown request|not supported|snapshot/i, "UNSUPPORTED"],
  [/not found|missing|cannot find|unknown block|invalid hashes to get receipts/i, "PEER_LACKS"],
];

/** The failure that an error text stands for. */
export function classifyPeerError(text: string): FailureName {
  const head = text.slice(0, 500);
  for (const [pattern, failure] of TABLE) if (pattern.test(head)) return failure;
  return "PEER_ERROR";
}

/** The error for the caller of a request that the peer answered with `text`. */
export function peerError(what: string, text: string, streamId: string): HsyncError {
  const failure = classifyPeerError(text);
  const { fault } = FAILURES[failure];
  return new HsyncError(failure, `${what}: the peer answered "${safeText(text, 200)}"`, {
    // A single unexplained error is nobody's fault yet; the request manager counts them.
    fault: failure === "PEER_ERROR" ? "NONE" : fault,
    streamId,
    retryable: failure !== "PEER_CAP",
  });
}
