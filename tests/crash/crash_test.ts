/**
 * SIGKILL at fifty seeded points of a writing process.
 *
 * Why it exists: no acknowledged block is ever lost and no half block is ever shown, whatever instruction a process
 * dies at. The same store is killed again and again, so that leftovers of one death meet the next.
 */
import assert from "node:assert/strict";
import { equalBytes, fromHex, ManualClock, SeededRandom, toHex } from "../../src/base/mod.ts";
import { type ChainStore, openDenoKv, openStore } from "../../src/store/mod.ts";
import { GENESIS, pairInTestHeader, type TestBlock, testOptions } from "../store/support.ts";
import { stepBlocks } from "./writer.ts";

const SEED = 20261122;
const KILLS = 50;
const WRITER = new URL("writer.ts", import.meta.url);

interface Head {
  readonly number: number;
  readonly hash: string;
  /** Seed of the step that led here, stored with it as a checkpoint; -1 for a new store. */
  readonly step: number;
}

interface Run {
  readonly opened: Head | undefined;
  /** Every state the run announced, in order; all but the last were acknowledged, the last if `acknowledged`. */
  readonly states: ReadonlyArray<Head & { readonly kind: string }>;
  readonly acknowledged: boolean;
}

function parseRun(output: string): Run {
  let opened: Head | undefined;
  const states: Array<Head & { kind: string }> = [];
  let acknowledged = true;
  for (const line of output.split("\n")) {
    const [word, number, hash, step, kind] = line.split(" ");
    if (word === "open") opened = { number: Number(number), hash: hash ?? "", step: Number(step) };
    // The last line may be cut off, but each is written in one call.
    else if (word === "begin" && kind !== undefined) {
      states.push({ number: Number(number), hash: hash ?? "", step: Number(step), kind });
      acknowledged = false;
    } else if (word === "done") acknowledged = true;
  }
  return { opened, states, acknowledged };
}

/** Runs the writer until it is dead. `afterLines`: kill it from outside, so many lines of output later. */
async function runWriter(
  dir: string,
  seed: number,
  args: readonly string[],
  afterLines?: number,
): Promise<Run> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", WRITER.href, dir, String(seed), ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let output = "";
  let killed = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    if (afterLines === undefined || killed || output.split("\n").length <= afterLines) continue;
    killed = true;
    child.kill("SIGKILL");
  }
  const status = await child.status;
  assert.equal(status.signal, "SIGKILL", `the writer ended by itself: ${output.slice(-300)}`);
  return parseRun(output);
}

function open(dir: string): Promise<ChainStore> {
  return openStore({ ...testOptions(new ManualClock()), location: { kind: "file", dir } });
}

/** The chain that the states lead to: the parent replays what the writer announced. */
class Chain {
  blocks: TestBlock[] = [];
  apply(state: Head & { readonly kind: string }): void {
    if (state.kind === "unwind") this.blocks = this.blocks.slice(0, state.number);
    else this.blocks = [...this.blocks, ...stepBlocks(this.blocks.at(-1) ?? GENESIS, state.step)];
    assert.equal(this.blocks.length, state.number);
    assert.equal(toHex(this.blocks.at(-1)?.hash ?? GENESIS.hash), state.hash);
  }
}

async function assertWhole(store: ChainStore, blocks: readonly TestBlock[], from: number): Promise<void> {
  for (const block of blocks.slice(from)) {
    const read = await store.blockAt(block.number);
    assert.ok(read !== undefined && equalBytes(read.bytes, block.bytes), `block ${block.number}`);
    assert.equal(await store.numberOf(block.hash), block.number);
    const child = blocks[block.number];
    if (child === undefined) continue;
    const pair = pairInTestHeader(child.headerBytes);
    assert.ok(
      pair !== undefined && equalBytes(read.commitSig ?? pair.subarray(1), pair),
      `certificate of block ${block.number}`,
    );
  }
  let n = 0;
  for await (const { number, bytes } of store.headers(1, blocks.length + 10)) {
    const { headerBytes } = blocks[number - 1] as TestBlock;
    assert.ok(equalBytes(bytes, headerBytes), `header ${number}`);
    n++;
  }
  assert.equal(n, blocks.length);
}

/** Rows of blocks above the head. */
async function leftovers(dir: string, head: number): Promise<string[]> {
  const kv = await openDenoKv(`${dir}/chain.sqlite3`);
  const rows: string[] = [];
  try {
    const tables = ["hash", "head", "body", "rcpt", "comm", "body+", "head+", "comm+", "sig"];
    for await (
      const row of kv.list({ start: ["hsync", "testchain/1", ""], end: ["hsync", "testchain/1", "~"] })
    ) {
      const [, , table, number] = row.key;
      if (tables.includes(String(table)) && Number(number) > head) rows.push(`${table}/${number}`);
    }
  } finally {
    kv.close();
  }
  return rows;
}

Deno.test(`a process killed at ${KILLS} points loses no acknowledged block and shows no half one`, async () => {
  const random = new SeededRandom(SEED);
  const root = await Deno.makeTempDir({ prefix: "hsync-crash-" });
  const dir = `${root}/store`;
  const chain = new Chain();
  let before: Head = { number: 0, hash: toHex(GENESIS.hash), step: -1 };
  const fates = new Map<string, number>();
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const seed = 1 + kill;
      const mode = ["before", "during", "after", "never"][random.int(4)] as string;
      const nth = 1 + random.int(25);
      const where = `seed ${SEED}, kill ${kill} (${mode} ${nth})`;
      const run = mode === "never"
        ? await runWriter(dir, seed, [mode], 1 + random.int(30))
        : await runWriter(dir, seed, [mode, String(nth)]);
      // What the process saw when it opened is what the last one left.
      if (run.opened !== undefined) assert.deepEqual(run.opened, before, where);
      const last = run.states.at(-1);
      const certain = run.acknowledged ? run.states : run.states.slice(0, -1);
      const store = await open(dir);
      try {
        const now: Head = {
          number: store.head().number,
          hash: toHex(store.head().hash),
          step: store.checkpoint("States") ?? -1,
        };
        const kept = chain.blocks.length;
        let low = kept;
        for (const state of certain) {
          chain.apply(state);
          low = Math.min(low, state.number);
        }
        const known = certain.at(-1) ?? before;
        const happened = !run.acknowledged && last !== undefined && now.step === last.step;
        if (happened) {
          chain.apply(last);
          low = Math.min(low, last.number);
        } else {assert.equal(
            now.step,
            known.step,
            `${where}: acknowledged steps are there, or the one under way`,
          );}
        assert.equal(now.number, chain.blocks.length, where);
        assert.equal(now.hash, toHex(chain.blocks.at(-1)?.hash ?? GENESIS.hash), where);
        // Everything that this run wrote, and now and then everything there is.
        await assertWhole(store, chain.blocks, kill % 25 === 24 ? 0 : low);
        const fate = run.acknowledged ? "between steps" : happened ? "step was complete" : "step was undone";
        fates.set(fate, (fates.get(fate) ?? 0) + 1);
        before = now;
      } finally {
        await store.close();
      }
      if (kill % 5 === 4) assert.deepEqual(await leftovers(dir, before.number), [], where);
    }
    assert.ok(
      (fates.get("step was undone") ?? 0) >= 10,
      `kills met too few steps: ${JSON.stringify([...fates])}`,
    );
    assert.equal(fromHex(before.hash).length, 32);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
