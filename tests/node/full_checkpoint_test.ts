/** Full nodes of both shards that begin at a checkpoint, over real sockets; what the commands say about their stores. */
import assert from "node:assert/strict";
import { to0x } from "../../src/base/mod.ts";
import { networkParams } from "../../src/chain/mod.ts";
import { recordedChain } from "../sync/support/chains.ts";
import {
  askerOf,
  beaconPeer,
  holds,
  nodeConfig,
  type Peer,
  reaches,
  readerOf,
  shardPeer,
  Started,
  startNode,
} from "./peers.ts";
import { hsync, localFlags, Process } from "./support.ts";

const { schedule } = networkParams("localnet");
const beacon = recordedChain(0).blocks;
const shard1 = recordedChain(1).blocks;
const LAST_6 = schedule.lastBlock(6);
const HEAD = [426, 255] as const;

function hashOf(shard: 0 | 1, number: number): string {
  return to0x((shard === 0 ? beacon : shard1)[number]?.block.hash ?? new Uint8Array());
}
/** The block of shard 1 that ends epoch 7. */
const OWN = shard1.findIndex(({ block: { header } }) => header.epoch === 7 && header.shardState.length > 0);
const OF_BEACON = `0:${LAST_6}:${hashOf(0, LAST_6)}`;
const OF_SHARD = `1:${OWN}:${hashOf(1, OWN)}`;

Deno.test("a full node of shard 0 begins at a checkpoint, goes on after a restart, and serves what it has", async () => {
  const all = new Started();
  const { dir } = all;
  try {
    const peer = all.add(await beaconPeer(readerOf(beacon)));
    const node = all.add(
      await startNode(nodeConfig(dir, 0, [peer], ["--sync.checkpoint", OF_BEACON])),
    );
    assert.equal(node.startHeight, LAST_6);
    await reaches(node, HEAD[0]);
    const { sync, checkpoint, streams } = node.status();
    assert.equal(sync.current.hash, hashOf(0, HEAD[0]));
    assert.deepEqual([sync.lowest, checkpoint?.chainFrom], [LAST_6, LAST_6]);
    assert.deepEqual([checkpoint?.given, checkpoint?.epochChainFrom], [[OF_BEACON], null]);
    assert.equal(typeof checkpoint?.ageDays, "number");
    assert.equal(sync.assurance.lowest, "signed");
    assert.match(sync.assurance.text, new RegExp(`block ${LAST_6}, which the operator vouched for`));
    assert.deepEqual(streams.protocols.map((p) => p.advertised), [false, false]);
    assert.match(
      sync.diagnosis.find((d) => d.code === "NO_HISTORY")?.text ?? "",
      /not told of this node before there are 1024 blocks/,
    );

    // As a Go node answers: a zero hash, nothing by number, an empty place by hash; and the stream goes on.
    const { client } = await askerOf(node, "sync", 0, all);
    assert.equal((await client.getBlockNumber()).value, HEAD[0]);
    const hashes = (await client.getBlockHashes([LAST_6 - 1, LAST_6, LAST_6 + 1])).value;
    assert.deepEqual(hashes.map((h) => h !== undefined), [false, true, true]);
    const below = [LAST_6 - 2, LAST_6 - 1];
    assert.deepEqual((await client.getBlocksByNumber(below)).value, []);
    const absent = beacon[LAST_6 - 1]?.block.hash as Uint8Array;
    assert.deepEqual((await client.getBlocksByHashes([absent])).value, [undefined]);
    const given = (await client.getBlocksByNumber([LAST_6, LAST_6 + 1])).value;
    assert.deepEqual(given.map(({ block }) => block.number), [LAST_6, LAST_6 + 1]);
    const epochs = await askerOf(node, "epochsync", 0, all);
    const ends = [5, 6, 7, 8].map((epoch) => schedule.lastBlock(epoch));
    const { value } = await epochs.client.getBlocksByNumber(ends);
    assert.deepEqual(value.map(({ block }) => block.number), ends.slice(1), "epochs from the checkpoint on");
    await node.stop();

    // What was begun stays begun, whether the checkpoint is named again or not.
    const again = all.add(await startNode(nodeConfig(dir, 0, [peer])));
    assert.deepEqual([again.store.lowest(), again.startHeight], [LAST_6, HEAD[0]]);
    assert.equal(again.status().checkpoint?.chainFrom, LAST_6);
    await again.stop();
    await commandsBehave(dir);
  } finally {
    await all.end();
  }
});

/** What the commands make of a store that begins at `LAST_6`. */
async function commandsBehave(dir: string): Promise<void> {
  const info = JSON.parse((await hsync(["db", "info", "--json", ...localFlags(dir)])).stdout);
  assert.deepEqual([info.lowest, info.head.number, info.certified], [LAST_6, HEAD[0], HEAD[0]]);
  const verified = await hsync(["db", "verify", "--json", ...localFlags(dir)]);
  assert.equal(verified.code, 0, verified.stderr);
  const report = JSON.parse(verified.stdout);
  assert.deepEqual([report.from, report.to, report.failure], [LAST_6 + 1, HEAD[0], null]);

  const file = `${dir}/chain.jsonl`;
  const exported = await hsync(["db", "export", file, ...localFlags(dir)]);
  assert.equal(exported.code, 0, exported.stderr);
  assert.match(exported.stdout, new RegExp(`blocks=${HEAD[0] - LAST_6 + 1} `));
  const tooLow = await hsync(["db", "export", `${dir}/low`, "--from", "3", ...localFlags(dir)]);
  assert.match(tooLow.stderr, new RegExp(`the store has blocks ${LAST_6}\\.\\.${HEAD[0]}`));
  const unwound = await hsync(["db", "unwind", "--to", String(LAST_6 - 1), ...localFlags(dir)]);
  assert.match(unwound.stderr, new RegExp(`the store holds blocks ${LAST_6} to ${HEAD[0]}`));

  for (const number of [LAST_6, schedule.lastBlock(9)]) {
    const wrong = `0x${"5a".repeat(32)}`;
    const end = await hsync(["run", ...localFlags(dir), "--sync.checkpoint", `0:${number}:${wrong}`]);
    assert.equal(end.code, 11, end.stderr);
    assert.ok(end.stderr.includes(wrong) && end.stderr.includes(hashOf(0, number)), end.stderr);
    assert.match(end.stderr, /^error: .*; hint: /m);
  }
}

Deno.test("a full node of shard 1 begins at its checkpoint once the beacon chain has confirmed it, and goes on after a restart", async () => {
  const all = new Started();
  try {
    const zero = all.add(await beaconPeer(readerOf(beacon)));
    const one = all.add(await shardPeer(readerOf(shard1)));
    const flags = ["--sync.checkpoint", OF_BEACON, "--sync.checkpoint", OF_SHARD];
    const loaded = nodeConfig(all.dir, 1, [zero, one], flags);
    const node = all.add(await startNode(loaded));
    await reaches(node, HEAD[1]);
    await holds(() => node.status().epochChain?.caughtUp === true);
    const { sync, checkpoint, epochChain, streams } = node.status();
    assert.equal(sync.current.hash, hashOf(1, HEAD[1]));
    assert.deepEqual(checkpoint?.given, [OF_SHARD, OF_BEACON]);
    assert.deepEqual([checkpoint?.chainFrom, checkpoint?.epochChainFrom], [OWN, LAST_6]);
    assert.equal(epochChain?.origin, "checkpoint");
    assert.deepEqual([epochChain?.base?.number, epochChain?.epoch], [LAST_6, 27]);
    assert.equal(epochChain?.committees?.unchecked, 0);
    assert.ok((epochChain?.committees?.checked ?? 0) >= 10);
    // The epoch chain is offered; the shard's own chain is not long enough yet.
    assert.deepEqual(streams.protocols.map((p) => p.advertised), [false, true]);
    await node.stop();
    const again = all.add(await startNode(loaded));
    assert.deepEqual([again.store.lowest(), again.startHeight], [OWN, HEAD[1]]);
    assert.equal(again.status().epochChain?.epoch, 27);
  } finally {
    await all.end();
  }
});

Deno.test("a run that is to stop below its checkpoint does not begin", async () => {
  const all = new Started();
  try {
    const loaded = nodeConfig(all.dir, 0, [], ["--sync.checkpoint", OF_BEACON, "--stop-at", "50"]);
    await assert.rejects(startNode(loaded), {
      code: "STOP_AT_PASSED",
      message: /--stop-at 50 is below the checkpoint 0:/,
    });
  } finally {
    await all.end();
  }
});

Deno.test("a checkpoint whose hash is another block's is refused, and the store has not begun", async () => {
  const all = new Started();
  try {
    const peer = all.add(await beaconPeer(readerOf(beacon)));
    const wrong = `0:${LAST_6}:${hashOf(0, schedule.lastBlock(7))}`;
    await assert.rejects(startNode(nodeConfig(all.dir, 0, [peer], ["--sync.checkpoint", wrong])), {
      code: "CHECKPOINT_INVALID",
      exitCode: 128,
    });
    const unconfirmed = all.add(await startNode(nodeConfig(all.dir, 0, [peer])));
    assert.equal(unconfirmed.startHeight, 0);
    const beaconWrong = ["--sync.checkpoint", wrong, "--sync.checkpoint", OF_SHARD];
    const shard = all.add(await shardPeer(readerOf(shard1)));
    await assert.rejects(startNode(nodeConfig(`${all.dir}/one`, 1, [peer, shard], beaconWrong)), {
      code: "CHECKPOINT_INVALID",
      exitCode: 128,
    });
  } finally {
    await all.end();
  }
});

async function withPeer(test: (all: Started, peer: Peer) => Promise<void>): Promise<void> {
  const all = new Started();
  try {
    await test(all, all.add(await beaconPeer(readerOf(beacon))));
  } finally {
    await all.end();
  }
}
const NOWHERE = `0:${LAST_6}:0x${"5a".repeat(32)}`;

Deno.test({
  name: "while nobody gives the checkpoint block, the status says so; SIGTERM then ends the node cleanly",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withPeer(async ({ dir }, peer) => {
      const flags = localFlags(dir, ["--bootnodes", peer.address, "--sync.checkpoint", NOWHERE]);
      const node = new Process(["run", ...flags]);
      const url = String((await node.line(/status\s+(http:\S+\/status)/))[1]);
      for (;;) {
        const { sync, checkpoint, streams } = await (await fetch(url)).json();
        assert.equal(sync.state, "starting");
        if (streams.protocols[0].active === 0 || sync.waiting.length === 0) continue;
        assert.match(sync.waiting[0].what, new RegExp(`waiting for the checkpoint block ${NOWHERE}`));
        // deno-lint-ignore no-explicit-any
        const found = sync.diagnosis.find((d: any) => d.code === "CHECKPOINT_AWAITED");
        assert.match(found?.text, /none of 1 streams has given that block yet/);
        assert.deepEqual([checkpoint.given, checkpoint.chainFrom], [[NOWHERE], null]);
        assert.equal(streams.protocols[0].advertised, false);
        break;
      }
      node.kill("SIGTERM");
      const end = await node.end();
      assert.deepEqual([end.code, /error:/.test(end.stderr)], [0, false], end.stderr);
    }),
});

Deno.test("a deadline that passes while the checkpoint block is waited for says so", () =>
  withPeer(async ({ dir }, peer) => {
    const flags = ["--bootnodes", peer.address, "--sync.checkpoint", NOWHERE, "--deadline", "4"];
    const end = await hsync(["run", ...localFlags(dir, flags)]);
    assert.equal(end.code, 1, end.stderr);
    assert.match(end.stderr, /^error: not done after 4 s: .*checkpoint 0:\d+:0x5a/m);
    const info = JSON.parse((await hsync(["db", "info", "--json", ...localFlags(dir)])).stdout);
    assert.deepEqual([info.head.number, info.lowest], [0, 0]);
  }));
