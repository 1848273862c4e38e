/**
 * How far this machine's clock is from the world's, asked now and then (`[Sys] NtpServer`).
 *
 * Why it exists: a clock that is wrong makes heights, ages and certificates of the future look wrong, and nothing else
 * on the page says why. What must stay true: nobody waits for it, nothing ends because of it, and a network of one's own
 * asks nobody.
 */
import { asHsyncError, type Cancel, type Clock, type Logger } from "../base/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import { clockOffset } from "./doctor/ntp.ts";

/** The first look comes when the node has had the time to get going. */
const FIRST_MS = 10_000;
const PERIOD_MS = 60 * 60_000;
const NTP_MS = 5_000;
/** From here on it is an error (config-cli-metrics.md, "start-up output"). */
const WRONG_MS = 30_000;

/** Asks one server. @returns ms that our clock is behind; negative: ahead. */
export type AskTime = typeof clockOffset;

export class ClockWatch {
  readonly #servers: readonly string[];
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ask: AskTime;
  readonly #abort = new AbortController();
  readonly #cancels: Cancel[] = [];
  #running: Promise<void> | undefined;
  #last: { readonly offsetMs: number; readonly checkedAt: number } | undefined;

  constructor(options: {
    readonly servers: readonly string[];
    readonly clock: Clock;
    readonly logger: Logger;
    readonly ask?: AskTime;
  }) {
    this.#servers = options.servers;
    this.#clock = options.clock;
    this.#log = options.logger;
    this.#ask = options.ask ?? clockOffset;
  }

  /** The last answer of a time server; `checkedAt` in ms since 1970. */
  get last(): { readonly offsetMs: number; readonly checkedAt: number } | undefined {
    return this.#last;
  }

  start(): void {
    if (this.#servers.length === 0) return;
    const look = () => void (this.#running ??= this.#look().finally(() => this.#running = undefined));
    this.#cancels.push(this.#clock.after(FIRST_MS, look), this.#clock.every(PERIOD_MS, look));
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    this.#abort.abort();
    await this.#running;
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const now = () => this.#clock.now();
    let failure: unknown;
    for (const server of this.#servers) {
      try {
        const options = { now, timeoutMs: NTP_MS, signal: this.#abort.signal };
        const offsetMs = Math.round(await this.#ask(server, options));
        this.#last = { offsetMs, checkedAt: now() };
        if (Math.abs(offsetMs) > WRONG_MS) {
          this.#log.error("this machine's clock is wrong; run a time service", { server, offsetMs });
        }
        return;
      } catch (error) {
        failure = error;
      }
      if (this.#abort.signal.aborted) return;
    }
    this.#log.info("no time server answers: whether the clock is right is not known", {
      error: asHsyncError(failure),
    });
  }
}

/** The watch of a node, started. On a network of one's own nobody is asked. */
export function watchClock(
  config: HsyncConfig,
  params: NetworkParams,
  parts: { readonly clock: Clock; readonly logger: Logger },
): ClockWatch {
  const watch = new ClockWatch({ servers: params.name === "localnet" ? [] : config.ntpServers, ...parts });
  watch.start();
  return watch;
}
