/**
 * The metrics of a running node: the `Meter` of the lower layers over the catalogue.
 *
 * Why it exists: every layer counts through `Meter`, and this is the only place that knows Prometheus
 * (config-cli-metrics.md §3). What must stay true: a name or a label value outside the catalogue never becomes a
 * series; all series with a closed label set are there before the first scrape; the answer is the classic text
 * format, whatever the scraper asks for.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Cancel, Logger, Meter, MetricLabels } from "../base/mod.ts";
import { CATALOGUE, type MetricSpec } from "./catalogue.ts";

/** Content type of `/metrics`: never OpenMetrics, whose suffix rule would rename counters (§3.2). */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface MetricsOptions {
  /** Shards whose chains this node holds: values of `ShardID`. */
  readonly shards: readonly number[];
  /** Protocol ids without the leading slash: values of `topic`. More may come through `addTopic`. */
  readonly topics: readonly string[];
  /** True in tests: a slip throws. False: it is logged once and passed over. */
  readonly strict: boolean;
  readonly logger?: Logger;
}

interface Series {
  readonly spec: MetricSpec;
  readonly names: readonly string[];
  readonly metric: Counter<string> | Gauge<string> | Histogram<string>;
}

export class Metrics implements Meter {
  readonly #registry = new Registry();
  readonly #series = new Map<string, Series>();
  readonly #shards: Set<string>;
  readonly #topics = new Set<string>();
  readonly #collectors = new Set<() => void>();
  readonly #told = new Set<string>();

  constructor(private readonly options: MetricsOptions) {
    this.#shards = new Set(options.shards.map(String));
    for (const spec of CATALOGUE) {
      const names = Object.keys(spec.labels);
      const base = { name: spec.name, help: spec.help, labelNames: names, registers: [this.#registry] };
      const metric = spec.type === "counter"
        ? new Counter(base)
        : spec.type === "gauge"
        ? new Gauge(base)
        : new Histogram({ ...base, buckets: [...spec.buckets ?? []] });
      this.#series.set(spec.name, { spec, names, metric });
      // A gauge without labels is 0 from the start; one that is unknown must not be.
      if (metric instanceof Gauge && names.length === 0 && spec.start === "none") metric.remove();
      if (!("topic" in spec.labels)) this.#startSeries(spec, metric, undefined);
    }
    for (const topic of options.topics) this.addTopic(topic);
  }

  /** Registers a protocol id (without leading slash) as a topic, with all its series at zero. */
  addTopic(topic: string): void {
    if (this.#topics.has(topic)) return;
    this.#topics.add(topic);
    for (const { spec, metric } of this.#series.values()) {
      if ("topic" in spec.labels) this.#startSeries(spec, metric, topic);
    }
  }

  #startSeries(spec: MetricSpec, metric: Series["metric"], topic: string | undefined): void {
    if (spec.start === "none" || Object.keys(spec.labels).length === 0) return;
    let combinations: Array<Record<string, string>> = [{}];
    for (const [label, domain] of Object.entries(spec.labels)) {
      const values = spec.start[label] ??
        (domain === "topic"
          ? topic === undefined ? [] : [topic]
          : domain === "shard"
          ? [...this.#shards]
          : domain === "own"
          ? []
          : domain);
      combinations = combinations.flatMap((c) => values.map((v) => ({ ...c, [label]: v })));
    }
    for (const labels of combinations) {
      if (metric instanceof Histogram) metric.zero(labels);
      else metric.inc(labels, 0);
    }
  }

  /** Calls `collect` before every scrape: it sets gauges from the state as it is then. */
  onScrape(collect: () => void): Cancel {
    this.#collectors.add(collect);
    return () => {
      this.#collectors.delete(collect);
    };
  }

  inc(name: string, labels: MetricLabels = {}, by = 1): void {
    const series = this.#find(name, "counter", labels);
    if (series === undefined) return;
    if (!(by >= 0)) this.#slip(`${name}: a counter cannot grow by ${by}`);
    else (series.metric as Counter<string>).inc({ ...labels }, by);
  }

  /** Sets a gauge; NaN means "unknown" and removes the series. */
  set(name: string, labels: MetricLabels, value: number): void {
    const series = this.#find(name, "gauge", labels);
    if (series === undefined) return;
    const gauge = series.metric as Gauge<string>;
    if (Number.isNaN(value)) gauge.remove({ ...labels });
    else gauge.set({ ...labels }, value);
  }

  observe(name: string, labels: MetricLabels, value: number): void {
    const series = this.#find(name, "histogram", labels);
    if (series === undefined) return;
    if (!Number.isFinite(value)) this.#slip(`${name}: cannot observe ${value}`);
    else (series.metric as Histogram<string>).observe({ ...labels }, value);
  }

  /** The text of a scrape. */
  async scrape(): Promise<string> {
    for (const collect of this.#collectors) {
      try {
        collect();
      } catch (error) {
        this.options.logger?.error("a metrics collector failed", { error });
      }
    }
    return await this.#registry.metrics();
  }

  /** The metric, when name, type and labels are those of the catalogue. */
  #find(name: string, type: MetricSpec["type"], labels: MetricLabels): Series | undefined {
    const series = this.#series.get(name);
    if (series === undefined) return this.#slip(`no metric is called ${name}`);
    if (series.spec.type !== type) return this.#slip(`${name} is a ${series.spec.type}, not a ${type}`);
    let given = 0;
    for (const label in labels) {
      given++;
      const domain = series.spec.labels[label];
      const value = labels[label];
      if (domain === undefined || value === undefined) return this.#slip(`${name} has no label ${label}`);
      const good = domain === "own"
        ? true
        : domain === "topic"
        ? this.#topics.has(value)
        : domain === "shard"
        ? this.#shards.has(value)
        : domain.includes(value);
      if (!good) return this.#slip(`${name}: ${label} cannot be ${JSON.stringify(value)}`);
    }
    if (given !== series.names.length) {
      return this.#slip(`${name} needs the labels ${series.names.join(", ")}`);
    }
    return series;
  }

  /** A programming error of ours: loud in tests, one log line in production. */
  #slip(text: string): undefined {
    if (this.options.strict) throw new TypeError(text);
    if (this.#told.size < 100 && !this.#told.has(text)) {
      this.#told.add(text);
      this.options.logger?.error("metric left out", { what: text });
    }
    return undefined;
  }
}
