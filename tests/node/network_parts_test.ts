/** What of the configuration reaches the parts of the network. */
import assert from "node:assert/strict";
import { ManualClock, nullLogger, SeededRandom } from "../../src/base/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { paramsOf } from "../../src/node/chain.ts";
import { epochProtocol, ownProtocol } from "../../src/node/network_parts.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import { MemoryMeter } from "../stream/support/meter.ts";
import { localFlags } from "./support.ts";

const ONE = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const TWO = "QmbPVwrqWsTYXq1RxGWcxx9SWaTUCfoo1wA6wmdbduWe29";

Deno.test("trusted nodes are trusted by both protocols of a beacon node, those with an id behind a name from the start", () => {
  const trusted = [
    `/ip4/10.0.0.1/tcp/9000/p2p/${ONE}`,
    `/dnsaddr/friends.io/p2p/${TWO}`,
    "/dnsaddr/others.io",
  ];
  const args = localFlags("/nonexistent", ["--run.shard", "0", "--sync.trusted-nodes", trusted.join(",")]);
  const { config } = loadConfig({ flags: parseArgv(args, FLAGS).flags, env: () => undefined });
  const params = paramsOf(config);
  const parts = {
    clock: new ManualClock(),
    random: new SeededRandom(1),
    logger: nullLogger,
    meter: new MemoryMeter(),
  };
  const store = {} as ChainStore;
  const want = [
    { peerId: ONE, addresses: [`/ip4/10.0.0.1/tcp/9000/p2p/${ONE}`] },
    { peerId: TWO, addresses: [] },
  ];
  assert.deepEqual(ownProtocol(config, params, store, parts).trusted, want);
  assert.deepEqual(epochProtocol(config, params, store, parts).trusted, want);
});
