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
  certificateError,
  type CertificatePlan,
  type CertificateVerifier,
  planCertificate,
  type SignedBlock,
  verifyPlan,
  verifyPlans,
} from "./certificate_check.ts";
