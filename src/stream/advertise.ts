/**
 * Telling the network that we serve a protocol, again and again (sync-protocol.md §1.6).
 *
 * Why it exists: provider records expire, first addresses are often wrong, and a routing table is empty at the
 * start. What must stay true: after a success the next announcement comes no later than the configured wait and no
 * later than three hours; failures back off; a change of our addresses is announced at once; and nodes that start
 * together do not announce together.
 */
import { asHsyncError, type Clock, type Logger, type Random, Signal } from "../base/mod.ts";
import type { P2PHost } from "../p2p/mod.ts";

/** Waits after the first successes: a record made with three neighbours reaches few, so it is renewed early. */
const BURST_MS = [5_000, 20_000, 60_000];
const MAX_PERIOD_MS = 3 * 60 * 60_000;
const ATTEMPT_TIMEOUT_MS = 60_000;
const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 5 * 60_000;
/** Share of a wait that is left to chance. */
const JITTER = 0.1;
const TABLE_POLL_MS = 250;
const MIN_GAP_MS = 2_000;

export interface AdvertiserOptions {
  readonly host: P2PHost;
  readonly namespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** `MaxAdvertiseWaitTime`, ms. */
  readonly maxWaitMs: number;
}

export class Advertiser {
  readonly #o: AdvertiserOptions;
  readonly #abort = new AbortController();
  readonly #now = new Signal();
  #loop: Promise<void> | undefined;
  #lastOkAt: number | undefined;

  constructor(options: AdvertiserOptions) {
    this.#o = options;
  }

  /** ms on the monotonic clock of the last announcement that somebody took. */
  get lastOkAt(): number | undefined {
    return this.#lastOkAt;
  }

  start(): void {
    this.#loop ??= this.#run();
  }
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { host, clock, logger } = this.#o;
    const { signal } = this.#abort;
    const off = host.on((event) => {
      if (event.type === "addresses") this.#now.raise();
    });
    let successes = 0;
    let failures = 0;
    try {
      for (;;) {
        while (host.routingTableSize() === 0) await clock.sleep(TABLE_POLL_MS, signal);
        let wait: number;
        try {
          await host.advertise(this.#o.namespace, { signal, timeoutMs: ATTEMPT_TIMEOUT_MS });
          this.#lastOkAt = clock.monotonic();
          failures = 0;
          wait = Math.min(BURST_MS[successes++] ?? MAX_PERIOD_MS, this.#o.maxWaitMs, MAX_PERIOD_MS);
        } catch (error) {
          if (signal.aborted) return;
          wait = Math.min(RETRY_FIRST_MS * 2 ** failures++, RETRY_MAX_MS);
          logger.debug("advertising failed", {
            namespace: this.#o.namespace,
            error: asHsyncError(error),
            wait,
          });
        }
        // Addresses often change in a row: one announcement for all of them.
        await clock.sleep(MIN_GAP_MS, signal);
        await this.#now.wait(clock, wait * (1 - JITTER * this.#o.random.next()), signal);
      }
    } catch {
      // Only the end of the node comes here: every wait above ends with it.
    } finally {
      off();
    }
  }
}
