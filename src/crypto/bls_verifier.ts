/**
 * The node's way to verify certificates: off the event loop, over all workers, whatever happens to them.
 *
 * Why it exists: callers want verdicts, not threads. What must stay true: verdicts come in the order of the
 * certificates, all or (thrown) none; an empty batch is an error; lengths and bitmaps are judged here, so that
 * a worker never sees a record it cannot read; without workers the same verdicts come from this thread in
 * short slices, and the log says so once.
 */
import {
  cancelled,
  type Clock,
  concat,
  HsyncError,
  isAbort,
  type Logger,
  nullLogger,
  Semaphore,
  SystemClock,
} from "../base/mod.ts";
import {
  type CertificateInput,
  type CertificateVerdict,
  type CommitteeKeys,
  inspectCertificate,
  refused,
  requireBatch,
} from "./bls_certificate.ts";
import { packCertificates, packVerdicts, unpackCertificates, unpackVerdict } from "./bls_protocol.ts";
import type { BatchRequest } from "./bls_protocol.ts";
import { WasmBls } from "./bls_wasm.ts";
import { FINE } from "./bls_wasm_batch.ts";
import { moduleWorkers, type StartWorker, WorkerPool } from "./worker_pool.ts";
import { runSliced } from "./worker_serve.ts";

export interface CertificateVerifier {
  /** One certificate. For what is thrown see `verifyBatch`. */
  verify(
    committee: CommitteeKeys,
    input: CertificateInput,
    signal?: AbortSignal,
  ): Promise<CertificateVerdict>;
  /**
   * Certificates of one committee, a verdict for each, in order; the inputs may change once the call returned.
   *
   * @throws {HsyncError} BLS_EMPTY_BATCH; CANCELLED; WORKER_QUEUE_FULL and WORKER_FAILED (retryable); BLS_INTERNAL.
   *   None of them says anything about a certificate.
   */
  verifyBatch(
    committee: CommitteeKeys,
    inputs: readonly CertificateInput[],
    signal?: AbortSignal,
  ): Promise<CertificateVerdict[]>;
  /** Threads that exist, threads that compute, jobs that wait for one. */
  readonly stats: { readonly workers: number; readonly busy: number; readonly queued: number };
  /** True when verifying takes turns with everything else on this thread, for lack of workers. */
  readonly inProcess: boolean;
  /** Ends the workers; calls under way reject with CANCELLED. */
  close(): void;
}

export interface VerifierOptions {
  /** Default: one per core but one, at least 1. 0: no workers, slices on this thread. */
  readonly workers?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Default: the module beside this one. Tests pass doubles. */
  readonly start?: StartWorker;
  /** Jobs that may wait for a worker, default 1,024. */
  readonly maxQueued?: number;
}

/** A job is at most this large, to stay interruptible and to spread. */
const MAX_BATCH = 256;
/** Below this a batch is not split: shared pairings save more than a second worker gains. */
const MIN_BATCH = 32;
const COMMITTEES_PER_WORKER = 32;
const START_TIMEOUT_MS = 30_000;
/** Far above the worst batch (all bad, on a busy machine): only a dead worker takes as long. */
const JOB_TIMEOUT_MS = 120_000;
/** The longest this thread computes without a pause, ms. */
const SLICE_MS = 8;

/**
 * The worker's entry: beside this file in the sources and in a compiled executable (which must include it), and as
 * a bundle of its own beside a bundle of the program.
 */
function workerModule(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("./bls_worker.ts", import.meta.url)
    : new URL("./bls_worker.js", import.meta.url);
}

/** Which committees a worker was sent; the oldest are forgotten on both sides. */
class SentCommittees {
  readonly #ids = new Set<number>();

  request(committee: CommitteeKeys, records: Uint8Array): BatchRequest {
    const { id } = committee;
    const known = this.#ids.delete(id);
    this.#ids.add(id); // now the newest
    const forget: number[] = [];
    for (const oldest of this.#ids) {
      if (this.#ids.size <= COMMITTEES_PER_WORKER) break;
      this.#ids.delete(oldest);
      forget.push(oldest);
    }
    return { committee: id, keys: known ? undefined : committee.bytes, forget, records };
  }
}

/** One batch at a time on this thread, never long without a pause. */
class InProcess {
  readonly #turn = new Semaphore(1);
  #bls: Promise<WasmBls> | undefined;
  #closed = false;

  verify(committee: CommitteeKeys, records: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const stopped = () => signal.aborted || this.#closed;
    return this.#turn.run(async () => {
      if (stopped()) throw cancelled("verifying certificates");
      try {
        this.#bls ??= WasmBls.create();
        const bls = await this.#bls;
        const steps = bls.verifySteps(committee, unpackCertificates(committee, records), FINE);
        return packVerdicts(await runSliced(steps, SLICE_MS, stopped));
      } catch (error) {
        // After a failure inside, the library's state is not to be trusted: the next batch gets a new instance.
        if (!isAbort(error)) this.#bls = undefined;
        throw error;
      }
    }, signal);
  }
  close(): void {
    this.#closed = true;
  }
}

class PooledVerifier implements CertificateVerifier {
  readonly #pool: WorkerPool<SentCommittees> | undefined;
  readonly #spread: number;
  readonly #inProcess = new InProcess();
  readonly #logger: Logger;
  #closed = false;
  #said = false;

  constructor(options: VerifierOptions) {
    const workers = options.workers ?? Math.max(1, navigator.hardwareConcurrency - 1);
    this.#spread = Math.max(1, workers);
    this.#logger = options.logger ?? nullLogger;
    if (workers === 0) return;
    this.#pool = new WorkerPool({
      name: "certificate",
      size: workers,
      start: options.start ?? moduleWorkers(workerModule(), "hsync-bls"),
      newSession: () => new SentCommittees(),
      clock: options.clock ?? new SystemClock(),
      logger: this.#logger,
      maxQueued: options.maxQueued ?? 1024,
      startTimeoutMs: START_TIMEOUT_MS,
      jobTimeoutMs: JOB_TIMEOUT_MS,
    });
  }
  get stats(): { readonly workers: number; readonly busy: number; readonly queued: number } {
    return this.#pool?.stats ?? { workers: 0, busy: 0, queued: 0 };
  }
  get inProcess(): boolean {
    return this.#pool === undefined || !this.#pool.available;
  }
  async verify(
    committee: CommitteeKeys,
    input: CertificateInput,
    signal?: AbortSignal,
  ): Promise<CertificateVerdict> {
    const [verdict] = await this.verifyBatch(committee, [input], signal);
    if (verdict === undefined) throw new HsyncError("BLS_INTERNAL", "a certificate got no verdict");
    return verdict;
  }
  async verifyBatch(
    committee: CommitteeKeys,
    inputs: readonly CertificateInput[],
    signal?: AbortSignal,
  ): Promise<CertificateVerdict[]> {
    requireBatch(inputs);
    if (signal?.aborted || this.#closed) throw cancelled("verifying certificates");
    const inspected = inputs.map((input) => inspectCertificate(committee, input));
    const worthy = inputs.filter((_, i) => inspected[i]?.fault === undefined);
    const codes = worthy.length === 0
      ? new Uint8Array(0)
      : await this.#judge(committee, packCertificates(committee, worthy), worthy.length, signal);
    let next = 0;
    return inspected.map(({ fault, signers }) => {
      if (fault !== undefined) return refused(fault, signers);
      const verdict = unpackVerdict(codes[next++]);
      if (verdict === undefined) throw new HsyncError("BLS_INTERNAL", "a worker answered without a verdict");
      return verdict === "valid" ? { valid: true, signers } : refused(verdict, signers);
    });
  }
  close(): void {
    this.#closed = true;
    this.#inProcess.close();
    this.#pool?.close();
  }

  /** The verdict bytes of `count` packed records. */
  async #judge(
    committee: CommitteeKeys,
    records: Uint8Array,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const recordBytes = records.length / count;
    const parts = Math.max(
      Math.ceil(count / MAX_BATCH),
      Math.min(this.#spread, Math.floor(count / MIN_BATCH)),
      1,
    );
    const perPart = Math.ceil(count / parts);
    // When the caller leaves or one part fails, the others are of no use any more.
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const jobs: Promise<Uint8Array>[] = [];
    for (let from = 0; from < count; from += perPart) {
      const to = Math.min(count, from + perPart);
      const part = records.slice(from * recordBytes, to * recordBytes);
      jobs.push(this.#judgePart(committee, part, to - from, stop.signal));
    }
    try {
      return concat(...await Promise.all(jobs));
    } catch (error) {
      stop.abort();
      await Promise.allSettled(jobs);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
  async #judgePart(
    committee: CommitteeKeys,
    records: Uint8Array,
    count: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const codes = await this.#onWorker(committee, records, signal) ??
      await this.#inProcess.verify(committee, records, signal);
    if (codes.length !== count) {
      throw new HsyncError("BLS_INTERNAL", `${codes.length} verdicts came for ${count} certificates`);
    }
    return codes;
  }
  /** Undefined when there is no worker to ask. */
  async #onWorker(
    committee: CommitteeKeys,
    records: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    if (this.#pool === undefined) return undefined;
    try {
      const answer = await this.#pool.run((sent) => sent.request(committee, records), signal);
      if (!(answer instanceof Uint8Array)) {
        throw new HsyncError("BLS_INTERNAL", "a worker answered with something else than verdicts");
      }
      return answer;
    } catch (error) {
      if (!(error instanceof HsyncError) || error.code !== "WORKERS_UNAVAILABLE") throw error;
      if (!this.#said) {
        this.#said = true;
        this.#logger.warn("certificates are verified on the main thread, which is slower", {
          reason: error.cause instanceof Error ? error.cause.message : error.message,
        });
      }
      return undefined;
    }
  }
}

/** A verifier over worker threads. Close it, else its workers keep the process alive. */
export function createCertificateVerifier(options: VerifierOptions = {}): CertificateVerifier {
  return new PooledVerifier(options);
}
