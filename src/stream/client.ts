/**
 * The typed client calls: ask, check, blame, return.
 *
 * Why it exists: the pipeline above gets values that have passed every check of sync-protocol.md §2.9, or an error
 * that says who is at fault. What must stay true: whoever sent a bad answer has been reported before the caller
 * hears of it; a request that a server would punish (empty, above a cap) is never sent; and state requests never go
 * out on `epochsync`, where they end a Go node (§2.8).
 */
import { asHsyncError, type Clock, HsyncError } from "../base/mod.ts";
import { type BlockChecker, checkBlobs, checkBlocksByHashes, checkBlocksByNumber } from "./client_checks.ts";
import { checkHashes, checkReceipts, fault } from "./client_checks.ts";
import { CAPS, DELIVER_TIMEOUT_MS, MAX_STATE_BYTES } from "./constants.ts";
import { failureOf, type Offence } from "./fault.ts";
import type { RequestType, SyncRequest } from "./message.ts";
import type { StreamMeter } from "./meters.ts";
import { readHeight } from "./probe.ts";
import type { RawAnswer, RequestManager } from "./request_manager.ts";
import type {
  Answer,
  BlockClient,
  DeliveredBlock,
  HashOptions,
  ReceiptOptions,
  RequestOptions,
  StateClient,
} from "./types.ts";
import { type Weight, weightOfResponse } from "./weight.ts";

/** Where verdicts go. */
export interface ClientPort {
  /** The peer counts also when its stream, `instance`, is gone by now. */
  report(peer: string, offence: Offence, instance: number): void;
  /** The peer's answer was good; failures of no greater weight decay. */
  credit(peer: string, weight: Weight): void;
  /** A good answer of `items` blocks came after `ms`. */
  measured(instance: number, items: number, ms: number): void;
  /** The peer named its height. */
  height(instance: number, height: number): void;
}

export interface ClientOptions {
  readonly requests: RequestManager;
  readonly port: ClientPort;
  readonly clock: Clock;
  readonly meter: StreamMeter;
  readonly shardId: number;
  readonly service: "sync" | "epochsync";
  readonly heightBound: () => number;
  readonly checker: BlockChecker;
}

/** Why a call was not sent at all. */
function refuse(text: string): Promise<never> {
  return Promise.reject(fault("REQUEST_INVALID", text));
}

export class SyncClient implements BlockClient, StateClient {
  readonly #o: ClientOptions;

  constructor(options: ClientOptions) {
    this.#o = options;
  }

  getBlockNumber(options: RequestOptions = {}): Promise<Answer<number>> {
    return this.#call({ type: "getBlockNumber" }, options, (raw) => {
      const height = readHeight(raw.response, this.#o.heightBound(), raw.streamId);
      if (typeof height !== "number") throw height;
      this.#o.port.height(raw.instance, height);
      return { value: height, items: 0 };
    });
  }

  getBlockHashes(
    numbers: readonly number[],
    options: HashOptions = {},
  ): Promise<Answer<Array<Uint8Array | undefined>>> {
    const bad = checkCount(numbers.length, CAPS.getBlockHashes, "block numbers") ?? checkNumbers(numbers);
    if (bad !== undefined) return refuse(bad);
    const gaps = this.#o.service === "epochsync";
    const prefix = options.prefix ?? false;
    return this.#call({ type: "getBlockHashes", numbers: numbers.map(BigInt) }, options, ({ response }) => {
      return { value: checkHashes(response, numbers, { gaps, prefix }), items: 0 };
    });
  }

  getBlocksByNumber(
    numbers: readonly number[],
    options: RequestOptions = {},
  ): Promise<Answer<DeliveredBlock[]>> {
    const bad = checkCount(numbers.length, CAPS.getBlocksByNumber, "block numbers") ?? checkNumbers(numbers);
    if (bad !== undefined) return refuse(bad);
    if (numbers.some((n, i) => i > 0 && n <= (numbers[i - 1] as number))) {
      return refuse("block numbers must be strictly increasing");
    }
    const { shardId, checker } = this.#o;
    return this.#call(
      { type: "getBlocksByNumber", numbers: numbers.map(BigInt) },
      options,
      async ({ response }) => {
        const value = await checkBlocksByNumber(response, numbers, shardId, checker);
        return { value, items: value.length };
      },
    );
  }

  getBlocksByHashes(
    hashes: readonly Uint8Array[],
    options: RequestOptions = {},
  ): Promise<Answer<Array<DeliveredBlock | undefined>>> {
    const bad = checkCount(hashes.length, CAPS.getBlocksByHashes, "block hashes") ?? checkHashLengths(hashes);
    if (bad !== undefined) return refuse(bad);
    const { shardId, checker } = this.#o;
    return this.#call({ type: "getBlocksByHashes", hashes }, options, async ({ response }) => {
      const value = await checkBlocksByHashes(response, hashes, shardId, checker);
      return { value, items: value.filter((b) => b !== undefined).length };
    });
  }

  getReceipts(hashes: readonly Uint8Array[], options: ReceiptOptions = {}): Promise<Answer<Uint8Array[][]>> {
    const bad = checkCount(hashes.length, CAPS.getReceipts, "receipt hashes") ?? checkHashLengths(hashes);
    if (bad !== undefined) return refuse(bad);
    const roots = options.receiptRoots;
    return this.#call({ type: "getReceipts", hashes }, options, ({ response }) => {
      return { value: checkReceipts(response, hashes.length, roots), items: 0 };
    });
  }

  getNodeData(
    hashes: readonly Uint8Array[],
    options: RequestOptions = {},
  ): Promise<Answer<Array<Uint8Array | undefined>>> {
    const bad = checkCount(hashes.length, CAPS.getNodeData, "node data hashes") ?? checkHashLengths(hashes) ??
      this.#checkService("getNodeData");
    if (bad !== undefined) return refuse(bad);
    return this.#call({ type: "getNodeData", hashes }, options, ({ response }) => {
      return { value: checkBlobs(response.blobs, hashes), items: 0 };
    });
  }

  getByteCodes(
    hashes: readonly Uint8Array[],
    bytes: number,
    options: RequestOptions = {},
  ): Promise<Answer<Array<Uint8Array | undefined>>> {
    const bad = checkCount(hashes.length, CAPS.getByteCodes, "byte code hashes") ??
      checkHashLengths(hashes) ??
      checkBytes(bytes) ?? this.#checkService("getByteCodes");
    if (bad !== undefined) return refuse(bad);
    return this.#call({ type: "getByteCodes", hashes, bytes: BigInt(bytes) }, options, ({ response }) => {
      // A Go server answers the hash of no code with an empty element.
      const blobs = response.blobs.filter((b) => b.length > 0);
      return { value: checkBlobs(blobs, hashes), items: 0 };
    });
  }

  /** §2.8, never-lines: a Go node of another shard does not survive a state request on its epoch chain. */
  #checkService(type: RequestType): string | undefined {
    return this.#o.service === "epochsync" ? `${type} must never be sent on an epoch stream` : undefined;
  }

  async #call<R extends SyncRequest, V>(
    request: R,
    options: RequestOptions,
    check: (raw: RawAnswer & { response: Extract<RawAnswer["response"], { type: R["type"] }> }) =>
      | { value: V; items: number }
      | Promise<{ value: V; items: number }>,
  ): Promise<Answer<V>> {
    const { requests, port } = this.#o;
    const raw = await requests.doRequest(request, options);
    const { streamId, instance, ms } = raw;
    try {
      const checked = check(raw);
      const { value, items } = checked instanceof Promise ? await this.#within(checked) : checked;
      port.measured(instance, items, ms);
      port.credit(streamId, weightOfResponse(raw.response));
      return { value, streamId, ms };
    } catch (cause) {
      throw this.#blame(request.type, raw, cause);
    }
  }

  /** Checking is our work: when it takes too long, that is nobody else's fault. */
  async #within<V>(work: Promise<V>): Promise<V> {
    const late = Promise.withResolvers<never>();
    const cancel = this.#o.clock.after(
      DELIVER_TIMEOUT_MS,
      () => late.reject(fault("DELIVER_TIMEOUT", "checking an answer took too long")),
    );
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      cancel();
    }
  }

  /** The error for the caller; whoever sent the bad answer is reported on the way. */
  #blame(type: RequestType, raw: RawAnswer, cause: unknown): HsyncError {
    const error = asHsyncError(cause);
    const { streamId, instance } = raw;
    const row = failureOf(error.code, error.fault);
    this.#o.meter.clientFailed(type, row.error);
    const text = `${type}: ${error.message}`;
    if (error.fault !== "NONE") {
      this.#o.port.report(streamId, { fault: error.fault, reason: row.reason, text }, instance);
    }
    return new HsyncError(error.code, text, {
      fault: error.fault,
      retryable: true,
      cause,
      ...(error.fault === "NONE" ? {} : { streamId }),
      ...(error.blockNumber === undefined ? {} : { blockNumber: error.blockNumber }),
    });
  }
}

function checkCount(n: number, cap: number, what: string): string | undefined {
  if (n === 0) return `zero ${what} requested`;
  return n > cap ? `number of requested ${what} exceed limit: ${n} > ${cap}` : undefined;
}
function checkNumbers(numbers: readonly number[]): string | undefined {
  const bad = numbers.find((n) => !Number.isSafeInteger(n) || n < 0);
  return bad === undefined ? undefined : `${bad} is no block number`;
}
function checkHashLengths(hashes: readonly Uint8Array[]): string | undefined {
  const bad = hashes.find((h) => h.length !== 32);
  return bad === undefined ? undefined : `a hash has ${bad.length} bytes instead of 32`;
}
function checkBytes(bytes: number): string | undefined {
  if (bytes <= 0) return "zero bytes requested";
  return bytes > MAX_STATE_BYTES ? `requested bytes exceed limit: ${bytes} > ${MAX_STATE_BYTES}` : undefined;
}
