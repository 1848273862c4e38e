/** A meter that remembers, for assertions on names and labels. */
import type { Meter, MetricLabels } from "../../../src/base/mod.ts";

function key(name: string, labels: MetricLabels): string {
  const text = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => `${k}=${v}`).join(
    ",",
  );
  return `${name}{${text}}`;
}

export class MemoryMeter implements Meter {
  readonly values = new Map<string, number>();
  readonly observations = new Map<string, number[]>();
  /** Name to the label names it was used with. */
  readonly labels = new Map<string, string>();

  #note(name: string, labels: MetricLabels): string {
    this.labels.set(name, Object.keys(labels).sort().join(","));
    return key(name, labels);
  }
  inc(name: string, labels: MetricLabels = {}, by = 1): void {
    const k = this.#note(name, labels);
    this.values.set(k, (this.values.get(k) ?? 0) + by);
  }
  set(name: string, labels: MetricLabels, value: number): void {
    this.values.set(this.#note(name, labels), value);
  }
  observe(name: string, labels: MetricLabels, value: number): void {
    const k = this.#note(name, labels);
    this.observations.set(k, [...(this.observations.get(k) ?? []), value]);
  }
  get(name: string, labels: MetricLabels = {}): number | undefined {
    return this.values.get(key(name, labels));
  }
  /** Sum over all label values. */
  total(name: string): number {
    let sum = 0;
    for (const [k, v] of this.values) if (k.startsWith(`${name}{`)) sum += v;
    return sum;
  }
}
