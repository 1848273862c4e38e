/** Many peers at once, on a hand-turned clock: writes, floods of connections. */
import assert from "node:assert/strict";
import { WRITE_CONCURRENCY } from "../../src/stream/constants.ts";
import { inWorld, type SimNode, TOPIC } from "./support/node.ts";
import { answerHeights, RawPeer } from "./support/raw_peer.ts";
import type { SimStream } from "./support/sim_stream.ts";

// T-21
Deno.test("crowd: a hundred requests at once are written thirty-two at a time, and all are answered", async () => {
  await inWorld({}, async (world) => {
    for (let i = 0; i < 100; i++) world.raw(answerHeights(60));
    const caps = { hardLowCap: 100, softLowCap: 100, highCap: 128, discBatch: 128 };
    const node = world.node({ height: 0, caps });
    await world.start(node);
    await world.pass(5_000);
    assert.equal(node.protocol.streams().length, 100);
    const held = Promise.withResolvers<void>();
    let writing = 0, most = 0;
    for (const stream of node.host.streams) {
      const write = stream.write.bind(stream);
      stream.write = async (bytes, signal) => {
        most = Math.max(most, ++writing);
        try {
          await held.promise;
          await write(bytes, signal);
        } finally {
          writing--;
        }
      };
    }
    const calls = Promise.all(Array.from({ length: 100 }, () => node.protocol.client.getBlockNumber()));
    await world.pass(0);
    assert.equal(writing, WRITE_CONCURRENCY);
    held.resolve();
    await world.pass(100);
    assert.equal((await calls).length, 100);
    assert.equal(most, WRITE_CONCURRENCY);
  });
});

/** Virtual ms for requests in a row. */
async function timeOf(
  client: SimNode,
  requests: number,
  pass: (ms: number) => Promise<void>,
): Promise<number> {
  let done = 0;
  const work = (async () => {
    for (; done < requests; done++) await client.protocol.client.getBlocksByNumber([1, 2, 3]);
  })();
  let ms = 0;
  for (; done < requests; ms += 10) await pass(10);
  await work;
  return ms;
}

// T-24
Deno.test("crowd: 950 peers that never speak and fifty that do: no more streams than places, and an honest client keeps its speed", async () => {
  await inWorld({ link: () => ({ latencyMs: 5 }) }, async (world) => {
    const places = { hardLowCap: 0, softLowCap: 0, highCap: 16, discBatch: 1 };
    // The client's own limit would hide that the server has become slow.
    const rateLimits = { perStream: 0, global: 0 };
    const server = world.node({ height: 60, caps: places, maxReserved: 16, rateLimits });
    const honest = world.node({ height: 0, trusted: [{ peerId: server.host.peerId, addresses: [] }] });
    await world.start(server, honest);
    await world.pass(2_000);
    const within = () => {
      const { active, reserved } = server.protocol.snapshot();
      assert.ok(active <= 16 && reserved <= 16, `${active} + ${reserved} streams`);
    };
    const pass = async (ms: number) => {
      await world.pass(ms);
      within();
    };
    const before = await timeOf(honest, 100, pass);

    const open = async (onMessage: RawPeer["onMessage"]) => {
      const host = world.network.host();
      const peer = { peerId: server.host.peerId, addresses: [] };
      return new RawPeer(await host.openStream(peer, TOPIC, { timeoutMs: 60_000 }) as SimStream, onMessage);
    };
    const mute = Array.from({ length: 950 }, () => open(undefined));
    await pass(100);
    const during = await timeOf(honest, 100, pass);
    assert.ok(before / during >= 0.8, `${during} ms instead of ${before}`);
    // Who never speaks gives its place up: those that come later find room.
    await pass(30_000);
    const real = Array.from({ length: 50 }, () => open(answerHeights(60)));
    await pass(30_000);
    const { active, reserved, list, cooldown } = server.protocol.snapshot();
    assert.deepEqual([active, reserved], [16, 16]);
    assert.ok(list.some((s) => s.id === honest.host.peerId), "who was there first stays");
    assert.equal(cooldown, 0, "who finds no room, or says nothing, is not punished");
    const silent = await Promise.all(mute);
    assert.equal(silent.filter((peer) => !peer.stream.isReset).length, 0);
    assert.equal((await Promise.all(real)).filter((peer) => !peer.stream.isReset).length, 31);
  });
});
