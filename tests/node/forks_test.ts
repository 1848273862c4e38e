/** Forks that the right committee has not signed, over real libp2p: a whole node refuses them and goes on with the honest chain. */
import assert from "node:assert/strict";
import { equalBytes } from "../../src/base/mod.ts";
import { ChainBuilder, forgeNext, type Forgery } from "../builder/mod.ts";
import { hashAt, type TestChain, tip } from "../sync/support/chains.ts";
import { delivered, memoryStore, signedChain, signedNetwork } from "../sync/support/certified.ts";
import { holds, nodeConfig, type Peer, readerOf, Started, startNode, startPeer } from "./peers.ts";

const SEED = 89;
const NETWORK = signedNetwork({ seed: SEED, epochLength: 16, electedSlots: 3, shardCount: 1 });
const HONEST = signedChain(NETWORK, 60, { absence: 0 });
const FORKS_AT = 35;
const LIARS = 12;

/** The honest chain below `FORKS_AT`, then forged blocks, to above the honest head: a higher claim is always tried. */
function fork(kind: Forgery): TestChain {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < FORKS_AT - 1) builder.next();
  const branch = builder.fork(1);
  const blocks = HONEST.blocks.slice(0, FORKS_AT);
  while (blocks.length <= tip(HONEST) + 5) blocks.push(delivered(forgeNext(branch, kind)));
  return { blocks };
}

// T-10
Deno.test(`${LIARS} peers with forks signed by too few or by the last epoch's committee: who sent their bytes is removed, the honest chain is reached (seed ${SEED})`, async () => {
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
    const peers = [...liars, honest].flatMap((peer) => ["--bootnodes", peer.address]);
    const caps = ["--sync.disc.soft-low-cap", "32", "--sync.disc.hard-low-cap", "32"];
    const node = started.add(
      await startNode(nodeConfig(started.dir, 0, [], [...caps, ...peers]), { params: NETWORK.params, store }),
    );
    const convicted = () =>
      new Set(node.protocol.snapshot().cooldownList.filter((c) => c.critical).map((c) => c.id));
    const caught = (kind: number) => liars.some(({ id }, i) => i % 2 === kind && convicted().has(id));
    await holds(() =>
      node.driver?.failed !== undefined ||
      store.head().number >= tip(HONEST) && forks.every((_, kind) => caught(kind))
    );
    assert.equal(node.driver?.failed, undefined);
    assert.equal(store.head().number, tip(HONEST));
    for (let n = 1; n <= tip(HONEST); n++) {
      const hash = await store.hashAt(n);
      assert.ok(hash !== undefined && equalBytes(hash, hashAt(HONEST, n)), `block ${n}`);
      assert.equal((await store.recordAt(n))?.assurance, "signed");
    }
    for (const id of convicted()) assert.notEqual(id, honest.id);
    assert.ok(node.protocol.streams().some((stream) => stream.id === honest.id), "the honest peer is gone");
  } finally {
    await started.end();
  }
});
