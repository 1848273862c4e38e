/**
 * What a slow peer costs the others: `deno run -A tests/bench/sizing_bench.ts`.
 *
 * The whole pipeline over the whole stream layer on a simulated network, in virtual time: links have a latency and a width,
 * the machine has no say. Goal: a peer of a tenth of the others' speed costs at most a tenth of the throughput.
 */
import { buildChain } from "../builder/mod.ts";
import { throughput } from "../simulation/support/throughput.ts";
import { figure, quick } from "./support/figures.ts";

const chain = buildChain({ seed: 4, length: quick ? 2_000 : 6_000, bytesPerBlock: 1_600 });
const others = [2, 4, 8];
/** Round trip and width: a server next door, one far away, and one on a thin line. */
const kinds = [
  { name: "near", link: { latencyMs: 2, bytesPerMs: 1_000 } },
  { name: "far", link: { latencyMs: 150, bytesPerMs: 1_000 } },
  { name: "thin", link: { latencyMs: 40, bytesPerMs: 50 } },
];
for (const { name, link } of kinds) {
  const slow = { latencyMs: 10 * link.latencyMs, bytesPerMs: link.bytesPerMs / 10 };
  for (const n of others) {
    const links = Array.from({ length: n }, () => link);
    const without = await throughput(chain, links, { minPeers: n });
    const with_ = await throughput(chain, [...links, slow], { minPeers: n });
    console.log(
      `${n} ${name} servers: ${Math.round(without)} blocks/s, with one of a tenth of their speed ${
        Math.round(with_)
      }`,
    );
    figure({
      what: `${n} ${name} servers and one ten times slower`,
      value: with_ / without,
      unit: "of 1",
      goal: 0.9,
    });
  }
}
Deno.exit(0);
