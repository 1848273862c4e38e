import assert from "node:assert/strict";
import { createLogger, HsyncError } from "../../src/base/mod.ts";
import { MAX_UNASKED_FRAME_BYTES, OPENED_PER_MINUTE } from "../../src/stream/constants.ts";
import { encodeRequest, type SyncRequest } from "../../src/stream/message.ts";
import { METRIC } from "../../src/stream/meters.ts";
import { protocolId, SyncProtocol } from "../../src/stream/mod.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { RecordedChain } from "./support/chain.ts";
import { CAPS, inWorld, TOPIC } from "./support/node.ts";
import { answerHeights, RawPeer, settle } from "./support/raw_peer.ts";
import type { SimStream } from "./support/sim_stream.ts";

Deno.test("protocol: a peer that hangs up while its bad answer is being checked is cooled down all the same", async () => {
  await inWorld({}, async (world) => {
    const server = new SyncServer(new RecordedChain(0, 60));
    world.raw((message, peer) => {
      if (message.kind !== "request") return;
      void server.answer(message.request).then(({ response }) => {
        peer.respond(message.id, response);
        if (message.request?.type !== "getBlocksByNumber") return;
        world.clock.after(20, () => peer.stream.reset("good bye"));
      });
    });
    const node = world.node({
      height: 0,
      checker: async () => {
        await world.clock.sleep(50);
        throw new HsyncError("BLOCK_INVALID", "in a test", { fault: "DATA" });
      },
    });
    await world.start(node);
    const failed = assert.rejects(node.protocol.client.getBlocksByNumber([1]), { code: "BLOCK_INVALID" });
    await settle();
    await world.pass(20);
    assert.equal(node.protocol.streams().length, 0, "it is gone before the verdict");
    await world.pass(100);
    await failed;
    const [entry] = node.protocol.snapshot().cooldownList;
    assert.deepEqual([entry?.reason, entry?.critical], ["invalid_blocks", true]);
    assert.equal(node.meter.get(METRIC.criticalErrors, { topic: TOPIC }), 1);
  });
});

Deno.test("protocol: a peer that opens stream after stream has four at most, and is answered on the newest all the same", async () => {
  await inWorld({}, async (world) => {
    const node = world.node({ height: 60, caps: { ...CAPS, hardLowCap: 0, softLowCap: 0 } });
    await world.start(node);
    const host = world.network.host();
    const open = async () => {
      const stream = await host.openStream({ peerId: node.host.peerId, addresses: [] }, TOPIC, {
        timeoutMs: 1_000,
      });
      return new RawPeer(stream as SimStream, answerHeights(60));
    };
    const peers: RawPeer[] = [];
    for (let i = 0; i < OPENED_PER_MINUTE; i++) {
      peers.push(await open());
      await world.pass(10);
    }
    const standing = () => node.host.streams.filter((s) => s.peerId === host.peerId && !s.isReset).length;
    assert.equal(standing(), 4);
    const newest = peers.at(-1);
    newest?.request(7n, { type: "getBlockNumber" });
    await world.pass(10);
    assert.deepEqual(newest?.responses().map((r) => r.response), [{ type: "getBlockNumber", number: 60n }]);
    await world.pass(15_000);
    assert.equal(standing(), 1);
    assert.equal(node.protocol.snapshot().cooldown, 0, "nobody is blamed");
  });
});

Deno.test("protocol: a reserved peer that sends bytes but answers nothing loses its place", async () => {
  await inWorld({}, async (world) => {
    const passive = { hardLowCap: 0, softLowCap: 0, highCap: 1, discBatch: 1 };
    const node = world.node({ height: 60, caps: passive });
    await world.start(node);
    const join = async () => {
      const host = world.network.host();
      const stream = await host.openStream({ peerId: node.host.peerId, addresses: [] }, TOPIC, {
        timeoutMs: 1_000,
      });
      const peer = new RawPeer(stream as SimStream, answerHeights(60));
      await world.pass(10);
      return { id: host.peerId, peer };
    };
    const first = await join();
    const reserved = await join();
    const places = () => node.protocol.snapshot().list.map((s) => s.id);
    assert.deepEqual(places(), [first.id, reserved.id]);
    reserved.peer.onMessage = undefined;
    for (let s = 0; s < 180; s += 30) {
      reserved.peer.raw(new Uint8Array(4));
      await world.pass(30_000);
    }
    assert.deepEqual(places(), [first.id]);
    assert.equal(node.meter.total(METRIC.removalReasons), 1);
  });
});

Deno.test("protocol: answers to nothing and floods cost a stranger its stream, a trusted peer only its good name", async () => {
  for (const trusting of [true, false]) {
    await inWorld({}, async (world) => {
      const server = world.raw(answerHeights(60));
      const { peerId } = server.host;
      const node = world.node({ ...(trusting ? { trusted: [{ peerId, addresses: [] }] } : {}) });
      await world.start(node);
      await world.pass(1_000);
      assert.equal(node.protocol.streams().length, 1);
      const [peer] = server.peers;
      for (let i = 1n; i <= 30n; i++) peer?.respond(1_000_000n + i, { type: "getBlockNumber", number: 60n });
      await world.pass(100);
      assert.equal(node.protocol.streams().length, trusting ? 1 : 0);
      assert.equal(peer?.ended === undefined, trusting);
      assert.equal(node.protocol.snapshot().cooldown, trusting ? 0 : 1);
      assert.ok((node.meter.get(METRIC.criticalErrors, { topic: TOPIC }) ?? 0) >= 1);
      if (!trusting) return;
      for (let i = 1n; i <= 200n; i++) peer?.request(i, { type: "getBlockNumber" });
      await world.pass(60_000);
      assert.equal(node.protocol.streams().length, 1);
      const answers = peer?.responses().filter((r) => r.id <= 200n).length;
      assert.equal(answers, 200, "every question is answered, be it by 'too busy'");
    });
  }
});

Deno.test("protocol: a peer is protected as long as one of the protocols uses it", async () => {
  await inWorld({}, async (world) => {
    const server = world.raw(answerHeights(60));
    const epochs = protocolId("epochsync", "localnet", 0);
    void server.host.handle(epochs, (stream) => {
      new RawPeer(stream as SimStream, answerHeights(60));
    });
    const { peerId } = server.host;
    const node = world.node({ trusted: [{ peerId, addresses: [] }] });
    const second = new SyncProtocol({
      host: node.host,
      service: "epochsync",
      network: "localnet",
      shardId: 0,
      reader: node.chain,
      caps: CAPS,
      clock: world.clock,
      logger: createLogger({ level: "error", sinks: [], now: () => 0 }),
      meter: node.meter,
      trusted: [{ peerId, addresses: [] }],
    });
    await world.start(node);
    await second.start();
    await world.pass(1_000);
    assert.deepEqual([node, { protocol: second }].map((n) => n.protocol.streams().length), [1, 1]);
    second.drop(peerId);
    await world.pass(100);
    assert.ok(node.host.protectedPeers.has(peerId));
    node.protocol.drop(peerId);
    await world.pass(100);
    assert.equal(node.host.protectedPeers.has(peerId), false);
    const stopping = second.stop();
    await world.pass(5_000);
    await stopping;
  });
});

Deno.test("message: every request at its cap is far below the largest frame that a peer may send unasked", () => {
  const hashes = Array.from({ length: 256 }, () => new Uint8Array(32).fill(255));
  const numbers = Array.from({ length: 50 }, () => 2n ** 64n - 1n);
  const largest: SyncRequest[] = [
    { type: "getBlockHashes", numbers },
    { type: "getNodeData", hashes },
    { type: "getReceipts", hashes: hashes.slice(0, 128) },
    { type: "getByteCodes", hashes: hashes.slice(0, 128), bytes: 2n ** 21n },
  ];
  for (const request of largest) {
    const { length } = encodeRequest(2n ** 64n - 1n, request);
    assert.ok(length * 8 < MAX_UNASKED_FRAME_BYTES, `${request.type}: ${length} bytes`);
  }
  assert.ok(MAX_UNASKED_FRAME_BYTES <= 128 * 1024);
});
