/**
 * What the downloader knows of each stream: what it is doing, how fast it is, and whether to leave it alone.
 *
 * Why it exists: one question at a time per stream is the wire's rule, and who gets the next one decides the speed
 * of the whole. What must stay true: an overdue question keeps its stream busy but gives its slot back, so a
 * silent peer costs one question, not one slot; and a stream caught lying gets nothing more to do.
 */
import { MAX_BLOCKS_PER_REQUEST, MIN_BLOCKS_PER_REQUEST } from "./types.ts";

/** A question that a stream has not answered yet. */
export interface OpenQuestion {
  readonly kind: "hashes" | "bodies";
  /** ms, monotonic. */
  readonly askedAt: number;
  /** From then on somebody else may be asked the same, ms, monotonic. */
  readonly overdueAt: number;
  /** Asked beside the download: it takes no slot of it, and nothing waits for it. */
  readonly aside: boolean;
}

interface Entry {
  open: OpenQuestion | undefined;
  /** Blocks it delivered that were taken. */
  delivered: number;
  /** Failures since the last success. */
  failures: number;
  /** No question before this time, ms, monotonic. */
  restUntil: number;
  /** Smoothed bytes per second of body answers. */
  rate: number | undefined;
  lastUsed: number;
}

const MIN_OVERDUE_MS = 2_000;
const MAX_OVERDUE_MS = 15_000;
/** An answer is overdue after this many times the usual duration. */
const OVERDUE_FACTOR = 4;
/** A lying peer that cannot be removed (trusted) is left alone this long. */
const DISTRUST_MS = 600_000;
const SMOOTHING = 0.2;
/** An answer of ten blocks should stay this small: a Go server ends the stream above 20 MiB. */
const BATCH_BYTES = 8 * 1024 * 1024;

function smooth(old: number | undefined, value: number): number {
  return old === undefined ? value : old + SMOOTHING * (value - old);
}

export class StreamLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #distrusted = new Map<string, number>();
  readonly #usual: Record<OpenQuestion["kind"], number | undefined> = {
    hashes: undefined,
    bodies: undefined,
  };
  #bytesPerBlock: number | undefined;

  /** Makes the known streams equal to `ids`. Returns those that are gone. */
  sync(ids: ReadonlySet<string>, now: number): string[] {
    for (const id of this.#distrusted.keys()) this.distrusts(id, now);
    const gone: string[] = [];
    for (const id of this.#entries.keys()) if (!ids.has(id)) gone.push(id);
    for (const id of gone) this.#entries.delete(id);
    for (const id of ids) {
      if (!this.#entries.has(id)) {
        this.#entries.set(id, {
          open: undefined,
          delivered: 0,
          failures: 0,
          restUntil: 0,
          rate: undefined,
          lastUsed: 0,
        });
      }
    }
    return gone;
  }
  ids(): string[] {
    return [...this.#entries.keys()];
  }
  has(id: string): boolean {
    return this.#entries.has(id);
  }
  /** Streams that can be given a question now, the best first. */
  idle(now: number): string[] {
    const out: Array<[string, Entry]> = [];
    for (const item of this.#entries) {
      const [id, e] = item;
      if (e.open === undefined && e.restUntil <= now && !this.distrusts(id, now)) out.push(item);
    }
    out.sort(([, a], [, b]) =>
      a.failures - b.failures || Number(b.delivered > 0) - Number(a.delivered > 0) ||
      (b.rate ?? 0) - (a.rate ?? 0) || a.lastUsed - b.lastUsed
    );
    return out.map(([id]) => id);
  }
  /** True when an answer may still come from this stream in reasonable time. */
  responsive(id: string, now: number): boolean {
    const e = this.#entries.get(id);
    if (e === undefined || this.distrusts(id, now)) return false;
    return e.open === undefined ? e.restUntil <= now : !e.open.aside && e.open.overdueAt > now;
  }
  /** Questions of the download under way that are not overdue. */
  inFlight(now: number): number {
    let n = 0;
    for (const { open } of this.#entries.values()) {
      if (open !== undefined && !open.aside && open.overdueAt > now) n++;
    }
    return n;
  }
  /** Some stream will be available again shortly. */
  resting(now: number): boolean {
    for (const e of this.#entries.values()) if (e.open === undefined && e.restUntil > now) return true;
    return false;
  }
  open(id: string): OpenQuestion | undefined {
    return this.#entries.get(id)?.open;
  }
  /** Notes that the stream has a question now; returns when it will be overdue. */
  begin(id: string, kind: OpenQuestion["kind"], now: number, aside = false): OpenQuestion {
    const question = { kind, askedAt: now, overdueAt: now + this.overdueMs(kind), aside };
    const e = this.#entries.get(id);
    if (e !== undefined) {
      e.open = question;
      e.lastUsed = now;
    }
    return question;
  }
  /** How long an answer of this kind may take before somebody else is asked. */
  overdueMs(kind: OpenQuestion["kind"]): number {
    const usual = this.#usual[kind];
    if (usual === undefined) return MIN_OVERDUE_MS;
    return Math.min(MAX_OVERDUE_MS, Math.max(MIN_OVERDUE_MS, OVERDUE_FACTOR * usual));
  }
  /** A useful answer of `blocks` blocks and `bytes` bytes (0 and 0 for hashes) came after `ms`. */
  succeed(id: string, kind: OpenQuestion["kind"], ms: number, blocks: number, bytes: number): void {
    this.#usual[kind] = smooth(this.#usual[kind], ms);
    if (blocks > 0) this.#bytesPerBlock = smooth(this.#bytesPerBlock, bytes / blocks);
    const e = this.#entries.get(id);
    if (e === undefined) return;
    e.open = undefined;
    e.failures = 0;
    e.restUntil = 0;
    e.delivered += blocks;
    if (bytes > 0) e.rate = smooth(e.rate, bytes / Math.max(0.001, ms / 1000));
  }
  /** No useful answer. `tired` lets the stream rest for a moment, longer each time. */
  fail(id: string, now: number, tired: boolean): void {
    const e = this.#entries.get(id);
    if (e === undefined) return;
    e.open = undefined;
    if (!tired) return;
    e.restUntil = now + Math.min(10_000, 100 * 2 ** Math.min(e.failures, 7));
    e.failures++;
    e.rate = undefined;
  }
  distrust(id: string, now: number): void {
    this.#distrusted.set(id, now + DISTRUST_MS);
  }
  distrusts(id: string, now: number): boolean {
    const until = this.#distrusted.get(id);
    if (until === undefined) return false;
    if (until > now) return true;
    this.#distrusted.delete(id);
    return false;
  }
  /** Blocks of ours that this stream delivered: breaks ties between candidates. */
  delivered(id: string): number {
    return this.#entries.get(id)?.delivered ?? 0;
  }
  /** Smoothed size of a block; a guess before the first one. */
  get bytesPerBlock(): number {
    return this.#bytesPerBlock ?? 4096;
  }
  /** How many blocks one request may ask for: ten, down to three when blocks are big. */
  get batch(): number {
    const blocks = Math.floor(BATCH_BYTES / this.bytesPerBlock);
    return Math.min(MAX_BLOCKS_PER_REQUEST, Math.max(MIN_BLOCKS_PER_REQUEST, blocks));
  }
  /** When the next question becomes overdue or the next stream has rested, ms, monotonic. */
  nextChange(now: number): number | undefined {
    let next: number | undefined;
    const consider = (t: number) => {
      if (t > now && (next === undefined || t < next)) next = t;
    };
    for (const e of this.#entries.values()) {
      if (e.open !== undefined) consider(e.open.overdueAt);
      else consider(e.restUntil);
    }
    return next;
  }
}
