/** `hsync health` and `hsync status` against a listener on loopback. */
import assert from "node:assert/strict";
import { buildStatus, serveHttp, type StatusParts } from "../../src/api/mod.ts";
import { EPOCH_CHAIN, metrics, NOW, parts, PROCESS } from "../api/support.ts";
import { errorOf, run } from "./support.ts";

async function against(
  over: Partial<StatusParts>,
  test: (url: string, port: number) => Promise<void>,
): Promise<void> {
  const server = serveHttp({ ip: "127.0.0.1", port: 0 }, {
    metrics: metrics(),
    provider: {
      status: () => buildStatus(parts(over), PROCESS),
      sinceTickMs: () => 0,
      settings: () => ({ values: new Map(), origins: new Map(), notices: [] }),
    },
    monotonic: () => performance.now(),
    public: false,
    off: false,
    hosts: [],
    onError: (error) => {
      throw error;
    },
  }, "--prometheus.port");
  try {
    await test(server.url, server.port);
  } finally {
    await server.close();
  }
}

const IN_SYNC = { head: { ...parts().head, height: 1_400, time: NOW - 2_000 } };

Deno.test("a node in sync is healthy: exit 0, one line", async () => {
  await against(IN_SYNC, async (_url, port) => {
    const { code, out, err } = await run(["health", "--prometheus.port", String(port)]);
    assert.deepEqual([code, out, err], [0, ["ok in-sync height=1400 behind=0 streams=5"], []]);
  });
});

Deno.test("a node that is behind gives exit 3 and the likeliest reason", async () => {
  const diagnosis = [{
    code: "STREAMS_BELOW_MIN" as const,
    severity: "warn" as const,
    since: "2026-11-22T11:00:00Z",
    text: "2 of 3 streams",
    hint: "wait",
  }];
  await against({ diagnosis }, async (url) => {
    const health = await run(["health", "--url", url]);
    assert.equal(health.code, 3);
    assert.equal(health.out[0], "not-in-sync height=900 behind=500 eta=6s streams=5");
    assert.match(errorOf(health), /500 blocks behind, STREAMS_BELOW_MIN\); hint: wait/);
    const screen = await run(["status", "--url", `${url}/`]);
    assert.equal(screen.code, 3);
    const text = screen.out.join("\n");
    assert.match(text, /LONG RANGE {2}900 \/ 1,400 {2}behind 500/);
    assert.match(text, /warn {2}STREAMS_BELOW_MIN: 2 of 3 streams; wait/);
    assert.match(text, /trust {2}blocks are only linked/);
  });
});

Deno.test("the screen tells of the beacon chain's epochs and of the checkpoint", async () => {
  const checkpoint = {
    given: [`1:133:0x${"ab".repeat(32)}`],
    chainFrom: 133,
    epochChainFrom: 100,
    ageDays: 3,
    old: false,
  };
  const anchor = { block: `1:7:0x${"cd".repeat(32)}`, announced: "2026-08-13", ageDays: 102, old: true };
  await against({ ...IN_SYNC, epochChain: EPOCH_CHAIN, checkpoint, anchor }, async (url) => {
    const text = (await run(["status", "--url", url])).out.join("\n");
    assert.match(
      text,
      /epochs 9 of the beacon chain, last end 132, 1m0s old, from genesis; committees: 7 compared, 2 on/,
    );
    assert.match(
      text,
      /begun {2}1:133:0x(ab){32}, the chain begins at block 133, the epochs at block 100 of shard 0, 3 days old/,
    );
    assert.match(
      text,
      /known {2}beforehand 1:7:0x(cd){32}, announced 2026-08-13, 102 days ago: look for a newer/,
    );
  });
});

Deno.test("a chain that goes back to genesis was not begun at the checkpoint that it is held against", async () => {
  const checkpoint = {
    given: [`0:133:0x${"ab".repeat(32)}`],
    chainFrom: null,
    epochChainFrom: null,
    ageDays: 3,
    old: false,
  };
  await against({ ...IN_SYNC, checkpoint }, async (url) => {
    const text = (await run(["status", "--url", url])).out.join("\n");
    assert.match(text, /held {3}against 0:133:0x(ab){32}, 3 days old/);
    assert.doesNotMatch(text, /begun/);
  });
});

Deno.test("machine output is JSON on one line", async () => {
  await against(IN_SYNC, async (url) => {
    const health = JSON.parse((await run(["health", "--url", url, "--json"])).out.join(""));
    assert.deepEqual(health, {
      schema: 1,
      inSync: true,
      state: "inSync",
      height: 1_400,
      behind: 0,
      streams: 5,
    });
    const status = JSON.parse((await run(["status", "--url", url, "--json"])).out.join(""));
    assert.equal(status.sync.current.height, 1_400);
  });
});

Deno.test("something else on the port is no answer: exit 4", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ schema: 9 }),
  );
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    const result = await run(["health", "--url", url]);
    assert.equal(result.code, 4);
    assert.deepEqual(result.out, [`no-answer ${url}`]);
    errorOf(result);
  } finally {
    await server.shutdown();
  }
});
