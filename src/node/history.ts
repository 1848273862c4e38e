/**
 * Whether a node has history to serve, and what follows when it has.
 *
 * Why it exists: a chain that begins at a checkpoint lacks the blocks that most peers come for, and a peer that gets nothing
 * drops the stream for it. What must stay true: a protocol that offers the node's own chain is advertised only while that
 * chain is worth coming for; when it becomes so, that is done at once and said.
 */
import type { Logger } from "../base/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import { HISTORY_BLOCKS, servesHistory } from "../sync/mod.ts";

/** A protocol that offers the node's own chain. */
export interface Offer {
  readonly id: string;
  readonly advertises: boolean;
  advertise(): void;
}

export interface HistoryWatchOptions {
  readonly store: Pick<ChainStore, "head" | "lowest">;
  /** The node means to be found at all. */
  readonly enabled: boolean;
  /** The chain has yet to begin at its checkpoint. */
  readonly awaitsCheckpoint: () => boolean;
  readonly logger: Logger;
}

export class HistoryWatch {
  readonly #o: HistoryWatchOptions;
  readonly #offers: Offer[] = [];
  #said = false;

  constructor(options: HistoryWatchOptions) {
    this.#o = options;
  }

  /** Whether a protocol that offers the chain may be advertised now. */
  get enough(): boolean {
    return this.#o.enabled && this.#has;
  }
  get #has(): boolean {
    return !this.#o.awaitsCheckpoint() && servesHistory(this.#o.store);
  }

  /** From now on this protocol is advertised when there is enough to serve. */
  add(offer: Offer): void {
    this.#offers.push(offer);
    this.#sayWhatIsMissing();
  }

  /** Looks whether the chain is worth coming for by now. */
  look(): void {
    if (!this.enough) return;
    for (const offer of this.#offers) {
      if (offer.advertises) continue;
      offer.advertise();
      this.#o.logger.info("there is history to serve: the node is advertised from now on", {
        topic: offer.id,
        lowest: this.#o.store.lowest(),
        head: this.#o.store.head().number,
      });
    }
  }

  #sayWhatIsMissing(): void {
    const missing = this.missing();
    if (missing === undefined || this.#said) return;
    this.#said = true;
    this.#o.logger.info(missing);
  }

  /** Why the node is not advertised, in words; undefined when it is, or never will be. */
  missing(): string | undefined {
    if (!this.#o.enabled || this.#has) return undefined;
    const { store } = this.#o;
    const from = this.#o.awaitsCheckpoint() ? "the checkpoint" : `block ${store.lowest()}`;
    return `the chain begins at ${from}: others are not told of this node before there are ${HISTORY_BLOCKS} blocks above it`;
  }
}
