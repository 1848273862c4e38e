/**
 * A few workers, a bounded queue, and no surprise that stays silent.
 *
 * Why it exists: heavy checks must not hold the event loop (DESIGN rule 7), and a thread can die. What must
 * stay true: a job ends exactly once, with an answer or an error; a job whose worker crashed, hung or failed inside is
 * tried once more on a fresh worker and then reported; a worker that did not start is tried again after a pause that grows, and no
 * job waits for that: while there is none the pool says so, so that its owner can work without it; an aborted caller is told
 * at once.
 */
import { type Cancel, cancelled, type Clock, HsyncError, type Logger } from "../base/mod.ts";
import { asFromWorker, type ToWorker } from "./worker_protocol.ts";

/** What a worker tells its owner. */
export interface WorkerEvents {
  message(data: unknown): void;
  /** It died, could not start, or sent what cannot be read. */
  failed(error: Error): void;
}
export interface WorkerHandle {
  post(message: ToWorker): void;
  /** Ends it at once; no event follows that matters. */
  stop(): void;
}
/** Starts one worker. Tests pass a double. */
export type StartWorker = (events: WorkerEvents) => WorkerHandle;

/** Real workers from a module next to the code; works wherever that module can be found at run time. */
export function moduleWorkers(url: URL, name: string): StartWorker {
  return (events) => {
    const worker = new Worker(url, { type: "module", name });
    worker.onmessage = (event) => events.message(event.data);
    worker.onmessageerror = () => events.failed(new Error("sent a message that cannot be read"));
    worker.onerror = (event) => {
      event.preventDefault(); // else the error ends the whole program
      events.failed(new Error(event.message));
    };
    return {
      post: (message) => worker.postMessage(message),
      stop: () => worker.terminate(),
    };
  };
}

export interface WorkerPoolOptions<Session> {
  /** For messages. */
  readonly name: string;
  /** Most workers at once, at least 1; they start when there is work for them. */
  readonly size: number;
  readonly start: StartWorker;
  /** What is remembered about each worker, such as what it was sent already. */
  readonly newSession: () => Session;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Jobs that may wait; one more is refused. */
  readonly maxQueued: number;
  /** How long a worker may take to become ready, ms. */
  readonly startTimeoutMs: number;
  /** How long a job may take before its worker counts as dead, ms. */
  readonly jobTimeoutMs: number;
}

const MAX_ATTEMPTS = 2;
/** The first pause after a start that failed, and the longest, ms. */
const START_PAUSE_MS = 30_000;
const MAX_START_PAUSE_MS = 600_000;

interface Job<Session> {
  readonly id: number;
  /** The message body for one worker; called again when the job is tried again. */
  readonly body: (session: Session) => unknown;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
  attempts: number;
  settled: boolean;
}

interface Slot<Session> {
  readonly session: Session;
  handle: WorkerHandle | undefined;
  ready: boolean;
  /** Started to see whether it starts now; nothing counts on it before. */
  readonly trial: boolean;
  job: Job<Session> | undefined;
  timer: Cancel;
}

export class WorkerPool<Session> {
  readonly #options: WorkerPoolOptions<Session>;
  readonly #slots = new Set<Slot<Session>>();
  readonly #queue: Job<Session>[] = [];
  #capacity: number;
  #nextId = 1;
  #closed = false;
  #lastStartError: Error | undefined;
  /** Starts that failed since the last one that did not. */
  #failedStarts = 0;
  /** When a worker that did not start is tried again, ms, monotonic. */
  #tryAt = Infinity;

  constructor(options: WorkerPoolOptions<Session>) {
    if (!Number.isInteger(options.size) || options.size < 1) {
      throw new RangeError(`a worker pool needs at least 1 worker, got ${options.size}`);
    }
    this.#options = options;
    this.#capacity = options.size;
  }
  /** Figures for status and tests. */
  get stats(): { readonly workers: number; readonly busy: number; readonly queued: number } {
    let busy = 0;
    for (const slot of this.#slots) if (slot.job !== undefined) busy++;
    return { workers: this.#slots.size, busy, queued: this.#queue.length };
  }
  /** False while no worker can be started: every job is then refused with WORKERS_UNAVAILABLE. */
  get available(): boolean {
    return this.#capacity > 0;
  }
  /**
   * Runs one job.
   *
   * @throws {HsyncError} CANCELLED; WORKER_QUEUE_FULL (retryable); WORKERS_UNAVAILABLE; WORKER_FAILED when two
   *   workers did not survive it; WORKER_POOL_CLOSED.
   */
  run(body: (session: Session) => unknown, signal?: AbortSignal): Promise<unknown> {
    const { name, maxQueued } = this.#options;
    if (signal?.aborted) return Promise.reject(cancelled(`a job of the ${name} workers`));
    if (this.#closed) {
      return Promise.reject(new HsyncError("WORKER_POOL_CLOSED", `the ${name} workers are stopped`));
    }
    this.#tryAgain();
    if (!this.available) return Promise.reject(this.#unavailable());
    if (this.#queue.length >= maxQueued) {
      return Promise.reject(
        new HsyncError("WORKER_QUEUE_FULL", `${maxQueued} jobs wait for the ${name} workers already`, {
          retryable: true,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#abort(job);
      const settle = () => {
        job.settled = true;
        signal?.removeEventListener("abort", onAbort);
      };
      const job: Job<Session> = {
        id: this.#nextId++,
        body,
        resolve: (answer) => {
          settle();
          resolve(answer);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
        attempts: 0,
        settled: false,
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#queue.push(job);
      this.#pump();
    });
  }
  /** Stops all workers and rejects what was under way with CANCELLED. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const jobs = this.#queue.splice(0);
    for (const slot of [...this.#slots]) {
      if (slot.job !== undefined) jobs.push(slot.job);
      this.#dismiss(slot);
    }
    for (const job of jobs) {
      if (!job.settled) job.reject(cancelled(`a job of the ${this.#options.name} workers`));
    }
  }

  /** Starts one of the workers that did not start before, if it is time. */
  #tryAgain(): void {
    if (this.#capacity >= this.#options.size || this.#options.clock.monotonic() < this.#tryAt) return;
    this.#tryAt = Infinity;
    this.#start(undefined, true);
  }
  #pauseStarts(): void {
    const pause = Math.min(MAX_START_PAUSE_MS, START_PAUSE_MS * 2 ** Math.max(0, this.#failedStarts - 1));
    this.#tryAt = this.#options.clock.monotonic() + pause;
  }
  #unavailable(): HsyncError {
    return new HsyncError("WORKERS_UNAVAILABLE", `no ${this.#options.name} worker can be started`, {
      cause: this.#lastStartError,
    });
  }
  #abort(job: Job<Session>): void {
    if (job.settled) return;
    const waiting = this.#queue.indexOf(job);
    if (waiting >= 0) this.#queue.splice(waiting, 1);
    for (const slot of this.#slots) {
      if (slot.job === job && slot.ready) slot.handle?.post({ kind: "cancel", id: job.id });
    }
    job.reject(cancelled(`a job of the ${this.#options.name} workers`));
  }
  /** Gives waiting jobs to idle workers and starts workers while some are missing. */
  #pump(): void {
    if (this.#closed) return;
    for (const slot of this.#slots) {
      while (slot.ready && slot.job === undefined) {
        const job = this.#queue.shift();
        if (job === undefined) return;
        this.#assign(slot, job);
      }
    }
    let coming = 0, counted = 0;
    for (const slot of this.#slots) {
      if (!slot.trial || slot.ready) counted++;
      if (!slot.ready && !slot.trial && slot.job === undefined) coming++;
    }
    while (coming < this.#queue.length && counted < this.#capacity) {
      this.#start(undefined);
      coming++;
      counted++;
    }
  }
  /** @param job the one that this worker is started for, if it is a second try. */
  #start(job: Job<Session> | undefined, trial = false): void {
    const { start, newSession, clock, startTimeoutMs } = this.#options;
    const slot: Slot<Session> = {
      session: newSession(),
      handle: undefined,
      ready: false,
      trial,
      job,
      timer: clock.after(startTimeoutMs, () => {
        this.#fail(slot, new Error(`not ready after ${startTimeoutMs} ms`));
      }),
    };
    this.#slots.add(slot);
    try {
      slot.handle = start({
        message: (data) => this.#receive(slot, data),
        failed: (error) => this.#fail(slot, error),
      });
    } catch (error) {
      // Later, as from any other worker: the caller is in the middle of its own bookkeeping.
      queueMicrotask(() => this.#fail(slot, error instanceof Error ? error : new Error(String(error))));
    }
  }
  #assign(slot: Slot<Session>, job: Job<Session>): void {
    const { clock, jobTimeoutMs } = this.#options;
    slot.job = job;
    job.attempts++;
    slot.timer = clock.after(jobTimeoutMs, () => {
      this.#fail(slot, new Error(`no answer after ${jobTimeoutMs} ms`));
    });
    try {
      slot.handle?.post({ kind: "job", id: job.id, body: job.body(slot.session) });
    } catch (error) {
      // Not the worker's fault: the job itself cannot be said.
      slot.timer();
      slot.job = undefined;
      job.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }
  #receive(slot: Slot<Session>, data: unknown): void {
    if (!this.#slots.has(slot)) return;
    const message = asFromWorker(data);
    if (message === undefined) return this.#fail(slot, new Error("sent a message of unknown form"));
    slot.timer();
    if (message.kind === "ready") {
      slot.ready = true;
      this.#failedStarts = 0;
      if (slot.trial) this.#started();
      const reserved = slot.job;
      slot.job = undefined;
      if (reserved !== undefined && !reserved.settled) this.#assign(slot, reserved);
      return this.#pump();
    }
    const job = slot.job;
    if (job === undefined || job.id !== message.id) {
      return this.#fail(slot, new Error("answered a job that it does not have"));
    }
    if (message.kind === "failed") return this.#fail(slot, new Error(message.message));
    slot.job = undefined;
    if (!job.settled) {
      if (message.kind === "done") job.resolve(message.answer);
      else job.reject(cancelled(`a job of the ${this.#options.name} workers`));
    }
    this.#pump();
  }
  /** Takes a worker out and decides what becomes of its job. */
  #fail(slot: Slot<Session>, error: Error): void {
    if (!this.#slots.has(slot)) return;
    const { name, logger } = this.#options;
    const job = slot.job;
    const started = slot.ready;
    this.#dismiss(slot);
    if (started) logger.warn(`a ${name} worker failed and is replaced`, { error });
    else {
      if (!slot.trial) this.#capacity--;
      this.#failedStarts++;
      this.#pauseStarts();
      this.#lastStartError = error;
      logger.warn(`a ${name} worker did not start`, { error, left: this.#capacity });
    }
    if (!this.available) {
      for (const waiting of this.#queue.splice(0)) waiting.reject(this.#unavailable());
    }
    if (job !== undefined && !job.settled) this.#retry(job, started, error);
    this.#pump();
  }
  #started(): void {
    const { name, logger, size } = this.#options;
    this.#capacity++;
    if (this.#capacity < size) this.#pauseStarts();
    logger.info(`a ${name} worker has started after all`, { workers: this.#capacity });
  }
  #retry(job: Job<Session>, started: boolean, error: Error): void {
    if (!this.available) return job.reject(this.#unavailable());
    if (!started) { // the fresh worker never came up; any other will do
      this.#queue.unshift(job);
      return;
    }
    if (job.attempts < MAX_ATTEMPTS) return this.#start(job);
    job.reject(
      new HsyncError(
        "WORKER_FAILED",
        `two ${this.#options.name} workers failed on one job, the last one: ${error.message}`,
        { retryable: true, cause: error },
      ),
    );
  }
  #dismiss(slot: Slot<Session>): void {
    slot.timer();
    this.#slots.delete(slot);
    slot.handle?.stop();
  }
}
