/**
 * One stream's serving: a short queue, one request at a time, answers in the order of the questions.
 *
 * Why it exists: what a peer may cost us is bounded here (sync-protocol.md §2.8 [TS] 4): sixteen small requests in
 * memory, one answer being made. What must stay true: every request taken from the stream gets an answer, and a
 * peer that floods is made to wait by back-pressure before it is turned away.
 */
import { asHsyncError, type Clock, isAbort, type Logger } from "../base/mod.ts";
import type { Allowances } from "./allowance.ts";
import { MAX_QUEUED_REQUESTS, MAX_REQUEST_BYTES } from "./constants.ts";
import type { FailureName } from "./fault.ts";
import { encodeFrame } from "./frame.ts";
import { encodeResponse, type SyncRequest, type SyncResponse } from "./message.ts";
import type { StreamMeter } from "./meters.ts";
import type { RateLimiter } from "./rate_limiter.ts";
import type { SyncServer } from "./server.ts";

/** What all streams of a protocol share on the serving side. */
export interface Serving {
  readonly server: SyncServer;
  readonly limiter: RateLimiter;
  readonly allowances: Allowances;
  readonly clock: Clock;
  readonly meter: StreamMeter;
  readonly logger: Logger;
}

/** The stream's side of the loop. */
export interface ServePort {
  readonly peerId: string;
  /** Writes a frame. @throws {HsyncError} TRANSPORT. */
  write(frame: Uint8Array): Promise<void>;
  /** An answer has been written whole. */
  answered(): void;
  /** The peer broke the rules of asking. */
  misbehaved(failure: FailureName, text: string): void;
}

interface Queued {
  readonly id: bigint;
  readonly request: SyncRequest | undefined;
}

export class ServeLoop {
  readonly #shared: Serving;
  readonly #port: ServePort;
  readonly #queue: Queued[] = [];
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(shared: Serving, port: ServePort) {
    this.#shared = shared;
    this.#port = port;
  }

  /** Requests that wait for their turn. */
  get queued(): number {
    return this.#queue.length;
  }

  /** True when no answer is being made or written. */
  get idle(): boolean {
    return this.#running === undefined;
  }

  /**
   * Takes a request that arrived in `bytes` bytes. When the result is a promise, the reader must wait for it before
   * it reads on: that is the back-pressure on a peer that asks faster than it listens.
   */
  offer(id: bigint, request: SyncRequest | undefined, bytes: number): Promise<void> | undefined {
    if (this.#abort.signal.aborted) return undefined;
    this.#shared.meter.serverRequest(request?.type);
    if (bytes > MAX_REQUEST_BYTES) return this.#reject(id, "request too large", true);
    if (this.#queue.length >= MAX_QUEUED_REQUESTS) return this.#turnAway(id);
    this.#queue.push({ id, request });
    this.#running ??= this.#run();
    return undefined;
  }

  /** Drops the queue and ends the current answer. Resolves when the loop has come to rest. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#queue.length = 0;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        await this.#serve(next);
      }
    } catch (error) {
      // A write that failed has already ended the stream; here only the loop ends.
      if (!isAbort(error)) this.#shared.logger.debug("serving ended", { peer: this.#port.peerId, error });
    } finally {
      this.#running = undefined;
    }
  }

  async #serve({ id, request }: Queued): Promise<void> {
    const { server, limiter, clock, meter, logger } = this.#shared;
    const peer = this.#port.peerId;
    const waited = await limiter.take(peer, this.#abort.signal);
    meter.serverAdmitted(waited);
    const start = clock.monotonic();
    let response: SyncResponse;
    let violation = false;
    try {
      ({ response, violation } = await server.answer(request));
    } catch (error) {
      // Our own failure: the peer gets an answer all the same and keeps its stream.
      logger.warn("a request could not be answered", {
        peer,
        type: request?.type,
        error: asHsyncError(error),
      });
      response = { type: "error", text: "internal error" };
    }
    meter.serverHandled(request?.type, clock.monotonic() - start);
    await this.#write(id, response, (bytes) => limiter.charge(peer, bytes));
    if (violation) this.#violated();
  }

  /** @param known is told the answer's size, in bytes, before it is written. */
  async #write(id: bigint, response: SyncResponse, known?: (bytes: number) => void): Promise<void> {
    const frame = encodeFrame(encodeResponse(id, response));
    known?.(frame.length);
    const done = this.#shared.server.writing(frame.length);
    try {
      if (this.#abort.signal.aborted) return;
      await this.#port.write(frame);
      this.#port.answered();
    } finally {
      done();
    }
  }

  #violated(): void {
    const count = this.#shared.allowances.breach(this.#port.peerId, "cap");
    if (count > 0) this.#port.misbehaved("CAP_VIOLATIONS", `${count} requests above the caps within an hour`);
  }

  async #reject(id: bigint, text: string, violation: boolean): Promise<void> {
    try {
      await this.#write(id, { type: "error", text });
    } catch {
      // The write has ended the stream and said so.
      return;
    }
    if (violation) this.#violated();
  }

  #turnAway(id: bigint): Promise<void> | undefined {
    const count = this.#shared.allowances.breach(this.#port.peerId, "busy");
    if (count > 0) {
      this.#port.misbehaved("FLOOD", `${count} requests beyond the queue within a minute`);
      if (this.#abort.signal.aborted) return undefined;
    }
    return this.#reject(id, "too busy", false);
  }
}
