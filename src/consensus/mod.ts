/** What makes a block count: committees, quorum, certificates, header rules, anchors. */
export {
  bitmapLength,
  type QuorumRule,
  type QuorumTally,
  stakeQuorum,
  TWO_THIRDS,
  uniformQuorum,
  uniformThreshold,
  type VotingPower,
  votingPowers,
} from "./quorum.ts";
export { committeeFromState, type EpochCommittee, epochCommittee } from "./committee.ts";
export {
  CommitteeBook,
  type CommitteeSource,
  type FoundCommittee,
  type LoadShardState,
} from "./committee_book.ts";
export {
  type BatchVerifier,
  certificateError,
  type CertificatePlan,
  inThread,
  planCertificate,
  type SignedBlock,
  verifyPlan,
  verifyPlans,
} from "./certificate_check.ts";
export {
  checkBeaconState,
  checkHeader,
  HEADER_RULES,
  type HeaderContext,
  type HeaderOddity,
  type HeaderRule,
} from "./header_rules.ts";
export {
  type Anchor,
  AnchorBook,
  type AnchorLists,
  type AnchorVerdict,
  builtInAnchors,
  type KnownBad,
  parseAnchorLists,
} from "./anchors.ts";
export {
  certificateDue,
  type CertificatePolicy,
  DEFAULT_POLICY,
  dueCertificates,
  NEAR_TARGET,
  type PolicyBlock,
} from "./policy.ts";
export {
  type ConflictEvidence,
  ConflictingCertificates,
  type ConflictSide,
  type ConflictSummary,
  evidenceName,
  type EvidenceSink,
  evidenceText,
  isConflict,
  readEvidence,
  standingConflict,
} from "./conflict.ts";
export {
  CrossLinkCertificates,
  type FindHeader,
  firstOf,
  HeaderCertificates,
  proveIncomingReceipts,
  type ReceiptProof,
  type SourceCertificate,
  type SourceCertificates,
} from "./incoming_receipts.ts";
