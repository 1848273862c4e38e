/** The chain's data: encodings, hashes, roots, parameters, genesis. Other folders import only from here. */
export {
  MAX_LIST_ITEMS,
  RLP_EMPTY_LIST,
  RLP_EMPTY_STRING,
  rlpBytes,
  rlpFixed,
  rlpList,
  rlpListItems,
  RlpReader,
  rlpUint,
} from "./rlp.ts";
export { openTagged, sealTagged, type Tagged } from "./tagged.ts";
export {
  decodeHeader,
  encodeHeader,
  Header,
  type HeaderFields,
  type HeaderVersion,
  makeHeader,
} from "./header.ts";
export { EMPTY_ROOT, indexedTrieRoot, indexTrieRoot } from "./index_trie.ts";
export { accountTable, type AccountTableName, type TableAccount } from "./accounts.ts";
export { formatAddress, parseAddress } from "./bech32.ts";
export {
  type Dec,
  DEC_ONE,
  decFromInt,
  decMul,
  decQuo,
  formatDec,
  parseDec,
  readDec,
  rlpDec,
} from "./decimal.ts";
export { FORK_NAMES, FORK_TO_BE_DECIDED, type ForkEpochs, type ForkName, isForkActive } from "./forks.ts";
export { isNetworkName, NETWORK_NAMES, type NetworkName, parseNetworkName } from "./network_name.ts";
export { type EpochSchedule } from "./schedule.ts";
export { customNetwork, type CustomNetworkOptions } from "./custom_network.ts";
export { GENESIS_TIME, type GenesisAllocation, type GenesisState } from "./genesis.ts";
export { type NetworkOverrides, networkParams } from "./network.ts";
export { type NetworkParams } from "./params.ts";
export {
  type Committee,
  committeeOfShard,
  decodeShardState,
  encodeShardState,
  type EpochEnd,
  nextEpoch,
  sameCommittee,
  type ShardState,
  shardStateHash,
  type Slot,
} from "./shard_state.ts";
export { type ShardingInstance } from "./sharding.ts";
export { asBodyTag, type BodyItems, type BodyTag, bodyTagFor, decodeBody, encodeBody } from "./body.ts";
export { Block, decodeBlock, encodeBlock, isAbsentBlock, transactionsRoot } from "./block.ts";
export { checkBody } from "./check_body.ts";
export {
  COMMIT_SIGNATURE_LENGTH,
  commitPayload,
  type CommitSig,
  joinCommitSig,
  parentCommitSig,
  splitCommitSig,
} from "./certificate.ts";
export { chainIdOfV, ETH_CHAIN_ID_START, isUnprotectedV } from "./signature.ts";
export {
  decodeEthTransaction,
  decodeTransaction,
  encodeEthTransaction,
  encodeTransaction,
  senderUnder,
  type SignerRules,
  Transaction,
  type TransactionFields,
  type TransactionKind,
  transactionSigningHash,
} from "./transaction.ts";
export {
  decodeStakingTransaction,
  encodeStakingTransaction,
  stakingSigningHash,
  StakingTransaction,
  type StakingTransactionFields,
} from "./staking.ts";
export {
  type CollectRewards,
  type CreateValidator,
  decodeStakingMessage,
  type Delegation,
  type Description,
  Directive,
  type DirectiveName,
  directiveName,
  type EditValidator,
  encodeStakingMessage,
  type StakingMessage,
} from "./staking_message.ts";
export { BLOOM_LENGTH, type BloomLog, bloomMayContain, bloomOfLogs } from "./bloom.ts";
export {
  decodeReceipt,
  decodeStoredReceipt,
  encodeReceipt,
  headerBloom,
  type Log,
  type Receipt,
  type ReceiptOutcome,
  receiptsRoot,
  type StoredLog,
  type StoredReceipt,
} from "./receipt.ts";
export {
  acceptsOutgoingReceiptHash,
  type CXReceipt,
  decodeCXReceipt,
  encodeCXReceipt,
  outgoingReceiptHash,
} from "./cx.ts";
export {
  checkCXReceiptsProof,
  type CXMerkleProof,
  type CXReceiptsProof,
  decodeCXMerkleProof,
  decodeCXReceiptsProof,
  encodeCXReceiptsProof,
} from "./cx_proof.ts";
export {
  compareCrossLinks,
  type CrossLink,
  decodeCrossLink,
  decodeCrossLinks,
  encodeCrossLink,
  encodeCrossLinks,
} from "./crosslink.ts";
export { decodeSlashRecords, encodeSlashRecords, type SlashRecord, type SlashVote } from "./slash.ts";
