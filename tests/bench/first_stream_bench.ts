/**
 * How long a node takes from the start of its process to its first stream: `deno run -A tests/bench/first_stream_bench.ts`.
 *
 * Goals on loopback: a second from a trusted peer, three through the DHT, and a restart finds its good peers without
 * asking anybody. Each way is taken several times, the median counts. The process of a node that is run from sources
 * spends most of the time on loading them; that part is told apart.
 */
import process from "node:process";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import { localFlags, Process } from "../node/support.ts";
import { figure, quick } from "./support/figures.ts";

const ROUNDS = quick ? 1 : 5;
const ADDRESS = /p2p\s+(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\S+)/;
const STREAM = /^(\S+Z)\s+INFO\s+stream\s+stream added/m;
/** The first thing of a node whose modules are loaded. */
const LOADED = /^(\S+Z)\s+INFO\s+config/m;

interface Start {
  /** ms from the start of the process. */
  readonly loadedMs: number;
  readonly streamMs: number;
}

/** Starts a node, waits for its first stream and ends it. */
async function start(dir: string, more: readonly string[]): Promise<Start> {
  const begun = Date.now();
  const node = new Process(["run", ...localFlags(dir, ["--log.console", "--log.verb", "3", ...more])]);
  const [loaded, stream] = [await node.line(LOADED), await node.line(STREAM)];
  node.kill("SIGTERM");
  await node.end();
  return { loadedMs: Date.parse(loaded[1] ?? "") - begun, streamMs: Date.parse(stream[1] ?? "") - begun };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function show(what: string, starts: readonly Start[], goal?: number): void {
  const all = median(starts.map((s) => s.streamMs));
  const ours = median(starts.map((s) => s.streamMs - s.loadedMs));
  console.log(
    `${what.padEnd(34)} ${all.toFixed(0).padStart(6)} ms, ${ours.toFixed(0)} of them after loading`,
  );
  figure({ what, value: all / 1000, unit: "s", ...(goal === undefined ? {} : { goal, bound: "most" }) });
}

const dir = await Deno.makeTempDir({ prefix: "hsync-bench-" });
const boot = await createHost({
  identity: await newIdentity(),
  ip: "127.0.0.1",
  port: 0,
  userAgent: "bench",
});
const [bootAddress = ""] = boot.addresses();
const server = new Process(["run", ...localFlags(`${dir}/server`, ["--bootnodes", bootAddress])]);
try {
  const serverAddress = String((await server.line(ADDRESS))[1]);
  const trusted: Start[] = [], found: Start[] = [], again: Start[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    // The server forgives one departure; so every round has an identity of its own.
    trusted.push(
      await start(`${dir}/t${i}`, ["--bootnodes", bootAddress, "--sync.trusted-nodes", serverAddress]),
    );
    found.push(await start(`${dir}/f${i}`, ["--bootnodes", bootAddress]));
    // A bootnode that is not there: whoever is found is remembered.
    again.push(await start(`${dir}/f${i}`, ["--bootnodes", `/ip4/127.0.0.1/tcp/9/p2p/${boot.peerId}`]));
  }
  show("first stream, trusted peer", trusted, 1);
  show("first stream, through the DHT", found, 3);
  show("first stream, remembered peer", again);
} finally {
  server.kill("SIGTERM");
  await server.end();
  await boot.stop();
  await Deno.remove(dir, { recursive: true });
}
process.exit(0);
