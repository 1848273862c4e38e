/**
 * How fast the store writes and reads; prints figures, asserts none.
 *
 * Why it exists: storage must not be the wall of a sync. Goals: ≥ 5,000 blocks/s written for 1 KiB blocks in batches
 * of 128, ≥ 20,000 headers/s read in order. `deno run -A tests/bench/store_bench.ts [BLOCKS]`
 */
import process from "node:process";
import { fromHex, SystemClock } from "../../src/base/mod.ts";
import {
  type AppendBlock,
  type ChainStore,
  exportBlocks,
  openStore,
  type StoreLocation,
} from "../../src/store/mod.ts";
import { findDenokv, startDenokv } from "../store/denokv.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { decodeBlock } from "../../src/chain/mod.ts";
import { chainFrom, GENESIS, testOptions } from "../store/support.ts";
import { figure, quick } from "./support/figures.ts";

/** The case that the goals are about. */
const GOAL = "file, 1 KiB";
const COUNT = Number(Deno.args[0] ?? (quick ? 2_560 : 12_800));

interface Time {
  readonly seconds: number;
  /** Of all threads: tells more than seconds do while other programs compete for the machine. */
  readonly cpuSeconds: number;
}

function show(what: string, count: number, { seconds, cpuSeconds }: Time, unit = "blocks"): void {
  const rate = (s: number) => Math.round(count / s).toLocaleString("en").padStart(9);
  console.log(`${what.padEnd(52)} ${rate(seconds)} ${unit}/s ${rate(cpuSeconds)} per CPU second`);
}

async function timed(job: () => Promise<void>): Promise<Time> {
  const since = performance.now();
  const cpu = process.cpuUsage();
  await job();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - since) / 1000, cpuSeconds: (user + system) / 1e6 };
}

async function measure(name: string, location: StoreLocation, blocks: readonly AppendBlock[]): Promise<void> {
  const store = await openStore({ ...testOptions(new SystemClock()), location });
  try {
    const write = await timed(async () => {
      for (let i = 0; i < blocks.length; i += 128) {
        await store.append(blocks.slice(i, i + 128), { States: i });
      }
    });
    show(`${name}: append, batches of 128`, blocks.length, write);
    if (name === GOAL) {
      figure({
        what: `${name}: append`,
        value: blocks.length / write.seconds,
        unit: "blocks/s",
        goal: 5_000,
      });
    }
    await reads(name, store, blocks.length);
    const single = chainFrom(store.head(), 300, { seed: 2, bodySize: () => 500 });
    const one = await timed(async () => {
      for (const block of single) await store.append([block]);
    });
    show(`${name}: append, one by one`, single.length, one);
    const bytes = (await store.info()).disk.storeBytes;
    if (bytes !== undefined) {
      console.log(`${name}: ${(bytes / blocks.length).toFixed(0)} bytes on disk per block`);
    }
  } finally {
    await store.close();
  }
}

async function reads(name: string, store: ChainStore, count: number): Promise<void> {
  let n = 0;
  const headers = await timed(async () => {
    for await (const _ of store.headers(1, count)) n++;
  });
  show(`${name}: headers in order`, n, headers, "headers");
  if (name === GOAL) {
    figure({ what: `${name}: headers in order`, value: n / headers.seconds, unit: "/s", goal: 20_000 });
  }
  const inOrder = await timed(async () => {
    for (let i = 1; i <= count; i += 10) {
      await Promise.all(Array.from({ length: Math.min(10, count - i + 1) }, (_, k) => store.blockAt(i + k)));
    }
  });
  show(`${name}: blocks in order, ten at a time`, count, inOrder);
  const rounds = 1_000;
  const scattered = await timed(async () => {
    for (let i = 0; i < rounds; i++) await store.blockAt(1 + (i * 7_919) % count);
  });
  show(`${name}: blocks anywhere, one by one`, rounds, scattered);
  const hashes = await timed(async () => {
    for (let i = 0; i < rounds; i++) await store.hashAt(1 + (i * 7_919) % count);
  });
  show(`${name}: hashes anywhere`, rounds, hashes, "hashes");
}

/** 1 KiB blocks: 550 bytes of header, the rest body. */
const small = chainFrom(GENESIS, COUNT, { seed: 1, headerSize: 550, bodySize: () => 470 });
const dir = await Deno.makeTempDir({ prefix: "hsync-bench-" });
try {
  await measure(GOAL, { kind: "file", dir: `${dir}/small` }, small);
  await measure("memory, 1 KiB", { kind: "memory" }, small);
  const program = findDenokv();
  if (program !== undefined) {
    const server = await startDenokv(program);
    await measure("denokv, 1 KiB", { kind: "remote", url: server.url }, small.slice(0, 2_560));
    await server.stop();
  }
  const large = chainFrom(GENESIS, 512, { seed: 3, bodySize: () => 200_000 });
  await measure("file, 200 KB", { kind: "file", dir: `${dir}/large` }, large);

  const recorded = recordedBlocks(0).map((line): AppendBlock => {
    const block = decodeBlock(fromHex(line.blockRLP));
    return {
      number: block.number,
      hash: block.hash,
      parentHash: block.header.parentHash,
      bytes: block.bytes,
      headerBytes: block.header.bytes,
      commitSig: fromHex(line.commitSig),
      receipts: [fromHex(line.receiptsRLP)],
      assurance: "linked",
    };
  });
  const genesis = recorded[0] as AppendBlock;
  const store = await openStore({
    network: "localnet",
    shardId: 0,
    genesis,
    location: { kind: "memory" },
    clock: new SystemClock(),
  });
  try {
    const write = await timed(async () => {
      for (let i = 1; i < recorded.length; i += 128) await store.append(recorded.slice(i, i + 128));
    });
    show("recorded chain: append", recorded.length - 1, write);
    let size = 0;
    const out = await timed(async () => {
      await exportBlocks(store, (bytes) => Promise.resolve(void (size += bytes.length)));
    });
    show(`recorded chain: export (${size.toLocaleString("en")} bytes)`, recorded.length, out);
  } finally {
    await store.close();
  }
} finally {
  await Deno.remove(dir, { recursive: true });
}
