/**
 * Whom to ask for epoch blocks, as a pure core.
 *
 * Why it exists: on `epochsync` only beacon nodes have whole blocks; a Go node of another shard has headers, and asking it
 * costs the stream (sync-protocol.md §2.1). What must stay true: whoever delivered before comes first; whoever did not is
 * left alone for a while, each time longer, and never blamed; what is remembered is bounded.
 */
import { LruMap } from "../../base/mod.ts";
import type { EpochSchedule } from "../../chain/mod.ts";
import type { StreamInfo } from "../../stream/mod.ts";

/** First time that a peer is left alone, ms; doubles up to the second. */
const REST_MS = 30_000;
const MAX_REST_MS = 10 * 60_000;
const REMEMBERED = 512;

interface Memory {
  /** ms for an epoch, smoothed; undefined: it has delivered nothing. */
  pace: number | undefined;
  restUntil: number;
  rests: number;
}

/** The newest epoch of shard 0 that has ended at `height`; -1 when none has. */
export function endedAt(schedule: EpochSchedule, height: number): number {
  const epoch = schedule.epochOf(height);
  return schedule.isLastBlock(height) ? epoch : epoch - 1;
}

export class EpochPeers {
  readonly #memory = new LruMap<string, Memory>(REMEMBERED);

  constructor(private readonly schedule: EpochSchedule) {}

  #of(id: string): Memory {
    const known = this.#memory.get(id);
    if (known !== undefined) return known;
    const fresh: Memory = { pace: undefined, restUntil: -Infinity, rests: 0 };
    this.#memory.set(id, fresh);
    return fresh;
  }

  /** It delivered `epochs` blocks in `ms`. */
  delivered(id: string, epochs: number, ms: number): void {
    const memory = this.#of(id);
    const pace = ms / Math.max(1, epochs);
    memory.pace = memory.pace === undefined ? pace : (memory.pace + pace) / 2;
    memory.restUntil = -Infinity;
    memory.rests = 0;
  }
  /** It did not give what its own height says it has, or did not answer. */
  lacks(id: string, now: number): void {
    const memory = this.#of(id);
    memory.restUntil = now + Math.min(REST_MS * 2 ** memory.rests, MAX_REST_MS);
    memory.rests = Math.min(memory.rests + 1, 10);
  }
  /** True when it gave blocks before. */
  hasDelivered(id: string): boolean {
    return this.#memory.get(id)?.pace !== undefined;
  }

  /** The newest ended epoch that anybody who is not left alone claims to know; undefined: nobody claims any. */
  target(streams: readonly StreamInfo[], now: number): number | undefined {
    let best: number | undefined;
    for (const stream of streams) {
      const ended = this.#ended(stream, now);
      if (ended !== undefined && (best === undefined || ended > best)) best = ended;
    }
    return best;
  }

  #ended(stream: StreamInfo, now: number): number | undefined {
    if (stream.suspended || stream.height === undefined) return undefined;
    if ((this.#memory.get(stream.id)?.restUntil ?? -Infinity) > now) return undefined;
    return endedAt(this.schedule, stream.height);
  }

  /**
   * Who should have the end of `epoch`, best first: quick ones that delivered before, then those whose height lies within
   * an epoch (they follow the whole chain), then the others.
   */
  candidates(streams: readonly StreamInfo[], epoch: number, now: number): string[] {
    const rank = (stream: StreamInfo): number => {
      if (this.hasDelivered(stream.id)) return 0;
      return this.schedule.isLastBlock(stream.height ?? 0) ? 2 : 1;
    };
    const pace = (id: string) => this.#memory.get(id)?.pace ?? Infinity;
    return streams.filter((stream) => (this.#ended(stream, now) ?? -1) >= epoch)
      .sort((a, b) => rank(a) - rank(b) || compare(pace(a.id), pace(b.id)))
      .map((stream) => stream.id);
  }
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
