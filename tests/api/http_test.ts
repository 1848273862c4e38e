/** The listener over real TCP on loopback: paths, codes, redaction, hosts, ports in use. */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import {
  buildStatus,
  createHandler,
  type HttpServer,
  METRICS_CONTENT_TYPE,
  type RouteOptions,
  serveHttp,
  type StatusParts,
} from "../../src/api/mod.ts";
import { metrics, NOW, parts, PEER, PROCESS } from "./support.ts";

interface World {
  over: Partial<StatusParts>;
  sinceTickMs: number;
  time: number;
  asked: number;
}

function options(world: World, over: Partial<RouteOptions> = {}): RouteOptions {
  return {
    metrics: metrics(),
    provider: {
      status: () => {
        world.asked++;
        return buildStatus(parts(world.over), PROCESS);
      },
      sinceTickMs: () => world.sinceTickMs,
      settings: () => ({
        values: new Map([["General.DataDir", "/srv/harmony"]]),
        origins: new Map([["General.DataDir", { source: "flag" as const, where: "--datadir" }]]),
        notices: [],
      }),
    },
    monotonic: () => world.time += 1_000,
    public: false,
    off: false,
    hosts: ["node1.example.org"],
    onError: (error) => {
      throw error;
    },
    ...over,
  };
}

const world = (over: Partial<StatusParts> = {}): World => ({ over, sinceTickMs: 0, time: 0, asked: 0 });
const IN_SYNC = { head: { ...parts().head, height: 1_400, time: NOW - 2_000 } };

async function serving(opts: RouteOptions, run: (server: HttpServer) => Promise<void>): Promise<void> {
  const server = serveHttp({ ip: "127.0.0.1", port: 0 }, opts, "--prometheus.port");
  try {
    await run(server);
  } finally {
    await server.close();
  }
}

/** Asks without a socket, as somebody else would. */
async function ask(
  opts: RouteOptions,
  path: string,
  from = "127.0.0.1",
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; body: string; headers: Headers }> {
  const handler = createHandler(opts);
  const response = await handler(new Request(`http://127.0.0.1:9900${path}`, { headers, method }), from);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

Deno.test("every path answers over real TCP", async () => {
  await serving(options(world(IN_SYNC)), async ({ url, port }) => {
    assert.ok(port > 0);
    const get = async (path: string) => {
      const response = await fetch(url + path);
      return { status: response.status, body: await response.text(), headers: response.headers };
    };
    const text = await get("/metrics");
    assert.equal(text.status, 200);
    assert.equal(text.headers.get("content-type"), METRICS_CONTENT_TYPE);
    assert.match(text.body, /^hmy_stream_num_streams\{topic="harmony\/sync\/testnet\/0\/1.0.0"\} 0$/m);
    const health = await get("/health");
    assert.deepEqual(JSON.parse(health.body), { schema: 1, alive: true, uptimeSeconds: 4_711 });
    assert.equal(health.headers.get("cache-control"), "no-store");
    assert.deepEqual(JSON.parse((await get("/ready")).body), { schema: 1, ready: true, reason: "in sync" });
    assert.equal((await get("/node-sync")).body.trim(), "true");
    assert.deepEqual(JSON.parse((await get("/height")).body), { "0": 1_400 });
    const status = JSON.parse((await get("/status")).body);
    assert.equal(status.schema, 1);
    assert.equal(status.node.peerId, PEER);
    const streams = JSON.parse((await get("/streams")).body);
    assert.equal(streams.schema, 1);
    assert.equal(streams.protocols[0].list[0].id, PEER);
    assert.equal(JSON.parse((await get("/config")).body).values["General.DataDir"].where, "--datadir");
    assert.match((await get("/")).body, /ok in-sync/);
  });
});

Deno.test("the text format is the classic one, whatever the scraper would rather have", async () => {
  const accept = { accept: "application/openmetrics-text; version=1.0.0" };
  const { headers, body } = await ask(options(world()), "/metrics", "10.0.0.9", accept);
  assert.equal(headers.get("content-type"), METRICS_CONTENT_TYPE);
  assert.ok(!body.includes("# EOF"));
});

Deno.test("a scrape is counted", async () => {
  const opts = options(world());
  await ask(opts, "/metrics");
  const { body } = await ask(opts, "/metrics");
  assert.match(body, /^promhttp_metric_handler_requests_total\{code="200"\} 1$/m);
  assert.match(body, /^promhttp_metric_handler_requests_in_flight 1$/m);
});

Deno.test("a node that is not in sync says 503 with a reason, and 418 to old balancers", async () => {
  const opts = options(world());
  const ready = await ask(opts, "/ready");
  assert.equal(ready.status, 503);
  assert.equal(ready.headers.get("retry-after"), "10");
  assert.equal(JSON.parse(ready.body).reason, "syncing");
  const sync = await ask(opts, "/node-sync");
  assert.deepEqual([sync.status, sync.body.trim()], [418, "false"]);
  assert.equal(
    JSON.parse((await ask(options(world({ target: undefined })), "/ready")).body).reason,
    "TARGET_UNKNOWN",
  );
});

Deno.test("a main loop that hangs turns health to 503", async () => {
  const w = world();
  w.sinceTickMs = 30_001;
  const { status, body } = await ask(options(w), "/health");
  assert.deepEqual([status, JSON.parse(body).alive], [503, false]);
});

Deno.test("unknown paths list the known ones; other methods are refused", async () => {
  const opts = options(world());
  const missing = await ask(opts, "/nothing");
  assert.equal(missing.status, 404);
  assert.match(missing.body, /\/metrics\n\/health\n/);
  assert.match((await ask(opts, "/metrics/eth")).body, /Go node/);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    const { status, headers } = await ask(opts, "/status", "127.0.0.1", {}, method);
    assert.deepEqual([status, headers.get("allow")], [405, "GET, HEAD"], method);
  }
});

Deno.test("strangers see figures, not peers, addresses, paths or settings", async () => {
  const strangers: ReadonlyArray<readonly [string, Record<string, string>]> = [
    ["203.0.113.77", {}],
    ["127.0.0.1", { "x-forwarded-for": "203.0.113.77" }],
    ["127.0.0.1", { forwarded: "for=203.0.113.77" }],
    ["::ffff:203.0.113.77", {}],
    ["fe80::1", {}],
  ];
  for (const [from, headers] of strangers) {
    for (const path of ["/status", "/streams", "/"]) {
      const { status, body } = await ask(options(world()), path, from, headers);
      assert.equal(status, 200);
      for (const secret of [PEER, "/ip4", "/srv", "192.168.7.9"]) {
        assert.ok(!body.includes(secret), `${from} ${path} shows ${secret}`);
      }
    }
    assert.equal((await ask(options(world()), "/config", from, headers)).status, 403);
  }
  for (const local of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
    assert.ok((await ask(options(world()), "/status", local)).body.includes(PEER), local);
  }
  const open = await ask(options(world(), { public: true }), "/status", "203.0.113.77");
  assert.ok(open.body.includes(PEER));
});

Deno.test("a rebound host name gets nothing; addresses, loopback and configured names do", async () => {
  const opts = options(world());
  for (const host of ["evil.example.com", "evil.example.com:9900"]) {
    assert.equal((await ask(opts, "/status", "127.0.0.1", { host })).status, 403, host);
    assert.equal((await ask(opts, "/metrics", "127.0.0.1", { host })).status, 200, host);
  }
  for (
    const host of ["localhost:9900", "127.0.0.1:9900", "[::1]:9900", "10.1.2.3", "node1.example.org:9900"]
  ) {
    assert.equal((await ask(opts, "/status", "127.0.0.1", { host })).status, 200, host);
  }
});

Deno.test("switched off, only metrics and health remain", async () => {
  const opts = options(world(), { off: true });
  const codes = [];
  for (const path of ["/metrics", "/health", "/status", "/streams", "/ready", "/"]) {
    codes.push((await ask(opts, path)).status);
  }
  assert.deepEqual(codes, [200, 200, 404, 404, 404, 404]);
});

Deno.test("the status is worked out once a second at most", async () => {
  const w = world();
  const handler = createHandler({ ...options(w), monotonic: () => 5_000 });
  for (let i = 0; i < 20; i++) {
    await (await handler(new Request("http://127.0.0.1/status"), "127.0.0.1")).text();
  }
  assert.equal(w.asked, 1);
});

Deno.test("an answer that fails is a 500 without detail, and the error is reported", async () => {
  const seen: unknown[] = [];
  const opts = options(world(), { onError: (e) => seen.push(e) });
  const broken = {
    ...opts,
    provider: {
      ...opts.provider,
      status: () => {
        throw new Error("secret detail");
      },
    },
  };
  const { status, body } = await ask(broken, "/status");
  assert.equal(status, 500);
  assert.ok(!body.includes("secret"));
  assert.equal(seen.length, 1);
});

Deno.test("a port in use is an error with a hint and exit code 1", async () => {
  await serving(options(world()), ({ port }) => {
    assert.throws(
      () => serveHttp({ ip: "127.0.0.1", port }, options(world()), "--prometheus.port"),
      (error: unknown) =>
        error instanceof HsyncError && error.exitCode === 1 && error.message.includes(`port ${port}`) &&
        (error.hint ?? "").includes("--prometheus.port"),
    );
    return Promise.resolve();
  });
});
