/**
 * A store, the certifying verifier over it, and blocks with senders: what States does, step by step.
 *
 * Why it exists: certificates are judged batch by batch, and tests choose the batches and the senders. What must stay
 * true: blocks enter the store exactly as States lets them; the curve work is real.
 */
import { type Logger, ManualClock, type Meter, nullLogger } from "../../../src/base/mod.ts";
import { type CertificateVerifier, WasmBls } from "../../../src/crypto/mod.ts";
import { type NetworkParams, networkParams, nextEpoch } from "../../../src/chain/mod.ts";
import {
  AnchorBook,
  type AnchorLists,
  type BatchVerifier,
  type CertificatePolicy,
  type ConflictEvidence,
  DEFAULT_POLICY,
  inThread,
  type LoadShardState,
} from "../../../src/consensus/mod.ts";
import { type ChainStore, openStore } from "../../../src/store/mod.ts";
import type { DeliveredBlock } from "../../../src/stream/mod.ts";
import {
  type Acceptance,
  appendRow,
  CertifyingVerifier,
  type FetchedBlock,
  type Verdict,
} from "../../../src/sync/mod.ts";
import { fetched } from "../../../src/sync/staging.ts";
import {
  blsSigner,
  buildBlocks,
  type BuilderOptions,
  type BuiltBlock,
  type TestNetwork,
  testNetwork,
  type TestNetworkOptions,
} from "../../builder/mod.ts";
import { recordedChain, type TestChain } from "./chains.ts";

export const bls = await WasmBls.create();
/** Curve work in this thread. */
export const curves: BatchVerifier = inThread(bls);

/** Curve work that counts, and fails when told to. */
export class CountingCurves implements Pick<CertificateVerifier, "verifyBatch"> {
  certificates = 0;
  calls = 0;
  /** Thrown by the next call. */
  failure: Error | undefined;

  verifyBatch: CertificateVerifier["verifyBatch"] = async (keys, inputs, signal) => {
    this.calls++;
    this.certificates += inputs.length;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    return await curves.verifyBatch(keys, inputs, signal);
  };
}

/** A network whose committees really sign. */
export function signedNetwork(options: TestNetworkOptions): TestNetwork {
  return testNetwork({ signer: blsSigner(bls), ...options });
}
export function delivered(built: BuiltBlock): DeliveredBlock {
  return { block: built.block, commitSig: built.commitSig };
}
/** Signed blocks 0..length of a network. */
export function signedChain(network: TestNetwork, length: number, options: BuilderOptions = {}): TestChain {
  return { blocks: buildBlocks(network, length, options).map(delivered) };
}

export interface BenchOptions {
  readonly params?: NetworkParams;
  readonly shardId?: number;
  readonly policy?: CertificatePolicy;
  readonly certificates?: BatchVerifier;
  readonly anchors?: AnchorLists;
  readonly logger?: Logger;
  readonly meter?: Meter;
  readonly beaconStateAt?: LoadShardState;
  readonly store?: ChainStore;
}

/** A new store of a chain, in memory. */
export function memoryStore(
  params: NetworkParams,
  shardId: number,
  clock = new ManualClock(),
): Promise<ChainStore> {
  const genesis = params.genesisBlock(shardId);
  const { hash, bytes, header } = genesis;
  return openStore({
    location: { kind: "memory" },
    network: params.name,
    shardId,
    genesis: {
      hash,
      bytes,
      headerBytes: header.bytes,
      shardState: { epoch: nextEpoch(header, undefined, params), bytes: header.shardState },
    },
    clock,
  });
}

/** A store and its verifier. Close it. */
export class VerifierBench {
  readonly evidence: ConflictEvidence[] = [];
  readonly signal = new AbortController();

  private constructor(
    readonly store: ChainStore,
    readonly params: NetworkParams,
    readonly verifier: CertifyingVerifier,
    evidence: ConflictEvidence[],
  ) {
    this.evidence = evidence;
  }
  static async open(options: BenchOptions = {}): Promise<VerifierBench> {
    const params = options.params ?? networkParams("localnet");
    const shardId = options.shardId ?? 0;
    const clock = new ManualClock();
    const store = options.store ?? await memoryStore(params, shardId, clock);
    const evidence: ConflictEvidence[] = [];
    const verifier = certifying(store, params, { ...options, clock }, evidence);
    return new VerifierBench(store, params, verifier, evidence);
  }
  close(): Promise<void> {
    return this.store.close();
  }

  /** Judges blocks as they would come in one batch. */
  verify(batch: readonly FetchedBlock[], target: number, child?: FetchedBlock): Promise<Verdict> {
    return this.verifier.verify(batch, {
      parent: this.store.head(),
      target,
      child,
      signal: this.signal.signal,
    });
  }
  /** The same, and what is accepted goes into the store. */
  async take(batch: readonly FetchedBlock[], target: number, child?: FetchedBlock): Promise<Verdict> {
    const verdict = await this.verify(batch, target, child);
    await this.append(batch, verdict);
    return verdict;
  }
  async append(batch: readonly FetchedBlock[], verdict: Verdict): Promise<void> {
    const rows = verdict.accepted.map((acceptance: Acceptance, i) =>
      appendRow((batch[i] as FetchedBlock).delivered.block, acceptance, this.params)
    );
    if (rows.length > 0) await this.store.append(rows);
    if (verdict.bodies !== undefined) await this.store.markBodies(verdict.bodies);
  }
  /** Takes a chain from the head to `to` in batches; stops at the first refusal, which it returns. */
  async follow(chain: TestChain, options: {
    readonly batch?: number;
    readonly to?: number;
    readonly target?: number;
    /** Whether the block after a batch is at hand; default true. */
    readonly childAtHand?: boolean;
    readonly sender?: (number: number) => string;
  } = {}): Promise<Verdict | undefined> {
    const to = options.to ?? chain.blocks.length - 1;
    const { batch = 128, target = to, childAtHand = true } = options;
    while (this.store.head().number < to) {
      const from = this.store.head().number + 1;
      const end = Math.min(to, from + batch - 1);
      const child = childAtHand && end < to ? chain.blocks[end + 1] : undefined;
      const verdict = await this.take(
        sent(chain.blocks.slice(from, end + 1), options.sender),
        target,
        child === undefined ? undefined : sent([child], options.sender)[0],
      );
      if (verdict.refusal !== undefined) return verdict;
    }
    return undefined;
  }
}

/** The verifier for a store, with options of a bench. */
export function certifying(
  store: ChainStore,
  params: NetworkParams,
  options: BenchOptions & { readonly clock?: ManualClock } = {},
  evidence: ConflictEvidence[] = [],
): CertifyingVerifier {
  return new CertifyingVerifier({
    store,
    params,
    certificates: options.certificates ?? curves,
    anchors: options.anchors === undefined ? new AnchorBook() : new AnchorBook(options.anchors),
    policy: options.policy ?? DEFAULT_POLICY,
    evidence: {
      save: (record) => {
        evidence.push(record);
        return Promise.resolve();
      },
    },
    clock: options.clock ?? new ManualClock(),
    logger: options.logger ?? nullLogger,
    ...(options.meter === undefined ? {} : { meter: options.meter }),
    ...(options.beaconStateAt === undefined ? {} : { beaconStateAt: options.beaconStateAt }),
  });
}

/** Blocks as they come from peers; by default all from one. */
export function sent(
  blocks: readonly DeliveredBlock[],
  sender: (number: number) => string = () => "peer",
): FetchedBlock[] {
  return blocks.map((b) => fetched(b, sender(b.block.number)));
}
/** Another certificate beside a block. */
export function withSideCar(block: DeliveredBlock, commitSig: Uint8Array): DeliveredBlock {
  return { ...block, commitSig };
}
/** The same bytes with one bit turned over. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[bit >> 3] = (out[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return out;
}
export { recordedChain, type TestChain };
