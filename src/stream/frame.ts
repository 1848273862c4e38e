/**
 * Frames: a little-endian 32-bit length, then that many bytes of one message (sync-protocol.md §2.5).
 *
 * Why it exists: a libp2p stream is a run of bytes without borders. What must stay true: memory follows the bytes
 * that have really arrived, never the length that a peer claims, whatever the sizes of the chunks.
 */
import { HsyncError } from "../base/mod.ts";
import { MAX_FRAME_BYTES } from "./constants.ts";

const PREFIX = 4;
const FIRST_BUFFER = 4 * 1024;

/**
 * One frame around a message, ready to be written.
 *
 * @throws {HsyncError} MESSAGE_TOO_LONG (fault NONE: it is ours) above 20 MiB.
 */
export function encodeFrame(message: Uint8Array): Uint8Array {
  if (message.length > MAX_FRAME_BYTES) {
    throw new HsyncError(
      "MESSAGE_TOO_LONG",
      `a message of ${message.length} bytes does not fit a frame of ${MAX_FRAME_BYTES}`,
    );
  }
  const out = new Uint8Array(PREFIX + message.length);
  new DataView(out.buffer).setUint32(0, message.length, true);
  out.set(message, PREFIX);
  return out;
}

/** Cuts incoming chunks into messages. */
export class FrameReader {
  readonly #limit: () => number;
  readonly #prefix = new Uint8Array(PREFIX);
  #prefixLength = 0;
  /** Body bytes that the current prefix promised; -1 while the prefix is incomplete. */
  #expected = -1;
  #body = new Uint8Array(0);
  #bodyLength = 0;
  #empty = 0;

  /** @param limit largest body taken now, in bytes; asked once per frame, when its length is known. */
  constructor(limit: () => number = () => MAX_FRAME_BYTES) {
    this.#limit = limit;
  }

  /** True while a frame has begun and is not whole. */
  get midFrame(): boolean {
    return this.#prefixLength > 0;
  }
  /** Body bytes of the unfinished frame that are here. */
  get pendingBytes(): number {
    return this.#bodyLength;
  }
  /** Frames of no bytes since this was last asked. */
  takeEmpty(): number {
    const n = this.#empty;
    this.#empty = 0;
    return n;
  }
  /** Bytes held for the unfinished frame: at most twice what arrived of it. */
  get allocatedBytes(): number {
    return this.#body.length;
  }

  /**
   * Takes a chunk and yields the messages that it completes, without their prefixes. A message of no bytes is
   * skipped (§2.5) and counted. Messages own their memory; the chunk may be reused once the iteration is over.
   *
   * @throws {HsyncError} FRAME_TOO_LONG, fault PROTOCOL, as soon as the length is known; the reader is useless then.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#expected < 0) {
        const n = Math.min(PREFIX - this.#prefixLength, chunk.length - at);
        this.#prefix.set(chunk.subarray(at, at + n), this.#prefixLength);
        this.#prefixLength += n;
        at += n;
        if (this.#prefixLength < PREFIX) return;
        this.#begin();
      }
      const n = Math.min(this.#expected - this.#bodyLength, chunk.length - at);
      if (n > 0) {
        this.#grow(this.#bodyLength + n);
        this.#body.set(chunk.subarray(at, at + n), this.#bodyLength);
        this.#bodyLength += n;
        at += n;
      }
      if (this.#bodyLength === this.#expected) {
        const message = this.#body.subarray(0, this.#bodyLength);
        this.#reset();
        if (message.length > 0) yield message;
        else this.#empty++;
      }
    }
  }

  #begin(): void {
    const length = new DataView(this.#prefix.buffer).getUint32(0, true);
    const limit = this.#limit();
    if (length > limit) {
      throw new HsyncError(
        "FRAME_TOO_LONG",
        `the peer announced a frame of ${length} bytes, limit ${limit}`,
        {
          fault: "PROTOCOL",
        },
      );
    }
    this.#expected = length;
  }

  /** Makes room for `needed` body bytes by doubling, so that a dribble costs no more copies than a burst. */
  #grow(needed: number): void {
    if (needed <= this.#body.length) return;
    const size = Math.min(this.#expected, Math.max(needed, this.#body.length * 2, FIRST_BUFFER));
    const body = new Uint8Array(size);
    body.set(this.#body.subarray(0, this.#bodyLength));
    this.#body = body;
  }

  #reset(): void {
    this.#prefixLength = 0;
    this.#expected = -1;
    this.#body = new Uint8Array(0);
    this.#bodyLength = 0;
  }
}
