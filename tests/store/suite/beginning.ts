/** Compliance: a chain that begins above genesis. */
import assert from "node:assert/strict";
import { chainFrom, dump, GENESIS, pairOf, type TestBlock } from "../support.ts";
import { appendAll, type Case, rejects, using } from "./case.ts";

const BASE = 5_000;
const before = { number: BASE - 1, hash: new Uint8Array(32).fill(3) };
const blocks = chainFrom(before, 300, { seed: 71, bodySize: (n) => n === BASE ? 90_000 : 200 });
const [first, ...rest] = blocks as [TestBlock, ...TestBlock[]];
const base: TestBlock = { ...first, shardState: { epoch: 9, bytes: new Uint8Array(70_000).fill(9) } };

/** What the operator vouched for; its certificate cannot be judged, so there is none. */
function vouched() {
  const { commitSig: _none, ...block } = base;
  return block;
}

export const beginningCases: Case[] = [
  {
    name: "a chain begins at a block that was vouched for, and nothing below it is shown",
    run: async (place) => {
      await using(place.open(), async (store) => {
        await store.startAt(vouched());
        assert.deepEqual(store.head(), { number: BASE, hash: base.hash });
        assert.equal(store.lowest(), BASE);
        assert.equal(await store.blockAt(0), undefined);
        assert.equal(await store.hashAt(0), undefined);
        assert.equal(await store.numberOf(GENESIS.hash), undefined);
        assert.equal(await store.commitSigAt(BASE), undefined);
        assert.deepEqual(await store.shardStateAt(9), base.shardState?.bytes);
        await appendAll(store, rest.slice(0, 200), 64);
        // The child's header says what was signed.
        assert.deepEqual(await store.commitSigAt(BASE), pairOf(71, 0, BASE));
        const info = await store.info();
        assert.equal(info.lowest, BASE);
        assert.equal(info.assurances.linked, 200);
      });
      await using(place.open(), async (store) => {
        assert.equal(store.lowest(), BASE);
        assert.equal(store.head().number, BASE + 200);
        await store.raiseAssurance(0, BASE + 200, "signed");
        assert.equal((await store.info()).certified, BASE + 200);
        const read = await store.blockAt(BASE);
        assert.deepEqual(read?.bytes, base.bytes);
        await rejects(store.unwindTo(BASE - 1), "STORE_NO_BLOCK");
        await store.unwindTo(BASE);
        assert.equal(store.head().number, BASE);
        await appendAll(store, rest);
        assert.equal(store.head().number, BASE + 299);
      });
    },
  },
  {
    name: "only an empty chain can begin elsewhere",
    run: async (place) => {
      await using(place.open(), async (store) => {
        await rejects(store.startAt({ ...vouched(), number: 0 }), "STORE_NO_BLOCK");
        await appendAll(store, chainFrom(GENESIS, 3, { seed: 72 }));
        await rejects(store.startAt(vouched()), "STORE_NOT_EMPTY");
        await store.unwindTo(0);
        await store.startAt(vouched());
        await rejects(store.startAt(vouched()), "STORE_NOT_EMPTY");
        await rejects(store.append(chainFrom(GENESIS, 1, { seed: 72 })), "STORE_NOT_CONTIGUOUS");
      });
    },
  },
  {
    name: "a beginning that was cut off leaves an empty chain",
    run: async (place) => {
      const empty = await using(place.open(), () => Promise.resolve()).then(() => dump(place, "state"));
      // Committees and body take parts of their own: several commits, the last of which makes it visible.
      for (let last = 0;; last++) {
        let commits = 0;
        const outcome = await using(place.open(), async (store) => {
          place.kv().onCommit = () => commits++ >= last ? "fail" : "pass";
          return await store.startAt(vouched()).then(() => "begun", () => "failed");
        });
        if (outcome === "begun") break;
        assert.ok(last < 10);
        await using(place.open(), (store) => {
          assert.deepEqual(store.head(), { number: 0, hash: GENESIS.hash });
          assert.equal(store.lowest(), 0);
          return Promise.resolve();
        });
        assert.deepEqual(await dump(place, "state"), empty);
      }
    },
  },
];
