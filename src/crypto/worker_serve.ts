/**
 * The worker's side: jobs in, answers out, in slices between which a cancellation can arrive.
 *
 * Why it exists: a thread that computes for seconds without a pause hears nothing. What must stay true: a job
 * that throws is reported as failed, never answered; steps that are given up are closed, so that they give back
 * what they hold.
 */
import { setImmediate } from "node:timers/promises";
import { cancelled, isAbort } from "../base/mod.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

/** What this code uses of a worker's global scope. */
export interface WorkerScope {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  postMessage(message: FromWorker): void;
}

/** Does one job; `stopped` tells whether nobody waits for it any more. */
export type JobHandler = (body: unknown, stopped: () => boolean) => Promise<unknown>;

/** Answers jobs from now on, and says that it does. */
export function serveJobs(scope: WorkerScope, handle: JobHandler): void {
  let current = 0;
  let stop = false;
  const work = async (id: number, body: unknown): Promise<void> => {
    try {
      const answer = await handle(body, () => stop);
      scope.postMessage({ kind: "done", id, answer });
    } catch (error) {
      if (stop && isAbort(error)) scope.postMessage({ kind: "cancelled", id });
      else {
        const message = error instanceof Error ? error.message : String(error);
        scope.postMessage({ kind: "failed", id, message });
      }
    }
  };
  scope.onmessage = ({ data }) => {
    const message = data as ToWorker; // from our own pool
    if (message.kind === "cancel") {
      if (message.id === current) stop = true;
      return;
    }
    current = message.id;
    stop = false;
    void work(message.id, message.body); // tells of its own failure
  };
  scope.postMessage({ kind: "ready" });
}

/** Stores what `steps` return. */
function* collect<T>(steps: Generator<void, T, void>, into: T[]): Generator<void, void, void> {
  into.push(yield* steps);
}

/**
 * Runs steps to their end, letting other events in after every `budgetMs` of work.
 *
 * @throws {HsyncError} CANCELLED once `stopped` says so (looked at between slices); the steps are then closed.
 */
export async function runSliced<T>(
  steps: Generator<void, T, void>,
  budgetMs: number,
  stopped: () => boolean,
): Promise<T> {
  const result: T[] = [];
  let since = performance.now();
  for (const _ of collect(steps, result)) {
    if (performance.now() - since < budgetMs) continue;
    await setImmediate();
    if (stopped()) throw cancelled("verifying certificates");
    since = performance.now();
  }
  return result[0] as T;
}
