/**
 * Reads a stream of chunks by length or by line.
 *
 * Why it exists: files of blocks are larger than memory, and their chunks end anywhere. What must stay true: a
 * length that the file claims allocates nothing before that many bytes are there; a line has a limit.
 */
import { concat } from "../base/mod.ts";

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #have: Uint8Array[] = [];
  #length = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const next = await this.#chunks.next();
    if (next.done === true) {
      this.#ended = true;
      return false;
    }
    if (next.value.length > 0) this.#have.push(next.value);
    this.#length += next.value.length;
    return true;
  }

  #join(): Uint8Array {
    const all = this.#have.length === 1 ? this.#have[0] as Uint8Array : concat(...this.#have);
    this.#have = [all];
    return all;
  }

  #cut(length: number): Uint8Array {
    const all = this.#join();
    const rest = all.subarray(length);
    this.#have = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return all.subarray(0, length);
  }

  /** The next `length` bytes without taking them; fewer at the end of the file. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#length < length && await this.#more());
    return this.#length === 0 ? new Uint8Array(0) : this.#join().subarray(0, length);
  }

  /** The next `length` bytes; undefined when the file ends before. */
  async take(length: number): Promise<Uint8Array | undefined> {
    while (this.#length < length && await this.#more());
    if (this.#length < length) return undefined;
    return length === 0 ? new Uint8Array(0) : this.#cut(length);
  }

  /**
   * The next line without its end; undefined at the end of the file.
   * @throws {RangeError} a line of more than `limit` bytes.
   */
  async line(limit: number): Promise<Uint8Array | undefined> {
    let searched = 0;
    for (;;) {
      let before = 0;
      for (const chunk of this.#have) {
        const from = Math.max(0, searched - before);
        const at = from < chunk.length ? chunk.indexOf(10, from) : -1;
        if (at >= 0) {
          const line = this.#cut(before + at + 1);
          return line.subarray(0, line.length - 1);
        }
        before += chunk.length;
      }
      searched = this.#length;
      if (searched > limit) throw new RangeError(`a line of more than ${limit} bytes`);
      if (await this.#more()) continue;
      return this.#length === 0 ? undefined : this.#cut(this.#length);
    }
  }

  /** What is left, chunk by chunk. */
  async *rest(): AsyncIterable<Uint8Array> {
    try {
      do {
        const have = this.#have;
        this.#have = [];
        this.#length = 0;
        yield* have;
      } while (await this.#more());
    } finally {
      await this.close();
    }
  }

  /** Gives the source back unread. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#chunks.return?.();
  }
}
