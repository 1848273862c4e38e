/**
 * Streams that make way for others.
 *
 * Why it exists: peers can be honest and of no use, and the places are few. What must stay true: nobody is blamed, so that
 * no trace is left in the cooldown table; a trusted peer stays; whoever went is not dialled again at once, and others are
 * looked for.
 */
import type { DiscoveryCore } from "./discovery_core.ts";
import type { Offence } from "./fault.ts";
import type { ManagerEffect } from "./manager_events.ts";
import type { StreamSet } from "./stream_set.ts";

/** Ends every stream of `peers` (id texts), those of trusted ones excepted. @param now ms, monotonic. */
export function makeWay(
  streams: StreamSet,
  discovery: DiscoveryCore,
  { peers, why }: { readonly peers: readonly string[]; readonly why: string },
  now: number,
  out: ManagerEffect[],
): void {
  const offence: Offence = { fault: "NONE", reason: "other", text: why };
  for (const peer of peers) {
    const main = streams.mainOf(peer);
    if (main === undefined || discovery.isTrusted(peer)) continue;
    for (const s of streams.ofPeer(peer)) streams.end(s, "DROPPED", why, out);
    const wasActive = streams.leave(main, out);
    discovery.leaveAlone(peer, now);
    out.push({ type: "unprotect", peer });
    out.push({ type: "removed", peer, instance: main.instance, offence, critical: false, wasActive });
  }
  streams.refill(now, out);
  if (streams.activeCount === 0) discovery.isolated(now);
  discovery.trigger("manual", now, out);
}
