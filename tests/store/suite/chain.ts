/** Compliance: blocks go in, and come out in every form. */
import assert from "node:assert/strict";
import { chainFrom, GENESIS, pairOf } from "../support.ts";
import { appendAll, assertHolds, type Case, rejects, using } from "./case.ts";

export const chainCases: Case[] = [
  {
    name: "a new store begins with genesis",
    run: (place) =>
      using(place.open(), async (store) => {
        assert.deepEqual(store.head(), { number: 0, hash: GENESIS.hash });
        assert.equal(store.lowest(), 0);
        assert.equal(store.lowestAssurance(), "linked");
        assert.equal(store.lastCommitAt(), undefined);
        const block = await store.blockAt(0);
        assert.deepEqual(block?.bytes, GENESIS.bytes);
        assert.deepEqual(block?.commitSig, new Uint8Array(96));
        assert.deepEqual(await store.headerAt(0), GENESIS.headerBytes);
        assert.equal(await store.numberOf(GENESIS.hash), 0);
        assert.deepEqual(await store.shardStateAt(0), GENESIS.shardState.bytes);
        assert.equal(await store.shardStateAt(1), undefined);
        assert.equal(await store.blockAt(1), undefined);
        assert.equal(await store.receiptsAt(0), undefined);
      }),
  },
  {
    name: "blocks come back in every form, also after reopening",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 150, { seed: 1 });
      await using(place.open(), async (store) => {
        await store.append(blocks.slice(0, 128));
        await store.append(blocks.slice(128, 129));
        await store.append(blocks.slice(129));
        await assertHolds(store, blocks);
        assert.equal(store.lastCommitAt(), place.clock.now());
      });
      await using(place.open(), (store) => assertHolds(store, blocks));
    },
  },
  {
    name: "a batch with blocks of up to 2 MiB becomes visible in one step",
    run: async (place) => {
      const sizes = [100, 59_000, 60_500, 70_000, 400_000, 1_048_576, 2_097_152, 10, 2_097_152, 300];
      const blocks = chainFrom(GENESIS, 20, { seed: 2, bodySize: (n) => sizes[n % sizes.length] as number });
      await using(place.open(), async (store) => {
        const seen = new Set<number>();
        const inner = place.kv().onCommit;
        place.kv().onCommit = (nth) => {
          seen.add(store.head().number);
          return inner(nth);
        };
        const before = place.kv().commits;
        await store.append(blocks, { BlockBodies: 20 });
        assert.ok(place.kv().commits - before > 5, "the batch takes many commits");
        assert.deepEqual([...seen], [0], "the head stands still until the last one");
        assert.equal(store.checkpoint("BlockBodies"), 20);
        await assertHolds(store, blocks);
      });
      await using(place.open(), (store) => assertHolds(store, blocks));
    },
  },
  {
    name: "what does not continue the head is refused and changes nothing",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 131, { seed: 3 });
        const other = chainFrom(GENESIS, 10, { seed: 4 });
        await store.append(blocks.slice(0, 3));
        const before = place.kv().commits;
        const bad: Array<[string, typeof blocks]> = [
          ["STORE_NOT_CONTIGUOUS", blocks.slice(4, 6)],
          ["STORE_NOT_CONTIGUOUS", blocks.slice(0, 3)],
          ["STORE_NOT_CONTIGUOUS", other.slice(3, 5)],
          ["STORE_NOT_CONTIGUOUS", [...blocks.slice(3, 5), ...other.slice(5, 6)]],
          ["STORE_NOT_CONTIGUOUS", [...blocks.slice(3, 5), ...blocks.slice(6, 7)]],
          ["STORE_BATCH_SIZE", []],
          ["STORE_BATCH_SIZE", [...blocks.slice(3), ...chainFrom(blocks[130] ?? GENESIS, 1, { seed: 3 })]],
        ];
        for (const [code, batch] of bad) await rejects(store.append(batch, { States: 9 }), code);
        assert.equal(place.kv().commits, before);
        assert.equal(store.checkpoint("States"), undefined);
        await assertHolds(store, blocks.slice(0, 3));
      }),
  },
  {
    name: "headers are read in order from anywhere, and end at the head",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 700, {
          seed: 5,
          headerSize: 300,
          bodySize: (n) => n % 100 === 0 ? 70_000 : 20,
        });
        await appendAll(store, blocks);
        for (const [from, count] of [[1, 700], [0, 1], [37, 300], [699, 10], [255, 2], [300, 1]] as const) {
          let next = from;
          for await (const { number, bytes } of store.headers(from, count)) {
            assert.equal(number, next);
            const header = number === 0 ? GENESIS.headerBytes : blocks[number - 1]?.headerBytes;
            assert.deepEqual(bytes, new Uint8Array(header as Uint8Array));
            next++;
          }
          assert.equal(next, Math.min(from + count, 701));
        }
        for (const [from, count] of [[701, 5], [5, 0], [-1, 3]] as const) {
          for await (const _ of store.headers(from, count)) assert.fail("nothing to read");
        }
      }),
  },
  {
    name: "receipts are known, known to be none, or unknown",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 6, { seed: 6 });
      const big = Array.from({ length: 40 }, (_, i) => new Uint8Array(5_000).fill(i));
      const receipts = [undefined, [], [Uint8Array.of(1), new Uint8Array(0)], undefined, big, undefined];
      const given = blocks.map((block, i) => {
        const rows = receipts[i];
        return rows === undefined ? block : { ...block, receipts: rows };
      });
      await using(place.open(), (store) => store.append(given));
      await using(place.open(), async (store) => {
        for (let i = 0; i < 6; i++) assert.deepEqual(await store.receiptsAt(i + 1), receipts[i]);
        assert.equal(await store.receiptsAt(7), undefined);
      });
    },
  },
  {
    name: "committees are found by the epoch they serve in",
    run: (place) =>
      using(place.open(), async (store) => {
        const committees = (n: number) => new Uint8Array(n * 30_000).fill(n);
        const blocks = chainFrom(GENESIS, 9, { seed: 7 }).map((block) =>
          block.number % 3 === 0
            ? { ...block, shardState: { epoch: block.number / 3, bytes: committees(block.number / 3) } }
            : block
        );
        await store.append(blocks.slice(0, 4));
        await store.append(blocks.slice(4));
        for (const epoch of [1, 2, 3]) assert.deepEqual(await store.shardStateAt(epoch), committees(epoch));
        assert.equal(await store.shardStateAt(4), undefined);
        await store.unwindTo(8);
        assert.equal(await store.shardStateAt(3), undefined);
        assert.deepEqual(await store.shardStateAt(2), committees(2));
      }),
  },
  {
    name: "a block's certificate is its child's pair, else the side-car",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 5, { seed: 8 });
      const pair = (n: number) => pairOf(8, 0, n);
      const verified = new Uint8Array(100).fill(9);
      await using(place.open(), async (store) => {
        await store.append(blocks.slice(0, 3).map(({ commitSig: _, ...block }) => block));
        assert.equal(await store.commitSigAt(3), undefined);
        assert.equal((await store.blockAt(3))?.commitSig, undefined);
        await store.putCommitSig(3, pair(3));
        assert.deepEqual(await store.commitSigAt(3), pair(3));
        await store.putCommitSig(3, verified);
        assert.deepEqual(await store.commitSigAt(3), verified);
        await store.putCommitSig(2, verified);
        assert.deepEqual(await store.commitSigAt(2), pair(2), "the child's pair counts");
        const error = await rejects(store.putCommitSig(4, verified), "STORE_NO_BLOCK");
        assert.equal(error.blockNumber, 4);
        await rejects(store.putCommitSig(3, new Uint8Array(5_000)), "STORE_COMMIT_SIG");
      });
      await using(place.open(), async (store) => {
        assert.deepEqual(await store.commitSigAt(3), verified);
        await store.append(blocks.slice(3));
        assert.deepEqual(await store.commitSigAt(3), pair(3), "the side-car gave way");
        assert.deepEqual(await store.commitSigAt(5), pair(5));
      });
    },
  },
  {
    name: "blocks that are not headers of the chain keep their side-cars",
    run: (place) =>
      using(place.open({ parentCommitSig: () => undefined }), async (store) => {
        const blocks = chainFrom(GENESIS, 4, { seed: 9 });
        await store.append(blocks.slice(0, 3));
        await store.append(blocks.slice(3));
        await assertHolds(store, blocks);
      }),
  },
  {
    name: "incoming receipts can be proven later than their block was stored",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 3, { seed: 12 });
      await using(place.open(), async (store) => {
        await store.append(
          blocks.map((b) => ({ ...b, assurance: "signed" as const, body: "unproven" as const })),
        );
        const mark = (number: number, body: "proven" | "unproven", hash = blocks[number - 1]?.hash) => ({
          number,
          hash: hash ?? new Uint8Array(32),
          body,
        });
        assert.deepEqual(await store.unprovenBodies(0, 10), { numbers: [1, 2, 3], next: 4 });
        await store.markBodies([mark(2, "proven"), mark(4, "proven"), mark(900_000, "proven")]);
        await store.markBodies([mark(2, "unproven"), mark(3, "proven", blocks[0]?.hash)]);
        await store.markBodies([]);
        assert.deepEqual(await store.unprovenBodies(1, 1), { numbers: [1], next: 2 });
        assert.deepEqual(await store.unprovenBodies(2, 10), { numbers: [3], next: 4 });
        assert.deepEqual(await store.unprovenBodies(900, 10), { numbers: [], next: 900 });
      });
      await using(place.open(), async (store) => {
        const records = await Promise.all([1, 2, 3].map((n) => store.recordAt(n)));
        assert.deepEqual(records.map((r) => r?.body), ["unproven", "proven", "unproven"]);
        assert.deepEqual(records.map((r) => r?.assurance), ["signed", "signed", "signed"]);
        assert.equal(store.lowestAssurance(), "signed");
        await store.append(chainFrom(blocks[2] ?? GENESIS, 1, { seed: 12 }));
        assert.equal((await store.recordAt(4))?.body, undefined);
      });
    },
  },
  {
    name: "whoever sees the new head sees its marks, whenever it looks",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 6, { seed: 14 })
          .map((b) => ({ ...b, assurance: "signed" as const, body: "unproven" as const }));
        await store.append(blocks.slice(0, 2));
        const seen = new Set<number>();
        const wrong: string[] = [];
        const looks: Promise<void>[] = [];
        const look = async (turn: number) => {
          const { number } = store.head();
          const { numbers } = await store.unprovenBodies(number, 1);
          seen.add(number);
          if (numbers[0] !== number) wrong.push(`turn ${turn}, head ${number}: ${numbers}`);
        };
        const watch = async () => {
          // Every turn between the commit and the end of the call, and some more.
          for (let turn = 0; turn < 60; turn++) {
            looks.push(look(turn));
            await Promise.resolve();
          }
        };
        place.kv().onCommitted = () => looks.push(watch());
        await store.append(blocks.slice(2, 5));
        await store.unwindTo(3);
        await store.append(
          chainFrom(blocks[2] ?? GENESIS, 2, { seed: 14, branch: 1 })
            .map((b) => ({ ...b, body: "unproven" as const })),
        );
        place.kv().onCommitted = () => {};
        await Promise.all(looks);
        assert.deepEqual([...seen].sort(), [2, 3, 5]);
        assert.deepEqual(wrong, []);
      }),
  },
  {
    name: "assurance rises and never falls, and its lowest level is known",
    run: async (place) => {
      const blocks = chainFrom(GENESIS, 4_200, { seed: 10, headerSize: 160, bodySize: () => 1 });
      await using(place.open(), async (store) => {
        await appendAll(store, blocks);
        await store.raiseAssurance(1, 4_190, "signed");
        assert.equal(store.lowestAssurance(), "linked");
        assert.equal((await store.info()).certified, 4_190);
        await store.raiseAssurance(100, 200, "executed");
        await store.raiseAssurance(0, 9_999, "signed");
        assert.equal(store.lowestAssurance(), "signed");
        const next = chainFrom(blocks[4_199] ?? GENESIS, 2, { seed: 10 });
        await store.append(
          next.map((b) => ({ ...b, assurance: "executed" as const, body: "proven" as const })),
        );
      });
      await using(place.open(), async (store) => {
        const levels = [];
        for (const n of [0, 1, 99, 100, 200, 201, 4_095, 4_096, 4_200, 4_201]) {
          levels.push((await store.recordAt(n))?.assurance);
        }
        assert.deepEqual(levels, [
          "signed",
          "signed",
          "signed",
          "executed",
          "executed",
          "signed",
          "signed",
          "signed",
          "signed",
          "executed",
        ]);
        assert.equal((await store.recordAt(4_201))?.body, "proven");
        assert.equal((await store.recordAt(4_200))?.body, undefined);
        assert.equal(await store.recordAt(4_203), undefined);
        const info = await store.info();
        assert.deepEqual(info.assurances, { linked: 0, signed: 4_099, proven: 0, executed: 103 });
        assert.equal(info.certified, 4_202);
        await store.unwindTo(150);
        assert.deepEqual((await store.info()).assurances, { linked: 0, signed: 99, proven: 0, executed: 51 });
      });
    },
  },
  {
    name: "checkpoints and records survive reopening",
    run: async (place) => {
      await using(place.open(), async (store) => {
        await store.append(chainFrom(GENESIS, 2, { seed: 11 }), { States: 2, Heads: 7 });
        await store.setCheckpoints({ BlockHashes: 5, Heads: 8 });
        await rejects(store.setCheckpoints({ Heads: -1 }), "STORE_CHECKPOINT");
        await rejects(store.setCheckpoints({ Heads: 0.5 }), "STORE_CHECKPOINT");
        await store.putRecord("peers", Uint8Array.of(1, 2, 3));
        await store.putRecord("gone", Uint8Array.of(4));
        await store.removeRecord("gone");
        await rejects(store.putRecord("big", new Uint8Array(60_001)), "STORE_RECORD_SIZE");
      });
      await using(place.open(), async (store) => {
        const stages = ["States", "Heads", "BlockHashes", "Finish", "toString"];
        assert.deepEqual(stages.map((stage) => store.checkpoint(stage)), [2, 8, 5, undefined, undefined]);
        assert.deepEqual(await store.record("peers"), Uint8Array.of(1, 2, 3));
        assert.equal(await store.record("gone"), undefined);
        assert.equal(await store.record("big"), undefined);
      });
    },
  },
  {
    name: "many readers of one run cost one read",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 100, { seed: 12 });
        await store.append(blocks);
        const before = place.kv().lists;
        const read = await Promise.all(blocks.slice(20, 30).map((block) => store.blockAt(block.number)));
        assert.deepEqual(read.map((block) => block?.bytes), blocks.slice(20, 30).map((block) => block.bytes));
        assert.ok(place.kv().lists - before <= 3, `${place.kv().lists - before} searches`);
        // What is not there is remembered too.
        for (let i = 90; i > 0; i--) assert.equal(await store.receiptsAt(i), undefined);
        assert.ok(place.kv().lists - before <= 4, `${place.kv().lists - before} searches`);
      }),
  },
  {
    name: "what is handed out is the caller's own",
    run: (place) =>
      using(place.open(), async (store) => {
        const blocks = chainFrom(GENESIS, 3, { seed: 13 });
        await store.append(blocks);
        for (let twice = 0; twice < 2; twice++) {
          (await store.headerAt(2))?.fill(0);
          (await store.hashAt(2))?.fill(0);
          (await store.hashAt(3))?.fill(0);
          (await store.blockAt(2))?.bytes.fill(0);
          for await (const { bytes } of store.headers(1, 3)) bytes.fill(0);
        }
        await assertHolds(store, blocks);
      }),
  },
];
