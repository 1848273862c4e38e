/**
 * One sync stream: both directions of asking and answering over one libp2p stream (sync-protocol.md §2).
 *
 * Why it exists: everything that is true of a stream whatever it is used for lives here: cutting bytes into
 * messages, serving the peer, matching answers to what was asked on this very stream, and the rules of ending it.
 * What must stay true: a stream is reset, never half-closed; it is not reset before one exchange has been completed
 * or its time has run out (§2.8, never-lines); and after `gone` nothing more comes out of it.
 */
import { asHsyncError, type Clock, type FaultClass, HsyncError, isAbort, Semaphore } from "../base/mod.ts";
import type { P2PStream } from "../p2p/mod.ts";
import { EMPTY_BYTES, PROBE_TIMEOUT_MS, REFUSED_LINGER_MS, SETTLE_MS } from "./constants.ts";
import { type FailureName, failureOf, FAILURES } from "./fault.ts";
import { FrameReader } from "./frame.ts";
import { FramePatience } from "./frame_patience.ts";
import { decodeMessage, type RequestType, type SyncResponse } from "./message.ts";
import { scanMessage } from "./message_scan.ts";
import { Owed } from "./owed.ts";
import { type Probe, probeRequest, readHeight } from "./probe.ts";
import { ServeLoop, type Serving } from "./serve_loop.ts";

/** Why a stream is gone. */
export interface StreamEnd {
  readonly failure: FailureName;
  readonly fault: FaultClass;
  readonly text: string;
}

/** What a stream tells its owner; every call is synchronous and must not throw. */
export interface StreamOwner {
  /** True when an answer with this id is still waited for: others are not even decoded. */
  expects(stream: SyncStream, id: bigint): boolean;
  response(stream: SyncStream, id: bigint, response: SyncResponse | undefined): void;
  /** The answer to a question that nobody waits for any more has come. */
  late(stream: SyncStream, id: bigint): void;
  /** Another 4 KiB of an unfinished frame have arrived. */
  progress(stream: SyncStream): void;
  /** The peer named its height. */
  height(stream: SyncStream, height: number): void;
  /** The peer broke the rules of asking and answering, in frames that can be read: what becomes of it is not ours to say. */
  misbehaved(stream: SyncStream, failure: FailureName, text: string): void;
  /** Once, when the stream is gone. */
  gone(stream: SyncStream, end: StreamEnd): void;
}

/** A write may take this long, plus its size at this pace. */
const WRITE_BASE_MS = 60_000;
const WRITE_BYTES_PER_MS = 256;
/** The network's word for a reset by the other side. */
const RESET_BY_PEER = "STREAM_RESET_BY_PEER";

export class SyncStream {
  /** base58btc peer id text. */
  readonly id: string;
  /** Local sequence number: tells streams of one peer apart. */
  readonly instance: number;
  /** ms on the monotonic clock. */
  readonly openedAt: number;
  readonly p2p: P2PStream;
  readonly #clock: Clock;
  readonly #serving: Serving;
  readonly #owner: StreamOwner;
  readonly #loop: ServeLoop;
  readonly #frames: FrameReader;
  readonly #heightBound: () => number;
  readonly #newId: () => bigint;
  readonly #owed = new Owed();
  #probe: Probe | undefined;
  #reading: Promise<void> | undefined;
  #gone = false;
  #ending: { readonly failure: FailureName; readonly text: string; readonly by: number } | undefined;
  #answeredUs = false;
  #answeredThemAt: number | undefined;
  /** One frame at a time, so that a frame's time begins with its first byte. */
  readonly #turn = new Semaphore(1);
  /** The frame that is being written. */
  #writing: { readonly deadline: number; late: boolean } | undefined;
  readonly #patience = new FramePatience();
  #lastReadAt: number;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(p2p: P2PStream, options: {
    readonly instance: number;
    readonly serving: Serving;
    readonly owner: StreamOwner;
    readonly newId: () => bigint;
    /** Highest height that a peer can honestly have now. */
    readonly heightBound: () => number;
  }) {
    this.p2p = p2p;
    this.id = p2p.peerId;
    this.instance = options.instance;
    this.#serving = options.serving;
    this.#clock = options.serving.clock;
    this.#owner = options.owner;
    this.#newId = options.newId;
    this.#heightBound = options.heightBound;
    this.openedAt = this.#clock.monotonic();
    this.#lastReadAt = this.openedAt;
    this.#frames = new FrameReader(() => this.#owed.frameLimit());
    this.#loop = new ServeLoop(options.serving, {
      peerId: this.id,
      write: (frame) => this.#write(frame),
      answered: () => {
        this.#answeredThemAt ??= this.#clock.monotonic();
      },
      misbehaved: (failure, text) => this.#misbehaved(failure, text),
    });
  }

  get isGone(): boolean {
    return this.#gone;
  }
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }
  get bytesIn(): number {
    return this.#bytesIn;
  }
  get bytesOut(): number {
    return this.#bytesOut;
  }
  /** ms since the last byte arrived. */
  idleMs(): number {
    return this.#clock.monotonic() - this.#lastReadAt;
  }
  get probing(): boolean {
    return this.#probe !== undefined;
  }
  /** True while a frame of ours is on its way out. */
  get writing(): boolean {
    return this.#turn.free === 0;
  }

  /** True when nothing is being asked of us or answered, and the other side is past the start (§2.8, never-lines). */
  get quiet(): boolean {
    if (this.#gone) return true;
    const busy = this.#probe !== undefined || this.writing || !this.#loop.idle;
    return !busy && this.#exchanged(this.#clock.monotonic());
  }

  /** Starts reading and serving. Call once, before anything else can arrive. */
  run(): void {
    this.#reading ??= this.#read();
  }

  /** Resolves when the stream is gone and its loops have come to rest. */
  async finished(): Promise<void> {
    await this.#reading;
    await this.#loop.stop();
  }

  /**
   * Sends a request that the owner will match. The answer is owed from the first byte on; `signal` takes the request
   * back before that.
   *
   * @throws {HsyncError} CANCELLED: not a byte went out; WRITE_FAILED, fault TRANSPORT: the stream is gone then.
   */
  async ask(id: bigint, type: RequestType, frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#write(frame, signal, () => this.#owed.asked(id, type));
  }

  /**
   * Asks for the peer's height: the first exchange of a stream, and its sign of life later. One at a time; a second
   * caller shares the first one's answer.
   *
   * @throws {HsyncError} PROBE_SILENT (fault REFUSED) without an answer 15 s after it was written; HEIGHT_ABSURD or RESPONSE_TYPE for
   *   a bad one; the transport's error when the stream ends. The stream itself stays: the owner decides.
   */
  probe(): Promise<number> {
    if (this.#gone) return Promise.reject(this.#goneError("probing"));
    if (this.#probe !== undefined) return this.#probe.promise;
    const id = this.#newId();
    const { probe, frame } = probeRequest(id, this.#clock, PROBE_TIMEOUT_MS, this.id, () => {
      if (this.#probe === probe) this.#probe = undefined;
    });
    this.#probe = probe;
    const { meter } = this.#serving;
    meter.clientRequest("getBlockNumber");
    const done = () => meter.clientDone("getBlockNumber", this.#clock.monotonic() - probe.sentAt);
    probe.promise.then(done, (error) => {
      done();
      const { code, fault } = asHsyncError(error);
      meter.clientFailed("getBlockNumber", failureOf(code, fault).error);
    });
    // A failed write ends the stream, and that settles the probe.
    this.ask(id, "getBlockNumber", frame).then(() => probe.written(), () => {});
    return probe.promise;
  }

  /**
   * Ends the stream in the orderly way: once one exchange is complete and settled, at the latest after the time that
   * a refused stream is kept. Until then it is served.
   */
  end(failure: FailureName, text: string): void {
    if (this.#gone || this.#ending !== undefined) return;
    const now = this.#clock.monotonic();
    const by = this.p2p.direction === "in" ? now + REFUSED_LINGER_MS : this.openedAt + PROBE_TIMEOUT_MS;
    this.#ending = { failure, text, by: Math.max(by, now) };
    this.check();
  }

  /** Ends the stream now, because it is of no more use: broken, closed by the peer, or hostile. */
  fail(failure: FailureName, text: string): void {
    if (this.#gone) return;
    this.#gone = true;
    const end: StreamEnd = { failure, fault: FAILURES[failure].fault, text };
    this.p2p.reset(text);
    this.#probe?.fail(new HsyncError(failure, text, { fault: end.fault, streamId: this.id }));
    this.#probe = undefined;
    void this.#loop.stop();
    this.#owner.gone(this, end);
  }

  /** Time-dependent rules: stalled frames and writes, orderly ends. Called every second. */
  check(): void {
    if (this.#gone) return;
    const now = this.#clock.monotonic();
    if (this.#ending !== undefined && (this.#exchanged(now) || now >= this.#ending.by)) {
      this.fail(this.#ending.failure, this.#ending.text);
      return;
    }
    if (this.#frames.midFrame) {
      const text = this.#patience.spent(this.#frames.pendingBytes, now);
      if (text !== undefined) {
        this.#readFailed("FRAME_STALLED", text);
        return;
      }
    }
    if (this.#writing !== undefined && now >= this.#writing.deadline) {
      this.#writing.late = true;
      this.fail("WRITE_FAILED", "the peer does not take what we send");
    }
  }

  /** True once resetting the stream cannot hurt the other side any more (§2.8). */
  #exchanged(now: number): boolean {
    return this.#answeredUs ||
      (this.#answeredThemAt !== undefined && now - this.#answeredThemAt >= SETTLE_MS);
  }

  #goneError(what: string): HsyncError {
    return new HsyncError("STREAM_REMOVED", `${what}: the stream is gone`, {
      streamId: this.id,
      retryable: true,
    });
  }

  /** @param begin is called when the frame has its turn. */
  async #write(frame: Uint8Array, signal?: AbortSignal, begin?: () => void): Promise<void> {
    if (this.#gone) throw this.#goneError("writing");
    const release = await this.#turn.acquire(signal);
    if (this.#gone) {
      release();
      throw this.#goneError("writing");
    }
    const deadline = this.#clock.monotonic() + WRITE_BASE_MS + frame.length / WRITE_BYTES_PER_MS;
    const entry = { deadline, late: false };
    this.#writing = entry;
    begin?.();
    try {
      await this.p2p.write(frame);
    } catch (cause) {
      this.#serving.meter.writeFailed(entry.late ? "timeout" : isAbort(cause) ? "canceled" : "write_failed");
      const error = asHsyncError(cause);
      // Whichever half notices first, the end is the same.
      this.fail(error.code === RESET_BY_PEER ? "PEER_RESET" : "WRITE_FAILED", error.message);
      throw new HsyncError("WRITE_FAILED", `write bytes: ${error.message}`, {
        fault: "TRANSPORT",
        streamId: this.id,
        retryable: true,
        cause,
      });
    } finally {
      this.#writing = undefined;
      release();
    }
    this.#bytesOut += frame.length;
    this.#serving.meter.wrote(frame.length);
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.p2p.source) {
        if (this.#gone) return;
        this.#arrived(chunk.length);
        for (const message of this.#frames.push(chunk)) {
          const busy = this.#message(message);
          if (busy !== undefined) await busy;
          if (this.#gone) return;
          this.#patience.begin(this.#clock.monotonic());
        }
        this.#empty(this.#frames.takeEmpty());
        const held = this.#frames.pendingBytes;
        if (this.#patience.grown(held, this.#clock.monotonic())) this.#owner.progress(this);
      }
      this.fail("PEER_CLOSED", "the peer closed the stream");
    } catch (cause) {
      if (this.#gone) return;
      const error = asHsyncError(cause);
      if (error.code === "FRAME_TOO_LONG" || error.code === "MESSAGE_MALFORMED") {
        this.#readFailed(error.code, error.message);
      } else {
        // Whoever refuses us ends what it says first: half a frame was lost, not withheld.
        const chosen = error.code === RESET_BY_PEER && !this.#frames.midFrame;
        this.#readFailed(chosen ? "PEER_RESET" : "READ_FAILED", error.message);
      }
    }
  }

  #readFailed(failure: FailureName, text: string): void {
    this.#serving.meter.readFailed(FAILURES[failure].error);
    this.fail(failure, text);
  }

  #arrived(bytes: number): void {
    const now = this.#clock.monotonic();
    if (!this.#frames.midFrame) this.#patience.begin(now);
    this.#bytesIn += bytes;
    this.#lastReadAt = now;
    this.#serving.meter.read(bytes);
  }

  /** @returns a promise when reading has to wait (back-pressure). */
  #message(bytes: Uint8Array): Promise<void> | undefined {
    const head = scanMessage(bytes);
    this.#serving.meter.readMessage();
    if (head.kind === "empty") {
      this.#empty(1 + Math.floor(bytes.length / EMPTY_BYTES));
      return undefined;
    }
    if (head.kind === "request") {
      if (this.#gone) return undefined;
      const message = decodeMessage(bytes);
      const request = message.kind === "request" ? message.request : undefined;
      return this.#loop.offer(head.id, request, bytes.length);
    }
    this.#answer(head.id, bytes);
    return undefined;
  }

  #answer(id: bigint, bytes: Uint8Array): void {
    if (!this.#owed.answered(id)) {
      this.#unasked();
      return;
    }
    this.#answeredUs = true;
    const probe = this.#probe?.id === id ? this.#probe : undefined;
    if (probe === undefined && !this.#owner.expects(this, id)) {
      this.#owner.late(this, id);
      return;
    }
    const message = decodeMessage(bytes);
    const response = message.kind === "response" ? message.response : undefined;
    if (probe === undefined) {
      this.#owner.response(this, id, response);
      return;
    }
    const height = readHeight(response, this.#heightBound(), this.id);
    if (typeof height === "number") {
      this.#owner.height(this, height);
      probe.answer(height);
    } else {
      probe.fail(height);
    }
  }

  /** Nothing, `n` times over: ignored as long as it stays within reason. */
  #empty(n: number): void {
    const count = n === 0 ? 0 : this.#serving.allowances.breach(this.id, "empty", n);
    if (count > 0) this.#misbehaved("FLOOD", `${count} times nothing within a minute`);
  }

  #misbehaved(failure: FailureName, text: string): void {
    if (!this.#gone) this.#owner.misbehaved(this, failure, text);
  }

  /** An answer to nothing: tolerated now and then, since it may be our forgetting. */
  #unasked(): void {
    const count = this.#serving.allowances.breach(this.id, "unasked");
    if (count > 0) {
      this.#misbehaved("UNSOLICITED", `${count} answers within a minute to questions never asked`);
    }
  }
}
