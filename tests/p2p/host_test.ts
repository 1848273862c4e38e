import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { createHost, type DiscoveredPeer, type LibP2PHost, newIdentity } from "../../src/p2p/mod.ts";
import { Hosts, nextEvent, readBytes, streamPair, TIMEOUT } from "./support.ts";

const SYNC = "harmony/sync/localnet/0/1.0.0";
const DHT = "/ipfs/kad/1.0.0";

async function collect(peers: AsyncIterable<DiscoveredPeer>): Promise<DiscoveredPeer[]> {
  const all: DiscoveredPeer[] = [];
  for await (const peer of peers) all.push(peer);
  return all;
}

/** Connects a client to a server and waits until the server knows. */
async function connectTo(server: LibP2PHost, client: LibP2PHost): Promise<void> {
  const known = nextEvent(server, "connected", client.peerId);
  await client.connect(server.addresses()[0] ?? "", { timeoutMs: TIMEOUT });
  await known;
}

/** The first discovery of a peer, asked again until the DHT has it. */
async function find(host: LibP2PHost, namespace: string, wanted: number): Promise<DiscoveredPeer[]> {
  const found = new Map<string, DiscoveredPeer>();
  const end = performance.now() + TIMEOUT;
  while (found.size < wanted && performance.now() < end) {
    for await (const peer of host.discover(namespace, { limit: 0, timeoutMs: 5000 })) {
      found.set(peer.peerId, peer);
    }
  }
  return [...found.values()];
}

Deno.test("hosts that know only a bootnode find each other through the DHT and open streams both ways", async () => {
  await using hosts = new Hosts();
  const boot = await hosts.start();
  const bootnodes = boot.addresses();
  const a = await hosts.start({ bootnodes });
  const b = await hosts.start({ bootnodes });
  const c = await hosts.start({ bootnodes });
  // All of it begins while the hosts still connect: both calls wait for a routing table by themselves.
  await Promise.all([a, b].map((h) => h.advertise(SYNC, { timeoutMs: TIMEOUT })));
  const found = await find(c, SYNC, 2);
  assert.deepEqual(new Set(found.map((p) => p.peerId)), new Set([a.peerId, b.peerId]));
  assert.ok(found.every((p) => p.addresses.length > 0));

  for (const host of [a, b]) {
    await host.handle(SYNC, (stream) => {
      // An echo; the test ends it by a reset.
      const run = async () => {
        for await (const chunk of stream.source) await stream.write(chunk);
      };
      run().catch(() => {});
    });
  }
  for (const peer of found) {
    const stream = await c.openStream(peer, SYNC, { timeoutMs: TIMEOUT });
    await stream.write(new Uint8Array([1, 2, 3]));
    const echo = await readBytes(stream.source[Symbol.asyncIterator](), 3);
    assert.deepEqual(echo, new Uint8Array([1, 2, 3]));
    stream.reset("done");
    await stream.closed;
  }
  // And the other way: the asker is found in turn, and is dialled by those whom it found.
  await c.advertise(SYNC, { timeoutMs: TIMEOUT });
  assert.ok((await find(a, SYNC, 2)).some((p) => p.peerId === c.peerId));
  const pair = await streamPair(a, c);
  await pair.out.write(new Uint8Array([7]));
  assert.deepEqual(await readBytes(pair.in.source[Symbol.asyncIterator](), 1), new Uint8Array([7]));
});

Deno.test("a provider without addresses in its record is looked up, and the limit is kept", async () => {
  await using hosts = new Hosts();
  const boot = await hosts.start();
  const bootnodes = boot.addresses();
  const providers = [await hosts.start({ bootnodes }), await hosts.start({ bootnodes })];
  for (const p of providers) await p.advertise(SYNC, { timeoutMs: TIMEOUT });
  const asker = await hosts.start({ bootnodes });
  assert.equal((await find(asker, SYNC, 2)).length, 2);
  const limited = await collect(asker.discover(SYNC, { limit: 1, timeoutMs: TIMEOUT }));
  assert.equal(limited.length, 1);
  const abort = AbortSignal.abort();
  assert.deepEqual(await collect(asker.discover(SYNC, { limit: 1, timeoutMs: TIMEOUT, signal: abort })), []);
  const nobody = await collect(
    asker.discover("harmony/sync/nowhere/0/1.0.0", { limit: 1, timeoutMs: TIMEOUT }),
  );
  assert.deepEqual(nobody, []);
});

Deno.test("a host that does not serve the DHT uses it and stands in nobody's routing table", async () => {
  await using hosts = new Hosts();
  const boot = await hosts.start();
  const provider = await hosts.start({ bootnodes: boot.addresses() });
  await provider.advertise(SYNC, { timeoutMs: TIMEOUT });
  const known = boot.routingTableSize();
  const identity = await newIdentity();
  const identified = nextEvent(boot, "identified", identity.peerId);
  const guest = await hosts.start({ identity, bootnodes: boot.addresses(), servesDht: false });
  assert.ok(!(await identified).protocols.includes(DHT));
  assert.deepEqual((await find(guest, SYNC, 1)).map((p) => p.peerId), [provider.peerId]);
  assert.equal(guest.status().dhtMode, "client");
  assert.equal(boot.routingTableSize(), known);
});

Deno.test("without a routing table discovery ends at its timeout, and announcing fails saying why", async () => {
  await using hosts = new Hosts();
  const alone = await hosts.start();
  assert.equal(alone.routingTableSize(), 0);
  assert.deepEqual(await collect(alone.discover(SYNC, { limit: 1, timeoutMs: 50 })), []);
  await assert.rejects(alone.advertise(SYNC, { timeoutMs: 50 }), {
    code: "P2P_ADVERTISE_FAILED",
    fault: "NONE",
    retryable: true,
    message: /no DHT server known after 50 ms/,
  });
});

Deno.test("identify tells who speaks a protocol, and a disconnect forgets it", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start();
  const stop = await server.handle(SYNC, (s) => s.reset("not now"));
  const client = await hosts.start();
  const identified = nextEvent(client, "identified", server.peerId);
  const connected = nextEvent(client, "connected", server.peerId);
  const id = await client.connect(server.addresses()[0] ?? "", { timeoutMs: TIMEOUT });
  assert.equal(id, server.peerId);
  await connected;
  assert.ok((await identified).protocols.includes(SYNC));
  assert.deepEqual(client.peersSpeaking(SYNC), [server.peerId]);
  assert.deepEqual(client.peersSpeaking("harmony/other/1"), []);
  assert.equal(client.connectedPeers(), 1);

  const again = nextEvent(client, "identified", server.peerId);
  stop();
  assert.ok(!(await again).protocols.includes(SYNC), "an unregistered protocol is pushed to our peers");
  assert.deepEqual(client.peersSpeaking(SYNC), []);

  const gone = nextEvent(client, "disconnected", server.peerId);
  await client.disconnect(server.peerId);
  await gone;
  assert.equal(client.connectedPeers(), 0);
  await client.disconnect(server.peerId);
});

Deno.test("what can go wrong when opening a stream has its own code and blames whom it should", async () => {
  await using hosts = new Hosts();
  const a = await hosts.start();
  const b = await hosts.start();
  const open = (
    peer: DiscoveredPeer,
    options: { signal?: AbortSignal; timeoutMs: number } = { timeoutMs: TIMEOUT },
  ) => a.openStream(peer, SYNC, options);
  const peer = { peerId: b.peerId, addresses: b.addresses() };
  await assert.rejects(open(peer), {
    code: "P2P_PROTOCOL_UNSUPPORTED",
    fault: "REFUSED",
    streamId: b.peerId,
  });
  await assert.rejects(open(peer, { timeoutMs: TIMEOUT, signal: AbortSignal.abort() }), {
    code: "CANCELLED",
    fault: "NONE",
  });
  const stranger = (await newIdentity()).peerId;
  await assert.rejects(open({ peerId: stranger, addresses: [] }), {
    code: "P2P_NO_ADDRESS",
    fault: "TRANSPORT",
  });
  await assert.rejects(open({ peerId: stranger, addresses: ["/ip4/127.0.0.1/tcp/1"] }), {
    code: "P2P_DIAL_FAILED",
    fault: "TRANSPORT",
  });
  await assert.rejects(open({ peerId: "nonsense", addresses: [] }), { code: "PEER_ID_INVALID" });
  const wrongName = { peerId: stranger, addresses: b.addresses().map((x) => x.replace(/\/p2p\/.*/, "")) };
  await assert.rejects(open(wrongName), { fault: "TRANSPORT" }, "somebody else answers at that address");

  // A listener that accepts and says nothing.
  using mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = (mute.addr as Deno.NetAddr).port;
  const accepted = mute.accept();
  await assert.rejects(
    open({ peerId: stranger, addresses: [`/ip4/127.0.0.1/tcp/${port}`] }, { timeoutMs: 200 }),
    {
      code: "P2P_TIMEOUT",
      fault: "TRANSPORT",
      message: /no answer within 200 ms/,
    },
  );
  (await accepted).close();
});

Deno.test("a handler that throws costs the stream, not the host", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  await b.handle(SYNC, () => {
    throw new Error("handler bug");
  });
  const stream = await a.openStream({ peerId: b.peerId, addresses: b.addresses() }, SYNC, {
    timeoutMs: TIMEOUT,
  });
  await stream.closed;
  assert.equal((await streamPair(a, b)).in.peerId, a.peerId);
});

Deno.test("disconnecting and stopping break the streams off, they do not end them politely", async () => {
  await using hosts = new Hosts();
  const [a, b, c] = [await hosts.start(), await hosts.start(), await hosts.start()];
  const [first, second] = [await streamPair(a, b), await streamPair(a, c)];
  const ends = [first.in, second.in].map((s) => s.source[Symbol.asyncIterator]().next());
  for (const end of ends) end.catch(() => {});
  await a.disconnect(b.peerId);
  await assert.rejects(ends[0] as Promise<unknown>, { code: "STREAM_GONE", fault: "TRANSPORT" });
  await assert.rejects(first.out.write(new Uint8Array(1)), { code: "STREAM_RESET", fault: "NONE" });
  await a.stop();
  await assert.rejects(ends[1] as Promise<unknown>, { code: "STREAM_GONE", fault: "TRANSPORT" });
});

Deno.test("many peers of one IP may connect at once on a private network", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start();
  const clients = await Promise.all(Array.from({ length: 12 }, () => hosts.start()));
  await Promise.all(clients.map((c) => connectTo(server, c)));
  assert.equal(server.connectedPeers(), 12);
});

Deno.test("one IP gets no more inbound connections than it may, and a place is free again after a close", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start({ maxConnsPerIp: 2 });
  const [a, b, c] = [await hosts.start(), await hosts.start(), await hosts.start()];
  const address = server.addresses()[0] ?? "";
  await connectTo(server, a);
  await connectTo(server, b);
  await assert.rejects(c.connect(address, { timeoutMs: TIMEOUT }), { fault: "TRANSPORT" });
  const gone = nextEvent(server, "disconnected", a.peerId);
  await a.disconnect(server.peerId);
  await gone;
  await connectTo(server, c);
  assert.equal(server.connectedPeers(), 2);
});

Deno.test("above the connection limit a protected peer stays, another goes", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start({ maxConnections: 2 });
  const [a, b] = [await hosts.start(), await hosts.start()];
  for (const client of [a, b]) {
    const known = nextEvent(server, "identified", client.peerId);
    await connectTo(server, client);
    await known;
  }
  server.protect(b.peerId, "sync");
  // The host's own dials go over the limit, and each gives the library a reason to look who may leave.
  const left = nextEvent(server, "disconnected");
  let lost = false;
  b.on((event) => lost ||= event.type === "disconnected" && event.peerId === server.peerId);
  for (let i = 0; i < 3; i++) {
    const client = await hosts.start();
    const known = nextEvent(server, "identified", client.peerId);
    await server.connect(client.addresses()[0] ?? "", { timeoutMs: TIMEOUT });
    await Promise.race([known, left]);
  }
  assert.notEqual((await left).peerId, b.peerId);
  assert.equal(lost, false);
  server.unprotect(b.peerId, "sync");
});

Deno.test("a bootnode that comes up late is found, and one that is restarted is found again", async () => {
  await using hosts = new Hosts();
  const identity = await newIdentity();
  const first = await createHost({ identity, ip: "127.0.0.1", port: 0, userAgent: "hsync/test" });
  const address = first.addresses()[0] ?? "";
  const port = Number(address.split("/")[4]);
  await first.stop();
  const client = await hosts.start({ bootnodes: [address] });
  const connected = nextEvent(client, "connected", identity.peerId);
  const second = await createHost({ identity, ip: "127.0.0.1", port, userAgent: "hsync/test" });
  await connected;
  const back = nextEvent(client, "disconnected", identity.peerId)
    .then(() => nextEvent(client, "connected", identity.peerId));
  await second.stop();
  await hosts.start({ identity, port });
  await back;
  assert.equal(client.status().bootstrap[0]?.state, "connected");
});

Deno.test("a name is resolved through the given resolver when connecting", async () => {
  await using hosts = new Hosts();
  const server = await hosts.start();
  const resolver = (name: string) =>
    name === "_dnsaddr.boot.test"
      ? Promise.resolve(server.addresses().map((a) => `dnsaddr=${a}`))
      : Promise.reject(new Error("NXDOMAIN"));
  const client = await hosts.start({ resolver });
  assert.equal(await client.connect("/dnsaddr/boot.test", { timeoutMs: TIMEOUT }), server.peerId);
  await assert.rejects(client.connect("/dnsaddr/other.test", { timeoutMs: TIMEOUT }), {
    code: "BOOTNODES_UNRESOLVED",
  });
  const other = await hosts.start({ resolver, bootnodes: ["/dnsaddr/boot.test"] });
  if (other.connectedPeers() === 0) await nextEvent(other, "connected", server.peerId);
});

Deno.test("a port that is taken is named with what to do about it", async () => {
  await using hosts = new Hosts();
  const first = await hosts.start();
  const port = Number((first.addresses()[0] ?? "").split("/")[4]);
  await assert.rejects(hosts.start({ port }), (error: unknown) => {
    assert.ok(error instanceof HsyncError);
    assert.equal(error.code, "P2P_PORT_IN_USE");
    assert.equal(error.exitCode, 1);
    assert.ok(error.message.includes(`127.0.0.1:${port}`));
    assert.match(error.hint ?? "", /--p2p\.port/);
    assert.match(error.hint ?? "", /--p2p\.keyfile/);
    return true;
  });
});

Deno.test("an IP that is not ours, and a bad bootnode, are refused before anything runs", async () => {
  await using hosts = new Hosts();
  await assert.rejects(hosts.start({ ip: "203.0.113.7" }), { code: "P2P_LISTEN_FAILED", exitCode: 1 });
  await assert.rejects(hosts.start({ ip: "not an ip" }), { code: "MULTIADDR_INVALID" });
  await assert.rejects(hosts.start({ bootnodes: ["/ip4/1.2.3.4/tcp/9000"] }), { code: "MULTIADDR_INVALID" });
  await assert.rejects(hosts.start({ staticPeers: ["x"] }), { code: "MULTIADDR_INVALID" });
});

Deno.test("after stop every call fails as stopped, and what was under way ends", async () => {
  await using hosts = new Hosts();
  const [a, b] = [await hosts.start(), await hosts.start()];
  const pending = collect(a.discover(SYNC, { limit: 1, timeoutMs: TIMEOUT }));
  const announcing = a.advertise(SYNC, { timeoutMs: TIMEOUT }).then(() => "done", (e: HsyncError) => e.code);
  await a.stop();
  assert.deepEqual(await pending, []);
  assert.equal(await announcing, "CANCELLED");
  const stopped = { code: "P2P_STOPPED", fault: "NONE" };
  const peer = { peerId: b.peerId, addresses: b.addresses() };
  await assert.rejects(a.openStream(peer, SYNC, { timeoutMs: TIMEOUT }), stopped);
  await assert.rejects(a.connect(b.addresses()[0] ?? "", { timeoutMs: TIMEOUT }), stopped);
  await assert.rejects(a.advertise(SYNC, { timeoutMs: TIMEOUT }), stopped);
  await assert.rejects(a.handle(SYNC, () => {}), stopped);
  assert.throws(() => a.discover(SYNC, { limit: 1, timeoutMs: 1 }), stopped);
  a.protect(b.peerId, "sync");
  await a.disconnect(b.peerId);
  await a.stop();
});

Deno.test("the status shows address, company and bootstrap peers", async () => {
  await using hosts = new Hosts();
  const boot = await hosts.start();
  const host = await hosts.start({ bootnodes: boot.addresses() });
  if (host.connectedPeers() === 0) await nextEvent(host, "connected", boot.peerId);
  const status = host.status();
  assert.equal(status.peerId, host.peerId);
  assert.match(status.addresses[0] ?? "", new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/\\d+/p2p/${host.peerId}$`));
  assert.equal(status.connected, 1);
  assert.equal(status.dhtMode, "server");
  assert.equal(status.bootstrap[0]?.peerId, boot.peerId);
  assert.deepEqual(status.unresolved, []);
});
