import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { METRIC } from "../../src/stream/meters.ts";
import { SyncServer } from "../../src/stream/server.ts";
import { RecordedChain } from "./support/chain.ts";
import { inWorld, TOPIC } from "./support/node.ts";
import { settle } from "./support/raw_peer.ts";

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
