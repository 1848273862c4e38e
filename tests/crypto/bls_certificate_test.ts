/** Verdicts on certificates: what is refused and why, the same by both implementations. */
import assert from "node:assert/strict";
import { HsyncError, SeededRandom } from "../../src/base/mod.ts";
import {
  type Bls,
  type CertificateFault,
  type CertificateInput,
  CommitteeKeys,
  countMarked,
  isMarked,
  markedSlots,
  secretKeyFromSeed,
  WasmBls,
} from "../../src/crypto/mod.ts";
import { ReferenceBls } from "../../src/crypto/bls_reference.ts";
import {
  bitmapWithout,
  flipBit,
  makeCommittee,
  signCertificate,
  somePayload,
  withFlippedBit,
} from "./support/bls.ts";
import { pointG2, rawG2, smallOrderG2 } from "./support/points.ts";

const wasm = await WasmBls.create();
const implementations: Bls[] = [new ReferenceBls(), wasm];
const random = new SeededRandom(0xce27);
const SIZE = 11;
const committee = makeCommittee(wasm, random, SIZE);
const PAYLOAD = somePayload(random);
const GOOD = signCertificate(wasm, committee, [2, 7], PAYLOAD);

/** Alone and as a member of a batch the verdict is the same, by both. */
function refuses(
  handle: CommitteeKeys,
  input: CertificateInput,
  reason: CertificateFault,
  signers: number,
): void {
  for (const bls of implementations) {
    const verdict = { valid: false, signers, reason };
    assert.deepEqual(bls.verifyCertificate(handle, input), verdict, bls.name);
    assert.deepEqual(bls.verifyCertificates(handle, [input, input])[1], verdict, `${bls.name}, in a batch`);
  }
}

Deno.test("a good certificate is valid and says how many signed", () => {
  for (const bls of implementations) {
    assert.deepEqual(bls.verifyCertificate(committee.handle, GOOD), { valid: true, signers: 9 });
  }
});

Deno.test("a bitmap has the length of its committee, exactly", () => {
  for (const length of [0, 1, 3, 96]) {
    const bitmap = new Uint8Array(length).fill(0xff);
    refuses(committee.handle, { ...GOOD, bitmap }, "BITMAP_LENGTH", 0);
  }
});

Deno.test("spare bits of the bitmap change nothing and count for nothing", () => {
  for (let bit = SIZE; bit < 16; bit++) {
    const bitmap = withFlippedBit(GOOD.bitmap, bit);
    for (const bls of implementations) {
      assert.deepEqual(bls.verifyCertificate(committee.handle, { ...GOOD, bitmap }), {
        valid: true,
        signers: 9,
      });
    }
  }
  const spareOnly = new Uint8Array(2);
  for (let bit = SIZE; bit < 16; bit++) flipBit(spareOnly, bit);
  refuses(committee.handle, { ...GOOD, bitmap: spareOnly }, "NO_SIGNERS", 0);
});

Deno.test("an empty signer set is refused, whatever the signature", () => {
  const bitmap = new Uint8Array(2);
  refuses(committee.handle, { ...GOOD, bitmap }, "NO_SIGNERS", 0);
  refuses(committee.handle, { ...GOOD, bitmap, signature: new Uint8Array(96) }, "NO_SIGNERS", 0);
});

Deno.test("signatures of another length, infinity, and what is no point of the group are refused", () => {
  for (const length of [0, 95, 97]) {
    refuses(committee.handle, { ...GOOD, signature: new Uint8Array(length) }, "SIGNATURE_LENGTH", 9);
  }
  refuses(committee.handle, { ...GOOD, signature: new Uint8Array(96) }, "SIGNATURE_INFINITY", 9);
  refuses(committee.handle, { ...GOOD, signature: new Uint8Array(96).fill(0xff) }, "SIGNATURE_ENCODING", 9);
  const tainted = rawG2(pointG2(GOOD.signature).add(smallOrderG2(13n)));
  refuses(committee.handle, { ...GOOD, signature: tainted }, "SIGNATURE_ENCODING", 9);
});

Deno.test("another payload, another signer set or a negated signature does not match", () => {
  refuses(committee.handle, { ...GOOD, payload: withFlippedBit(PAYLOAD, 0) }, "SIGNATURE_MISMATCH", 9);
  refuses(committee.handle, { ...GOOD, bitmap: bitmapWithout(SIZE, [2, 8]) }, "SIGNATURE_MISMATCH", 9);
  refuses(committee.handle, { ...GOOD, bitmap: bitmapWithout(SIZE, []) }, "SIGNATURE_MISMATCH", 11);
  refuses(
    committee.handle,
    { ...GOOD, signature: withFlippedBit(GOOD.signature, 767) },
    "SIGNATURE_MISMATCH",
    9,
  );
});

Deno.test("a payload of zeros stands for no point", () => {
  refuses(committee.handle, { ...GOOD, payload: new Uint8Array(48) }, "PAYLOAD_UNUSABLE", 9);
  refuses(committee.handle, { ...GOOD, payload: new Uint8Array(0) }, "PAYLOAD_UNUSABLE", 9);
});

Deno.test("a member whose key cannot sign spoils the certificates that count on it, and no others", () => {
  const bad = { infinity: new Uint8Array(48), nonsense: new Uint8Array(48).fill(0xff) };
  for (const [what, key] of Object.entries(bad)) {
    const keys = [...committee.publicKeys];
    keys[2] = key; // GOOD does not count on slot 2
    const handle = CommitteeKeys.of(keys);
    for (const bls of implementations) {
      assert.deepEqual(bls.verifyCertificate(handle, GOOD), { valid: true, signers: 9 }, what);
    }
    // Infinity would add nothing: the signature of the others would still match.
    refuses(handle, { ...GOOD, bitmap: bitmapWithout(SIZE, [7]) }, "SIGNER_KEY_UNUSABLE", 10);
  }
});

Deno.test("keys that cancel out cannot carry an infinity signature, nor any other", () => {
  const [key] = committee.publicKeys;
  assert.ok(key !== undefined);
  const handle = CommitteeKeys.of([key, withFlippedBit(key, 383), ...committee.publicKeys.slice(1, 3)]);
  const bitmap = Uint8Array.of(0b0011);
  const infinity = { payload: PAYLOAD, bitmap, signature: new Uint8Array(96) };
  refuses(handle, infinity, "AGGREGATE_KEY_INFINITY", 2);
  refuses(handle, { ...infinity, signature: GOOD.signature }, "AGGREGATE_KEY_INFINITY", 2);
});

Deno.test("a committee whose keys add up to infinity still verifies what part of it signed", () => {
  const secret = secretKeyFromSeed(random.bytes(48));
  const key = wasm.publicKeyOf(secret);
  const handle = CommitteeKeys.of([key, withFlippedBit(key, 383)]);
  const input = (payload: Uint8Array) => ({
    payload,
    signature: wasm.sign(secret, payload),
    bitmap: Uint8Array.of(1),
  });
  for (const bls of implementations) {
    assert.deepEqual(
      bls.verifyCertificates(handle, [input(PAYLOAD), input(somePayload(random))]),
      Array(2).fill({ valid: true, signers: 1 }),
    );
  }
});

Deno.test("a key that stands in several slots counts once for each marked one", () => {
  const [a, b, c] = committee.publicKeys;
  const [secretA, secretB] = committee.secretKeys;
  assert.ok(a && b && c && secretA && secretB);
  const handle = CommitteeKeys.of([a, b, a, c]);
  const twice = wasm.addSignatures([
    wasm.sign(secretA, PAYLOAD),
    wasm.sign(secretA, PAYLOAD),
    wasm.sign(secretB, PAYLOAD),
  ]);
  const input = { payload: PAYLOAD, signature: twice, bitmap: Uint8Array.of(0b0111) };
  for (const bls of implementations) {
    assert.deepEqual(bls.verifyCertificate(handle, input), { valid: true, signers: 3 });
  }
  refuses(handle, { ...input, bitmap: Uint8Array.of(0b0011) }, "SIGNATURE_MISMATCH", 2);
});

Deno.test("one member's signature shown as everybody's does not match", () => {
  const [secret] = committee.secretKeys;
  assert.ok(secret !== undefined);
  const signature = wasm.sign(secret, PAYLOAD);
  refuses(
    committee.handle,
    { payload: PAYLOAD, signature, bitmap: bitmapWithout(SIZE, []) },
    "SIGNATURE_MISMATCH",
    11,
  );
});

Deno.test("an empty batch is an error and never a yes", () => {
  for (const bls of implementations) {
    assert.throws(
      () => bls.verifyCertificates(committee.handle, []),
      (error) => error instanceof HsyncError && error.code === "BLS_EMPTY_BATCH",
    );
  }
});

Deno.test("a committee without keys, or with one of another length, is an error", () => {
  const isCommitteeError = (error: unknown) => error instanceof HsyncError && error.code === "BLS_COMMITTEE";
  assert.throws(() => CommitteeKeys.of([]), isCommitteeError);
  assert.throws(() => CommitteeKeys.of([new Uint8Array(47)]), isCommitteeError);
  assert.throws(() => CommitteeKeys.packed(new Uint8Array(49)), isCommitteeError);
});

Deno.test("a secret key is 32 bytes of a number between 1 and the order", () => {
  const isKeyError = (error: unknown) => error instanceof HsyncError && error.code === "BLS_SECRET_KEY";
  const order = Uint8Array.from(
    "01000000fffffffffe5bfeff02a4bd5305d8a10908d83933487d9d2953a7ed73".match(/../g) ?? [],
    (byte) => parseInt(byte, 16),
  );
  for (const bls of implementations) {
    for (
      const key of [new Uint8Array(32), new Uint8Array(31).fill(1), order, new Uint8Array(32).fill(0xff)]
    ) {
      assert.throws(() => bls.publicKeyOf(key), isKeyError);
      assert.throws(() => bls.sign(key, PAYLOAD), isKeyError);
    }
    const secret = committee.secretKeys[0] as Uint8Array;
    assert.throws(
      () => bls.sign(secret, new Uint8Array(48)),
      (error) => error instanceof HsyncError && error.code === "BLS_PAYLOAD",
    );
  }
});

Deno.test("bitmaps are read from the least significant bit, and only below the committee's size", () => {
  const bitmap = Uint8Array.of(0b1000_0001, 0b1111_1010);
  assert.deepEqual(markedSlots(bitmap, 11), [0, 7, 9]);
  assert.equal(countMarked(bitmap, 11), 3);
  assert.equal(countMarked(bitmap, 16), 8);
  assert.ok(isMarked(bitmap, 0) && !isMarked(bitmap, 1) && !isMarked(bitmap, 400));
});
