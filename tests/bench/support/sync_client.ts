/**
 * One client of the sync benchmark: a whole node in a process of its own that synchronises from an empty store.
 *
 * Why it exists: memory and start-up belong to a process, not to a function. What must stay true: what is measured is
 * what `hsync run` does, with its store on disk; the head is compared with what the servers hold by the caller's length.
 */
import process from "node:process";
import { Session } from "node:inspector";
import { nullLogger, SystemClock, SystemRandom } from "../../../src/base/mod.ts";
import { RecentErrors } from "../../../src/api/mod.ts";
import { HsyncNode, openChain } from "../../../src/node/mod.ts";
import { type ClientPlan, type ClientResult, configOf, networkOf } from "./sync_plan.ts";

const importMs = performance.now();
/** How often the event loop is asked whether it still turns. */
const BEAT_MS = 5;

const plan = JSON.parse(Deno.args[0] ?? "") as ClientPlan;
const { params } = await networkOf(plan.chain);
const clock = new SystemClock();
const dir = await Deno.makeTempDir({ prefix: "hsync-bench-" });

/** Delays of the event loop, in ms, until the result is called. */
function watchLoop(): () => { readonly p99: number; readonly max: number } {
  const late: number[] = [];
  let due = performance.now() + BEAT_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - due));
    due = now + BEAT_MS;
  }, BEAT_MS);
  return () => {
    clearInterval(timer);
    late.sort((a, b) => a - b);
    return { p99: late[Math.floor(late.length * 0.99)] ?? 0, max: late.at(-1) ?? 0 };
  };
}

/** A V8 profile of what runs in between; without a file nothing happens. */
async function profiled<T>(file: string | undefined, work: () => Promise<T>): Promise<T> {
  if (file === undefined) return await work();
  const session = new Session();
  session.connect();
  const ask = (method: string, params: Record<string, unknown> = {}) =>
    new Promise<Record<string, unknown>>((resolve, reject) =>
      session.post(
        method,
        params,
        (error: Error | null, answer?: object) => error === null ? resolve({ ...answer }) : reject(error),
      )
    );
  await ask("Profiler.enable");
  await ask("Profiler.setSamplingInterval", { interval: 500 });
  await ask("Profiler.start");
  try {
    return await work();
  } finally {
    const { profile } = await ask("Profiler.stop");
    await Deno.writeTextFile(file, JSON.stringify(profile));
    session.disconnect();
  }
}

async function measure(): Promise<ClientResult> {
  const goal = plan.stopAt ?? plan.chain.length;
  const store = await openChain({
    params,
    shardId: 0,
    location: { kind: "file", dir: `${dir}/chain` },
    clock,
  });
  const loop = watchLoop();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const node = await HsyncNode.start({
    loaded: configOf(dir, plan.flags),
    clock,
    random: new SystemRandom(),
    logger: nullLogger,
    errors: new RecentErrors(),
    params,
    store,
  });
  let limit: ReturnType<typeof setTimeout> | undefined;
  try {
    const since = () => performance.now() - begun;
    let firstStreamMs = 0, firstCommitMs = 0;
    await new Promise<void>((resolve, reject) => {
      const opened = () => {
        if (firstStreamMs === 0) firstStreamMs = since();
      };
      limit = setTimeout(() => {
        const { sync } = node.status();
        const why = sync.diagnosis[0]?.text ?? sync.waiting[0]?.what ?? sync.state;
        reject(new Error(`${sync.current.height} of ${goal} blocks after ${plan.limitSeconds} s: ${why}`));
      }, plan.limitSeconds * 1000);
      if (node.protocol.streams().length > 0) opened();
      node.protocol.on((event) => event.type === "added" ? opened() : undefined);
      node.driver?.on((event) => {
        if (event.type === "failed") reject(event.error);
        if (event.type !== "committed") return;
        if (firstCommitMs === 0) firstCommitMs = since();
        if (event.head.number >= goal) resolve();
      });
    });
    const ms = since();
    const { user, system } = process.cpuUsage(cpu);
    const { p99, max } = loop();
    return {
      blocks: node.store.head().number,
      seconds: ms / 1000,
      syncSeconds: (ms - firstStreamMs) / 1000,
      cpuSeconds: (user + system) / 1e6,
      importMs,
      firstStreamMs,
      firstCommitMs,
      rssBytes: Deno.memoryUsage().rss,
      loopP99Ms: p99,
      loopMaxMs: max,
      assurance: node.store.lowestAssurance(),
    };
  } finally {
    clearTimeout(limit);
    await node.stop();
    await store.close();
    await Deno.remove(dir, { recursive: true });
  }
}

console.log(JSON.stringify(await profiled(plan.profile, measure)));
process.exit(0);
