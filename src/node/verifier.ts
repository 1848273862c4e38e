/**
 * Which judge the pipeline gets.
 *
 * Why it exists: a running node, an import and the demo must judge blocks alike. What must stay true: whatever is
 * started here is ended by `close`.
 */
import type { Clock, Logger } from "../base/mod.ts";
import type { NetworkParams } from "../chain/mod.ts";
import type { SyncConfig } from "../config/mod.ts";
import type { ChainStore } from "../store/mod.ts";
import { type BatchVerifier, LinkedOnlyVerifier } from "../sync/mod.ts";

export interface VerifierParts {
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly store: ChainStore;
  readonly config: Pick<SyncConfig, "staged">;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface Judge {
  readonly verifier: BatchVerifier;
  close(): Promise<void>;
}

/** The judge of a chain. */
export function makeVerifier(parts: VerifierParts): Judge {
  return { verifier: new LinkedOnlyVerifier(parts.params, parts.shardId), close: () => Promise.resolve() };
}
