/**
 * The gauges of the stream manager: how many streams and peers there are of which kind.
 *
 * Why it exists: counters are raised where things happen, gauges are read off the state. What must stay true: reading
 * changes nothing.
 */
import type { ManagerCore } from "./manager_core.ts";
import { METRIC, type StreamMeter } from "./meters.ts";

/** What any event may have changed. */
export function gaugePlaces(meter: StreamMeter, { streams, discovery }: ManagerCore): void {
  meter.gauge(METRIC.numStreams, streams.activeCount);
  meter.gauge(METRIC.numReservedStreams, streams.reservedCount);
  const trusted = streams.countOf(discovery.trusted());
  meter.gauge(METRIC.trustedStreams, trusted.active);
  meter.gauge(METRIC.reservedTrustedStreams, trusted.reserved);
}

/** What time changes, too. */
export function gaugePeers(meter: StreamMeter, { streams, book }: ManagerCore, now: number): void {
  meter.gauge(METRIC.cooldownStreams, book.cooldowns.activeCount(now));
  const heights = streams.main().flatMap((s) => s.height ?? []).sort((a, b) => a - b);
  // Without a stream nobody reports a height: the last one said would look like a present one.
  meter.gauge(METRIC.peerHeightMax, heights[heights.length - 1] ?? NaN);
  meter.gauge(METRIC.peerHeightMedian, heights[heights.length >> 1] ?? NaN);
}
