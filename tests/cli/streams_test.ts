/** `hsync streams …` against the socket of a node, and against a listener. */
import assert from "node:assert/strict";
import { SeededRandom } from "../../src/base/mod.ts";
import { buildStatus, serveAdmin, serveHttp } from "../../src/api/mod.ts";
import { metrics, parts, PEER, PROCESS, TOPIC } from "../api/support.ts";
import { errorOf, inFolder, run } from "./support.ts";

const onError = (error: unknown) => {
  throw error;
};

/** Runs a test beside a node whose data directory is `dir`. */
async function besideNode(test: (flags: readonly string[], asked: string[]) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/harmony_kv_0`);
    const asked: string[] = [];
    const server = await serveAdmin(`${dir}/harmony_kv_0`, {
      actions: {
        discover: () => [{ topic: TOPIC, running: asked.push("discover") === 1, active: 3 }],
        drop: (peer) => asked.push(`drop ${peer}`) && peer === PEER ? 1 : 0,
        forgive: (peer) => {
          asked.push(`forgive ${peer}`);
          return peer === "all" ? 2 : 0;
        },
      },
      status: () => buildStatus(parts(), PROCESS),
      random: new SeededRandom(1),
      onError,
    });
    try {
      await test(["-n", "testnet", "--shard", "0", "-d", dir, "--prometheus.port", "0"], asked);
    } finally {
      await server.close();
    }
  });
}

Deno.test("streams list shows every stream and cooldown of the node in the data directory", async () => {
  await besideNode(async (flags) => {
    const { code, out } = await run(["streams", "list", ...flags]);
    assert.equal(code, 0);
    const text = out.join("\n");
    assert.match(
      text,
      new RegExp(`^${TOPIC}\n  5 active \\(need 3, at most 1024\\), 2 reserved, 1 connecting, 3 in cooldown`),
    );
    assert.match(text, /PEER +STATE +DIR +HEIGHT +FAILS +SCORE +GOOD +LATENCY +RATE/);
    assert.match(
      text,
      new RegExp(`${PEER} +active +out +1400 +1 +0\\.70 +0\\.50 +180 ms +91\\.5 +10 .*getBlocksByHashes`),
    );
    assert.match(text, new RegExp(`${PEER} +invalid_blocks +critical +2 +57m57s`));
    const json = await run(["streams", "list", "--json", ...flags]);
    assert.equal(JSON.parse(json.out.join("")).protocols[0].list[0].id, PEER);
  });
});

Deno.test("status and health find a node without a listener by its data directory", async () => {
  await besideNode(async (flags) => {
    const health = await run(["health", ...flags]);
    assert.equal(health.code, 3);
    assert.match(health.out[0] ?? "", /^not-in-sync height=900/);
    assert.equal((await run(["status", ...flags, "--prometheus=false"])).code, 3);
  });
});

Deno.test("discover, drop and forgive reach the node, and say what came of it", async () => {
  await besideNode(async (flags, asked) => {
    const said = async (...words: string[]) => (await run(["streams", ...words, ...flags])).out.join("\n");
    assert.equal(await said("discover"), `${TOPIC}: looking for peers; 3 active streams`);
    assert.match(await said("discover"), /has just looked/);
    assert.match(await said("drop", PEER), new RegExp(`^dropped ${PEER};`));
    assert.equal(await said("forgive", "all"), "ended 2 cooldowns");
    assert.equal(await said("forgive", PEER), `${PEER} was in no cooldown`);
    assert.deepEqual(JSON.parse(await said("forgive", "all", "--json")), {
      schema: 1,
      peer: "all",
      forgiven: 2,
    });
    assert.deepEqual(asked.slice(0, 4), ["discover", "discover", `drop ${PEER}`, "forgive all"]);
    const other = `${PEER.slice(0, -1)}x`;
    const nobody = await run(["streams", "drop", other, ...flags]);
    assert.equal(nobody.code, 1);
    assert.match(errorOf(nobody), new RegExp(`no stream with ${other}; hint: .*streams list`));
    const slip = await run(["streams", "forgive", "everybody!", ...flags]);
    assert.equal(slip.code, 2);
    assert.match(errorOf(slip), /no peer id.*all/);
    assert.equal((await run(["streams", "drop", ...flags])).code, 2);
  });
});

Deno.test("where no node runs every command says so: exit 4", async () => {
  await inFolder(async (dir) => {
    const flags = ["-d", dir, "--shard", "0", "--prometheus.port", "0"];
    for (const words of [["list"], ["discover"], ["drop", PEER], ["forgive", "all"]]) {
      const result = await run(["streams", ...words, ...flags]);
      assert.equal(result.code, 4, words.join(" "));
      assert.match(errorOf(result), /harmony_kv_0.*hint: start it with `hsync run`/, words.join(" "));
    }
  });
});

Deno.test("a listener on another machine gives counts, and the list says where the peers are shown", async () => {
  const options = {
    metrics: metrics(),
    provider: {
      status: () => buildStatus(parts(), PROCESS),
      sinceTickMs: () => 0,
      settings: () => ({ values: new Map(), origins: new Map(), notices: [] }),
    },
    monotonic: () => performance.now(),
    public: false,
    off: false,
    hosts: [],
    onError,
  };
  const node = serveHttp({ ip: "127.0.0.1", port: 0 }, options, "--prometheus.port");
  // A proxy in front of it makes every caller a stranger.
  const proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    return await fetch(`${node.url}${pathname}`, { headers: { "x-forwarded-for": "203.0.113.9" } });
  });
  try {
    const near = await run(["streams", "list", "--url", node.url]);
    assert.match(near.out.join("\n"), new RegExp(PEER));
    const far = await run(["streams", "list", "--url", `http://127.0.0.1:${proxy.addr.port}`]);
    assert.equal(far.code, 0);
    assert.match(far.out.join("\n"), /5 active.*\n +peers are shown to callers on the node's machine only/);
    assert.doesNotMatch(far.out.join("\n"), new RegExp(PEER));
  } finally {
    await proxy.shutdown();
    await node.close();
  }
});
