/**
 * Slash records: evidence that a validator signed two blocks at one height (chain-format.md §9).
 *
 * Why it exists: beacon headers carry them as a byte string, which execution acts upon. What must stay true:
 * headers keep that string as it is, because older releases used another shape; decoding is on request only.
 */
import { rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** One signed vote. */
export interface SlashVote {
  /** 48 bytes each. */
  readonly signerKeys: readonly Uint8Array[];
  /** 32 bytes. */
  readonly blockHash: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SlashRecord {
  readonly epoch: number;
  readonly shardId: number;
  readonly height: bigint;
  readonly viewId: bigint;
  readonly firstVote: SlashVote;
  readonly secondVote: SlashVote;
  /** 20 bytes. */
  readonly offender: Uint8Array;
  /** 20 bytes. */
  readonly reporter: Uint8Array;
}

function readVote(reader: RlpReader, field: string): SlashVote {
  const r = reader.list(field);
  const vote = {
    signerKeys: r.each("signerKeys", (keys) => keys.fixed(48, "signerKeys")),
    blockHash: r.fixed(32, "blockHash"),
    signature: r.bytes("signature"),
  };
  r.finish();
  return vote;
}

function readRecord(reader: RlpReader): SlashRecord {
  const r = reader.list("slash record");
  const evidence = r.list("evidence");
  const moment = evidence.list("moment");
  const at = {
    epoch: moment.safeInteger("epoch"),
    shardId: moment.uint32("shardId"),
    height: moment.uint64("height"),
    viewId: moment.uint64("viewId"),
  };
  moment.finish();
  const votes = evidence.list("votes");
  const firstVote = readVote(votes, "firstVote");
  const secondVote = readVote(votes, "secondVote");
  votes.finish();
  const offender = evidence.fixed(20, "offender");
  evidence.finish();
  const reporter = r.fixed(20, "reporter");
  r.finish();
  return { ...at, firstVote, secondVote, offender, reporter };
}

/** The slash records of a header. @param bytes content of the field. @throws {HsyncError} fault DATA. */
export function decodeSlashRecords(bytes: Uint8Array): SlashRecord[] {
  if (bytes.length === 0) return [];
  const reader = new RlpReader(bytes, "slash records");
  const records = reader.each("slash records", readRecord);
  reader.finish();
  return records;
}

function encodeVote(vote: SlashVote): Uint8Array {
  return rlpList([
    rlpList(vote.signerKeys.map((key) => rlpFixed(key, 48, "signerKeys"))),
    rlpFixed(vote.blockHash, 32, "blockHash"),
    rlpBytes(vote.signature),
  ]);
}

/** Content of the header field for these records; empty for none. */
export function encodeSlashRecords(records: readonly SlashRecord[]): Uint8Array {
  if (records.length === 0) return new Uint8Array(0);
  return rlpList(records.map((record) => {
    const moment = rlpList([
      rlpUint(record.epoch),
      rlpUint(record.shardId),
      rlpUint(record.height),
      rlpUint(record.viewId),
    ]);
    const votes = rlpList([encodeVote(record.firstVote), encodeVote(record.secondVote)]);
    const evidence = rlpList([moment, votes, rlpFixed(record.offender, 20, "offender")]);
    return rlpList([evidence, rlpFixed(record.reporter, 20, "reporter")]);
  }));
}
