/**
 * Floods over real sockets: of connections and of requests. What they cost is measured in `tests/bench`; here is what must
 * come of them.
 */
import assert from "node:assert/strict";
import { MAX_QUEUED_REQUESTS, OPENED_PER_MINUTE } from "../../src/stream/constants.ts";
import { METRIC } from "../../src/stream/meters.ts";
import { answerHeights } from "./support/raw_peer.ts";
import { io, Loopback, type LoopbackNode, until } from "./support/loopback.ts";
import { TOPIC } from "./support/node.ts";

const CAPS = { hardLowCap: 0, softLowCap: 0, highCap: 4, discBatch: 1 };
const MAX_RESERVED = 4;
/** The rest of it is refused before anything is read. */
const PENDING = 256;

/** Takes blocks from a server in a row; the blocks that came. */
async function fetch(client: LoopbackNode, requests: number): Promise<number> {
  let blocks = 0;
  for (let i = 0; i < requests; i++) {
    const from = 1 + (10 * i) % 50;
    const numbers = Array.from({ length: 10 }, (_, k) => from + k);
    blocks += (await client.protocol.client.getBlocksByNumber(numbers)).value.length;
  }
  return blocks;
}
/** Work that goes on beside; when the test fails first, its own failure is not what matters. */
function beside<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}
/** A TCP connection that never speaks. */
class Mute {
  closed = false;
  private constructor(readonly connection: Deno.TcpConn) {}
  static async open(port: number): Promise<Mute> {
    const mute = new Mute(await Deno.connect({ hostname: "127.0.0.1", port }));
    void mute.#read();
    return mute;
  }
  async #read(): Promise<void> {
    try {
      while (await this.connection.read(new Uint8Array(256)) !== null);
    } catch {
      // Reset, or closed here.
    }
    this.close();
  }
  close(): void {
    if (!this.closed) this.connection.close();
    this.closed = true;
  }
}
/** Tries until it succeeds, as whoever is turned away at the door does. */
async function persist<T>(attempt: () => Promise<T>, most = 100): Promise<T> {
  for (let tries = 0;; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries >= most) throw error;
      await io();
    }
  }
}

// T-24
Deno.test("flood: of connections that never speak and of real peers: bounded, refused cheaply, and an honest client goes on", async () => {
  await using net = new Loopback();
  const server = await net.node({
    caps: CAPS,
    maxReserved: MAX_RESERVED,
    hostOptions: { maxConnsPerIp: 10_000 },
  });
  const honest = await net.node({ knows: [server] });
  await until("the honest client's stream", () => honest.protocol.streams().length === 1);

  const port = Number(/\/tcp\/(\d+)/.exec(server.peer.addresses[0] ?? "")?.[1]);
  const mutes = await Promise.all(Array.from({ length: PENDING + 100 }, () => Mute.open(port)));
  try {
    const open = () => mutes.filter((m) => !m.closed);
    await until("the rest of the connections to be refused", () => open().length <= PENDING);
    const working = beside(fetch(honest, 20));
    // While all places for handshakes are taken newcomers are turned away; some of the mute ones give up.
    for (const mute of open().slice(0, 100)) mute.close();
    const peers = await Promise.all(Array.from({ length: 14 }, () => net.raw(answerHeights(60))));
    const streams = await Promise.all(peers.map((p) => persist(() => p.open(server))));
    const places = CAPS.highCap + MAX_RESERVED;
    await until("those without a place to be sent away", () => {
      const { active, reserved } = server.protocol.snapshot();
      assert.ok(active <= CAPS.highCap && reserved <= MAX_RESERVED, `${active} + ${reserved} streams`);
      return streams.filter((s) => s.ended !== undefined).length === peers.length - (places - 1);
    });
    assert.equal(await working, 200, "every request of the honest client was answered");
    assert.deepEqual(honest.events.filter((e) => e.type === "removed"), []);
    const { list, cooldown } = server.protocol.snapshot();
    assert.equal(cooldown, 0, "who found no room is not punished");
    assert.equal(list.length, places);
    assert.ok(list.some((s) => s.id === honest.host.peerId), "who was there first stays");
  } finally {
    for (const mute of mutes) mute.close();
  }
});

// T-23
Deno.test("flood: of a thousand requests on one stream: ten a second are served, the queue stays short, and the flooder goes", async () => {
  await using net = new Loopback();
  const server = await net.node();
  const honest = await net.node({ knows: [server] });
  await until("the honest client's stream", () => honest.protocol.streams().length === 1);
  const flooder = await net.raw(answerHeights(60));
  const raw = await flooder.open(server);
  const begun = net.clock.monotonic();
  const working = beside(fetch(honest, 5));
  for (let id = 1n; id <= 1_000n; id++) {
    raw.request(id, { type: "getBlocksByNumber", numbers: [1n, 2n, 3n] });
  }
  await until("the flooder to be removed", () => raw.ended !== undefined);
  const seconds = (net.clock.monotonic() - begun) / 1000;
  const answers = raw.responses();
  const busy = answers.filter((m) => m.response?.type === "error");
  const served = answers.filter((m) => m.response?.type === "getBlocksByNumber");
  assert.ok(served.length <= 10 + 10 * seconds + 1, `${served.length} answers in ${seconds} s`);
  assert.ok(busy.length <= 64, `${busy.length} times told to be busy`);
  assert.ok(answers.length + MAX_QUEUED_REQUESTS <= 200, "most of it was never even answered");
  const [entry] = server.protocol.snapshot().cooldownList;
  assert.deepEqual([entry?.id, entry?.reason, entry?.critical], [
    flooder.host.peerId,
    "rate_violation",
    true,
  ]);
  assert.equal(await working, 50);
  assert.deepEqual(honest.events.filter((e) => e.type === "removed"), []);
  assert.equal(server.meter.get(METRIC.criticalErrors, { topic: TOPIC }), 1);

  // It comes again on a new stream, still banned: it is told nothing but the answer to its first questions, and goes.
  const again = await flooder.open(server);
  for (let id = 1n; id <= 200n; id++) again.request(id, { type: "getBlockNumber" });
  await until("the second stream to be reset", () => again.ended !== undefined);
  assert.equal(server.protocol.streams().some((s) => s.id === flooder.host.peerId), false);
});

// T-24
Deno.test("flood: of streams by one peer: its connection goes and the next ones are refused, while its neighbours are let in", async () => {
  await using net = new Loopback();
  const server = await net.node({ caps: CAPS, maxReserved: MAX_RESERVED });
  const honest = await net.node({ knows: [server] });
  await until("the honest client's stream", () => honest.protocol.streams().length === 1);
  const flooder = await net.raw(answerHeights(60));
  const working = beside(fetch(honest, 5));
  let opened = 0;
  const flood = async () => {
    for (;; opened++) await flooder.open(server);
  };
  await assert.rejects(flood(), { fault: "TRANSPORT" });
  assert.ok(opened >= OPENED_PER_MINUTE && opened < OPENED_PER_MINUTE + 10, `${opened} streams`);
  await until("its connection to be gone", () => server.host.connectedPeers() === 1);
  await assert.rejects(flooder.open(server), { fault: "TRANSPORT" });
  const [entry] = server.protocol.snapshot().cooldownList;
  assert.deepEqual([entry?.id, entry?.reason], [flooder.host.peerId, "rate_violation"]);
  assert.equal(await working, 50);
  assert.deepEqual(honest.events.filter((e) => e.type === "removed"), []);

  // The address is let in once a second, whoever comes from it.
  const neighbour = await net.raw(answerHeights(60));
  const stream = await persist(() => neighbour.open(server), 1_000);
  await until("the neighbour's stream", () => server.protocol.streams().length === 2);
  assert.equal(stream.ended, undefined);
});
