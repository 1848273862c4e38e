/** The byte layouts of the store: packs, big items, bodies, lists, records. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../src/base/mod.ts";
import {
  type BigItem,
  bigParts,
  decodePack,
  encodeBig,
  encodePack,
  isBig,
  joinBig,
  PACK_BYTES,
  PACK_ITEMS,
  packedSize,
  packTakes,
} from "../../src/store/pack.ts";
import {
  decodeCommittees,
  decodeList,
  encodeCommittees,
  encodeList,
  joinBody,
  splitBody,
} from "../../src/store/items.ts";
import { RunCache } from "../../src/store/run_cache.ts";
import { keyBytes, KV_LIMITS } from "../../src/store/kv.ts";
import { weakest } from "../../src/store/state.ts";
import { WriteBatch } from "../../src/store/write_batch.ts";
import { TestKv } from "./support.ts";
import { openDenoKv } from "../../src/store/mod.ts";

const SEED = 77;

Deno.test("a pack gives back its items, present, empty and absent", () => {
  const random = new SeededRandom(SEED);
  for (let round = 0; round < 50; round++) {
    const items: Array<Uint8Array | undefined> = [];
    let bytes = 0;
    for (;;) {
      const kind = random.int(10);
      const item = kind === 0 ? undefined : kind === 1 ? new Uint8Array(0) : random.bytes(random.int(3_000));
      if (!packTakes(items.length, bytes, item)) break;
      items.push(item);
      bytes += packedSize(item);
    }
    assert.ok(items.length <= PACK_ITEMS);
    const value = encodePack(items);
    assert.ok(value.length <= PACK_BYTES, `seed ${SEED}, round ${round}`);
    const pack = decodePack("t", 5, value);
    assert.equal(pack.kind, "pack");
    assert.equal(pack.count, items.length);
    assert.deepEqual(pack.kind === "pack" ? pack.items : [], items);
  }
});

Deno.test("every changed byte of a pack, and every cut, is noticed", () => {
  const random = new SeededRandom(SEED);
  const value = encodePack([random.bytes(20), undefined, new Uint8Array(0), random.bytes(7)]);
  for (let i = 0; i < value.length; i++) {
    for (const bit of [1, 128]) {
      const bad = value.slice();
      bad[i] = (bad[i] as number) ^ bit;
      assert.throws(() => decodePack("t", 0, bad), { code: "STORE_DAMAGED", exitCode: 10 }, `byte ${i}`);
    }
    assert.throws(() => decodePack("t", 0, value.subarray(0, i)), { code: "STORE_DAMAGED" });
  }
});

Deno.test("a big item is cut into parts that fit, and joined only when all is there", () => {
  const random = new SeededRandom(SEED);
  assert.equal(isBig(new Uint8Array(PACK_BYTES - 11)), false);
  assert.equal(isBig(new Uint8Array(PACK_BYTES - 10)), true);
  for (const size of [PACK_BYTES - 10, PACK_BYTES, PACK_BYTES + 1, 5 * PACK_BYTES, 200_123]) {
    const item = random.bytes(size);
    const parts = bigParts(item);
    assert.ok(parts.every((part) => part.length <= PACK_BYTES && part.length < KV_LIMITS.valueBytes));
    const big = decodePack("t", 9, encodeBig(item)) as BigItem;
    assert.equal(big.kind, "big");
    assert.deepEqual(joinBig("t", big, parts), item);
    const flipped = (parts[0] as Uint8Array).slice();
    flipped[17] = (flipped[17] as number) ^ 4;
    const changed = [flipped, ...parts.slice(1)];
    for (const bad of [parts.slice(1), [...parts, new Uint8Array(0)], [...parts].reverse(), changed]) {
      if (parts.length === 1 && bad.length === 1 && bad[0] === parts[0]) continue;
      assert.throws(() => joinBig("t", big, bad), { code: "STORE_DAMAGED" });
    }
  }
});

Deno.test("a body is put together with its header again, wherever the header stood", () => {
  const random = new SeededRandom(SEED);
  for (const before of [0, 3, 25, 64, 65, 200]) {
    const header = random.bytes(600);
    const block = new Uint8Array(before + 600 + 100);
    block.set(random.bytes(before));
    block.set(header, before);
    block.set(random.bytes(100), before + 600);
    for (const view of [header, block.subarray(before, before + 600)]) {
      const item = splitBody(block, view);
      assert.equal(item.length < block.length, before <= 64, `header at ${before}`);
      assert.deepEqual(joinBody(1, item, header), block);
    }
  }
  const block = random.bytes(50);
  assert.deepEqual(joinBody(1, splitBody(block, random.bytes(80)), new Uint8Array(80)), block);
  assert.deepEqual(joinBody(1, splitBody(block, new Uint8Array(0)), new Uint8Array(0)), block);
  for (const bad of [new Uint8Array(0), Uint8Array.of(9, 1, 2)]) {
    assert.throws(() => joinBody(1, bad, block), { code: "STORE_DAMAGED" });
  }
});

Deno.test("lists and committees come back, and cut ones are refused", () => {
  for (const items of [[], [new Uint8Array(0)], [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]]) {
    const value = encodeList(items);
    assert.deepEqual(decodeList("x", value), items);
    for (let i = 0; i < value.length; i++) {
      assert.throws(() => decodeList("x", value.subarray(0, i)), { code: "STORE_DAMAGED" });
    }
    assert.throws(() => decodeList("x", new Uint8Array([...value, 0])), { code: "STORE_DAMAGED" });
  }
  const handed = { epoch: 2 ** 40 + 1, bytes: Uint8Array.of(1, 2, 3) };
  assert.deepEqual(decodeCommittees(1, encodeCommittees(handed.epoch, handed.bytes)), handed);
  assert.throws(() => decodeCommittees(1, new Uint8Array(7)), { code: "STORE_DAMAGED" });
});

Deno.test("the cache of runs forgets what was used least recently", () => {
  const cache = new RunCache<{ first: number; count: number }>(2);
  cache.put({ first: 0, count: 10 });
  cache.put({ first: 10, count: 5 });
  assert.equal(cache.find(9)?.first, 0);
  cache.put({ first: 15, count: 1 });
  assert.equal(cache.find(12), undefined);
  assert.equal(cache.find(0)?.first, 0);
  assert.equal(cache.find(15)?.first, 15);
  assert.equal(cache.find(16), undefined);
  assert.equal(cache.size, 2);
});

Deno.test("the weakest assurance is that of any block", () => {
  assert.equal(weakest([0, 0, 0, 0]), "linked");
  assert.equal(weakest([1, 5, 0, 0]), "linked");
  assert.equal(weakest([0, 5, 0, 9]), "signed");
  assert.equal(weakest([0, 0, 0, 9]), "executed");
});

Deno.test("no batch breaks a limit of Deno KV, whatever it is made of", async () => {
  const random = new SeededRandom(SEED);
  const kv = new TestKv(await openDenoKv(":memory:"));
  try {
    for (let round = 0; round < 6; round++) {
      const batch = new WriteBatch(kv, "testing", []);
      const big = round % 2 === 0;
      const count = big ? 60 : 2_500;
      for (let i = 0; i < count; i++) {
        const key = ["hsync", "c/0", round, random.bytes(big ? 900 : 32).fill(0), i];
        assert.ok(keyBytes(key) <= KV_LIMITS.keyBytes);
        if (random.int(5) === 0) await batch.delete(key);
        else await batch.set(key, random.bytes(big ? random.int(65_000) : random.int(40)));
      }
      // Deno KV refuses what is too much; the store never finds out by being refused.
      assert.ok(await batch.finish([{ key: ["hsync", "c/0", "last", round], value: new Uint8Array(9) }]));
    }
  } finally {
    kv.inner.close();
  }
});
