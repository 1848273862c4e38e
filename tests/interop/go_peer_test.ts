/**
 * Against peers on go-libp2p, the library of the Go node: discovery, streams and everything a peer can do wrong.
 *
 * Why it exists: two ends of our own agree on their own mistakes. What must stay true: these tests are skipped, with
 * one line that says why, where the Go peer cannot be built (support/build.ts).
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { DiscoveredPeer, LibP2PHost } from "../../src/p2p/mod.ts";
import { leaveNetwork } from "../../src/stream/mod.ts";
import { goPeer } from "./support/build.ts";
import { EAGER, LIMIT_MS, Ours, removal, streamWith, SYNC, until } from "./support/ours.ts";
import { GoPeers, type Script } from "./support/peer.ts";

const HEAD = 426;
const CHAIN = {
  chain: fileURLToPath(new URL("../vectors/localnet/s0.blocks.jsonl.gz", import.meta.url)),
  height: HEAD,
} as const satisfies Script;
const MIB = 1024 * 1024;
const MAX_FRAME = 20 * MIB;

const built = await goPeer();
if ("missing" in built) console.log(`interop tests skipped: ${built.missing}`);

/** A test that needs the Go peer. */
function interop(name: string, run: (go: GoPeers, ours: Ours) => Promise<void>): void {
  Deno.test({
    name: `go-libp2p: ${name}`,
    ignore: "missing" in built,
    fn: async () => {
      if ("missing" in built) return;
      await using go = GoPeers.start(built.path);
      await using ours = new Ours();
      await run(go, ours);
    },
  });
}

/** The bytes that the Go peer fills its frames with. */
function pattern(size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = i * 31 + (i >> 8);
  return out;
}

/** Asks the DHT until it knows the peer. */
async function find(host: LibP2PHost, peerId: string): Promise<DiscoveredPeer> {
  let found: DiscoveredPeer | undefined;
  await until(`${peerId} in the DHT`, async () => {
    for await (const peer of host.discover(SYNC, { limit: 0, timeoutMs: 5000 })) {
      if (peer.peerId === peerId) found = peer;
    }
    return found !== undefined;
  });
  assert.ok(found !== undefined);
  return found;
}

interop("hosts find each other through a Go boot node, both ways", async (go, ours) => {
  const boot = await go.host({ key: "rsa" });
  const provider = await go.host({ key: "rsa", boot: boot.addresses });
  await provider.handle(SYNC);
  const host = await ours.host({ bootnodes: boot.addresses });
  await provider.provide(SYNC);
  const peer = await find(host, provider.peerId);
  assert.ok(peer.addresses.some((a) => provider.addresses.some((b) => b.startsWith(a))));
  const stream = await host.openStream(peer, SYNC, { timeoutMs: LIMIT_MS });
  assert.equal(stream.muxer, "/yamux/1.0.0", "on connections that we dial, our order counts");
  stream.reset("seen");
  // And the reverse: a Go host that serves no DHT finds us and opens a stream.
  await host.advertise(SYNC, { timeoutMs: LIMIT_MS });
  const asker = await go.host({ boot: boot.addresses, client: true });
  const known = await asker.find(SYNC);
  const addresses = known.get(host.peerId) ?? [];
  assert.ok(addresses.length > 0, `only ${[...known.keys()]} found`);
  const accepted = Promise.withResolvers<string>();
  await host.handle(SYNC, (s) => {
    // Not before its first byte: a reset that overtakes the end of the negotiation makes the other side's call fail.
    s.source[Symbol.asyncIterator]().next().then(() => {
      accepted.resolve(s.peerId);
      s.reset("seen");
    }, accepted.reject);
  });
  const opened = await asker.open({ peerId: host.peerId, addresses }, SYNC);
  // A Go host negotiates with the first bytes that it sends.
  await opened.send(1).catch(() => {});
  assert.equal(await accepted.promise, asker.peerId);
});

interop("Go hosts find each other through a boot node of ours", async (go, ours) => {
  const boot = await ours.host();
  const provider = await go.host({ boot: boot.addresses() });
  const asker = await go.host({ boot: boot.addresses(), client: true });
  await provider.provide(SYNC);
  const found = await asker.find(SYNC);
  assert.deepEqual([...found.keys()], [provider.peerId]);
  assert.ok((found.get(provider.peerId) ?? []).length > 0);
});

for (const muxers of [["yamux"], ["mplex", "yamux"], ["mplex"]] as const) {
  interop(`a chain goes both ways between us and peers with ${muxers.join(", ")}`, async (go, ours) => {
    const boot = await go.host({ muxers });
    const server = await go.host({ muxers, boot: boot.addresses });
    await server.handle(SYNC, CHAIN);
    await server.provide(SYNC);
    // Nothing but the boot node is known to us: the stream manager does the rest.
    const { protocol, chain, host } = await ours.node(HEAD, { caps: EAGER }, boot.addresses);
    await streamWith(protocol, server.peerId);
    const info = protocol.streams().find((s) => s.id === server.peerId);
    assert.equal(info?.height, HEAD);
    const only = { whitelist: new Set([server.peerId]) };
    for (let from = 1; from <= 81; from += 40) {
      const numbers = Array.from({ length: 40 }, (_, i) => from + i);
      const hashes = (await protocol.client.getBlockHashes(numbers, only)).value;
      assert.deepEqual(hashes, numbers.map((n) => chain.hash(n)));
      for (let i = 0; i < hashes.length; i += 10) {
        const wanted = hashes.slice(i, i + 10).filter((h) => h !== undefined);
        const { value } = await protocol.client.getBlocksByHashes(wanted, only);
        assert.deepEqual(
          value.map((b) => b?.block.bytes),
          numbers.slice(i, i + 10).map((n) => chain.bytes(n)),
        );
      }
    }
    const { value: beyond } = await protocol.client.getBlocksByNumber([HEAD, HEAD + 1], only);
    assert.deepEqual(beyond.map((b) => b.block.number), [HEAD]);
    // The other way: a Go host learns of us from the DHT and downloads everything from us.
    const client = await go.host({ muxers, boot: boot.addresses });
    let addresses: readonly string[] = [];
    await until("our record in the DHT", async () => {
      addresses = (await client.find(SYNC)).get(host.peerId) ?? [];
      return addresses.length > 0;
    });
    const stream = await client.open({ peerId: host.peerId, addresses }, SYNC, CHAIN);
    assert.equal((await stream.ask("height")).height, HEAD);
    await stream.pull(1, HEAD);
    // Our DHT may have dialled it at the same moment: then the stream is on whichever connection the Go host chose.
    assert.ok(muxers.some((m) => stream.muxer.includes(m)), stream.muxer);
    const mine = protocol.streams().find((s) => s.id === client.peerId);
    assert.deepEqual([mine?.direction, mine?.muxer, mine?.height], ["in", stream.muxer, HEAD]);
    assert.deepEqual(await stream.stats(), { errors: 0, busy: 0, unasked: 0 });
  });
}

interop(
  "when both dial at once, the stream that the Go peer opened lives, on whichever connection",
  async (go, ours) => {
    const { host, address } = await ours.node(HEAD);
    for (let i = 0; i < 20; i++) {
      const peer = await go.host();
      const [stream] = await Promise.all([
        peer.open(address, SYNC, CHAIN),
        host.connect(peer.addresses[0] ?? "", { timeoutMs: LIMIT_MS }),
      ]);
      assert.equal((await stream.ask("height")).height, HEAD);
      await stream.pull(1, 10);
      await peer.close();
    }
  },
);

interop("the largest frame arrives whole, both ways; one byte more ends the stream", async (go, ours) => {
  let received: readonly Uint8Array[] = [];
  const { protocol, chain, address } = await ours.node(HEAD, {
    checker: (blocks) => {
      received = blocks;
      throw new Error("seen enough");
    },
  });
  const big = { ...CHAIN, then: "big", size: MAX_FRAME } as const;
  const peer = await go.host();
  const stream = await peer.open(address, SYNC, big);
  await streamWith(protocol, peer.peerId);
  await assert.rejects(protocol.client.getBlocksByNumber([1, 2]), /seen enough/);
  assert.equal(received.length, 2);
  for (const bytes of received) assert.equal(Buffer.compare(bytes, pattern(bytes.length)), 0);
  assert.ok(received.reduce((sum, b) => sum + b.length, 0) > MAX_FRAME - 1024);

  // Our largest answer: a single block is sent whatever its size, of several only what fits 16 MiB.
  const whole = pattern(MAX_FRAME - 1024);
  chain.forged.set(1, { bytes: whole, commitSig: new Uint8Array(97) });
  for (let n = 2; n <= 9; n++) {
    chain.forged.set(n, { bytes: whole.subarray(0, 3 * MIB), commitSig: new Uint8Array(97) });
  }
  const one = await stream.ask("blocks", 1, 1);
  assert.deepEqual(one.sizes, [whole.length]);
  assert.equal(one.sha256, createHash("sha256").update(whole).digest("hex"));
  const some = await stream.ask("blocks", 2, 8);
  assert.deepEqual(some.sizes, Array(5).fill(3 * MIB));

  const gone = removal(protocol, peer.peerId);
  await stream.frame({ size: 10, claim: MAX_FRAME + 1 });
  const { fault, reason, critical } = await gone;
  assert.deepEqual({ fault, reason, critical }, { fault: "PROTOCOL", reason: "read_failed", critical: true });
  assert.equal(await stream.ended(), "reset");
});

for (
  const { what, then, reason } of [
    { what: "reset in the middle of a frame", then: "resetMidFrame", reason: "read_failed" },
    { what: "half-closed by its peer", then: "halfClose", reason: "peer_closed" },
  ] as const
) {
  interop(
    `a stream ${what} is a failure of the transport, and the peer is welcome again`,
    async (go, ours) => {
      const { protocol, address, chain } = await ours.node(HEAD);
      const peer = await go.host();
      const stream = await peer.open(address, SYNC, { ...CHAIN, then });
      await streamWith(protocol, peer.peerId);
      const gone = removal(protocol, peer.peerId);
      const asked = protocol.client.getBlocksByNumber([1, 2, 3, 4], { waitMs: 1 });
      await assert.rejects(asked, { code: "STREAM_REMOVED", retryable: true });
      const event = await gone;
      assert.deepEqual([event.fault, event.reason, event.critical], ["TRANSPORT", reason, false]);
      // We answer a half-close with a reset: the Go node would read for ever otherwise.
      if (then === "halfClose") assert.equal(await stream.ended(), "reset");
      await peer.open(address, SYNC, CHAIN);
      await streamWith(protocol, peer.peerId);
      const { value } = await protocol.client.getBlocksByNumber([7]);
      assert.deepEqual(value[0]?.block.bytes, chain.bytes(7));
    },
  );
}

interop("an answer that dribbles in is taken", async (go, ours) => {
  const { protocol, address, chain } = await ours.node(HEAD);
  const numbers = Array.from({ length: 10 }, (_, i) => 1 + i);
  const size = numbers.reduce((sum, n) => sum + chain.bytes(n).length, 0);
  const peer = await go.host();
  await peer.open(address, SYNC, { ...CHAIN, then: "dribble", rate: Math.ceil(size / 2) });
  await streamWith(protocol, peer.peerId);
  const { value, ms } = await protocol.client.getBlocksByNumber(numbers);
  assert.deepEqual(value.map((b) => b.block.bytes), numbers.map((n) => chain.bytes(n)));
  assert.ok(ms > 1000, `that was no dribble: ${ms} ms`);
});

interop("frames that are announced and not sent cost no memory", async (go, ours) => {
  const { protocol, address } = await ours.node(HEAD);
  const count = 8;
  const script = { ...CHAIN, then: "claim", claim: MAX_FRAME, size: 10 } as const;
  const peers = await Promise.all(Array.from({ length: count }, () => go.host()));
  for (const peer of peers) await peer.open(address, SYNC, script);
  for (const peer of peers) await streamWith(protocol, peer.peerId);
  const read = () => new Map(protocol.streams().map((s) => [s.id, s.bytesIn]));
  const before = read();
  const memory = Deno.memoryUsage().external;
  const abort = new AbortController();
  const asked = peers.map((peer) =>
    protocol.client.getBlocksByNumber([1], {
      whitelist: new Set([peer.peerId]),
      signal: abort.signal,
    })
  );
  await until("every peer has announced its frame", () => {
    const now = read();
    return peers.every((p) => (now.get(p.peerId) ?? 0) - (before.get(p.peerId) ?? 0) >= 14);
  });
  const grown = Deno.memoryUsage().external - memory;
  assert.ok(grown < MAX_FRAME, `${count} frames of 20 MiB were announced, ${grown} bytes were taken`);
  abort.abort();
  for (const call of asked) await assert.rejects(call);
  // Whoever was asked nothing may not even announce one.
  const liar = await go.host();
  const stream = await liar.open(address, SYNC, CHAIN);
  await streamWith(protocol, liar.peerId);
  const gone = removal(protocol, liar.peerId);
  await stream.frame({ size: 10, claim: MAX_FRAME });
  assert.equal((await gone).fault, "PROTOCOL");
  assert.equal(await stream.ended(), "reset");
});

interop(
  "a second stream of a peer is served, and one of the two is reset after an exchange",
  async (go, ours) => {
    const { protocol, address } = await ours.node(HEAD);
    const peer = await go.host();
    const first = await peer.open(address, SYNC, CHAIN);
    assert.equal((await first.ask("height")).height, HEAD);
    await streamWith(protocol, peer.peerId);
    const second = await peer.open(address, SYNC, CHAIN);
    assert.equal((await second.ask("height")).height, HEAD);
    await Promise.all([first.pull(1, 20), second.pull(21, 20)]);
    assert.equal(await second.ended(), "reset");
    await first.pull(41, 20);
    assert.deepEqual(protocol.streams().map((s) => s.id), [peer.peerId]);
    assert.equal(protocol.snapshot().cooldown, 0);
  },
);

interop("our leaving resets every stream and closes none halfway", async (go, ours) => {
  const { protocol, address } = await ours.node(HEAD);
  const peers = await Promise.all([go.host(), go.host({ muxers: ["yamux"] })]);
  const streams = [];
  for (const peer of peers) {
    streams.push(await peer.open(address, SYNC, CHAIN));
    await streamWith(protocol, peer.peerId);
  }
  await protocol.stop();
  for (const stream of streams) assert.equal(await stream.ended(), "reset");
});

interop("our stop costs peers that cling to us one stream each, not a second one", async (go, ours) => {
  const { protocol, host, address } = await ours.node(HEAD);
  const epochs = await ours.protocol(host, HEAD, { service: "epochsync" });
  const peers = await Promise.all(
    [["yamux"], ["yamux"], ["mplex"]].map((muxers) => go.host({ muxers: muxers as ["yamux" | "mplex"] })),
  );
  const ends = peers.flatMap((peer) => [protocol.id, epochs.id].map((id) => peer.cling(address, id, CHAIN)));
  for (const peer of peers) {
    for (const p of [protocol, epochs]) await streamWith(p, peer.peerId);
  }
  await leaveNetwork(host, [protocol, epochs]);
  for (const { lost, why } of await Promise.all(ends)) {
    assert.equal(lost, 1, why);
    // Nobody is there: neither a stream that is refused, nor a protocol that is not spoken any more.
    assert.match(why, /failed to dial/);
  }
});

for (const how of ["leaves", "is killed"] as const) {
  interop(
    `a peer that ${how} is gone without a fault of its own, and nobody waits for it`,
    async (go, ours) => {
      const { protocol, address } = await ours.node(HEAD);
      const peer = await go.host();
      await peer.open(address, SYNC, { ...CHAIN, then: "silent" });
      await streamWith(protocol, peer.peerId);
      const gone = removal(protocol, peer.peerId);
      const asked = protocol.client.getBlocksByNumber([1], { waitMs: 1 });
      const rejected = assert.rejects(asked, { code: "STREAM_REMOVED", fault: "NONE" });
      await until("the question is on its way", () => protocol.streams()[0]?.busy === true);
      if (how === "leaves") await peer.close();
      else go.kill();
      const { fault, critical } = await gone;
      assert.deepEqual([fault, critical], ["TRANSPORT", false]);
      await rejected;
    },
  );
}

interop("a peer that takes our stream and answers nothing is left in peace", async (go, ours) => {
  // So a Go node refuses: it accepts the stream and never says a word.
  const peer = await go.host();
  await peer.handle(SYNC, { then: "mute" });
  const accepted = peer.accepted();
  const { protocol } = await ours.node(HEAD, { caps: EAGER }, peer.addresses);
  const events: unknown[] = [];
  protocol.on((event) => events.push(event));
  const stream = await accepted;
  assert.equal(await stream.ended(), "reset");
  assert.deepEqual(events, []);
  assert.equal(protocol.snapshot().cooldown, 0);
});

interop("a flood of requests is turned away while an honest client keeps its speed", async (go, ours) => {
  // The default limits: ten requests a second of one stream, after a burst of ten.
  const { protocol, address } = await ours.node(HEAD, { rateLimits: {} });
  const honest = await go.host();
  const stream = await honest.open(address, SYNC, CHAIN);
  await streamWith(protocol, honest.peerId);
  await stream.pace(12); // The burst is used up: from here on the limit decides.
  const alone = await stream.pace(20);
  const flooder = await go.host();
  const flood = flooder.flood(address, SYNC, { perSecond: 1000, forMs: 20_000 });
  await until("the flood has come", () => protocol.snapshot().cooldown > 0);
  await stream.pace(12);
  // Twenty requests at ten a second: the limit, not the machine, says how long that takes. Other programs may hold
  // the machine up once, hardly three times in a row.
  let beside = await stream.pace(20);
  for (let again = 0; again < 2 && beside * 0.8 > alone; again++) beside = await stream.pace(20);
  await flooder.close();
  const { sent, opened, answers, busy, ms } = await flood;
  const figures = JSON.stringify({ alone, beside, sent, opened, answers, busy, ms });
  assert.ok(beside * 0.8 <= alone, `the honest client became slow: ${figures}`);
  const allowed = 20 + 10 * ms / 1000;
  // Whoever opens stream after stream is shut out soon, and sends no more.
  assert.ok(sent > 3 * allowed, `that was no flood: ${figures}`);
  assert.ok(answers - busy <= allowed, `the limit was not kept: ${figures}`);
});
