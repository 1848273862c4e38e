/**
 * The reading half of a stream: a bounded queue between a library that pushes and a consumer that pulls.
 *
 * Why it exists: the library hands bytes over in events and aborts a stream with more than its buffer limit unread,
 * while one frame of the sync protocol may be five times that limit. So the reader takes everything at once, and tells
 * the library to hold the sender's window back while the consumer is behind.
 * What must stay true: at most `HIGH_WATER` bytes plus two receive windows are ever held for a stream (one that waited
 * in the library, one that resuming granted before it could be paused again); bytes that arrived before a reset or an
 * end are still delivered; the end is told exactly once.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from "@libp2p/interface";
import type { HsyncError } from "../base/mod.ts";
import { resetByPeer, streamGone } from "./errors.ts";

/** Queued bytes at which the sender is held back. */
export const HIGH_WATER = 256 * 1024;
/** Queued bytes at which it may go on. */
export const LOW_WATER = 64 * 1024;

interface Waiter {
  readonly resolve: (result: IteratorResult<Uint8Array>) => void;
  readonly reject: (error: HsyncError) => void;
}

/** What the close of a stream that was not ended politely means. */
export function closeError(peerId: string, { error, local }: StreamCloseEvent): HsyncError {
  if (error === undefined) return streamGone(peerId, "the connection was lost");
  return local === true
    ? streamGone(peerId, `aborted (${error.message})`, error)
    : resetByPeer(peerId, error);
}

export class StreamReader implements AsyncIterableIterator<Uint8Array> {
  readonly #stream: Stream;
  readonly #peerId: string;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #waiter: Waiter | undefined;
  #paused = false;
  #resuming = false;
  #remoteEnded = false;
  #over: { readonly error: HsyncError | undefined } | undefined;
  #taken = false;

  constructor(stream: Stream, peerId: string) {
    this.#stream = stream;
    this.#peerId = peerId;
    stream.addEventListener("message", this.#onMessage);
    stream.addEventListener("remoteCloseWrite", this.#onRemoteEnd);
    stream.addEventListener("end", this.#onEnd);
    stream.addEventListener("close", this.#onClose);
    if (stream.status !== "open") this.#finish(streamGone(peerId, `it was already ${stream.status}`));
  }

  /** Bytes that wait for the consumer. */
  get queued(): number {
    return this.#queued;
  }

  [Symbol.asyncIterator](): this {
    if (this.#taken) throw new TypeError("the source of a stream can be consumed only once");
    this.#taken = true;
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const chunk = this.#queue.shift();
    if (chunk !== undefined) {
      this.#queued -= chunk.length;
      this.#regulate();
      return Promise.resolve({ done: false, value: chunk });
    }
    const over = this.#over;
    if (over !== undefined) {
      return over.error === undefined
        ? Promise.resolve({ done: true, value: undefined })
        : Promise.reject(over.error);
    }
    if (this.#waiter !== undefined) {
      return Promise.reject(new TypeError("a read of this stream is already under way"));
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The consumer left its loop: nothing more is kept for it. The stream itself stays as it is. */
  return(): Promise<IteratorResult<Uint8Array>> {
    this.fail(undefined);
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Ends reading at once and forgets what is queued; `error` is what a pending or later read gets. */
  fail(error: HsyncError | undefined): void {
    this.#queue = [];
    this.#queued = 0;
    this.#finish(error);
  }

  readonly #onMessage = (event: StreamMessageEvent): void => {
    if (event.data instanceof Uint8Array) this.#accept(event.data);
    else for (const part of event.data) this.#accept(part);
    this.#regulate();
  };

  /** Only a real half-close of the other side raises this; the loss of the connection does not. */
  readonly #onRemoteEnd = (): void => {
    this.#remoteEnded = true;
  };

  /** Nothing is left in the library's buffer. The final bytes may come in the same tick, after this event. */
  readonly #onEnd = (): void => {
    if (this.#remoteEnded) queueMicrotask(() => this.#finish(undefined));
  };

  readonly #onClose = (event: StreamCloseEvent): void => {
    if (this.#remoteEnded && event.error === undefined) this.#finish(undefined);
    else this.#finish(closeError(this.#peerId, event));
  };

  #accept(part: Uint8Array): void {
    if (this.#over !== undefined || part.length === 0) return;
    // Parts may be node Buffers, whose `slice` means something else.
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.length);
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ done: false, value: bytes });
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  /**
   * Holds the sender back or lets it go on. Pausing from within `resume()` must wait until that call is over: the
   * muxer would otherwise leave `resume()` believing that it is running, and open the window again.
   */
  #regulate(): void {
    if (this.#resuming || this.#over !== undefined) return;
    if (!this.#paused && this.#queued >= HIGH_WATER) {
      this.#paused = this.#try(() => this.#stream.pause());
    } else if (this.#paused && this.#queued <= LOW_WATER) {
      this.#paused = false;
      this.#resuming = true;
      this.#try(() => this.#stream.resume());
      this.#resuming = false;
      if (this.#queued >= HIGH_WATER) this.#regulate();
    }
  }

  /** Pausing a stream that is just closing throws; its close event says all that matters. */
  #try(action: () => void): boolean {
    try {
      action();
      return true;
    } catch {
      return false;
    }
  }

  #finish(error: HsyncError | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#stream.removeEventListener("message", this.#onMessage);
    this.#stream.removeEventListener("remoteCloseWrite", this.#onRemoteEnd);
    this.#stream.removeEventListener("end", this.#onEnd);
    this.#stream.removeEventListener("close", this.#onClose);
    if (!this.#paused && !this.#remoteEnded && this.#stream.status === "open") {
      this.#try(() => this.#stream.pause());
    }
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter === undefined) return;
    if (error === undefined) waiter.resolve({ done: true, value: undefined });
    else waiter.reject(error);
  }
}
