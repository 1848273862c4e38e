/**
 * What each stage is doing, for the status page, the progress line and the metrics.
 *
 * Why it exists: stages do their work and do not describe it. What must stay true: names and order are the guide's;
 * exactly one stage is `running` at a time, or none.
 */
import type { Clock, Meter } from "../base/mod.ts";
import { STAGE_IDS, type StageId } from "./types.ts";

/** One entry of `sync.stages` (config-cli-metrics.md §8.4). */
export interface StageStatus {
  readonly name: StageId;
  readonly state: "waiting" | "running" | "done" | "skipped";
  /** Why it was skipped. */
  readonly why?: string;
  /** Checkpoint. */
  readonly height?: number;
  /** Bounds of the running cycle. */
  readonly from?: number;
  readonly to?: number;
  readonly percent?: number;
  readonly perSecond?: number;
}

interface Entry {
  state: StageStatus["state"];
  why: string | undefined;
  height: number | undefined;
  begunAt: number;
}

export class StageTracker {
  readonly #entries = new Map<StageId, Entry>();
  #bounds: { from: number; to: number } | undefined;

  constructor(
    private readonly clock: Pick<Clock, "monotonic">,
    private readonly meter: Meter,
    private readonly shard: string,
  ) {
    this.reset();
  }
  /** A new cycle: every stage waits; heights stay. */
  reset(): void {
    for (const id of STAGE_IDS) {
      const height = this.#entries.get(id)?.height;
      this.#entries.set(id, { state: "waiting", why: undefined, height, begunAt: 0 });
    }
  }
  bounds(from: number, to: number): void {
    this.#bounds = { from, to };
  }
  skipped(id: StageId, why: string): void {
    Object.assign(this.#entry(id), { state: "skipped", why });
  }
  begin(id: StageId): void {
    Object.assign(this.#entry(id), { state: "running", why: undefined, begunAt: this.clock.monotonic() });
  }
  step(id: StageId, height: number): void {
    this.#entry(id).height = height;
  }
  end(id: StageId): void {
    const entry = this.#entry(id);
    if (entry.state !== "running") return;
    entry.state = "done";
    const seconds = (this.clock.monotonic() - entry.begunAt) / 1000;
    this.meter.observe("hmy_sync_stage_duration_seconds", { ShardID: this.shard, stage: id }, seconds);
  }
  /** The cycle broke off: nothing runs. */
  abandon(): void {
    for (const entry of this.#entries.values()) if (entry.state === "running") entry.state = "waiting";
  }
  get running(): StageId | undefined {
    for (const [id, entry] of this.#entries) if (entry.state === "running") return id;
    return undefined;
  }
  /** @param rates blocks per second of a stage, where one is known. @param heights progress within a running stage. */
  status(
    rates: ReadonlyMap<StageId, number>,
    heights: ReadonlyMap<StageId, number> = new Map(),
  ): StageStatus[] {
    return STAGE_IDS.map((name) => {
      const { state, why, height: checkpoint } = this.#entry(name);
      const height = state === "running" ? heights.get(name) ?? checkpoint : checkpoint;
      const perSecond = rates.get(name);
      return {
        name,
        state,
        ...(why === undefined ? {} : { why }),
        ...(height === undefined ? {} : { height }),
        ...(perSecond === undefined ? {} : { perSecond }),
        ...(state === "running" ? this.#progress(height) : {}),
      };
    });
  }
  #progress(height: number | undefined): Partial<StageStatus> {
    if (this.#bounds === undefined) return {};
    const { from, to } = this.#bounds;
    if (to <= from || height === undefined) return { from, to };
    const share = Math.min(1, Math.max(0, (height - from) / (to - from)));
    return { from, to, percent: Math.round(share * 1000) / 10 };
  }
  #entry(id: StageId): Entry {
    return this.#entries.get(id) as Entry;
  }
}
