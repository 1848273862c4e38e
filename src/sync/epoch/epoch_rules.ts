/**
 * What a block must be to count as the end of an epoch, before anybody looks at its certificate.
 *
 * Why it exists: the epoch chain knows no parents, so it is held to those rules of the header table that need none, and
 * to the schedule. What must stay true: what passes here hands over readable committees, in the form and for the epoch
 * that are due; whatever does not is named with its height and hash.
 */
import { HsyncError, to0x } from "../../base/mod.ts";
import {
  type Block,
  decodeShardState,
  type Header,
  type NetworkParams,
  nextEpoch,
  type ShardState,
} from "../../chain/mod.ts";
import { type AnchorBook, HEADER_RULES, type HeaderRule } from "../../consensus/mod.ts";

/** The rejecting rules that look at nothing but the header itself and its schedule. */
export const PARENTLESS_RULES: readonly string[] = [
  "EPOCH_HEIGHT",
  "VERSION",
  "SHARD_STATE_PLACE",
  "SHARD_STATE_FORM",
  "SHARD_STATE_TABLES",
];

const RULES: readonly HeaderRule[] = HEADER_RULES.filter((rule) => PARENTLESS_RULES.includes(rule.id));

/** How errors name an epoch block. */
export function nameOfEpochBlock(
  block: { readonly number: number; readonly hash: Uint8Array },
  epoch: number,
): string {
  return `epoch block ${block.number} (${to0x(block.hash).slice(0, 18)}…, last of epoch ${epoch})`;
}

function refused(block: Block, epoch: number, id: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError(id, `${nameOfEpochBlock(block, epoch)} is refused: ${why}`, {
    fault: "DATA",
    blockNumber: block.number,
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Holds a block that ends an epoch against every rule that needs no parent.
 *
 * @param shardId the chain it must belong to.
 * @returns the committees that it hands over, and the epoch they serve in.
 * @throws {HsyncError} fault DATA: EPOCH_BLOCK_SHARD, EPOCH_BLOCK_EMPTY (it hands over nothing), `HEADER_<rule>`.
 */
export function checkEpochEnd(
  block: Block,
  shardId: number,
  params: NetworkParams,
): { readonly state: ShardState; readonly serves: number } {
  const { header } = block;
  const { epoch } = header;
  if (header.shardId !== shardId) {
    throw refused(
      block,
      epoch,
      "EPOCH_BLOCK_SHARD",
      `it is of shard ${header.shardId}, not of shard ${shardId}`,
    );
  }
  if (header.shardState.length === 0) {
    throw refused(
      block,
      epoch,
      "EPOCH_BLOCK_EMPTY",
      "it hands over no committees, so it does not end an epoch",
    );
  }
  let state: ShardState;
  try {
    state = decodeShardState(header.shardState);
  } catch (cause) {
    throw refused(block, epoch, "HEADER_SHARD_STATE_FORM", "its committees do not decode", cause);
  }
  const breach = parentlessBreach(header, state, params);
  if (breach !== undefined) throw refused(block, epoch, breach.code, breach.why);
  return { state, serves: nextEpoch(header, state, params) };
}

/**
 * The first rejecting rule that a header breaks by itself.
 *
 * @param state its ShardState decoded; undefined when it has none.
 * @returns the error code and what is wrong, or undefined.
 */
export function parentlessBreach(
  header: Header,
  state: ShardState | undefined,
  params: NetworkParams,
): { readonly code: string; readonly why: string } | undefined {
  const context = {
    params,
    // No rule of the list looks at the parent.
    parent: header,
    header,
    expectedEpoch: header.epoch,
    state,
    stateEpoch: state === undefined ? undefined : nextEpoch(header, state, params),
    now: undefined,
  };
  for (const rule of RULES) {
    const why = rule.broken(context);
    if (why !== undefined) return { code: `HEADER_${rule.id}`, why };
  }
  return undefined;
}

/**
 * {@link checkEpochEnd} for the next block of the epoch chain: the beacon chain's last block of `epoch`.
 *
 * @throws {HsyncError} fault DATA, also EPOCH_BLOCK_EPOCH and ANCHOR_BREACH.
 */
export function checkEpochBlock(
  block: Block,
  epoch: number,
  params: NetworkParams,
  anchors: AnchorBook,
): ShardState {
  const { header } = block;
  if (header.epoch !== epoch || block.number !== params.schedule.lastBlock(epoch)) {
    const due = `block ${params.schedule.lastBlock(epoch)} of epoch ${epoch}`;
    throw refused(block, epoch, "EPOCH_BLOCK_EPOCH", `it says epoch ${header.epoch}, ${due} is due`);
  }
  anchors.requireHeader(header);
  return checkEpochEnd(block, 0, params).state;
}
