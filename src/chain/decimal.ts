/**
 * Fixed-point decimals with 18 digits, as raw integers.
 *
 * Why it exists: stakes and voting powers are decimals of this form, and a certificate stands or falls with the
 * last digit of a sum (chain-format.md §11.4). What must stay true: a raw value is the number times 10^18, held
 * in a bigint; products and quotients round half to even, exactly as here, and sums are never rounded.
 */
import { HsyncError } from "../base/mod.ts";
import { rlpList, rlpUint } from "./rlp.ts";
import type { RlpReader } from "./rlp.ts";

/** The number times 10^18. */
export type Dec = bigint;

/** Digits after the point. */
export const DEC_PRECISION = 18;
/** 1 as a raw decimal. */
export const DEC_ONE: Dec = 10n ** 18n;
const HALF = DEC_ONE / 2n;

/** A whole number as a raw decimal. */
export function decFromInt(value: bigint | number): Dec {
  return BigInt(value) * DEC_ONE;
}

/** Drops 18 digits, rounding half to even; the sign does not change the direction of rounding. */
function dropDigits(value: bigint): bigint {
  if (value < 0n) return -dropDigits(-value);
  const quotient = value / DEC_ONE;
  const rest = value - quotient * DEC_ONE;
  if (rest < HALF) return quotient;
  if (rest > HALF) return quotient + 1n;
  return (quotient & 1n) === 0n ? quotient : quotient + 1n;
}

/** Product of two raw decimals, rounded half to even (chain-format.md §11.4). */
export function decMul(a: Dec, b: Dec): Dec {
  return dropDigits(a * b);
}

/**
 * Quotient of two raw decimals: 18 extra digits are kept by truncation, then dropped half to even
 * (chain-format.md §11.4). The truncation comes first: it decides what counts as "exactly half".
 *
 * @throws {HsyncError} DEC_DIVISION_BY_ZERO
 */
export function decQuo(a: Dec, b: Dec): Dec {
  if (b === 0n) {
    throw new HsyncError("DEC_DIVISION_BY_ZERO", `cannot divide the decimal ${formatDec(a)} by zero`);
  }
  return dropDigits((a * DEC_ONE * DEC_ONE) / b);
}

/**
 * Raw decimal of a text such as `0.68`, `-1`, `12.345`.
 *
 * @throws {HsyncError} DEC_SYNTAX when it is not a plain decimal number or has more than 18 digits after the point.
 */
export function parseDec(text: string): Dec {
  const match = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text);
  if (match === null) {
    throw new HsyncError("DEC_SYNTAX", `"${text.slice(0, 60)}" is not a decimal number`, {
      hint: "write digits with at most 18 of them after the point",
    });
  }
  const fraction = (match[3] ?? "").padEnd(DEC_PRECISION, "0");
  const raw = BigInt(match[2] ?? "0") * DEC_ONE + BigInt(fraction);
  return match[1] === "-" ? -raw : raw;
}

/** Text with all 18 digits after the point: `0.666666666666666667`. */
export function formatDec(value: Dec): string {
  const magnitude = value < 0n ? -value : value;
  const fraction = (magnitude % DEC_ONE).toString().padStart(DEC_PRECISION, "0");
  return `${value < 0n ? "-" : ""}${magnitude / DEC_ONE}.${fraction}`;
}

/**
 * Reads a decimal from its wire form, a list of one integer (chain-format.md §5.2).
 *
 * @throws {HsyncError} fault DATA: another shape.
 */
export function readDec(reader: RlpReader, field: string): Dec {
  const list = reader.list(field);
  const value = list.bigint(field);
  list.finish();
  return value;
}

/** Wire form of a decimal: a list of one integer. @throws {RangeError} negative. */
export function rlpDec(value: Dec): Uint8Array {
  return rlpList([rlpUint(value)]);
}
