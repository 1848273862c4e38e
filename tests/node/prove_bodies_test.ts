/** `[Sync] ProveBodies` on whole nodes over real sockets: off, on, and switched on over what was stored without it. */
import assert from "node:assert/strict";
import { fromHex } from "../../src/base/mod.ts";
import type { HsyncNode } from "../../src/node/mod.ts";
import { protocolId } from "../../src/stream/mod.ts";
import { recordedChain, tip } from "../sync/support/chains.ts";
import {
  beaconPeer,
  clock,
  holds,
  nodeConfig,
  type Peer,
  reaches,
  readerOf,
  shardPeer,
  startNode,
} from "./peers.ts";

const CHAINS = [recordedChain(0), recordedChain(1)] as const;
/** Blocks that take in receipts. */
const TAKING = [56, 36] as const;

async function withPeers(story: (dir: string, peers: readonly Peer[]) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const peers: Peer[] = [];
  try {
    peers.push(await beaconPeer(readerOf(CHAINS[0].blocks)), await shardPeer(readerOf(CHAINS[1].blocks)));
    await story(dir, peers);
  } finally {
    for (const peer of peers) await peer.stop();
    await Deno.remove(dir, { recursive: true });
  }
}
async function running(
  loaded: Parameters<typeof startNode>[0],
  story: (node: HsyncNode) => Promise<void>,
): Promise<void> {
  const node = await startNode(loaded);
  try {
    await story(node);
  } finally {
    await node.stop();
  }
}
async function proven(node: HsyncNode): Promise<number> {
  let count = 0;
  for (let n = 1; n <= node.store.head().number; n++) {
    if ((await node.store.recordAt(n))?.body === "proven") count++;
  }
  return count;
}
const foreign = (node: HsyncNode, shard: number) =>
  node.status().streams.protocols.filter((p) => p.topic === protocolId("sync", "localnet", shard));

Deno.test("off, cross-links prove 54 of shard 0's 56 blocks, and no other shard is asked for anything", async () => {
  await withPeers(async (dir, peers) => {
    await running(nodeConfig(dir, 0, peers), async (node) => {
      await reaches(node, tip(CHAINS[0]));
      // What the last links prove is written down after the blocks that carry them.
      while (await proven(node) < 54) await clock.sleep(50);
      assert.equal(await proven(node), 54);
      assert.equal(node.status().bodies, null);
      assert.deepEqual(foreign(node, 1), []);
    });
  });
});

Deno.test("on, every block of shard 0 is proven, and what is served is what came", async () => {
  await withPeers(async (dir, peers) => {
    await running(nodeConfig(dir, 0, peers, ["--sync.prove-bodies"]), async (node) => {
      await reaches(node, tip(CHAINS[0]));
      await holds(() => {
        const { bodies } = node.status();
        return bodies?.lookedTo === tip(CHAINS[0]) && bodies.waiting === 0;
      });
      assert.equal(await proven(node), TAKING[0]);
      assert.deepEqual(foreign(node, 1).map((p) => [p.active, p.advertised]), [[1, false]]);
      for (const { block } of CHAINS[0].blocks.slice(1)) {
        if (block.incomingReceiptItems().length === 0) continue;
        assert.deepEqual((await node.store.blockAt(block.number))?.bytes, block.bytes);
      }
      const doc = node.status();
      assert.equal(doc.node.shard, 0);
      assert.deepEqual(fromHex(doc.sync.current.hash.slice(2)), CHAINS[0].blocks.at(-1)?.block.hash);
    });
  });
});

Deno.test("switched on over a stored chain of shard 1, it proves 34 of 36 blocks; a restart goes on with the rest", async () => {
  await withPeers(async (dir, peers) => {
    await running(nodeConfig(dir, 1, peers), async (node) => {
      await reaches(node, tip(CHAINS[1]));
      assert.equal(await proven(node), 0, "no links come to this shard");
    });
    const on = nodeConfig(dir, 1, peers, ["--sync.prove-bodies"]);
    for (const run of ["switched on", "restarted"]) {
      await running(on, async (node) => {
        const already = run === "restarted" ? 34 : 0;
        await holds(() => {
          const { bodies } = node.status();
          const { lookedTo, waiting, reasons } = bodies ?? {};
          return lookedTo === tip(CHAINS[1]) && waiting === 2 && reasons?.other === 2;
        });
        assert.equal(await proven(node), 34, run);
        const { bodies } = node.status();
        assert.equal(bodies?.proven, 34 - already);
        assert.deepEqual(bodies?.streams, [{ shard: 0, streams: 1 }]);
        // The other shard's protocol is not one that this node needs streams of.
        assert.ok(!node.status().sync.diagnosis.some((d) => d.code === "STREAMS_BELOW_MIN"));
      });
    }
  });
});
