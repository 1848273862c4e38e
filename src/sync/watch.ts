/**
 * What the log says without being asked, and what is done when nothing moves.
 *
 * Why it exists: nothing waits silently (DESIGN.md rule 6), and nothing chatters either; and a node whose places are all
 * taken by peers that do not help must find others by itself (config-cli-metrics.md §8.5). What must stay true: a wait
 * longer than a minute is named once a minute; at the head there is one line in thirty seconds at most; streams that
 * make way are neither blamed nor cooled down.
 */
import type { Clock, Logger } from "../base/mod.ts";
import type { PeerSource, StreamInfo } from "../stream/mod.ts";
import type { DriverState } from "./driver_state.ts";
import type { SyncStatus } from "./status.ts";

/** How often a wait is repeated. */
const NAG_MS = 60_000;
/** Not in sync and no new block for this long: half of the streams make way for others. */
const STUCK_MS = 600_000;
/** States in which it is the peers that a node waits for. */
const WORKING: ReadonlySet<DriverState> = new Set<DriverState>(["WaitingPeers", "LongRange", "ShortRange"]);
/** States that a node at the head changes between. */
const FOLLOWING: ReadonlySet<DriverState> = new Set<DriverState>(["ShortRange", "Synced"]);

export interface WatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: Pick<PeerSource, "wantPeers" | "streams" | "release">;
  readonly status: () => SyncStatus;
}

export class Watch {
  /** ms, monotonic. */
  #nagAt = -Infinity;
  #lastHead: number;
  /** The head, and since when (ms, monotonic) it has stood there while there was work to do. */
  #stuck: { readonly head: number; readonly since: number } | undefined;

  /** @param head height at the start. */
  constructor(private readonly options: WatchOptions, head: number) {
    this.#lastHead = head;
  }
  /** A change of state: news, unless a node at the head goes to and fro. */
  changed(from: DriverState, to: DriverState, why: string): void {
    const text = `sync state ${from} → ${to}`;
    if (FOLLOWING.has(from) && FOLLOWING.has(to)) this.options.logger.debug(text, { why });
    else this.options.logger.info(text, { why });
  }
  /** To be called every thirty seconds. */
  tick(state: DriverState, head: number): void {
    if (FOLLOWING.has(state) && head > this.#lastHead) {
      this.options.logger.info("following the head", { head, blocks: head - this.#lastHead });
    }
    this.#lastHead = head;
  }
  /** To be called more often: names what has been waited for longer than a minute, and asks for peers. */
  look(): void {
    const { clock, logger, peers } = this.options;
    const status = this.options.status();
    this.#renew(status, clock.monotonic());
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    const wait = status.waiting.find((w) => now - w.since >= NAG_MS);
    if (wait === undefined || monotonic - this.#nagAt < NAG_MS) return;
    this.#nagAt = monotonic;
    const cause = status.diagnosis[0];
    logger.warn(`waiting for ${wait.what}`, {
      seconds: Math.round((now - wait.since) / 1000),
      ...(cause === undefined ? {} : { code: cause.code, cause: cause.text, hint: cause.hint }),
    });
    peers.wantPeers(`waiting for ${wait.what}`);
  }

  /** When nothing moves for long, the less useful half of the streams makes way. */
  #renew(status: SyncStatus, monotonic: number): void {
    const { logger, peers } = this.options;
    const streams = peers.streams();
    const { height: head } = status.head;
    if (!WORKING.has(status.driver) || streams.length === 0) this.#stuck = undefined;
    else if (this.#stuck?.head !== head) this.#stuck = { head, since: monotonic };
    if (this.#stuck === undefined || monotonic - this.#stuck.since < STUCK_MS) return;
    this.#stuck = { head, since: monotonic };
    const worst = leastUseful(streams, head);
    logger.warn("no new block for ten minutes: half of the streams make way for others", {
      code: "STREAMS_RENEWED",
      head,
      streams: streams.length,
      released: worst.length,
    });
    if (worst.length > 0) peers.release(worst, "no new block for ten minutes");
    peers.wantPeers("no new block for ten minutes");
  }
}

/** Half of the streams (rounded down), those first that have nothing above `head`, then by their score; never trusted ones. */
function leastUseful(streams: readonly StreamInfo[], head: number): string[] {
  const ahead = (s: StreamInfo) => Number((s.height ?? 0) > head);
  return streams.filter((s) => !s.trusted)
    .sort((a, b) => ahead(a) - ahead(b) || a.score - b.score)
    .slice(0, Math.floor(streams.length / 2)).map((s) => s.id);
}
