/** Bad company, and what the pipeline makes of it over the whole stream layer: on a simulated network and over libp2p. */
import assert from "node:assert/strict";
import type { RecordedChain } from "../stream/support/chain.ts";
import type { BatchVerifier } from "../../src/sync/mod.ts";
import { at, recordedChain, tip } from "./support/chains.ts";
import { type Client, type Net, onBothNetworks, type Server } from "./support/nets.ts";

const CHAIN = recordedChain(0);
const TIP = tip(CHAIN);
const MINUTE = 60_000;

const certifying: BatchVerifier = {
  certifies: true,
  verify: (batch) =>
    Promise.resolve({
      accepted: batch.map((b) => ({ assurance: "signed" as const, commitSig: b.delivered.commitSig })),
    }),
};
async function servers(
  net: Net,
  count: number,
  options: Parameters<Net["server"]>[0] = {},
): Promise<Server[]> {
  const out: Server[] = [];
  for (let i = 0; i < count; i++) out.push(await net.server(options));
  return out;
}
async function reaches(net: Net, client: Client, height: number, ms: number): Promise<number> {
  const spent = await net.until(`block ${height}`, () => client.store.head().number >= height, ms);
  assert.deepEqual(client.store.head().hash, at(CHAIN, height).block.hash);
  return spent;
}
const removed = (client: Client) => client.streamEvents.filter((e) => e.type === "removed");

/** Virtual time from the first streams to the head; every two seconds a server is restarted, if asked for. */
async function timed(net: Net, restarts: boolean): Promise<number> {
  const all = await servers(net, 4, { rateLimits: { perStream: 1, burst: 1, global: 0 } });
  const client = await net.client({ minPeers: 4 });
  await net.until("four streams", () => client.protocol.streams().length === 4, MINUTE);
  const begun = net.clock.monotonic();
  for (const [i, server] of (restarts ? all : []).entries()) {
    await net.until("the time", () => net.clock.monotonic() - begun >= 2_000 * (i + 1), 3_000);
    assert.ok(client.store.head().number < TIP);
    await server.restart();
  }
  await reaches(net, client, TIP, 2 * MINUTE);
  assert.deepEqual(removed(client).filter((e) => e.type === "removed" && e.critical), []);
  return net.clock.monotonic() - begun;
}

// T-02
onBothNetworks(
  "a server dies every two seconds and comes back: no more than half as long again",
  async (net, again) => {
    const [undisturbed, disturbed] = [await timed(net, false), await again((other) => timed(other, true))];
    assert.ok(disturbed <= 1.5 * undisturbed, `${disturbed} ms instead of ${undisturbed} ms`);
  },
);

// T-09
onBothNetworks(
  "a peer that claims height 2^53 is dismissed at once, and nobody runs after it",
  async (net) => {
    const all = await servers(net, 3);
    const liar = await net.server({
      prepare: (chain) => {
        Object.assign(chain, { head: () => ({ number: 2 ** 53, hash: chain.hash(TIP) }) });
      },
    });
    const client = await net.client({ minPeers: 3 });
    await reaches(net, client, TIP, MINUTE);
    await net.pass(10_000);
    assert.equal(client.store.head().number, TIP);
    assert.deepEqual(client.protocol.streams().map((s) => s.id).sort(), all.map((s) => s.id).sort());
    assert.ok(client.events.filter((e) => e.type === "cycle").length <= 6);
    const [entry] = client.protocol.snapshot().cooldownList;
    assert.deepEqual([entry?.id, entry?.critical], [liar.id, true]);
  },
);

/** Another byte in every fifth header. */
function lies(chain: RecordedChain): void {
  for (let n = 3; n <= TIP; n += 5) {
    const bytes = chain.bytes(n).slice();
    bytes[120] = (bytes[120] as number) ^ 1;
    chain.forged.set(n, { bytes });
  }
}
// T-10
onBothNetworks(
  "many liars and one honest peer: the head is reached, each liar was believed once at most",
  async (net) => {
    const liars = new Set((await servers(net, net.real ? 12 : 30, { prepare: lies })).map((s) => s.id));
    const honest = await net.server();
    const client = await net.client({ minPeers: 8 });
    await reaches(net, client, TIP, 3 * MINUTE);
    assert.ok(client.protocol.streams().some((s) => s.id === honest.id));
    const caught = client.protocol.snapshot().cooldownList;
    assert.ok(caught.length >= liars.size / 2, `${caught.length} liars caught`);
    for (const { id, critical, removals } of caught) {
      assert.ok(liars.has(id) && critical && removals === 1);
    }
    assert.equal(removed(client).some((e) => e.id === honest.id), false);
  },
);

// T-11
onBothNetworks(
  "among old peers only, their height is accepted; a fresh one is followed within 35 s",
  async (net) => {
    await servers(net, 4, { height: 300 });
    const client = await net.client({ minPeers: 3, verifier: certifying });
    await reaches(net, client, 300, MINUTE);
    await net.pass(2 * MINUTE);
    assert.equal(client.store.head().number, 300);
    assert.equal(client.driver.status().driver, "Synced");
    await net.server();
    const spent = await reaches(net, client, TIP, 35_000);
    assert.ok(spent <= 35_000, `${spent} ms`);
    assert.deepEqual(removed(client), []);
  },
);

// T-12
onBothNetworks(
  "seven pruned peers and one archive: all are kept, each is used for what it has",
  async (net) => {
    const pruned = await servers(net, 7, { prepare: (chain) => chain.from = 326 });
    const archive = await net.server();
    const client = await net.client({ minPeers: 8 });
    await reaches(net, client, TIP, 2 * MINUTE);
    assert.deepEqual(removed(client), []);
    assert.equal(client.protocol.streams().length, 8);
    assert.ok(archive.chain.reads >= 300, "only the archive has the old ones");
    assert.ok(pruned.reduce((sum, p) => sum + p.chain.reads, 0) >= 50, "the others helped with the new ones");
  },
);

// T-14
onBothNetworks(
  "no stream for ten minutes is said once a minute; with the first one sync begins within 11 s",
  async (net) => {
    const client = await net.client({ minPeers: 3 });
    await net.pass(10 * MINUTE);
    const warnings = client.logs.filter((l) => l.level === "warn" && l.message.startsWith("waiting for"));
    assert.ok(warnings.length >= 9 && warnings.length <= 10, `${warnings.length} warnings in ten minutes`);
    assert.equal(client.driver.status().phase, "waitingForStreams", "not ready");
    await net.server();
    await net.until("the stream", () => client.protocol.streams().length === 1, 6 * MINUTE);
    const spent = await net.until("sync", () => client.driver.status().driver === "LongRange", 20_000);
    assert.ok(spent <= 11_000, `${spent} ms`);
    const { degraded, diagnosis } = client.driver.status();
    assert.equal(degraded, true);
    assert.ok(
      diagnosis.some((d) => d.code === "STREAMS_BELOW_MIN"),
      "it says that it runs on fewer than wanted",
    );
    await reaches(net, client, TIP, MINUTE);
  },
);

onBothNetworks(
  "one server a block behind, one silent, one gone: the head is reached without a pause above 5 s",
  async (net) => {
    const rateLimits = { perStream: 5, burst: 5, global: 0 };
    await servers(net, 2, { rateLimits });
    const behind = await net.server({ rateLimits, height: TIP - 1 });
    const silence = Promise.withResolvers<undefined>();
    const silent = await net.server({
      rateLimits,
      prepare: (chain) => {
        Object.assign(chain, { hashAt: () => silence.promise, blockAt: () => silence.promise });
      },
    });
    const gone = await net.server({ rateLimits });
    try {
      const client = await net.client({ minPeers: 4 });
      await net.until("five streams", () => client.protocol.streams().length === 5, MINUTE);
      let [head, since, longest] = [0, net.clock.monotonic(), 0];
      let alive = true;
      // As fast as real time, so that sockets do not look slow.
      await net.until(
        "the head",
        () => {
          const now = client.store.head().number;
          if (now > head) [head, since] = [now, net.clock.monotonic()];
          longest = Math.max(longest, net.clock.monotonic() - since);
          if (alive && now > 100) {
            alive = false;
            void gone.die();
          }
          return now >= TIP;
        },
        MINUTE,
        2,
      );
      assert.ok(longest <= 5_000, `a pause of ${longest} ms`);
      assert.deepEqual(removed(client).filter((e) => e.id === behind.id || e.id === silent.id), []);
      assert.ok(client.protocol.streams().some((s) => s.id === behind.id));
    } finally {
      silence.resolve(undefined);
    }
  },
);

// T-14
onBothNetworks(
  "many that have nothing yet and one that has the chain: it is not waited for others like it",
  async (net) => {
    await servers(net, 5, { height: 0 });
    await net.server();
    const client = await net.client({ minPeers: 4 });
    await net.until("six streams", () => client.protocol.streams().length === 6, MINUTE);
    const spent = await reaches(net, client, TIP, MINUTE);
    assert.ok(spent <= 30_000, `${spent} ms`);
    assert.deepEqual(removed(client), []);
  },
);
