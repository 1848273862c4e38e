/**
 * Workers without threads: the test says when one becomes ready, answers, or dies.
 *
 * Why it exists: crashes, hangs and late answers must be testable without waiting for any.
 */
import type { StartWorker, WorkerEvents } from "../../../src/crypto/worker_pool.ts";
import type { ToWorker } from "../../../src/crypto/worker_protocol.ts";

export class FakeWorker {
  readonly received: ToWorker[] = [];
  stopped = false;
  constructor(readonly events: WorkerEvents) {}

  ready(): void {
    this.events.message({ kind: "ready" });
  }
  /** Bodies of the jobs that it was given. */
  get jobs(): unknown[] {
    return this.received.flatMap((message) => message.kind === "job" ? [message.body] : []);
  }
  get lastId(): number {
    return this.received.findLast((message) => message.kind === "job")?.id ?? 0;
  }
  answer(answer: unknown): void {
    this.events.message({ kind: "done", id: this.lastId, answer });
  }
  crash(message = "crashed"): void {
    this.events.failed(new Error(message));
  }
}

export class FakeWorkers {
  readonly all: FakeWorker[] = [];
  /** Set to make the next starts throw. */
  startError: Error | undefined;

  readonly start: StartWorker = (events) => {
    if (this.startError !== undefined) throw this.startError;
    const worker = new FakeWorker(events);
    this.all.push(worker);
    return {
      post: (message) => worker.received.push(message),
      stop: () => {
        worker.stopped = true;
      },
    };
  };
  /** The n-th worker that was started. */
  get(n: number): FakeWorker {
    const worker = this.all[n];
    if (worker === undefined) throw new Error(`worker ${n} was not started`);
    return worker;
  }
}
