/**
 * How fast a whole node synchronises a long chain from nodes of ours over real libp2p on loopback:
 * `deno run -A tests/bench/sync_bench.ts [--blocks N] [--slots N] [--unsigned] [--only TEXT] [--profile FILE]`.
 *
 * Servers share one process, each client has one of its own, the machine is shared by all. The chain is built in
 * memory from a seed, signed by its committees; building costs more than any of the runs. Goals: 2,000
 * blocks/s with the default policy and 150 with every certificate, server limits lifted; with the Go node's limits nearly
 * what these allow (10 requests a second and stream, 10 blocks or 50 hashes each).
 */
import { fileURLToPath } from "node:url";
import { figure, quick } from "./support/figures.ts";
import type {
  ChainPlan,
  ClientPlan,
  ClientResult,
  ServersCommand,
  ServersReady,
} from "./support/sync_plan.ts";
import { lines } from "./support/sync_plan.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
/** Ten times what the slowest run takes. */
const LIMIT_SECONDS = 600;
const MIB = 1024 * 1024;
/** Blocks a second that one stream carries under the Go node's limits: a tenth request for bodies, a fiftieth for hashes. */
const GO_STREAM = 10 / (1 / 10 + 1 / 50);

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const chain: ChainPlan = {
  seed: 1,
  length: Number(option("--blocks") ?? (quick ? 2_000 : 10_000)),
  bytesPerBlock: 1_600,
  epochLength: 1_000,
  slots: Number(option("--slots") ?? 9),
  signed: !Deno.args.includes("--unsigned"),
};

function spawn(file: string, plan: ChainPlan | ClientPlan, stdin: "piped" | "null"): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--config",
      CONFIG,
      fileURLToPath(new URL(`./support/${file}`, import.meta.url)),
      JSON.stringify(plan),
    ],
    stdin,
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** The process of the servers. */
class Servers {
  readonly #child = spawn("sync_servers.ts", chain, "piped");
  readonly #lines = lines(this.#child.stdout);
  readonly #input = this.#child.stdin.getWriter();

  async read<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the servers have ended");
    return JSON.parse(value) as T;
  }
  async ask(command: ServersCommand): Promise<ServersReady> {
    await this.#input.write(new TextEncoder().encode(JSON.stringify(command) + "\n"));
    return await this.read<ServersReady>();
  }
  async stop(): Promise<void> {
    await this.#input.close();
    await this.#child.status;
  }
}

async function runClient(plan: ClientPlan): Promise<ClientResult> {
  const child = spawn("sync_client.ts", plan, "null");
  let result: ClientResult | undefined;
  for await (const line of lines(child.stdout)) result = JSON.parse(line) as ClientResult;
  const { success } = await child.status;
  if (!success || result === undefined) throw new Error("a client has failed");
  return result;
}

interface Scenario extends ServersCommand {
  readonly name: string;
  /** `dht`: the client knows a boot node only; `address`: it knows the servers. */
  readonly via: "dht" | "address";
  readonly flags?: readonly string[];
  /** Blocks, where the whole chain would take too long. */
  readonly stopAt?: number;
  /** Blocks a second. */
  readonly goal: number;
}

const few = (blocks: number) => Math.min(chain.length, quick ? Math.ceil(blocks / 3) : blocks);
const all: readonly Scenario[] = [
  { name: "4 servers, limits lifted", servers: 4, limits: "none", via: "dht", goal: 2_000 },
  { name: "1 server, limits lifted", servers: 1, limits: "none", via: "address", goal: 2_000 },
  {
    name: "4 servers, every certificate",
    servers: 4,
    limits: "none",
    via: "dht",
    flags: ["--sync.verify-all-sig"],
    stopAt: few(3_000),
    goal: 150,
  },
  {
    name: "4 servers, Go's limits",
    servers: 4,
    limits: "go",
    via: "dht",
    stopAt: few(6_000),
    goal: 0.95 * 4 * GO_STREAM,
  },
  {
    name: "1 server, Go's limits",
    servers: 1,
    limits: "go",
    via: "address",
    stopAt: few(1_500),
    goal: 0.95 * GO_STREAM,
  },
];
const only = option("--only");
const scenarios = all.filter(({ name, flags }) =>
  (only === undefined || name.includes(only)) && (chain.signed || flags === undefined)
);

const servers = new Servers();
const { bytes, seconds: building } = await servers.read<{ bytes: number; seconds: number }>();
const kind = chain.signed ? `signed by committees of ${chain.slots}` : "unsigned";
console.log(
  `${chain.length} blocks of ${Math.round(bytes / chain.length)} bytes on average, ${kind}, made in ${
    building.toFixed(0)
  } s`,
);
try {
  for (const scenario of scenarios) {
    const { name, via, goal, stopAt } = scenario;
    const { boot, servers: addresses } = await servers.ask(scenario);
    const known = via === "dht"
      ? [`--bootnodes=${boot}`]
      : addresses.map((address) => `--sync.trusted-nodes=${address}`);
    const profile = option("--profile");
    const result = await runClient({
      chain,
      flags: [
        ...known,
        `--sync.min-peers=${scenario.servers}`,
        `--sync.init-peers=${scenario.servers}`,
        ...scenario.flags ?? [],
      ],
      limitSeconds: LIMIT_SECONDS,
      ...(stopAt === undefined ? {} : { stopAt }),
      ...(profile === undefined ? {} : { profile }),
    });
    const { cpuSeconds } = await servers.ask({ servers: 0, limits: "none" });
    const rate = result.blocks / result.syncSeconds;
    const [clientRate, serverRate] = [result.blocks / result.cpuSeconds, result.blocks / cpuSeconds];
    console.log(
      `${name}: ${result.blocks} blocks (${result.assurance}) in ${result.seconds.toFixed(2)} s, ` +
        `${Math.round(rate)} blocks/s from the first stream on; a CPU second gives ${
          Math.round(clientRate)
        } of the client, ${Math.round(serverRate)} of the servers`,
    );
    console.log(
      `  program loaded in ${Math.round(result.importMs)} ms, first stream after ${
        Math.round(result.firstStreamMs)
      } ms, first commit ${Math.round(result.firstCommitMs)} ms; RSS ${
        Math.round(result.rssBytes / MIB)
      } MiB; event loop p99 ${result.loopP99Ms.toFixed(1)} ms, longest ${result.loopMaxMs.toFixed(0)} ms`,
    );
    const found = via === "dht" ? 3_000 : 1_000;
    figure({ what: name, value: rate, unit: "blocks/s", goal });
    figure({ what: "  per CPU second of the client", value: clientRate, unit: "blocks" });
    figure({ what: "  per CPU second of the servers", value: serverRate, unit: "blocks" });
    figure({
      what: `  start to first stream (${via})`,
      value: result.firstStreamMs,
      unit: "ms",
      goal: found,
      bound: "most",
    });
    figure({
      what: "  start to first commit",
      value: result.firstCommitMs,
      unit: "ms",
      goal: 3_000,
      bound: "most",
    });
    figure({ what: "  RSS at the end", value: result.rssBytes / MIB, unit: "MiB", goal: 400, bound: "most" });
    figure({ what: "  event loop p99", value: result.loopP99Ms, unit: "ms", goal: 50, bound: "most" });
  }
} finally {
  await servers.stop();
}
