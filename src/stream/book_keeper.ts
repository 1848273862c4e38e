/**
 * Loads and saves the peer book.
 *
 * Why it exists: cooldowns and good peers survive a restart through a record that somebody else stores. What must
 * stay true: a store that fails or a record that is damaged costs the memory of peers, never the node; and a node that
 * is killed forgets lies of its last seconds at most.
 */
import type { Clock, Logger } from "../base/mod.ts";
import type { PeerBook } from "./peer_book.ts";
import type { PeerMemory } from "./types.ts";

const SAVE_INTERVAL_MS = 5 * 60_000;
/** How soon a lie is on record: later ones of the same moment go with it. */
const SOON_MS = 2_000;

export class BookKeeper {
  readonly #book: PeerBook;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #memory: PeerMemory | undefined;
  #dueAt: number;
  /** Nothing is saved before it was loaded: a node that failed to start must not forget its peers. */
  #loaded = false;

  constructor(
    book: PeerBook,
    options: { readonly clock: Clock; readonly logger: Logger; readonly memory?: PeerMemory },
  ) {
    this.#book = book;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#memory = options.memory;
    this.#dueAt = options.clock.monotonic() + SAVE_INTERVAL_MS;
  }

  /** Takes over what the last run saved. Never rejects. */
  async load(): Promise<void> {
    this.#loaded = true;
    try {
      const bytes = await this.#memory?.load();
      if (bytes !== undefined && !this.#book.import(bytes, this.#clock.monotonic())) {
        this.#logger.warn("the saved peers are unreadable and were left out");
      }
    } catch (error) {
      this.#logger.warn("the saved peers could not be read", { error });
    }
  }

  /** Somebody is in a cooldown that must outlive us: the book is due within seconds. */
  soon(): void {
    this.#dueAt = Math.min(this.#dueAt, this.#clock.monotonic() + SOON_MS);
  }

  /** True every five minutes, and when it was wanted soon. */
  due(): boolean {
    return this.#memory !== undefined && this.#clock.monotonic() >= this.#dueAt;
  }

  /** Saves the book. Never rejects. */
  async save(): Promise<void> {
    if (!this.#loaded) return;
    const now = this.#clock.monotonic();
    this.#dueAt = now + SAVE_INTERVAL_MS;
    try {
      await this.#memory?.save(this.#book.export(now));
    } catch (error) {
      this.#logger.warn("the peers could not be saved", { error });
    }
  }
}
