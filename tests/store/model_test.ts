/** Random steps against a model: whatever succeeds, fails or is cut off, the store is one of the states it may be. */
import assert from "node:assert/strict";
import { HsyncError, SeededRandom } from "../../src/base/mod.ts";
import { type Assurance, ASSURANCES, type ChainStore } from "../../src/store/mod.ts";
import { chainFrom, GENESIS, makePlace, type Place, type TestBlock } from "./support.ts";

/** The store as it should be. */
interface Model {
  readonly blocks: readonly TestBlock[];
  readonly levels: readonly Assurance[];
  readonly checkpoint: number | undefined;
}

async function matches(store: ChainStore, model: Model, random: SeededRandom): Promise<void> {
  const { blocks, levels, checkpoint } = model;
  assert.equal(store.head().number, blocks.length);
  assert.deepEqual(store.head().hash, blocks.at(-1)?.hash ?? GENESIS.hash);
  assert.equal(store.checkpoint("States"), checkpoint);
  const counts = new Map<Assurance, number>();
  for (const level of levels) counts.set(level, (counts.get(level) ?? 0) + 1);
  const info = await store.info();
  for (const level of ASSURANCES) assert.equal(info.assurances[level], counts.get(level) ?? 0, level);
  const from = random.int(blocks.length + 1);
  for (const block of blocks.slice(from, from + 40)) {
    const read = await store.blockAt(block.number);
    assert.ok(read !== undefined && read.bytes.every((byte, i) => byte === block.bytes[i]));
    assert.equal(read.bytes.length, block.bytes.length);
    assert.equal(await store.numberOf(block.hash), block.number);
    assert.equal((await store.recordAt(block.number))?.assurance, levels[block.number - 1]);
    assert.deepEqual(await store.receiptsAt(block.number), block.receipts);
  }
  let next = 1;
  for await (const { number } of store.headers(1, blocks.length + 5)) assert.equal(number, next++);
  assert.equal(next, blocks.length + 1);
}

async function run(place: Place, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  let model: Model = { blocks: [], levels: [], checkpoint: undefined };
  let store = await place.open();
  const reopen = async () => {
    await store.close();
    store = await place.open();
  };
  try {
    for (let step = 0; step < 45; step++) {
      const { blocks, levels } = model;
      let after = model;
      let call: () => Promise<void>;
      const kind = random.int(10);
      if (kind < 5 || blocks.length === 0) {
        const size = random.int(6) === 0 ? 130_000 : 300;
        const fresh = chainFrom(blocks.at(-1) ?? GENESIS, 1 + random.int(128), {
          seed,
          branch: step,
          bodySize: (_n, r) => r.int(size),
        }).map((block) => ({
          ...block,
          assurance: ASSURANCES[random.int(2)] as Assurance,
          ...(random.int(4) === 0 ? { receipts: [block.hash] } : {}),
        }));
        after = {
          blocks: [...blocks, ...fresh],
          levels: [...levels, ...fresh.map((block) => block.assurance)],
          checkpoint: step,
        };
        call = () => store.append(fresh, { States: step });
      } else if (kind < 7) {
        const to = random.int(blocks.length + 1);
        after = { blocks: blocks.slice(0, to), levels: levels.slice(0, to), checkpoint: step };
        call = () => store.unwindTo(to, { States: step });
      } else {
        const from = 1 + random.int(blocks.length);
        const to = from + random.int(blocks.length);
        const level = 1 + random.int(3);
        const raised = levels.map((old, i) =>
          i + 1 >= from && i + 1 <= to && ASSURANCES.indexOf(old) < level
            ? ASSURANCES[level] as Assurance
            : old
        );
        after = { ...model, levels: raised };
        call = () => store.raiseAssurance(from, to, ASSURANCES[level] as Assurance);
      }
      const start = place.kv().commits;
      const nth = start + 1 + random.int(4);
      // Refused once, answered never, or dead from then on.
      const fate = random.int(5);
      place.kv().onCommit = (n) =>
        fate === 0 && n === nth
          ? "fail"
          : fate === 1 && n === nth
          ? "fail-after"
          : fate === 2 && n >= nth
          ? "fail"
          : "pass";
      const failed = await call().then(() => false, (error) => {
        assert.ok(error instanceof HsyncError && error.code === "STORE_WRITE_FAILED", String(error));
        return true;
      });
      if (fate === 2) await reopen();
      place.kv().onCommit = () => "pass";
      if (!failed) model = after;
      await matches(store, model, random);
      if (random.int(6) === 0) await reopen();
    }
    await reopen();
    await matches(store, model, random);
  } finally {
    await store.close();
  }
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`random steps with failures end in the state of the model (seed ${seed})`, async () => {
    const place = await makePlace(seed % 2 === 0 ? "file" : "memory");
    try {
      await run(place, seed);
    } finally {
      await place.close();
    }
  });
}
