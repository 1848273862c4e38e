/** Crossed dials: who is dialled, and that nothing which stands is taken for a duplicate. */
import assert from "node:assert/strict";
import type { Connection, PeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { type ConnectionOpener, keepCrossedDials } from "../../src/p2p/crossed_dials.ts";
import { bareNode } from "./support.ts";

const ALICE = peerIdFromString("12D3KooWBvxtHFnrjtfVta4Pqkx6TdBvDJL9GaXD9qViv66r2gie");
const AT = `/ip4/127.0.0.1/tcp/9000/p2p/${ALICE}`;

/** Connections that stand, and what was dialled. */
class Opener implements ConnectionOpener {
  readonly standing: Connection[] = [];
  readonly dialled: boolean[] = [];
  getConnections(peerId?: PeerId): Connection[] {
    return this.standing.filter((c) => peerId === undefined || c.remotePeer.equals(peerId));
  }
  openConnection: ConnectionOpener["openConnection"] = (_target, options) => {
    this.dialled.push(options?.force === true);
    return Promise.resolve(connection("open"));
  };
}
const connection = (status: Connection["status"], more: Partial<Connection> = {}): Connection =>
  ({ remotePeer: ALICE, status, ...more }) as Connection;

Deno.test("a peer with a usable connection is not dialled again, whatever names it", async () => {
  const opener = new Opener();
  keepCrossedDials({ connectionManager: opener });
  const open = connection("open");
  opener.standing.push(connection("closed"), open);
  for (const target of [ALICE, multiaddr(AT), [multiaddr(AT)]]) {
    assert.equal(await opener.openConnection(target), open);
  }
  await assert.rejects(opener.openConnection(ALICE, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.deepEqual(opener.dialled, []);
});

Deno.test("everybody else is dialled in the way that leaves other connections alone", async () => {
  const opener = new Opener();
  keepCrossedDials({ connectionManager: opener });
  await opener.openConnection(ALICE);
  await opener.openConnection(multiaddr("/ip4/127.0.0.1/tcp/9000"));
  await opener.openConnection([]);
  // A relayed connection is none for a stream, and who wants a second one gets it.
  opener.standing.push(connection("open", { limits: { seconds: 1 } }));
  await opener.openConnection(ALICE);
  opener.standing.push(connection("open"));
  await opener.openConnection(ALICE, { force: true });
  assert.deepEqual(opener.dialled, [true, true, true, true, true]);
});

Deno.test("two nodes that dial each other at the same moment both end up connected, and stay so", async () => {
  const [a, b] = [await bareNode(), await bareNode()];
  try {
    const [out, back] = await Promise.all([a.dial(b.getMultiaddrs()), b.dial(a.getMultiaddrs())]);
    assert.deepEqual([out.status, back.status], ["open", "open"]);
    assert.equal(await a.dial(b.peerId), a.getConnections(b.peerId).find((c) => c.status === "open"));
  } finally {
    await Promise.all([a.stop(), b.stop()]);
  }
});
