/**
 * The certified head on disk, and whether one that was certified before still counts.
 *
 * Why it exists: a restart shows the head at once, and the beacon chain may have left its committee behind meanwhile. What must stay
 * true: a head whose committee has served its time or is not known here is none, however it came to be one; what is
 * dropped is dropped from the disk too, so that it does not come back.
 */
import type { Logger } from "../../base/mod.ts";
import type { NetworkParams } from "../../chain/mod.ts";
import type { AnchorBook } from "../../consensus/mod.ts";
import type { EpochChain } from "../epoch/epoch_chain.ts";
import type { RecordTable } from "../epoch/record_store.ts";
import { type CertifiedHead, decodeHead, encodeHead } from "./certified_head.ts";
import { hasServedItsTime } from "./light_rules.ts";

const RECORD = "light/head";

export interface HeadRecordOptions {
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly anchors: AnchorBook;
  readonly chain: EpochChain;
  readonly records: RecordTable;
  readonly logger: Logger;
}

export class HeadRecord {
  readonly #o: HeadRecordOptions;

  constructor(options: HeadRecordOptions) {
    this.#o = options;
  }

  /** The stored head; undefined when there is none that counts. @throws what the store fails with. */
  async load(): Promise<CertifiedHead | undefined> {
    const bytes = await this.#o.records.record(RECORD);
    const head = bytes === undefined ? undefined : decodeHead(bytes);
    if (head === undefined || head.shardId !== this.#o.shardId) return undefined;
    const why = this.#misplaced(head) ?? this.outdated(head);
    if (why === undefined) return head;
    await this.drop(head, why);
    return undefined;
  }
  #misplaced({ shardId, number, hash, epoch }: CertifiedHead): string | undefined {
    const { anchors, params } = this.#o;
    const { kind } = anchors.verdict(shardId, number, hash);
    if (kind === "bad" || kind === "conflict") return "the blocks known beforehand exclude it";
    return shardId === 0 && params.schedule.epochOf(number) !== epoch
      ? "its epoch has other heights"
      : undefined;
  }

  /** Why a head that was certified no longer counts; undefined: it does. */
  outdated({ epoch }: Pick<CertifiedHead, "epoch">): string | undefined {
    const { chain } = this.#o;
    if (hasServedItsTime(epoch, chain.epoch)) {
      return `its epoch is ${epoch}, the beacon chain is in epoch ${chain.epoch}: that committee has served its time`;
    }
    return chain.knows(epoch) ? undefined : `the epoch chain does not know who signs in epoch ${epoch}`;
  }

  async save(head: CertifiedHead): Promise<void> {
    await this.#o.records.putRecord(RECORD, encodeHead(head));
  }
  /** Takes a head away, and says so. */
  async drop({ number, epoch }: CertifiedHead, why: string): Promise<void> {
    this.#o.logger.warn("the certified head is dropped", { number, epoch, why });
    await this.#o.records.removeRecord(RECORD);
  }
}
