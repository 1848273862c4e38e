/**
 * Headers that break a rule which is only noted (consensus-verification.md §d.4).
 *
 * Why it exists: view ids and times of honest chains are sometimes odd, and an operator should hear of it without being
 * buried. What must stay true: the number of lines grows with the logarithm of the number of oddities; the metric counts
 * all of them, by the rule's id, of which there is a closed list.
 */
import type { Logger, Meter } from "../base/mod.ts";
import type { HeaderOddity } from "../consensus/mod.ts";

/** How many of a kind are logged one by one. */
const FIRST = 3;

export class OddityLog {
  readonly #counts = new Map<string, number>();

  /** @param shard label of the metric. */
  constructor(
    private readonly logger: Logger,
    private readonly meter: Meter,
    private readonly shard: string,
  ) {}

  note(oddities: readonly HeaderOddity[]): void {
    for (const { id, number, text } of oddities) {
      const count = (this.#counts.get(id) ?? 0) + 1;
      this.#counts.set(id, count);
      this.meter.inc("hmy_sync_odd_headers", { ShardID: this.shard, rule: id });
      if (count > FIRST && !isPowerOfTen(count)) continue;
      this.logger.info("an odd header, which is no reason to refuse it", {
        rule: id,
        number,
        text,
        soFar: count,
      });
    }
  }
}

function isPowerOfTen(n: number): boolean {
  while (n >= 10 && n % 10 === 0) n /= 10;
  return n === 1;
}
