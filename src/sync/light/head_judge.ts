/**
 * From a delivered block to a certified head.
 *
 * Why it exists: rules, committee and certificate make one judgement, whoever asked for the block. What must stay true: a head comes
 * out only of a certificate that verified under a committee of the epoch chain; a refusal says whether its sender lied.
 */
import { asHsyncError, type Clock, HsyncError } from "../../base/mod.ts";
import { type Header, type NetworkParams, splitCommitSig } from "../../chain/mod.ts";
import { type AnchorBook, type BatchVerifier, planCertificate, verifyPlan } from "../../consensus/mod.ts";
import type { DeliveredBlock } from "../../stream/mod.ts";
import type { EpochFollower } from "../epoch/epoch_follower.ts";
import { type CertifiedHead, certifiedHead } from "./certified_head.ts";
import { judgeLightHeader, type LightVerdict } from "./light_rules.ts";

export interface HeadJudgeOptions {
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly anchors: AnchorBook;
  readonly epochs: EpochFollower;
  readonly verifier: BatchVerifier;
  readonly clock: Clock;
}

/** What a header came to. */
export type HeadVerdict =
  | { readonly kind: "certified"; readonly header: Header; readonly head: CertifiedHead }
  /** Fault DATA: its sender lied; fault NONE: it may be our clock, our lag, or a shard that stands still. */
  | { readonly kind: "refused"; readonly error: HsyncError };

export class HeadJudge {
  readonly #o: HeadJudgeOptions;

  constructor(options: HeadJudgeOptions) {
    this.#o = options;
  }

  /**
   * Judges a block, waiting for the epoch chain where its epoch has only just begun.
   *
   * @throws {HsyncError} CANCELLED, and failures of our own.
   */
  async judge({ block, commitSig }: DeliveredBlock, signal: AbortSignal): Promise<HeadVerdict> {
    const { shardId, epochs, verifier } = this.#o;
    const { header } = block;
    try {
      let verdict = this.#rules(header);
      if (verdict.kind === "ahead" && await epochs.reach(header.epoch, signal)) verdict = this.#rules(header);
      if (verdict.kind === "refused") return verdict;
      if (verdict.kind === "ahead") {
        return unknown(header, `the epoch chain is in epoch ${epochs.chain.epoch}`);
      }
      const { committee } = await epochs.chain.committees.committee(header.epoch, shardId);
      const certificate = splitCommitSig(commitSig);
      const plan = planCertificate(header, certificate, committee);
      await verifyPlan(plan, verifier, signal);
      return { kind: "certified", header, head: certifiedHead(header, certificate, committee, plan.tally) };
    } catch (cause) {
      const error = asHsyncError(cause);
      if (error.code === "COMMITTEE_UNKNOWN") return unknown(header, error.message);
      if (error.fault !== "DATA") throw cause;
      return { kind: "refused", error };
    }
  }

  #rules(header: Header): LightVerdict {
    const { params, shardId, anchors, epochs, clock } = this.#o;
    const now = clock.now() / 1000;
    return judgeLightHeader(header, { params, shardId, anchors, beaconEpoch: epochs.chain.epoch, now });
  }
}

function unknown({ number, shardId, epoch }: Header, why: string): HeadVerdict {
  const text =
    `header ${number} of shard ${shardId} cannot be judged: nobody is known to sign in epoch ${epoch}; ${why}`;
  return {
    kind: "refused",
    error: new HsyncError("LIGHT_EPOCH_UNKNOWN", text, { blockNumber: number, retryable: true }),
  };
}
