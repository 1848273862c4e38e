/** A store that several machines can reach: the lease, and a server that does not answer. */
import assert from "node:assert/strict";
import { ExitCode, ManualClock } from "../../src/base/mod.ts";
import { type ChainStore, openDenoKv, openStore, type OpenStoreOptions } from "../../src/store/mod.ts";
import { LEASE_MS, RENEW_MS } from "../../src/store/lease.ts";
import { chainFrom, GENESIS, TestKv, testOptions } from "./support.ts";
import { assertHolds, rejects } from "./suite/case.ts";

interface Server {
  readonly clock: ManualClock;
  /** A client of the one database, on the machine with this lock directory. */
  open(
    dir: string | undefined,
    options?: Partial<OpenStoreOptions>,
  ): Promise<{ store: ChainStore; kv: TestKv }>;
}

async function withServer(job: (server: Server, dirs: [string, string]) => Promise<void>): Promise<void> {
  const database = await openDenoKv(":memory:");
  const dirs: [string, string] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
  const clock = new ManualClock();
  const stores: ChainStore[] = [];
  try {
    await job({
      clock,
      open: async (dir, options = {}) => {
        const kv = new TestKv(database);
        const store = await openStore({
          ...testOptions(clock),
          location: { kind: "remote", url: "http://user:secret@db.example:4512/" },
          ...(dir === undefined ? {} : { lockDir: dir }),
          kvFactory: () => Promise.resolve(kv),
          ...options,
        });
        stores.push(store);
        return { store, kv };
      },
    }, dirs);
  } finally {
    for (const store of stores) await store.close();
    database.close();
    for (const dir of dirs) await Deno.remove(dir, { recursive: true });
  }
}

/** Advances in steps of a second, so that renewals (which are real promises) keep up. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let done = 0; done < ms; done += 5_000) {
    await clock.advance(Math.min(5_000, ms - done));
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("a chain on a server has one writer: the second is told who and for how long", () =>
  withServer(async ({ clock, open }, dirs) => {
    const { store } = await open(dirs[0]);
    await clock.advance(1_000);
    const error = await rejects(open(dirs[1]), "STORE_LOCKED");
    assert.equal(error.exitCode, ExitCode.STORE_LOCKED);
    assert.match(error.message, new RegExp(`process ${Deno.pid} on `));
    assert.match(error.message, /http:\/\/db\.example:4512/);
    assert.doesNotMatch(error.message, /secret/);
    assert.match(error.hint ?? "", /59 s/);
    // The one that holds it is not disturbed.
    await store.append(chainFrom(GENESIS, 1, { seed: 1 }));
    await store.close();
    const { store: other } = await open(dirs[1]);
    assert.equal(other.head().number, 1);
  }));

Deno.test("a holder that renews keeps its lease, one that fell silent is replaced and can write no more", () =>
  withServer(async ({ clock, open }, dirs) => {
    const blocks = chainFrom(GENESIS, 4, { seed: 2 });
    const { store, kv } = await open(dirs[0]);
    await store.append(blocks.slice(0, 1));
    await pass(clock, 3 * LEASE_MS);
    await rejects(open(dirs[1]), "STORE_LOCKED");
    // From here on none of its renewals arrives.
    kv.onCommit = () => "fail";
    await pass(clock, LEASE_MS + RENEW_MS);
    const { store: heir } = await open(dirs[1]);
    await heir.append(blocks.slice(1, 2));
    kv.onCommit = () => "pass";
    const lost = await rejects(store.append(blocks.slice(1, 3)), "STORE_LEASE_LOST");
    assert.equal(lost.exitCode, ExitCode.STORE_LOCKED);
    await rejects(store.putRecord("a", new Uint8Array(1)), "STORE_LEASE_LOST");
    await rejects(store.setCheckpoints({ States: 1 }), "STORE_LEASE_LOST");
    await rejects(store.unwindTo(0), "STORE_LEASE_LOST");
    assert.equal(store.head().number, 1, "what it served stays served");
    await heir.append(blocks.slice(2));
    await assertHolds(heir, blocks);
  }));

Deno.test("a renewal that finds another holder stops every later write", () =>
  withServer(async ({ clock, open }, dirs) => {
    const { store, kv } = await open(dirs[0], { staging: { blocks: 0, bytes: 0 } });
    kv.onCommit = () => "fail";
    await pass(clock, LEASE_MS + RENEW_MS);
    await open(dirs[1]);
    kv.onCommit = () => "pass";
    await pass(clock, RENEW_MS);
    const before = kv.commits;
    const row = {
      number: 1,
      hash: GENESIS.hash,
      bytes: GENESIS.bytes,
      commitSig: GENESIS.hash,
      streamId: "p",
    };
    await rejects(store.putStagedBlocks([row]), "STORE_LEASE_LOST");
    assert.equal(kv.commits, before);
  }));

Deno.test("the lease of a process that died in the same directory is taken over at once", () =>
  withServer(async ({ open }, dirs) => {
    const { store, kv } = await open(dirs[0]);
    await store.append(chainFrom(GENESIS, 2, { seed: 3 }));
    // A killed process gives nothing back: neither lease nor heartbeat is removed.
    kv.onCommit = () => "fail";
    await store.close();
    await rejects(open(dirs[1]), "STORE_LOCKED");
    const { store: again } = await open(dirs[0]);
    assert.equal(again.head().number, 2);
    await again.append(chainFrom(again.head(), 1, { seed: 3 }));
  }));

Deno.test("a read-only opening needs no lease", () =>
  withServer(async ({ open }, dirs) => {
    const { store } = await open(dirs[0]);
    await store.append(chainFrom(GENESIS, 2, { seed: 4 }));
    const { store: reader } = await open(undefined, { readOnly: true });
    assert.equal(reader.head().number, 2);
  }));

Deno.test("a write without an answer is named after 30 s, and nothing is lost or doubled when it arrives late", () =>
  withServer(async ({ clock, open }, dirs) => {
    const blocks = chainFrom(GENESIS, 6, { seed: 5, bodySize: () => 400_000 });
    const fork = chainFrom(GENESIS, 6, { seed: 5, branch: 1, bodySize: () => 30_000 });
    // Every commit of the append in turn hangs and arrives only after the store gave it up.
    for (let nth = 1;; nth++) {
      const { store, kv } = await open(dirs[0]);
      await store.unwindTo(0);
      const start = kv.commits;
      kv.onCommit = (n) => n === start + nth ? "hang" : "pass";
      const call = store.append(blocks).then(() => "done", (e) => e.code);
      for (let i = 0; i < 2_000 && kv.commits < start + nth; i++) {
        if (await Promise.race([call, new Promise((r) => setTimeout(() => r("busy"), 1))]) !== "busy") break;
      }
      if (kv.commits < start + nth) {
        assert.equal(await call, "done");
        kv.onCommit = () => "pass";
        await store.close();
        break;
      }
      await clock.advance(30_000);
      assert.equal(await call, "STORE_WRITE_FAILED");
      assert.equal(store.head().number, 0);
      await store.append(fork.slice(0, 4));
      await kv.release();
      await store.append(fork.slice(4));
      await assertHolds(store, fork);
      await store.close();
      const { store: again } = await open(dirs[0]);
      await assertHolds(again, fork);
      await again.close();
      assert.ok(nth < 20);
    }
  }));

Deno.test("a late commit that happened after all is taken as what it is", () =>
  withServer(async ({ clock, open }, dirs) => {
    const blocks = chainFrom(GENESIS, 5, { seed: 6 });
    const { store, kv } = await open(dirs[0]);
    const start = kv.commits;
    // The commit happens, the answer never comes; nor can the store find out.
    const get = kv.get.bind(kv);
    kv.onCommit = (n) => {
      if (n !== start + 1) return "pass";
      kv.get = () => Promise.reject(new Error("injected: unreachable"));
      return "hang-after";
    };
    const call = rejects(store.append(blocks.slice(0, 3)), "STORE_WRITE_FAILED");
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    await clock.advance(30_000);
    await call;
    assert.equal(store.head().number, 0, "not known yet");
    kv.get = get;
    await store.setCheckpoints({ States: 3 });
    assert.equal(store.head().number, 3, "known now");
    await kv.release();
    await store.append(blocks.slice(3));
    await assertHolds(store, blocks);
  }));

Deno.test("closing does not wait long for a server that is gone", () =>
  withServer(async ({ clock, open }, dirs) => {
    const { store, kv } = await open(dirs[0]);
    kv.onCommit = () => "hang";
    let closed = false;
    const closing = store.close().then(() => closed = true);
    await pass(clock, 5_000);
    await closing;
    assert.ok(closed);
    await kv.release();
  }));

Deno.test("a URL that is none is a configuration error", async () => {
  for (const url of ["", "nonsense", "ftp://a/b", "file:///x"]) {
    const opening = openStore({ ...testOptions(new ManualClock()), location: { kind: "remote", url } });
    const error = await rejects(opening, "STORE_URL");
    assert.equal(error.exitCode, ExitCode.CONFIG_INVALID);
  }
});

Deno.test("a server that cannot be reached is said with its address", async () => {
  const error = await rejects(
    openStore({
      ...testOptions(new ManualClock()),
      location: { kind: "remote", url: "http://u:secret@127.0.0.1:9/" },
      kvFactory: () => Promise.reject(new TypeError("connection refused")),
    }),
    "STORE_UNREACHABLE",
  );
  assert.match(error.message, /http:\/\/127\.0\.0\.1:9/);
  assert.doesNotMatch(error.message, /secret/);
  assert.equal(error.exitCode, ExitCode.RUNTIME);
});
