import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { hsync, localFlags, Process } from "./support.ts";

const RECORDING = fileURLToPath(new URL("../vectors/localnet/s1.blocks.jsonl.gz", import.meta.url));

/** One `error:` line with a hint, nothing like a stack trace. */
function oneErrorLine(stderr: string): string {
  const lines = stderr.split("\n").filter((l) => l.startsWith("error:"));
  assert.equal(lines.length, 1, stderr);
  assert.ok(!/^\s+at /m.test(stderr), `a stack trace reached the operator:\n${stderr}`);
  assert.match(lines[0] as string, /; hint: \S/);
  return lines[0] as string;
}

interface BadStart {
  readonly what: string;
  readonly args: (dir: string) => Promise<string[]> | string[];
  readonly code: number;
  readonly error: RegExp;
}

const BAD_STARTS: readonly BadStart[] = [
  {
    what: "an unknown flag",
    args: () => ["run", "--sync.concurency", "4"],
    code: 2,
    error: /sync\.concurency.*--sync\.concurrency/,
  },
  { what: "a boolean without =", args: () => ["run", "--sync", "false"], code: 2, error: /--sync=false/ },
  { what: "an unknown command", args: () => ["rum"], code: 2, error: /rum.*hsync run/ },
  { what: "a number that is none", args: () => ["run", "--p2p.port", "many"], code: 2, error: /p2p\.port/ },
  { what: "an unknown network", args: () => ["run", "-n", "moonnet"], code: 128, error: /moonnet/ },
  {
    what: "a shard that the network does not have",
    args: (dir) => ["run", ...localFlags(dir), "--run.shard", "7"],
    code: 128,
    error: /shard/i,
  },
  {
    what: "garbage instead of TOML",
    args: async (dir) => {
      await Deno.writeTextFile(`${dir}/harmony.conf`, 'Version = "2.6.6"\n[Sync\nEnabled = yes please\n');
      return ["run", "-c", `${dir}/harmony.conf`];
    },
    code: 128,
    error: /harmony\.conf.*2/,
  },
  {
    what: "a configuration file that is not there",
    args: (dir) => ["run", "-c", `${dir}/nowhere.conf`],
    code: 128,
    error: /nowhere\.conf/,
  },
  {
    what: "a sync mode that is reserved",
    args: (dir) => ["run", ...localFlags(dir), "--sync.mode", "1"],
    code: 128,
    error: /reserved/i,
  },
  {
    what: "a checkpoint that ends no epoch",
    args: (dir) => ["run", ...localFlags(dir), "--sync.checkpoint", `0:5:0x${"11".repeat(32)}`],
    code: 128,
    error: /checkpoint 0:5:.* does not end an epoch/,
  },
  {
    what: "a shard's checkpoint without one for the beacon chain",
    args: (
      dir,
    ) => ["run", ...localFlags(dir), "--run.shard", "1", "--sync.checkpoint", `1:4:0x${"11".repeat(32)}`],
    code: 128,
    error: /shard 1 takes its committees from shard 0, of which no checkpoint was given/,
  },
  {
    what: "a boot node address without a peer id",
    args: (dir) => ["run", ...localFlags(dir), "--bootnodes", "/ip4/127.0.0.1/tcp/9000"],
    code: 128,
    error: /127\.0\.0\.1/,
  },
  {
    what: "a key file that cannot be read as one",
    args: async (dir) => {
      await Deno.writeTextFile(`${dir}/.hmykey`, "not a key");
      return ["run", ...localFlags(dir)];
    },
    code: 1,
    error: /\.hmykey/,
  },
  {
    what: "the store of another shard",
    args: async (dir) => {
      const flags = localFlags(dir).join(" ").replace("--run.shard 0", "--run.shard 1").split(" ");
      const made = await hsync(["db", "import", RECORDING, ...flags]);
      assert.equal(made.code, 0, made.stderr);
      await Deno.rename(`${dir}/harmony_kv_1`, `${dir}/harmony_kv_0`);
      return ["run", ...localFlags(dir)];
    },
    code: 11,
    error: /shard/,
  },
  {
    what: "a file to import that is of another chain",
    args: (dir) => ["db", "import", RECORDING, ...localFlags(dir)],
    code: 1,
    error: /block/,
  },
  {
    what: "a store to look at that is not there",
    args: (dir) => ["db", "info", ...localFlags(dir)],
    code: 1,
    error: /store/,
  },
];

for (const { what, args, code, error } of BAD_STARTS) {
  Deno.test(`${what} is one error line with a hint and exit code ${code}`, async () => {
    const dir = await Deno.makeTempDir();
    try {
      const end = await hsync(await args(dir));
      assert.equal(end.code, code, end.stderr);
      assert.match(oneErrorLine(end.stderr), error);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

Deno.test("a second process on one store, and one on a port in use, are told so and disturb nobody", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const first = new Process(["run", ...localFlags(dir)]);
    const port = (await first.line(/p2p\s+\/ip4\/127\.0\.0\.1\/tcp\/(\d+)\//))[1] as string;
    const status = await first.line(/status\s+(http:\/\/127\.0\.0\.1:(\d+)\/status)/);

    const locked = await hsync(["run", ...localFlags(dir)]);
    assert.equal(locked.code, 11, locked.stderr);
    assert.match(oneErrorLine(locked.stderr), /lock|in use|process/i);

    const other = localFlags(`${dir}/other`).join(" ");
    const p2p = await hsync(["run", ...other.replace("--p2p.port 0", `--p2p.port ${port}`).split(" ")]);
    assert.equal(p2p.code, 1, p2p.stderr);
    assert.match(oneErrorLine(p2p.stderr), new RegExp(`${port}.*--p2p\\.port`));

    const http = await hsync([
      "run",
      ...other.replace("--prometheus.port 0", `--prometheus.port ${status[2]}`).split(" "),
    ]);
    assert.equal(http.code, 1, http.stderr);
    assert.match(oneErrorLine(http.stderr), /--prometheus\.port/);

    assert.equal((await fetch(status[1] as string)).status, 200);
    await (await fetch(status[1] as string)).body?.cancel();
    first.kill("SIGTERM");
    assert.equal((await first.end()).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a deadline that passes is exit code 1 and says what was waited for", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const end = await hsync(["run", ...localFlags(dir, ["--exit-when-synced", "--deadline", "4"])]);
    assert.equal(end.code, 1);
    assert.match(oneErrorLine(end.stderr), /waiting for: .*boot node/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
