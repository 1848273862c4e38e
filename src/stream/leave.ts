/**
 * Leaving the network so that peers lose one stream to us, and only one.
 *
 * Why it exists: a Go node counts every stream that it loses, forgives one within an hour and shuts the peer out for
 * minutes from the second on (sync-protocol.md §3.4). It looks for a new stream the moment one is gone; so none may
 * end while its connection stands, and no protocol may be gone while a stream can still be opened. What must stay
 * true: the order (come to rest, cut all connections, stop the protocols, stop the host), and that a part which fails
 * does not keep the others up.
 */
import type { LibP2PHost } from "../p2p/mod.ts";
import type { SyncProtocol } from "./protocol.ts";

/**
 * Ends the protocols and the host that they run on. A protocol that never started is welcome here.
 * @throws {AggregateError} of what could not stop cleanly; everything has been tried then.
 */
export async function leaveNetwork(
  host: Pick<LibP2PHost, "leave" | "stop">,
  protocols: ReadonlyArray<Pick<SyncProtocol, "leave" | "stop">>,
): Promise<void> {
  const errors: unknown[] = [];
  const all = async (work: Array<Promise<void>>) => {
    for (const end of await Promise.allSettled(work)) if (end.status === "rejected") errors.push(end.reason);
  };
  await all(protocols.map((protocol) => protocol.leave()));
  await all([host.leave()]);
  await all(protocols.map((protocol) => protocol.stop()));
  await all([host.stop()]);
  if (errors.length > 0) throw new AggregateError(errors, "leaving the network");
}
