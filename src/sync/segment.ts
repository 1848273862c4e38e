/**
 * One stretch of bodies below an agreed hash, filled downwards and judged on arrival
 * (sync-protocol.md §6.5 BlockBodies [TS]).
 *
 * Why it exists: the hash of the stretch's last block is agreed, and every header names its parent, so each
 * arriving run either ends at a known hash and links inside, or its sender sent something wrong; nobody else can
 * be to blame. What must stay true: no block enters `blocks` before the hash above it named it, and a run that
 * cannot be tied yet (a cut answer) stays unjudged.
 */
import { equalBytes } from "../base/mod.ts";
import type { FetchedBlock } from "./types.ts";

/** What was asked of a peer: numbers `from`..`to`, the last of which has `hash`. */
export interface BodyQuestion {
  readonly from: number;
  readonly to: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** What an answer was worth. */
export type Judgement =
  /** Some blocks were taken or kept for later. */
  | { readonly kind: "progress"; readonly blocks: number }
  /** Nothing usable and nothing wrong: the peer lacks these numbers. */
  | { readonly kind: "behind" }
  /** True, but no longer needed. */
  | { readonly kind: "late" }
  /** The sender of block `number` sent something else than it vouched for. */
  | { readonly kind: "lie"; readonly streamId: string; readonly number: number; readonly text: string };

type Run = readonly FetchedBlock[];

function lie(block: FetchedBlock, text: string): Judgement {
  return { kind: "lie", streamId: block.streamId, number: block.number, text };
}

/** The first block whose parent hash does not name the block before it. */
function brokenLink(run: Run): FetchedBlock | undefined {
  for (let i = 1; i < run.length; i++) {
    const [parent, child] = [run[i - 1], run[i]] as [FetchedBlock, FetchedBlock];
    if (!equalBytes(child.parentHash, parent.hash)) return child;
  }
  return undefined;
}

/** Splits at gaps into runs of consecutive numbers. */
function runs(blocks: Run): FetchedBlock[][] {
  const out: FetchedBlock[][] = [];
  for (const block of blocks) {
    const last = out.at(-1);
    if (last?.at(-1)?.number === block.number - 1) last.push(block);
    else out.push([block]);
  }
  return out;
}

export class Segment {
  /** Judged blocks, ascending: they end at `to` and link. */
  #blocks: FetchedBlock[] = [];
  /** Cut answers, lowest first, each linked inside: tied when what is above them has come. */
  #loose: FetchedBlock[][] = [];
  #nextTo: number;
  #nextHash: Uint8Array;
  #bytes = 0;
  /** Peers that had nothing for this stretch, or failed on it. */
  readonly excluded = new Set<string>();

  /**
   * @param from first number of the stretch, above the point before.
   * @param to last number, whose hash is agreed. @param hash 32 bytes.
   */
  constructor(readonly from: number, readonly to: number, readonly hash: Uint8Array) {
    this.#nextTo = to;
    this.#nextHash = hash;
  }
  /** Everything from `from` to `to` is here and linked. */
  get complete(): boolean {
    return this.#nextTo < this.from;
  }
  /** Judged blocks, ascending. */
  get blocks(): readonly FetchedBlock[] {
    return this.#blocks;
  }
  /** Bytes held, judged or not. */
  get bytes(): number {
    return this.#bytes;
  }
  /** The hash that the block below the judged ones must have; of a complete stretch: of block `from - 1`. */
  get linksTo(): Uint8Array {
    return this.#nextHash;
  }
  /** The next question: at most `max` numbers, downwards from the known hash; undefined when complete. */
  question(max: number): BodyQuestion | undefined {
    if (this.complete) return undefined;
    const floor = (this.#looseTop ?? this.from - 1) + 1;
    const from = Math.max(floor, this.#nextTo - Math.max(1, max) + 1);
    return { from, to: this.#nextTo, hash: this.#nextHash };
  }

  /**
   * Takes the answer to `question`. The blocks are within the question's numbers and increasing (the stream client
   * checked that), and each carries its sender.
   */
  offer(question: BodyQuestion, blocks: Run): Judgement {
    const parts = runs(blocks);
    for (const run of parts) {
      const broken = brokenLink(run);
      if (broken !== undefined) {
        return lie(
          broken,
          `block ${broken.number} does not name block ${broken.number - 1} of the same answer`,
        );
      }
    }
    const last = blocks.at(-1);
    if (last === undefined) return { kind: "behind" };
    if (last.number === question.to) {
      if (!equalBytes(last.hash, question.hash)) {
        return lie(last, `block ${last.number} does not have the hash that its sender named for that height`);
      }
      return this.#take(question, parts.at(-1) as FetchedBlock[]);
    }
    const first = parts[0] as FetchedBlock[];
    if (parts.length === 1 && (first[0] as FetchedBlock).number === question.from) {
      return this.#keepLoose(question, first);
    }
    return { kind: "behind" };
  }

  get #looseTop(): number | undefined {
    return this.#loose.at(-1)?.at(-1)?.number;
  }
  #take(question: BodyQuestion, run: FetchedBlock[]): Judgement {
    if (question.to !== this.#nextTo || !equalBytes(question.hash, this.#nextHash)) return { kind: "late" };
    const before = this.#blocks.length;
    this.#accept(run);
    return this.#tie() ?? { kind: "progress", blocks: this.#blocks.length - before };
  }
  #keepLoose(question: BodyQuestion, run: FetchedBlock[]): Judgement {
    if (question.to !== this.#nextTo) return { kind: "late" };
    // A run that does not continue the loose ones would leave a hole below it that no question covers.
    const top = this.#looseTop;
    if (top !== undefined && question.from !== top + 1) return { kind: "late" };
    this.#loose.push(run);
    for (const b of run) this.#bytes += b.size;
    return { kind: "progress", blocks: run.length };
  }
  /** Adds a run whose last hash is known to be right. */
  #accept(run: FetchedBlock[], counted = false): void {
    this.#blocks = [...run, ...this.#blocks];
    const lowest = run[0] as FetchedBlock;
    this.#nextTo = lowest.number - 1;
    this.#nextHash = lowest.parentHash;
    if (!counted) { for (const b of run) this.#bytes += b.size; }
  }
  /** Ties loose runs to what is known above them; a run that is not on the chain convicts its sender. */
  #tie(): Judgement | undefined {
    for (;;) {
      const run = this.#loose.at(-1);
      const top = run?.at(-1);
      if (run === undefined || top === undefined || top.number < this.#nextTo) return undefined;
      this.#loose.pop();
      if (top.number > this.#nextTo || !equalBytes(top.hash, this.#nextHash)) {
        for (const b of run) this.#bytes -= b.size;
        if (top.number > this.#nextTo) continue;
        return lie(top, `block ${top.number} is not the parent of block ${top.number + 1}`);
      }
      this.#accept(run, true);
    }
  }
}
