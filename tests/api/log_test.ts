/** Log lines, repeats, and the file that never outgrows its limits. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { HsyncError, type LogRecord } from "../../src/base/mod.ts";
import { jsonLine, limitRepeats, LogFile, openLogSinks } from "../../src/api/mod.ts";
import type { LogConfig } from "../../src/config/mod.ts";

const record = (over: Partial<LogRecord> = {}): LogRecord => ({
  time: Date.parse("2026-11-22T11:02:03.123Z"),
  level: "info",
  area: "stream",
  message: "stream added",
  fields: {},
  ...over,
});

Deno.test("a line is one JSON object with the Go node's keys", () => {
  const line = jsonLine(
    record({
      fields: { code: "stream_added", n: 5n, hash: new Uint8Array([1, 2]), list: [1, "a"], level: "x" },
    }),
    { ip: "127.0.0.1", port: 9000 },
  );
  assert.deepEqual(JSON.parse(line), {
    level: "info",
    ip: "127.0.0.1",
    port: 9000,
    area: "stream",
    time: "2026-11-22T11:02:03.123Z",
    code: "stream_added",
    n: "5",
    hash: "0x0102",
    list: [1, "a"],
    field_level: "x",
    message: "stream added",
  });
});

Deno.test("text of a peer cannot forge a line or colour a terminal, and is cut", () => {
  const line = jsonLine(
    record({ message: 'a\n{"level":"error"}\u001b[31m\u202e', fields: { t: "x".repeat(5_000) } }),
  );
  assert.equal(line.split("\n").length, 1);
  assert.ok(!line.includes("\u001b") && !line.includes("\u202e"));
  assert.ok(line.length < 1_500);
});

Deno.test("errors show their code and stack on error level only", () => {
  const error = new HsyncError("STORE_LOCKED", "locked");
  const at = (level: "error" | "warn") => JSON.parse(jsonLine(record({ level, fields: { error } })));
  assert.equal(at("error").errorCode, "STORE_LOCKED");
  assert.match(at("error").stack, /STORE_LOCKED|locked/);
  assert.deepEqual([at("warn").error, at("warn").stack], ["locked", undefined]);
});

Deno.test("the same code of the same peer is written once a minute, with a count", () => {
  const out: LogRecord[] = [];
  const sink = limitRepeats((r) => out.push(r));
  const at = (s: number, peer: string) => sink(record({ time: s * 1000, fields: { code: "c", peer } }));
  for (let s = 0; s < 59; s++) at(s, "p");
  at(10, "q");
  at(61, "p");
  assert.deepEqual(out.map((r) => [r.time / 1000, r.fields["peer"], r.fields["repeated"]]), [
    [0, "p", undefined],
    [10, "q", undefined],
    [61, "p", 58],
  ]);
  for (let i = 0; i < 3; i++) sink(record());
  assert.equal(out.length, 6);
});

async function folder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Sizes of everything in a folder. */
function sizes(dir: string): Map<string, number> {
  return new Map([...Deno.readDirSync(dir)].map((e) => [e.name, Deno.statSync(`${dir}/${e.name}`).size]));
}
const total = (dir: string) => [...sizes(dir).values()].reduce((a, b) => a + b, 0);

function open(dir: string, over: Partial<ConstructorParameters<typeof LogFile>[0]> = {}): LogFile {
  return new LogFile({
    folder: dir,
    fileName: "harmony.log",
    rotateSizeBytes: 10_000,
    rotateCount: 3,
    rotateMaxAgeDays: 0,
    now: () => Date.parse("2026-11-22T11:02:03.123Z"),
    ...over,
  });
}

Deno.test("the file has the Go node's name and is continued after a restart", async () => {
  await folder(async (dir) => {
    for (const word of ["one", "two"]) {
      const file = open(dir);
      file.write(word);
      await file.close();
    }
    assert.equal(await Deno.readTextFile(`${dir}/zerolog-harmony.log`), "one\ntwo\n");
  });
});

Deno.test("a storm of lines never takes more than the copies allow, compressing included", async () => {
  await folder(async (dir) => {
    const file = open(dir);
    let most = 0;
    for (let i = 0; i < 4_000; i++) {
      file.write(`${i} ${"x".repeat(90)}`);
      if (i % 50 === 0) {
        // Lets a compression under way take its turns between rotations.
        await new Promise((resolve) => setImmediate(resolve));
        most = Math.max(most, total(dir));
      }
    }
    await file.close();
    most = Math.max(most, total(dir));
    assert.ok(most <= 4 * 10_000, `${most} bytes`);
    const names = [...sizes(dir).keys()];
    assert.ok(names.length <= 4, names.join());
    assert.ok(!names.some((n) => n.endsWith(".part")), names.join());
  });
});

Deno.test("rotated copies are compressed where there is room, and hold whole lines", async () => {
  await folder(async (dir) => {
    const file = open(dir, { rotateCount: 10 });
    for (let i = 0; i < 150; i++) file.write(`${i} ${"x".repeat(90)}`);
    await file.close();
    const zipped = [...sizes(dir).keys()].find((n) => n.endsWith(".gz"));
    assert.ok(zipped !== undefined && zipped.startsWith("zerolog-harmony-2026-11-22T11-02-03.123Z"));
    const text = new TextDecoder().decode(gunzipSync(await Deno.readFile(`${dir}/${zipped}`)));
    assert.ok(text.startsWith("0 x") && text.endsWith("x\n"));
  });
});

Deno.test("old copies go after their time", async () => {
  await folder(async (dir) => {
    const old = `${dir}/zerolog-harmony-2020-01-01T00-00-00.000Z-0001.log.gz`;
    await Deno.writeTextFile(old, "old");
    await Deno.utime(old, new Date("2020-01-01"), new Date("2020-01-01"));
    await Deno.writeTextFile(`${dir}/unrelated.log`, "stays");
    const file = open(dir, { rotateCount: undefined, rotateMaxAgeDays: 7 });
    await file.close();
    assert.deepEqual([...sizes(dir).keys()].sort(), ["unrelated.log", "zerolog-harmony.log"]);
  });
});

Deno.test("rotation by somebody else is noticed", async () => {
  await folder(async (dir) => {
    let now = 0;
    const file = open(dir, { now: () => now });
    file.write("before");
    await Deno.rename(`${dir}/zerolog-harmony.log`, `${dir}/moved.log`);
    now = 2_000;
    file.write("after");
    await file.close();
    assert.equal(await Deno.readTextFile(`${dir}/zerolog-harmony.log`), "after\n");
    assert.equal(await Deno.readTextFile(`${dir}/moved.log`), "before\n");
  });
});

Deno.test("a folder that cannot be written is an error with a hint", async () => {
  await folder(async (dir) => {
    await Deno.writeTextFile(`${dir}/file`, "");
    assert.throws(
      () => open(`${dir}/file/below`),
      (e: unknown) => e instanceof HsyncError && e.code === "LOG_FILE" && e.exitCode === 1,
    );
  });
});

Deno.test("a terminal sees everything beside the file, a service only what matters, --log.console replaces the file", async () => {
  await folder(async (dir) => {
    const config: LogConfig = {
      console: false,
      folder: dir,
      fileName: "a.log",
      rotateSizeBytes: 1e6,
      rotateCount: 1,
      rotateMaxAgeDays: 0,
      verbosity: 3,
      level: "info",
      printConfig: false,
      context: undefined,
    };
    const lines = async (over: Partial<LogConfig>, terminal: boolean) => {
      const seen: string[] = [];
      const sinks = openLogSinks({ ...config, ...over }, {
        terminal,
        color: false,
        err: (l) => seen.push(l),
      });
      for (const level of ["info", "warn"] as const) {
        for (const sink of sinks.sinks) sink(record({ level, message: level }));
      }
      await sinks.close();
      return seen.length;
    };
    assert.equal(await lines({}, true), 2);
    assert.equal(await lines({}, false), 1);
    assert.equal((await Deno.readTextFile(`${dir}/zerolog-a.log`)).trim().split("\n").length, 4);
    assert.equal(await lines({ console: true, fileName: "b.log" }, false), 2);
    assert.equal(await lines({ level: "off", fileName: "b.log" }, true), 0);
    assert.throws(() => Deno.statSync(`${dir}/zerolog-b.log`));
  });
});
