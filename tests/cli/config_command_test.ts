/** `hsync config` on real files. */
import assert from "node:assert/strict";
import { errorOf, inFolder, run } from "./support.ts";

Deno.test("a dumped file checks clean and gives back its values", async () => {
  await inFolder(async (dir) => {
    const file = `${dir}/harmony.conf`;
    assert.equal((await run(["config", "dump", file, "-n", "testnet"])).code, 0);
    const check = await run(["config", "check", file]);
    assert.equal(check.code, 0);
    assert.match(check.out[0] ?? "", /harmony\.conf: valid; testnet, shard 0$/);
    assert.ok(!check.out.join("\n").includes("CFG-UNK-KEY"));
    const explained = await run(["config", "explain", "Sync.MinPeers", "-c", file, "--sync.min-peers", "2"]);
    assert.match(
      explained.out.join("\n"),
      /Sync\.MinPeers = 2\n {2}from {5}flag: --sync\.min-peers\n {2}default {2}3 on testnet/,
    );
  });
});

Deno.test("an existing file is overwritten only with --force", async () => {
  await inFolder(async (dir) => {
    const file = `${dir}/harmony.conf`;
    await Deno.writeTextFile(file, "mine");
    const refused = await run(["config", "dump", file]);
    assert.equal(refused.code, 1);
    assert.match(errorOf(refused), /is there already; hint: pass --force/);
    assert.equal(await Deno.readTextFile(file), "mine");
    assert.equal((await run(["config", "dump", file, "--force"])).code, 0);
    assert.match(await Deno.readTextFile(file), /^Version = /);
  });
});

Deno.test("the effective dump holds file and flags", async () => {
  await inFolder(async (dir) => {
    const file = `${dir}/harmony.conf`;
    await Deno.writeTextFile(file, '[Network]\nNetworkType = "partner"\n[Sync]\nMinPeers = 2\n');
    const { out } = await run([
      "config",
      "dump",
      "--effective",
      "--only-used",
      "-c",
      file,
      "--p2p.port",
      "7000",
    ]);
    const text = out.join("\n");
    assert.match(text, /^ {2}MinPeers = 2$/m);
    assert.match(text, /^ {2}Port = 7000$/m);
    assert.match(text, /^ {2}NetworkType = "partner"$/m);
    assert.ok(!text.includes("[TxPool]"));
  });
});

Deno.test("check --strict turns notices into exit code 5, errors stay 128", async () => {
  await inFolder(async (dir) => {
    const file = `${dir}/harmony.conf`;
    await Deno.writeTextFile(file, '[Network]\nNetworkType = "testnet"\n[Sync]\nMinPears = 2\n');
    const strict = await run(["config", "check", file, "--strict"]);
    assert.equal(strict.code, 5);
    errorOf(strict);
    const json = JSON.parse((await run(["config", "check", file, "--json"])).out[0] ?? "");
    assert.ok(json.notices.some((n: { code: string }) => n.code === "CFG-UNK-KEY"));
    await Deno.writeTextFile(file, "[Sync\n");
    const broken = await run(["config", "check", file, "--strict"]);
    assert.equal(broken.code, 128);
    assert.match(errorOf(broken), /harmony\.conf: line 1/);
  });
});

Deno.test("explain without a key lists what is not the default", async () => {
  const { out } = await run(["config", "explain", "-n", "testnet", "--sync.min-peers", "5"]);
  assert.deepEqual(out.filter((l) => l.startsWith("Sync.MinPeers")), [
    "Sync.MinPeers = 5   flag: --sync.min-peers",
  ]);
  assert.ok(out.some((l) => l.startsWith("Sync.InitStreams = 5   adjusted: ")));
});
