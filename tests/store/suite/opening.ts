/** Compliance: whose store it is, and whether it is whole. */
import assert from "node:assert/strict";
import { ExitCode, type HsyncError } from "../../../src/base/mod.ts";
import type { KvKey } from "../../../src/store/kv.ts";
import { chainFrom, dump, GENESIS, type Place, type TestBlock, type TestKv } from "../support.ts";
import { appendAll, assertHolds, type Case, rejects, using } from "./case.ts";

/** Overwrites the row whose key ends in these parts. */
async function overwrite(
  place: Place,
  change: (value: Uint8Array) => Uint8Array | undefined,
  ...end: KvKey
): Promise<void> {
  await place.raw(async (kv) => {
    const key = ["hsync", place.chain, ...end];
    const row = await kv.get(key);
    assert.ok(row, `no row ${end.join("/")}`);
    const value = change(row.value);
    await kv.commit([], [value === undefined ? { key } : { key, value }]);
  });
}

function flipped(at: number): (value: Uint8Array) => Uint8Array {
  return (value) => {
    const changed = value.slice();
    const i = at < 0 ? changed.length + at : at;
    changed[i] = (changed[i] as number) ^ 1;
    return changed;
  };
}

export const openingCases: Case[] = [
  {
    name: "another genesis or layout is refused with exit code 11 and nothing is touched",
    run: async (place) => {
      await using(place.open(), (store) => store.append(chainFrom(GENESIS, 3, { seed: 51 })));
      const before = await dump(place, "lease", "beat");
      const genesis = { ...GENESIS, hash: new Uint8Array(32).fill(1) };
      const error = await rejects(place.open({ genesis }), "STORE_FOREIGN");
      assert.equal(error.exitCode, ExitCode.STORE_LOCKED);
      assert.match(error.message, /0x0101/);
      assert.ok(error.hint);
      assert.deepEqual(await dump(place, "lease", "beat"), before);
      await overwrite(place, (value) => {
        const text = new TextDecoder().decode(value).replace('"schema":1', '"schema":2');
        return new TextEncoder().encode(text);
      }, "meta");
      const changed = await dump(place, "lease", "beat");
      const newer = await rejects(place.open(), "STORE_FOREIGN");
      assert.equal(newer.exitCode, ExitCode.STORE_LOCKED);
      assert.match(newer.message, /layout 2/);
      assert.deepEqual(await dump(place, "lease", "beat"), changed);
    },
  },
  {
    name: "another network or shard is refused in a file, and lives beside us on a server",
    run: async (place) => {
      if (place.name === "memory") return;
      await using(place.open(), (store) => store.append(chainFrom(GENESIS, 3, { seed: 52 })));
      const before = await dump(place, "lease", "beat");
      const others = [{ shardId: 2 }, { network: "othernet" + Date.now() }];
      for (const other of others) {
        if (place.name === "denokv") {
          await using(place.open(other), (store) => Promise.resolve(assert.equal(store.head().number, 0)));
        } else {
          const error = await rejects(place.open(other), "STORE_FOREIGN");
          assert.equal(error.exitCode, ExitCode.STORE_LOCKED);
          assert.match(error.message, /holds network testchain, shard 1, not/);
          assert.deepEqual(await dump(place, "lease", "beat"), before);
        }
      }
      await using(place.open(), (store) => Promise.resolve(assert.equal(store.head().number, 3)));
    },
  },
  {
    name: "a second opening is refused with exit code 11 and names the process",
    run: async (place) => {
      if (place.name === "memory") return;
      await using(place.open(), async (store) => {
        const error = await rejects(place.open(), "STORE_LOCKED");
        assert.equal(error.exitCode, ExitCode.STORE_LOCKED);
        assert.match(error.message, new RegExp(`process ${Deno.pid}`));
        await store.append(chainFrom(GENESIS, 1, { seed: 53 }));
      });
      await using(place.open(), (store) => Promise.resolve(assert.equal(store.head().number, 1)));
    },
  },
  {
    name: "a reader beside the writer sees what was there and may not write",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 5, { seed: 54 });
      if (place.name !== "memory") {
        await rejects(place.open({ readOnly: true }), "STORE_MISSING");
      }
      await using(place.open(), async (store) => {
        await store.append(blocks);
        await using(place.open({ readOnly: true }), async (reader) => {
          await assertHolds(reader, blocks);
          await rejects(reader.append(chainFrom(blocks[4] ?? GENESIS, 1, { seed: 54 })), "STORE_READ_ONLY");
          await rejects(reader.putStagedBlocks([]), "STORE_READ_ONLY");
          assert.equal((await reader.info()).head.number, 5);
        });
        await store.unwindTo(4);
      });
    },
  },
  {
    name: "a creation that was cut off is done again",
    run: async (place) => {
      // The genesis committees take two parts, the rest one commit after that of the meta record.
      for (let last = 0;; last++) {
        const refused = (kv: TestKv) => kv.onCommit = (nth) => nth > last ? "fail" : "pass";
        const outcome = await place.open({}, refused).then(
          (store) => store.close(),
          (e: HsyncError) => e.code,
        );
        if (outcome === undefined) break;
        assert.equal(outcome, "STORE_WRITE_FAILED");
        assert.ok(last < 5);
      }
      await using(place.open(), async (store) => {
        assert.deepEqual(await store.shardStateAt(0), GENESIS.shardState.bytes);
        await assertHolds(store, []);
      });
    },
  },
  {
    name: "records that cannot be believed are exit code 10",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 3, { seed: 56 });
      await using(place.open(), (store) => store.append(blocks));
      let saved = new Uint8Array(0);
      await overwrite(place, (old) => saved = old.slice(), "state");
      const text = new TextDecoder().decode(saved);
      const bad = [
        "",
        "{",
        "[]",
        "{}",
        text.replace(/"head":3/, '"head":-3'),
        text.replace(/"hash":"../, '"hash":"xx'),
        text.replace(/"counts":\[3/, '"counts":["3"'),
        text.replace(/"checkpoints":\{/, '"checkpoints":{"a":"b"'),
        text.replace(/"lowest":0/, '"lowest":4'),
      ];
      for (const value of bad) {
        await overwrite(place, () => new TextEncoder().encode(value), "state");
        const error = await rejects(place.open(), "STORE_DAMAGED");
        assert.equal(error.exitCode, ExitCode.STORE_DAMAGED);
      }
      await overwrite(place, () => undefined, "state");
      await rejects(place.open(), "STORE_DAMAGED");
      if (place.name === "file") {
        await overwrite(place, () => undefined, "meta");
        await rejects(place.open(), "STORE_DAMAGED");
      }
    },
  },
  {
    name: "a damaged head is repaired by going back to the last sound block",
    run: async (place) => {
      for (const table of ["hash", "head", "body"]) {
        const blocks = chainFrom(GENESIS, 60, { seed: 57 });
        await using(place.open(), async (store) => {
          await store.unwindTo(0);
          await appendAll(store, blocks, 20);
        });
        await overwrite(place, flipped(-1), table, 41);
        await using(place.open(), async (store) => {
          // The certificate of block 40 stood in the header of block 41.
          const last = { ...blocks[39] as TestBlock };
          const pair = await store.commitSigAt(40);
          if (table === "head") assert.equal(pair, undefined);
          else assert.deepEqual(pair, last.commitSig);
          await assertHolds(store, [...blocks.slice(0, 39), { ...last, commitSig: pair as Uint8Array }]);
          await store.append(blocks.slice(40));
          await assertHolds(store, blocks);
        });
      }
    },
  },
  {
    name: "damage below the head is named when it is read, and nothing else suffers",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 60, { seed: 58, bodySize: (n) => n === 30 ? 200_000 : 100 });
      await using(place.open(), (store) => appendAll(store, blocks, 20));
      await overwrite(place, flipped(100), "body", 1);
      await overwrite(place, flipped(9), "head", 21);
      await overwrite(place, () => undefined, "body+", 30, 1);
      await using(place.open(), async (store) => {
        for (const number of [5, 25, 30]) {
          const error = await rejects(store.blockAt(number), "STORE_DAMAGED");
          assert.equal(error.exitCode, ExitCode.STORE_DAMAGED);
        }
        assert.deepEqual((await store.blockAt(50))?.bytes, blocks[49]?.bytes);
        await rejects(
          (async () => {
            for await (const _ of store.headers(15, 20));
          })(),
          "STORE_DAMAGED",
        );
      });
    },
  },
  {
    name: "too little room at start is exit code 12",
    run: async (place) => {
      const full = { diskProbe: () => Promise.resolve({ freeBytes: 40e9, totalBytes: 1000e9 }) };
      const error = await rejects(place.open(full), "STORE_DISK_LOW");
      assert.equal(error.exitCode, ExitCode.DISK_FULL);
      assert.match(error.message, /37\.3 of 931\.3 GiB/);
      await using(place.open(), () => Promise.resolve());
    },
  },
];
