/**
 * Getting requests onto the wire: what the request manager needs of the streams, and how many write at once.
 *
 * Why it exists: between "this stream gets it" and "the peer has it" lie our own queues, and what takes long there is
 * nobody's fault (sync-protocol.md §4.3: 32 writes at most). What must stay true: a peer that takes nothing keeps a
 * common permit for seconds only, else a few of them would stop everybody; a stalled write is one a stream at most.
 */
import { type Clock, isAbort, type Logger, Semaphore } from "../base/mod.ts";
import { WRITE_CONCURRENCY, WRITE_PERMIT_MS } from "./constants.ts";
import type { Offence } from "./fault.ts";
import { encodeFrame } from "./frame.ts";
import { encodeRequest, type RequestType, type SyncRequest } from "./message.ts";

/** What the manager needs of the streams. */
export interface RequestPort {
  /**
   * Writes a request's frame on a stream. `signal` takes it back as long as it waits for its turn.
   *
   * @throws {HsyncError} CANCELLED: not a byte went out; else TRANSPORT.
   */
  send(
    instance: number,
    id: bigint,
    type: RequestType,
    frame: Uint8Array,
    signal: AbortSignal,
  ): Promise<void>;
  /** Asks the stream for a sign of life. @throws {HsyncError} when there is none. */
  probe(instance: number): Promise<number>;
  /** Says that a stream misbehaved. */
  report(instance: number, offence: Offence): void;
  /** A stream that was to be drained has nothing in flight any more. */
  drained(instance: number): void;
}

export class RequestWriter {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #port: RequestPort;
  readonly #permits = new Semaphore(WRITE_CONCURRENCY);

  constructor(
    options: { readonly clock: Clock; readonly logger: Logger; readonly port: RequestPort },
  ) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#port = options.port;
  }

  /** Writes a request, or takes it back when `signal` aborts in time. Never rejects. @returns the event to tell. */
  async write(
    instance: number,
    id: bigint,
    request: SyncRequest,
    signal: AbortSignal,
  ): Promise<"written" | "unsent" | "writeFailed"> {
    let frame: Uint8Array;
    try {
      frame = encodeFrame(encodeRequest(id, request));
    } catch (error) {
      this.#logger.error("a request could not be encoded", { type: request.type, error });
      return "unsent";
    }
    try {
      const release = await this.#permits.acquire(signal);
      const cancel = this.#clock.after(WRITE_PERMIT_MS, release);
      try {
        await this.#port.send(instance, id, request.type, frame, signal);
      } finally {
        cancel();
        release();
      }
      return "written";
    } catch (error) {
      return isAbort(error) ? "unsent" : "writeFailed";
    }
  }
}
