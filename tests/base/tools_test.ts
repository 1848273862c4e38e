import assert from "node:assert/strict";
import {
  createLogger,
  Emitter,
  formatRecord,
  type LogRecord,
  LruMap,
  safeText,
  SeededRandom,
  Semaphore,
} from "../../src/base/mod.ts";

Deno.test("a semaphore serves waiters in order and an aborted waiter keeps no permit", async () => {
  const s = new Semaphore(1);
  const first = await s.acquire();
  const controller = new AbortController();
  const aborted = s.acquire(controller.signal);
  const third = s.acquire();
  controller.abort();
  await assert.rejects(aborted);
  first();
  first();
  const release = await third;
  assert.equal(s.free, 0);
  release();
  assert.equal(s.free, 1);
});

Deno.test("a cache never grows beyond its limit and drops what was used least recently", () => {
  const lru = new LruMap<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  assert.equal(lru.get("a"), 1);
  lru.set("c", 3);
  assert.equal(lru.size, 2);
  assert.equal(lru.get("b"), undefined);
  assert.equal(lru.get("a"), 1);
});

Deno.test("one failing listener does not stop the others", () => {
  const e = new Emitter<number>();
  const failures: unknown[] = [];
  e.onError = (error) => failures.push(error);
  const got: number[] = [];
  e.on(() => {
    throw new Error("listener");
  });
  const off = e.on((n) => got.push(n));
  e.emit(1);
  off();
  e.emit(2);
  assert.deepEqual(got, [1]);
  assert.equal(failures.length, 2);
});

Deno.test("a seed replays the same numbers and another seed gives others", () => {
  const take = (seed: number) => {
    const r = new SeededRandom(seed);
    return Array.from({ length: 50 }, () => r.int(1000));
  };
  assert.deepEqual(take(7), take(7));
  assert.notDeepEqual(take(7), take(8));
  assert.deepEqual([...new SeededRandom(1).shuffle([1, 2, 3, 4])].sort(), [1, 2, 3, 4]);
});

Deno.test("text from a peer cannot rewrite the terminal or forge a log line", () => {
  assert.equal(safeText("a\u001b[2Jb\nc\u202ed"), "a\\u001b[2Jb\\u000ac\\u202ed");
  assert.equal(safeText("x".repeat(400)).length, 301);
});

Deno.test("a logger drops what is below its level and survives a failing sink", () => {
  const records: LogRecord[] = [];
  const log = createLogger({
    level: "info",
    now: () => 0,
    sinks: [() => {
      throw new Error("sink");
    }, (r) => records.push(r)],
  });
  log.child("sync").info("head moved", { number: 5n, hash: new Uint8Array([1, 2]), text: "a b" });
  log.debug("hidden");
  assert.equal(records.length, 1);
  assert.equal(
    formatRecord(records[0] as LogRecord),
    '1970-01-01T00:00:00.000Z INFO  sync    head moved number=5 hash=0x0102 text="a b"',
  );
});
