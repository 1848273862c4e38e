/**
 * Made-up chains and places to keep them, for the tests of the store.
 *
 * Why it exists: the store treats blocks as bytes, so tests make blocks of any size without a real chain; and every
 * test runs unchanged on memory, file and server. What must stay true: a block follows from its seed, number and
 * branch alone, so that a test (or another process) can tell what must be read back.
 */
import { createHash } from "node:crypto";
import { be64, type Clock, concat, ManualClock, SeededRandom } from "../../src/base/mod.ts";
import {
  type AppendBlock,
  type ChainStore,
  type Kv,
  type KvCheck,
  type KvEntry,
  type KvMutation,
  openDenoKv,
  openStore,
  type OpenStoreOptions,
} from "../../src/store/mod.ts";
import type { KvKey, KvListOptions, KvRange } from "../../src/store/kv.ts";

const MAGIC = 0xab;
/** Signature and a bitmap of four bytes. */
const PAIR = 100;

export function sha(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash("sha256").update(concat(...parts)).digest());
}

/** The certificate that block `number` of a branch has. */
export function pairOf(seed: number, branch: number, number: number): Uint8Array {
  const unit = sha(be64(seed), be64(branch), be64(number), Uint8Array.of(1));
  return concat(unit, unit, unit, unit.subarray(0, 4));
}

/** What a made-up header says of its parent; undefined for anything else. */
export function pairInTestHeader(header: Uint8Array): Uint8Array | undefined {
  return header[0] === MAGIC && header.length >= 41 + PAIR ? header.slice(41, 41 + PAIR) : undefined;
}

export interface TestBlock extends AppendBlock {
  readonly commitSig: Uint8Array;
}

export interface ChainPlan {
  readonly seed: number;
  /** Tells forks apart. */
  readonly branch?: number;
  /** Bytes of the body of a block; default 40..300. */
  readonly bodySize?: (number: number, random: SeededRandom) => number;
  readonly headerSize?: number;
}

/** A block that continues `parent`. */
export function nextBlock(
  parent: { readonly number: number; readonly hash: Uint8Array },
  plan: ChainPlan,
): TestBlock {
  const { seed, branch = 0, headerSize = 200 } = plan;
  const number = parent.number + 1;
  const random = new SeededRandom(seed * 1_000_003 + number * 31 + branch);
  const fixed = concat(
    Uint8Array.of(MAGIC),
    be64(number),
    parent.hash,
    pairOf(seed, branch, parent.number),
    be64(branch),
  );
  const headerBytes = concat(fixed, random.bytes(Math.max(0, headerSize - fixed.length)));
  const size = plan.bodySize?.(number, random) ?? 40 + random.int(260);
  const body = new Uint8Array(size);
  // Random bytes one by one would take seconds for megabytes; every 64th is enough to tell parts apart.
  for (let i = 0; i < size; i += 64) body[i] = random.int(256);
  const bytes = concat(Uint8Array.of(0xf9, 1, 2, branch & 0xff), headerBytes, body);
  return {
    number,
    hash: sha(headerBytes),
    parentHash: parent.hash,
    bytes,
    headerBytes: bytes.subarray(4, 4 + headerBytes.length),
    commitSig: pairOf(seed, branch, number),
    assurance: "linked",
  };
}

export function chainFrom(
  parent: { readonly number: number; readonly hash: Uint8Array },
  count: number,
  plan: ChainPlan,
): TestBlock[] {
  const blocks: TestBlock[] = [];
  for (let i = 0; i < count; i++) blocks.push(nextBlock(blocks.at(-1) ?? parent, plan));
  return blocks;
}

const genesisHeader = concat(Uint8Array.of(MAGIC), new Uint8Array(159));
export const GENESIS = {
  number: 0,
  hash: sha(genesisHeader),
  bytes: concat(Uint8Array.of(0xf9, 1, 2), genesisHeader, Uint8Array.of(0xc0)),
  headerBytes: genesisHeader,
  shardState: { epoch: 0, bytes: new Uint8Array(70_000).fill(7) },
};

/** A database that outlives the stores opened on it, and can be told to fail. */
export class TestKv implements Kv {
  readonly inner: Kv;
  commits = 0;
  lists = 0;
  /** Called before a commit, with its number from 1; what it says happens to the commit. */
  onCommit: (nth: number) => "pass" | "fail" | "fail-after" | "hang" | "hang-after" = () => "pass";
  /** Called when a commit is done, before the store hears of it. */
  onCommitted: () => void = () => {};
  /** Ends commits that hang. */
  #hung: Array<() => void> = [];

  constructor(inner: Kv) {
    this.inner = inner;
  }
  get(key: KvKey): Promise<KvEntry | undefined> {
    return this.inner.get(key);
  }
  list(range: KvRange, options?: KvListOptions): AsyncIterable<KvEntry> {
    this.lists++;
    return this.inner.list(range, options);
  }
  async commit(checks: readonly KvCheck[], mutations: readonly KvMutation[]): Promise<string | undefined> {
    const fate = this.onCommit(++this.commits);
    if (fate === "fail") throw new Error("injected: the write was refused");
    if (fate === "hang") {
      await new Promise<void>((resolve) => this.#hung.push(resolve));
    }
    const stamp = await this.inner.commit(checks, mutations);
    this.onCommitted();
    if (fate === "fail-after") throw new Error("injected: the answer was lost");
    if (fate === "hang-after") await new Promise<void>((resolve) => this.#hung.push(resolve));
    return stamp;
  }
  /** Lets hanging commits go on. */
  async release(): Promise<void> {
    const hung = this.#hung;
    this.#hung = [];
    for (const go of hung) go();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  close(): void {
    // The place closes the database.
  }
}

/** Every row of a place's chain, but those of the tables named in `skip`, as text for comparing. */
export async function dump(place: Place, ...skip: string[]): Promise<Map<string, string>> {
  return await place.raw(async (kv) => {
    const rows = new Map<string, string>();
    for await (
      const row of kv.list({ start: ["hsync", place.chain, ""], end: ["hsync", place.chain, "~"] })
    ) {
      if (skip.includes(String(row.key[2]))) continue;
      const parts = row.key.slice(2).map((part) => part instanceof Uint8Array ? sha(part).join(".") : part);
      rows.set(parts.join("/"), `${row.value.length}:${sha(row.value).join(".")}`);
    }
    return rows;
  });
}

/** Somewhere to keep one store, opened and closed as often as a test likes. */
export interface Place {
  readonly name: "memory" | "file" | "denokv";
  /** Second part of every key. */
  readonly chain: string;
  /** Opens the store; options replace the defaults, `prepare` sees the database first. */
  open(options?: Partial<OpenStoreOptions>, prepare?: (kv: TestKv) => void): Promise<ChainStore>;
  /** The database itself; the store must be closed. */
  raw<T>(job: (kv: Kv) => Promise<T>): Promise<T>;
  readonly clock: ManualClock;
  /** The database between the store and Deno KV of the newest opening. */
  kv(): TestKv;
  close(): Promise<void>;
}

let places = 0;

/** Options of a store of the made-up chain. */
export function testOptions(clock: Clock): Omit<OpenStoreOptions, "location"> {
  return {
    network: "testchain",
    shardId: 1,
    genesis: GENESIS,
    clock,
    parentCommitSig: pairInTestHeader,
    diskProbe: () => Promise.resolve({ freeBytes: 500e9, totalBytes: 1000e9 }),
    staging: { blocks: 100, bytes: 1_000_000 },
  };
}

/** @param target for `denokv`: the URL of the server. */
export async function makePlace(name: Place["name"], target = ""): Promise<Place> {
  const dir = await Deno.makeTempDir({ prefix: "hsync-store-" });
  const clock = new ManualClock();
  const memory = name === "memory" ? await openDenoKv(":memory:") : undefined;
  // A chain of its own on the shared server.
  const network = name === "denokv" ? `testchain${Date.now()}x${places++}` : "testchain";
  let kv: TestKv | undefined;
  const opened: Kv[] = [];
  const connect = async (path: string) => {
    const inner = memory ?? await openDenoKv(path);
    if (memory === undefined) opened.push(inner);
    return inner;
  };
  return {
    name,
    chain: `${network}/1`,
    clock,
    kv: () => kv as TestKv,
    open: async (options = {}, prepare = () => {}) => {
      const location = name === "memory"
        ? { kind: "memory" } as const
        : name === "file"
        ? { kind: "file", dir: `${dir}/store` } as const
        : { kind: "remote", url: target } as const;
      return await openStore({
        ...testOptions(clock),
        network,
        location,
        lockDir: `${dir}/store`,
        kvFactory: async (path) => {
          const inner = await connect(path);
          kv = new TestKv(inner);
          kv.close = () => {
            if (memory !== undefined) return;
            opened.splice(opened.indexOf(inner), 1);
            inner.close();
          };
          prepare(kv);
          return kv;
        },
        ...options,
      });
    },
    raw: async (job) => {
      if (memory !== undefined) return await job(memory);
      const inner = await openDenoKv(name === "file" ? `${dir}/store/chain.sqlite3` : target);
      try {
        return await job(inner);
      } finally {
        inner.close();
      }
    },
    close: async () => {
      memory?.close();
      for (const inner of opened) inner.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}
