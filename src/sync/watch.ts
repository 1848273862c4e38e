/**
 * What the log says without being asked.
 *
 * Why it exists: nothing waits silently (DESIGN.md rule 6), and nothing chatters either. What must stay true: a wait
 * longer than a minute is named once a minute; at the head there is one line in thirty seconds at most.
 */
import type { Clock, Logger } from "../base/mod.ts";
import type { PeerSource } from "../stream/mod.ts";
import type { DriverState } from "./driver_state.ts";
import type { SyncStatus } from "./status.ts";

/** How often a wait is repeated. */
const NAG_MS = 60_000;
/** States that a node at the head changes between. */
const FOLLOWING: ReadonlySet<DriverState> = new Set<DriverState>(["ShortRange", "Synced"]);

export interface WatchOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: Pick<PeerSource, "wantPeers">;
  readonly status: () => SyncStatus;
}

export class Watch {
  /** ms, monotonic. */
  #nagAt = -Infinity;
  #lastHead: number;

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
}
