/**
 * Where everything lies in the key space.
 *
 * Why it exists: one page that shows the whole layout. What must stay true: every key of a chain begins with
 * `hsync` and `network/shard`, so that chains share a remote database without meeting; and every table of blocks
 * is ordered by number, so that what lies above the head can be found and removed without knowing it.
 *
 * | table | key after the prefix | value |
 * |---|---|---|
 * | `meta` | – | JSON: network, shard, genesis hash, schema |
 * | `state` | – | JSON: head, lowest, assurance counts, checkpoints; its commit makes a batch visible |
 * | `hash` | first number | run of 32-byte hashes |
 * | `head` | first number | run of headers |
 * | `body` | first number | run of blocks without their headers |
 * | `rcpt` | first number | run of receipt lists, where known |
 * | `comm` | number | committees that this block hands over |
 * | `…+` | number, part | parts of an item of table `…` that is too big for a run |
 * | `num` | hash | BE64 number |
 * | `epoch` | epoch, number | nothing: the block that hands over the committees of the epoch |
 * | `mark` | page | one byte a block: assurance, body |
 * | `sig` | number | commit signature ‖ bitmap, where no child is held |
 * | `stgh`, `stgb`, `stgb+` | number | staged hashes and blocks |
 * | `rec` | name | small records |
 * | `lease`, `beat` | – | who writes, and when it last said so (remote databases) |
 */
import type { KvKey, KvRange } from "./kv.ts";

export const ROOT = "hsync";

/** Tables of numbered runs that an appended batch writes, in the order of the layout. */
export const RUN_TABLES = ["hash", "head", "body", "rcpt", "comm"] as const;
export type RunTable = typeof RUN_TABLES[number];

/** Builds the keys of one chain. */
export class Keys {
  readonly chain: string;
  constructor(network: string, shardId: number) {
    this.chain = `${network}/${shardId}`;
  }
  /** The key of `table` with the given parts. */
  key(table: string, ...parts: KvKey): KvKey {
    return [ROOT, this.chain, table, ...parts];
  }
  /** All keys of `table` whose first part is in `from`..`to`, both inclusive. */
  range(table: string, from: number, to = Number.MAX_SAFE_INTEGER): KvRange {
    // The end is exclusive, and a key with further parts sorts after the one that ends here.
    return { start: [ROOT, this.chain, table, from], end: [ROOT, this.chain, table, to + 0.5] };
  }
}
