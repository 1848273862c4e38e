/**
 * How fast the pipeline gets a chain over links of given widths, in virtual time.
 *
 * Why it exists: what one slow peer costs the others is a ratio of two runs; where the machine has no say in them, it is
 * exact and the same everywhere. What must stay true: everything but the links and the store is the program's own.
 */
import assert from "node:assert/strict";
import { nullLogger, nullMeter, SeededRandom } from "../../../src/base/mod.ts";
import { type RateLimits, SyncProtocol } from "../../../src/stream/mod.ts";
import { SyncDriver } from "../../../src/sync/mod.ts";
import type { BuiltChain } from "../../builder/mod.ts";
import { SimNetwork } from "../../stream/support/sim_network.ts";
import type { LinkProfile } from "../../stream/support/sim_stream.ts";
import { STAGED } from "../../sync/support/rig.ts";
import { FakeStore } from "../../sync/support/store.ts";
import { SimClock } from "./clock.ts";
import { ServedChain } from "./served_chain.ts";
import { LinkedOnlyVerifier } from "../../sync/support/linked_only.ts";

const NO_LIMITS = { perStream: 0, global: 0 };
const LIMIT_MS = 3_600_000;

export interface ThroughputOptions {
  readonly concurrency?: number;
  /** Also `InitStreams`; default: as many as there are. */
  readonly minPeers?: number;
  /** Of the servers; default none. */
  readonly rateLimits?: RateLimits;
  /** What the server of this number does instead of serving well. */
  readonly reader?: (server: number, chain: ServedChain) => ServedChain;
  /** Called every 50 virtual ms with the head's height. */
  readonly watch?: (nowMs: number, head: number) => void;
}

/** Synchronises a chain from one server a link. @returns blocks a virtual second, from the first stream on. */
export async function throughput(
  chain: BuiltChain,
  links: readonly LinkProfile[],
  options: ThroughputOptions = {},
): Promise<number> {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const byServer = new Map<string, LinkProfile>();
  const fast: LinkProfile = { latencyMs: 1 };
  const network = new SimNetwork({
    clock,
    random,
    link: (from, to) => byServer.get(from) ?? byServer.get(to) ?? fast,
  });
  let id = 0n;
  const common = {
    service: "sync",
    network: "localnet",
    shardId: 0,
    clock,
    logger: nullLogger,
    meter: nullMeter,
    random,
    newId: () => ++id,
    rateLimits: options.rateLimits ?? NO_LIMITS,
    caps: { hardLowCap: links.length, softLowCap: links.length, highCap: 64, discBatch: 64 },
  } as const;
  const height = chain.blocks.length - 1;
  const served = (i: number) => {
    const plain = new ServedChain(chain.blocks, height);
    return options.reader?.(i, plain) ?? plain;
  };
  const protocols = links.map((link, i) => {
    const host = network.host();
    byServer.set(host.peerId, link);
    return new SyncProtocol({
      ...common,
      caps: { hardLowCap: 0, softLowCap: 0, highCap: 64, discBatch: 1 },
      host,
      reader: served(i),
    });
  });
  const store = new FakeStore({ blocks: chain.blocks.map(({ block, commitSig }) => ({ block, commitSig })) });
  const client = new SyncProtocol({
    ...common,
    host: network.host(),
    reader: new ServedChain(chain.blocks, 0),
  });
  const driver = new SyncDriver({
    store,
    peers: client,
    params: chain.params,
    config: {
      concurrency: options.concurrency ?? 6,
      minPeers: options.minPeers ?? links.length,
      initStreams: options.minPeers ?? links.length,
      staged: STAGED,
    },
    verifier: new LinkedOnlyVerifier(chain.params, 0),
    clock,
    logger: nullLogger,
    meter: nullMeter,
  });
  for (const protocol of protocols) await protocol.start();
  await clock.pass(1_000);
  await client.start();
  while (client.streams().length < links.length) await clock.pass(10);
  const begun = clock.monotonic();
  driver.start();
  while (store.head().number < height) {
    await clock.pass(50);
    options.watch?.(clock.monotonic() - begun, store.head().number);
    assert.ok(
      clock.monotonic() < LIMIT_MS,
      `stuck at ${store.head().number}: ${JSON.stringify(driver.status().diagnosis)}`,
    );
  }
  const perSecond = height * 1000 / (clock.monotonic() - begun);
  const stopping = Promise.all([driver.stop(), client.stop(), ...protocols.map((p) => p.stop())]);
  await clock.pass(30_000);
  await stopping;
  return perSecond;
}
