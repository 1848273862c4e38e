import assert from "node:assert/strict";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { SeededRandom, toHex } from "../../src/base/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";

const text = (value: string) => new TextEncoder().encode(value);

Deno.test("keccak-256 uses the original padding, not FIPS SHA3", () => {
  assert.equal(
    toHex(keccak256(new Uint8Array(0))),
    "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
  );
  assert.equal(
    toHex(keccak256(text("abc"))),
    "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
  );
});

Deno.test("keccak-256 agrees with another implementation at every length around its block and buffer sizes", () => {
  const random = new SeededRandom(7);
  const lengths = [0, 1, 31, 32, 135, 136, 137, 271, 272, 273, 781, 16383, 16384, 16385, 70_000];
  for (const length of lengths) {
    const data = random.bytes(length);
    assert.equal(toHex(keccak256(data)), toHex(keccak_256(data)), `length ${length}`);
  }
});

Deno.test("keccak-256 hashes a view without touching what surrounds it, and results stay as they are", () => {
  const buffer = new SeededRandom(8).bytes(100);
  const first = keccak256(buffer.subarray(10, 60));
  const before = toHex(first);
  keccak256(buffer);
  assert.equal(toHex(first), before);
  assert.equal(before, toHex(keccak_256(buffer.slice(10, 60))));
});

Deno.test("keccak-256 works in several workers at once", async () => {
  const data = new SeededRandom(9).bytes(800);
  const expected = keccak_256(data);
  const workers = [1, 2].map(() =>
    new Worker(new URL("./keccak_worker.ts", import.meta.url), { type: "module" })
  );
  try {
    const answer = (worker: Worker) =>
      new Promise((resolve, reject) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = (event) => reject(new Error(event.message));
      });
    await Promise.all(workers.map(answer));
    const answers = await Promise.all(workers.map((worker) => {
      const result = answer(worker);
      worker.postMessage({ data, expected, rounds: 500 });
      return result;
    }));
    assert.deepEqual(answers, [true, true]);
  } finally {
    for (const worker of workers) worker.terminate();
  }
});
