/**
 * The legs of the stream manager: dials who is to be dialled, and looks around when it is time.
 *
 * Why it exists: the core says whom and when (`discovery_core.ts`); what comes of it are promises of the network. What
 * must stay true: nothing here rejects, and every dial and every run is told to its end, exactly once.
 */
import { asHsyncError, type Clock, type Logger } from "../base/mod.ts";
import type { DiscoveredPeer, P2PHost, P2PStream } from "../p2p/mod.ts";
import { PROBE_TIMEOUT_MS } from "./constants.ts";
import { runDiscovery } from "./discovery_run.ts";
import type { ManagerCore } from "./manager_core.ts";
import type { DiscoveryTrigger, ManagerEvent } from "./manager_events.ts";
import { METRIC, type StreamMeter } from "./meters.ts";

export interface SeekerOptions {
  readonly host: P2PHost;
  readonly protocolId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: StreamMeter;
  readonly core: ManagerCore;
  /** Takes what came of it to the core. */
  readonly step: (event: ManagerEvent) => void;
  /** Takes a stream that stands. */
  readonly accept: (stream: P2PStream) => void;
}

export class Seeker {
  readonly #o: SeekerOptions;
  readonly #abort = new AbortController();
  #dials = 0;

  constructor(options: SeekerOptions) {
    this.#o = options;
  }

  /** Dials under way. */
  get dials(): number {
    return this.#dials;
  }
  /** Ends the search and whatever is not connected yet; a stream that is being negotiated still comes. */
  stop(): void {
    this.#abort.abort();
  }

  async dial(peer: DiscoveredPeer): Promise<void> {
    const { host, protocolId, logger, core, step, accept } = this.#o;
    this.#dials++;
    try {
      const { connectTimeoutMs } = core.times;
      // The probe's time is part of a set-up; a limit that hardly leaves any is split.
      const timeoutMs = Math.max(connectTimeoutMs - PROBE_TIMEOUT_MS, connectTimeoutMs / 2);
      const stream = await host.openStream(peer, protocolId, { timeoutMs, signal: this.#abort.signal });
      // Also while shutting down: the core refuses it then, and it ends in the orderly way.
      accept(stream);
    } catch (cause) {
      const error = asHsyncError(cause);
      logger.debug("no stream to a peer", { peer: peer.peerId, error });
      step({
        type: "dialFailed",
        peer: peer.peerId,
        fault: error.fault === "REFUSED" ? "REFUSED" : "TRANSPORT",
        unknown: error.code === "P2P_NO_ADDRESS",
      });
    } finally {
      this.#dials--;
    }
  }

  async discover(trigger: DiscoveryTrigger): Promise<void> {
    const { host, protocolId, logger, clock, meter, core, step } = this.#o;
    const { discovery, streams } = core;
    meter.count(METRIC.discover);
    const start = clock.monotonic();
    await runDiscovery({
      host,
      protocolId,
      clock,
      logger,
      signal: this.#abort.signal,
      known: streams.activeCount + streams.reservedCount,
      timeoutMs: core.times.discoveryTimeoutMs,
      wanted: () => discovery.wanted(),
      found: (peers, origin) => step({ type: "found", peers, origin }),
    });
    step({ type: "discovered" });
    const ms = Math.round(clock.monotonic() - start);
    logger.debug("discovery over", { trigger, ms, ...discovery.status });
  }
}
