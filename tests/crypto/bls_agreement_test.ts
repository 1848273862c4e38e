/**
 * The fast route against the readable reference on seeded random input: 1,200 cases, most of them cheap ones. The
 * seed is in every message.
 */
import assert from "node:assert/strict";
import { SeededRandom, toHex } from "../../src/base/mod.ts";
import { secretKeyFromSeed, WasmBls } from "../../src/crypto/mod.ts";
import { bigintToLittleEndian, FIELD_ORDER } from "../../src/crypto/bls_dialect.ts";
import { ReferenceBls } from "../../src/crypto/bls_reference.ts";
import { bitmapWithout, flipBit, makeCommittee, signCertificate, somePayload } from "./support/bls.ts";

const SEED = 20261122;
const reference = new ReferenceBls();
const wasm = await WasmBls.create();

/** Sets the flag and sometimes breaks a bit, a byte or the number's limit. */
function disturb(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  switch (random.int(6)) {
    case 0:
      return out;
    case 1:
      flipBit(out, out.length * 8 - 1);
      return out;
    case 2:
      flipBit(out, random.int(out.length * 8));
      return out;
    case 3:
      out[random.int(out.length)] = random.int(256);
      return out;
    case 4:
      return new Uint8Array(out.length).map((_, i) => i % 48 === 47 ? random.int(0x1a) : random.int(256));
    default:
      return random.bytes(out.length);
  }
}

Deno.test("300 keys and 300 signatures, good, broken and random, are the same to both", () => {
  const random = new SeededRandom(SEED);
  for (let i = 0; i < 300; i++) {
    const secretKey = secretKeyFromSeed(random.bytes(48));
    const key = disturb(random, wasm.publicKeyOf(secretKey));
    const signature = disturb(random, wasm.sign(secretKey, random.bytes(48)));
    const where = `seed ${SEED}, case ${i}: `;
    assert.equal(wasm.publicKeyKind(key), reference.publicKeyKind(key), where + toHex(key));
    assert.equal(
      wasm.signatureKind(signature),
      reference.signatureKind(signature),
      where + toHex(signature),
    );
  }
});

Deno.test("300 payloads of any length map to the same point", () => {
  const random = new SeededRandom(SEED + 1);
  for (let i = 0; i < 300; i++) {
    const payload = random.bytes(i % 3 === 0 ? 48 : random.int(65));
    // Every third has its top bits set, so that it must be cut to the field.
    if (i % 3 === 0) payload[47] = 0x1a | random.int(256);
    const [mine, theirs] = [wasm.payloadPoint(payload), reference.payloadPoint(payload)];
    const where = `seed ${SEED + 1}, case ${i}: ${toHex(payload)}`;
    assert.equal(mine && toHex(mine), theirs && toHex(theirs), where);
  }
});

Deno.test("payloads at the edges of the field map to the same point, or to none", () => {
  const edges: Array<[string, bigint]> = [
    ["0", 0n],
    ["1", 1n],
    ["p-1", FIELD_ORDER - 1n],
    ["p", FIELD_ORDER],
    ["p+1", FIELD_ORDER + 1n],
    ["2^380", 1n << 380n],
    ["2^380-1", (1n << 380n) - 1n],
    ["2^381-1", (1n << 381n) - 1n],
    ["2^381", 1n << 381n],
    ["2^381+1", (1n << 381n) + 1n],
    ["2^384-1", (1n << 384n) - 1n],
  ];
  for (const [name, value] of edges) {
    const payload = bigintToLittleEndian(value, 48);
    const [mine, theirs] = [wasm.payloadPoint(payload), reference.payloadPoint(payload)];
    assert.equal(mine && toHex(mine), theirs && toHex(theirs), name);
    // 2^381 is cut to zero, and zero has no point.
    assert.equal(mine === undefined, name === "0" || name === "2^381", name);
  }
});

for (const bls of [reference, wasm]) {
  Deno.test(`${bls.name}: a payload counts up to byte 48, a short one is filled with zeros, and the map is even`, () => {
    const random = new SeededRandom(SEED + 2);
    const hex = (payload: Uint8Array) => toHex(bls.payloadPoint(payload) ?? new Uint8Array(0));
    const payload = somePayload(random);
    const longer = new Uint8Array(80).fill(0xee);
    longer.set(payload);
    assert.equal(hex(longer), hex(payload));
    const short = random.bytes(32);
    const filled = new Uint8Array(48);
    filled.set(short);
    assert.equal(hex(short), hex(filled));
    assert.equal(
      hex(bigintToLittleEndian(7n, 48)),
      hex(bigintToLittleEndian(FIELD_ORDER - 7n, 48)),
    );
    assert.equal(bls.payloadPoint(new Uint8Array(0)), undefined);
    assert.equal(bls.payloadPoint(new Uint8Array(48)), undefined);
  });
}

Deno.test("200 sums of keys and signatures are the same, in any order and with inverses", () => {
  const random = new SeededRandom(SEED + 3);
  const secrets = Array.from({ length: 12 }, () => secretKeyFromSeed(random.bytes(48)));
  const keys = secrets.map((secret) => wasm.publicKeyOf(secret));
  const signatures = secrets.map((secret) => wasm.sign(secret, random.bytes(40)));
  const negated = (points: Uint8Array[]) => points.map((point) => disturbSign(point));
  const allKeys = [...keys, ...negated(keys), new Uint8Array(48)];
  const allSignatures = [...signatures, ...negated(signatures), new Uint8Array(96)];
  for (let i = 0; i < 100; i++) {
    const count = random.int(5);
    const someKeys = random.shuffle(allKeys).slice(0, count);
    const someSignatures = random.shuffle(allSignatures).slice(0, count);
    const where = `seed ${SEED + 3}, case ${i}`;
    assert.equal(toHex(wasm.addPublicKeys(someKeys)), toHex(reference.addPublicKeys(someKeys)), where);
    assert.equal(
      toHex(wasm.addSignatures(someSignatures)),
      toHex(reference.addSignatures(someSignatures)),
      where,
    );
  }
  const [key] = keys;
  assert.ok(key !== undefined);
  assert.ok(wasm.addPublicKeys([key, disturbSign(key)]).every((byte) => byte === 0));
  assert.ok(wasm.addSignatures([]).every((byte) => byte === 0));
});

function disturbSign(point: Uint8Array): Uint8Array {
  const out = point.slice();
  flipBit(out, out.length * 8 - 1);
  return out;
}

Deno.test("50 keys and signatures are made alike, and 50 verifications end alike", () => {
  const random = new SeededRandom(SEED + 4);
  for (let i = 0; i < 50; i++) {
    const secretKey = secretKeyFromSeed(random.bytes(48));
    const payload = random.bytes(48);
    const where = `seed ${SEED + 4}, case ${i}`;
    const key = reference.publicKeyOf(secretKey);
    const signature = reference.sign(secretKey, payload);
    assert.equal(toHex(wasm.publicKeyOf(secretKey)), toHex(key), where);
    assert.equal(toHex(wasm.sign(secretKey, payload)), toHex(signature), where);
    const tried = i % 2 === 0 ? payload : random.bytes(48);
    const shown = i % 5 === 4 ? disturb(random, signature) : signature;
    const verdict = wasm.verify(key, tried, shown);
    assert.equal(verdict, reference.verify(key, tried, shown), where);
    if (i % 2 === 0 && i % 5 !== 4) assert.ok(verdict, where);
  }
});

Deno.test("40 certificates of small committees, good and bad, get the same verdict and reason", () => {
  const random = new SeededRandom(SEED + 5);
  const committee = makeCommittee(wasm, random, 11);
  for (let i = 0; i < 40; i++) {
    const absent = random.shuffle([...Array(11).keys()]).slice(0, random.int(10));
    const good = signCertificate(wasm, committee, absent, somePayload(random));
    const input = {
      payload: i % 4 === 1 ? somePayload(random) : good.payload,
      signature: i % 4 === 2 ? disturb(random, good.signature) : good.signature,
      bitmap: i % 4 === 3 ? bitmapWithout(11, [random.int(11)]) : good.bitmap,
    };
    const verdict = wasm.verifyCertificate(committee.handle, input);
    const where = `seed ${SEED + 5}, case ${i}`;
    assert.deepEqual(verdict, reference.verifyCertificate(committee.handle, input), where);
    if (i % 4 === 0) assert.equal(verdict.valid, true, where);
  }
});
