/**
 * Whether a stream still answers (sync-protocol.md §2.5).
 *
 * Why it exists: a connection that is dead on the other side looks like one where nobody has anything to say. What must
 * stay true: a stream that is working for us or taking our bytes is left alone, it has time limits of its own; one that
 * has a place must answer now and then, whatever bytes it sends.
 */
import { isCritical } from "../base/mod.ts";
import { KEEP_ALIVE_MS } from "./constants.ts";
import { type Offence, offence, offenceOf } from "./fault.ts";
import type { CoreStream } from "./stream_set.ts";
import type { SyncStream } from "./sync_stream.ts";

/** True when a stream is to be asked. @param working it owes us an answer. */
export function needsAsking(
  stream: SyncStream,
  core: CoreStream | undefined,
  working: boolean,
  now: number,
): boolean {
  if (stream.isGone || stream.isEnding || stream.probing || stream.writing || working) return false;
  // Of a stream that has a place answers are wanted: bytes alone may be empty frames for ever.
  const placed = core?.state === "active" || core?.state === "reserved";
  return (placed ? now - core.aliveAt : stream.idleMs()) >= KEEP_ALIVE_MS;
}

/** Asks for the height. @returns what is to be reported when no good answer comes; never rejects. */
export async function askForLife(stream: SyncStream): Promise<Offence | undefined> {
  try {
    await stream.probe();
    return undefined;
  } catch (cause) {
    const why = offenceOf(cause);
    if (isCritical(why.fault)) return why;
    return offence(why.fault === "REFUSED" ? "KEEP_ALIVE_TIMEOUT" : "PEER_ERROR", why.text);
  }
}
