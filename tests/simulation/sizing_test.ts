/** What one bad server costs the others, in virtual time: exact, and the same on every machine. */
import assert from "node:assert/strict";
import { buildChain } from "../builder/mod.ts";
import { throughput } from "./support/throughput.ts";

const chain = buildChain({ seed: 4, length: 4_000 });
const link = { latencyMs: 100, bytesPerMs: 500 };
const slow = { latencyMs: 1_000, bytesPerMs: 50 };
const good = [link, link, link, link];

Deno.test("sizing: a server of a tenth of the others' speed costs them at most a tenth", async () => {
  const [without, together] = [
    await throughput(chain, good, { minPeers: 4 }),
    await throughput(chain, [...good, slow], { minPeers: 4 }),
  ];
  assert.ok(together >= 0.9 * without, `${together} instead of ${without} blocks/s`);
});

Deno.test("sizing: six streams a good way off carry at least four fifths of what they could", async () => {
  const rtt = 2 * link.latencyMs;
  const carried = await throughput(chain, [...good, link, link], { minPeers: 4 });
  const could = 6 * 10 * 1000 / rtt;
  assert.ok(carried >= 0.8 * could, `${carried} of ${could} blocks/s`);
});

Deno.test("sizing: one server with the Go node's limits is used to the full, and the first blocks are stored soon", async () => {
  let first: number | undefined;
  const perSecond = await throughput(chain, [{ latencyMs: 1 }], {
    rateLimits: { perStream: 10, global: 50 },
    watch: (nowMs, head) => {
      if (head > 0) first ??= nowMs;
    },
  });
  // Ten requests a second: one in six is for hashes.
  const could = 10 / (1 / 10 + 1 / 50);
  assert.ok(perSecond >= 0.95 * could, `${perSecond} of ${could} blocks/s`);
  assert.ok((first ?? Infinity) <= 2_500, `the first commit came after ${first} ms`);
});
