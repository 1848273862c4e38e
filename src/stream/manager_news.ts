/**
 * What becomes known of the stream manager's decisions: metrics, log lines, and events for listeners.
 *
 * Why it exists: the manager carries out what its core decides; that it was decided is told here, and nowhere else. What
 * must stay true: telling changes nothing; each decision is counted once; a text of a peer is a value in the log, never a
 * label.
 */
import { type Emitter, isCritical, type Logger } from "../base/mod.ts";
import { errorOf } from "./fault.ts";
import type { ManagerCore } from "./manager_core.ts";
import type { ManagerEffect } from "./manager_events.ts";
import { METRIC, type StreamMeter } from "./meters.ts";
import type { StreamEvent } from "./types.ts";

/** Decisions that others hear of. */
export type News = Extract<
  ManagerEffect,
  { type: "setup" | "added" | "removed" | "height" | "criticalError" | "recoverable" | "outage" }
>;

export interface ManagerNewsOptions {
  readonly core: ManagerCore;
  readonly events: Emitter<StreamEvent>;
  readonly meter: StreamMeter;
  readonly logger: Logger;
  /** ms, monotonic. */
  readonly now: () => number;
}

export class ManagerNews {
  readonly #o: ManagerNewsOptions;

  constructor(options: ManagerNewsOptions) {
    this.#o = options;
  }

  tell(news: News): void {
    const { core, events, meter, logger } = this.#o;
    switch (news.type) {
      case "setup":
        meter.setup(news.ms);
        if (news.ok) meter.count(METRIC.discoverPeers);
        else if (news.trusted) meter.count(METRIC.trustedFailures);
        return;
      case "added":
        meter.count(METRIC.addedStreams);
        if (core.discovery.isTrusted(news.peer)) meter.count(METRIC.trustedAdded);
        logger.info("stream added", { peer: news.peer, active: core.streams.activeCount });
        return events.emit({ type: "added", id: news.peer, instance: news.instance });
      case "removed":
        return this.#removed(news);
      case "height":
        return events.emit({ type: "height", id: news.peer, height: news.height });
      case "criticalError":
        meter.count(METRIC.criticalErrors);
        // Too many small failures make a removal critical, not an error.
        if (isCritical(news.offence.fault)) meter.fatal(errorOf(news.offence));
        logger.warn("critical error of a peer", { code: "PEER_CRITICAL", peer: news.peer, ...news.offence });
        return;
      case "recoverable":
        return meter.recoverable(errorOf(news.offence), news.ended);
      case "outage":
        return logger.warn(
          "most streams were lost at once: treated as our own outage, nobody is cooled down",
          { lost: news.lost },
        );
    }
  }

  #removed(news: Extract<News, { type: "removed" }>): void {
    const { core, events, meter, logger, now } = this.#o;
    const { peer, instance, offence: { reason, fault, text }, critical, wasActive } = news;
    meter.removal(reason, critical);
    meter.gauge(METRIC.cooldownStreams, core.book.cooldowns.activeCount(now()));
    if (!wasActive) return;
    meter.count(METRIC.removedStreams);
    logger.info("stream removed", { peer, reason, fault, critical, text });
    events.emit({ type: "removed", id: peer, instance, reason, fault, critical });
  }
}
