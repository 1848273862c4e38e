/**
 * A process that floods one node: `connections` or `requests`, until it is ended.
 *
 * Why it exists: what a flood costs its sender must not be taken from the node under test. What must stay true: it obeys no
 * rule of the protocol but the wire's.
 */
import { SystemClock } from "../../../src/base/mod.ts";
import { createHost, type LibP2PHost, newIdentity } from "../../../src/p2p/mod.ts";
import { answerHeights, RawPeer } from "../../stream/support/raw_peer.ts";
import { TOPIC } from "../../stream/support/node.ts";

const [mode = "", peerId = "", address = ""] = Deno.args;
const clock = new SystemClock();
const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1]);
/** Connections that never speak, at once. */
const MUTE = 950;
const PEERS = 50;
/** Pause before what was refused is tried again: two hundred a second altogether. */
const AGAIN_MS = MUTE / 200 * 1000;
/** A question to a peer that is wanted comes sooner. */
const SOON_MS = 200;
const REQUESTS_PER_SECOND = 1_000;

async function mute(): Promise<never> {
  for (;;) {
    try {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port });
      while (await connection.read(new Uint8Array(256)) !== null);
      connection.close();
    } catch {
      // Refused or reset: the same again.
    }
    await clock.sleep(AGAIN_MS * (0.5 + Math.random()));
  }
}
async function host(): Promise<LibP2PHost> {
  return await createHost({ identity: await newIdentity(), ip: "127.0.0.1", port: 0, userAgent: "flood" });
}
/** Opens a stream again and again, and does on it what `use` does until it is gone. */
async function occupy(own: LibP2PHost, use: (peer: RawPeer<RawStream>) => Promise<void>): Promise<never> {
  for (;;) {
    try {
      const stream = await own.openStream({ peerId, addresses: [address] }, TOPIC, { timeoutMs: 10_000 });
      await use(new RawPeer(stream, answerHeights(100)));
    } catch {
      // Turned away at the door.
    }
    await clock.sleep(200);
  }
}
type RawStream = Awaited<ReturnType<LibP2PHost["openStream"]>>;

if (mode === "connections") {
  let streams = 0;
  for (let i = 0; i < PEERS; i++) {
    void occupy(await host(), async (peer) => {
      streams++;
      // A server asks whom it wants at once. The others come again at once, and wait for no goodbye.
      await Promise.race([peer.done, clock.sleep(SOON_MS)]);
      if (peer.received.length > 0) await peer.done;
    });
  }
  // The mute ones would keep these out for good.
  while (streams < PEERS) await clock.sleep(50);
  for (let i = 0; i < MUTE; i++) void mute();
} else {
  const own = await host();
  let id = 1n;
  void occupy(own, async (peer) => {
    let due = performance.now();
    while (peer.ended === undefined) {
      for (; due < performance.now(); due += 1000 / REQUESTS_PER_SECOND) {
        peer.request(id++, { type: "getBlocksByNumber", numbers: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n] });
      }
      await clock.sleep(5);
    }
  });
}
console.log("flooding");
