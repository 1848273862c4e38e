/**
 * Points that a decoder must refuse although they lie on the curve.
 *
 * Why it exists: a subgroup check is only tested by points outside the subgroup, above all those whose order is
 * small: added to a good signature they leave most equations intact. What must stay true: computed with plain
 * doubling and adding, so that no shortcut for the subgroup is involved.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import {
  bigintToLittleEndian,
  CURVE_PARAMETER,
  FIELD_ORDER as P,
  GROUP_ORDER as R,
} from "../../../src/crypto/bls_dialect.ts";

const { Fp, Fp2 } = bls12_381.fields;
export const G1 = bls12_381.G1.Point;
export const G2 = bls12_381.G2.Point;
export type G1Point = InstanceType<typeof G1>;
export type G2Point = InstanceType<typeof G2>;

const X = -CURVE_PARAMETER;
/** Number of points of the key curve over the group order. */
export const G1_COFACTOR = (X - 1n) ** 2n / 3n;
export const G2_COFACTOR =
  (X ** 8n - 4n * X ** 7n + 5n * X ** 6n - 4n * X ** 4n + 6n * X ** 3n - 4n * X ** 2n -
    4n * X + 13n) / 9n;

interface Group<T> {
  add(other: T): T;
  double(): T;
  is0(): boolean;
}

/** scalar · point for any scalar and any point of the curve. */
export function multiply<T extends Group<T>>(zero: T, point: T, scalar: bigint): T {
  let out = zero;
  for (const bit of scalar.toString(2)) {
    out = out.double();
    if (bit === "1") out = out.add(point);
  }
  return out;
}

/** The first point of the key curve with x ≥ `x`. */
export function somePointG1(x: bigint): G1Point {
  for (let at = x;; at++) {
    const square = Fp.add(Fp.pow(at, 3n), 4n);
    const y = Fp.pow(square, (P + 1n) / 4n);
    if (Fp.eql(Fp.sqr(y), square)) return G1.fromAffine({ x: at, y });
  }
}

/** The first point of the signature curve with x = c + i, c ≥ `c0`. */
export function somePointG2(c0: bigint): G2Point {
  for (let at = c0;; at++) {
    const x = Fp2.create({ c0: at, c1: 1n });
    const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.create({ c0: 4n, c1: 4n }));
    if (Fp2.eql(Fp2.pow(square, (P * P - 1n) / 2n), Fp2.ONE)) {
      return G2.fromAffine({ x, y: Fp2.sqrt(square) });
    }
  }
}

/** A point of the signature curve of prime order `order`, which must divide the cofactor. */
export function smallOrderG2(order: bigint): G2Point {
  let cofactor = G2_COFACTOR;
  while (cofactor % order === 0n) cofactor /= order;
  for (let c0 = 1n;; c0++) {
    let point = multiply(G2.ZERO, somePointG2(c0), R * cofactor);
    if (point.is0()) continue;
    for (;;) {
      const next = multiply(G2.ZERO, point, order);
      if (next.is0()) return point;
      point = next;
    }
  }
}

/** The key curve's point (0, -2), of order 3. */
export const ORDER_3_G1: G1Point = G1.fromAffine({ x: 0n, y: P - 2n });

/** In the network's serialization, without asking whether the point is in the subgroup. */
export function rawG1(point: G1Point): Uint8Array {
  const { x, y } = point.toAffine();
  const out = bigintToLittleEndian(x, 48);
  if ((y & 1n) === 1n) out[47] = (out[47] as number) | 0x80;
  return out;
}

export function rawG2(point: G2Point): Uint8Array {
  const { x, y } = point.toAffine();
  const out = new Uint8Array(96);
  out.set(bigintToLittleEndian(x.c0, 48), 0);
  out.set(bigintToLittleEndian(x.c1, 48), 48);
  if ((y.c0 & 1n) === 1n) out[95] = (out[95] as number) | 0x80;
  return out;
}

/** A key's point back from its bytes, which must be good. */
export function pointG1(bytes: Uint8Array): G1Point {
  const last = bytes[47] as number;
  let x = 0n;
  for (let i = 47; i >= 0; i--) x = (x << 8n) | BigInt(i === 47 ? last & 0x7f : bytes[i] as number);
  const y = Fp.sqrt(Fp.add(Fp.pow(x, 3n), 4n));
  return G1.fromAffine({ x, y: ((y & 1n) === 1n) === (last >= 0x80) ? y : Fp.neg(y) });
}

/** A signature's point back from its bytes, which must be good. */
export function pointG2(bytes: Uint8Array): G2Point {
  const read = (from: number, top: number) => {
    let value = 0n;
    for (let i = 47; i >= 0; i--) {
      value = (value << 8n) | BigInt((bytes[from + i] as number) & (i === 47 ? top : 0xff));
    }
    return value;
  };
  const x = Fp2.create({ c0: read(0, 0xff), c1: read(48, 0x7f) });
  const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.create({ c0: 4n, c1: 4n })));
  const odd = (bytes[95] as number) >= 0x80;
  return G2.fromAffine({ x, y: ((y.c0 & 1n) === 1n) === odd ? y : Fp2.neg(y) });
}
