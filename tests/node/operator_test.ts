/** What an operator sees of two real nodes: status, health, streams, metrics; and what a stranger does not see. */
import assert from "node:assert/strict";
import { GUIDE_METRICS } from "../../src/api/mod.ts";
import { errorOf, inFolder, run } from "../cli/support.ts";
import { recordedHash, writeRecording } from "./recording.ts";
import { hsync, localFlags, Process } from "./support.ts";

const HEAD = 40;

/** A serving node with the recorded blocks up to `HEAD`, and one that has taken them from it. */
class Pair {
  private constructor(
    readonly dir: string,
    readonly server: Process,
    readonly client: Process,
    readonly url: string,
    readonly serverPeer: string,
    readonly clientPeer: string,
  ) {}
  static async start(dir: string): Promise<Pair> {
    await writeRecording(`${dir}/blocks.jsonl`, HEAD);
    const imported = await hsync(["db", "import", `${dir}/blocks.jsonl`, ...localFlags(`${dir}/server`)]);
    assert.equal(imported.code, 0, imported.stderr);
    const server = new Process(["run", ...localFlags(`${dir}/server`)]);
    const [, address, serverPeer] = await server.line(/p2p\s+(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/(\S+))/);
    const client = new Process(["run", ...localFlags(`${dir}/client`, ["--bootnodes", String(address)])]);
    const [, clientPeer] = await client.line(/My peer id:\s+(\S+)/);
    const [, url] = await client.line(/status\s+(http:\S+)\/status/);
    const pair = new Pair(dir, server, client, String(url), String(serverPeer), String(clientPeer));
    while ((await pair.get("/status")).sync.inSync !== true);
    return pair;
  }
  // deno-lint-ignore no-explicit-any
  async get(path: string, headers: Record<string, string> = {}): Promise<any> {
    return await (await fetch(`${this.url}${path}`, { headers })).json();
  }
  /** Flags that find a node by its data directory alone. */
  flags(which: "client" | "server"): string[] {
    return ["-n", "localnet", "--shard", "0", "-d", `${this.dir}/${which}`, "--prometheus.port", "0"];
  }
  async stop(): Promise<void> {
    for (const node of [this.client, this.server]) {
      node.kill("SIGTERM");
      const end = await node.end();
      assert.equal(end.code, 0, end.stderr);
    }
  }
  /** Everything that a node has logged. */
  async log(which: "client" | "server"): Promise<string> {
    return await Deno.readTextFile(`${this.dir}/${which}/log/zerolog-harmony.log`);
  }
}

Deno.test("an operator looks at a running node and steers it; a stranger sees counts", async (t) => {
  await inFolder(async (dir) => {
    const pair = await Pair.start(dir);
    const { serverPeer, clientPeer, url } = pair;
    const flags = pair.flags("client");

    await t.step("status, health and their JSON agree, by listener and by data directory", async () => {
      for (const where of [["--url", url], flags]) {
        const health = await run(["health", ...where]);
        assert.deepEqual([health.code, health.out[0]], [0, `ok in-sync height=${HEAD} behind=0 streams=1`]);
        const json = JSON.parse((await run(["health", "--json", ...where])).out.join(""));
        assert.deepEqual([json.inSync, json.height, json.state], [true, HEAD, "inSync"]);
        const status = await run(["status", ...where]);
        assert.equal(status.code, 0);
        assert.match(status.out.join("\n"), new RegExp(`head +${HEAD} ${recordedHash(HEAD)}`));
        const doc = JSON.parse((await run(["status", "--json", ...where])).out.join(""));
        assert.deepEqual([doc.schema, doc.node.peerId, doc.node.network], [1, clientPeer, "localnet"]);
        assert.equal(doc.sync.assurance.lowest, "signed");
      }
      const version = JSON.parse((await run(["version", "--json"])).out.join(""));
      assert.equal((await pair.get("/status")).node.version, version.version);
    });

    await t.step("the settings are in the log, section by section", async () => {
      assert.match(await pair.log("client"), /"MinPeers":1,.*"message":"\[Sync\]"/);
    });

    await t.step("a stranger sees neither peers nor addresses nor paths", async () => {
      const secrets = [serverPeer, clientPeer, dir, "127.0.0.1", "/ip4/"];
      for (const path of ["/status", "/streams"]) {
        const near = await (await fetch(`${url}${path}`)).text();
        assert.ok(near.includes(serverPeer), path);
        for (const header of ["x-forwarded-for", "forwarded"]) {
          const far = await (await fetch(`${url}${path}`, { headers: { [header]: "203.0.113.9" } })).text();
          for (const secret of secrets) assert.ok(!far.includes(secret), `${path} tells ${secret}: ${far}`);
          assert.ok(far.includes('"active":1'), "counts are no secret");
        }
      }
      const config = await fetch(`${url}/config`, { headers: { "x-forwarded-for": "203.0.113.9" } });
      assert.equal(config.status, 403);
      await config.body?.cancel();
      const posted = await fetch(`${url}/streams`, { method: "POST", body: "{}" });
      assert.equal(posted.status, 405, "nothing is changed over the listener");
      await posted.body?.cancel();
    });

    await t.step("the guide's 34 metrics are there, and move", async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      assert.equal(GUIDE_METRICS.length, 34);
      for (const { name, type } of GUIDE_METRICS) {
        assert.ok(text.includes(`\n# TYPE ${name} ${type}\n`), name);
      }
      const value = (series: string) =>
        Number(text.split("\n").find((l) => l.startsWith(series))?.split(" ")[1]);
      assert.equal(value('hmy_staged_stream_sync_num_blocks_synced_long_range{ShardID="0"}'), HEAD);
      assert.equal(value('hmy_stream_num_streams{topic="harmony/sync/localnet/0/1.0.0"}'), 1);
      assert.equal(
        value('hmy_stream_num_required_streams{topic="harmony/epochsync/localnet/0/1.0.0",kind="min"}'),
        0,
      );
      assert.equal(
        value('hmy_stream_num_required_streams{topic="harmony/sync/localnet/0/1.0.0",kind="min"}'),
        1,
      );
    });

    await t.step("streams are listed, dropped, looked for again, and forgiven", async () => {
      const list = await run(["streams", "list", ...flags]);
      assert.equal(list.code, 0);
      assert.match(list.out.join("\n"), new RegExp(`${serverPeer} +active`));
      const discover = await run(["streams", "discover", ...flags]);
      assert.match(discover.out.join("\n"), /^harmony\/sync\/localnet\/0\/1\.0\.0: .*1 active streams$/);

      const cooling = async () => {
        const listed = await run(["streams", "list", "--json", ...flags]);
        assert.equal(listed.code, 0, listed.err.join("\n"));
        const [own] = JSON.parse(listed.out.join("")).protocols;
        return { active: own.active, cooldown: own.cooldownList.map((c: { id: string }) => c.id) };
      };
      // The first removal is free, the second of an hour costs five minutes.
      for (let i = 0; i < 2; i++) {
        while ((await cooling()).active === 0);
        assert.equal((await run(["streams", "drop", serverPeer, ...flags])).code, 0);
      }
      assert.deepEqual(await cooling(), { active: 0, cooldown: [serverPeer] });
      const again = await run(["streams", "drop", serverPeer, ...flags]);
      assert.equal(again.code, 1);
      assert.match(errorOf(again), /no stream with/);
      const health = await run(["health", ...flags]);
      assert.match(health.out[0] ?? "", /streams=0/);
      assert.deepEqual((await run(["streams", "forgive", serverPeer, ...flags])).out, ["ended 1 cooldown"]);
      assert.deepEqual((await cooling()).cooldown, []);
      assert.match(await pair.log("client"), /operator drops a peer/);
    });

    await pair.stop();
    for (const which of ["client", "server"] as const) {
      const log = await pair.log(which);
      assert.doesNotMatch(log, /metric left out/, which);
      assert.doesNotMatch(log, /"level":"error"/, which);
      assert.deepEqual(
        [...Deno.readDirSync(`${dir}/${which}/harmony_kv_0`)].map((e) => e.name).filter((n) =>
          /admin/.test(n)
        ),
        [],
      );
    }
    const gone = await run(["streams", "list", ...flags]);
    assert.equal(gone.code, 4);
  });
});
