/** Decoding: exactly what the native library refuses is refused, by both implementations. */
import assert from "node:assert/strict";
import { SeededRandom, toHex } from "../../src/base/mod.ts";
import { type Bls, type PointKind, secretKeyFromSeed, WasmBls } from "../../src/crypto/mod.ts";
import { bigintToLittleEndian, FIELD_ORDER, littleEndianToBigint } from "../../src/crypto/bls_dialect.ts";
import { ReferenceBls } from "../../src/crypto/bls_reference.ts";
import { withFlippedBit } from "./support/bls.ts";
import {
  G1,
  G1_COFACTOR,
  G2,
  G2_COFACTOR,
  multiply,
  ORDER_3_G1,
  pointG1,
  pointG2,
  rawG1,
  rawG2,
  smallOrderG2,
  somePointG1,
  somePointG2,
} from "./support/points.ts";

const wasm = await WasmBls.create();
const implementations: Bls[] = [new ReferenceBls(), wasm];
const random = new SeededRandom(0xb15);
const secretKey = secretKeyFromSeed(random.bytes(48));
const KEY = wasm.publicKeyOf(secretKey);
const SIGNATURE = wasm.sign(secretKey, random.bytes(40));

function keys(bytes: Uint8Array, kind: PointKind, what: string): void {
  for (const bls of implementations) assert.equal(bls.publicKeyKind(bytes), kind, `${bls.name}: key ${what}`);
}
function signatures(bytes: Uint8Array, kind: PointKind, what: string): void {
  for (const bls of implementations) {
    assert.equal(bls.signatureKind(bytes), kind, `${bls.name}: signature ${what}`);
  }
}
/** The bytes with the coordinate at `from` replaced; a flag in it is gone. */
function withCoordinate(bytes: Uint8Array, from: number, value: bigint): Uint8Array {
  const out = bytes.slice();
  out.set(bigintToLittleEndian(value, 48), from);
  return out;
}

Deno.test("a good key and a good signature decode; the other sign is as good", () => {
  keys(KEY, "point", "as made");
  signatures(SIGNATURE, "point", "as made");
  keys(withFlippedBit(KEY, 383), "point", "negated");
  signatures(withFlippedBit(SIGNATURE, 767), "point", "negated");
});

Deno.test("all zeros are infinity, and zeros with the flag are not", () => {
  keys(new Uint8Array(48), "infinity", "of zeros");
  signatures(new Uint8Array(96), "infinity", "of zeros");
  keys(withFlippedBit(new Uint8Array(48), 383), "invalid", "of zeros with the flag");
  signatures(withFlippedBit(new Uint8Array(96), 767), "invalid", "of zeros with the flag");
});

Deno.test("a coordinate at or above the field order is refused, even when its residue is a good one", () => {
  const x = littleEndianToBigint(KEY) & ((1n << 383n) - 1n);
  const shifted = x + FIELD_ORDER; // 2p is above 2^381: bits 5 and 6 of the last byte become part of the number
  assert.ok(shifted < 1n << 383n);
  keys(withCoordinate(KEY, 0, shifted), "invalid", "with x + p");
  keys(withCoordinate(KEY, 0, FIELD_ORDER), "invalid", "with x = p");
  keys(withFlippedBit(KEY, 381), "invalid", "with bit 5 of the last byte");
  keys(withFlippedBit(KEY, 382), "invalid", "with bit 6 of the last byte");
  keys(new Uint8Array(48).fill(0xff), "invalid", "of ones");

  const c0 = littleEndianToBigint(SIGNATURE.subarray(0, 48));
  const c1 = littleEndianToBigint(SIGNATURE.subarray(48)) & ((1n << 383n) - 1n);
  signatures(withCoordinate(SIGNATURE, 0, c0 + FIELD_ORDER), "invalid", "with c0 + p");
  signatures(withCoordinate(SIGNATURE, 48, c1 + FIELD_ORDER), "invalid", "with c1 + p");
  signatures(withFlippedBit(SIGNATURE, 383), "invalid", "with the top bit of c0");
  signatures(withFlippedBit(SIGNATURE, 765), "invalid", "with bit 5 of the last byte");
  signatures(withFlippedBit(SIGNATURE, 766), "invalid", "with bit 6 of the last byte");
  signatures(new Uint8Array(96).fill(0xff), "invalid", "of ones");
});

Deno.test("a point of the curve outside the subgroup is refused", () => {
  for (const seed of [1n, 1000n, 1n << 200n, FIELD_ORDER - 1000n]) {
    keys(rawG1(somePointG1(seed)), "invalid", `near x = ${seed}`);
    signatures(rawG2(somePointG2(seed)), "invalid", `near x = ${seed}`);
  }
  // The same points with the cofactor cleared are good.
  keys(rawG1(multiply(G1.ZERO, somePointG1(1n), G1_COFACTOR)), "point", "with the cofactor cleared");
  signatures(rawG2(multiply(G2.ZERO, somePointG2(1n), G2_COFACTOR)), "point", "with the cofactor cleared");
});

Deno.test("a point of small order is refused, alone and hidden in a good one", () => {
  const key = pointG1(KEY);
  assert.equal(toHex(rawG1(key)), toHex(KEY));
  // The other point of order 3 has even y: its bytes are all zero, thus read as infinity.
  keys(rawG1(ORDER_3_G1), "invalid", "of order 3");
  keys(rawG1(key.add(ORDER_3_G1)), "invalid", "plus a point of order 3");

  const signature = pointG2(SIGNATURE);
  assert.equal(toHex(rawG2(signature)), toHex(SIGNATURE));
  for (const order of [13n, 23n, 2713n]) {
    assert.equal(G2_COFACTOR % order, 0n);
    const small = smallOrderG2(order);
    signatures(rawG2(small), "invalid", `of order ${order}`);
    signatures(rawG2(signature.add(small)), "invalid", `plus a point of order ${order}`);
  }
});

Deno.test("small x are refused: they have no point, or one outside the subgroup", () => {
  for (let x = 1; x <= 12; x++) {
    const signature = new Uint8Array(96);
    signature[0] = x;
    keys(withCoordinate(KEY, 0, BigInt(x)), "invalid", `with x = ${x}`);
    signatures(signature, "invalid", `with x = ${x}`);
  }
});

Deno.test("any other length is no point", () => {
  for (const length of [0, 1, 47, 49, 95, 96, 97]) {
    keys(new Uint8Array(length), "invalid", `of ${length} bytes`);
  }
  for (const length of [0, 1, 48, 95, 97]) {
    signatures(new Uint8Array(length), "invalid", `of ${length} bytes`);
  }
});

Deno.test("every flipped bit of a key but the sign makes it invalid", () => {
  // A flipped x is a point of the subgroup with a chance of 1 in 2^126.
  for (let bit = 0; bit < 383; bit++) {
    assert.equal(wasm.publicKeyKind(withFlippedBit(KEY, bit)), "invalid", `bit ${bit}`);
  }
});
