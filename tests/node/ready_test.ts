/** `/ready` and `/health` of a whole node over HTTP: what an orchestrator asks. */
import assert from "node:assert/strict";
import { recordedChain } from "../sync/support/chains.ts";
import { clock, holds, nodeConfig, readerOf, Started, startNode, startPeer } from "./peers.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly ready?: boolean; readonly alive?: boolean; readonly reason?: string };
}

async function ask(url: string, path: string): Promise<Answer> {
  const response = await fetch(new URL(path, url));
  return { status: response.status, body: await response.json() };
}

// T-14
Deno.test("a node without a stream is alive and not ready, and says why; ready once it has what the first peer has", async () => {
  const all = new Started();
  try {
    const { blocks } = recordedChain(0);
    const peer = all.add(
      await startPeer([{ service: "sync", shardId: 0, reader: readerOf(blocks, () => 60) }]),
    );
    const node = all.add(await startNode(nodeConfig(all.dir, 0, [], ["--prometheus=true"])));
    const url = node.statusUrl ?? "";
    await holds(() => node.status().sync.state === "waitingForStreams");
    const waiting = await ask(url, "/ready");
    assert.equal(waiting.status, 503);
    assert.equal(waiting.body.ready, false);
    assert.match(waiting.body.reason ?? "", /^(NO_CONNECTIVITY|NO_PEERS_FOUND|STREAMS_BELOW_INIT)$/);
    const health = await ask(url, "/health");
    assert.deepEqual([health.status, health.body.alive], [200, true], "a restart would not help");

    await node.host.connect(peer.address, { timeoutMs: 30_000 });
    await holds(() => node.status().sync.inSync);
    assert.equal(node.store.head().number, 60);
    // The answer may be a second old.
    let ready = await ask(url, "/ready");
    for (; ready.status !== 200; ready = await ask(url, "/ready")) await clock.sleep(50);
    assert.equal(ready.body.ready, true);
  } finally {
    await all.end();
  }
});
