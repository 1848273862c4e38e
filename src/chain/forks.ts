/**
 * From which epoch each protocol change is active, per network (chain-format.md §14).
 *
 * Why it exists: header form, commit payload, quorum rule, receipts and execution all depend on it. What must stay
 * true: a fork is active when its epoch is set and not greater than the block's own epoch; nothing compares heights.
 */
import type { NetworkName } from "./network_name.ts";

/** Forks in the order of the reference's configuration. */
export const FORK_NAMES = [
  "ethCompatible",
  "crossTx",
  "crossLink",
  "aggregatedReward",
  "staking",
  "preStaking",
  "quickUnlock",
  "fiveSeconds",
  "twoSeconds",
  "sixtyPercent",
  "redelegation",
  "noEarlyUnlock",
  "vrf",
  "prevVrf",
  "minDelegation100",
  "minCommissionRate",
  "eposBound35",
  "eip155",
  "s3",
  "dataCopyFix",
  "istanbul",
  "receiptLog",
  "sha3",
  "hip6And8",
  "stakingPrecompile",
  "chainIdFix",
  "slotsLimited",
  "crossShardXferPrecompile",
  "allowlist",
  "leaderRotationInternalValidators",
  "leaderRotationExternalValidators",
  "leaderRotationV2",
  "feeCollect",
  "validatorCodeFix",
  "hip30",
  "devnetExternal",
  "testnetExternal",
  "blockGas30M",
  "maxRate",
  "topMaxRate",
  "hip32",
  "isOneSecond",
] as const;
export type ForkName = typeof FORK_NAMES[number];

/** Activation epoch of every fork; undefined: never. */
export type ForkEpochs = Readonly<Record<ForkName, number | undefined>>;

/** Stands for "not decided yet" in the reference's tables: an epoch that no chain reaches. */
export const FORK_TO_BE_DECIDED = 10_000_000;
const TBD = FORK_TO_BE_DECIDED;

/** True when `fork` is active in a block of `epoch`. */
export function isForkActive(forks: ForkEpochs, fork: ForkName, epoch: number): boolean {
  const from = forks[fork];
  return from !== undefined && from <= epoch;
}

type Columns = readonly (number | undefined)[];
const COLUMNS = ["mainnet", "testnet", "pangaea", "partner", "stressnet", "localnet"] as const;

/** One row a fork, one column a network in the order of `COLUMNS`. */
const TABLE: Readonly<Record<ForkName, Columns>> = {
  ethCompatible: [442, 0, 0, 0, 0, 0],
  crossTx: [28, 0, 0, 0, 0, 0],
  crossLink: [186, 2, 2, 2, 2, 2],
  aggregatedReward: [689, 2, 3, 3, 3, 3],
  staking: [186, 2, 2, 2, 2, 2],
  preStaking: [185, 1, 1, 1, 1, 0],
  quickUnlock: [191, 0, 0, 0, 0, 0],
  fiveSeconds: [230, 0, 0, 0, 0, 0],
  twoSeconds: [366, 2, 0, 0, 0, 0],
  sixtyPercent: [530, 2, 0, TBD, 10, TBD],
  redelegation: [290, 2, 0, 0, 0, 0],
  noEarlyUnlock: [530, 2, 0, 0, 0, 0],
  vrf: [631, 2, 0, 0, 0, 0],
  prevVrf: [689, 2, 0, 0, 0, 0],
  minDelegation100: [631, 2, 0, 0, 0, 0],
  minCommissionRate: [631, 2, 0, 0, 0, 0],
  eposBound35: [631, 2, 0, 0, 0, 0],
  eip155: [28, 0, 0, 0, 0, 0],
  s3: [28, 0, 0, 0, 0, 0],
  dataCopyFix: [689, 0, 0, 0, 0, 0],
  istanbul: [314, 0, 0, 0, 0, 0],
  receiptLog: [101, 0, 0, 0, 0, 0],
  sha3: [725, 0, 0, 0, 0, 0],
  hip6And8: [725, 2, 0, 0, 0, TBD],
  stakingPrecompile: [871, 2, 2, 5, 2, 2],
  chainIdFix: [1323, 0, 0, 5, 0, 0],
  slotsLimited: [999, 2, TBD, TBD, TBD, TBD],
  crossShardXferPrecompile: [1323, 2, 1, 5, 1, 1],
  allowlist: [TBD, 2, TBD, TBD, TBD, TBD],
  leaderRotationInternalValidators: [2152, 3044, TBD, 144, TBD, 3],
  leaderRotationExternalValidators: [2152, 3044, TBD, 144, TBD, 3],
  leaderRotationV2: [TBD, TBD, TBD, TBD, TBD, TBD],
  feeCollect: [1535, 1296, TBD, 5, TBD, 2],
  validatorCodeFix: [1535, 1296, TBD, 5, TBD, 2],
  hip30: [1673, 2176, TBD, 7, TBD, TBD],
  devnetExternal: [TBD, TBD, TBD, 144, TBD, TBD],
  testnetExternal: [TBD, 3044, TBD, TBD, TBD, TBD],
  blockGas30M: [1673, 2176, 0, 7, 0, 0],
  maxRate: [1733, 2520, TBD, TBD, TBD, TBD],
  topMaxRate: [1976, TBD, TBD, TBD, 0, TBD],
  hip32: [2152, undefined, undefined, undefined, undefined, undefined],
  isOneSecond: [TBD, TBD, TBD, 17_436, TBD, 4],
};

/** Epochs for which the minimum-commission promotion lasts: a length, not an activation. */
const MIN_COMMISSION_PROMO_PERIOD: Readonly<Record<NetworkName, number>> = {
  mainnet: 100,
  testnet: 2,
  pangaea: 10,
  partner: 10,
  stressnet: 10,
  devnet: 2,
  localnet: 10,
};

/** Fork epochs from a function of the fork's name. */
export function forkEpochs(epochOf: (fork: ForkName) => number | undefined): ForkEpochs {
  return Object.fromEntries(FORK_NAMES.map((fork) => [fork, epochOf(fork)])) as Record<
    ForkName,
    number | undefined
  >;
}

/** The fork table of a built-in network. Devnet runs with testnet's (chain-format.md §12.5). */
export function networkForks(network: NetworkName): ForkEpochs {
  const column = COLUMNS.indexOf(network === "devnet" ? "testnet" : network);
  return forkEpochs((fork) => TABLE[fork][column]);
}

/** Length in epochs of the minimum-commission promotion (chain-format.md §14). */
export function minCommissionPromoPeriod(network: NetworkName): number {
  return MIN_COMMISSION_PROMO_PERIOD[network];
}
