/**
 * A manager core with a hand-turned time, for tests of what it decides.
 *
 * Why it exists: several files of tests drive the same core. What must stay true: nothing here decides anything.
 */
import { type FailureName, type Offence, offence } from "../../../src/stream/fault.ts";
import { ManagerCore } from "../../../src/stream/manager_core.ts";
import type { ManagerConfig, ManagerEffect, ManagerEvent } from "../../../src/stream/manager_events.ts";
import { PeerBook } from "../../../src/stream/peer_book.ts";
import type { StreamCaps } from "../../../src/stream/mod.ts";

export const MIN = 60_000;
export const CAPS: StreamCaps = { hardLowCap: 2, softLowCap: 3, highCap: 4, discBatch: 3 };

export const why = (failure: FailureName): Offence => offence(failure, "in a test");

/** A manager core with a hand-turned time. Our own id is M: smaller than N…, larger than A…. */
export class Bench {
  now = 1_000_000;
  readonly core: ManagerCore;
  #instance = 0;
  readonly effects: ManagerEffect[] = [];

  constructor(config: Partial<ManagerConfig> = {}, book = new PeerBook()) {
    this.core = new ManagerCore({ selfId: "M", caps: CAPS, ...config }, book);
  }
  step(event: ManagerEvent): ManagerEffect[] {
    const out = this.core.step(this.now, event);
    this.effects.push(...out);
    return out;
  }
  open(
    peer: string,
    direction: "in" | "out" = "out",
  ): { readonly instance: number; readonly effects: ManagerEffect[] } {
    const instance = ++this.#instance;
    return {
      instance,
      effects: this.step({ type: "opened", instance, peer, direction, address: "", muxer: "" }),
    };
  }
  /** A stream that has answered its probe, after `ms`. */
  live(peer: string, direction: "in" | "out" = "out", height = 100, ms = 0): number {
    const { instance } = this.open(peer, direction);
    this.now += ms;
    this.step({ type: "probed", instance, height });
    return instance;
  }
  offend(instance: number, failure: FailureName): ManagerEffect[] {
    return this.step({ type: "offence", instance, offence: why(failure) });
  }
  gone(instance: number, failure: FailureName = "READ_FAILED"): ManagerEffect[] {
    return this.step({ type: "gone", instance, offence: why(failure) });
  }
  tick(ms: number): ManagerEffect[] {
    const out: ManagerEffect[] = [];
    for (let left = ms; left > 0; left -= 1_000) {
      this.now += Math.min(1_000, left);
      out.push(...this.step({ type: "tick" }));
    }
    return out;
  }
  get active(): string[] {
    return [...this.core.streams.activePeers()];
  }
  cooldownMinutes(peer: string): number {
    return Math.max(0, (this.core.book.cooldowns.get(peer)?.expireAt ?? 0) - this.now) / MIN;
  }
}

export const types = (effects: readonly ManagerEffect[]): string[] => effects.map((e) => e.type);
export const of = <T extends ManagerEffect["type"]>(
  effects: readonly ManagerEffect[],
  type: T,
): Array<Extract<ManagerEffect, { type: T }>> =>
  effects.filter((e): e is Extract<ManagerEffect, { type: T }> => e.type === type);
