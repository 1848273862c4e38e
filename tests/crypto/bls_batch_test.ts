/** Many certificates at once: sound, complete, frugal, and in steps. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../src/base/mod.ts";
import { type CertificateInput, CommitteeKeys, WasmBls } from "../../src/crypto/mod.ts";
import { type BitmapGroup, groupByBitmap, planPairings } from "../../src/crypto/bls_batch_plan.ts";
import { COARSE, FINE } from "../../src/crypto/bls_wasm_batch.ts";
import {
  bitmapWithout,
  flipBit,
  makeCommittee,
  signCertificate,
  somePayload,
  withFlippedBit,
} from "./support/bls.ts";

const SEED = 0xba7c4;
const SIZE = 40;
const wasm = await WasmBls.create();
const random = new SeededRandom(SEED);
const committee = makeCommittee(wasm, random, SIZE);

/** The ways in which committees are absent: they lead to different pairings. */
const ABSENCES: Record<string, () => number[]> = {
  "all sign": () => [],
  "the same five are absent": () => [1, 5, 9, 33, 39],
  "each certificate has its own absentees": () => random.shuffle([...Array(SIZE).keys()]).slice(0, 10),
  "three fixed and some of six": () => [0, 8, 16, ...random.shuffle([20, 21, 22, 23, 24, 25]).slice(0, 3)],
  "hardly anyone signs": () => [...Array(SIZE).keys()].filter((slot) => slot % 13 !== 0),
};

function certificates(count: number, absent: () => number[]): CertificateInput[] {
  return Array.from(
    { length: count },
    () => signCertificate(wasm, committee, absent(), somePayload(random)),
  );
}
function badOnes(inputs: readonly CertificateInput[]): number[] {
  return wasm.verifyCertificates(committee.handle, inputs)
    .flatMap((verdict, i) => verdict.valid ? [] : [i]);
}

for (const [what, absent] of Object.entries(ABSENCES)) {
  Deno.test(`batches in which ${what}: all good ones pass, each kind of bad one is named`, () => {
    const inputs = certificates(24, absent);
    assert.deepEqual(badOnes(inputs), [], `seed ${SEED}`);

    const at = (i: number) => inputs[i] as CertificateInput;
    const spoilt = [...inputs];
    spoilt[3] = { ...at(3), payload: withFlippedBit(at(3).payload, 17) };
    assert.deepEqual(badOnes(spoilt), [3]);
    spoilt[11] = { ...at(11), bitmap: withFlippedBit(at(11).bitmap, 13) };
    // Two signatures that change places keep their unweighted sum.
    spoilt[20] = { ...at(20), signature: at(21).signature };
    spoilt[21] = { ...at(21), signature: at(20).signature };
    spoilt[23] = { ...at(23), signature: new Uint8Array(96) };
    assert.deepEqual(badOnes(spoilt), [3, 11, 20, 21, 23]);
  });
}

Deno.test("errors that cancel out in a plain sum do not cancel out in a weighted one", () => {
  const [a, b] = certificates(2, () => []) as [CertificateInput, CertificateInput];
  // a's signature plus D, b's less D
  const [shift] = certificates(1, () => []) as [CertificateInput];
  const minusShift = withFlippedBit(shift.signature, 767);
  const forged = [
    { ...a, signature: wasm.addSignatures([a.signature, shift.signature]) },
    { ...b, signature: wasm.addSignatures([b.signature, minusShift]) },
  ];
  for (let i = 0; i < 8; i++) assert.deepEqual(badOnes(forged), [0, 1]);
});

Deno.test("weights come from the system, after all points are read, and are new for every half", () => {
  const inputs = certificates(8, () => [2]);
  inputs[6] = { ...inputs[6] as CertificateInput, payload: somePayload(random) };
  const drawn: bigint[][] = [];
  const system = crypto.getRandomValues;
  const steps = wasm.verifySteps(committee.handle, inputs, COARSE);
  // One step per certificate read; the committee is decoded already.
  crypto.getRandomValues = () => {
    throw new Error("drawn too early");
  };
  try {
    for (let i = 0; i < inputs.length; i++) assert.equal(steps.next().done, false);
    crypto.getRandomValues = <T extends ArrayBufferView | null>(array: T): T => {
      system.call(crypto, array as unknown as Uint8Array<ArrayBuffer>);
      assert.ok(array instanceof Uint8Array);
      drawn.push([...new BigUint64Array(array.slice().buffer)]);
      return array;
    };
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    assert.deepEqual(step.value.flatMap(({ valid }, i) => valid ? [] : [i]), [6]);
  } finally {
    crypto.getRandomValues = system;
  }
  // All eight, the left half, then the left pair of the right half, which is known to be bad; single ones need none.
  assert.deepEqual(drawn.map((weights) => weights.length), [8, 4, 2]);
  const all = drawn.flat();
  assert.equal(new Set(all).size, all.length);
});

Deno.test("a batch that is bad throughout is judged one by one, and still rightly", () => {
  const inputs = certificates(24, ABSENCES["three fixed and some of six"] as () => number[])
    .map((input, i) => i === 13 ? input : { ...input, payload: somePayload(random) });
  assert.deepEqual(badOnes(inputs), [...Array(24).keys()].filter((i) => i !== 13));
});

Deno.test("mixed batches keep their order: each verdict belongs to its certificate", () => {
  const inputs = certificates(12, ABSENCES["each certificate has its own absentees"] as () => number[]);
  const at = (i: number) => inputs[i] as CertificateInput;
  const spoilt: CertificateInput[] = [...inputs];
  spoilt[0] = { ...at(0), bitmap: new Uint8Array(4) };
  spoilt[2] = { ...at(2), signature: new Uint8Array(96).fill(0xff) };
  spoilt[4] = { ...at(4), payload: new Uint8Array(48) };
  spoilt[6] = { ...at(6), signature: new Uint8Array(10) };
  spoilt[8] = { ...at(8), bitmap: new Uint8Array(5) };
  const verdicts = wasm.verifyCertificates(committee.handle, spoilt);
  assert.deepEqual(
    verdicts.map((verdict) => verdict.valid ? "valid" : verdict.reason),
    [
      "BITMAP_LENGTH",
      "valid",
      "SIGNATURE_ENCODING",
      "valid",
      "PAYLOAD_UNUSABLE",
      "valid",
      "SIGNATURE_LENGTH",
      "valid",
      "NO_SIGNERS",
      "valid",
      "valid",
      "valid",
    ],
  );
});

Deno.test("members that cannot sign are left out of the committee's total", () => {
  const keys = [...committee.publicKeys];
  keys[3] = new Uint8Array(48);
  keys[17] = new Uint8Array(48).fill(0x77);
  const handle = CommitteeKeys.of(keys);
  const inputs = Array.from(
    { length: 12 },
    (_, i) => signCertificate(wasm, committee, [3, 17, 20 + i % 7, 30 + i % 3], somePayload(random)),
  );
  assert.ok(wasm.verifyCertificates(handle, inputs).every((verdict) => verdict.valid));
  const bitmap = inputs[5]?.bitmap.slice() as Uint8Array;
  flipBit(bitmap, 3);
  inputs[5] = { ...inputs[5] as CertificateInput, bitmap };
  assert.deepEqual(
    wasm.verifyCertificates(handle, inputs).flatMap((v, i) => v.valid ? [] : [[i, v.reason]]),
    [[5, "SIGNER_KEY_UNUSABLE"]],
  );
});

Deno.test("a large batch passes as a whole: weights on raw points hold beyond the library's shortcuts", () => {
  // 300 points of one bitmap go through the bucket method, single ones through the windowed one.
  assert.deepEqual(badOnes(certificates(300, () => [7])), []);
});

Deno.test("fine steps, coarse steps and steps that take turns give the same verdicts", () => {
  const inputs = certificates(20, ABSENCES["three fixed and some of six"] as () => number[]);
  inputs[9] = { ...inputs[9] as CertificateInput, payload: somePayload(random) };
  const whole = wasm.verifyCertificates(committee.handle, inputs);
  const runs = [FINE, COARSE, FINE].map((grain) => ({
    steps: wasm.verifySteps(committee.handle, inputs, grain),
    verdicts: undefined as unknown,
    count: 0,
  }));
  while (runs.some((run) => run.verdicts === undefined)) {
    for (const run of runs) {
      if (run.verdicts !== undefined) continue;
      const step = run.steps.next();
      if (step.done === true) run.verdicts = step.value;
      else run.count++;
    }
  }
  for (const run of runs) assert.deepEqual(run.verdicts, whole);
  assert.ok((runs[0]?.count ?? 0) > (runs[1]?.count ?? 0));
});

Deno.test("memory goes back: after good, bad, failed and abandoned batches as much is in use as before", () => {
  const inputs = certificates(8, ABSENCES["each certificate has its own absentees"] as () => number[]);
  const bad = [...inputs.slice(0, 7), { ...inputs[7] as CertificateInput, payload: somePayload(random) }];
  wasm.verifyCertificates(committee.handle, bad);
  const before = wasm.memory;
  for (let i = 0; i < 3; i++) {
    wasm.verifyCertificates(committee.handle, inputs);
    wasm.verifyCertificates(committee.handle, bad);
    assert.throws(() => wasm.verifyCertificates(committee.handle, []));
    const steps = wasm.verifySteps(committee.handle, inputs, FINE);
    for (let k = 0; k < 6 * i; k++) steps.next();
    steps.return([]);
    // An input that breaks our own rules throws in the middle of a batch.
    const broken = [...inputs, { ...inputs[0], payload: null } as unknown as CertificateInput];
    assert.throws(() => wasm.verifyCertificates(committee.handle, broken), TypeError);
  }
  assert.deepEqual(wasm.memory, before);
});

Deno.test("ten thousand operations do not grow the library's memory", () => {
  const key = committee.publicKeys[0] as Uint8Array;
  const before = wasm.memory;
  for (let i = 0; i < 10_000; i++) {
    // The cheap refusals: each goes through the library, none is worth a pairing.
    const bytes = withFlippedBit(key, 381 + i % 2);
    assert.equal(wasm.publicKeyKind(bytes), "invalid");
  }
  assert.deepEqual(wasm.memory, before);
});

Deno.test("a key is decoded once, whatever committees it stands in", async () => {
  const fresh = await WasmBls.create();
  const input = signCertificate(wasm, committee, [], somePayload(random));
  assert.equal(fresh.decodedKeys, 0);
  fresh.verifyCertificate(committee.handle, input);
  assert.equal(fresh.decodedKeys, SIZE);
  fresh.verifyCertificate(committee.handle, input);
  fresh.verifyCertificate(CommitteeKeys.of(committee.publicKeys), input);
  fresh.verifyCertificate(CommitteeKeys.of([...committee.publicKeys].reverse()), input);
  assert.equal(fresh.decodedKeys, SIZE);
});

Deno.test("a batch is sorted by bitmap, spare bits aside", () => {
  const handle = CommitteeKeys.packed(new Uint8Array(11 * 48));
  const usable = new Uint8Array(11).fill(1);
  usable[10] = 0;
  const input = (...bytes: number[]) => ({
    payload: new Uint8Array(48),
    signature: new Uint8Array(96),
    bitmap: Uint8Array.from(bytes),
  });
  const { groups, verdicts } = groupByBitmap(handle, usable, [
    input(0xff, 0x03),
    input(0xff, 0xfb), // the same but for spare bits
    input(0xff, 0x04), // slot 10 cannot sign
    input(0x01, 0x00),
    input(0x00, 0x00),
  ]);
  assert.deepEqual(groups.map((group) => [group.members, group.signers, group.absent.length]), [
    [[0, 1], 10, 0],
    [[3], 1, 9],
  ]);
  assert.deepEqual(verdicts.map((verdict) => verdict && !verdict.valid && verdict.reason), [
    undefined,
    undefined,
    "SIGNER_KEY_UNUSABLE",
    undefined,
    "NO_SIGNERS",
  ]);
});

Deno.test("the cheaper plan wins, and keys that are absent together share a pairing", () => {
  const group = (...absent: number[]): BitmapGroup => ({ members: [0], signers: 1, present: [], absent });
  assert.deepEqual(planPairings([group(1, 2, 3)]), { by: "bitmap" });
  assert.deepEqual(planPairings([group(1), group(2)]), { by: "bitmap" });
  // Four bitmaps over two keys beside two that are always absent.
  assert.deepEqual(planPairings([group(8, 9), group(1, 8, 9), group(2, 8, 9), group(1, 2, 8, 9)]), {
    by: "absence",
    always: [8, 9],
    patterns: [{ slots: [1], groups: [1, 3] }, { slots: [2], groups: [2, 3] }],
  });
  // Keys 1, 4 and 5 come and go together.
  assert.deepEqual(planPairings([group(), group(1, 4, 5), group(2), group(1, 2, 4, 5)]), {
    by: "absence",
    always: [],
    patterns: [{ slots: [1, 4, 5], groups: [1, 3] }, { slots: [2], groups: [2, 3] }],
  });
});

Deno.test("both plans accept and refuse alike", () => {
  // Sixteen bitmaps over four keys: five pairings by absence, sixteen by bitmap; halves of it may go either way.
  const inputs = Array.from({ length: 16 }, (_, i) => {
    const absent = [4, 9, 14, 19].filter((_, bit) => (i >> bit) & 1);
    assert.deepEqual(bitmapWithout(SIZE, absent).length, 5);
    return signCertificate(wasm, committee, absent, somePayload(random));
  });
  assert.deepEqual(badOnes(inputs), []);
  inputs.forEach((input, i) => {
    const spoilt = [...inputs];
    spoilt[i] = { ...input, bitmap: withFlippedBit(input.bitmap, 14) };
    if (i % 5 === 0) assert.deepEqual(badOnes(spoilt), [i]);
  });
});
