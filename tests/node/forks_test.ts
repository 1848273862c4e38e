/** Forks that the right committee has not signed, over real libp2p: a whole node refuses them and goes on with the honest chain. */
import assert from "node:assert/strict";
import { equalBytes } from "../../src/base/mod.ts";
import type { HsyncNode } from "../../src/node/mod.ts";
import { ChainBuilder, forgeNext, type Forgery } from "../builder/mod.ts";
import { hashAt, type TestChain, tip } from "../sync/support/chains.ts";
import { delivered, memoryStore, signedChain, signedNetwork } from "../sync/support/certified.ts";
import { holds, nodeConfig, type Peer, readerOf, Started, startNode, startPeer } from "./peers.ts";

const SEED = 89;
const NETWORK = signedNetwork({ seed: SEED, epochLength: 16, electedSlots: 3, shardCount: 1 });
const HONEST = signedChain(NETWORK, 60, { absence: 0 });
const FORKS_AT = 35;
const LIARS = 30;

/** The honest chain below `FORKS_AT`, then forged blocks, to above the honest head: a higher claim is always tried. */
function fork(kind: Forgery): TestChain {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < FORKS_AT - 1) builder.next();
  const branch = builder.fork(1);
  const blocks = HONEST.blocks.slice(0, FORKS_AT);
  while (blocks.length <= tip(HONEST) + 5) blocks.push(delivered(forgeNext(branch, kind)));
  return { blocks };
}

/** Liars of two kinds and one honest peer, who is found as the node's settings have it, until the node is at the honest head. */
async function against(
  settings: (liars: readonly Peer[], honest: Peer) => readonly string[],
  check: (node: HsyncNode, liars: readonly Peer[], honest: Peer) => Promise<void> | void,
): Promise<void> {
  const started = new Started();
  try {
    const serve = async ({ blocks }: TestChain) =>
      started.add(
        await startPeer([{ service: "sync", shardId: 0, reader: readerOf(blocks) }], NETWORK.params.name),
      );
    const forks = [fork("below-quorum"), fork("old-committee")] as const;
    const liars: Peer[] = [];
    for (let i = 0; i < LIARS; i++) liars.push(await serve(forks[i % 2] as TestChain));
    const honest = await serve(HONEST);
    const store = await memoryStore(NETWORK.params, 0);
    started.defer(() => store.close());
    const config = nodeConfig(started.dir, 0, [], settings(liars, honest));
    const node = started.add(await startNode(config, { params: NETWORK.params, store }));
    await holds(() => node.driver?.failed !== undefined || store.head().number >= tip(HONEST));
    assert.equal(node.driver?.failed, undefined);
    assert.equal(store.head().number, tip(HONEST));
    for (let n = 1; n <= tip(HONEST); n++) {
      const hash = await store.hashAt(n);
      assert.ok(hash !== undefined && equalBytes(hash, hashAt(HONEST, n)), `block ${n}`);
      assert.equal((await store.recordAt(n))?.assurance, "signed");
    }
    await check(node, liars, honest);
    assert.ok(!cooling(node).has(honest.id));
    assert.ok(node.protocol.streams().some((stream) => stream.id === honest.id), "the honest peer is gone");
  } finally {
    await started.end();
  }
}
/** Peers that were convicted. */
const cooling = (node: HsyncNode) =>
  new Set(node.protocol.snapshot().cooldownList.filter((c) => c.critical).map((c) => c.id));
const bootnodes = (peers: readonly Peer[]) => peers.flatMap((peer) => ["--bootnodes", peer.address]);

// T-10
Deno.test(`${LIARS} peers with forks signed by too few or by the last epoch's committee: all are removed, the honest chain is reached (seed ${SEED})`, async () => {
  const caps = ["--sync.disc.soft-low-cap", "32", "--sync.disc.hard-low-cap", "32"];
  await against((liars, honest) => [...caps, ...bootnodes([...liars, honest])], async (node, liars) => {
    await holds(() => liars.every(({ id }) => cooling(node).has(id)));
    await holds(() => node.driver?.status().driver === "Synced");
    const status = node.driver?.status();
    assert.equal(status?.target?.height, tip(HONEST), "what only refused forks reach is no target");
    assert.deepEqual(status?.waiting, []);
    assert.ok(status?.diagnosis.every(({ code }) => code !== "BAD_BLOCK"));
  });
});

// T-10
Deno.test(`a node whose every stream is a liar's finds its way to the one honest peer by itself (seed ${SEED})`, async () => {
  await against((liars, honest) => bootnodes([...liars, honest]), () => {});
});
