import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { hsync, localFlags, Process } from "./support.ts";

const RECORDING = fileURLToPath(new URL("../vectors/localnet/s0.blocks.jsonl.gz", import.meta.url));
const HEAD = 426;
const HASH = "0xbbc460e593442cbb4ad7cf33a6c571e72b739ca14965be71be1d166abc64379a";

async function address(node: Process): Promise<string> {
  return (await node.line(/p2p\s+(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\S+)/))[1] as string;
}

Deno.test("a chain goes from a file to one process, to a second, and from the second to a third while the first is gone", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const imported = await hsync(["db", "import", RECORDING, ...localFlags(`${dir}/a`)]);
    assert.equal(imported.code, 0, imported.stderr);
    assert.match(imported.stdout, new RegExp(`head=${HEAD} hash=${HASH}`));

    const first = new Process(["run", ...localFlags(`${dir}/a`)]);
    const second = new Process(["run", ...localFlags(`${dir}/b`, ["--bootnodes", await address(first)])]);
    const secondAddress = await address(second);
    const status = (await second.line(/status\s+(http:\S+\/status)/))[1] as string;
    let height = 0;
    while (height < HEAD) {
      const document = await (await fetch(status)).json();
      height = document.sync.current.height;
      assert.equal(document.schema, 1);
    }
    first.kill("SIGTERM");
    const firstEnd = await first.end();
    assert.equal(firstEnd.code, 0, firstEnd.stderr);

    const third = await hsync([
      "run",
      ...localFlags(`${dir}/c`, ["--bootnodes", secondAddress, "--exit-when-synced", "--deadline", "180"]),
    ]);
    assert.equal(third.code, 0, third.stderr);
    assert.match(third.stdout, new RegExp(`synced number=${HEAD} hash=${HASH}`));

    second.kill("SIGTERM");
    const secondEnd = await second.end();
    assert.equal(secondEnd.code, 0, secondEnd.stderr);

    const info = await hsync(["db", "info", "--json", ...localFlags(`${dir}/b`)]);
    assert.deepEqual(JSON.parse(info.stdout).head, { number: HEAD, hash: HASH });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a syncing node that is killed at once loses nothing that it had acknowledged and ends at the same head", async () => {
  const dir = await Deno.makeTempDir();
  try {
    assert.equal((await hsync(["db", "import", RECORDING, ...localFlags(`${dir}/a`)])).code, 0);
    const server = new Process(["run", ...localFlags(`${dir}/a`)]);
    const flags = localFlags(`${dir}/b`, ["--bootnodes", await address(server), "--sync.insert-batch", "16"]);
    let kept = 0;
    for (const least of [1, 120, 260]) {
      const client = new Process(["run", ...flags]);
      const status = (await client.line(/status\s+(http:\S+\/status)/))[1] as string;
      let height = -1;
      do {
        height = (await (await fetch(status)).json()).sync.current.height;
      } while (height < least);
      assert.ok(height >= kept, `the head went from ${kept} back to ${height}`);
      kept = height;
      client.kill("SIGKILL");
      await client.end();
    }
    const last = await hsync(["run", ...flags, "--exit-when-synced", "--deadline", "180"]);
    assert.equal(last.code, 0, last.stderr);
    assert.match(last.stdout, new RegExp(`synced number=${HEAD} hash=${HASH}`));
    const blocks = Number(/blocks=(\d+)/.exec(last.stdout)?.[1]);
    assert.ok(
      blocks <= HEAD - kept,
      `${blocks} blocks were fetched again though ${kept} had been acknowledged`,
    );
    server.kill("SIGTERM");
    assert.equal((await server.end()).code, 0);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
