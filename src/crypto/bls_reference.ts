/**
 * Harmony's BLS dialect in plain sight, on `@noble/curves`.
 *
 * Why it exists: it is what the fast route is measured against: each rule of consensus-verification.md §a reads here as
 * it is written there, with big integers and no tricks. What must stay true: clarity before speed (a
 * verification takes about 20 ms); the node itself uses the fast route.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { HsyncError, isZero, toHex } from "../base/mod.ts";
import type { Bls, PointKind } from "./bls.ts";
import {
  type CertificateInput,
  type CertificateVerdict,
  type CommitteeKeys,
  inspectCertificate,
  markedSlots,
  refused,
  requireBatch,
} from "./bls_certificate.ts";
import {
  bigintToLittleEndian,
  CURVE_PARAMETER,
  FIELD_ORDER as P,
  GENERATOR_HEX,
  littleEndianToBigint,
  payloadToField,
  PUBLIC_KEY_BYTES,
  SIGNATURE_BYTES,
} from "./bls_dialect.ts";
import { secretScalar } from "./bls_secret.ts";

const { Fp, Fp2, Fp12 } = bls12_381.fields;
const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
type G1Point = InstanceType<typeof G1>;
type G2Point = InstanceType<typeof G2>;
/** a + bi with i² = -1. */
type Fp2Element = ReturnType<typeof Fp2.create>;

/** The curve of keys: y² = x³ + 4. */
const B1 = 4n;
/** The twist of signatures: y² = x³ + 4(1 + i). */
const B2 = Fp2.create({ c0: 4n, c1: 4n });
const HALF = Fp.inv(2n);
/** The flag bit in the last byte of a compressed point. */
const ODD = 0x80;

/** a^((p+1)/4), a root exactly when a is a square (§a.4). */
function rootFp(a: bigint): bigint | undefined {
  const root = Fp.pow(a, (P + 1n) / 4n);
  return Fp.eql(Fp.sqr(root), a) ? root : undefined;
}

/** The root in Fp2 that the native library takes: which of the two matters for the map (§a.4). */
function rootFp2({ c0: a, c1: b }: Fp2Element): Fp2Element | undefined {
  if (b === 0n) {
    const real = rootFp(a);
    if (real !== undefined) return Fp2.create({ c0: real, c1: 0n });
    const imaginary = rootFp(Fp.neg(a)); // -1 is no square, so one of a and -a is
    return imaginary === undefined ? undefined : Fp2.create({ c0: 0n, c1: imaginary });
  }
  const norm = rootFp(Fp.add(Fp.sqr(a), Fp.sqr(b)));
  if (norm === undefined) return undefined;
  const real = rootFp(Fp.mul(Fp.add(a, norm), HALF)) ?? rootFp(Fp.mul(Fp.sub(a, norm), HALF));
  if (real === undefined) return undefined;
  return Fp2.create({ c0: real, c1: Fp.div(b, Fp.add(real, real)) });
}

function rootOfMinusThree(): bigint {
  const root = rootFp(Fp.neg(3n));
  if (root === undefined) {
    throw new HsyncError("BLS_INTERNAL", "-3 has no root: the field is not the curve's");
  }
  return root;
}
const C1 = rootOfMinusThree();
const C2 = Fp.mul(Fp.sub(C1, 1n), HALF);

/** The three x among which the map takes the first that lies on the twist (§a.5), and t is real. */
function* candidatesG2(t: bigint): Generator<Fp2Element> {
  const w = Fp2.div(
    Fp2.create({ c0: Fp.mul(C1, t), c1: 0n }),
    Fp2.add(B2, Fp2.create({ c0: Fp.add(1n, Fp.sqr(t)), c1: 0n })),
  );
  const tw = Fp2.mul(w, t);
  const x1 = Fp2.create({ c0: Fp.sub(C2, tw.c0), c1: Fp.neg(tw.c1) });
  yield x1;
  yield Fp2.create({ c0: Fp.sub(Fp.neg(x1.c0), 1n), c1: Fp.neg(x1.c1) });
  yield Fp2.add(Fp2.ONE, Fp2.inv(Fp2.sqr(w)));
}

/** A field element to a point of the signature group; undefined for zero. */
function mapToG2(t: bigint): G2Point | undefined {
  if (t === 0n) return undefined;
  for (const x of candidatesG2(t)) {
    const y = rootFp2(Fp2.add(Fp2.mul(Fp2.sqr(x), x), B2));
    // The native map flips y by the character of the norm of t. The norm of a real t is its square: never flipped.
    if (y !== undefined) return G2.fromAffine({ x, y }).clearCofactor();
  }
  throw new HsyncError("BLS_INTERNAL", "the map to G2 found no point, which cannot be");
}

/** The same map into the key group; only the generator needs it. */
function mapToG1(t: bigint): G1Point {
  const w = Fp.div(Fp.mul(C1, t), Fp.add(Fp.sqr(t), B1 + 1n));
  const x1 = Fp.sub(C2, Fp.mul(t, w));
  for (const x of [x1, Fp.sub(Fp.neg(x1), 1n), Fp.add(1n, Fp.inv(Fp.sqr(w)))]) {
    const y = rootFp(Fp.add(Fp.mul(Fp.sqr(x), x), B1));
    if (y === undefined) continue;
    const flipped = rootFp(t) === undefined;
    const cofactor = (CURVE_PARAMETER + 1n) ** 2n / 3n; // (x-1)²/3, and x is negative
    return G1.fromAffine({ x, y: flipped ? Fp.neg(y) : y }).multiplyUnsafe(cofactor);
  }
  throw new HsyncError("BLS_INTERNAL", "the map to G1 found no point, which cannot be");
}

/** Splits off the flag. */
function readFlag(bytes: Uint8Array): { odd: boolean; rest: Uint8Array } {
  const rest = bytes.slice();
  const last = rest.length - 1;
  const top = rest[last] as number;
  rest[last] = top & ~ODD;
  return { odd: (top & ODD) !== 0, rest };
}

const isOdd = (value: bigint): boolean => (value & 1n) === 1n;

/** Undefined for what the native library refuses, in the order of §a.3. */
function readG1(bytes: Uint8Array): G1Point | undefined {
  if (bytes.length !== PUBLIC_KEY_BYTES) return undefined;
  if (isZero(bytes)) return G1.ZERO;
  const { odd, rest } = readFlag(bytes);
  const x = littleEndianToBigint(rest);
  if (x >= P) return undefined;
  const y = rootFp(Fp.add(Fp.mul(Fp.sqr(x), x), B1));
  if (y === undefined) return undefined;
  const point = G1.fromAffine({ x, y: isOdd(y) === odd ? y : Fp.neg(y) });
  return point.isTorsionFree() ? point : undefined;
}

function readG2(bytes: Uint8Array): G2Point | undefined {
  if (bytes.length !== SIGNATURE_BYTES) return undefined;
  if (isZero(bytes)) return G2.ZERO;
  const { odd, rest } = readFlag(bytes);
  const c0 = littleEndianToBigint(rest.subarray(0, 48));
  const c1 = littleEndianToBigint(rest.subarray(48));
  if (c0 >= P || c1 >= P) return undefined;
  const x = Fp2.create({ c0, c1 });
  const y = rootFp2(Fp2.add(Fp2.mul(Fp2.sqr(x), x), B2));
  if (y === undefined) return undefined;
  const point = G2.fromAffine({ x, y: isOdd(y.c0) === odd ? y : Fp2.neg(y) });
  return point.isTorsionFree() ? point : undefined;
}

function flagged(bytes: Uint8Array, odd: boolean): Uint8Array {
  if (odd) bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) | ODD;
  return bytes;
}

function writeG1(point: G1Point): Uint8Array {
  if (point.is0()) return new Uint8Array(PUBLIC_KEY_BYTES);
  const { x, y } = point.toAffine();
  return flagged(bigintToLittleEndian(x, PUBLIC_KEY_BYTES), isOdd(y));
}

function writeG2(point: G2Point): Uint8Array {
  const out = new Uint8Array(SIGNATURE_BYTES);
  if (point.is0()) return out;
  const { x, y } = point.toAffine();
  out.set(bigintToLittleEndian(x.c0, 48), 0);
  out.set(bigintToLittleEndian(x.c1, 48), 48);
  return flagged(out, isOdd(y.c0));
}

function pointKind(point: { is0(): boolean } | undefined): PointKind {
  return point === undefined ? "invalid" : point.is0() ? "infinity" : "point";
}

function required<T>(point: T | undefined, what: string): T {
  if (point === undefined) throw new HsyncError("BLS_POINT", `a ${what} to be added does not decode`);
  return point;
}

/** The readable implementation. */
export class ReferenceBls implements Bls {
  readonly name = "reference";
  readonly #generator = mapToG1(1n);
  readonly #minusGenerator = this.#generator.negate();

  /** @throws {HsyncError} BLS_INTERNAL when the derived generator is not the network's. */
  constructor() {
    if (toHex(writeG1(this.#generator)) !== GENERATOR_HEX) {
      throw new HsyncError("BLS_INTERNAL", "the reference BLS derives another generator than the network's");
    }
  }
  publicKeyKind(bytes: Uint8Array): PointKind {
    return pointKind(readG1(bytes));
  }
  signatureKind(bytes: Uint8Array): PointKind {
    return pointKind(readG2(bytes));
  }
  payloadPoint(payload: Uint8Array): Uint8Array | undefined {
    const point = mapToG2(payloadToField(payload));
    return point === undefined ? undefined : writeG2(point);
  }
  addPublicKeys(keys: readonly Uint8Array[]): Uint8Array {
    return writeG1(keys.reduce((sum, key) => sum.add(required(readG1(key), "public key")), G1.ZERO));
  }
  addSignatures(signatures: readonly Uint8Array[]): Uint8Array {
    return writeG2(signatures.reduce((sum, s) => sum.add(required(readG2(s), "signature")), G2.ZERO));
  }
  publicKeyOf(secretKey: Uint8Array): Uint8Array {
    return writeG1(this.#generator.multiply(secretScalar(secretKey)));
  }
  sign(secretKey: Uint8Array, payload: Uint8Array): Uint8Array {
    const scalar = secretScalar(secretKey);
    const point = mapToG2(payloadToField(payload));
    if (point === undefined) throw new HsyncError("BLS_PAYLOAD", "a payload of zeros cannot be signed");
    return writeG2(point.multiply(scalar));
  }
  verify(publicKey: Uint8Array, payload: Uint8Array, signature: Uint8Array): boolean {
    const key = readG1(publicKey);
    const point = readG2(signature);
    const hashed = mapToG2(payloadToField(payload));
    if (key === undefined || point === undefined || hashed === undefined) return false;
    return !key.is0() && !point.is0() && this.#holds(key, hashed, point);
  }
  verifyCertificate(committee: CommitteeKeys, input: CertificateInput): CertificateVerdict {
    const { fault, signers } = inspectCertificate(committee, input);
    if (fault !== undefined) return refused(fault, signers);
    let key = G1.ZERO;
    for (const slot of markedSlots(input.bitmap, committee.size)) {
      const member = readG1(committee.key(slot));
      if (member === undefined || member.is0()) return refused("SIGNER_KEY_UNUSABLE", signers);
      key = key.add(member);
    }
    if (key.is0()) return refused("AGGREGATE_KEY_INFINITY", signers);
    const signature = readG2(input.signature);
    if (signature === undefined) return refused("SIGNATURE_ENCODING", signers);
    if (signature.is0()) return refused("SIGNATURE_INFINITY", signers);
    const hashed = mapToG2(payloadToField(input.payload));
    if (hashed === undefined) return refused("PAYLOAD_UNUSABLE", signers);
    return this.#holds(key, hashed, signature)
      ? { valid: true, signers }
      : refused("SIGNATURE_MISMATCH", signers);
  }
  verifyCertificates(
    committee: CommitteeKeys,
    inputs: readonly CertificateInput[],
  ): CertificateVerdict[] {
    requireBatch(inputs);
    return inputs.map((input) => this.verifyCertificate(committee, input));
  }
  /** e(-G, signature) · e(key, hashed) = 1, no point being infinity (§a.6). */
  #holds(key: G1Point, hashed: G2Point, signature: G2Point): boolean {
    const product = bls12_381.pairingBatch([
      { g1: this.#minusGenerator, g2: signature },
      { g1: key, g2: hashed },
    ]);
    return Fp12.eql(product, Fp12.ONE);
  }
}
