/** Compliance: unwinding leaves a store as if the blocks had never been there. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../../src/base/mod.ts";
import { chainFrom, dump, GENESIS, type TestBlock } from "../support.ts";
import { appendAll, assertHolds, type Case, rejects, using } from "./case.ts";

function differences(a: Map<string, string>, b: Map<string, string>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name));
}

function rich(blocks: TestBlock[]): TestBlock[] {
  return blocks.map((block) => ({
    ...block,
    ...(block.number % 5 === 0 ? { receipts: [block.hash] } : {}),
    ...(block.number % 16 === 0 ? { shardState: { epoch: block.number / 16, bytes: block.bytes } } : {}),
    assurance: block.number % 3 === 0 ? "signed" as const : "linked" as const,
  }));
}

export const unwindCases: Case[] = [
  {
    name: "after an unwind the rows are those of a store that never had the blocks",
    run: async (place) => {
      const size = (n: number) => n % 40 === 7 ? 150_000 : 100;
      const blocks = rich(chainFrom(GENESIS, 300, { seed: 21, bodySize: size }));
      // Across a run, at its edge, at a big block, everything.
      for (const to of [290, 250, 207, 206, 128, 1, 0]) {
        const never = await using(place.open(), async (store) => {
          await store.unwindTo(0);
          await appendAll(store, blocks.slice(0, to));
          return (await store.info()).assurances;
        });
        const expected = await dump(place, "state");
        await using(place.open(), async (store) => {
          await store.unwindTo(0);
          await appendAll(store, blocks);
          await store.unwindTo(to, { States: to });
          assert.equal(store.checkpoint("States"), to);
          assert.deepEqual((await store.info()).assurances, never);
          await assertHolds(store, blocks.slice(0, to));
          const first = blocks[to] as TestBlock;
          assert.equal(await store.numberOf(first.hash), undefined);
          assert.equal(await store.receiptsAt(to + 1), undefined);
          assert.equal(await store.recordAt(to + 1), undefined);
        });
        assert.deepEqual(differences(await dump(place, "state"), expected), [], `unwound to ${to}`);
      }
    },
  },
  {
    name: "a fork replaces what was unwound",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 200, { seed: 22 });
      const kept = blocks.slice(0, 77);
      const fork = chainFrom(kept[76] ?? GENESIS, 90, { seed: 22, branch: 1 });
      await using(place.open(), async (store) => {
        await appendAll(store, blocks, 50);
        await store.unwindTo(77);
        // The fork's first block carries another certificate of block 77: the child's pair counts.
        const pair = await store.commitSigAt(77);
        assert.deepEqual(pair, kept[76]?.commitSig);
        await appendAll(store, fork, 64);
        assert.notDeepEqual(await store.commitSigAt(77), pair);
        await assertHolds(
          store,
          [...kept.slice(0, 76)].concat([{
            ...kept[76] as TestBlock,
            commitSig: (await store.commitSigAt(77)) as Uint8Array,
          }], fork),
        );
        for (const block of blocks.slice(77)) assert.equal(await store.numberOf(block.hash), undefined);
      });
      await using(place.open(), async (store) => {
        assert.equal(store.head().number, 167);
        let n = 0;
        for await (const { number, bytes } of store.headers(1, 500)) {
          const block = number <= 77 ? kept[number - 1] : fork[number - 78];
          assert.deepEqual(bytes, new Uint8Array(block?.headerBytes as Uint8Array));
          n++;
        }
        assert.equal(n, 167);
      });
    },
  },
  {
    name: "an unwind to what is not stored is refused",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 5, { seed: 23 });
        await store.append(blocks);
        for (const to of [6, -1, 2.5, NaN]) await rejects(store.unwindTo(to), "STORE_NO_BLOCK");
        await store.unwindTo(5);
        await assertHolds(store, blocks);
      }),
  },
  {
    name: "readers beside a writer never see anything above the head or of another branch",
    run: (place) =>
      using(place.open(), async (store) => {
        const random = new SeededRandom(24);
        const known = new Map<string, number>();
        let blocks: TestBlock[] = [];
        let writing = true;
        const reader = async () => {
          let reads = 0;
          while (writing || reads === 0) {
            const number = random.int(store.head().number + 3);
            const read = await store.blockAt(number);
            if (read !== undefined && number > 0) {
              assert.equal(known.get(read.bytes.join(".")), number);
            }
            const from = Math.max(0, number - 20);
            let next = from;
            for await (const header of store.headers(from, 30)) assert.equal(header.number, next++);
            reads++;
          }
          return reads;
        };
        const readers = Promise.all([reader(), reader(), reader()]);
        // A reader that fails is told of below, when the writer is done.
        readers.catch(() => {});
        for (let step = 0; step < 15; step++) {
          const fresh = chainFrom(blocks.at(-1) ?? GENESIS, 1 + random.int(100), { seed: 24, branch: step });
          for (const block of fresh) known.set(block.bytes.join("."), block.number);
          await store.append(fresh);
          blocks = [...blocks, ...fresh];
          if (step % 3 !== 2) continue;
          blocks = blocks.slice(0, random.int(blocks.length));
          await store.unwindTo(blocks.length);
        }
        writing = false;
        for (const reads of await readers) assert.ok(reads > 0);
        assert.equal(store.head().number, blocks.length);
      }),
  },
];
