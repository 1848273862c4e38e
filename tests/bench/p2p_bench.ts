/**
 * What the network costs on loopback, both ends in one process: prints figures, asserts nothing.
 *
 * Run: deno run -A tests/bench/p2p_bench.ts
 */
import { createHost, type LibP2PHost, newIdentity, type P2PStream } from "../../src/p2p/mod.ts";
import { figure } from "./support/figures.ts";

const MIB = 1024 * 1024;
const TIMEOUT = 30_000;
const ECHO = "harmony/echo/1", SINK = "harmony/sink/1", SYNC = "harmony/sync/localnet/0/1.0.0";

async function start(bootnodes: readonly string[] = []): Promise<LibP2PHost> {
  const identity = await newIdentity();
  return await createHost({ identity, ip: "127.0.0.1", port: 0, userAgent: "hsync/bench", bootnodes });
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(56)} ${value < 10 ? value.toFixed(2) : Math.round(value)} ${unit}`);
  figure({ what, value, unit });
}

async function echo(stream: P2PStream): Promise<void> {
  for await (const chunk of stream.source) await stream.write(chunk);
}

const begun = performance.now();
const boot = await start();
const server = await start(boot.addresses());
await server.advertise(SYNC, { timeoutMs: TIMEOUT });
const fresh = performance.now();
const client = await start(boot.addresses());
for await (const _ of client.discover(SYNC, { limit: 1, timeoutMs: TIMEOUT })) break;
report("start to first provider, through a bootnode", performance.now() - fresh, "ms");

let received = 0;
const all = Promise.withResolvers<void>();
const stops = [
  await server.handle(ECHO, (stream) => void echo(stream).catch(() => {})),
  await server.handle(SINK, (stream) => {
    const drain = async () => {
      for await (const chunk of stream.source) {
        received += chunk.length;
        if (received >= 100 * MIB) all.resolve();
      }
    };
    drain().catch(() => {});
  }),
];
const peer = { peerId: server.peerId, addresses: server.addresses() };

let from = performance.now();
for (let i = 0; i < 300; i++) {
  const stream = await client.openStream(peer, ECHO, { timeoutMs: TIMEOUT });
  stream.reset("bench");
  await stream.closed;
}
report("streams opened and reset", 300_000 / (performance.now() - from), "/s");

const line = await client.openStream(peer, ECHO, { timeoutMs: TIMEOUT });
const answers = line.source[Symbol.asyncIterator]();
from = performance.now();
for (let i = 0; i < 2000; i++) {
  await line.write(new Uint8Array(20));
  await answers.next();
}
report("round trip of 20 bytes on an open stream", (performance.now() - from) / 2000, "ms");

const sink = await client.openStream(peer, SINK, { timeoutMs: TIMEOUT });
const frame = new Uint8Array(20 * MIB);
from = performance.now();
for (let i = 0; i < 5; i++) await sink.write(frame);
await all.promise;
report("frames of 20 MiB", 100_000 / (performance.now() - from), "MiB/s");
report("memory at the end (RSS)", Deno.memoryUsage().rss / MIB, "MiB");
for (const stop of stops) stop();
await Promise.all([client, server, boot].map((host) => host.stop()));
report("whole run", performance.now() - begun, "ms");
// The network library leaves a channel open for the life of the process (see createHost).
Deno.exit(0);
