/**
 * The states of a stream and of a peer, and which may follow which (guide, "Stream States"; sync-protocol.md §3.2).
 *
 * Why it exists: the managers move streams about in many places; here stands what all those moves come to, and a test
 * holds every move of random histories against it. What must stay true: a stream that is on its way out never comes back;
 * a peer in its cooldown gets no place before that is over.
 */
import type { PeerBook } from "./peer_book.ts";

/**
 * `probing`: its first exchange is awaited. `active`: carries requests. `reserved`: proven, waits for a place. `spare`: a
 * second stream of a peer, served until it is empty. `ending`: on its way out, read and served until it may be reset
 * without harm.
 */
export type StreamState = "probing" | "active" | "reserved" | "spare" | "ending";

/** What may follow; any of them may be gone the next moment. */
export const STREAM_MOVES: Readonly<Record<StreamState, readonly StreamState[]>> = {
  probing: ["active", "reserved", "spare", "ending"],
  // To the reserve: a trusted peer takes its place. Spare: a better stream of the same peer does.
  active: ["reserved", "spare", "ending"],
  reserved: ["active", "spare", "ending"],
  // The peer's other stream is gone.
  spare: ["active", "reserved", "ending"],
  ending: [],
};

/** `removed`: in its cooldown. `expired`: that is over, but counts when the next one is worked out. */
export type PeerState = "unknown" | "active" | "reserved" | "removed" | "expired";

/** What may follow. A trusted peer never becomes `removed` or `expired`: it has no record. */
export const PEER_MOVES: Readonly<Record<PeerState, readonly PeerState[]>> = {
  // Removed at once: it lied in its first exchange.
  unknown: ["active", "reserved", "removed"],
  // Expired at once: a first removal without a lie costs nothing. Unknown: released, it refused us, or
  // pardoned after an outage.
  active: ["reserved", "removed", "expired", "unknown"],
  reserved: ["active", "removed", "expired", "unknown"],
  // Unknown: forgiven by the operator, or pardoned. Expired: time, or a pardon that leaves an older record.
  removed: ["expired", "unknown"],
  // Removed: what it did before comes out now. Unknown: after hours, or forgiven.
  expired: ["active", "reserved", "removed", "unknown"],
};

/** @param place of the peer's main stream, undefined without one; `now` on the monotonic clock. */
export function peerStateOf(
  place: StreamState | undefined,
  book: PeerBook,
  peer: string,
  now: number,
): PeerState {
  if (place === "active" || place === "reserved") return place;
  const record = book.cooldowns.get(peer);
  if (record === undefined) return "unknown";
  return now < record.expireAt ? "removed" : "expired";
}
