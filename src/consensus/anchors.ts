/**
 * Blocks that are known to belong to a chain, and blocks that are known not to.
 *
 * Why it exists: when a network was recovered by hand, the abandoned branch stays validly signed by a real committee; no
 * signature tells it apart, only these hashes do. What must stay true: every path on which a block can enter asks
 * here; an operator may add to the lists but not take away.
 */
import { ExitCode, fromHex, HsyncError, safeText, to0x, toHex } from "../base/mod.ts";
import data from "./data/anchors.json" with { type: "json" };

/** A block of the true chain. */
export interface Anchor {
  readonly shardId: number;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  /** ms since 1970 of the day (UTC) on which it was announced: the block is at least as old. */
  readonly announced?: number;
}

/** A block that must never be accepted, at whatever height it claims. */
export interface KnownBad {
  readonly shardId: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

export interface AnchorLists {
  readonly anchors: readonly Anchor[];
  readonly never: readonly KnownBad[];
}

/** What the lists look at in a header. */
export interface AnchoredHeader {
  readonly shardId: number;
  readonly number: number;
  /** 32 bytes each. */
  readonly hash: Uint8Array;
  readonly parentHash: Uint8Array;
}

/** What the lists say about one block. */
export type AnchorVerdict =
  /** The lists do not know the block. */
  | { readonly kind: "unknown" }
  /** It is an anchor. */
  | { readonly kind: "anchored" }
  /** It is on the list of bad blocks. */
  | { readonly kind: "bad" }
  /** Another block is the anchor at this height. */
  | { readonly kind: "conflict"; readonly expected: Uint8Array };

interface RawLists {
  readonly anchors?: ReadonlyArray<
    { readonly shard: number; readonly number: number; readonly hash: string; readonly date?: string }
  >;
  readonly never?: ReadonlyArray<{ readonly shard: number; readonly hash: string }>;
}

function malformed(source: string, why: string): HsyncError {
  return new HsyncError("ANCHORS_INVALID", `anchor list ${safeText(source, 100)}: ${why}`, {
    exitCode: ExitCode.CONFIG_INVALID,
    hint:
      'expected {"anchors": [{"shard", "number", "hash", "date" (optional)}], "never": [{"shard", "hash"}]}',
  });
}

function index(source: string, name: string, value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed(source, `${name} is not a whole number from 0`);
}

function hash(source: string, value: unknown): Uint8Array {
  if (typeof value === "string" && /^0x[0-9a-fA-F]{64}$/.test(value)) return fromHex(value);
  throw malformed(source, "a hash is not 0x and 64 hex digits");
}

/** A day as ms since 1970; undefined where none is given. */
function day(source: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const at = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(value) : NaN;
  // A day that the calendar lacks would be taken for one of the next month.
  if (!Number.isNaN(at) && new Date(at).toISOString().startsWith(String(value))) return at;
  throw malformed(source, "a date is not a day as YYYY-MM-DD");
}

function rows(source: string, name: string, value: unknown): Array<Record<string, unknown>> {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.some((row) => typeof row !== "object" || row === null)) {
    throw malformed(source, `"${name}" is not a list of objects`);
  }
  return value as Array<Record<string, unknown>>;
}

/**
 * Lists from their JSON form (the shape of one network in the built-in file).
 *
 * @param source where it came from, for the error text.
 * @throws {HsyncError} ANCHORS_INVALID
 */
export function parseAnchorLists(value: unknown, source: string): AnchorLists {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(source, "not an object");
  }
  const lists = value as Record<string, unknown>;
  const unknown = Object.keys(lists).find((key) => key !== "anchors" && key !== "never");
  if (unknown !== undefined) throw malformed(source, `unknown member "${safeText(unknown, 40)}"`);
  return {
    anchors: rows(source, "anchors", lists["anchors"]).map((row) => {
      const announced = day(source, row["date"]);
      return {
        shardId: index(source, "shard", row["shard"]),
        number: index(source, "number", row["number"]),
        hash: hash(source, row["hash"]),
        ...(announced === undefined ? {} : { announced }),
      };
    }),
    never: rows(source, "never", lists["never"]).map((row) => ({
      shardId: index(source, "shard", row["shard"]),
      hash: hash(source, row["hash"]),
    })),
  };
}

/** The lists that ship with the program; empty for a network without any. */
export function builtInAnchors(network: string): AnchorLists {
  const all: Readonly<Record<string, RawLists>> = data;
  return Object.hasOwn(all, network)
    ? parseAnchorLists(all[network], `of ${network}`)
    : { anchors: [], never: [] };
}

/** The lists of a network in a form to ask. */
export class AnchorBook {
  readonly #anchors = new Map<string, Anchor>();
  readonly #never = new Set<string>();
  readonly #bad: KnownBad[] = [];

  /**
   * @param lists all that hold, built-in and the operator's.
   * @throws {HsyncError} ANCHORS_CONFLICT when they contradict each other.
   */
  constructor(...lists: readonly AnchorLists[]) {
    for (const { never } of lists) {
      for (const bad of never) this.#never.add(`${bad.shardId}/${toHex(bad.hash)}`);
      this.#bad.push(...never);
    }
    for (const { anchors } of lists) {
      for (const anchor of anchors) {
        const key = `${anchor.shardId}/${anchor.number}`;
        const known = this.#anchors.get(key);
        const bad = this.#never.has(`${anchor.shardId}/${toHex(anchor.hash)}`);
        if (bad || (known !== undefined && toHex(known.hash) !== toHex(anchor.hash))) {
          throw new HsyncError(
            "ANCHORS_CONFLICT",
            `the anchor lists contradict each other about block ${anchor.number} of shard ${anchor.shardId}`,
            {
              exitCode: ExitCode.CONFIG_INVALID,
              hint: `${to0x(anchor.hash)} is ${
                bad ? "also listed as a bad block" : "not the only hash listed for it"
              }`,
            },
          );
        }
        this.#anchors.set(key, anchor);
      }
    }
  }
  /** The lists that ship for a network, and what the operator adds. */
  static of(network: string, ...added: readonly AnchorLists[]): AnchorBook {
    return new AnchorBook(builtInAnchors(network), ...added);
  }
  /** What the lists say about a block. */
  verdict(shardId: number, number: number, hash: Uint8Array): AnchorVerdict {
    const text = toHex(hash);
    if (this.#never.has(`${shardId}/${text}`)) return { kind: "bad" };
    const anchor = this.#anchors.get(`${shardId}/${number}`);
    if (anchor === undefined) return { kind: "unknown" };
    return toHex(anchor.hash) === text ? { kind: "anchored" } : { kind: "conflict", expected: anchor.hash };
  }
  /**
   * Refuses a block that the lists exclude.
   *
   * @throws {HsyncError} ANCHOR_BREACH, fault DATA; the exit code is that of a store that belongs elsewhere.
   */
  require(shardId: number, number: number, hash: Uint8Array): void {
    const verdict = this.verdict(shardId, number, hash);
    if (verdict.kind === "unknown" || verdict.kind === "anchored") return;
    const why = verdict.kind === "bad"
      ? "it is known to be on an abandoned branch"
      : `the chain is known to have ${to0x(verdict.expected)} there`;
    throw new HsyncError(
      "ANCHOR_BREACH",
      `block ${number} of shard ${shardId} (${to0x(hash)}) is refused: ${why}`,
      {
        fault: "DATA",
        blockNumber: number,
        exitCode: ExitCode.STORE_LOCKED,
        hint: `if it is in the store, remove it with: hsync db unwind --to ${Math.max(0, number - 1)}`,
      },
    );
  }
  /**
   * {@link require} for a header at hand, and for the block that it says it stands on: whoever holds no parents would else take
   * the first block above an excluded one.
   *
   * @throws {HsyncError} ANCHOR_BREACH, as `require`.
   */
  requireHeader({ shardId, number, hash, parentHash }: AnchoredHeader): void {
    this.require(shardId, number, hash);
    if (number > 0) this.require(shardId, number - 1, parentHash);
  }
  /** Hashes of a shard's blocks that must never be accepted, 32 bytes each. */
  knownBadOf(shardId: number): Uint8Array[] {
    return this.#bad.filter((bad) => bad.shardId === shardId).map((bad) => bad.hash);
  }
  /** The anchor of these shards that was announced last; undefined when no anchor of theirs has a date. */
  newestOf(shards: readonly number[]): Anchor & { readonly announced: number } | undefined {
    let newest: Anchor & { readonly announced: number } | undefined;
    for (const anchor of this.#anchors.values()) {
      const { announced } = anchor;
      if (announced === undefined || !shards.includes(anchor.shardId)) continue;
      // Of several of one day the highest is shown.
      const later = newest === undefined || announced > newest.announced ||
        (announced === newest.announced && anchor.number > newest.number);
      if (later) newest = { ...anchor, announced };
    }
    return newest;
  }
  /** Anchors of a shard, ascending by height. */
  anchorsOf(shardId: number): Anchor[] {
    return [...this.#anchors.values()].filter((anchor) => anchor.shardId === shardId)
      .sort((a, b) => a.number - b.number);
  }
}
