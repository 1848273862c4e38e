/**
 * The servers of the sync benchmark: a process with one long chain and, on demand, nodes that serve it.
 *
 * Why it exists: on the other side of a wire there is another program; in one process the two would share a thread.
 * What must stay true: the chain is built once, in memory.
 */
import process from "node:process";
import { nullLogger, SystemClock, SystemRandom } from "../../../src/base/mod.ts";
import { RecentErrors } from "../../../src/api/mod.ts";
import { HsyncNode, openChain } from "../../../src/node/mod.ts";
import { createHost, newIdentity } from "../../../src/p2p/mod.ts";
import { appendRow } from "../../../src/sync/mod.ts";
import { buildBlocks } from "../../builder/mod.ts";
import {
  type ChainPlan,
  configOf,
  lines,
  networkOf,
  type ServersCommand,
  type ServersReady,
} from "./sync_plan.ts";

const BATCH = 128;
const plan = JSON.parse(Deno.args[0] ?? "") as ChainPlan;
const clock = new SystemClock();
const network = await networkOf(plan);
const { params } = network;
const blocks = buildBlocks(network, plan.length, { bytesPerBlock: plan.bytesPerBlock });
const store = await openChain({ params, shardId: 0, location: { kind: "memory" }, clock });
for (let from = 1; from < blocks.length; from += BATCH) {
  await store.append(
    blocks.slice(from, from + BATCH).map((b) =>
      appendRow(b.block, {
        assurance: plan.signed ? "signed" : "linked",
        commitSig: b.commitSig,
      }, params)
    ),
  );
}
const bytes = blocks.reduce((sum, b) => sum + b.bytes.length, 0);
blocks.length = 0;
const dir = await Deno.makeTempDir({ prefix: "hsync-bench-" });

/** Everything that stands for one command, to be stopped before the next. */
const standing: Array<() => Promise<void>> = [];
let cpu = process.cpuUsage();
async function clear(): Promise<void> {
  for (const stop of standing.splice(0).reverse()) await stop();
}

async function serve(command: ServersCommand): Promise<ServersReady> {
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = (user + system) / 1e6;
  await clear();
  const boot = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "bench",
  });
  standing.push(() => boot.stop());
  const [address = ""] = boot.addresses();
  const servers: string[] = [];
  const limits = command.limits === "go" ? [] : ["--sync.server.rate=0", "--sync.server.rate-per-stream=0"];
  let topic = "";
  for (let i = 0; i < command.servers; i++) {
    const home = `${dir}/server${i}`;
    await Deno.mkdir(home, { recursive: true });
    const node = await HsyncNode.start({
      loaded: configOf(home, [`--bootnodes=${address}`, "--sync.client=false", ...limits]),
      clock,
      random: new SystemRandom(),
      logger: nullLogger,
      errors: new RecentErrors(),
      params,
      store,
    });
    standing.push(() => node.stop());
    servers.push(node.host.addresses()[0] ?? "");
    topic = node.topics[0] ?? "";
  }
  // A client that comes before the announcements would measure those.
  const known = new Set<string>();
  while (known.size < command.servers) {
    for await (const peer of boot.discover(topic, { limit: command.servers, timeoutMs: 2_000 })) {
      known.add(peer.peerId);
    }
  }
  cpu = process.cpuUsage();
  return { cpuSeconds, boot: address, servers };
}

console.log(JSON.stringify({ built: plan.length, bytes, seconds: performance.now() / 1000 }));
try {
  for await (const line of lines(Deno.stdin.readable)) {
    console.log(JSON.stringify(await serve(JSON.parse(line) as ServersCommand)));
  }
} finally {
  await clear();
  await store.close();
  await Deno.remove(dir, { recursive: true });
}
process.exit(0);
