/**
 * Speed: of the import, and of the chain itself.
 *
 * Why it exists: the progress line, the status page and the metrics show the same figures. What must stay true: they
 * are computed from what was committed, never from what was hoped for.
 */

const MINUTE_MS = 60_000;
const QUARTER_MS = 900_000;
/** One sample a second is enough for fifteen minutes. */
const SAMPLE_MS = 1_000;

/** Counts events and tells their rate over sliding windows. */
export class RateMeter {
  /** Cumulative counts, at most one a second. */
  #samples: Array<{ at: number; total: number }> = [];
  #total = 0;
  #startedAt: number | undefined;

  /** @param now ms, monotonic. */
  add(count: number, now: number): void {
    this.#startedAt ??= now;
    this.#total += count;
    const last = this.#samples.at(-1);
    if (last !== undefined && now - last.at < SAMPLE_MS) return;
    this.#samples.push({ at: now, total: this.#total - count });
    while ((this.#samples[0]?.at ?? now) < now - QUARTER_MS) this.#samples.shift();
  }
  get total(): number {
    return this.#total;
  }
  /** Events per second over the last `windowMs` (or since the first one, if that is later). */
  perSecond(windowMs: number, now: number): number {
    const from = this.#samples.find((s) => s.at >= now - windowMs);
    if (from === undefined) return 0;
    const ms = now - from.at;
    return ms <= 0 ? 0 : ((this.#total - from.total) * 1000) / ms;
  }
  minute(now: number): number {
    return this.perSecond(MINUTE_MS, now);
  }
  quarter(now: number): number {
    return this.perSecond(QUARTER_MS, now);
  }
  /** ms since the first count; 0 before. */
  age(now: number): number {
    return this.#startedAt === undefined ? 0 : now - this.#startedAt;
  }
}

/** How fast the chain itself grows, from header timestamps. */
export class GrowthMeter {
  #perSecond: number | undefined;

  /** Takes the first and last header of a committed batch; `seconds` are header times. */
  add(from: { number: number; seconds: number }, to: { number: number; seconds: number }): void {
    const blocks = to.number - from.number, seconds = to.seconds - from.seconds;
    if (blocks <= 0 || seconds <= 0) return;
    const rate = blocks / seconds;
    this.#perSecond = this.#perSecond === undefined ? rate : this.#perSecond + 0.2 * (rate - this.#perSecond);
  }
  /** Blocks per second; undefined before the first batch. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }
}
