/**
 * Which blocks still wait for a proof of their incoming receipts, across restarts.
 *
 * Why it exists: the store knows of every block whether its body is proven, but not cheaply which ones are not. What must stay
 * true: every unproven block is either among those that rest here or above what was looked through, unless it was given
 * up for lack of room, which is counted; a record that is older than the store does no harm, since whoever uses a number asks
 * the store first; all of it is bounded.
 */
import { equalBytes, fromHex, toHex } from "../../base/mod.ts";
import type { ChainPoint } from "../types.ts";

/** Blocks that may rest. Their numbers fit one record. */
export const MAX_RESTING = 4_096;
/** First rest, ms; four times as long each time after that, up to the limits. */
const REST_MS = 5_000;
const MAX_REST_MS: Readonly<Record<RestReason, number>> = {
  // These end by themselves, the first with an event.
  nobody: 10 * 60_000,
  lacking: 5 * 60_000,
  other: 6 * 60 * 60_000,
};
/** After so many rests, about two hours, a block may be given up when there is no more room. */
export const PATIENT_ROUNDS = 6;

/** Why a block is not proven yet. */
export type RestReason =
  /** No stream to a node of the source shard. */
  | "nobody"
  /** No node of the source shard has gone far enough. */
  | "lacking"
  /** Nodes of the source shard show another signature, or another block. */
  | "other";

export interface Resting {
  readonly number: number;
  readonly reason: RestReason;
  /** Shards whose headers it needs; none: not known, it was read from a record. */
  readonly shards: readonly number[];
  /** Who was asked in vain. */
  readonly asked: ReadonlySet<string>;
  /** How often it has rested. */
  readonly rounds: number;
  /** ms, monotonic. */
  dueAt: number;
  /** ms since 1970: waits since then. */
  readonly since: number;
}

export class Backlog {
  readonly #resting = new Map<number, Resting>();
  /** The highest block that was looked at, with its hash; undefined: none. */
  #seen: ChainPoint | undefined;
  #givenUp = 0;

  /** Takes what a record says; what cannot be read counts as nothing, and everything is looked through again. */
  static decode(
    bytes: Uint8Array | undefined,
    now: { readonly mono: number; readonly wall: number },
  ): Backlog {
    const backlog = new Backlog();
    if (bytes === undefined) return backlog;
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      return backlog;
    }
    if (!isRecord(json)) return backlog;
    const { seen, waiting } = json;
    for (const number of waiting.slice(0, MAX_RESTING)) {
      backlog.#resting.set(number, {
        number,
        reason: "nobody",
        shards: [],
        asked: new Set(),
        rounds: 0,
        dueAt: now.mono,
        since: now.wall,
      });
    }
    if (seen !== null) backlog.#seen = { number: seen.number, hash: fromHex(seen.hash) };
    return backlog;
  }
  /** For the record. @param open blocks that are being asked about now. */
  encode(open: Iterable<number>): Uint8Array {
    const seen = this.#seen;
    const waiting = [...new Set([...open, ...this.#resting.keys()])].slice(0, MAX_RESTING);
    const json: BacklogRecord = {
      seen: seen === undefined ? null : { number: seen.number, hash: toHex(seen.hash) },
      waiting,
    };
    return new TextEncoder().encode(JSON.stringify(json));
  }

  /** The first height that was not looked at. */
  get next(): number {
    return this.#seen === undefined ? 0 : this.#seen.number + 1;
  }
  get size(): number {
    return this.#resting.size;
  }
  /** Blocks that were given up for lack of room. */
  get givenUp(): number {
    return this.#givenUp;
  }
  resting(): Iterable<Resting> {
    return this.#resting.values();
  }
  /** Everything up to `point` was looked at. */
  looked(point: ChainPoint): void {
    this.#seen = point;
  }
  /** False when the store has another block where it was looked through: then it is looked through again. */
  holds(hash: Uint8Array | undefined): boolean {
    if (this.#seen === undefined || (hash !== undefined && equalBytes(hash, this.#seen.hash))) return true;
    this.#seen = undefined;
    return false;
  }

  /** Room for blocks that may have to rest: what has been tried patiently gives way. */
  room(): number {
    const free = MAX_RESTING - this.#resting.size;
    if (free > 0) return free;
    for (const { number, rounds } of this.#resting.values()) {
      if (rounds < PATIENT_ROUNDS) continue;
      this.#resting.delete(number);
      this.#givenUp++;
      return 1;
    }
    return 0;
  }
  /** Lets a block rest, longer each time. @param before how it has rested until now. */
  rest(
    number: number,
    why: Pick<Resting, "reason" | "shards" | "asked">,
    before: Pick<Resting, "rounds" | "since">,
    now: number,
  ): void {
    if (!this.#resting.has(number) && this.#resting.size >= MAX_RESTING) {
      this.#givenUp++;
      return;
    }
    const ms = Math.min(MAX_REST_MS[why.reason], REST_MS * 4 ** Math.min(before.rounds, 10));
    const { reason, shards, asked } = why;
    const { since, rounds } = before;
    this.#resting.set(number, { number, reason, shards, asked, rounds: rounds + 1, since, dueAt: now + ms });
  }
  /** A node of the shard has come: whatever it was not asked about is due. @returns whether anything is. */
  came(shardId: number, peer: string, now: number): boolean {
    let any = false;
    for (const resting of this.#resting.values()) {
      if (!resting.shards.includes(shardId) || resting.asked.has(peer)) continue;
      resting.dueAt = Math.min(resting.dueAt, now);
      any = true;
    }
    return any;
  }
  /** Up to `limit` blocks that have rested long enough, lowest first. */
  due(limit: number, now: number): Resting[] {
    return [...this.#resting.values()].filter((r) => r.dueAt <= now)
      .sort((a, b) => a.number - b.number).slice(0, Math.max(0, limit));
  }
  /** The block does not rest any more. */
  taken(number: number): void {
    this.#resting.delete(number);
  }
  /** ms, monotonic, when the next one is due; Infinity: none rests. */
  nextDueAt(): number {
    let at = Infinity;
    for (const { dueAt } of this.#resting.values()) at = Math.min(at, dueAt);
    return at;
  }
}

interface BacklogRecord {
  readonly seen: { readonly number: number; readonly hash: string } | null;
  readonly waiting: readonly number[];
}
function isRecord(json: unknown): json is BacklogRecord {
  if (typeof json !== "object" || json === null) return false;
  const { seen, waiting } = json as Partial<BacklogRecord>;
  const height = (n: unknown) => typeof n === "number" && Number.isSafeInteger(n) && n >= 0;
  if (!Array.isArray(waiting) || !waiting.every(height)) return false;
  if (seen === null) return true;
  return typeof seen === "object" && height(seen.number) && /^[0-9a-f]{64}$/.test(String(seen.hash));
}
