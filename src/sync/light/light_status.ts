/**
 * What light mode answers: the certified head, its age, who signed it, and how far the epochs are known.
 *
 * Why it exists: `/status`, the JSON output and the end of a run show the same document. What must stay true: what is
 * unknown is null; nothing is called certified that is not.
 */
import {
  type AnchorDocument,
  type Checkpoint,
  type CheckpointAge,
  checkpointAge,
  checkpointText,
} from "../checkpoint.ts";
import { type EpochChainDocument, epochChainJson, type EpochStatus } from "../epoch/epoch_status.ts";
import { type CertifiedHead, type HeadDocument, headJson } from "./certified_head.ts";

export const LIGHT_STATES = ["waitingForStreams", "epochs", "seeking", "synced", "failed"] as const;
/**
 * `epochs`: the epoch chain is behind; `seeking`: it is not, but no fresh head is certified; `synced`: the certified head is
 * where peers say that the chain ends.
 */
export type LightState = typeof LIGHT_STATES[number];

/** A header that was not accepted. */
export interface LightRefusal {
  readonly number: number;
  readonly code: string;
  readonly text: string;
  /** Peer id text of the sender. */
  readonly from: string;
  /** ms since 1970. */
  readonly at: number;
}

export interface LightStatus {
  readonly network: string;
  readonly shardId: number;
  readonly state: LightState;
  readonly head: CertifiedHead | undefined;
  /** Where peers say that the chain ends, and ms since 1970 of the oldest claim that carries it. */
  readonly target: { readonly height: number; readonly asOf: number } | undefined;
  readonly streams: number;
  readonly epochs: EpochStatus;
  /** The beacon chain's checkpoint that was given: begun at, or held against what is stored. */
  readonly checkpoint: Checkpoint | undefined;
  readonly refused: LightRefusal | undefined;
  /** What it waits for, and since when (ms since 1970). */
  readonly waiting: { readonly what: string; readonly since: number } | undefined;
  readonly failed: string | undefined;
  /** ms since 1970. */
  readonly now: number;
}

interface WaitDocument {
  readonly what: string;
  /** ISO 8601. */
  readonly since: string;
}
interface RefusalDocument {
  readonly number: number;
  readonly code: string;
  readonly text: string;
  /** Peer id text. */
  readonly from: string;
  readonly at: string;
}
/** The status of light mode as plain JSON; names are a promise to scripts, `null` means unknown or none. */
export interface LightStatusDocument {
  readonly schema: 1;
  readonly time: string;
  readonly network: string;
  readonly shard: number;
  readonly state: LightState;
  readonly synced: boolean;
  readonly head: HeadDocument | null;
  readonly target: { readonly height: number; readonly asOf: string } | null;
  readonly streams: number;
  readonly epochChain: EpochChainDocument;
  readonly checkpoint:
    | {
      readonly given: string | null;
      /** The epoch chain begins at a checkpoint: this one, or that of an earlier run. */
      readonly begun: boolean;
      readonly ageDays: number | null;
      readonly old: boolean | null;
    }
    | null;
  /** The newest block known beforehand; null when none has a date. */
  readonly anchor: AnchorDocument | null;
  readonly refused: RefusalDocument | null;
  readonly waiting: WaitDocument | null;
  readonly failed: string | null;
}

function waitJson(waiting: LightStatus["waiting"]): WaitDocument | null {
  return waiting === undefined ? null : { what: waiting.what, since: new Date(waiting.since).toISOString() };
}
function refusalJson(refusal: LightRefusal | undefined): RefusalDocument | null {
  return refusal === undefined ? null : { ...refusal, at: new Date(refusal.at).toISOString() };
}

/** What light mode was told beforehand. */
export interface LightTrust {
  /** The newest block known beforehand. */
  readonly anchor?: AnchorDocument | undefined;
  /** Of the newest checkpoint, where its block is stored; default: of the one that the epoch chain begins at. */
  readonly age?: CheckpointAge | undefined;
}

/** The status as plain JSON. */
export function lightStatusJson(
  status: LightStatus,
  { anchor, age: known }: LightTrust = {},
): LightStatusDocument {
  const { epochs, head, target, checkpoint, now } = status;
  const age = known ??
    (epochs.origin === "checkpoint" && epochs.baseTime !== undefined
      ? checkpointAge(BigInt(Math.floor(epochs.baseTime / 1000)), now)
      : undefined);
  return {
    schema: 1,
    time: new Date(now).toISOString(),
    network: status.network,
    shard: status.shardId,
    state: status.state,
    synced: status.state === "synced",
    head: head === undefined ? null : headJson(head, now),
    target: target === undefined
      ? null
      : { height: target.height, asOf: new Date(target.asOf).toISOString() },
    streams: status.streams,
    epochChain: epochChainJson(epochs, now),
    checkpoint: checkpoint === undefined && age === undefined ? null : {
      given: checkpoint === undefined ? null : checkpointText(checkpoint),
      begun: epochs.origin === "checkpoint",
      ageDays: age?.days ?? null,
      old: age?.old ?? null,
    },
    anchor: anchor ?? null,
    refused: refusalJson(status.refused),
    waiting: waitJson(status.waiting),
    failed: status.failed ?? null,
  };
}
