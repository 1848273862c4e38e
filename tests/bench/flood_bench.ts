/**
 * What floods cost an honest client: `deno run -A tests/bench/flood_bench.ts [connections | requests]`.
 *
 * A server and its honest clients share this process; the flood comes from another one, over real sockets. Each flood is
 * measured in two ways, before, during and after in one run, so that only the flood makes the difference:
 *
 * - as configured, what an operator sees: four clients ask at their pace below the default limits, on the protocol that is
 *   flooded; their blocks and waits are counted. Goals: four fifths of the speed, waits (95th percentile) a fifth longer at
 *   most. What the flooder's process takes of a small machine counts against the server here;
 * - limits lifted, the stress figure: one client asks without a pause on a protocol without limits, so that nothing but the
 *   server bounds it. Goal: four fifths of the blocks for the same processor time of this process, which the flooder's does
 *   not touch; by the clock, for information.
 *
 * Besides: no stream more than there are places, and memory that does not follow the flood.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { nullLogger, nullMeter, SystemClock } from "../../src/base/mod.ts";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import { SyncProtocol, type SyncProtocolOptions } from "../../src/stream/mod.ts";
import { RecordedChain } from "../stream/support/chain.ts";
import { figure, quick } from "./support/figures.ts";
import { lines } from "./support/sync_plan.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const FLOODER = fileURLToPath(new URL("./support/flooder.ts", import.meta.url));
const MEASURE_MS = quick ? 3_000 : 8_000;
const MIB = 1024 * 1024;
/** Both recorded chains have as much. */
const HEIGHT = 250;
const HIGH_CAP = 16;
const RESERVED = 16;
/** Honest clients whose waits are counted. Together with what a flooder is granted they stay below the server's 50/s. */
const PACED = 4;
/** Below the 10/s that a peer is granted. */
const REQUESTS_PER_SECOND = 8;
const clock = new SystemClock();

type Peer = { readonly peerId: string; readonly addresses: readonly string[] };
interface Part {
  readonly shardId: 0 | 1;
  readonly trusted?: Peer;
  readonly rateLimits?: SyncProtocolOptions["rateLimits"];
}

/** A host with a protocol for each part. */
async function node(parts: readonly Part[]) {
  const host = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "bench",
    maxConnsPerIp: 10_000,
  });
  const protocols: SyncProtocol[] = [];
  for (const { shardId, trusted, rateLimits } of parts) {
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId,
      reader: new RecordedChain(shardId, HEIGHT),
      caps: { hardLowCap: 1, softLowCap: 1, highCap: HIGH_CAP, discBatch: 1 },
      maxReserved: RESERVED,
      clock,
      logger: nullLogger,
      meter: nullMeter,
      advertise: false,
      ...(rateLimits === undefined ? {} : { rateLimits }),
      ...(trusted === undefined ? {} : { trusted: [trusted] }),
    });
    await protocol.start();
    protocols.push(protocol);
  }
  return {
    protocols,
    peer: { peerId: host.peerId, addresses: host.addresses() },
    async stop() {
      for (const protocol of protocols) await protocol.stop();
      await host.stop();
    },
  };
}

/** Ten blocks. @param from 0 … */
async function ask(protocol: SyncProtocol, from: number): Promise<number> {
  const numbers = Array.from({ length: 10 }, (_, i) => 1 + from % (HEIGHT - 10) + i);
  return (await protocol.client.getBlocksByNumber(numbers)).value.length;
}

/** Blocks a second of one client that asks without a pause, and how many a second of this process's processor time. */
async function speed(protocol: SyncProtocol): Promise<{ readonly speed: number; readonly thrift: number }> {
  const begun = performance.now();
  const used = process.cpuUsage();
  let blocks = 0;
  for (let from = 0; performance.now() - begun < MEASURE_MS; from += 10) blocks += await ask(protocol, from);
  const { user, system } = process.cpuUsage(used);
  return { speed: blocks * 1000 / (performance.now() - begun), thrift: blocks * 1e6 / (user + system) };
}

/** Blocks a second of clients that ask at a steady pace, and the 95th percentile of their waits, ms. */
async function pace(
  protocols: readonly SyncProtocol[],
): Promise<{ readonly paced: number; readonly wait: number }> {
  const waits: number[] = [];
  let blocks = 0;
  const begun = performance.now();
  await Promise.all(protocols.map(async (protocol, i) => {
    const pause = 1000 / REQUESTS_PER_SECOND;
    for (let due = begun + pause * i / PACED; due - begun < MEASURE_MS; due += pause) {
      await clock.sleep(Math.max(0, due - performance.now()));
      const asked = performance.now();
      blocks += await ask(protocol, Math.round(due - begun));
      waits.push(performance.now() - asked);
    }
  }));
  const paced = blocks * 1000 / (performance.now() - begun);
  return { paced, wait: waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.95)] ?? NaN };
}

interface Measured {
  readonly speed: number;
  readonly thrift: number;
  readonly paced: number;
  readonly wait: number;
}
function mean(a: Measured, b: Measured): Measured {
  const of = (key: keyof Measured) => (a[key] + b[key]) / 2;
  return { speed: of("speed"), thrift: of("thrift"), paced: of("paced"), wait: of("wait") };
}

// T-24, T-23
const cases = [
  { mode: "connections", name: "950 mute and 50 real connections" },
  { mode: "requests", name: "1,000 requests/s on one stream" },
] as const;
for (const { mode, name } of cases.filter((c) => Deno.args.length === 0 || Deno.args.includes(c.mode))) {
  // The flood is of shard 0; who asks for shard 1 is bound by nothing but the machine.
  const server = await node([{ shardId: 0 }, { shardId: 1, rateLimits: { perStream: 0, global: 0 } }]);
  const [flooded] = server.protocols as [SyncProtocol];
  const clients: Awaited<ReturnType<typeof node>>[] = [];
  for (let i = 0; i <= PACED; i++) {
    clients.push(await node([{ shardId: i === PACED ? 1 : 0, trusted: server.peer }]));
  }
  const all = clients.flatMap((client) => client.protocols);
  const [paced, eager] = [all.slice(0, PACED), all[PACED] as SyncProtocol];
  while (all.some((protocol) => protocol.streams().length === 0)) await clock.sleep(10);
  await clock.sleep(1_000);
  const measure = async () => ({ ...await speed(eager), ...await pace(paced) });
  const before = await measure();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      CONFIG,
      FLOODER,
      mode,
      server.peer.peerId,
      server.peer.addresses[0] ?? "",
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let during: Measured, most = 0;
  let grown: number;
  try {
    for await (const line of lines(child.stdout)) if (line === "flooding") break;
    const watch = clock.every(50, () => {
      const { active, reserved } = flooded.snapshot();
      most = Math.max(most, active + reserved);
    });
    const first = await measure();
    const rss = Deno.memoryUsage().rss;
    const second = await measure();
    during = mean(first, second);
    grown = Deno.memoryUsage().rss - rss;
    watch();
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  await clock.sleep(1_000);
  const after = await measure();
  const usual = mean(before, after);
  const [entry] = flooded.snapshot().cooldownList;
  const three = (of: (m: Measured) => string) => [before, during, after].map(of).join(", ");
  const load = Deno.loadavg().map((l) => l.toFixed(1)).join(" ");
  console.log(
    `${name}: before, during, after:\n` +
      `  as configured: ${three((m) => m.paced.toFixed(0))} blocks/s, p95 ${
        three((m) => m.wait.toFixed(1))
      } ms\n` +
      `  limits lifted: ${three((m) => m.speed.toFixed(0))} blocks/s, ` +
      `${three((m) => m.thrift.toFixed(0))} for a second of processor time\n` +
      `  at most ${most} streams; ${(grown / MIB).toFixed(0)} MiB more memory in the second half of it` +
      (entry === undefined ? "" : `; removed: ${entry.reason}`) + `; load average ${load}`,
  );
  figure({
    what: `${name}, as configured: speed kept`,
    value: during.paced / usual.paced,
    unit: "of 1",
    goal: 0.8,
  });
  figure({ what: "  p95 of waits", value: during.wait / usual.wait, unit: "of 1", goal: 1.2, bound: "most" });
  const thrift = during.thrift / usual.thrift;
  figure({ what: "  limits lifted: speed kept by processor time", value: thrift, unit: "of 1", goal: 0.8 });
  figure({
    what: "  limits lifted: speed kept by the clock",
    value: during.speed / usual.speed,
    unit: "of 1",
  });
  figure({ what: "  streams", value: most, unit: "", goal: HIGH_CAP + RESERVED, bound: "most" });
  figure({
    what: "  resident memory gained in the second half",
    value: Math.max(1, grown / MIB),
    unit: "MiB",
    goal: 32,
    bound: "most",
  });
  for (const part of [...clients, server]) await part.stop();
}
Deno.exit(0); // libp2p leaves a handle behind that would keep the process waiting
