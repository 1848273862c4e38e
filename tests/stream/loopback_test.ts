/** The stream layer once over real libp2p on loopback: what the simulation cannot vouch for. */
import assert from "node:assert/strict";
import { nullLogger, SystemClock } from "../../src/base/mod.ts";
import { createHost, type LibP2PHost, newIdentity } from "../../src/p2p/mod.ts";
import {
  leaveNetwork,
  type StreamEvent,
  SyncProtocol,
  type SyncProtocolOptions,
} from "../../src/stream/mod.ts";
import { RecordedChain } from "./support/chain.ts";
import { MemoryMeter } from "./support/meter.ts";

const clock = new SystemClock();
const NO_LIMITS = { perStream: 0, global: 0 };

class Network implements AsyncDisposable {
  readonly #hosts: LibP2PHost[] = [];
  readonly #protocols: SyncProtocol[] = [];
  boot = "";

  async host(): Promise<LibP2PHost> {
    const host = await createHost({
      identity: await newIdentity(),
      ip: "127.0.0.1",
      port: 0,
      userAgent: "hsync/test",
      ...(this.boot === "" ? {} : { bootnodes: [this.boot] }),
    });
    this.#hosts.push(host);
    if (this.boot === "") this.boot = host.addresses()[0] ?? "";
    return host;
  }
  async node(
    height: number,
    options: Partial<SyncProtocolOptions> = {},
  ): Promise<{ readonly host: LibP2PHost; readonly protocol: SyncProtocol; readonly chain: RecordedChain }> {
    const host = await this.host();
    const chain = new RecordedChain(0, height);
    const protocol = new SyncProtocol({
      host,
      service: "sync",
      network: "localnet",
      shardId: 0,
      reader: chain,
      caps: { hardLowCap: 2, softLowCap: 2, highCap: 16, discBatch: 8 },
      clock,
      logger: nullLogger,
      meter: new MemoryMeter(),
      rateLimits: NO_LIMITS,
      ...options,
    });
    this.#protocols.push(protocol);
    await protocol.start();
    return { host, protocol, chain };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#protocols.map((p) => p.stop()));
    await Promise.all(this.#hosts.map((h) => h.stop()));
  }
}

/** The next event that satisfies `wanted`, or one that already happened to the state. */
function event(protocol: SyncProtocol, wanted: (e: StreamEvent) => boolean): Promise<StreamEvent> {
  return new Promise((resolve) => {
    const off = protocol.on((e) => {
      if (!wanted(e)) return;
      off();
      resolve(e);
    });
  });
}
async function connected(protocol: SyncProtocol, n: number): Promise<void> {
  while (protocol.streams().length < n) await event(protocol, (e) => e.type === "added");
}

Deno.test("loopback: found through the DHT, probed, asked, and told apart when one goes", async () => {
  await using network = new Network();
  await network.host();
  const one = await network.node(120);
  const two = await network.node(120);
  const client = await network.node(0);
  await connected(client.protocol, 2);
  const ids = new Set([one.host.peerId, two.host.peerId]);
  assert.deepEqual(new Set(client.protocol.streams().map((s) => s.id)), ids);
  assert.deepEqual(client.protocol.streams().map((s) => s.height), [120, 120]);
  for (let from = 1; from <= 91; from += 10) {
    const hashes = Array.from({ length: 10 }, (_, i) => one.chain.hash(from + i));
    const { value, streamId } = await client.protocol.client.getBlocksByHashes(hashes);
    assert.deepEqual(value.map((b) => b?.block.number), hashes.map((_, i) => from + i));
    assert.ok(ids.has(streamId));
  }
  const gone = event(client.protocol, (e) => e.type === "removed" && e.id === one.host.peerId);
  await leaveNetwork(one.host, [one.protocol]);
  const removed = await gone;
  assert.ok(removed.type === "removed" && !removed.critical && removed.fault === "TRANSPORT");
  const { streamId } = await client.protocol.client.getBlockNumber();
  assert.equal(streamId, two.host.peerId);
  assert.equal(client.protocol.snapshot().cooldown, 0);
});

Deno.test("loopback: an answer of many megabytes arrives whole", async () => {
  await using network = new Network();
  await network.host();
  const server = await network.node(120);
  const blob = crypto.getRandomValues(new Uint8Array(60_000));
  // The blocks do not decode; what matters is that all bytes come and the blame is right.
  const big = new Uint8Array(1_500_000);
  for (let at = 0; at < big.length; at += blob.length) big.set(blob, at);
  for (let n = 1; n <= 10; n++) server.chain.forged.set(n, { bytes: big, commitSig: new Uint8Array(97) });
  const received: number[] = [];
  const client = await network.node(0, {
    checker: (blocks) => {
      for (const b of blocks) {
        received.push(b.length);
        assert.deepEqual(b.subarray(0, 60_000), blob);
      }
      throw new Error("seen enough");
    },
  });
  await connected(client.protocol, 1);
  await assert.rejects(
    client.protocol.client.getBlocksByNumber([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    /seen enough/,
  );
  assert.deepEqual(received, Array(10).fill(1_500_000));
  assert.equal(client.protocol.streams().length, 1, "a failure of our own blames nobody");
});
