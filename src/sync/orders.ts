/**
 * What the download scheduler and its shell say to each other.
 *
 * Why it exists: the scheduler decides, the shell acts; this is the whole language between them. What must stay true:
 * it is data only.
 */
import type { BodyQuestion } from "./segment.ts";
import type { FetchedBlock } from "./types.ts";

/** An active stream as the scheduler sees it. */
export interface StreamView {
  readonly id: string;
  /** Height up to which it can be asked; undefined: unknown, so anything may be asked. */
  readonly reach: number | undefined;
  /** Height that the peer claims. */
  readonly claimed: number | undefined;
  /** Blocks to ask of it at once, by its measured capacity. */
  readonly batch: number;
}

export interface HashOrder {
  readonly kind: "hashes";
  readonly streamId: string;
  /** Skeleton heights, then possibly the peer's own claimed height, ascending: a zero there refutes the claim. */
  readonly numbers: readonly number[];
}
export interface BodyOrder {
  readonly kind: "bodies";
  readonly streamId: string;
  readonly question: BodyQuestion;
  /** End of the leg it is for. */
  readonly leg: number;
}
/** Asks a peer for a block whose hash it vouched for, and which was found to be wrong. */
export interface ProofOrder {
  readonly kind: "proof";
  readonly streamId: string;
  /** The block, and the one after it where the peer has one. */
  readonly numbers: readonly number[];
  /** The refused hash and its height. */
  readonly point: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}
/** A request to send. */
export type Order = HashOrder | BodyOrder | ProofOrder;

/** What the shell must do now. */
export type Effect =
  /** These blocks continue the run above the head. */
  | { readonly kind: "accepted"; readonly blocks: readonly FetchedBlock[] }
  /** Accepted blocks above `number` are void. */
  | { readonly kind: "rewound"; readonly number: number }
  | { readonly kind: "blame"; readonly streamId: string; readonly number: number; readonly text: string }
  /** Linked blocks that stand on another block than the store's head. */
  | { readonly kind: "foreign"; readonly blocks: readonly FetchedBlock[] }
  /** A candidate is out, and nobody is to blame for that. */
  | { readonly kind: "refused"; readonly number: number; readonly hash: Uint8Array; readonly why: string }
  /** A voucher for a refused hash has sent the block in question: to be judged by that. */
  | { readonly kind: "testimony"; readonly order: ProofOrder; readonly blocks: readonly FetchedBlock[] }
  /** Nobody has anything usable, and these vouch for what was refused: their places are for others. */
  | { readonly kind: "makeWay"; readonly streamIds: readonly string[] }
  /** The peer has nothing at the height that it claims; it showed blocks up to `height`. */
  | { readonly kind: "unsupported"; readonly streamId: string; readonly height: number };

/** Why nothing can be done although blocks are missing. */
export interface Starvation {
  /** ms, monotonic. */
  readonly since: number;
  /** The first block that is out of reach. */
  readonly number: number;
  /** No stream; no peer gives a hash; none gives the bodies; no candidate's blocks link to what we have. */
  readonly why: "noStreams" | "noHashes" | "noBodies" | "noLink";
}
