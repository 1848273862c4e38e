/**
 * When the end of a stream means "I do not want you" rather than "we lost each other".
 *
 * Why it exists: a node of ours that has no room, or has the opener in its cooldown, serves the stream until it may be
 * reset without harm (sync-protocol.md §2.3, §2.8), so that its opener gets an answer first. Counted as a removal, that
 * end would put the refuser into the opener's own cooldown, which refuses in its turn: two honest nodes would raise each
 * other's up to an hour. What must stay true: only an end that the other side chose can be a refusal, never the loss of
 * a connection; and a peer that was of use, or comes and goes as it likes, is removed as the guide says. So is one that
 * closes a proven stream: a Go node refuses before it answers anything, and closes when it stops or was asked wrongly.
 */
import { REFUSAL_MS, REFUSAL_SERVES_MS } from "./constants.ts";
import type { Offence } from "./fault.ts";
import type { PeerBook } from "./peer_book.ts";
import type { CoreStream } from "./stream_set.ts";
import type { Weight } from "./weight.ts";

/** True when the end of a stream is a refusal, were it the peer's only one. `now` is ms on the monotonic clock. */
export function isRefusal(stream: CoreStream, why: Offence, book: PeerBook, now: number): boolean {
  if (why.endedByPeer === undefined || lasted(stream, now)) return false;
  if (stream.provenAt !== undefined && why.endedByPeer !== "reset") return false;
  // How often we dial is ours to say, how often it comes is not.
  return stream.direction === "out" || (stream.provenAt !== undefined && !book.refusesOften(stream.peer));
}

/** True for a stream that stood longer than one that is refused, or was of use. */
export function lasted({ provenAt, used }: CoreStream, now: number): boolean {
  return provenAt !== undefined && (used || now - provenAt > REFUSAL_MS);
}

/** Notes that the stream has brought something that a refuser would hardly have given any more. */
export function noteUse(stream: CoreStream, weight: Weight, now: number): void {
  const { provenAt } = stream;
  if (weight > 0 && provenAt !== undefined && now - provenAt > REFUSAL_SERVES_MS) stream.used = true;
}
