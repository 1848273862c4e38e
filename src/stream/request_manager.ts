/**
 * The request manager: from "ask somebody" to an answer or a typed error.
 *
 * Why it exists: callers name what they want and who may serve it; queues, streams and time-outs are decided by
 * `RequestCore`, and this shell gives it a clock, the wire and promises. What must stay true: every request settles
 * exactly once, and a request that its caller gave up blames nobody.
 */
import { type Cancel, cancelled, type Clock, HsyncError, isCritical, type Logger } from "../base/mod.ts";
import {
  NO_STREAM_TIMEOUT_MS,
  STREAM_MONITOR_INTERVAL_MS,
  THROTTLE_BATCH,
  THROTTLE_INTERVAL_MS,
} from "./constants.ts";
import { type FailureName, FAILURES, offence, offenceOf } from "./fault.ts";
import type { RequestType, SyncRequest, SyncResponse } from "./message.ts";
import { METRIC, type StreamMeter } from "./meters.ts";
import { classifyPeerError, peerError } from "./peer_error.ts";
import { RequestCore } from "./request_core.ts";
import type { RequestEffect, RequestEvent } from "./request_events.ts";
import { forbidden, limitsOf } from "./request_limits.ts";
import { type RequestPort, RequestWriter } from "./request_writer.ts";
import type { RequestOptions, StreamHealthStats } from "./types.ts";
import { weightOfRequest, weightOfResponse } from "./weight.ts";

/** An answer of the right kind, unchecked otherwise. */
export interface RawAnswer<R extends SyncResponse = SyncResponse> {
  readonly response: R;
  readonly streamId: string;
  readonly instance: number;
  /** From the written question to the answer, ms. */
  readonly ms: number;
}

interface Entry {
  readonly key: number;
  readonly request: SyncRequest;
  readonly settle: { resolve(answer: RawAnswer): void; reject(error: HsyncError): void };
  readonly release: () => void;
  /** Takes the request back while it is not written. */
  readonly withdraw: AbortController;
  response: SyncResponse | undefined;
}

/** How long a peer that said `too busy` is left alone. */
const BUSY_PAUSE_MS = 1_000;
/** Unexplained error answers in a row that count as a failure (§7.1). */
const ERRORS_IN_A_ROW = 3;

export class RequestManager {
  readonly #clock: Clock;
  readonly #meter: StreamMeter;
  readonly #logger: Logger;
  readonly #port: RequestPort;
  readonly #core: RequestCore;
  readonly #entries = new Map<number, Entry>();
  readonly #service: "sync" | "epochsync";
  readonly #writer: RequestWriter;
  readonly #sending = new Set<Promise<void>>();
  /** Unexplained errors, and the heaviest request among them: an answer of that weight ends the row. */
  readonly #errorsInARow = new Map<number, { readonly n: number; readonly type: RequestType }>();
  #nextKey = 1;
  #monitor: Cancel | undefined;
  #throttle: Cancel | undefined;
  #completed = 0;
  #failed = 0;
  #timeouts = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly meter: StreamMeter;
    readonly logger: Logger;
    readonly port: RequestPort;
    /** A random id that no pending request has. */
    readonly newId: () => bigint;
    readonly service: "sync" | "epochsync";
  }) {
    this.#service = options.service;
    this.#clock = options.clock;
    this.#meter = options.meter;
    this.#logger = options.logger;
    this.#port = options.port;
    this.#writer = new RequestWriter(options);
    this.#core = new RequestCore(options.newId, options.clock.monotonic());
  }

  start(): void {
    this.#monitor ??= this.#clock.every(STREAM_MONITOR_INTERVAL_MS, () => this.#step({ type: "tick" }));
  }

  /** Fails everything that waits or is in flight, and takes no more. */
  async stop(): Promise<void> {
    this.#step({ type: "stop" });
    this.#monitor?.();
    this.#throttle?.();
    this.#monitor = this.#throttle = undefined;
    await Promise.allSettled([...this.#sending]);
  }

  /**
   * Sends a request to the best stream that may serve it.
   *
   * @throws {HsyncError} fault NONE: CANCELLED, QUEUE_FULL, NO_ELIGIBLE_STREAM, NO_STREAM, WAIT_TIMEOUT,
   *   WRITE_TIMEOUT, STREAM_REMOVED, CLOSED, REQUEST_INVALID, PEER_CAP, PEER_BUSY, PEER_ERROR, UNSUPPORTED; TIMEOUT:
   *   REQUEST_TIMEOUT; TRANSPORT: WRITE_FAILED; BEHIND: PEER_LACKS; PROTOCOL: RESPONSE_TYPE. What blames a stream has
   *   been reported already.
   */
  doRequest<T extends SyncRequest>(
    request: T,
    options: RequestOptions = {},
  ): Promise<RawAnswer<Extract<SyncResponse, { readonly type: T["type"] }>>> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(cancelled(request.type));
    const why = forbidden(this.#service, request.type);
    if (why !== undefined) return Promise.reject(new HsyncError("REQUEST_INVALID", why));
    const key = this.#nextKey++;
    const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
    const onAbort = () => this.#step({ type: "cancel", key });
    this.#entries.set(key, {
      key,
      request,
      settle: { resolve, reject },
      release: () => signal?.removeEventListener("abort", onAbort),
      withdraw: new AbortController(),
      response: undefined,
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#step({
      type: "submit",
      spec: {
        key,
        type: request.type,
        priority: options.priority ?? "low",
        whitelist: options.whitelist,
        blacklist: options.blacklist,
        waitMs: options.waitMs ?? NO_STREAM_TIMEOUT_MS,
        ...limitsOf(request.type, options.timeoutMs),
      },
    });
    // `#answered` lets only a response of the request's own kind through.
    return promise as Promise<RawAnswer<Extract<SyncResponse, { readonly type: T["type"] }>>>;
  }

  added(instance: number, peer: string, failures: number): void {
    this.#step({ type: "added", instance, peer, failures });
  }
  /** @returns false when the stream is not known here, that is, carries nothing. */
  drain(instance: number): boolean {
    if (!this.#core.has(instance)) return false;
    this.#step({ type: "drain", instance });
    return true;
  }
  removed(instance: number): void {
    this.#errorsInARow.delete(instance);
    this.#step({ type: "removed", instance });
  }
  /** The stream has answered a question: it lives, and may be used again after a time-out. */
  revived(instance: number): void {
    this.#step({ type: "revived", instance });
  }
  failures(peer: string, count: number): void {
    this.#step({ type: "failures", peer, count });
  }
  suspend(peer: string, ms: number): void {
    this.#step({ type: "suspend", peer, ms });
  }
  progress(instance: number): void {
    this.#step({ type: "progress", instance });
  }
  expects(instance: number, id: bigint): boolean {
    return this.#core.expects(instance, id);
  }
  /** Hands in an answer. Of one that nobody waits for any more only the id counts: the stream is done with it. */
  deliver(instance: number, id: bigint, response: SyncResponse | undefined): void {
    const key = this.#core.keyOf(instance, id);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    if (entry !== undefined) entry.response = response;
    this.#step({ type: "deliver", instance, id });
  }

  /** What the stream works on now. */
  working(instance: number): RequestType | undefined {
    return this.#core.working(instance);
  }
  isSuspended(peer: string): boolean {
    return this.#core.isSuspended(peer, this.#clock.monotonic());
  }

  /** The guide's five health figures. */
  getStreamHealthStats(): StreamHealthStats {
    const counts = this.#core.failureCounts();
    const failureDistribution: Record<string, number> = {};
    let totalFailures = 0;
    for (const n of counts) {
      totalFailures += n;
      failureDistribution[n] = (failureDistribution[n] ?? 0) + 1;
    }
    return {
      totalStreams: counts.length,
      availableStreams: this.#core.available(this.#clock.monotonic()),
      totalFailures,
      failureDistribution,
      averageFailures: counts.length === 0 ? 0 : totalFailures / counts.length,
    };
  }

  /** Queue figures of the status page. */
  snapshot(): {
    readonly waitingHigh: number;
    readonly waitingLow: number;
    readonly pending: number;
    readonly oldestWaitingMs: number;
    readonly completed: number;
    readonly failed: number;
    readonly timeouts: number;
  } {
    return {
      waitingHigh: this.#core.waitingHigh,
      waitingLow: this.#core.waitingLow,
      pending: this.#core.pendingCount,
      oldestWaitingMs: this.#core.oldestWaitMs(this.#clock.monotonic()),
      completed: this.#completed,
      failed: this.#failed,
      timeouts: this.#timeouts,
    };
  }

  #step(event: RequestEvent): void {
    const effects = this.#core.step(this.#clock.monotonic(), event);
    this.#apply(effects);
  }

  #apply(effects: readonly RequestEffect[]): void {
    for (const effect of effects) this.#effect(effect);
    this.#meter.gauge(METRIC.waitingRequests, this.#core.waitingHigh + this.#core.waitingLow);
    this.#meter.gauge(METRIC.pendingRequests, this.#core.pendingCount);
    this.#meter.gauge(METRIC.connectedStreams, this.#core.connected);
    this.#meter.gauge(METRIC.availableStreams, this.#core.available(this.#clock.monotonic()));
    this.#armThrottle();
  }

  /** The tick runs only while somebody waits: dispatch itself is driven by events. */
  #armThrottle(): void {
    const waiting = this.#core.waitingHigh + this.#core.waitingLow > 0;
    if (waiting && this.#throttle === undefined && this.#monitor !== undefined) {
      this.#throttle = this.#clock.every(THROTTLE_INTERVAL_MS, () => {
        this.#apply(this.#core.throttle(this.#clock.monotonic(), THROTTLE_BATCH));
      });
    } else if (!waiting && this.#throttle !== undefined) {
      this.#throttle();
      this.#throttle = undefined;
    }
  }

  #effect(effect: RequestEffect): void {
    switch (effect.type) {
      case "send":
        return this.#send(effect.key, effect.instance, effect.id);
      case "answered":
        return this.#answered(effect);
      case "failed":
        return this.#requestFailed(effect);
      case "timedOut":
        return this.#revive(effect.instance, effect.what);
      case "drained":
        return this.#port.drained(effect.instance);
    }
  }

  #send(key: number, instance: number, id: bigint): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { request } = entry;
    this.#meter.clientRequest(request.type);
    const sending = this.#writer.write(instance, id, request, entry.withdraw.signal)
      .then((type) => this.#step({ type, instance, id }))
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** Takes the entry out: from here on it is settled. */
  #take(key: number): Entry | undefined {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    entry?.release();
    return entry;
  }

  #answered(effect: Extract<RequestEffect, { type: "answered" }>): void {
    const entry = this.#take(effect.key);
    if (entry === undefined) return;
    const { peer, instance, ms } = effect;
    const { type } = entry.request;
    const { response } = entry;
    this.#meter.clientDone(type, ms);
    if (response?.type === type) {
      this.#completed++;
      if (
        weightOfResponse(response) >=
          weightOfRequest(this.#errorsInARow.get(instance)?.type ?? "getBlockNumber")
      ) {
        this.#errorsInARow.delete(instance);
      }
      entry.settle.resolve({ response, streamId: peer, instance, ms });
      return;
    }
    this.#failed++;
    if (response?.type === "error") {
      entry.settle.reject(this.#peerError(instance, type, response.text, peer));
      return;
    }
    const text = `${type}: the peer answered with ${response?.type ?? "an unknown kind of response"}`;
    this.#meter.clientFailed(type, FAILURES.RESPONSE_TYPE.error);
    this.#port.report(instance, offence("RESPONSE_TYPE", text));
    entry.settle.reject(new HsyncError("RESPONSE_TYPE", text, { fault: "PROTOCOL", streamId: peer }));
  }

  #peerError(instance: number, type: RequestType, text: string, peer: string): HsyncError {
    const failure = classifyPeerError(text);
    this.#meter.clientFailed(type, FAILURES[failure].error);
    switch (failure) {
      case "PEER_CAP":
        this.#logger.error("a peer found one of our requests too large", { peer, type, text });
        break;
      case "PEER_BUSY":
        this.#step({ type: "pause", instance, ms: BUSY_PAUSE_MS });
        break;
      case "UNSUPPORTED":
        this.#step({ type: "unsupported", instance, request: type });
        break;
      case "PEER_ERROR": {
        const known = this.#errorsInARow.get(instance);
        const n = (known?.n ?? 0) + 1;
        const heavier = known === undefined || weightOfRequest(type) >= weightOfRequest(known.type);
        const request = heavier ? type : known.type;
        if (n < ERRORS_IN_A_ROW) this.#errorsInARow.set(instance, { n, type: request });
        else this.#errorsInARow.delete(instance);
        if (n >= ERRORS_IN_A_ROW) {
          this.#port.report(instance, { ...offence("PEER_ERROR", `${n} error answers in a row`), request });
        }
        break;
      }
      default:
        break;
    }
    return peerError(type, text, peer);
  }

  #requestFailed(effect: Extract<RequestEffect, { type: "failed" }>): void {
    const entry = this.#take(effect.key);
    if (entry === undefined) return;
    entry.withdraw.abort();
    const { type } = entry.request;
    const { failure, peer, ms } = effect;
    this.#failed++;
    if (failure === "REQUEST_TIMEOUT") this.#timeouts++;
    if (ms !== undefined) this.#meter.clientDone(type, ms);
    this.#meter.clientFailed(type, FAILURES[failure].error);
    const { fault } = FAILURES[failure];
    entry.settle.reject(
      new HsyncError(failure, `${type}: ${FAILURE_TEXT[failure] ?? failure}`, {
        fault,
        retryable: failure !== "CLOSED",
        // Who had it is told only where it is to blame: a cancelled request must not point at anybody (§10.2, R7).
        ...(peer !== undefined && fault !== "NONE" ? { streamId: peer } : {}),
      }),
    );
  }

  /** After a time-out the stream proves that it lives, or fails a second time (§4.4). */
  #revive(instance: number, what: RequestType): void {
    const silence = offence("REQUEST_TIMEOUT", `no answer to ${what} in time`);
    this.#port.report(instance, { ...silence, request: what });
    const probing = this.#port.probe(instance).then(
      () => this.revived(instance),
      (cause) => {
        // A stream that is gone has said so itself. Whatever else is no height is a second failure, or worse.
        if (!this.#core.has(instance)) return;
        const why = offenceOf(cause);
        const text = `no good answer to the probe after a time-out: ${why.text}`;
        this.#port.report(instance, isCritical(why.fault) ? why : offence("KEEP_ALIVE_TIMEOUT", text));
      },
    ).finally(() => this.#sending.delete(probing));
    this.#sending.add(probing);
  }
}

const FAILURE_TEXT: Partial<Record<FailureName, string>> = {
  CANCELLED: "cancelled",
  CLOSED: "request manager module closed",
  QUEUE_FULL: "waiting request queue already full",
  NO_STREAM: "no available stream",
  NO_ELIGIBLE_STREAM: "no connected stream may serve the request",
  WAIT_TIMEOUT: "no stream became free in time",
  STREAM_REMOVED: "stream removed when doing request",
  REQUEST_TIMEOUT: "request timeout",
  REQUEST_INVALID: "encode request: it does not fit a message",
  WRITE_TIMEOUT: "the request could not be written in time",
  WRITE_FAILED: "write bytes: the stream is gone",
};
