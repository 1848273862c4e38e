/**
 * What went wrong and has not been mended yet.
 *
 * Why it exists: a failure is over when the next commit succeeds or the disk has room again, not when its log line was
 * written; until then the status names it. What must stay true: nothing is remembered beyond its end.
 */
import type { Clock } from "../base/mod.ts";
import type { SyncStore } from "./types.ts";
import type { Refusal } from "./verify.ts";

/** Convicted peers that are counted; more would tell nobody more. */
const MAX_CONVICTED = 64;

/** A block that the chain cannot grow by. */
export interface RefusedBlock {
  readonly number: number;
  readonly text: string;
  /** Whose bytes were refused last. */
  readonly from: string;
  /** How many peers were convicted since the chain grew last; at most 64 are counted. */
  readonly peers: number;
}

/** How long a full disk is believed before it is looked at again, ms. */
export const DISK_RECHECK_MS = 10_000;

export class Troubles {
  #store: string | undefined;
  #diskLowAt: number | undefined;
  #refused: Omit<RefusedBlock, "peers"> | undefined;
  readonly #convicted = new Set<string>();

  constructor(
    private readonly clock: Pick<Clock, "monotonic">,
    private readonly store: Pick<SyncStore, "disk">,
  ) {}

  /** What the store failed with last, while it is being tried again. */
  get storeFailure(): string | undefined {
    return this.#store;
  }
  /** The refused block that still stands in the way. */
  get refused(): RefusedBlock | undefined {
    return this.#refused === undefined ? undefined : { ...this.#refused, peers: this.#convicted.size };
  }
  /** False while the disk is below the threshold. */
  get writable(): boolean {
    const low = this.#diskLowAt;
    if (low !== undefined && this.clock.monotonic() - low >= DISK_RECHECK_MS) this.#diskLowAt = undefined;
    return this.#diskLowAt === undefined && this.store.disk().writable;
  }
  diskLow(): void {
    this.#diskLowAt = this.clock.monotonic();
  }
  storeFailed(text: string): void {
    this.#store = text;
  }
  blockRefused(refusal: Refusal): void {
    const { number, text, culprits } = refusal;
    const from = culprits.map((c) => c.streamId).join(", ") || "nobody in particular";
    this.#refused = { number, text, from };
  }
  /** A peer's bytes were wrong. */
  convicted(streamId: string): void {
    if (this.#convicted.size < MAX_CONVICTED) this.#convicted.add(streamId);
  }
  /** Blocks up to `number` are in the store. */
  committed(number: number): void {
    this.#store = undefined;
    this.#convicted.clear();
    if (this.#refused !== undefined && number >= this.#refused.number) this.#refused = undefined;
  }
}
