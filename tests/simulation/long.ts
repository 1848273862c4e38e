/**
 * Many seeds of the simulated network, or one of them with somebody watched:
 * `deno task long [--from SEED] [--seeds N] [--watch NODE] [--log FILE]`.
 *
 * Why it exists: the gate plays a hundred seeds; what happens once in a thousand is found here. Each seed is played in
 * about a second of processor time. The exit code says whether all of them held.
 */
import process from "node:process";
import { play, type Watcher } from "./support/story.ts";

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(name);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}
function text(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at < 0 ? undefined : Deno.args[at + 1];
}

const from = option("--from", 1);
const seeds = option("--seeds", 1_000);
const watched = text("--watch");
const file = text("--log");

const watch: Watcher = (name, node, nowMs, nameOf) => {
  if (name !== watched) return;
  const { driver, phase, target, cycle, waiting, diagnosis } = node.driver.status();
  const streams = node.protocol.streams().map((s) =>
    `${nameOf(s.id)}:${s.height}:${s.requestType ?? "idle"}:${s.latencyMs}ms`
  );
  const causes = diagnosis.map((d) => d.code);
  const head = node.store.head().number;
  const state = { driver, phase, target: target?.height, cycle, waiting, causes, streams };
  console.log(`${nowMs} ${name} at ${head} ${JSON.stringify(state)}`);
};

const failed: number[] = [];
const reached: number[] = [];
const { user: before } = process.cpuUsage();
for (let seed = from; seed < from + seeds; seed++) {
  try {
    const story = await play(seed, watch);
    reached.push(story.reachedAt);
    if (file !== undefined) Deno.writeTextFileSync(file, story.log.join("\n") + "\n");
    if (seeds === 1) {
      console.log(`seed ${seed} (${story.cast}): ${story.log.length} events, hash ${story.hash}`);
    }
  } catch (error) {
    failed.push(seed);
    console.log(error instanceof Error ? error.message : String(error));
    const { log } = (error as { cause: { log: readonly string[] } }).cause;
    if (file !== undefined) Deno.writeTextFileSync(file, log.join("\n") + "\n");
  }
  if (seed % 100 === 0) console.log(`${seed - from + 1} seeds, ${failed.length} failed`);
}
reached.sort((a, b) => a - b);
const seconds = (share: number) =>
  ((reached[Math.floor(share * (reached.length - 1))] ?? 0) / 1000).toFixed(0);
const cpu = (process.cpuUsage().user - before) / 1e6;
console.log(
  `${seeds} seeds, ${failed.length} failed${
    failed.length > 0 ? ` (${failed.join(", ")})` : ""
  }; all at the head after ` +
    `${seconds(0.5)} s in the middle, ${seconds(1)} s at the latest; ${
      (cpu / seeds).toFixed(2)
    } s of processor a seed`,
);
Deno.exit(failed.length === 0 ? 0 : 1);
