/** The staged pipeline: driver, stages, downloader. Other folders import only from here. */
export { appendRow } from "./append_row.ts";
export { SyncDriver } from "./driver.ts";
export { type SyncDriverOptions } from "./driver_options.ts";
export { type DriverState } from "./driver_state.ts";
export {
  type Diagnosis,
  DIAGNOSIS_CODES,
  type DiagnosisCode,
  DiagnosisLog,
  type Finding,
} from "./diagnosis.ts";
export { assuranceText, progressLines, type SyncEvent, type SyncStatus } from "./status.ts";
export { type StageStatus } from "./stage_tracker.ts";
export { type ChainPoint, type FetchedBlock, STAGE_IDS, type StageId, type SyncStore } from "./types.ts";
export {
  type Acceptance,
  type BatchVerifier,
  type Culprit,
  type Refusal,
  type Verdict,
  type VerifyContext,
} from "./verify.ts";
export {
  CertifyingVerifier,
  type CertifyingVerifierOptions,
  type LoadBeaconState,
  type VerifierStore,
} from "./certificate_verifier.ts";
export {
  type CertifiableStore,
  type CertifiedStore,
  certifyOnOpen,
  requireAnchors,
} from "./certify_store.ts";
export {
  type StoredDispute,
  type StoredDisputes,
  type StoreReport,
  verifyStore,
  type VerifyStoreOptions,
} from "./verify_store.ts";
export {
  type ReadableStore,
  type StoreProgress,
  type StoreWalkOptions,
  type WalkFailure,
} from "./store_walk.ts";
export {
  BodyProver,
  type BodyProverOptions,
  type BodyProverStatus,
  type ProverStore,
  type SourceShards,
} from "./bodies/body_prover.ts";
export { AnchorProbe } from "./anchor_probe.ts";
export {
  BeaconCheck,
  type BeaconCheckOptions,
  type BeaconCheckStatus,
  type BeaconCommittees,
  type BeaconVerdict,
} from "./epoch/beacon_committees.ts";
export { type HandOver, lowerCompared, type OwnEpochs } from "./epoch/compared_mark.ts";
export { cutEpochs } from "./epoch/cut_epochs.ts";
export { EpochChain, type EpochChainOptions } from "./epoch/epoch_chain.ts";
export { type EpochEvent, EpochFollower, type EpochFollowerOptions } from "./epoch/epoch_follower.ts";
export {
  type EpochChainDocument,
  epochChainJson,
  type EpochRefusal,
  type EpochStatus,
} from "./epoch/epoch_status.ts";
export { RecordEpochStore, type RecordTable } from "./epoch/record_store.ts";
export { type EpochPoint, type EpochStore } from "./epoch/types.ts";
export { type EpochSource } from "./stages/sync_epoch.ts";
export {
  type AnchorDocument,
  beginAtCheckpoint,
  checkAgainstStore,
  type Checkpoint,
  type CheckpointAge,
  checkpointAge,
  type CheckpointBlock,
  checkpointText,
  chooseCheckpoints,
  type ChosenCheckpoints,
  fetchCheckpoint,
  HISTORY_BLOCKS,
  invalidCheckpoint,
  isUnbegun,
  newestAnchor,
  requireOwnCheckpoint,
  servesHistory,
} from "./checkpoint.ts";
export { type CertifiedHead, certifiedHead, type HeadDocument, headJson } from "./light/certified_head.ts";
export { LightClient, type LightClientOptions, type LightEvent } from "./light/light_client.ts";
export {
  type LightRefusal,
  type LightState,
  type LightStatus,
  type LightStatusDocument,
  lightStatusJson,
  type LightTrust,
} from "./light/light_status.ts";
