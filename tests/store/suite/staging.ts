/** Compliance: what waits for the States stage. */
import assert from "node:assert/strict";
import type { StagedBlock, StagedHash } from "../../../src/store/mod.ts";
import { chainFrom, dump, GENESIS } from "../support.ts";
import { type Case, using } from "./case.ts";

function staged(number: number, size: number, from: string): StagedBlock {
  return {
    number,
    hash: new Uint8Array(32).fill(number),
    bytes: new Uint8Array(size).fill(number),
    commitSig: new Uint8Array(100).fill(number),
    streamId: from,
  };
}
function voted(number: number, ...voters: string[]): StagedHash {
  return { number, candidates: [{ hash: new Uint8Array(32).fill(number), voters }] };
}

/** In memory, in the store, and half and half. */
const LIMITS = [{ blocks: 1_000, bytes: 1e9 }, { blocks: 0, bytes: 0 }, { blocks: 3, bytes: 1_000 }];

export const stagingCases: Case[] = [
  {
    name: "staged rows come back with their sender, replaced, in order, until they are cleared",
    run: async (place) => {
      for (const staging of LIMITS) {
        await using(place.open({ staging }), async (store) => {
          const sizes = [0, 10, 500, 900_000, 70, 130_000, 2_097_152];
          const rows = sizes.map((size, i) => staged(i + 1, size, `peer${i}`));
          await store.putStagedBlocks(rows);
          for (const row of rows) assert.deepEqual(await store.stagedBlock(row.number), row);
          assert.equal(await store.stagedBlock(8), undefined);
          // Bigger to smaller and back.
          for (const size of [20, 200_000, 61_000, 3]) {
            const again = staged(4, size, "other");
            await store.putStagedBlocks([again]);
            assert.deepEqual(await store.stagedBlock(4), again);
          }
          await store.putStagedHashes([voted(30, "b"), voted(10, "a", "b"), voted(20)]);
          await store.putStagedHashes([voted(20, "c", "d")]);
          assert.deepEqual(await store.stagedHashes(10, 20), [voted(10, "a", "b"), voted(20, "c", "d")]);
          assert.deepEqual((await store.stagedHashes(0, 99)).map((row) => row.number), [10, 20, 30]);
          await store.clearStaged(5);
          assert.equal(await store.stagedBlock(6), undefined);
          assert.deepEqual(await store.stagedBlock(5), rows[4]);
          assert.deepEqual(await store.stagedHashes(0, 99), []);
          await store.clearStaged(-1);
          for (const row of rows) assert.equal(await store.stagedBlock(row.number), undefined);
        });
        const left = [...(await dump(place)).keys()].filter((name) => name.startsWith("stg"));
        assert.deepEqual(left, [], "no row is left behind");
      }
    },
  },
  {
    name: "rows staged in the store survive a restart, and go with the blocks they became",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 10, { seed: 31 });
      const rows = [3, 4, 5, 6, 7].map((n) => staged(n, 100 * n, "p"));
      const staging = { blocks: 0, bytes: 0 };
      await using(place.open({ staging }), async (store) => {
        await store.putStagedBlocks(rows);
        await store.putStagedHashes([voted(5, "x"), voted(10, "y")]);
      });
      await using(place.open({ staging }), async (store) => {
        for (const row of rows) assert.deepEqual(await store.stagedBlock(row.number), row);
        await store.append(blocks.slice(0, 5));
        assert.equal(await store.stagedBlock(5), undefined);
        assert.deepEqual(await store.stagedBlock(6), rows[3]);
        assert.deepEqual(await store.stagedHashes(0, 99), [voted(10, "y")]);
        await store.unwindTo(2);
        assert.equal(await store.stagedBlock(6), undefined);
      });
    },
  },
  {
    name: "rows staged in memory are gone after a restart and do not touch the store",
    run: async (place) => {
      await using(place.open(), async (store) => {
        const before = place.kv().commits;
        await store.putStagedBlocks([staged(1, 100, "p")]);
        await store.putStagedHashes([voted(1, "p")]);
        assert.equal(place.kv().commits, before);
      });
      await using(place.open(), async (store) => {
        assert.equal(await store.stagedBlock(1), undefined);
        assert.deepEqual(await store.stagedHashes(0, 9), []);
      });
    },
  },
];
