/**
 * A self-hosted Deno KV server for the tests, where its program is installed.
 *
 * Why it exists: the remote store is only proven against a real server. What must stay true: the program is found
 * by the environment variable DENOKV or on PATH, nowhere else; the server listens on loopback and ends with the test.
 */
const TOKEN = "store-tests-only-token";

/** Path of the program; undefined when it is not installed. */
export function findDenokv(): string | undefined {
  const named = Deno.env.get("DENOKV");
  if (named !== undefined && named !== "") return named;
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    try {
      if (dir !== "" && Deno.statSync(`${dir}/denokv`).isFile) return `${dir}/denokv`;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

export interface DenokvServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server with an empty database and puts its token where Deno looks for it. */
export async function startDenokv(program: string): Promise<DenokvServer> {
  const dir = await Deno.makeTempDir({ prefix: "hsync-denokv-" });
  const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = probe.addr as Deno.NetAddr;
  probe.close();
  const child = new Deno.Command(program, {
    args: [
      "--sqlite-path",
      `${dir}/kv.sqlite3`,
      "serve",
      "--access-token",
      TOKEN,
      "--addr",
      `127.0.0.1:${port}`,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.getReader();
  let said = "";
  while (!said.includes("Listening on")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`denokv ended: ${said}`);
    said += new TextDecoder().decode(value);
  }
  // Keep the pipe empty, so that the server never blocks on it.
  const drained = (async () => {
    while (!(await reader.read()).done);
  })();
  const before = Deno.env.get("DENO_KV_ACCESS_TOKEN");
  Deno.env.set("DENO_KV_ACCESS_TOKEN", TOKEN);
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      if (before === undefined) Deno.env.delete("DENO_KV_ACCESS_TOKEN");
      else Deno.env.set("DENO_KV_ACCESS_TOKEN", before);
      child.kill("SIGTERM");
      await child.status;
      await drained;
      await Deno.remove(dir, { recursive: true });
    },
  };
}
