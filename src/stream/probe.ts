/**
 * The probe: a height query that tells a living stream from a silent one (sync-protocol.md §2.3).
 *
 * Why it exists: a Go node that refuses a stream says nothing, so only an answered question proves a stream. What
 * must stay true: a probe settles exactly once; its time runs only while the peer has the question; and its timer
 * never outlives it.
 */
import { type Cancel, type Clock, HsyncError } from "../base/mod.ts";
import { FAILURES } from "./fault.ts";
import { encodeFrame } from "./frame.ts";
import { encodeRequest, type SyncResponse } from "./message.ts";

/** A height query on its way. */
export interface Probe {
  readonly id: bigint;
  /** ms on the monotonic clock; once it is written, when that was. */
  readonly sentAt: number;
  readonly promise: Promise<number>;
  /** The question is out: the peer's time begins. Until then the write's own limit holds. */
  written(): void;
  answer(height: number): void;
  fail(error: HsyncError): void;
}

/** A new probe and the frame to send. `settled` is called when it is over, whatever the outcome. */
export function probeRequest(
  id: bigint,
  clock: Clock,
  timeoutMs: number,
  streamId: string,
  settled: () => void,
): { readonly probe: Probe; readonly frame: Uint8Array } {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  // Whoever shares the probe sees the rejection; a probe that nobody awaits must not end the process.
  promise.catch(() => {});
  let stop: Cancel | undefined;
  let over = false;
  let sentAt = clock.monotonic();
  const end = () => {
    over = true;
    stop?.();
    settled();
  };
  const probe: Probe = {
    id,
    get sentAt() {
      return sentAt;
    },
    promise,
    written: () => {
      if (over) return;
      sentAt = clock.monotonic();
      stop = clock.after(timeoutMs, () =>
        probe.fail(
          new HsyncError("PROBE_SILENT", `no height from the peer within ${timeoutMs / 1000} s`, {
            fault: "REFUSED",
            streamId,
            retryable: true,
          }),
        ));
    },
    answer: (height) => {
      end();
      resolve(height);
    },
    fail: (error) => {
      end();
      reject(error);
    },
  };
  return { probe, frame: encodeFrame(encodeRequest(id, { type: "getBlockNumber" })) };
}

/** The height in a response, or what is wrong with it (§2.9). `bound` is the highest believable one. */
export function readHeight(
  response: SyncResponse | undefined,
  bound: number,
  streamId: string,
): number | HsyncError {
  if (response?.type === "error") {
    return new HsyncError("PEER_ERROR", "the peer answered a height query with an error", {
      fault: FAILURES.PEER_ERROR.fault,
      streamId,
      retryable: true,
    });
  }
  if (response?.type !== "getBlockNumber") {
    return new HsyncError(
      "RESPONSE_TYPE",
      `the peer answered a height query with ${response?.type ?? "nothing"}`,
      {
        fault: "PROTOCOL",
        streamId,
      },
    );
  }
  if (response.number > BigInt(Number.MAX_SAFE_INTEGER) || Number(response.number) > bound) {
    return new HsyncError(
      "HEIGHT_ABSURD",
      `the peer claims height ${response.number}, at most ${bound} is possible`,
      {
        fault: "DATA",
        streamId,
      },
    );
  }
  return Number(response.number);
}
