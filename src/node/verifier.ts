/**
 * Which judge the pipeline gets, and what happens to a store before it is used.
 *
 * Why it exists: a running node, an import and the demo must judge blocks alike. What must stay true: whatever is
 * started here is ended by `close`; a store is held against the anchors before anything else, and what it holds without
 * certificates is certified or removed before it is served.
 */
import type { Clock, Logger, Meter } from "../base/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { SyncConfig } from "../config/mod.ts";
import { AnchorBook, type EvidenceSink } from "../consensus/mod.ts";
import { type CertificateVerifier, createCertificateVerifier } from "../crypto/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import {
  type CertifiedStore,
  CertifyingVerifier,
  certifyOnOpen,
  type LoadBeaconState,
  requireAnchors,
  type StoreProgress,
} from "../sync/mod.ts";

export interface VerifierParts {
  readonly params: NetworkParams;
  readonly store: ChainStore;
  readonly config: Pick<SyncConfig, "staged">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly meter?: Meter;
  /** Where proof of a conflict goes; undefined: into the error alone, for chains that live in memory. */
  readonly evidence?: EvidenceSink;
  /** Shared curve workers; default: some of its own. */
  readonly certificates?: CertificateVerifier;
  /** Default: those that ship for the network. */
  readonly anchors?: AnchorBook;
  /** The beacon chain's committees, on shards other than 0. */
  readonly beaconStateAt?: LoadBeaconState;
}

export interface Judge {
  readonly verifier: CertifyingVerifier;
  readonly certificates: CertificateVerifier;
  readonly anchors: AnchorBook;
  /**
   * Makes sure that everything stored is certified. @throws {HsyncError} ANCHOR_BREACH (exit 11), CANCELLED, store errors
   */
  prepare(signal?: AbortSignal, onProgress?: (progress: StoreProgress) => void): Promise<CertifiedStore>;
  close(): Promise<void>;
}

const FORGOTTEN: EvidenceSink = { save: () => Promise.resolve() };

/** The judge of a chain: certificates, committees, header rules, anchors. */
export function makeVerifier(parts: VerifierParts): Judge {
  const { params, store, config, logger, clock } = parts;
  const anchors = parts.anchors ?? AnchorBook.of(params.name);
  const certificates = parts.certificates ?? createCertificateVerifier({ logger, clock });
  const verifier = new CertifyingVerifier({
    store,
    params,
    certificates,
    anchors,
    policy: { everyBlock: config.staged.verifyAllSig, everyNth: config.staged.verifyHeaderBatchSize },
    evidence: parts.evidence ?? FORGOTTEN,
    clock,
    logger,
    ...(parts.meter === undefined ? {} : { meter: parts.meter }),
    ...(parts.beaconStateAt === undefined ? {} : { beaconStateAt: parts.beaconStateAt }),
  });
  return {
    verifier,
    certificates,
    anchors,
    prepare: async (signal, onProgress) => {
      await requireAnchors(store, anchors);
      const begun = clock.monotonic();
      const result = await certifyOnOpen(store, params, certificates, {
        everyNth: config.staged.verifyHeaderBatchSize,
        anchors,
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      if (result.raised > 0 || result.removed > 0) {
        logger.warn("blocks that were stored without certificates have been checked", {
          certified: result.raised,
          removed: result.removed,
          ...(result.reason === undefined ? {} : { error: result.reason }),
          ms: Math.round(clock.monotonic() - begun),
        });
      }
      return result;
    },
    close: () => {
      if (parts.certificates === undefined) certificates.close();
      return Promise.resolve();
    },
  };
}
