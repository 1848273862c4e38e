/**
 * One look for peers: those that are connected anyway, then the providers that the DHT knows (sync-protocol.md §3.5).
 *
 * Why it exists: a connected peer that speaks the protocol costs one stream and no question to the network. What must
 * stay true: a run takes at most the discovery time-out, and it never rejects.
 */
import { asHsyncError, type Clock, isAbort, type Logger } from "../base/mod.ts";
import type { DiscoveredPeer, P2PHost } from "../p2p/mod.ts";
import type { PeerOrigin } from "./manager_events.ts";

/** How often an empty routing table is looked at again: questions are pointless before it knows somebody. */
const TABLE_POLL_MS = 200;
/** Providers read beyond those wanted: many of them are already connected, or ourselves. */
const EXTRA_PROVIDERS = 16;

export interface DiscoveryRun {
  readonly host: P2PHost;
  readonly protocolId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Peers we have streams with: the table will name them too. */
  readonly known: number;
  /** How long the run may take, ms. */
  readonly timeoutMs: number;
  /** Peers still wanted. */
  wanted(): number;
  found(peers: readonly DiscoveredPeer[], origin: PeerOrigin): void;
}

export async function runDiscovery(run: DiscoveryRun): Promise<void> {
  const { host, protocolId, clock, signal } = run;
  const start = clock.monotonic();
  const left = () => run.timeoutMs - (clock.monotonic() - start);
  try {
    run.found(host.peersSpeaking(protocolId).map((peerId) => ({ peerId, addresses: [] })), "connected");
    while (host.routingTableSize() === 0 && left() > 0) await clock.sleep(TABLE_POLL_MS, signal);
    if (run.wanted() === 0 || left() <= 0) return;
    const limit = run.wanted() + run.known + EXTRA_PROVIDERS;
    for await (const peer of host.discover(protocolId, { limit, timeoutMs: left(), signal })) {
      run.found([peer], "dht");
      if (run.wanted() === 0) break;
    }
  } catch (cause) {
    if (!isAbort(cause)) run.logger.debug("discovery failed", { error: asHsyncError(cause) });
  }
}
