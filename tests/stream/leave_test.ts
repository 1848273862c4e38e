/** Leaving the network, over real libp2p on loopback: what is being answered is answered, then everything goes at once. */
import assert from "node:assert/strict";
import { nullLogger, SystemClock } from "../../src/base/mod.ts";
import {
  createHost,
  type Identity,
  type LibP2PHost,
  newIdentity,
  type P2PStream,
} from "../../src/p2p/mod.ts";
import {
  leaveNetwork,
  type PeerMemory,
  SyncProtocol,
  type SyncProtocolOptions,
} from "../../src/stream/mod.ts";
import { encodeFrame, FrameReader } from "../../src/stream/frame.ts";
import { decodeMessage, encodeRequest, encodeResponse, type WireMessage } from "../../src/stream/message.ts";
import { RecordedChain } from "./support/chain.ts";
import { MemoryMeter } from "./support/meter.ts";

const clock = new SystemClock();
const TIMEOUT = 30_000;
const CAPS = { hardLowCap: 1, softLowCap: 1, highCap: 16, discBatch: 8 };
const PASSIVE = { hardLowCap: 0, softLowCap: 0, highCap: 16, discBatch: 8 };

async function startHost(
  options: { identity?: Identity; bootnodes?: readonly string[] } = {},
): Promise<LibP2PHost> {
  return await createHost({
    identity: options.identity ?? await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "hsync/test",
    bootnodes: options.bootnodes ?? [],
  });
}

function protocolOn(host: LibP2PHost, options: Partial<SyncProtocolOptions> = {}): SyncProtocol {
  return new SyncProtocol({
    host,
    service: "sync",
    network: "localnet",
    shardId: 0,
    reader: new RecordedChain(0, 50),
    caps: PASSIVE,
    clock,
    logger: nullLogger,
    meter: new MemoryMeter(),
    rateLimits: { perStream: 0, global: 0 },
    advertise: false,
    ...options,
  });
}

/** Remembers in memory what a store would. */
class Memory implements PeerMemory {
  saved: Uint8Array | undefined;
  load(): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.saved);
  }
  save(bytes: Uint8Array): Promise<void> {
    this.saved = bytes;
    return Promise.resolve();
  }
}

/** A chain that holds blocks back until it is told. */
class SlowChain extends RecordedChain {
  readonly asked = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();
  override async blockAt(number: number) {
    this.asked.resolve();
    await this.release.promise;
    return await super.blockAt(number);
  }
}

/** A peer of few words on one stream: sends requests, hears what comes, and names its height when asked. */
class Talk {
  readonly heard: WireMessage[] = [];
  readonly ended: Promise<string>;
  readonly #news = new Set<() => void>();
  constructor(readonly stream: P2PStream) {
    this.ended = this.#read();
  }
  async #read(): Promise<string> {
    const frames = new FrameReader();
    try {
      for await (const chunk of this.stream.source) {
        for (const body of frames.push(chunk)) {
          const message = decodeMessage(body);
          this.heard.push(message);
          if (message.kind !== "request") continue;
          await this.stream.write(
            encodeFrame(encodeResponse(message.id, { type: "getBlockNumber", number: 9n })),
          );
        }
        for (const wake of this.#news) wake();
      }
      return "half-closed";
    } catch (error) {
      return (error as Error).message;
    }
  }
  async ask(id: bigint, request: Parameters<typeof encodeRequest>[1]): Promise<void> {
    await this.stream.write(encodeFrame(encodeRequest(id, request)));
  }
  /** The answer to a request. */
  async answer(id: bigint): Promise<WireMessage> {
    for (;;) {
      const found = this.heard.find((m) => m.kind === "response" && m.id === id);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#news.delete(wake);
          resolve();
        };
        this.#news.add(wake);
      });
    }
  }
}

Deno.test("a leaving node finishes its answers, serves who comes meanwhile, and then is gone at once", async () => {
  const [host, peer] = [await startHost(), await startHost()];
  const chain = new SlowChain(0, 50);
  const memory = new Memory();
  const own = protocolOn(host, { reader: chain, memory });
  const epochs = protocolOn(host, { service: "epochsync" });
  const order: string[] = [];
  try {
    await Promise.all([own.start(), epochs.start()]);
    const at = { peerId: host.peerId, addresses: host.addresses() };
    const first = new Talk(await peer.openStream(at, own.id, { timeoutMs: TIMEOUT }));
    await first.ask(1n, { type: "getBlocksByNumber", numbers: [7n] });
    await chain.asked.promise;
    peer.on((event) => event.type === "disconnected" ? order.push(event.type) : undefined);
    const left = leaveNetwork(host, [own, epochs]);
    // Whoever comes now is not turned away: that would end a stream while its connection stands.
    const second = new Talk(await peer.openStream(at, epochs.id, { timeoutMs: TIMEOUT }));
    await second.ask(2n, { type: "getBlockNumber" });
    const height = await second.answer(2n);
    assert.ok(height.kind === "response" && height.response?.type === "getBlockNumber");
    for (const talk of [first, second]) {
      const probes = talk.heard.filter((m) => m.kind === "request");
      assert.ok(probes.length <= 1, "nothing but the first probe is asked of a peer");
    }
    chain.release.resolve();
    const answer = await first.answer(1n);
    assert.ok(answer.kind === "response" && answer.response?.type === "getBlocksByNumber");
    assert.deepEqual(answer.response.blocks, [chain.bytes(7)]);
    assert.deepEqual(order, [], "still connected");
    const ends = await Promise.all([first.ended, second.ended]);
    for (const end of ends) assert.match(end, /the connection was lost/);
    await left;
    assert.deepEqual(order, ["disconnected"]);
    const saved = JSON.parse(new TextDecoder().decode(memory.saved));
    assert.deepEqual(saved.cooldowns, [], "nobody is blamed for our leaving");
  } finally {
    await leaveNetwork(host, [own, epochs]);
    await peer.stop();
  }
});

Deno.test("a node that comes back finds its good peers again without a bootnode", async () => {
  const [server, other] = [await startHost(), await startHost()];
  const identity = await newIdentity();
  const memory = new Memory();
  const serving = protocolOn(server);
  const hosts = [server, other];
  try {
    await serving.start();
    const before = await startHost({ identity, bootnodes: server.addresses() });
    hosts.push(before);
    const first = protocolOn(before, { caps: CAPS, memory });
    await first.start();
    await streamed(first);
    await leaveNetwork(before, [first]);
    const after = await startHost({ identity });
    hosts.push(after);
    const second = protocolOn(after, { caps: CAPS, memory });
    await second.start();
    await streamed(second);
    assert.deepEqual(second.streams().map((s) => s.id), [server.peerId]);
    assert.equal(second.snapshot().cooldown, 0);
    await leaveNetwork(after, [second]);
  } finally {
    await leaveNetwork(server, [serving]);
    for (const host of hosts) await host.stop();
  }
});

/** Resolves once the protocol has an active stream. */
async function streamed(protocol: SyncProtocol): Promise<void> {
  if (protocol.streams().length > 0) return;
  await new Promise<void>((resolve) => {
    const off = protocol.on((event) => {
      if (event.type !== "added") return;
      off();
      resolve();
    });
  });
}

Deno.test("what fails while leaving keeps nothing else from ending", async () => {
  const done: string[] = [];
  const part = (name: string) => (): Promise<void> => {
    done.push(name);
    return name.includes("bad") ? Promise.reject(new Error(name)) : Promise.resolve();
  };
  const error = await leaveNetwork(
    { leave: part("bad leave"), stop: part("host stop") },
    [
      { leave: part("a rests"), stop: part("a stops") },
      { leave: part("bad rest"), stop: part("b stops") },
    ],
  ).then(() => undefined, (e: AggregateError) => e);
  assert.deepEqual(done, ["a rests", "bad rest", "bad leave", "a stops", "b stops", "host stop"]);
  assert.deepEqual(error?.errors.map((e: Error) => e.message), ["bad rest", "bad leave"]);
});
