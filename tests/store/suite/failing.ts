/** Compliance: writes that fail, are cut off or lose their answer. */
import assert from "node:assert/strict";
import { HsyncError } from "../../../src/base/mod.ts";
import { chainFrom, dump, GENESIS, type Place, type TestBlock } from "../support.ts";
import { assertHolds, type Case, rejects, using } from "./case.ts";

const BIG = (n: number) => n % 4 === 0 ? 300_000 : 200;

/** The commits that appending these blocks takes. */
async function commitsOf(place: Place, blocks: readonly TestBlock[]): Promise<number> {
  return await using(place.open(), async (store) => {
    const before = place.kv().commits;
    await store.append(blocks);
    const taken = place.kv().commits - before;
    await store.unwindTo(0);
    return taken;
  });
}

export const failingCases: Case[] = [
  {
    name: "a refused write loses nothing, shows nothing, and the same call succeeds later",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 24, { seed: 41, bodySize: BIG });
      // Another way to cut the same heights into runs: leftovers of the first would be found under wrong numbers.
      const fork = chainFrom(GENESIS, 24, { seed: 41, branch: 2, bodySize: () => 90 });
      const taken = await commitsOf(place, blocks);
      assert.ok(taken > 2, `${taken} commits`);
      for (let nth = 1; nth <= taken; nth++) {
        await using(place.open(), async (store) => {
          await store.unwindTo(0);
          const start = place.kv().commits;
          place.kv().onCommit = (n) => n === start + nth ? "fail" : "pass";
          await rejects(store.append(blocks, { States: 24 }), "STORE_WRITE_FAILED");
          assert.equal(store.checkpoint("States"), undefined);
          await assertHolds(store, []);
          for (const block of blocks) assert.equal(await store.numberOf(block.hash), undefined);
          await store.append(fork.slice(0, 10));
          await store.append(fork.slice(10));
          await assertHolds(store, fork);
        });
        await using(place.open(), (store) => assertHolds(store, fork));
      }
    },
  },
  {
    name: "a write whose answer was lost is found to have happened",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 24, { seed: 42, bodySize: BIG });
      const taken = await commitsOf(place, blocks);
      for (let nth = 1; nth <= taken; nth++) {
        await using(place.open(), async (store) => {
          await store.unwindTo(0);
          const start = place.kv().commits;
          place.kv().onCommit = (n) => n === start + nth ? "fail-after" : "pass";
          const call = store.append(blocks, { States: 24 });
          if (nth === taken) await call;
          else {
            await rejects(call, "STORE_WRITE_FAILED");
            await store.append(blocks, { States: 24 });
          }
          assert.equal(store.checkpoint("States"), 24);
          await assertHolds(store, blocks);
        });
        await using(place.open(), (store) => assertHolds(store, blocks));
      }
    },
  },
  {
    name: "a batch that was cut off leaves no trace after reopening",
    run: async (place) => {
      const kept = chainFrom(GENESIS, 10, { seed: 43 });
      const blocks = chainFrom(kept[9] ?? GENESIS, 24, { seed: 43, bodySize: BIG }).map((block) => ({
        ...block,
        receipts: [block.hash],
        ...(block.number % 8 === 0 ? { shardState: { epoch: block.number, bytes: block.bytes } } : {}),
      }));
      await using(place.open(), (store) => store.append(kept));
      const clean = await dump(place, "state");
      for (let nth = 1;; nth++) {
        const store = await place.open();
        const start = place.kv().commits;
        // Everything from the nth commit on never reaches the database, as when the process dies.
        place.kv().onCommit = (n) => n >= start + nth ? "fail" : "pass";
        const outcome = await store.append(blocks).then(() => "done", (e: HsyncError) => e.code);
        await store.close();
        if (outcome === "done") break;
        assert.equal(outcome, "STORE_WRITE_FAILED");
        await using(place.open(), (again) => assertHolds(again, kept));
        assert.deepEqual(await dump(place, "state"), clean, `cut off at commit ${nth}`);
      }
      await using(place.open(), (store) => assertHolds(store, [...kept, ...blocks]));
    },
  },
  {
    name: "an unwind that was cut off is complete after reopening, or has not happened",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 60, { seed: 44, bodySize: BIG });
      await using(place.open(), (store) => store.append(blocks.slice(0, 35)));
      await using(place.open(), (store) => store.unwindTo(0));
      await using(place.open(), (store) => store.append(blocks));
      const whole = await dump(place, "state");
      for (let nth = 1;; nth++) {
        const store = await place.open();
        const start = place.kv().commits;
        place.kv().onCommit = (n) => n >= start + nth ? "fail" : "pass";
        const outcome = await store.unwindTo(35).then(() => "done", (e: HsyncError) => e.code);
        const seen = store.head().number;
        const failed = place.kv().commits >= start + nth;
        await store.close();
        await using(place.open(), async (again) => {
          assert.equal(again.head().number, seen);
          await assertHolds(again, blocks.slice(0, seen));
          if (seen === 60) assert.deepEqual(outcome, "STORE_WRITE_FAILED");
        });
        if (seen === 60) assert.deepEqual(await dump(place, "state"), whole);
        else {
          await using(place.open(), (again) => again.append(blocks.slice(35)));
        }
        if (!failed) break;
        await using(place.open(), async (again) => {
          await again.unwindTo(0);
          await again.append(blocks);
        });
      }
    },
  },
  {
    name: "a full disk stops importing until there is room again",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 3, { seed: 45 });
        await store.append(blocks.slice(0, 2));
        const real = place.kv().commit.bind(place.kv());
        place.kv().commit = () => Promise.reject(new Error("database or disk is full"));
        const error = await rejects(store.append(blocks.slice(2)), "STORE_DISK_LOW");
        assert.ok(error.retryable);
        assert.equal(store.disk().writable, false);
        place.kv().commit = real;
        await rejects(store.append(blocks.slice(2)), "STORE_DISK_LOW");
        await assertHolds(store, blocks.slice(0, 2));
        await place.clock.advance(10_000);
        await store.info();
        assert.equal(store.disk().writable, true);
        await store.append(blocks.slice(2));
        await assertHolds(store, blocks);
      }),
  },
  {
    name: "a closed store refuses everything, and closing twice is harmless",
    run: async (place) => {
      const store = await place.open();
      const late = store.append(chainFrom(GENESIS, 1, { seed: 46 }));
      await store.close();
      await late;
      await store.close();
      await rejects(store.append(chainFrom(GENESIS, 1, { seed: 46 })), "STORE_CLOSED");
      await rejects(store.putStagedBlocks([]), "STORE_CLOSED");
      await rejects(store.putRecord("a", new Uint8Array(1)), "STORE_CLOSED");
    },
  },
];
