/** `hsync peers test` against peers of every kind, over real libp2p. */
import assert from "node:assert/strict";
import { nullLogger, nullMeter, SystemClock } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { tryPeer } from "../../src/node/mod.ts";
import { createHost, newIdentity } from "../../src/p2p/mod.ts";
import { type ChainReader, type StreamEvent, SyncProtocol } from "../../src/stream/mod.ts";
import { errorOf, type Run, run } from "../cli/support.ts";

const clock = new SystemClock();
const GENESIS = networkParams("localnet").genesisBlock(0).hash;

/** A chain of which a trial sees the height and the hash of block 0. */
function reader(genesis: Uint8Array): ChainReader {
  return {
    head: () => ({ number: 7, hash: genesis }),
    lowest: () => 0,
    hashAt: (n) => Promise.resolve(n === 0 ? genesis : undefined),
    numberOf: () => Promise.resolve(undefined),
    blockAt: () => Promise.resolve(undefined),
    receiptsAt: () => Promise.resolve(undefined),
  };
}

interface Peer {
  readonly address: string;
  readonly events: readonly StreamEvent[];
  /** Resolves when a stream has ended. */
  readonly removed: Promise<void>;
}

/** Runs a test beside a peer; `shard` undefined: a boot node that serves no chain. */
async function besidePeer(
  options: { readonly shard?: number; readonly genesis?: Uint8Array },
  test: (peer: Peer) => Promise<void>,
): Promise<void> {
  const host = await createHost({
    identity: await newIdentity(),
    ip: "127.0.0.1",
    port: 0,
    userAgent: "test",
  });
  const events: StreamEvent[] = [];
  const removed = Promise.withResolvers<void>();
  const protocol = options.shard === undefined ? undefined : new SyncProtocol({
    host,
    service: "sync",
    network: "localnet",
    shardId: options.shard,
    reader: reader(options.genesis ?? GENESIS),
    caps: { hardLowCap: 0, softLowCap: 0, highCap: 8, discBatch: 1 },
    clock,
    logger: nullLogger,
    meter: nullMeter,
    advertise: false,
  });
  try {
    protocol?.on((event) => {
      events.push(event);
      if (event.type === "removed") removed.resolve();
    });
    await protocol?.start();
    await test({ address: String(host.addresses()[0]), events, removed: removed.promise });
  } finally {
    await protocol?.stop();
    await host.stop();
  }
}

function trial(address: string, ...flags: string[]): Promise<Run> {
  return run(["peers", "test", address, "-n", "localnet", "--shard", "0", ...flags], { tryPeer });
}

Deno.test("a peer that serves is tried step by step, and sees one stream with a whole exchange", async () => {
  await besidePeer({ shard: 0 }, async ({ address, events, removed }) => {
    const result = await trial(address);
    assert.equal(result.code, 0, result.err.join("\n"));
    const text = result.out.join("\n");
    for (const step of ["resolve", "connect", "identify", "open, height", "genesis"]) {
      assert.match(text, new RegExp(`^ok +${step} +\\d+ ms`, "m"));
    }
    assert.match(text, /speaks \d+ protocols: harmony\/sync\/localnet\/0\/1\.0\.0/);
    assert.match(text, /the peer is at block 7/);
    assert.match(text, /the same chain as ours/);
    // A stream counts as added once our side has answered the peer's own question.
    await removed;
    assert.deepEqual(events.map((e) => e.type).filter((t) => t !== "height"), ["added", "removed"]);
    const json = await trial(address, "--json");
    const doc = JSON.parse(json.out.join(""));
    assert.deepEqual([doc.height, doc.protocol, doc.steps.length], [7, "harmony/sync/localnet/0/1.0.0", 5]);
    assert.ok(doc.steps.every((s: { ok: boolean }) => s.ok));
  });
});

Deno.test("a peer of another shard, of another chain, and a boot node are told apart", async () => {
  await besidePeer({ shard: 1 }, async ({ address }) => {
    const result = await trial(address);
    assert.equal(result.code, 1);
    assert.match(
      errorOf(result),
      /does not speak .*\/0\/1\.0\.0; hint: it speaks .*localnet\/1.*--run\.shard/,
    );
  });
  await besidePeer({}, async ({ address }) => {
    const result = await trial(address);
    assert.match(errorOf(result), /hint: it is a boot node/);
    assert.match(result.out.join("\n"), /none of them sync/);
  });
  await besidePeer({ shard: 0, genesis: new Uint8Array(32).fill(9) }, async ({ address }) => {
    const result = await trial(address, "--json");
    assert.equal(result.code, 1);
    assert.match(errorOf(result), /its chain begins with 0x0909/);
    assert.equal(JSON.parse(result.out.join("")).steps.at(-1).ok, false);
  });
});

Deno.test("a peer that is not there, or another than was named, fails at the connection", async () => {
  const nobody = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
  const gone = await trial(nobody);
  assert.equal(gone.code, 1);
  assert.match(errorOf(gone), /REFUSED.*hint: does it run/);
  await besidePeer({ shard: 0 }, async ({ address }) => {
    const wrong = await trial(
      address.replace(/p2p\/.*/, "p2p/12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"),
    );
    assert.equal(wrong.code, 1);
    assert.match(wrong.out.at(-1) ?? "", /^FAIL +connect/);
  });
  const nonsense = await trial("peer");
  assert.match(errorOf(nonsense), /"peer" cannot be used.*hint: write \/ip4/);
});
