/**
 * Runs benchmarks one after another and closes with one table: `deno task bench [--quick] [NAME…]`.
 *
 * Why it exists: the goals stand in many places, the figures should stand in one. What must stay true: every
 * `*_bench.ts` runs in a process of its own, so that none inherits the memory or the warmth of another; the
 * exit code says whether all of them ran, never how fast they were.
 */
import { fileURLToPath } from "node:url";
import { loadavg } from "node:os";
import { benchEnvironment, type Figure, parseFigures, tableOf, verdictOf } from "./support/figures.ts";

const DIR = fileURLToPath(new URL("./", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const SUFFIX = "_bench.ts";

const names = [...Deno.readDirSync(DIR)].map((entry) => entry.name).filter((name) => name.endsWith(SUFFIX))
  .map((name) => name.slice(0, -SUFFIX.length)).sort();
const chosen = Deno.args.filter((arg) => !arg.startsWith("-"));
const unknown = chosen.filter((name) => !names.includes(name));
const options = Deno.args.filter((arg) => arg.startsWith("-"));
if (unknown.length > 0 || options.some((option) => option !== "--quick")) {
  console.error(`usage: deno task bench [--quick] [${names.join("|")}]…`);
  Deno.exit(2);
}
const quickly = options.includes("--quick");

/** @returns what the benchmark left for the table, and whether it ended well. */
async function run(name: string): Promise<{ readonly figures: Figure[]; readonly ok: boolean }> {
  const file = await Deno.makeTempFile({ prefix: "hsync-bench-" });
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", CONFIG, `${DIR}${name}${SUFFIX}`],
      env: benchEnvironment(file, quickly),
      stdout: "inherit",
      stderr: "inherit",
    }).spawn().status;
    return { figures: parseFigures(await Deno.readTextFile(file)), ok: success };
  } finally {
    await Deno.remove(file);
  }
}

const groups = new Map<string, readonly Figure[]>();
const failed: string[] = [];
for (const name of names.filter((n) => chosen.length === 0 || chosen.includes(n))) {
  console.log(`\n── ${name}`);
  const { figures, ok } = await run(name);
  groups.set(name, figures);
  if (!ok) failed.push(name);
}
console.log(`\n${tableOf(groups).join("\n")}`);
console.log(
  `\n${navigator.hardwareConcurrency} cores, load ${loadavg().map((l) => l.toFixed(1)).join(" ")}` +
    `, deno ${Deno.version.deno}${quickly ? ", quick: sizes are cut and figures are rough" : ""}`,
);
for (const line of verdictOf(groups)) console.log(line);
if (failed.length > 0) {
  console.error(`error: did not end well: ${failed.join(", ")}`);
  Deno.exit(1);
}
