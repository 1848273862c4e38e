/**
 * How much a stream can carry, measured.
 *
 * Why it exists: ten blocks are nothing for a neighbour and minutes for a slow link; asking each stream for what it
 * delivers in about a second keeps slow peers useful and out of the time-outs (the guide's planned adaptive
 * concurrency; the idea of geth's message rate). What must stay true: the time that any answer takes, however small
 * (distance, a turn in a server's queue), does not count as slowness, else a quick peer far away would be asked for one
 * block at a time and never show more; an estimate moves by at most a tenth per answer towards what was seen, so that one lucky or unlucky answer
 * changes little; and a stream that never answered is assumed to be good: it is the first answers that teach.
 */
import { CAPS } from "./constants.ts";

/** How long the blocks of one answer should take to come, ms, beyond the way there and back. */
const TARGET_MS = 1_000;
/** Weight of the newest measurement. */
const IMPACT = 0.1;
/** Until this many answers were seen the newest counts more: 1/n. */
const WARM_UP = 10;
const LATENCIES = 16;
/** However long small answers take, at least this share of the time was spent on the blocks. */
const LEAST_SHARE = 0.1;

/** The newest few of a series. */
class Recent {
  readonly #values: number[] = [];
  add(value: number): void {
    if (this.#values.length >= LATENCIES) this.#values.shift();
    this.#values.push(value);
  }
  get median(): number | undefined {
    return [...this.#values].sort((a, b) => a - b)[this.#values.length >> 1];
  }
}

export class Capacity {
  #rate: number | undefined;
  #seen = 0;
  readonly #all = new Recent();
  /** Answers that carry nothing to speak of: heights and hashes. */
  readonly #small = new Recent();
  #median: number | undefined;

  /** Notes that `items` blocks came after `ms`; 0 items: a small answer. */
  answered(items: number, ms: number): void {
    this.#all.add(ms);
    this.#median = this.#all.median;
    if (items <= 0) return this.#small.add(ms);
    const carrying = Math.max(ms - (this.#small.median ?? 0), ms * LEAST_SHARE, 1);
    const rate = items * 1000 / carrying;
    this.#seen++;
    const weight = Math.max(IMPACT, 1 / Math.min(this.#seen, WARM_UP));
    this.#rate = this.#rate === undefined ? rate : (1 - weight) * this.#rate + weight * rate;
  }
  /** Notes that nothing came in time: the estimate is halved. */
  timedOut(): void {
    this.#rate = this.#rate === undefined ? 1 : this.#rate / 2;
  }
  /** Blocks a second, the round trip left out; undefined before the first measurement. */
  get itemsPerSecond(): number | undefined {
    return this.#rate;
  }
  /** Median round trip of the last answers, ms. */
  get latencyMs(): number | undefined {
    return this.#median;
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
