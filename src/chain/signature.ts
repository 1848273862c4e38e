/**
 * What the V of a signature says (chain-format.md §4.2, §4.4).
 *
 * Why it exists: ordinary and staking transactions share the rule, including its wrap-around for values that no
 * honest signer makes. What must stay true: the chain id computed here equals the reference's for every V.
 */
import { HsyncError } from "../base/mod.ts";

/** From this chain id on, a transaction is of the Ethereum-compatible kind, on every network. */
export const ETH_CHAIN_ID_START = 1_666_600_000n;

/** True for the two values that name no chain. */
export function isUnprotectedV(v: bigint): boolean {
  return v === 27n || v === 28n;
}

/** The chain id in V; 0 when it names none. Below 35 the reference's 64-bit arithmetic wraps to a huge id. */
export function chainIdOfV(v: bigint): bigint {
  if (isUnprotectedV(v)) return 0n;
  return (v >= 35n ? v - 35n : BigInt.asUintN(64, v - 35n)) >> 1n;
}

/** Recovery id in V. @throws {HsyncError} SIGNATURE_INVALID, fault DATA: V fits no chain id. */
export function recoveryIdOfV(v: bigint): number {
  if (isUnprotectedV(v)) return Number(v - 27n);
  if (v < 35n) {
    throw new HsyncError("SIGNATURE_INVALID", `cannot recover the signer of a transaction: V is ${v}`, {
      fault: "DATA",
    });
  }
  return Number((v - 35n) & 1n);
}
