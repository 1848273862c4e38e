/**
 * Why a stream is not wanted (sync-protocol.md §3.3).
 *
 * Why it exists: the question is asked twice, when a stream is opened and when its first exchange is over, and the peer
 * may have been removed in between. What must stay true: a refused stream is served all the same until it ends (§2.3);
 * a trusted peer is refused for nothing but the number of its own streams.
 */
import { MAX_STREAMS_PER_PEER } from "./constants.ts";
import type { FailureName } from "./fault.ts";
import type { PeerBook } from "./peer_book.ts";
import type { StreamSet } from "./stream_set.ts";

/** Inbound streams whose first exchange is awaited at once. */
const MAX_PROBING_INBOUND = 64;

export type Refusal = readonly [failure: FailureName, text: string];

export interface Admission {
  readonly selfId: string;
  readonly streams: StreamSet;
  readonly book: PeerBook;
  isTrusted(peer: string): boolean;
}

/** Before a new stream is probed. */
export function refuseOpened(
  { selfId, streams, book, isTrusted }: Admission,
  peer: string,
  direction: "in" | "out",
  now: number,
): Refusal | undefined {
  if (peer === selfId) return ["SANITY", "a stream to ourselves"];
  if (streams.ofPeer(peer).length >= MAX_STREAMS_PER_PEER) {
    return ["OVER_CAPACITY", "the peer has streams enough"];
  }
  if (isTrusted(peer)) return undefined;
  if (book.cooldowns.active(peer, now)) return ["OVER_CAPACITY", "the peer is in its removal cooldown"];
  if (streams.full && streams.mainOf(peer) === undefined) {
    return ["OVER_CAPACITY", "no room for more streams"];
  }
  if (direction === "in" && streams.probingInbound() >= MAX_PROBING_INBOUND) {
    return ["OVER_CAPACITY", "too many streams are being set up"];
  }
  return undefined;
}

/** Before a proven stream gets a place. */
export function refuseProven({ book, isTrusted }: Admission, peer: string, now: number): Refusal | undefined {
  return !isTrusted(peer) && book.cooldowns.active(peer, now)
    ? ["OVER_CAPACITY", "the peer has been put into a removal cooldown"]
    : undefined;
}
