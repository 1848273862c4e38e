/**
 * From the network library's errors to ours.
 *
 * Why it exists: the library tells its errors apart by name; everything above decides by fault class and code
 * (sync-protocol.md §3.7). What must stay true: our own timeout or cancellation never blames a peer for a lie, and
 * "does not speak the protocol" (REFUSED) is never confused with "cannot be reached" (TRANSPORT).
 */
import { cancelled, HsyncError, safeText } from "../base/mod.ts";

function text(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return safeText([...new Set(error.errors.map(text))].slice(0, 3).join("; "));
  }
  return safeText(error instanceof Error ? error.message : String(error));
}

/** A stream or connection that is gone: fault TRANSPORT, non-critical. */
export function streamGone(peerId: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("STREAM_GONE", `stream with ${peerId}: ${why}`, {
    fault: "TRANSPORT",
    streamId: peerId,
    retryable: true,
    cause,
  });
}

/** The other side reset the stream; the connection stands. Fault TRANSPORT, as above. */
export function resetByPeer(peerId: string, cause?: unknown): HsyncError {
  return new HsyncError("STREAM_RESET_BY_PEER", `stream with ${peerId}: reset by the peer`, {
    fault: "TRANSPORT",
    streamId: peerId,
    retryable: true,
    cause,
  });
}

/** The stream was ended by ourselves: blames nobody. */
export function streamReset(peerId: string, reason: string): HsyncError {
  return new HsyncError("STREAM_RESET", `stream with ${peerId} was reset here: ${reason}`, {
    fault: "NONE",
    streamId: peerId,
    retryable: true,
  });
}

/** The host is not running any more: blames nobody. */
export function hostStopped(what: string): HsyncError {
  return new HsyncError("P2P_STOPPED", `${what}: the network host is stopped`, { fault: "NONE" });
}

/** What a caller's own wait says about a failure: whether he gave up or his time passed. */
export interface WaitState {
  readonly cancelled: boolean;
  readonly timedOut: boolean;
  readonly timeoutMs: number;
}

/** The typed form of whatever dialling or opening a stream threw. */
export function openFailure(error: unknown, what: string, peerId: string, wait: WaitState): HsyncError {
  if (error instanceof HsyncError) return error;
  if (wait.cancelled) return cancelled(what);
  const common = { streamId: peerId, retryable: true, cause: error } as const;
  if (wait.timedOut) {
    return new HsyncError("P2P_TIMEOUT", `${what}: no answer within ${wait.timeoutMs} ms`, {
      ...common,
      fault: "TRANSPORT",
    });
  }
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "UnsupportedProtocolError":
      return new HsyncError("P2P_PROTOCOL_UNSUPPORTED", `${what}: the peer does not speak this protocol`, {
        ...common,
        fault: "REFUSED",
        retryable: false,
      });
    case "TooManyOutboundProtocolStreamsError":
      return new HsyncError("P2P_TOO_MANY_STREAMS", `${what}: too many streams to this peer already`, {
        ...common,
        fault: "NONE",
      });
    case "NotStartedError":
      return hostStopped(what);
    case "NoValidAddressesError":
      return new HsyncError("P2P_NO_ADDRESS", `${what}: no address of this peer is known`, {
        ...common,
        fault: "TRANSPORT",
      });
    case "DialDeniedError":
      return new HsyncError("P2P_DIAL_DENIED", `${what}: our own rules forbid dialling these addresses`, {
        ...common,
        fault: "NONE",
      });
    default:
      return new HsyncError("P2P_DIAL_FAILED", `${what}: ${text(error)}`, { ...common, fault: "TRANSPORT" });
  }
}
