/**
 * The newest certified header of a shard, and who signed it.
 *
 * Why it exists: this is what light mode is asked for. What must stay true: every figure in it comes from a certificate that
 * verified under a committee of the epoch chain; a head that is read back from the store is the one that was put there.
 */
import { fromHex, to0x } from "../../base/mod.ts";
import {
  type CommitSig,
  type Dec,
  formatAddress,
  formatDec,
  type Header,
  parseDec,
} from "../../chain/mod.ts";
import type { EpochCommittee, QuorumTally } from "../../consensus/mod.ts";
import { isMarked } from "../../crypto/mod.ts";

export interface CertifiedHead {
  readonly shardId: number;
  readonly number: number;
  /** 32 bytes. */
  readonly hash: Uint8Array;
  readonly epoch: number;
  readonly viewId: bigint;
  /** Seconds since 1970, as its leader wrote it. */
  readonly time: bigint;
  readonly certificate: CommitSig;
  readonly signers: {
    readonly count: number;
    /** Seats of the committee. */
    readonly slots: number;
    /** `uniform`: one seat, one vote; `stake`: by voting power. */
    readonly quorum: "uniform" | "stake";
    /** Voting power that signed, 1 being the whole committee. */
    readonly power: Dec;
    /** `one1…` of each seat that signed, in the order of the seats. */
    readonly addresses: readonly string[];
  };
}

/** The head that a verified certificate makes of a header. */
export function certifiedHead(
  header: Header,
  certificate: CommitSig,
  committee: EpochCommittee,
  tally: QuorumTally,
): CertifiedHead {
  const { shardId, number, hash, epoch, viewId, time } = header;
  const signed = committee.slots.filter((_, i) => isMarked(certificate.bitmap, i));
  return {
    shardId,
    number,
    hash,
    epoch,
    viewId,
    time,
    certificate,
    signers: {
      count: tally.signers,
      slots: tally.slots,
      quorum: committee.quorum.kind,
      power: tally.power,
      addresses: signed.map((slot) => formatAddress(slot.address)),
    },
  };
}

/** A certified head as plain JSON; names are a promise to scripts. Bytes are `0x` hex. */
export interface HeadDocument {
  readonly shard: number;
  readonly number: number;
  readonly hash: string;
  readonly epoch: number;
  readonly viewId: string;
  /** ISO 8601. */
  readonly timestamp: string;
  readonly ageSeconds: number;
  readonly certificate: {
    readonly signature: string;
    readonly bitmap: string;
    readonly signers: number;
    readonly slots: number;
    readonly quorum: "uniform" | "stake";
    /** Decimal text, 1 being the whole committee. */
    readonly votingPower: string;
    readonly addresses: readonly string[];
  };
}

/** The head as plain JSON. @param now ms since 1970. */
export function headJson(head: CertifiedHead, now: number): HeadDocument {
  const { certificate, signers } = head;
  return {
    shard: head.shardId,
    number: head.number,
    hash: to0x(head.hash),
    epoch: head.epoch,
    viewId: head.viewId.toString(),
    timestamp: new Date(Number(head.time) * 1000).toISOString(),
    ageSeconds: Math.max(0, Math.floor(now / 1000) - Number(head.time)),
    certificate: {
      signature: to0x(certificate.signature),
      bitmap: to0x(certificate.bitmap),
      signers: signers.count,
      slots: signers.slots,
      quorum: signers.quorum,
      votingPower: formatDec(signers.power),
      addresses: signers.addresses,
    },
  };
}

/** For the record that survives a restart. */
export function encodeHead(head: CertifiedHead): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(headJson(head, 0)));
}

/** The head out of its record; undefined when the record is none. */
export function decodeHead(bytes: Uint8Array): CertifiedHead | undefined {
  try {
    const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as HeadDocument;
    const { certificate: c } = json;
    const head: CertifiedHead = {
      shardId: json.shard,
      number: json.number,
      hash: fromHex(json.hash),
      epoch: json.epoch,
      viewId: BigInt(json.viewId),
      time: BigInt(Date.parse(json.timestamp) / 1000),
      certificate: { signature: fromHex(c.signature), bitmap: fromHex(c.bitmap) },
      signers: {
        count: c.signers,
        slots: c.slots,
        quorum: c.quorum,
        power: parseDec(c.votingPower),
        addresses: c.addresses,
      },
    };
    const sound = Number.isSafeInteger(head.number) && Number.isSafeInteger(head.epoch) &&
      head.hash.length === 32;
    return sound ? head : undefined;
  } catch {
    return undefined;
  }
}
