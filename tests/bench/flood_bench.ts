/**
 * What floods cost an honest client: `deno run -A tests/bench/flood_bench.ts`.
 *
 * A server and an honest client share this process; the flood comes from another one, over real sockets. The client's
 * speed, with the limits that a server has by default, is measured before, during and after in one run, so that only the
 * flood makes the difference; what the flooder's process takes of a small machine counts against the server here. Goals: at least four fifths of the speed, and memory
 * that does not follow the flood.
 */
import { fileURLToPath } from "node:url";
import { nullLogger, nullMeter, SystemClock } from "../../src/base/mod.ts";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import { SyncProtocol } from "../../src/stream/mod.ts";
import { RecordedChain } from "../stream/support/chain.ts";
import { figure, quick } from "./support/figures.ts";
import { lines } from "./support/sync_plan.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const FLOODER = fileURLToPath(new URL("./support/flooder.ts", import.meta.url));
const MEASURE_MS = quick ? 3_000 : 8_000;
const MIB = 1024 * 1024;
const clock = new SystemClock();

async function node(trusted?: { peerId: string; addresses: readonly string[] }) {
  const host = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "bench",
    maxConnsPerIp: 10_000,
  });
  const protocol = new SyncProtocol({
    host,
    service: "sync",
    network: "localnet",
    shardId: 0,
    reader: new RecordedChain(0, 400),
    caps: { hardLowCap: 1, softLowCap: 1, highCap: 16, discBatch: 1 },
    maxReserved: 16,
    clock,
    logger: nullLogger,
    meter: nullMeter,
    advertise: false,
    ...(trusted === undefined ? {} : { trusted: [trusted] }),
  });
  await protocol.start();
  return { host, protocol, peer: { peerId: host.peerId, addresses: host.addresses() } };
}
type Node = Awaited<ReturnType<typeof node>>;

/** Blocks a second of one client that asks without a pause. */
async function speed(client: Node): Promise<number> {
  const begun = performance.now();
  let blocks = 0;
  for (let from = 1; performance.now() - begun < MEASURE_MS; from = 1 + (from + 9) % 390) {
    const numbers = Array.from({ length: 10 }, (_, i) => from + i);
    blocks += (await client.protocol.client.getBlocksByNumber(numbers)).value.length;
  }
  return blocks * 1000 / (performance.now() - begun);
}

const cases = [
  { mode: "connections", name: "950 mute and 50 real connections" },
  { mode: "requests", name: "1,000 requests/s on one stream" },
] as const;
for (const { mode, name } of cases) {
  const server = await node();
  const client = await node(server.peer);
  while (client.protocol.streams().length === 0) await clock.sleep(10);
  await clock.sleep(1_000);
  const before = await speed(client);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      CONFIG,
      FLOODER,
      mode,
      server.host.peerId,
      server.peer.addresses[0] ?? "",
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let during: number, most = 0;
  let grown: number;
  try {
    for await (const line of lines(child.stdout)) if (line === "flooding") break;
    const watch = clock.every(50, () => {
      const { active, reserved } = server.protocol.snapshot();
      most = Math.max(most, active + reserved);
    });
    during = await speed(client);
    const rss = Deno.memoryUsage().rss;
    during = (during + await speed(client)) / 2;
    grown = Deno.memoryUsage().rss - rss;
    watch();
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  await clock.sleep(1_000);
  const after = await speed(client);
  const ratio = during / ((before + after) / 2);
  const [entry] = server.protocol.snapshot().cooldownList;
  console.log(
    `${name}: ${Math.round(before)} blocks/s before, ${Math.round(during)} during, ${
      Math.round(after)
    } after; ` +
      `at most ${most} streams; ${(grown / MIB).toFixed(0)} MiB more memory in the second half of it` +
      (entry === undefined ? "" : `; the flooder was removed: ${entry.reason}`),
  );
  figure({ what: `${name}: speed kept`, value: ratio, unit: "of 1", goal: 0.8 });
  figure({
    what: "  resident memory gained in the second half",
    value: Math.max(1, grown / MIB),
    unit: "MiB",
    goal: 32,
    bound: "most",
  });
  await Promise.all([server, client].map((n) => n.protocol.stop()));
  await Promise.all([server, client].map((n) => n.host.stop()));
}
Deno.exit(0); // libp2p leaves a handle behind that would keep the process waiting
