/** Commands, their arguments, and the exit code of everything that can go wrong. */
import assert from "node:assert/strict";
import { ExitCode, HsyncError } from "../../src/base/mod.ts";
import type { LoadedConfig } from "../../src/config/mod.ts";
import { COMMANDS } from "../../src/cli/main.ts";
import { errorOf, inFolder, run } from "./support.ts";

Deno.test("without a command the node runs, with the flags in force", async () => {
  for (
    const argv of [["-n", "testnet", "--shard", "1"], ["run", "-n", "testnet", "--shard=1"], [
      "-n",
      "testnet",
      "run",
      "--shard",
      "1",
    ]]
  ) {
    const { code, calls } = await run(argv);
    assert.equal(code, 0);
    assert.equal(calls.length, 1);
    const [name, loaded] = calls[0] as [string, LoadedConfig];
    assert.deepEqual([name, loaded.config.network, loaded.config.shard], ["runNode", "testnet", 1]);
  }
});

Deno.test("notices are printed before the node starts, unless it shall be quiet", async () => {
  const loud = await run(["--sync.concurrency", "8"]);
  assert.ok(loud.err.includes("notice: Concurrency 8 limited to MinPeers 6 (CFG-CONCURRENCY)"));
  assert.deepEqual((await run(["-q", "--sync.concurrency", "8"])).err, []);
});

Deno.test("a light run that ends by itself is not told what matters to a lasting process only", async () => {
  const flags = ["light", "--sync.concurrency", "8", "--prometheus.ip", "0.0.0.0", "--prometheus.port", "0"];
  const lasting = (await run(flags)).err.join("\n");
  assert.match(lasting, /CFG-CONCURRENCY/);
  assert.match(lasting, /CFG-METRICS-OPEN/);
  assert.match(lasting, /CFG-LOG-BOUNDED/);
  const once = (await run([...flags, "--exit-when-synced"])).err.join("\n");
  assert.match(once, /CFG-CONCURRENCY/);
  assert.doesNotMatch(once, /CFG-METRICS-OPEN|CFG-LOG-BOUNDED/);
});

Deno.test("store commands hand over their arguments", async () => {
  await inFolder(async (dir) => {
    const of = async (...argv: string[]) => {
      const { code, calls, err } = await run(argv);
      assert.equal(code, 0, err.join());
      const [name, loaded, options] = calls[0] as [string, LoadedConfig, unknown];
      return [name, loaded.config.network, loaded.config.dataDir, options];
    };
    const where = ["-n", "localnet", "-d", dir];
    assert.deepEqual(await of("db", "import", "blocks.gz", ...where), ["dbImport", "localnet", dir, {
      file: "blocks.gz",
    }]);
    assert.deepEqual(await of("db", "export", "f", "--from", "3", "--to=9", ...where), [
      "dbExport",
      "localnet",
      dir,
      { file: "f", from: 3, to: 9 },
    ]);
    assert.deepEqual(await of(...where, "db", "info", "--json"), ["dbInfo", "localnet", dir, { json: true }]);
    assert.deepEqual(await of("db", "verify", "--all-signatures", ...where), ["dbVerify", "localnet", dir, {
      from: undefined,
      to: undefined,
      allSignatures: true,
      json: false,
    }]);
    assert.deepEqual((await run(["demo", "--json"])).calls, [["runDemo", { json: true }]]);
  });
});

/** Command lines that fail before anything starts. */
const SLIPS: ReadonlyArray<readonly [line: string, code: number, error: RegExp]> = [
  ["--sync false", 2, /write `--sync=false`/],
  ["run --sync.conccurrency 8", 2, /no flag --sync\.conccurrency.*did you mean --sync\.concurrency\?/],
  ["--p2p.port", 2, /needs a value/],
  ["--p2p.port here", 2, /whole number/],
  ["rnu", 2, /did you mean `hsync run`\?/],
  ["statsu", 2, /did you mean `hsync status`\?/],
  ["confg dump", 2, /did you mean `hsync config`\?/],
  ["frobnicate", 2, /--help/],
  ["db", 2, /import, export, info, verify/],
  ["db inport x", 2, /no command "db inport"/],
  ["db import", 2, /needs more words/],
  ["db import a b", 2, /"b"/],
  ["db export f --from 9 --to 3", 2, /--from 9 is above --to 3/],
  ["run extra", 2, /"extra"/],
  ["run --json", 2, /--json means nothing to `hsync run`/],
  ["version --force", 2, /hsync config dump/],
  ["dumpdb a b", 2, /Go node/],
  ["inspectdb a", 2, /hsync db export/],
  ["config dump -n nonsense", 2, /no network "nonsense"/],
  ["config explain Sync.MinPeer", 2, /did you mean Sync\.MinPeers\?/],
  ["help frobnicate", 2, /no command/],
  ["-n nonsense", 128, /no network "nonsense"/],
  ["run --sync.mode 1", 128, /FastSync is reserved/],
  ["run -c /nowhere/harmony.conf", 128, /cannot read/],
  ["run --revert.to 5", 128, /revert/],
  ["run -d main.ts/below", 128, /General\.DataDir "main\.ts\/below" cannot be written/],
  ["config check /nowhere/harmony.conf", 128, /cannot read/],
  ["health --url http://127.0.0.1:9", 4, /no node answers/],
];

Deno.test("every slip gives one error line with a hint, and its exit code", async () => {
  for (const [line, code, error] of SLIPS) {
    const result = await run(line.split(" "));
    assert.equal(result.code, code, `${line}: ${result.err.join("\n")}`);
    assert.match(errorOf(result), error, line);
    assert.equal(result.calls.length, 0, line);
    assert.ok(!result.err.join("\n").includes("    at "), `${line}: stack trace`);
  }
});

Deno.test("errors of the node keep their exit codes", async () => {
  for (
    const exitCode of [ExitCode.RUNTIME, ExitCode.STORE_DAMAGED, ExitCode.STORE_LOCKED, ExitCode.DISK_FULL]
  ) {
    const result = await run(["run", "-q"], {
      runNode: () => Promise.reject(new HsyncError("X", "the store\nis odd", { exitCode, hint: "do this" })),
    });
    assert.equal(result.code, exitCode);
    assert.equal(errorOf(result), "error: the store\\u000ais odd; hint: do this");
  }
});

Deno.test("an unexpected error shows its stack only when asked", async () => {
  const runNode = () => Promise.reject(new TypeError("boom"));
  const plain = await run(["-q"], { runNode });
  assert.equal(plain.code, 1);
  assert.match(errorOf(plain), /boom; hint: .*--sync\.debug/);
  assert.equal(plain.err.length, 1);
  const debug = await run(["-q", "--sync.debug"], { runNode });
  assert.ok(debug.err.join("\n").includes("    at "));
});

Deno.test("help comes from the tables: common flags first, everything on request", async () => {
  const short = (await run(["--help"])).out.join("\n");
  assert.match(short, /Usage: hsync \[COMMAND\]/);
  assert.match(short, /--sync\.min-peers/);
  assert.ok(!short.includes("--db_dir") && !short.includes("--bls.keys"));
  const all = (await run(["--help-all"])).out.join("\n");
  assert.match(all, /--db_dir STRING +.*old name of --datadir/);
  assert.match(all, /--bls\.keys/);
  assert.match((await run(["help", "db", "import"])).out[0] ?? "", /^hsync db import FILE/);
  assert.match((await run(["db", "import", "-h"])).out[0] ?? "", /^hsync db import FILE/);
  for (const command of COMMANDS) {
    assert.equal(short.includes(`  ${command.name} `), command.hidden !== true, command.name);
  }
});

Deno.test("the version line has `version` after its first comma", async () => {
  for (const argv of [["version"], ["-V"], ["--version"]]) {
    const { code, out } = await run(argv);
    assert.equal(code, 0);
    assert.match(out[0] ?? "", /^[^,]+, version \d+\.\d+\.\d+ /);
  }
  const json = JSON.parse((await run(["version", "--json"])).out[0] ?? "");
  assert.deepEqual(Object.keys(json).sort(), [
    "builtAt",
    "commit",
    "deno",
    "schema",
    "target",
    "v8",
    "version",
  ]);
});

Deno.test("unit, dashboard and rules are printed as they are shipped", async () => {
  const files: ReadonlyArray<readonly [words: readonly string[], file: string]> = [
    [["systemd", "unit"], "hsync.service"],
    [["metrics", "dashboard"], "grafana-dashboard.json"],
    [["metrics", "rules"], "prometheus-rules.yml"],
  ];
  for (const [words, file] of files) {
    const { code, out } = await run(words);
    const text = await Deno.readTextFile(new URL(`../../config/${file}`, import.meta.url));
    assert.deepEqual([code, out.join("\n")], [0, text.trimEnd()], file);
  }
});

Deno.test("doctor and peers test hand over to the node", async () => {
  const flags = ["-n", "localnet", "--shard", "0"];
  assert.deepEqual((await run(["doctor", "--json", ...flags])).calls[0]?.at(-1), { json: true });
  assert.deepEqual((await run(["peers", "test", "/dnsaddr/x", ...flags])).calls[0]?.at(-1), {
    address: "/dnsaddr/x",
    json: false,
  });
  assert.equal((await run(["peers", "test", ...flags])).code, 2);
});

Deno.test("metrics list names every metric", async () => {
  const { out } = await run(["metrics", "list"]);
  assert.ok(out.some((l) => l.startsWith("hmy_stream_num_streams{topic}  gauge  ")));
  assert.ok(out.length >= 34);
});
