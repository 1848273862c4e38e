import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { nullLogger, nullMeter } from "../../src/base/mod.ts";
import { encodeBlock, makeHeader, networkParams } from "../../src/chain/mod.ts";
import { SyncDriver } from "../../src/sync/mod.ts";
import type { RecordedChain } from "../stream/support/chain.ts";
import { inWorld, type SimNode, type SimWorld } from "../stream/support/node.ts";
import { at, recordedChain, tip } from "./support/chains.ts";
import { STAGED } from "./support/rig.ts";
import { FakeStore } from "./support/store.ts";
import { LinkedOnlyVerifier } from "./support/linked_only.ts";

const CHAIN = recordedChain(0);
const LAN = { link: () => ({ latencyMs: 5 }) };

/** Synchronises a fresh store from the nodes of a world, over the real stream layer. */
async function syncFrom(
  world: SimWorld,
  servers: SimNode[],
  client: SimNode,
  ms = 120_000,
): Promise<FakeStore> {
  const store = new FakeStore(CHAIN);
  const params = networkParams("localnet");
  const driver = new SyncDriver({
    store,
    peers: client.protocol,
    params,
    config: { concurrency: 4, minPeers: servers.length, initStreams: servers.length, staged: STAGED },
    verifier: new LinkedOnlyVerifier(params, 0),
    clock: world.clock,
    logger: nullLogger,
    meter: nullMeter,
  });
  let synced = false;
  driver.on((event) => synced ||= event.type === "synced");
  await world.start(...servers, client);
  driver.start();
  for (let spent = 0; spent < ms && !synced; spent += 50) {
    await world.clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const status = JSON.stringify(driver.status().diagnosis);
  const stopping = driver.stop();
  await world.pass(100);
  await stopping;
  assert.ok(synced, `not in sync after ${ms} ms: ${status}`);
  return store;
}
const forgedOf = (node: SimNode) => (node.chain as RecordedChain).forged;

Deno.test("over streams: the recorded chain from four nodes that find each other", async () => {
  await inWorld(LAN, async (world) => {
    const servers = [426, 426, 425, 426].map((height) => world.node({ height }));
    const client = world.node({ height: 0 });
    const store = await syncFrom(world, servers, client);
    assert.equal(store.head().number, tip(CHAIN));
    assert.deepEqual(store.head().hash, at(CHAIN, tip(CHAIN)).block.hash);
    assert.deepEqual(client.events.filter((e) => e.type === "removed"), []);
  });
});

Deno.test("over streams: who serves a wrong byte in header, transactions or structure is removed, and nobody else", async () => {
  for (const lie of ["header", "transactions", "structure"] as const) {
    await inWorld(LAN, async (world) => {
      const servers = [426, 426, 426, 426].map((height) => world.node({ height }));
      const liar = servers[0] as SimNode;
      for (let n = 1; n <= 426; n++) {
        const { block } = at(CHAIN, n);
        const { transactions, stakingTransactions, incomingReceipts } = block.body;
        if (lie === "header") {
          const header = makeHeader({ ...block.header, extra: new Uint8Array([7]) });
          forgedOf(liar).set(n, { bytes: encodeBlock({ ...block.body, header }) });
        } else if (lie === "transactions") {
          const body = {
            transactions: [...transactions, ...transactions],
            stakingTransactions,
            incomingReceipts,
          };
          if (transactions.length > 0) {
            forgedOf(liar).set(n, { bytes: encodeBlock({ header: block.header, ...body }) });
          }
        } else forgedOf(liar).set(n, { bytes: block.bytes.slice(0, -1) });
      }
      const client = world.node({ height: 0 });
      const store = await syncFrom(world, servers, client);
      assert.equal(store.head().number, 426);
      const removed = client.events.filter((e) => e.type === "removed");
      assert.ok(removed.length > 0, `${lie}: nobody was removed`);
      for (const event of removed) {
        assert.equal(event.id, liar.host.peerId, lie);
        assert.equal(event.critical, true);
      }
    });
  }
});
