/**
 * How much a stream can carry, measured.
 *
 * Why it exists: ten blocks are nothing for a neighbour and minutes for a slow link; asking each stream for what it
 * delivers in about a second keeps slow peers useful and out of the time-outs (the guide's planned adaptive
 * concurrency; the idea of geth's message rate). What must stay true: an estimate moves by at most a tenth per
 * answer towards what was seen, so that one lucky or unlucky answer changes little, and a stream that never
 * answered is assumed to be good: it is the first answers that teach.
 */
import { CAPS } from "./constants.ts";

/** Round trip that a request should take, ms. */
const TARGET_MS = 1_000;
/** Weight of the newest measurement. */
const IMPACT = 0.1;
/** Until this many answers were seen the newest counts more: 1/n. */
const WARM_UP = 10;
const LATENCIES = 16;

export class Capacity {
  #rate: number | undefined;
  #seen = 0;
  readonly #latencies: number[] = [];

  /** Notes that `items` items came after `ms`. */
  answered(items: number, ms: number): void {
    if (this.#latencies.length >= LATENCIES) this.#latencies.shift();
    this.#latencies.push(ms);
    if (items <= 0) return;
    const rate = items * 1000 / Math.max(ms, 1);
    this.#seen++;
    const weight = Math.max(IMPACT, 1 / Math.min(this.#seen, WARM_UP));
    this.#rate = this.#rate === undefined ? rate : (1 - weight) * this.#rate + weight * rate;
  }
  /** Notes that nothing came in time: the estimate is halved. */
  timedOut(): void {
    this.#rate = this.#rate === undefined ? 1 : this.#rate / 2;
  }
  /** Items a second; undefined before the first measurement. */
  get itemsPerSecond(): number | undefined {
    return this.#rate;
  }
  /** Median round trip of the last answers, ms. */
  get latencyMs(): number | undefined {
    if (this.#latencies.length === 0) return undefined;
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }
  /**
   * Blocks to ask for at once, 1..10: what the stream is expected to deliver in a second, and one more, because an
   * estimate from small answers could never grow otherwise.
   */
  blocksPerRequest(): number {
    const cap = CAPS.getBlocksByHashes;
    if (this.#rate === undefined) return cap;
    return Math.max(1, Math.min(cap, Math.floor(this.#rate * TARGET_MS / 1000) + 1));
  }
}
