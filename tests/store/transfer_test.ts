/** Chains in and out of files: the recording, the block file, and every way they can be wrong. */
import assert from "node:assert/strict";
import { gunzipSync, gzipSync } from "node:zlib";
import { concat, fromHex, HsyncError, ManualClock, SeededRandom, to0x } from "../../src/base/mod.ts";
import { decodeBlock, encodeBlock, makeHeader } from "../../src/chain/mod.ts";
import {
  type AppendBlock,
  BlockFileWriter,
  type CandidateBlock,
  type ChainStore,
  exportBlocks,
  type FileBlock,
  importBlocks,
  openBlocks,
  openStore,
  type VerifiedBlocks,
} from "../../src/store/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { recordingUrl } from "./recorded.ts";
import { rejects, using } from "./suite/case.ts";

function storeOf(shard: 0 | 1, network = "localnet"): Promise<ChainStore> {
  const line = recordedBlocks(shard)[0];
  const block = decodeBlock(fromHex(line?.blockRLP ?? ""));
  return openStore({
    network,
    shardId: shard,
    genesis: { hash: block.hash, bytes: block.bytes, headerBytes: block.header.bytes },
    location: { kind: "memory" },
    clock: new ManualClock(),
  });
}

/** Accepts everything; what a sync checks is tested elsewhere. */
function accept(candidates: readonly CandidateBlock[]): Promise<VerifiedBlocks> {
  const good = candidates.map(({ block, commitSig, receipts }): AppendBlock => ({
    number: block.number,
    hash: block.hash,
    parentHash: block.header.parentHash,
    bytes: block.bytes,
    headerBytes: block.header.bytes,
    assurance: "linked",
    ...(commitSig === undefined ? {} : { commitSig }),
    ...(receipts === undefined ? {} : { receipts }),
  }));
  return Promise.resolve({ good });
}

async function* chunked(bytes: Uint8Array, size = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

function recording(shard: 0 | 1): Uint8Array {
  return Deno.readFileSync(recordingUrl(shard));
}

async function exported(store: ChainStore, from?: number, to?: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const sink = (bytes: Uint8Array) => Promise.resolve(void parts.push(bytes.slice()));
  await exportBlocks(store, sink, {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
  return concat(...parts);
}

async function assertSame(a: ChainStore, b: ChainStore): Promise<void> {
  assert.deepEqual(a.head(), b.head());
  for (let n = 0; n <= a.head().number; n++) {
    assert.deepEqual(await a.blockAt(n), await b.blockAt(n));
    assert.deepEqual(await a.receiptsAt(n), await b.receiptsAt(n), `receipts of block ${n}`);
  }
}

Deno.test("a recording goes in, a block file comes out smaller, and goes in again as the same chain", async () => {
  for (const shard of [0, 1] as const) {
    const zipped = recording(shard);
    await using(storeOf(shard), async (first) => {
      const seen: number[] = [];
      const result = await importBlocks(first, chunked(zipped), {
        verify: accept,
        onProgress: (n) => seen.push(n),
      });
      const count = recordedBlocks(shard).length;
      assert.deepEqual(result, { imported: count - 1, known: 1 });
      assert.deepEqual(seen.at(-1), count - 1);
      const file = await exported(first);
      assert.ok(file.length < zipped.length, `${file.length} bytes against ${zipped.length}`);
      await using(storeOf(shard), async (second) => {
        await importBlocks(second, chunked(file, 777), { verify: accept });
        // Genesis comes from the network's parameters, not from the file.
        assert.equal(await second.receiptsAt(0), undefined);
        await assertSame(first, second);
        assert.deepEqual(await exported(second), file, "the same chain gives the same file");
      });
      await using(storeOf(shard), async (third) => {
        await importBlocks(third, chunked(gunzipSync(zipped), 1_000_000), { verify: accept });
        await assertSame(first, third);
      });
    });
  }
});

Deno.test("importing goes on where the store ends, and again changes nothing", async () => {
  await using(storeOf(1), async (whole) => {
    await importBlocks(whole, chunked(recording(1)), { verify: accept });
    await using(storeOf(1), async (store) => {
      const head = await exported(whole, 1, 100);
      const tail = await exported(whole, 90, 200);
      assert.deepEqual(await importBlocks(store, chunked(head), { verify: accept }), {
        imported: 100,
        known: 0,
      });
      assert.deepEqual(await importBlocks(store, chunked(tail), { verify: accept }), {
        imported: 100,
        known: 11,
      });
      assert.deepEqual(await importBlocks(store, chunked(tail), { verify: accept }), {
        imported: 0,
        known: 111,
      });
      const gap = await exported(whole, 202, 210);
      const error = await rejects(importBlocks(store, chunked(gap), { verify: accept }), "BLOCK_FILE_GAP");
      assert.equal(error.blockNumber, 201);
      assert.match(error.message, /begins with block 202, the store ends with block 200/);
      for (const [from, to] of [[0, 900], [300, 301], [5, 4]] as const) {
        await rejects(exported(store, from, to), "STORE_NO_BLOCK");
      }
    });
  });
});

Deno.test("a file of another chain is refused before anything is read", async () => {
  await using(storeOf(1), async (whole) => {
    await importBlocks(whole, chunked(recording(1)), { verify: accept });
    const file = await exported(whole, 0, 50);
    await using(storeOf(1, "othernet"), async (store) => {
      const error = await rejects(
        importBlocks(store, chunked(file), { verify: accept }),
        "BLOCK_FILE_FOREIGN",
      );
      assert.match(error.message, /network localnet, shard 1/);
    });
    await using(storeOf(0), async (store) => {
      await rejects(importBlocks(store, chunked(file), { verify: accept }), "BLOCK_FILE_FOREIGN");
      const fork = await rejects(
        importBlocks(store, chunked(recording(1)), { verify: accept }),
        "BLOCK_FILE_FORK",
      );
      assert.equal(fork.blockNumber, 0);
      assert.equal(store.head().number, 0);
    });
  });
});

/** Lines of the recording of shard 1, `change`d at some block. */
function lines(change: (line: Record<string, unknown>, number: number) => string | undefined): Uint8Array {
  const out: string[] = [];
  for (const line of recordedBlocks(1).slice(0, 200)) {
    const text = change({ ...line } as Record<string, unknown>, line.number);
    if (text !== undefined) out.push(text);
  }
  return new TextEncoder().encode(out.join("\n"));
}

Deno.test("a gap, a fork or a damaged line is refused by number and what came before is kept", async () => {
  const text = JSON.stringify;
  const other = (line: Record<string, unknown>): string => {
    const block = decodeBlock(fromHex(String(line["blockRLP"])));
    const header = makeHeader({ ...block.header, extra: Uint8Array.of(1) } as never);
    const { number } = line;
    return text({ number, blockRLP: to0x(encodeBlock({ header })) });
  };
  const cases: Array<[string, string, RegExp, Parameters<typeof lines>[0]]> = [
    [
      "gap",
      "BLOCK_FILE_GAP",
      /block 149 is followed by block 151/,
      (l, n) => n === 150 ? undefined : text(l),
    ],
    [
      "fork",
      "BLOCK_FILE_FORK",
      /block 151 does not continue block 150/,
      (l, n) => n === 150 ? other(l) : text(l),
    ],
    [
      "not JSON",
      "BLOCK_FILE_DAMAGED",
      /^line 151, after block 149 is damaged/,
      (l, n) => text(l).slice(n === 150 ? 1 : 0),
    ],
    [
      "cut off",
      "BLOCK_FILE_DAMAGED",
      /^line 151, after block 149/,
      (l, n) => n === 150 ? text(l).slice(0, 999) : text(l),
    ],
    [
      "hex",
      "BLOCK_FILE_DAMAGED",
      /blockRLP: hex text/,
      (l, n) => text(n === 150 ? { ...l, blockRLP: "0x0g" } : l),
    ],
    ["no block", "BLOCK_FILE_DAMAGED", /blockRLP is missing/, (l, n) => text(n === 150 ? { number: n } : l)],
    [
      "number",
      "BLOCK_FILE_DAMAGED",
      /number is not/,
      (l, n) => text(n === 150 ? { ...l, number: "150" } : l),
    ],
    [
      "hash",
      "BLOCK_FILE_DAMAGED",
      /block 150 of the file has the hash/,
      (l, n) => text(n === 150 ? { ...l, hash: "0x" + "00".repeat(32) } : l),
    ],
    [
      "short hash",
      "BLOCK_FILE_DAMAGED",
      /hash has 1 bytes/,
      (l, n) => text(n === 150 ? { ...l, hash: "0x00" } : l),
    ],
    [
      "wrong block",
      "BLOCK_FILE_DAMAGED",
      /block 150 of the file says it is 3/,
      (l, n) => text(n === 150 ? { ...l, hash: undefined, blockRLP: recordedBlocks(1)[3]?.blockRLP } : l),
    ],
    [
      "RLP",
      "BLOCK_FILE_DAMAGED",
      /block 150 of the file cannot be decoded/,
      (l, n) => text(n === 150 ? { ...l, blockRLP: "0xc0" } : l),
    ],
    [
      "receipts",
      "BLOCK_FILE_DAMAGED",
      /receiptsRLP/,
      (l, n) => text(n === 150 ? { ...l, receiptsRLP: "0x80" } : l),
    ],
    ["array", "BLOCK_FILE_DAMAGED", /not an object/, (l, n) => n === 150 ? "[]" : text(l)],
  ];
  for (const [name, code, message, change] of cases) {
    await using(storeOf(1), async (store) => {
      const error = await rejects(importBlocks(store, chunked(lines(change)), { verify: accept }), code);
      assert.match(error.message, message, name);
      const kept = name === "fork" ? 150 : 149;
      assert.equal(store.head().number, kept, name);
      assert.equal(error.blockNumber, kept + 1, name);
    });
  }
});

Deno.test("a block that does not pass the caller's check ends the import at the block before it", async () => {
  for (const bad of [1, 2, 128, 129, 200]) {
    await using(storeOf(1), async (store) => {
      const batches: number[] = [];
      const verify = async (candidates: readonly CandidateBlock[]): Promise<VerifiedBlocks> => {
        batches.push(candidates.length);
        const { good } = await accept(candidates);
        const at = good.findIndex((block) => block.number === bad);
        if (at < 0) return { good };
        const error = new HsyncError("BODY_ROOT", "the root does not hold", {
          blockNumber: bad,
          fault: "DATA",
        });
        return { good: good.slice(0, at), error };
      };
      const error = await rejects(importBlocks(store, chunked(recording(1)), { verify }), "BODY_ROOT");
      assert.equal(error.blockNumber, bad);
      assert.equal(store.head().number, bad - 1);
      assert.ok(batches.every((n) => n >= 1 && n <= 128));
    });
  }
});

Deno.test("every cut and every changed byte of a block file is noticed, and what came before is kept", async () => {
  const blocks = recordedBlocks(1).slice(0, 60);
  const parts: Uint8Array[] = [];
  const genesis = fromHex(blocks[0]?.hash ?? "");
  const writer = new BlockFileWriter(
    { network: "localnet", shardId: 1, genesisHash: genesis },
    (bytes) => Promise.resolve(void parts.push(bytes.slice())),
  );
  for (const line of blocks) await writer.add({ number: line.number, bytes: fromHex(line.blockRLP) });
  await writer.end();
  const file = concat(...parts);
  const read = async (bytes: Uint8Array): Promise<FileBlock[]> => {
    const rows: FileBlock[] = [];
    for await (const row of (await openBlocks(chunked(bytes))).blocks) rows.push(row);
    return rows;
  };
  assert.equal((await read(file)).length, 60);
  const random = new SeededRandom(5);
  const bad: Uint8Array[] = [concat(file, Uint8Array.of(0))];
  for (let i = 0; i < 400; i++) {
    const at = i < 150 ? i : random.int(file.length);
    const changed = file.slice();
    changed[at] = (changed[at] as number) ^ (1 << random.int(8));
    bad.push(changed);
  }
  for (let i = 0; i < 100; i++) bad.push(file.subarray(0, i < 50 ? i : random.int(file.length)));
  for (const bytes of bad) {
    const outcome = await read(bytes).then((rows) => rows.length, (error) => error.code);
    // Nothing at all is an empty recording.
    if (bytes.length === 0) assert.equal(outcome, 0);
    else assert.match(String(outcome), /^BLOCK_FILE_(DAMAGED|VERSION|UNKNOWN)$/, `${bytes.length} bytes`);
  }
});

Deno.test("damage in a later group of a block file keeps the groups before it", async () => {
  await using(storeOf(0), async (whole) => {
    await importBlocks(whole, chunked(recording(0)), { verify: accept });
    const file = await exported(whole);
    file[file.length - 5_000] = (file[file.length - 5_000] as number) ^ 16;
    await using(storeOf(0), async (store) => {
      const error = await rejects(
        importBlocks(store, chunked(file), { verify: accept }),
        "BLOCK_FILE_DAMAGED",
      );
      assert.match(error.message, /record group 2 \(from block 256 on\)/);
      assert.equal(error.blockNumber, 256);
      assert.equal(store.head().number, 255);
    });
  });
});

Deno.test("a zipped file that is cut off or damaged keeps what could be unpacked", async () => {
  const zipped = recording(1);
  await using(storeOf(1), async (store) => {
    const cut = zipped.subarray(0, zipped.length - 30_000);
    const error = await rejects(importBlocks(store, chunked(cut), { verify: accept }), "BLOCK_FILE_DAMAGED");
    assert.ok(store.head().number > 150, `${store.head().number}`);
    assert.equal(error.blockNumber, store.head().number + 1);
  });
  await using(storeOf(1), async (store) => {
    await rejects(
      importBlocks(store, chunked(zipped.subarray(0, 9)), { verify: accept }),
      "BLOCK_FILE_DAMAGED",
    );
    const other = gzipSync("neither one nor the other");
    await rejects(importBlocks(store, chunked(other), { verify: accept }), "BLOCK_FILE_UNKNOWN");
    assert.deepEqual(await importBlocks(store, chunked(new Uint8Array(0)), { verify: accept }), {
      imported: 0,
      known: 0,
    });
  });
});

Deno.test("a claimed size allocates nothing", async () => {
  const head = concat(new TextEncoder().encode("HSYNCBLK"), Uint8Array.of(1));
  const claims = concat(head, Uint8Array.of(255, 255, 255, 255));
  await rejects(openBlocks(chunked(claims)), "BLOCK_FILE_DAMAGED");
});

Deno.test("an import can be cancelled and keeps what it has", async () => {
  await using(storeOf(1), async (store) => {
    const abort = new AbortController();
    const options = { verify: accept, signal: abort.signal, onProgress: () => abort.abort() };
    await rejects(importBlocks(store, chunked(recording(1)), options), "CANCELLED");
    assert.equal(store.head().number, 129, "the first batch, and the block that showed it to be whole");
  });
});
