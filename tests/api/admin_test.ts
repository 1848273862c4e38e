/** The operator's socket: who gets in, what is answered, what is left behind. */
import assert from "node:assert/strict";
import { HsyncError, SeededRandom } from "../../src/base/mod.ts";
import {
  adminPortPath,
  adminSocketPath,
  type AdminTransport,
  askAdmin,
  buildStatus,
  createAdminHandler,
  serveAdmin,
} from "../../src/api/mod.ts";
import { parts, PEER, PROCESS, TOPIC } from "./support.ts";

const calls: string[] = [];
const OPTIONS = {
  actions: {
    discover: () => [{ topic: TOPIC, running: true, active: 3 }],
    drop: (peer: string) => {
      calls.push(`drop ${peer}`);
      return peer === PEER ? 1 : 0;
    },
    forgive: (peer: string) => {
      calls.push(`forgive ${peer}`);
      return peer === "all" ? 7 : 1;
    },
  },
  status: () => buildStatus(parts(), PROCESS),
  onError: (error: unknown) => {
    throw error;
  },
};

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function errorOf(promise: Promise<unknown>): Promise<HsyncError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof HsyncError, String(error));
    assert.ok(error.hint !== undefined);
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

const SOCKETS = Deno.build.os !== "windows";

for (const transport of ["socket", "port"] as const satisfies readonly AdminTransport[]) {
  Deno.test({
    name: `admin by ${transport}: every action is answered, and nothing is left behind`,
    ignore: transport === "socket" && !SOCKETS,
    fn: async () => {
      await inFolder(async (dir) => {
        const random = new SeededRandom(1);
        const server = await serveAdmin(dir, { ...OPTIONS, random, transport });
        const ask = (method: "GET" | "POST", path: string, body?: Record<string, string>) =>
          askAdmin(dir, { method, path, ...(body === undefined ? {} : { body }) }, { transport });
        const { mode } = await Deno.stat(server.path);
        if (SOCKETS) assert.equal((mode ?? 0) & 0o777, 0o600);
        assert.deepEqual(await ask("POST", "/discover"), {
          schema: 1,
          protocols: [{ topic: TOPIC, running: true, active: 3 }],
        });
        assert.deepEqual(await ask("POST", "/drop", { peer: PEER }), { schema: 1, peer: PEER, dropped: 1 });
        assert.deepEqual(await ask("POST", "/forgive", { peer: "all" }), {
          schema: 1,
          peer: "all",
          forgiven: 7,
        });
        const streams = await ask("GET", "/streams") as { protocols: Array<{ list: unknown[] }> };
        assert.equal(streams.protocols[0]?.list.length, 1, "the operator sees everything");
        assert.deepEqual(await ask("GET", "/status"), JSON.parse(JSON.stringify(OPTIONS.status())));
        const unknown = await errorOf(
          ask("POST", "/drop", { peer: `${PEER.slice(0, -1)}x` }),
        );
        assert.equal(unknown.code, "NO_STREAM");
        assert.equal((await errorOf(ask("POST", "/drop", { peer: "all" }))).code, "ADMIN_BODY");
        assert.equal((await errorOf(ask("POST", "/forgive", { peer: "../x" }))).code, "ADMIN_BODY");
        assert.equal((await errorOf(ask("POST", "/forgive"))).code, "ADMIN_BODY");
        assert.equal((await errorOf(ask("GET", "/drop"))).code, "ADMIN_METHOD");
        assert.equal((await errorOf(ask("POST", "/shutdown"))).code, "ADMIN_PATH");
        assert.equal(
          (await errorOf(ask("POST", "/forgive", { peer: "a".repeat(10_000) }))).code,
          "ADMIN_BODY",
        );
        await server.close();
        assert.deepEqual([...Deno.readDirSync(dir)], []);
        const gone = await errorOf(ask("GET", "/streams"));
        assert.deepEqual([gone.code, gone.exitCode], ["NO_NODE", 4]);
      });
    },
  });
}

Deno.test({
  name: "admin: the socket of a process that died is replaced, and nobody answers there before",
  ignore: !SOCKETS,
  fn: async () => {
    await inFolder(async (dir) => {
      const path = adminSocketPath(dir);
      const dead = Deno.listen({ transport: "unix", path: `${dir}/dead` });
      await Deno.rename(`${dir}/dead`, path);
      dead.close();
      await Deno.mkdir(`${dir}/.admin`);
      await Deno.writeTextFile(`${dir}/.admin/s`, "cut off while it was made");
      const before = await errorOf(askAdmin(dir, { method: "GET", path: "/status" }));
      assert.equal(before.code, "NO_NODE");
      assert.match(before.message, /has ended/);
      const server = await serveAdmin(dir, { ...OPTIONS, random: new SeededRandom(2) });
      assert.ok(await askAdmin(dir, { method: "GET", path: "/status" }));
      await server.close();
      assert.deepEqual([...Deno.readDirSync(dir)], []);
    });
  },
});

Deno.test({
  name: "admin: a path too long for a socket is said, not cut",
  ignore: !SOCKETS,
  fn: async () => {
    await inFolder(async (dir) => {
      const long = `${dir}/${"d".repeat(90)}`;
      await Deno.mkdir(long);
      const error = await errorOf(serveAdmin(long, { ...OPTIONS, random: new SeededRandom(3) }));
      assert.equal(error.code, "ADMIN_SOCKET");
      assert.match(error.hint ?? "", /shorter --datadir/);
      assert.deepEqual([...Deno.readDirSync(long)], []);
    });
  },
});

Deno.test("admin by port: without the token of the file nothing is answered", async () => {
  await inFolder(async (dir) => {
    const server = await serveAdmin(dir, { ...OPTIONS, random: new SeededRandom(4), transport: "port" });
    const { port, token } = JSON.parse(await Deno.readTextFile(adminPortPath(dir)));
    assert.match(token, /^[0-9a-f]{64}$/);
    calls.length = 0;
    for (const authorization of ["", "Bearer", `Bearer ${"0".repeat(64)}`, token]) {
      const response = await fetch(`http://127.0.0.1:${port}/forgive`, {
        method: "POST",
        headers: { authorization },
        body: JSON.stringify({ peer: "all" }),
      });
      await response.body?.cancel();
      assert.equal(response.status, 401, authorization);
    }
    assert.deepEqual(calls, []);
    await server.close();
  });
});

Deno.test("admin: a failure inside is told without its text, and logged", async () => {
  const seen: unknown[] = [];
  const handler = createAdminHandler({
    ...OPTIONS,
    actions: {
      ...OPTIONS.actions,
      discover: () => {
        throw new TypeError("secret");
      },
    },
    onError: (error) => seen.push(error),
  });
  const response = await handler(new Request("http://hsync/discover", { method: "POST" }));
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
  assert.equal(seen.length, 1);
});
