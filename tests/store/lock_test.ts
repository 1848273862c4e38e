/** One process per data directory. */
import assert from "node:assert/strict";
import { ExitCode, ManualClock } from "../../src/base/mod.ts";
import { openStore, storeDirectory } from "../../src/store/mod.ts";
import { takeLock } from "../../src/store/lock.ts";
import { testOptions } from "./support.ts";
import { rejects } from "./suite/case.ts";

async function inDir(job: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await job(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("the lock names its holder, and the same directory keeps its holder id", () =>
  inDir(async (dir) => {
    const clock = new ManualClock(Date.UTC(2026, 10, 22, 12));
    const lock = await takeLock(`${dir}/a/b`, clock, "12D3KooWpeer");
    const error = await rejects(takeLock(`${dir}/a/b`, clock), "STORE_LOCKED");
    assert.equal(error.exitCode, ExitCode.STORE_LOCKED);
    assert.match(
      error.message,
      new RegExp(`process ${Deno.pid} \\(peer 12D3KooWpeer\\) since 2026-11-22T12:00:00`),
    );
    lock.release();
    const again = await takeLock(`${dir}/a/b`, clock);
    assert.equal(again.holderId, lock.holderId);
    again.release();
    const other = await takeLock(`${dir}/c`, clock);
    assert.notEqual(other.holderId, lock.holderId);
    other.release();
  }));

Deno.test("a lock file with garbage, or left by a process that is gone, does not block", () =>
  inDir(async (dir) => {
    for (const text of ["", "garbage", "[]", '{"pid":1,"id":"x"}', '{"id":7}', "null"]) {
      await Deno.writeTextFile(`${dir}/LOCK`, text);
      const lock = await takeLock(dir, new ManualClock());
      assert.match(lock.holderId, /^[0-9a-f]{32}$/);
      const json = JSON.parse(await Deno.readTextFile(`${dir}/LOCK`));
      assert.equal(json.pid, Deno.pid);
      lock.release();
    }
  }));

Deno.test("another process is refused while we hold the lock, and we while it does", () =>
  inDir(async (dir) => {
    const script = `
      const file = await Deno.open(Deno.args[0] + "/LOCK", { read: true, write: true, create: true });
      const free = await file.tryLock(true);
      if (free) await file.truncate(0);
      if (free) await file.write(new TextEncoder().encode(JSON.stringify({ pid: Deno.pid })));
      console.log(free ? "mine" : "held");
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    `;
    const spawn = async () => {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", script, dir],
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      const said = new TextDecoder().decode((await reader.read()).value).trim();
      return {
        said,
        pid: child.pid,
        kill: async () => {
          child.kill("SIGKILL");
          await child.status;
          await reader.cancel();
        },
      };
    };
    const lock = await takeLock(dir, new ManualClock());
    const first = await spawn();
    assert.equal(first.said, "held");
    await first.kill();
    lock.release();
    const second = await spawn();
    assert.equal(second.said, "mine");
    const error = await rejects(takeLock(dir, new ManualClock()), "STORE_LOCKED");
    assert.match(error.message, new RegExp(`process ${second.pid}`));
    await second.kill();
    (await takeLock(dir, new ManualClock())).release();
  }));

Deno.test("what is no store and cannot become one is said, and nothing stays locked or open", () =>
  inDir(async (dir) => {
    const clock = new ManualClock();
    const options = {
      ...testOptions(clock),
      location: { kind: "file", dir: storeDirectory(dir, 1) },
    } as const;
    assert.equal(storeDirectory("x", 3), "x/harmony_kv_3");
    await Deno.writeTextFile(storeDirectory(dir, 1), "a file where the directory should be");
    const blocked = await rejects(openStore(options), "STORE_UNREACHABLE");
    assert.ok(blocked.message.includes(storeDirectory(dir, 1)));
    await Deno.remove(storeDirectory(dir, 1));
    await Deno.mkdir(storeDirectory(dir, 1));
    await Deno.writeFile(`${storeDirectory(dir, 1)}/chain.sqlite3`, new Uint8Array(9_000).fill(65));
    const garbage = await rejects(openStore(options), "STORE_DAMAGED");
    assert.equal(garbage.exitCode, ExitCode.STORE_DAMAGED);
    await Deno.remove(`${storeDirectory(dir, 1)}/chain.sqlite3`);
    await (await openStore(options)).close();
    assert.equal(clock.pending, 0, "no timer is left");
  }));
