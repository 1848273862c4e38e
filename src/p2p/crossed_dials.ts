/**
 * Two nodes that dial each other at the same moment keep both connections.
 *
 * Why it exists: a Go node dials from the port that it listens on, so the connection that it opened and the one that
 * we opened have the same address at its end; the library then takes ours for a duplicate and aborts it, and with it
 * whatever stream the Go node has just opened there. A Go node that loses a stream between accepting it and reading
 * from it ends (sync-protocol.md §2.8). What must stay true: a peer with a usable connection is not dialled again,
 * and a connection that stands is never taken away because there is another.
 */
import type { Connection, PeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { isMultiaddr, type Multiaddr } from "@multiformats/multiaddr";

type DialTarget = PeerId | Multiaddr | Multiaddr[];

/** What is needed of the library's connection manager. */
export interface ConnectionOpener {
  getConnections(peerId?: PeerId): Connection[];
  openConnection(
    target: DialTarget,
    options?: { readonly force?: boolean; readonly signal?: AbortSignal },
  ): Promise<Connection>;
}

/** Whom a target names; undefined when its addresses do not say. */
function peerOf(target: DialTarget): PeerId | undefined {
  const first = Array.isArray(target) ? target[0] : target;
  if (first === undefined || !isMultiaddr(first)) return first;
  const text = first.getComponents().findLast((c) => c.name === "p2p")?.value;
  return text === undefined ? undefined : peerIdFromString(text);
}

/**
 * Makes a connection manager keep crossed dials, whoever asks it to connect: us, the DHT or identify.
 *
 * @returns a service of the library with nothing to do of its own.
 */
export function keepCrossedDials(
  { connectionManager }: { readonly connectionManager: ConnectionOpener },
): Record<string, never> {
  const open = connectionManager.openConnection.bind(connectionManager);
  connectionManager.openConnection = async (target, options) => {
    options?.signal?.throwIfAborted();
    const peer = options?.force === true ? undefined : peerOf(target);
    const standing = peer === undefined
      ? undefined
      : connectionManager.getConnections(peer).find((c) => c.status === "open" && c.limits === undefined);
    // By force only because that is what leaves a second connection alone; dials under way are joined all the same.
    return standing ?? await open(target, { ...options, force: true });
  };
  return {};
}
