import assert from "node:assert/strict";
import type { Muxer } from "../../src/p2p/mod.ts";
import { Hosts, readBytes, TIMEOUT } from "./support.ts";

const SYNC = "harmony/sync/localnet/0/1.0.0";
const ORDERS: ReadonlyArray<readonly Muxer[]> = [["yamux", "mplex"], ["mplex", "yamux"], ["yamux"], [
  "mplex",
]];

Deno.test("hosts that prefer different muxers agree on one that both have, the dialler's first", async () => {
  for (const [dialler, listener] of [[0, 1], [1, 0], [0, 2], [2, 0], [1, 2], [0, 3], [3, 1]] as const) {
    await using hosts = new Hosts();
    const server = await hosts.start({ muxers: ORDERS[listener] as readonly Muxer[] });
    const client = await hosts.start({ muxers: ORDERS[dialler] as readonly Muxer[] });
    await server.handle(SYNC, (stream) => {
      const echo = async () => {
        for await (const chunk of stream.source) await stream.write(chunk);
      };
      echo().catch(() => {});
    });
    const peer = { peerId: server.peerId, addresses: server.addresses() };
    const stream = await client.openStream(peer, SYNC, { timeoutMs: TIMEOUT });
    await stream.write(new Uint8Array([7, 8]));
    assert.deepEqual(await readBytes(stream.source[Symbol.asyncIterator](), 2), new Uint8Array([7, 8]));
    const wanted = ORDERS[dialler]?.find((m) => ORDERS[listener]?.includes(m));
    assert.ok(
      stream.muxer.startsWith(`/${wanted}/`),
      `${ORDERS[dialler]} to ${ORDERS[listener]}: ${stream.muxer}`,
    );
    stream.reset("done");
  }
});
