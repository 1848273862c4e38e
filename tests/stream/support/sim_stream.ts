/**
 * A simulated duplex byte stream: two ends, one link, an injected clock.
 *
 * Why it exists: the stream layer is tested without sockets, with latency, loss and back-pressure that replay from a
 * seed. What must stay true: bytes of one direction arrive in order; at most a window of unread bytes is held; and
 * with an instant link everything happens without the clock moving.
 */
import { cancelled, type Clock, HsyncError, type Random } from "../../../src/base/mod.ts";
import type { P2PStream } from "../../../src/p2p/mod.ts";

/** How a link behaves. All zero means: instant and perfect. */
export interface LinkProfile {
  /** One-way delay, ms. */
  readonly latencyMs: number;
  /** Random addition to the delay of each slice, ms. */
  readonly jitterMs?: number;
  /** Throughput of one direction; unlimited when absent. */
  readonly bytesPerMs?: number;
  /** Chance that a slice is lost once and comes again `resendMs` later. */
  readonly loss?: number;
  readonly resendMs?: number;
}

export const INSTANT: LinkProfile = { latencyMs: 0 };

const SLICE = 64 * 1024;
const WINDOW = 256 * 1024;

function gone(reason: string, code = "SIM_RESET"): HsyncError {
  return new HsyncError(code, reason, { fault: "TRANSPORT", retryable: true });
}

export class SimStream implements P2PStream {
  readonly peerId: string;
  readonly direction: "in" | "out";
  readonly remoteAddress: string;
  readonly protocol: string;
  readonly muxer = "/sim/1.0.0";
  readonly closed: Promise<void>;
  /** Set when both ends exist. */
  other!: SimStream;
  readonly #clock: Clock;
  readonly #link: LinkProfile;
  readonly #random: Random;
  readonly #resolveClosed: () => void;
  readonly #inbox: Uint8Array[] = [];
  #unread = 0;
  #inFlight = 0;
  #lastArrival = 0;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #ended = false;
  #error: HsyncError | undefined;
  #writes: Promise<void> = Promise.resolve();
  /** Why this end was reset, by whichever side. */
  resetReason: string | undefined;
  /** ms of this end's clock when it was reset. */
  resetAt: number | undefined;
  /** Bytes this end has sent. */
  sent = 0;

  constructor(options: {
    readonly peerId: string;
    readonly direction: "in" | "out";
    readonly protocol: string;
    readonly clock: Clock;
    readonly link: LinkProfile;
    readonly random: Random;
  }) {
    this.peerId = options.peerId;
    this.direction = options.direction;
    this.protocol = options.protocol;
    this.remoteAddress = `/sim/${options.peerId}`;
    this.#clock = options.clock;
    this.#link = options.link;
    this.#random = options.random;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get isReset(): boolean {
    return this.#error !== undefined;
  }
  /** Bytes that arrived here and were not read yet. */
  get unread(): number {
    return this.#unread;
  }

  get source(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#iterate() };
  }

  async *#iterate(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const chunk = this.#inbox.shift();
      if (chunk !== undefined) {
        this.#unread -= chunk.length;
        this.other.#wakeWriter?.();
        yield chunk;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((wake) => this.#wakeReader = wake);
        this.#wakeReader = undefined;
      }
    }
  }

  write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const copy = bytes.slice();
    const mine = this.#writes.then(() => this.#write(copy, signal));
    this.#writes = mine.catch(() => {});
    return mine;
  }

  async #write(bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const onAbort = () => {
      this.reset("write aborted");
    };
    if (signal?.aborted) throw cancelled("write");
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (let at = 0; at < bytes.length; at += SLICE) {
        const slice = bytes.subarray(at, Math.min(bytes.length, at + SLICE));
        while (this.#error === undefined && this.#inFlight + this.other.#unread >= WINDOW) {
          await new Promise<void>((wake) => this.#wakeWriter = wake);
          this.#wakeWriter = undefined;
        }
        if (this.#error !== undefined) throw signal?.aborted ? cancelled("write") : this.#error;
        this.#transmit(slice);
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #transmit(slice: Uint8Array): void {
    this.sent += slice.length;
    const { latencyMs, jitterMs = 0, bytesPerMs, loss = 0, resendMs = 200 } = this.#link;
    if (latencyMs === 0 && jitterMs === 0 && bytesPerMs === undefined && loss === 0) {
      this.other.#arrive(slice);
      return;
    }
    const now = this.#clock.monotonic();
    let delay = latencyMs + (jitterMs > 0 ? this.#random.next() * jitterMs : 0);
    if (loss > 0 && this.#random.next() < loss) delay += resendMs;
    const start = Math.max(now + delay, this.#lastArrival);
    this.#lastArrival = start + (bytesPerMs === undefined ? 0 : slice.length / bytesPerMs);
    this.#inFlight += slice.length;
    this.#clock.after(this.#lastArrival - now, () => {
      this.#inFlight -= slice.length;
      this.other.#arrive(slice);
      this.#wakeWriter?.();
    });
  }

  #arrive(slice: Uint8Array): void {
    if (this.#error !== undefined || this.#ended) return;
    this.#inbox.push(slice);
    this.#unread += slice.length;
    this.#wakeReader?.();
  }

  /** What a Go peer does at a clean end: closes its writing side only. */
  halfClose(): void {
    this.#deliver(() => {
      this.other.#ended = true;
      this.other.#wakeReader?.();
    });
  }

  reset(reason: string): void {
    if (this.#error !== undefined) return;
    this.#fail(reason);
    this.#deliver(() => this.other.#fail(`the other side reset: ${reason}`, "STREAM_RESET_BY_PEER"));
  }

  /** Both ends at once, as when a cable is pulled. */
  cut(reason: string): void {
    this.#fail(reason);
    this.other.#fail(reason);
  }

  #deliver(fn: () => void): void {
    if (this.#link.latencyMs === 0) fn();
    else this.#clock.after(Math.max(this.#link.latencyMs, this.#lastArrival - this.#clock.monotonic()), fn);
  }

  #fail(reason: string, code?: string): void {
    if (this.#error !== undefined) return;
    this.#error = gone(reason, code);
    this.resetReason = reason;
    this.resetAt = this.#clock.monotonic();
    this.#inbox.length = 0;
    this.#unread = 0;
    this.#wakeReader?.();
    this.#wakeWriter?.();
    this.other.#wakeWriter?.();
    this.#resolveClosed();
  }
}

/** The two ends of one stream that `from` opens to `to`. */
export function streamPair(options: {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly link?: LinkProfile;
}): { readonly out: SimStream; readonly in: SimStream } {
  const { from, to, protocol, clock, random, link = INSTANT } = options;
  const out = new SimStream({ peerId: to, direction: "out", protocol, clock, random, link });
  const inn = new SimStream({ peerId: from, direction: "in", protocol, clock, random, link });
  out.other = inn;
  inn.other = out;
  return { out, in: inn };
}
