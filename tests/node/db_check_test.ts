/** `hsync db verify` and `hsync db unwind` on a real store. */
import assert from "node:assert/strict";
import { fromHex, SystemClock } from "../../src/base/mod.ts";
import { decodeBlock } from "../../src/chain/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { dbImport, dbUnwind, dbVerify, openChain, paramsOf } from "../../src/node/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import { errorOf, inFolder, type Run, run } from "../cli/support.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { recordedHash, writeRecording } from "./recording.ts";

const HEAD = 40;

/** A command on the store in `dir`, with the real node behind it. */
function db(dir: string, ...words: string[]): Promise<Run> {
  return run(["db", ...words, "-n", "localnet", "--shard", "0", "-d", dir], { dbImport, dbUnwind, dbVerify });
}

/** Runs a test on a store of the recorded blocks up to `HEAD`. */
async function onStore(test: (dir: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await writeRecording(`${dir}/blocks.jsonl`, HEAD);
    const imported = await db(dir, "import", `${dir}/blocks.jsonl`);
    assert.equal(imported.code, 0, imported.err.join("\n"));
    await test(dir);
  });
}

/** Writes to the store behind the back of every check. */
async function meddle(dir: string, work: (store: ChainStore) => Promise<void>): Promise<void> {
  const { flags } = parseArgv(["-n", "localnet", "--shard", "0", "-d", dir], FLAGS);
  const { config } = loadConfig({ flags, env: () => undefined });
  const store = await openChain({
    params: paramsOf(config),
    shardId: 0,
    location: { kind: "file", dir: `${dir}/harmony_kv_0` },
    clock: new SystemClock(),
  });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

function recorded(number: number): { hash: Uint8Array; bytes: Uint8Array; commitSig: Uint8Array } {
  const block = recordedBlocks(0)[number];
  assert.ok(block !== undefined);
  return { hash: fromHex(block.hash), bytes: fromHex(block.blockRLP), commitSig: fromHex(block.commitSig) };
}

async function append(
  store: ChainStore,
  number: number,
  bytes: Uint8Array,
  commitSig: Uint8Array,
): Promise<void> {
  const { header } = decodeBlock(recorded(number).bytes);
  await store.append([{
    number,
    hash: header.hash,
    parentHash: header.parentHash,
    bytes,
    headerBytes: header.bytes,
    commitSig,
    assurance: "signed",
  }]);
}

Deno.test("db verify passes a sound store, also in part and with every signature", async () => {
  await onStore(async (dir) => {
    const whole = await db(dir, "verify");
    assert.equal(whole.code, 0, whole.err.join("\n"));
    assert.match(
      whole.out.join("\n"),
      /^verified blocks=40 from=1 to=40 certificates=\d+ seconds=[\d.]+: all in order$/,
    );
    const json = await db(dir, "verify", "--from", "11", "--to", "20", "--all-signatures", "--json");
    const { certificates, ...part } = JSON.parse(json.out.join(""));
    assert.deepEqual(part, {
      schema: 1,
      from: 11,
      to: 20,
      blocks: 10,
      failure: null,
      disputes: { count: 0, named: [] },
    });
    assert.ok(certificates >= 10, `${certificates} certificates for ten blocks`);
    const beyond = await db(dir, "verify", "--from", "41");
    assert.equal(beyond.code, 2);
    assert.match(errorOf(beyond), /blocks to check are 1 to 40/);
  });
});

/** Every look at it is two seconds later. */
class HastyClock extends SystemClock {
  #at = 0;
  override monotonic(): number {
    return this.#at += 2_000;
  }
}

Deno.test("db verify says every two seconds how far it is, unless it is to be quiet", async () => {
  await onStore(async (dir) => {
    const verify = (...flags: string[]) =>
      run(["db", "verify", "-n", "localnet", "--shard", "0", "-d", dir, ...flags], {
        dbVerify: (loaded, options, io) => dbVerify(loaded, options, io, new HastyClock()),
      });
    const told = await verify();
    assert.equal(told.code, 0, told.err.join("\n"));
    const line = /^verified up to block (\d+) of 40 \(([\d.]+) %, (\d+) blocks\/s, (\d+) certificates\)$/;
    const lines = told.err.map((text) => line.exec(text)?.slice(1).map(Number));
    assert.ok(lines.length > 0, "nothing was said");
    for (const [number = 0, percent] of lines.map((l) => l ?? [])) {
      assert.ok(number > 0);
      assert.equal(percent, Math.floor(number / 40 * 1000) / 10);
    }
    assert.deepEqual((await verify("--quiet")).err, []);
  });
});

Deno.test("db verify names the first block that is not in order, and db unwind takes it away", async () => {
  await onStore(async (dir) => {
    await meddle(dir, async (store) => {
      const { bytes, commitSig } = recorded(HEAD + 1);
      const damaged = bytes.slice();
      // Inside the first transaction, which the header's transaction root covers.
      const at = decodeBlock(bytes).header.bytes.length + 60;
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      await append(store, HEAD + 1, damaged, commitSig);
      const next = recorded(HEAD + 2);
      await append(store, HEAD + 2, next.bytes, next.commitSig);
    });
    const bad = await db(dir, "verify", "--json");
    assert.equal(bad.code, 10);
    assert.match(
      errorOf(bad),
      new RegExp(`block ${HEAD + 1} is not in order: .*hint: .*unwind --to ${HEAD}`),
    );
    assert.equal(JSON.parse(bad.out.join("")).failure.number, HEAD + 1);

    const unwound = await db(dir, "unwind", "--to", String(HEAD));
    assert.equal(unwound.code, 0, unwound.err.join("\n"));
    assert.deepEqual(unwound.out, [
      `removed blocks=2 (${HEAD + 1} to ${HEAD + 2}) head=${HEAD} hash=${recordedHash(HEAD)}`,
    ]);
    assert.equal((await db(dir, "verify")).code, 0);
  });
});

Deno.test("db verify refuses a head whose certificate is another block's", async () => {
  await onStore(async (dir) => {
    await meddle(dir, (store) => append(store, HEAD + 1, recorded(HEAD + 1).bytes, recorded(HEAD).commitSig));
    const bad = await db(dir, "verify");
    assert.equal(bad.code, 10);
    assert.match(errorOf(bad), new RegExp(`block ${HEAD + 1} is not in order`));
  });
});

Deno.test("db unwind goes anywhere in the store, says when there is nothing to do, and refuses the rest", async () => {
  await onStore(async (dir) => {
    const json = await db(dir, "unwind", "--to", "25", "--json");
    assert.deepEqual(JSON.parse(json.out.join("")), {
      schema: 1,
      epochsRemoved: 0,
      removed: 15,
      from: 40,
      head: { number: 25, hash: recordedHash(25) },
    });
    assert.deepEqual((await db(dir, "unwind", "--to", "25")).out, [
      "nothing removed: block 25 is the head already",
    ]);
    const above = await db(dir, "unwind", "--to", "26");
    assert.equal(above.code, 2);
    assert.match(errorOf(above), /holds blocks 0 to 25/);
    assert.match(errorOf(await db(dir, "unwind")), /how far/);
    await meddle(dir, async () => {
      const locked = await db(dir, "unwind", "--to", "3");
      assert.equal(locked.code, 11);
      assert.match(errorOf(locked), /in use by process/);
    });
    const again = await db(dir, "import", `${dir}/blocks.jsonl`);
    assert.equal(again.code, 0, again.err.join("\n"));
    assert.match(again.out.join(""), /imported blocks=15 known=26 head=40/);
  });
});
