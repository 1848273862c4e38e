/** Certificates through real worker threads, and without them. */
import assert from "node:assert/strict";
import { createLogger, HsyncError, ManualClock, SeededRandom } from "../../src/base/mod.ts";
import {
  type CertificateInput,
  CommitteeKeys,
  createCertificateVerifier,
  WasmBls,
} from "../../src/crypto/mod.ts";
import { moduleWorkers, type StartWorker } from "../../src/crypto/worker_pool.ts";
import { makeCommittee, signCertificate, somePayload, withFlippedBit } from "./support/bls.ts";
import { FakeWorkers } from "./support/fake_workers.ts";

const wasm = await WasmBls.create();
const random = new SeededRandom(0x3e81);
const SIZE = 20;
const committee = makeCommittee(wasm, random, SIZE);
const INPUTS = Array.from(
  { length: 80 },
  (_, i) => signCertificate(wasm, committee, [i % 3, 10 + i % 4], somePayload(random)),
);
const GOOD = INPUTS[0] as CertificateInput;
const realWorkers = moduleWorkers(new URL("../../src/crypto/bls_worker.ts", import.meta.url), "test");
const crashingWorkers = moduleWorkers(new URL("./support/crashing_worker.ts", import.meta.url), "test");

function fails(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof HsyncError && error.code === code);
}
/** The batch with certificates 7, 41 and 79 spoilt, one of them by its length alone. */
function spoilt(): CertificateInput[] {
  const inputs = [...INPUTS];
  inputs[7] = { ...GOOD, payload: withFlippedBit(GOOD.payload, 5) };
  inputs[41] = { ...GOOD, bitmap: new Uint8Array(2) };
  inputs[79] = { ...GOOD, signature: withFlippedBit(GOOD.signature, 767) };
  return inputs;
}

for (const workers of [0, 1, 2]) {
  Deno.test(`${workers} workers: a batch passes, and one with bad certificates names them`, async () => {
    const verifier = createCertificateVerifier({ workers });
    try {
      const good = await verifier.verifyBatch(committee.handle, INPUTS);
      assert.deepEqual(good, INPUTS.map(() => ({ valid: true, signers: SIZE - 2 })));
      const mixed = await verifier.verifyBatch(committee.handle, spoilt());
      assert.deepEqual(
        mixed.flatMap((verdict, i) => verdict.valid ? [] : [[i, verdict.reason]]),
        [[7, "SIGNATURE_MISMATCH"], [41, "BITMAP_LENGTH"], [79, "SIGNATURE_MISMATCH"]],
      );
      assert.deepEqual(await verifier.verify(committee.handle, GOOD), { valid: true, signers: SIZE - 2 });
      assert.equal(verifier.inProcess, workers === 0);
    } finally {
      verifier.close();
    }
  });
}

Deno.test("an empty batch is an error, not a yes, and needs no worker", async () => {
  const workers = new FakeWorkers();
  const verifier = createCertificateVerifier({ workers: 1, start: workers.start });
  await fails(verifier.verifyBatch(committee.handle, []), "BLS_EMPTY_BATCH");
  const verdict = await verifier.verify(committee.handle, { ...GOOD, bitmap: new Uint8Array(0) });
  assert.deepEqual(verdict, { valid: false, signers: 0, reason: "BITMAP_LENGTH" });
  assert.equal(workers.all.length, 0);
  verifier.close();
  await fails(verifier.verify(committee.handle, GOOD), "CANCELLED");
});

Deno.test("what the caller changes after the call changes no verdict", async () => {
  const verifier = createCertificateVerifier({ workers: 1 });
  try {
    const input = { ...GOOD, payload: GOOD.payload.slice(), signature: GOOD.signature.slice() };
    const verdict = verifier.verify(committee.handle, input);
    input.payload.fill(1);
    input.signature.fill(1);
    assert.equal((await verdict).valid, true);
  } finally {
    verifier.close();
  }
});

Deno.test("a committee's keys go to a worker once, and again after it was forgotten", async () => {
  const workers = new FakeWorkers();
  const verifier = createCertificateVerifier({ workers: 1, start: workers.start, clock: new ManualClock() });
  /** Asks about a committee and lets the worker say yes. */
  const ask = async (handle: CommitteeKeys) => {
    const verdict = verifier.verify(handle, GOOD);
    if (workers.all[0]?.received.length === 0) workers.get(0).ready();
    const worker = workers.get(0);
    const body = worker.jobs.at(-1) as { committee: number; keys?: Uint8Array; forget: number[] };
    assert.equal(body.committee, handle.id);
    worker.answer(Uint8Array.of(1));
    assert.equal((await verdict).valid, true);
    return { sent: body.keys !== undefined, forget: body.forget };
  };
  assert.deepEqual(await ask(committee.handle), { sent: true, forget: [] });
  assert.deepEqual(await ask(committee.handle), { sent: false, forget: [] });
  const others = Array.from({ length: 32 }, () => CommitteeKeys.of(committee.publicKeys));
  const forgotten: number[] = [];
  for (const handle of others) {
    const { sent, forget } = await ask(handle);
    assert.ok(sent);
    forgotten.push(...forget);
  }
  assert.deepEqual(forgotten, [committee.handle.id]);
  assert.deepEqual(await ask(committee.handle), { sent: true, forget: [others[0]?.id] });
  verifier.close();
});

Deno.test("an answer that is not one verdict per certificate is an error, never a verdict", async () => {
  for (const answer of [Uint8Array.of(1, 1), Uint8Array.of(0), Uint8Array.of(99), "yes", undefined]) {
    const workers = new FakeWorkers();
    const verifier = createCertificateVerifier({
      workers: 1,
      start: workers.start,
      clock: new ManualClock(),
    });
    const verdict = fails(verifier.verify(committee.handle, GOOD), "BLS_INTERNAL");
    workers.get(0).ready();
    workers.get(0).answer(answer);
    await verdict;
    verifier.close();
  }
});

Deno.test("a real worker that dies is replaced, and its certificates get their verdicts", async () => {
  let starts = 0;
  const start: StartWorker = (events) => (starts++ === 0 ? crashingWorkers : realWorkers)(events);
  const verifier = createCertificateVerifier({ workers: 1, start });
  try {
    const verdicts = await verifier.verifyBatch(committee.handle, spoilt());
    assert.equal(verdicts.filter((verdict) => !verdict.valid).length, 3);
    assert.equal(starts, 2);
  } finally {
    verifier.close();
  }
});

Deno.test("when two real workers die over one batch, that is an error of ours", async () => {
  const verifier = createCertificateVerifier({ workers: 1, start: crashingWorkers });
  try {
    await fails(verifier.verifyBatch(committee.handle, INPUTS), "WORKER_FAILED");
  } finally {
    verifier.close();
  }
});

Deno.test("without workers, verdicts come from this thread, others get their turn, and the log says so once", async () => {
  const lines: string[] = [];
  const verifier = createCertificateVerifier({
    workers: 2,
    start: moduleWorkers(new URL("./support/there_is_no_such_worker.js", import.meta.url), "test"),
    logger: createLogger({ level: "info", sinks: [(record) => lines.push(record.message)] }),
  });
  let turns = 0;
  const others = setInterval(() => turns++, 0);
  try {
    const verdicts = await verifier.verifyBatch(committee.handle, spoilt());
    assert.deepEqual(verdicts.flatMap((verdict, i) => verdict.valid ? [] : [i]), [7, 41, 79]);
    const before = turns;
    assert.ok((await verifier.verifyBatch(committee.handle, INPUTS)).every((verdict) => verdict.valid));
    assert.ok(turns > before, "nobody else had a turn during a whole batch");
    assert.ok(verifier.inProcess);
    assert.deepEqual(lines, [
      "a certificate worker did not start",
      "a certificate worker did not start",
      "certificates are verified on the main thread, which is slower",
    ]);
  } finally {
    clearInterval(others);
    verifier.close();
  }
});

for (const workers of [0, 1]) {
  Deno.test(`${workers} workers: an abort ends a batch at once, and the next one is not disturbed`, async () => {
    const verifier = createCertificateVerifier({ workers });
    try {
      await verifier.verify(committee.handle, GOOD); // all is loaded
      const controller = new AbortController();
      const batch = fails(verifier.verifyBatch(committee.handle, INPUTS, controller.signal), "CANCELLED");
      const next = verifier.verifyBatch(committee.handle, spoilt().slice(0, 12));
      controller.abort();
      await batch;
      assert.deepEqual((await next).flatMap((verdict, i) => verdict.valid ? [] : [i]), [7]);
      await fails(verifier.verify(committee.handle, GOOD, controller.signal), "CANCELLED");
    } finally {
      verifier.close();
    }
  });

  Deno.test(`${workers} workers: closing ends what is under way`, async () => {
    const verifier = createCertificateVerifier({ workers });
    const batch = fails(verifier.verifyBatch(committee.handle, INPUTS), "CANCELLED");
    verifier.close();
    await batch;
  });
}
