/** Leaving the network as a peer sees it that wants every stream back at once, the way a Go node does. */
import assert from "node:assert/strict";
import type { Connection, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import type { P2PStream } from "../../src/p2p/mod.ts";
import { bareNode, Hosts, nextEvent, streamPair, TIMEOUT } from "./support.ts";

const SYNC = "harmony/sync/localnet/0/1.0.0";
const EPOCHSYNC = "harmony/epochsync/localnet/0/1.0.0";

Deno.test("a host that leaves cannot be had back, on no connection and on no new one", async () => {
  await using hosts = new Hosts();
  const host = await hosts.start();
  let accepted = 0;
  const hold = (stream: P2PStream) => {
    accepted++;
    // Kept open for as long as its connection stands.
    stream.source[Symbol.asyncIterator]().next().catch(() => {});
  };
  for (const protocol of [SYNC, EPOCHSYNC]) await host.handle(protocol, hold);
  const node = await bareNode();
  try {
    const address = multiaddr(host.addresses()[0] ?? "");
    // Three connections: two carry a stream each, one none.
    const connections: Connection[] = [];
    for (let i = 0; i < 3; i++) connections.push(await node.dial(address, { force: true }));
    const [one, two] = connections as [Connection, Connection, Connection];
    const streams = [await one.newStream(SYNC), await two.newStream(EPOCHSYNC)];
    for (const stream of streams) stream.send(new Uint8Array([1]));
    while (accepted < 2) await new Promise((resolve) => setTimeout(resolve, 0));

    const attempts: Array<Promise<string>> = [];
    /** How a try to open a stream again ends. */
    const again = (open: () => Promise<Stream>): void => {
      attempts.push(open().then(() => "opened", (e: Error) => e.name));
    };
    const ended = streams.map(async (stream, i) => {
      const standing = await new Promise<boolean>((resolve) =>
        stream.addEventListener("close", () => resolve(connections[i]?.status === "open"), { once: true })
      );
      assert.equal(standing, false, "the stream ended before its connection did");
      for (const connection of connections) again(() => connection.newStream(stream.protocol));
      again(() => node.dialProtocol(address, stream.protocol));
    });
    await host.leave();
    await Promise.all(ended);
    const ways = await Promise.all(attempts);
    assert.equal(ways.length, 8);
    // Neither taken, nor told that the protocol is not spoken: nobody is there.
    for (const way of ways) assert.ok(way !== "opened" && way !== "UnsupportedProtocolError", ways.join());
    assert.equal(accepted, 2);
    assert.equal(host.connectedPeers(), 0);
  } finally {
    await node.stop();
  }
});

Deno.test("leaving ends what is being dialled, and a stop afterwards is a stop", async () => {
  await using hosts = new Hosts();
  const [host, other] = [await hosts.start(), await hosts.start()];
  using mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = mute.addr as Deno.NetAddr;
  const coming = mute.accept();
  const address = `/ip4/127.0.0.1/tcp/${port}/p2p/${other.peerId}`;
  const dial = host.connect(address, { timeoutMs: TIMEOUT });
  const failed = assert.rejects(dial);
  using socket = await coming;
  await host.leave();
  await failed;
  await assert.rejects(other.connect(host.addresses()[0] ?? "", { timeoutMs: TIMEOUT }), {
    fault: "TRANSPORT",
  });
  await assert.rejects(host.connect(other.addresses()[0] ?? "", { timeoutMs: TIMEOUT }), {
    code: "P2P_STOPPED",
  });
  await host.leave();
  await host.stop();
  assert.ok(socket.remoteAddr !== undefined);
});

Deno.test("a peer that we disconnect loses its streams with the connection, not before", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  await a.handle(SYNC, () => {});
  const pair = await streamPair(b, a);
  const gone = nextEvent(b, "disconnected", a.peerId);
  let standing: boolean | undefined;
  const end = pair.out.closed.then(() => {
    standing = b.peersSpeaking(SYNC).includes(a.peerId);
  });
  await a.disconnect(b.peerId);
  await Promise.all([gone, end]);
  assert.equal(standing, false);
});
