/** The operator's anchors: what a file adds, and what becomes of one that cannot be used. */
import assert from "node:assert/strict";
import { dbImport, dbUnwind, dbVerify } from "../../src/node/mod.ts";
import { configuredAnchors } from "../../src/node/anchor_file.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { errorOf, inFolder, type Run, run } from "../cli/support.ts";
import { recordedHash, writeRecording } from "./recording.ts";

const HEAD = 40;
const ELSEWHERE = `0x${"11".repeat(32)}`;

function db(dir: string, ...words: string[]): Promise<Run> {
  return run(["db", ...words, "-n", "localnet", "--shard", "0", "-d", dir], { dbImport, dbUnwind, dbVerify });
}

/** Writes an anchor file. @returns the flag that names it. */
async function anchors(dir: string, content: unknown): Promise<string> {
  const path = `${dir}/anchors.json`;
  await Deno.writeTextFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return `--sync.anchor-file=${path}`;
}

Deno.test("an anchor of the operator stops an import at its block, and finds a store that went another way", async () => {
  await inFolder(async (dir) => {
    await writeRecording(`${dir}/blocks.jsonl`, HEAD);
    const right = await anchors(dir, { anchors: [{ shard: 0, number: 30, hash: recordedHash(30) }] });
    assert.equal((await db(dir, "import", `${dir}/blocks.jsonl`, right)).code, 0);
    assert.equal((await db(dir, "verify", right)).code, 0);

    const other = await anchors(dir, { anchors: [{ shard: 0, number: 30, hash: ELSEWHERE }] });
    const verified = await db(dir, "verify", other);
    assert.equal(verified.code, 10);
    assert.match(
      errorOf(verified),
      new RegExp(`block 30 is not in order: .*${recordedHash(30)}.*${ELSEWHERE}`),
    );
    const again = await db(dir, "import", `${dir}/blocks.jsonl`, other);
    assert.equal(again.code, 11, "a store on the wrong side is refused when it is opened to be used");
    assert.match(errorOf(again), /block 30 .*hint: .*db unwind --to 29/);

    assert.equal((await db(dir, "unwind", "--to", "29", other)).code, 0);
    const refused = await db(dir, "import", `${dir}/blocks.jsonl`, other);
    assert.equal(refused.code, 1);
    assert.match(errorOf(refused), /block 30/);
    assert.match(refused.err.join("\n"), /kept 0 blocks, up to block 29/);
  });
});

Deno.test("a checkpoint holds for an import and a verification too, and for the store that is imported into", async () => {
  await inFolder(async (dir) => {
    await writeRecording(`${dir}/blocks.jsonl`, HEAD);
    // The end of an epoch of the recorded chain.
    const right = `--sync.checkpoint=0:36:${recordedHash(36)}`;
    const wrong = `--sync.checkpoint=0:36:${ELSEWHERE}`;
    const refused = await db(dir, "import", `${dir}/blocks.jsonl`, wrong);
    assert.equal(refused.code, 1);
    assert.match(errorOf(refused), /block 36/);
    assert.match(refused.err.join("\n"), /kept 35 blocks/);
    assert.equal((await db(dir, "import", `${dir}/blocks.jsonl`, right)).code, 0);
    assert.equal((await db(dir, "verify", right)).code, 0);
    const verified = await db(dir, "verify", wrong);
    assert.equal(verified.code, 10);
    assert.match(errorOf(verified), /block 36 is not in order/);
    const again = await db(dir, "import", `${dir}/blocks.jsonl`, wrong);
    assert.equal(again.code, 11);
    assert.match(errorOf(again), new RegExp(`${recordedHash(36)}.*${ELSEWHERE}.*db unwind --to 35`));
  });
});

Deno.test("a block that the operator never wants is refused at any height", async () => {
  await inFolder(async (dir) => {
    await writeRecording(`${dir}/blocks.jsonl`, HEAD);
    const flag = await anchors(dir, { never: [{ shard: 0, hash: recordedHash(12) }] });
    const refused = await db(dir, "import", `${dir}/blocks.jsonl`, flag);
    assert.equal(refused.code, 1);
    assert.match(errorOf(refused), /block 12/);
    assert.match(refused.err.join("\n"), /kept 11 blocks, up to block 11/);
  });
});

const UNUSABLE: ReadonlyArray<readonly [what: string, content: string | undefined, error: RegExp]> = [
  ["is not there", undefined, /anchors\.json.*--sync\.anchor-file.*cannot be read/],
  ["is no JSON", "anchors: none", /anchors\.json.*is no JSON/],
  ["is a list", "[]", /anchors\.json: not an object/],
  ["has a short hash", '{"anchors": [{"shard": 0, "number": 1, "hash": "0x11"}]}', /64 hex digits/],
  ["has a misspelt member", '{"anchor": []}', /unknown member "anchor"/],
  ["is far too long", " ".repeat(1024 * 1024 + 1), /1048577 bytes/],
  [
    "says two things of one block",
    JSON.stringify({ anchors: [ELSEWHERE, recordedHash(1)].map((hash) => ({ shard: 0, number: 1, hash })) }),
    /contradict each other about block 1 of shard 0/,
  ],
];

for (const [what, content, error] of UNUSABLE) {
  Deno.test(`an anchor file that ${what} ends the command with exit code 128, before the store is opened`, async () => {
    await inFolder(async (dir) => {
      await writeRecording(`${dir}/blocks.jsonl`, 2);
      const flag = content === undefined
        ? `--sync.anchor-file=${dir}/anchors.json`
        : await anchors(dir, content);
      const failed = await db(dir, "import", `${dir}/blocks.jsonl`, flag);
      assert.equal(failed.code, 128, failed.err.join("\n"));
      assert.match(errorOf(failed), error);
      await assert.rejects(Deno.stat(`${dir}/harmony_kv_0`), Deno.errors.NotFound);
    });
  });
}

Deno.test("what ships with the program cannot be taken away by a file", async () => {
  await inFolder(async (dir) => {
    const mainnet = networkParams("mainnet");
    const built = (await configuredAnchors(mainnet, {})).anchorsOf(0)[0];
    assert.ok(built !== undefined);
    await anchors(dir, { anchors: [{ shard: 0, number: built.number, hash: ELSEWHERE }] });
    const anchorFile = `${dir}/anchors.json`;
    await assert.rejects(configuredAnchors(mainnet, { anchorFile }), {
      code: "ANCHORS_CONFLICT",
      exitCode: 128,
    });
    await anchors(dir, { anchors: [{ shard: 3, number: 5, hash: ELSEWHERE }] });
    const book = await configuredAnchors(mainnet, { anchorFile });
    assert.equal(book.anchorsOf(3).length, 1);
    assert.deepEqual(book.anchorsOf(0)[0], built);
  });
});
