/**
 * The lock of a store that many machines can reach.
 *
 * Why it exists: a file lock does not cross machines. What must stay true: safety rests on the fence alone (every
 * commit checks that the `lease` row is still the one we wrote), never on clocks; clocks only decide when a holder
 * that fell silent may be replaced. Renewals write another row (`beat`), so they never disturb a commit under way;
 * whoever takes over checks both rows, so a renewal that arrives meanwhile wins.
 */
import { asHsyncError, type Cancel, type Clock, type Logger, safeText } from "../base/mod.ts";
import { leaseLost, storeLocked } from "./failures.ts";
import type { Keys } from "./keys.ts";
import type { Kv, KvCheck } from "./kv.ts";

/** A holder silent for this long may be replaced. */
export const LEASE_MS = 60_000;
/** Four renewals fit into a lease: three may fail. */
export const RENEW_MS = 15_000;

/** A stop of the program may take ten seconds in all; a lease that is not given back ends by itself. */
const RELEASE_MS = 3_000;

export interface LeaseHolder {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
}

function parse(value: Uint8Array | undefined): Record<string, unknown> {
  try {
    const json: unknown = value === undefined ? {} : JSON.parse(new TextDecoder().decode(value));
    return typeof json === "object" && json !== null ? json as Record<string, unknown> : {};
  } catch {
    // An unreadable lease names nobody and is as good as expired.
    return {};
  }
}

function encode(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

export class Lease {
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stamp: string;
  #stop: Cancel = () => {};
  #renewal: Promise<void> = Promise.resolve();
  #lost = false;

  private constructor(kv: Kv, keys: Keys, clock: Clock, logger: Logger, stamp: string) {
    this.#kv = kv;
    this.#keys = keys;
    this.#clock = clock;
    this.#logger = logger;
    this.#stamp = stamp;
  }

  /**
   * Takes the lease when nobody holds it, its holder fell silent, or its holder is this data directory (whose file
   * lock we hold, so the process that took it is gone). @throws {HsyncError} STORE_LOCKED, exit 11.
   */
  static async take(
    kv: Kv,
    keys: Keys,
    options: {
      readonly holder: LeaseHolder;
      readonly clock: Clock;
      readonly logger: Logger;
      readonly url: string;
    },
  ): Promise<Lease> {
    const { holder, clock, logger, url } = options;
    const leaseKey = keys.key("lease");
    const beatKey = keys.key("beat");
    for (let attempt = 0; attempt < 3; attempt++) {
      const row = await kv.get(leaseKey);
      const beat = await kv.get(beatKey);
      if (row !== undefined) {
        const owner = parse(row.value);
        const at = parse(beat?.value)["at"];
        const silent = typeof at === "number" ? clock.now() - at : Infinity;
        if (owner["id"] !== holder.id && silent < LEASE_MS) {
          const who = `process ${Number(owner["pid"])} on ${safeText(String(owner["host"]), 64)}`;
          const wait = Math.ceil((LEASE_MS - silent) / 1000);
          throw storeLocked(
            `the chain ${keys.chain} at ${url} is being written by ${who}`,
            `stop that process; if it died, its lease ends in ${wait} s`,
          );
        }
      }
      const stamp = await kv.commit([
        { key: leaseKey, versionstamp: row?.versionstamp ?? null },
        { key: beatKey, versionstamp: beat?.versionstamp ?? null },
      ], [
        { key: leaseKey, value: encode({ ...holder, since: clock.now() }) },
        { key: beatKey, value: encode({ at: clock.now() }) },
      ]);
      if (stamp === undefined) continue;
      const lease = new Lease(kv, keys, clock, logger, stamp);
      lease.#stop = clock.every(RENEW_MS, () => {
        lease.#renewal = lease.#renewal.then(() => lease.#renew());
      });
      return lease;
    }
    throw storeLocked(
      `the chain ${keys.chain} at ${url} is being taken by several processes at once`,
      "start only one hsync per chain",
    );
  }

  /** True once a check has shown that another process took over. */
  get lost(): boolean {
    return this.#lost;
  }

  /** What every commit must check. @throws {HsyncError} STORE_LEASE_LOST. */
  checks(): readonly KvCheck[] {
    if (this.#lost) throw leaseLost("writing to the store");
    return [{ key: this.#keys.key("lease"), versionstamp: this.#stamp }];
  }

  async #renew(): Promise<void> {
    if (this.#lost) return;
    try {
      const beat = { key: this.#keys.key("beat"), value: encode({ at: this.#clock.now() }) };
      if (await this.#kv.commit(this.checks(), [beat]) !== undefined) return;
      this.#lost = true;
      this.#logger.error("another process has taken over the store; nothing more will be written");
    } catch (error) {
      // The next renewal may succeed; if none does, the fence decides.
      this.#logger.warn("renewing the lease of the store failed", { error: asHsyncError(error) });
    }
  }

  /** Stops renewing and gives the lease back if it is still ours; a server that is gone is not waited for. */
  async release(): Promise<void> {
    this.#stop();
    let stop: Cancel = () => {};
    const late = new Promise<void>((resolve) => {
      stop = this.#clock.after(RELEASE_MS, resolve);
    });
    try {
      await Promise.race([this.#renewal.then(() => this.#giveBack()), late]);
    } finally {
      stop();
    }
  }

  async #giveBack(): Promise<void> {
    if (this.#lost) return;
    await this.#kv.commit(this.checks(), [{ key: this.#keys.key("lease") }, { key: this.#keys.key("beat") }]);
  }
}
