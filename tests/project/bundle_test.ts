import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const RECORDING = `${ROOT}tests/vectors/localnet/s0.blocks.jsonl.gz`;

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function deno(args: readonly string[], cwd: string): Promise<Finished> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The commands of the task `bundle`, with their results below `dir`. */
async function bundleCommands(dir: string): Promise<string[][]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as {
    readonly tasks: Readonly<Record<string, string>>;
  };
  return (tasks["bundle"] ?? "").split("&&").map((command) =>
    command.trim().split(/\s+/).slice(1).map((arg) => arg.replace(/^dist\//, `${dir}/`))
  );
}

/** False where the bundler is neither at hand nor to be had: it is a package of its own that Deno fetches on first use. */
async function bundle(dir: string): Promise<boolean> {
  for (const args of await bundleCommands(dir)) {
    const { code, stderr } = await deno(args, ROOT);
    if (code === 0) continue;
    const missing = /^error: .*esbuild.*$/im.exec(stderr);
    assert.ok(missing !== null && /Connect|sending request|not found/i.test(stderr), stderr);
    console.log(`skipped: the bundler cannot be fetched here (${missing[0]})`);
    return false;
  }
  return true;
}

Deno.test("the bundle runs from another directory: version, one clear error, and certificates checked by its worker", async () => {
  const dir = await Deno.makeTempDir({ prefix: "hsync-bundle-" });
  try {
    if (!await bundle(`${dir}/dist`)) return;
    const elsewhere = `${dir}/elsewhere`;
    await Deno.mkdir(elsewhere);
    const hsync = (args: readonly string[], flags: readonly string[] = ["--unstable-kv"]) =>
      deno(["run", "-A", "--no-config", ...flags, `${dir}/dist/hsync.js`, ...args], elsewhere);
    const chain = ["-n", "localnet", "--run.shard", "0", "-d", `${elsewhere}/data`];

    const version = await hsync(["version"]);
    assert.match(version.stdout, /^hsync .* version \d+\.\d+\.\d+ /);
    assert.equal(version.code, 0);

    const info = await hsync(["db", "info", ...chain]);
    assert.match(info.stderr, /^error: there is no store of localnet\/0 at [^\n]+; hint: [^\n]+\n$/);
    assert.equal(info.code, 1);

    const bare = await hsync(["db", "import", RECORDING, ...chain], []);
    assert.match(bare.stderr, /^error: .*key-value store; hint: .*--unstable-kv/);
    assert.equal(bare.code, 1);

    const imported = await hsync(["db", "import", RECORDING, ...chain]);
    assert.match(imported.stdout, /head=426 .*assurance=signed/);
    assert.doesNotMatch(imported.stderr, /worker/, "the bundled worker did not start");
    assert.equal(imported.code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
