/**
 * What every node has, full or light: its identity, store, figures, epoch chain and the watches over itself.
 *
 * Why it exists: both kinds of node start from the same parts in the same order. What must stay true: each part
 * leaves its end in `undo` before the next one is opened, so that a start which fails leaves nothing running.
 */
import type { Clock, Logger } from "../base/mod.ts";
import { BUILD, EventLoopMonitor, Metrics, reportProcess, TrafficMeter } from "../api/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { HsyncConfig } from "../config/mod.ts";
import { type CertificateVerifier, createCertificateVerifier } from "../crypto/mod.ts";
import { type Identity, loadIdentity } from "../p2p/mod.ts";
import { type ChainStore, storeDirectory } from "../store/mod.ts";
import { protocolId } from "../stream/mod.ts";
import { openConfiguredChain, storePathOf } from "./chain.ts";
import { type ClockWatch, watchClock } from "./clock_watch.ts";
import { EpochPart, type TrustStatus } from "./epochs.ts";
import { EvidenceFiles } from "./evidence.ts";

/** What a node does to end a part of itself. */
export type Undo = () => Promise<void> | void;

export interface BaseOptions {
  readonly config: HsyncConfig;
  readonly params: NetworkParams;
  readonly clock: Clock;
  readonly logger: Logger;
  /** ms since 1970. */
  readonly startedAt: number;
  /** Further topics, beside the shard's own and the epoch chain's, whose figures are shown from the first scrape. */
  readonly topics?: readonly string[];
  /** The node is to have the chain of its own shard. */
  readonly ownChain: boolean;
  /** Default: the configured store, opened here and closed by `undo`. One that is passed in stays open. */
  readonly store?: ChainStore | undefined;
  /** Where the ends of the parts go. */
  readonly undo: Undo[];
}

/** The parts. */
export interface NodeBase {
  readonly identity: Identity;
  readonly metrics: Metrics;
  readonly traffic: TrafficMeter;
  readonly store: ChainStore;
  readonly evidence: EvidenceFiles;
  /** Verifies certificates. */
  readonly certificates: CertificateVerifier;
  readonly epochs: EpochPart;
  /** When the main loop last turned, ms on the monotonic clock. */
  tickedAt(): number;
  /** What a status says about these parts. */
  status(): BaseStatus;
}

interface BaseStatus extends TrustStatus {
  readonly certificates: CertificateVerifier;
  readonly store: ChainStore;
  readonly storePath: string;
  readonly traffic: TrafficMeter;
  readonly eventLoopLagMsP99: number | undefined;
  readonly clockOffset: ClockWatch["last"];
}

/**
 * Opens the parts.
 *
 * @throws {HsyncError} what the parts throw: key file, store, CHECKPOINT_CONFLICT, CHECKPOINT_INVALID, anchor file.
 */
export async function openBase(options: BaseOptions): Promise<NodeBase> {
  const { config, params, clock, logger, undo } = options;
  const identity = await loadIdentity(config.p2p.keyFile, logger.child("p2p"));
  const metrics = new Metrics({
    // Figures of the epoch chain are those of shard 0.
    shards: [...new Set([config.shard, 0])],
    topics: [
      protocolId("sync", params.name, config.shard),
      protocolId("epochsync", params.name, 0),
      ...options.topics ?? [],
    ],
    strict: false,
    logger: logger.child("api"),
  });
  const traffic = new TrafficMeter(metrics, clock);
  const store = options.store ?? await openConfiguredChain(config, {
    params,
    clock,
    logger: logger.child("store"),
    meter: traffic,
    peerId: identity.peerId,
  });
  if (options.store === undefined) undo.push(() => store.close());

  const log = logger.child("sync");
  const evidence = new EvidenceFiles(
    `${storeDirectory(config.dataDir, config.shard)}/evidence`,
    log,
    traffic,
  );
  const certificates = createCertificateVerifier({ logger: log, clock });
  undo.push(() => certificates.close());
  const epochs = await EpochPart.open({
    config,
    params,
    ownChain: options.ownChain,
    store,
    certificates,
    clock,
    logger: log,
    meter: traffic,
    evidence,
  });
  undo.push(() => epochs.stop());

  const lag = new EventLoopMonitor(clock);
  undo.push(() => lag.stop());
  let tickedAt = clock.monotonic();
  undo.push(clock.every(1_000, () => {
    tickedAt = clock.monotonic();
  }));
  const clockWatch = watchClock(config, params, { clock, logger: logger.child("node") });
  undo.push(() => clockWatch?.stop());
  const { version, commit, deno, target } = BUILD;
  undo.push(reportProcess(metrics, { version, commit, deno, target }, options.startedAt));
  return {
    identity,
    metrics,
    traffic,
    store,
    evidence,
    certificates,
    epochs,
    tickedAt: () => tickedAt,
    status: () => ({
      store,
      certificates,
      storePath: storePathOf(config),
      traffic,
      ...epochs.trust(),
      eventLoopLagMsP99: lag.p99Ms(),
      clockOffset: clockWatch?.last,
    }),
  };
}

/** Ends parts, the last one first. Never rejects: one that cannot end cleanly is logged, and the rest end all the same. */
export async function endAll(undo: Undo[], logger: Logger): Promise<void> {
  for (const end of undo.splice(0).reverse()) {
    try {
      await end();
    } catch (error) {
      logger.error("a part of the node did not stop cleanly", { error });
    }
  }
}
