/**
 * Keeps our provider records alive in the DHT.
 *
 * Why it exists: a record expires, a DHT server restarts, our address changes; who announces himself only once is
 * forgotten within a day, and who announces before his routing table has grown tells the wrong servers
 * (sync-protocol.md §1.6). What must stay true: after a success the next announcement comes within the period, after a
 * failure within five minutes; when it happens is decided by a pure function, tested by a table.
 */
import { asHsyncError, type Clock, isAbort, type Logger, type Random, Signal } from "../base/mod.ts";
import type { P2PHost } from "./types.ts";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;

/** Waits after the first successes: the routing table is still growing then. */
export const EARLY_WAITS: readonly number[] = [10 * SECOND, 30 * SECOND, 90 * SECOND];
/** No announcement lives longer than this without being renewed. */
export const MAX_PERIOD = 3 * HOUR;
export const FIRST_RETRY = 5 * SECOND;
export const MAX_RETRY = 5 * MINUTE;
/** Changes of address come in groups. */
export const ADDRESS_SETTLE = 2 * SECOND;
/** One announcement may take this long. */
const DEFAULT_TIMEOUT = MINUTE;

/** Counts since the start (successes) and since the last success (failures). */
export interface AdvertiseState {
  readonly successes: number;
  readonly failures: number;
}

export type AdvertiseEvent = "succeeded" | "failed" | "addresses";

/**
 * What an event does to the state, and how long to wait until the next announcement.
 * @param jitter uniform in [0, 1): how much of a tenth is taken off a wait, so that nodes do not announce in step.
 */
export function nextAnnouncement(
  state: AdvertiseState,
  event: AdvertiseEvent,
  options: { readonly maxWaitMs: number; readonly jitter: number },
): { readonly state: AdvertiseState; readonly waitMs: number } {
  const spread = (ms: number) => Math.round(ms * (1 - options.jitter / 10));
  const period = Math.max(SECOND, Math.min(options.maxWaitMs, MAX_PERIOD));
  switch (event) {
    case "addresses":
      return { state, waitMs: ADDRESS_SETTLE };
    case "failed": {
      const failures = state.failures + 1;
      const waitMs = Math.min(FIRST_RETRY * 2 ** Math.min(failures - 1, 16), MAX_RETRY);
      return { state: { ...state, failures }, waitMs: spread(waitMs) };
    }
    case "succeeded": {
      const waitMs = Math.min(EARLY_WAITS[state.successes] ?? period, period);
      return { state: { successes: state.successes + 1, failures: 0 }, waitMs: spread(waitMs) };
    }
  }
}

/** What is known of one namespace's announcements. */
export interface AdvertiseStatus {
  readonly namespace: string;
  readonly successes: number;
  /** Failures since the last success. */
  readonly failures: number;
  /** ms since 1970, undefined before the first success. */
  readonly lastSuccessAt: number | undefined;
  /** ms since 1970; undefined while an announcement is under way. */
  readonly nextAt: number | undefined;
  readonly lastError: string | undefined;
}

interface Entry {
  readonly namespace: string;
  readonly changed: Signal;
  state: AdvertiseState;
  lastSuccessAt: number | undefined;
  nextAt: number | undefined;
  lastError: string | undefined;
}

export interface AdvertiserOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Longest time between two announcements, ms (`MaxAdvertiseWaitTime`). */
  readonly maxWaitMs: number;
  /** Limit of one announcement, ms. Default one minute. */
  readonly timeoutMs?: number;
}

/** Announces a set of namespaces until it is stopped. */
export class Advertiser {
  readonly #abort = new AbortController();
  readonly #entries: Entry[];
  readonly #loops: Promise<void>[];
  readonly #unsubscribe: () => void;

  /** Starts at once. */
  constructor(
    private readonly host: Pick<P2PHost, "advertise" | "on">,
    namespaces: readonly string[],
    private readonly options: AdvertiserOptions,
  ) {
    this.#entries = [...new Set(namespaces)].map((namespace) => ({
      namespace,
      changed: new Signal(),
      state: { successes: 0, failures: 0 },
      lastSuccessAt: undefined,
      nextAt: undefined,
      lastError: undefined,
    }));
    this.#unsubscribe = host.on((event) => {
      if (event.type === "addresses") { for (const entry of this.#entries) entry.changed.raise(); }
    });
    this.#loops = this.#entries.map((entry) => this.#run(entry));
  }

  status(): AdvertiseStatus[] {
    return this.#entries.map(({ namespace, state, lastSuccessAt, nextAt, lastError }) => ({
      namespace,
      ...state,
      lastSuccessAt,
      nextAt,
      lastError,
    }));
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#abort.abort();
    await Promise.all(this.#loops);
  }

  async #run(entry: Entry): Promise<void> {
    const { clock } = this.options;
    try {
      for (;;) {
        const outcome = await this.#announce(entry);
        let wait = this.#step(entry, outcome);
        while (await entry.changed.wait(clock, wait, this.#abort.signal)) {
          wait = this.#step(entry, "addresses");
        }
      }
    } catch (error) {
      if (!isAbort(error)) {
        this.options.log.error("announcing stopped", { namespace: entry.namespace, error });
      }
    }
  }

  #step(entry: Entry, event: AdvertiseEvent): number {
    const { clock, random, maxWaitMs } = this.options;
    const next = nextAnnouncement(entry.state, event, { maxWaitMs, jitter: random.next() });
    entry.state = next.state;
    entry.nextAt = clock.now() + next.waitMs;
    return next.waitMs;
  }

  async #announce(entry: Entry): Promise<AdvertiseEvent> {
    const { clock, log, timeoutMs = DEFAULT_TIMEOUT } = this.options;
    const { namespace } = entry;
    entry.nextAt = undefined;
    try {
      await this.host.advertise(namespace, { signal: this.#abort.signal, timeoutMs });
    } catch (error) {
      if (this.#abort.signal.aborted) throw error;
      const failure = asHsyncError(error);
      entry.lastError = failure.message;
      log.debug("announcing failed", { namespace, error: failure, failures: entry.state.failures + 1 });
      return "failed";
    }
    entry.lastSuccessAt = clock.now();
    entry.lastError = undefined;
    log.debug("announced", { namespace });
    return "succeeded";
  }
}
