/**
 * The driver's state in words and findings.
 *
 * Why it exists: the driver acts on facts, an operator wants to know them. What must stay true: describing changes
 * nothing.
 */
import { diagnose, type Finding } from "./diagnosis.ts";
import type { SyncDriverOptions } from "./driver_options.ts";
import type { Decision } from "./driver_state.ts";
import type { DownloadStatus } from "./downloader.ts";
import type { Heights } from "./heights.ts";
import type { SyncReport } from "./report.ts";
import type { Troubles } from "./troubles.ts";

/** Why the driver is in a state. @param started a cycle has begun: fewer streams are wanted then. */
export function whyText(
  { peers, store, config }: SyncDriverOptions,
  decision: Decision,
  target: number | undefined,
  started: boolean,
): string {
  const distance = target === undefined ? "target unknown" : `${target - store.head().number} blocks to go`;
  if (!decision.degraded) return distance;
  const wanted = started ? config.minPeers : config.initStreams;
  return `${distance}, with ${peers.streams().length} of ${wanted} streams`;
}

/** What the driver knows besides its parts. */
export interface DriverFigures {
  readonly decision: Decision;
  readonly started: boolean;
  readonly heights: Pick<Heights, "told" | "needed">;
  readonly troubles: Troubles;
  readonly report: Pick<SyncReport, "headAgeSeconds" | "slowerThanChain">;
  readonly target: number | undefined;
  readonly starved: DownloadStatus["starved"] | undefined;
}

/** What an operator should know about this run. */
export function findings({ store, peers, config }: SyncDriverOptions, figures: DriverFigures): Finding[] {
  const { decision, started, heights, troubles, report, target } = figures;
  const head = store.head().number;
  return diagnose({
    streams: peers.streams().length,
    minPeers: config.minPeers,
    initStreams: config.initStreams,
    starting: !started && decision.state === "WaitingPeers",
    writable: troubles.writable,
    heights: heights.told,
    heightsNeeded: heights.needed,
    head,
    target,
    headAgeSeconds: report.headAgeSeconds(),
    starved: figures.starved,
    refused: troubles.refused,
    importSlowerThanChain: report.slowerThanChain((target ?? head) - head),
    storeTrouble: troubles.storeFailure,
  });
}
