/**
 * A `P2PStream` over a libp2p stream.
 *
 * Why it exists: the sync protocol needs ordered writes with back-pressure and a reset that both ends notice; the
 * library offers a buffer without a bound and a polite half-close that makes Go nodes spin (sync-protocol.md §2.4).
 * What must stay true: no more than one slice beyond the transport's own buffers is queued for sending; a write that
 * stops half-way resets the stream; nothing here ever half-closes.
 */
import type { Connection, Stream, StreamCloseEvent } from "@libp2p/interface";
import { cancelled, type HsyncError, Semaphore } from "../base/mod.ts";
import { streamGone, streamReset } from "./errors.ts";
import { closeError, StreamReader } from "./reader.ts";
import type { P2PStream } from "./types.ts";

/** Bytes handed to the muxer at a time: small enough to share a connection, large enough to fill it. */
export const WRITE_SLICE = 64 * 1024;

export class LibP2PStream implements P2PStream {
  readonly peerId: string;
  readonly direction: "in" | "out";
  readonly remoteAddress: string;
  readonly protocol: string;
  readonly muxer: string;
  readonly closed: Promise<void>;
  /** The record of times of the connection below. */
  readonly timeline: Connection["timeline"];
  readonly #stream: Stream;
  readonly #reader: StreamReader;
  readonly #turn = new Semaphore(1);
  #gone: HsyncError | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Stream, connection: Connection) {
    this.#stream = stream;
    this.peerId = connection.remotePeer.toString();
    this.direction = stream.direction === "inbound" ? "in" : "out";
    this.remoteAddress = connection.remoteAddr.toString();
    this.protocol = stream.protocol;
    this.muxer = connection.multiplexer ?? "";
    this.timeline = connection.timeline;
    const wake = () => this.#wake?.();
    stream.addEventListener("drain", wake);
    stream.addEventListener("idle", wake);
    this.#reader = new StreamReader(stream, this.peerId);
    this.closed = new Promise((resolve) => {
      const onClose = (event?: StreamCloseEvent) => {
        stream.removeEventListener("drain", wake);
        stream.removeEventListener("idle", wake);
        this.#gone ??= event?.error === undefined
          ? streamGone(this.peerId, "it is closed")
          : closeError(this.peerId, event);
        this.#wake?.();
        resolve();
      };
      if (stream.status === "open") stream.addEventListener("close", onClose, { once: true });
      else onClose();
    });
  }

  get source(): AsyncIterable<Uint8Array> {
    return this.#reader;
  }

  /** Bytes that have arrived and wait for the consumer, in our queue and in the library's. */
  get buffered(): number {
    return this.#reader.queued + this.#stream.readBufferLength;
  }

  async write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const release = await this.#turn.acquire(signal);
    try {
      for (let at = 0; at < bytes.length; at += WRITE_SLICE) {
        if (this.#gone !== undefined) throw this.#gone;
        if (signal?.aborted) throw this.#abandon(at);
        try {
          this.#stream.send(bytes.subarray(at, at + WRITE_SLICE));
        } catch (cause) {
          throw this.#gone ?? streamGone(this.peerId, "it takes no more bytes", cause);
        }
        await this.#drained(signal);
      }
      if (this.#gone !== undefined) throw this.#gone;
    } finally {
      release();
    }
  }

  reset(reason: string): void {
    if (this.#gone !== undefined) return;
    this.forsake(reason);
    this.#stream.abort(new Error(reason));
  }

  /** Ends the stream on our side, as our doing. The caller ends its connection in the same turn. */
  forsake(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = streamReset(this.peerId, reason);
    this.#reader.fail(this.#gone);
  }

  /** Gives a write up after `sent` bytes: what the peer has of it cannot be taken back, so the stream has to go. */
  #abandon(sent: number): HsyncError {
    if (sent > 0) this.reset("a write was cancelled half-way");
    return cancelled(`writing to ${this.peerId}`);
  }

  /**
   * Waits until the muxer and the socket have taken all that was sent. The library's own `onDrain()` keeps its first
   * promise for good and so waits only once; the events are reliable.
   */
  async #drained(signal: AbortSignal | undefined): Promise<void> {
    while (this.#stream.writableNeedsDrain || this.#stream.writeBufferLength > 0) {
      if (this.#gone !== undefined) throw this.#gone;
      if (signal?.aborted) throw this.#abandon(1);
      await new Promise<void>((resolve) => {
        const done = () => {
          this.#wake = undefined;
          signal?.removeEventListener("abort", done);
          resolve();
        };
        this.#wake = done;
        signal?.addEventListener("abort", done, { once: true });
      });
    }
  }
}
