/**
 * The messages inside staking transactions (chain-format.md §5.2).
 *
 * Why it exists: execution and JSON-RPC need to know what a staking transaction asks for; syncing does not, so
 * this is decoded only when asked for. What must stay true: absent and zero are told apart exactly as far as the
 * encoding does, and encoding a decoded message gives the same bytes.
 */
import { HsyncError } from "../base/mod.ts";
import { type Dec, readDec, rlpDec } from "./decimal.ts";
import { RLP_EMPTY_LIST, RLP_EMPTY_STRING, rlpBytes, rlpFixed, rlpList, RlpReader, rlpUint } from "./rlp.ts";

/** What a staking transaction does; the value is the one on the wire. */
export const Directive = {
  CreateValidator: 0,
  EditValidator: 1,
  Delegate: 2,
  Undelegate: 3,
  CollectRewards: 4,
} as const;
export type DirectiveName = keyof typeof Directive;

/** How a validator presents itself: five texts, as the bytes they were sent in (meant as UTF-8, not checked). */
export interface Description {
  readonly name: Uint8Array;
  readonly identity: Uint8Array;
  readonly website: Uint8Array;
  readonly securityContact: Uint8Array;
  readonly details: Uint8Array;
}

export interface CreateValidator {
  readonly directive: "CreateValidator";
  /** 20 bytes. */
  readonly validator: Uint8Array;
  readonly description: Description;
  readonly rate: Dec;
  readonly maxRate: Dec;
  readonly maxChangeRate: Dec;
  /** In atto, as all amounts here. */
  readonly minSelfDelegation: bigint;
  readonly maxTotalDelegation: bigint;
  /** 48 bytes each. */
  readonly slotKeys: readonly Uint8Array[];
  /** 96 bytes each: proofs that the sender holds the keys. */
  readonly slotKeySignatures: readonly Uint8Array[];
  readonly amount: bigint;
}

export interface EditValidator {
  readonly directive: "EditValidator";
  /** 20 bytes. */
  readonly validator: Uint8Array;
  readonly description: Description;
  /** Undefined leaves it as it is. */
  readonly commissionRate: Dec | undefined;
  /** 0 leaves it as it is: the encoding does not tell absent from zero. */
  readonly minSelfDelegation: bigint;
  /** As `minSelfDelegation`. */
  readonly maxTotalDelegation: bigint;
  /** 48 bytes. */
  readonly slotKeyToRemove: Uint8Array | undefined;
  /** 48 bytes. */
  readonly slotKeyToAdd: Uint8Array | undefined;
  /** 96 bytes. */
  readonly slotKeyToAddSignature: Uint8Array | undefined;
  /** 0 none, 1 active, 2 inactive, 3 banned. */
  readonly eposStatus: number;
}

export interface Delegation {
  readonly directive: "Delegate" | "Undelegate";
  /** 20 bytes. */
  readonly delegator: Uint8Array;
  /** 20 bytes. */
  readonly validator: Uint8Array;
  readonly amount: bigint;
}

export interface CollectRewards {
  readonly directive: "CollectRewards";
  /** 20 bytes. */
  readonly delegator: Uint8Array;
}

export type StakingMessage = CreateValidator | EditValidator | Delegation | CollectRewards;

/** No bound but the transaction's own size: what a validator signed is on the chain, however large. */
const ANY_WIDTH = Number.MAX_SAFE_INTEGER;

const NAMES: readonly DirectiveName[] = [
  "CreateValidator",
  "EditValidator",
  "Delegate",
  "Undelegate",
  "CollectRewards",
];

/** The name of a directive byte; undefined when there is none: such a transaction decodes but cannot execute. */
export function directiveName(value: number): DirectiveName | undefined {
  return NAMES[value];
}

function readDescription(reader: RlpReader): Description {
  const r = reader.list("description");
  const description = {
    name: r.bytes("name"),
    identity: r.bytes("identity"),
    website: r.bytes("website"),
    securityContact: r.bytes("securityContact"),
    details: r.bytes("details"),
  };
  r.finish();
  return description;
}

function readCreateValidator(r: RlpReader): CreateValidator {
  const validator = r.fixed(20, "validator");
  const description = readDescription(r);
  const rates = r.list("rates");
  const rate = readDec(rates, "rate");
  const maxRate = readDec(rates, "maxRate");
  const maxChangeRate = readDec(rates, "maxChangeRate");
  rates.finish();
  return {
    directive: "CreateValidator",
    validator,
    description,
    rate,
    maxRate,
    maxChangeRate,
    minSelfDelegation: r.bigint("minSelfDelegation", ANY_WIDTH),
    maxTotalDelegation: r.bigint("maxTotalDelegation", ANY_WIDTH),
    slotKeys: r.each("slotKeys", (keys) => keys.fixed(48, "slotKeys")),
    slotKeySignatures: r.each("slotKeySignatures", (sigs) => sigs.fixed(96, "slotKeySignatures")),
    amount: r.bigint("amount", ANY_WIDTH),
  };
}

/** An absent rate is an empty list; an empty string in its place is an error. */
function readOptionalDec(reader: RlpReader, field: string): Dec | undefined {
  const list = reader.list(field);
  if (list.done) return undefined;
  const value = list.bigint(field);
  list.finish();
  return value;
}

function readEditValidator(r: RlpReader): EditValidator {
  return {
    directive: "EditValidator",
    validator: r.fixed(20, "validator"),
    description: readDescription(r),
    commissionRate: readOptionalDec(r, "commissionRate"),
    minSelfDelegation: r.bigint("minSelfDelegation", ANY_WIDTH),
    maxTotalDelegation: r.bigint("maxTotalDelegation", ANY_WIDTH),
    slotKeyToRemove: r.optionalFixed(48, "slotKeyToRemove"),
    slotKeyToAdd: r.optionalFixed(48, "slotKeyToAdd"),
    slotKeyToAddSignature: r.optionalFixed(96, "slotKeyToAddSignature"),
    eposStatus: r.uint8("eposStatus"),
  };
}

function readMessage(name: DirectiveName, r: RlpReader): StakingMessage {
  switch (name) {
    case "CreateValidator":
      return readCreateValidator(r);
    case "EditValidator":
      return readEditValidator(r);
    case "Delegate":
    case "Undelegate":
      return {
        directive: name,
        delegator: r.fixed(20, "delegator"),
        validator: r.fixed(20, "validator"),
        amount: r.bigint("amount", ANY_WIDTH),
      };
    case "CollectRewards":
      return { directive: name, delegator: r.fixed(20, "delegator") };
  }
}

/**
 * The message of a staking transaction.
 *
 * @param directive the directive byte. @param bytes RLP of the message.
 * @throws {HsyncError} fault DATA: DIRECTIVE_UNKNOWN, or an RLP code when the shape is another.
 */
export function decodeStakingMessage(directive: number, bytes: Uint8Array): StakingMessage {
  const name = directiveName(directive);
  if (name === undefined) {
    throw new HsyncError(
      "DIRECTIVE_UNKNOWN",
      `cannot decode staking message: unknown directive ${directive}`,
      {
        fault: "DATA",
      },
    );
  }
  const whole = new RlpReader(bytes, `${name} message`);
  const r = whole.list("message");
  whole.finish();
  const message = readMessage(name, r);
  r.finish();
  return message;
}

function encodeDescription(d: Description): Uint8Array {
  return rlpList([d.name, d.identity, d.website, d.securityContact, d.details].map(rlpBytes));
}

function optional(content: Uint8Array | undefined, length: number, field: string): Uint8Array {
  return content === undefined ? RLP_EMPTY_STRING : rlpFixed(content, length, field);
}

/** RLP of a message. @throws {RangeError} a field of another length or out of range. */
export function encodeStakingMessage(message: StakingMessage): Uint8Array {
  switch (message.directive) {
    case "CreateValidator":
      return rlpList([
        rlpFixed(message.validator, 20, "validator"),
        encodeDescription(message.description),
        rlpList([rlpDec(message.rate), rlpDec(message.maxRate), rlpDec(message.maxChangeRate)]),
        rlpUint(message.minSelfDelegation),
        rlpUint(message.maxTotalDelegation),
        rlpList(message.slotKeys.map((key) => rlpFixed(key, 48, "slotKeys"))),
        rlpList(message.slotKeySignatures.map((sig) => rlpFixed(sig, 96, "slotKeySignatures"))),
        rlpUint(message.amount),
      ]);
    case "EditValidator":
      return rlpList([
        rlpFixed(message.validator, 20, "validator"),
        encodeDescription(message.description),
        message.commissionRate === undefined ? RLP_EMPTY_LIST : rlpDec(message.commissionRate),
        rlpUint(message.minSelfDelegation),
        rlpUint(message.maxTotalDelegation),
        optional(message.slotKeyToRemove, 48, "slotKeyToRemove"),
        optional(message.slotKeyToAdd, 48, "slotKeyToAdd"),
        optional(message.slotKeyToAddSignature, 96, "slotKeyToAddSignature"),
        rlpUint(message.eposStatus),
      ]);
    case "Delegate":
    case "Undelegate":
      return rlpList([
        rlpFixed(message.delegator, 20, "delegator"),
        rlpFixed(message.validator, 20, "validator"),
        rlpUint(message.amount),
      ]);
    case "CollectRewards":
      return rlpList([rlpFixed(message.delegator, 20, "delegator")]);
  }
}
