/**
 * Counting without knowing who exports the figures.
 *
 * Why it exists: every layer counts, but only `api/` knows Prometheus. Lower layers call a `Meter`; `api/`
 * implements it over its metrics catalogue. What must stay true: names and label values come from closed
 * lists (config-cli-metrics.md §3), never from a peer.
 */

export type MetricLabels = Readonly<Record<string, string>>;

export interface Meter {
  /** Adds `by` (default 1) to a counter. */
  inc(name: string, labels?: MetricLabels, by?: number): void;
  /** Sets a gauge. */
  set(name: string, labels: MetricLabels, value: number): void;
  /** Records one observation of a histogram, in its base unit (seconds, blocks). */
  observe(name: string, labels: MetricLabels, value: number): void;
}

/** Counts nothing. */
export const nullMeter: Meter = { inc() {}, set() {}, observe() {} };
