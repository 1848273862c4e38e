/**
 * Figures of the status page that only the counters know: streams come and gone, requests served, bytes per second.
 *
 * Why it exists: `/status` shows them too, and counting twice would let the two disagree. What must stay true: every
 * call goes on to the real meter unchanged; memory does not grow with traffic.
 */
import type { Clock, Meter, MetricLabels } from "../base/mod.ts";

/** Streams of one protocol since the start. */
export interface StreamTotals {
  readonly added: number;
  readonly removed: number;
  readonly removedCritical: number;
}

const COUNTED: Readonly<Record<string, keyof StreamTotals>> = {
  hmy_stream_added_streams: "added",
  hmy_stream_removed_streams: "removed",
  hmy_stream_stream_critical_errors: "removedCritical",
};
const WINDOW_SECONDS = 60;
const SAMPLES = 512;

/** Sums of the last minute, one slot a second. */
class MinuteSum {
  readonly #slots = new Float64Array(WINDOW_SECONDS);
  #second = 0;

  constructor(private readonly now: () => number) {}
  #turn(): number {
    const second = Math.floor(this.now() / 1000);
    const passed = Math.min(WINDOW_SECONDS, second - this.#second);
    for (let i = 1; i <= passed; i++) this.#slots[(this.#second + i) % WINDOW_SECONDS] = 0;
    if (passed > 0) this.#second = second;
    return this.#second % WINDOW_SECONDS;
  }
  add(value: number): void {
    const slot = this.#turn();
    this.#slots[slot] = (this.#slots[slot] ?? 0) + value;
  }
  /** The sum of the newest `seconds`, the running one included. */
  sum(seconds = WINDOW_SECONDS): number {
    const slot = this.#turn();
    let total = 0;
    for (let i = 0; i < Math.min(seconds, WINDOW_SECONDS); i++) {
      total += this.#slots[(slot - i + WINDOW_SECONDS) % WINDOW_SECONDS] ?? 0;
    }
    return total;
  }
}

export class TrafficMeter implements Meter {
  readonly #streams = new Map<string, { added: number; removed: number; removedCritical: number }>();
  readonly #served: MinuteSum;
  readonly #read: MinuteSum;
  readonly #waits: number[] = [];
  #nextWait = 0;

  constructor(private readonly meter: Meter, clock: Clock) {
    const now = () => clock.monotonic();
    this.#served = new MinuteSum(now);
    this.#read = new MinuteSum(now);
  }

  inc(name: string, labels?: MetricLabels, by = 1): void {
    const counted = COUNTED[name];
    if (counted !== undefined) {
      const topic = labels?.["topic"] ?? "";
      const totals = this.#streams.get(topic) ?? { added: 0, removed: 0, removedCritical: 0 };
      totals[counted] += by;
      this.#streams.set(topic, totals);
    } else if (name === "hmy_stream_sync_server_request") this.#served.add(by);
    else if (name === "hmy_stream_bytes_read") this.#read.add(by);
    this.meter.inc(name, labels, by);
  }
  set(name: string, labels: MetricLabels, value: number): void {
    this.meter.set(name, labels, value);
  }
  observe(name: string, labels: MetricLabels, value: number): void {
    if (name === "hmy_stream_server_request_delay") {
      this.#waits[this.#nextWait] = value;
      this.#nextWait = (this.#nextWait + 1) % SAMPLES;
    }
    this.meter.observe(name, labels, value);
  }

  /** Totals of a protocol by its topic. */
  streams(topic: string): StreamTotals {
    return this.#streams.get(topic) ?? { added: 0, removed: 0, removedCritical: 0 };
  }
  /** Part of `/status`. */
  server(): { readonly requestsPerMinute: number; readonly limiterWaitMsP95: number } {
    const sorted = [...this.#waits].sort((a, b) => a - b);
    const p95 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0;
    return { requestsPerMinute: this.#served.sum(), limiterWaitMsP95: Math.round(p95 * 1000) };
  }
  /** Bytes read per second over the last ten seconds. */
  bytesPerSecond(): number {
    return this.#read.sum(10) / 10;
  }
}
