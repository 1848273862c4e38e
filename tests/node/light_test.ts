/** Light mode over real sockets: nodes of both shards serve recorded chains, light mode tells their heads. */
import assert from "node:assert/strict";
import { nullLogger, SystemClock, SystemRandom } from "../../src/base/mod.ts";
import { type CliIo, RecentErrors } from "../../src/api/mod.ts";
import { FLAGS, loadConfig, parseArgv } from "../../src/config/mod.ts";
import { HsyncNode } from "../../src/node/mod.ts";
import { LightNode } from "../../src/node/light.ts";
import { runLight } from "../../src/node/run_light.ts";
import type { LightStatusDocument } from "../../src/sync/mod.ts";
import { recordedChain } from "../sync/support/chains.ts";
import { vectorText } from "../vectors/load.ts";
import { holds, readerOf, startPeer } from "./peers.ts";
import { writeRecording } from "./recording.ts";
import { hsync, localFlags, Process } from "./support.ts";

/** A node that serves the recorded blocks 0..`height` of a shard. */
async function serve(
  dir: string,
  shard: 0 | 1,
  height: number,
  more: readonly string[] = [],
): Promise<Process> {
  const lines = vectorText(`localnet/s${shard}.blocks.jsonl.gz`).split("\n").slice(0, height + 1);
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(`${dir}/blocks.jsonl`, lines.join("\n") + "\n");
  const flags = localFlags(dir, ["--run.shard", String(shard), ...more]);
  const imported = await hsync(["db", "import", `${dir}/blocks.jsonl`, ...flags]);
  assert.equal(imported.code, 0, imported.stderr);
  return new Process(["run", ...flags]);
}
async function address(node: Process): Promise<string> {
  return (await node.line(/p2p\s+(\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\S+)/))[1] as string;
}

/** Runs light mode in this process. */
async function light(args: readonly string[], json: boolean): Promise<{ code: number; out: string[] }> {
  const loaded = loadConfig({ flags: parseArgv(args, FLAGS).flags, env: () => undefined });
  const out: string[] = [];
  const io: CliIo = {
    out: (line) => out.push(line),
    err: () => {},
    terminal: false,
    progress: () => {},
    onStop: () => () => {},
    onReload: () => () => {},
  };
  return { code: await runLight(loaded, { json }, io), out };
}

Deno.test("the heads of both shards, from genesis and from a checkpoint, and across a restart", async () => {
  const dir = await Deno.makeTempDir();
  // The recording of shard 1 ends while the beacon chain is in epoch 17.
  const beacon = await serve(`${dir}/beacon`, 0, 270);
  const boot = await address(beacon);
  const shard = await serve(`${dir}/shard`, 1, 255, ["--bootnodes", boot]);
  try {
    await address(shard);
    const once = ["--bootnodes", boot, "--exit-when-synced", "--deadline", "300"];
    const first = await light(localFlags(`${dir}/l1`, ["--run.shard", "1", ...once]), true);
    assert.equal(first.code, 0);
    assert.equal(first.out.length, 1, "with --json there is the document and nothing else");
    const status = JSON.parse(first.out[0] ?? "") as LightStatusDocument;
    assert.equal(status.head?.number, 255);
    assert.equal(status.head?.epoch, 17);
    assert.equal(status.epochChain.epoch, 17);
    assert.equal(status.synced, true);

    const last = status.epochChain.head;
    assert.ok(last !== null);
    const checkpoint = ["--sync.checkpoint", `0:${last.number}:${last.hash}`];
    const again = await light(localFlags(`${dir}/l1`, ["--run.shard", "1", ...checkpoint, ...once]), false);
    assert.equal(again.code, 0);
    assert.match(
      again.out.join("\n"),
      /shard 1 head 255 0x[0-9a-f]{64}\n.*\nsigned {2}by \d+ of \d+ seats, voting power 0?1?\.\d+.*\n {8}one1\w{38}/,
    );

    // The stored epochs go back to genesis: nothing was begun at the checkpoint.
    assert.match(
      again.out.join("\n"),
      new RegExp(`^held against checkpoint 0:${last.number}:${last.hash}, \\d+ days old`, "m"),
    );
    assert.match(again.out.join("\n"), /light mode: shard 1 of localnet, from genesis/);
    assert.doesNotMatch(again.out.join("\n"), /begun at/);

    const zero = await light(localFlags(`${dir}/l0`, [...checkpoint, ...once]), true);
    const beaconHead = JSON.parse(zero.out[0] ?? "") as LightStatusDocument;
    assert.equal(beaconHead.head?.number, 270);
    assert.equal(beaconHead.epochChain.origin, "checkpoint");
    assert.equal(typeof beaconHead.checkpoint?.ageDays, "number");
  } finally {
    beacon.kill("SIGTERM");
    shard.kill("SIGTERM");
    await Promise.all([beacon.end(), shard.end()]);
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a light node alone shows its figures and its status from the start", async () => {
  const dir = await Deno.makeTempDir();
  const loaded = loadConfig({ flags: parseArgv(localFlags(dir), FLAGS).flags, env: () => undefined });
  const node = await LightNode.start({
    loaded,
    clock: new SystemClock(),
    random: new SystemRandom(),
    logger: nullLogger,
    errors: new RecentErrors(),
  });
  try {
    const figures = await (await fetch(new URL("/metrics", node.statusUrl))).text();
    assert.match(figures, /^hmy_build_info\{.*version="/m);
    assert.match(figures, /^process_start_time_seconds(\{\})? 1\d{9}/m);
    const status = await (await fetch(new URL("/status", node.statusUrl))).json();
    assert.equal(status.node.peerId, node.host.peerId);
    assert.equal(status.light.state, "waitingForStreams");
  } finally {
    await node.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("on a store that the anchors exclude neither kind of node starts; a light node serves nothing of a store, and is in sync only when certified", async () => {
  const dir = await Deno.makeTempDir();
  const config = (more: readonly string[]) =>
    loadConfig({ flags: parseArgv(localFlags(dir, more), FLAGS).flags, env: () => undefined });
  const parts = { clock: new SystemClock(), random: new SystemRandom(), logger: nullLogger };
  const reader = { ...readerOf(recordedChain(0).blocks, () => 1), blockAt: () => Promise.resolve(undefined) };
  const peer = await startPeer([{ service: "sync", shardId: 0, reader }]);
  try {
    await writeRecording(`${dir}/blocks.jsonl`, 40);
    assert.equal((await hsync(["db", "import", `${dir}/blocks.jsonl`, ...localFlags(dir)])).code, 0);
    const other = { shard: 0, number: 30, hash: `0x${"11".repeat(32)}` };
    await Deno.writeTextFile(`${dir}/anchors.json`, JSON.stringify({ anchors: [other] }));
    const excluded = config([`--sync.anchor-file=${dir}/anchors.json`]);
    for (const kind of [LightNode, HsyncNode]) {
      await assert.rejects(
        kind.start({ ...parts, loaded: excluded, errors: new RecentErrors() }),
        { code: "ANCHOR_BREACH", exitCode: 11, hint: /db unwind --to 29/ },
        kind.name,
      );
    }
    const loaded = config(["--sync.trusted-nodes", peer.address]);
    const node = await LightNode.start({ ...parts, loaded, errors: new RecentErrors() });
    try {
      await holds(() => peer.streams().some((stream) => stream.height !== undefined));
      assert.deepEqual(peer.streams().map((stream) => stream.height), [0], "forty blocks are stored");
      assert.deepEqual(peer.speaking(), [], "nobody is told to come");
      // By heights alone the node would be in sync: the peer claims block 1 and does not show it.
      await holds(() => node.document().sync.target !== null);
      const { sync, light } = node.document();
      assert.deepEqual([sync.behind, sync.inSync, light.synced], [1, false, false]);
    } finally {
      await node.stop();
    }
  } finally {
    await peer.stop();
    await Deno.remove(dir, { recursive: true });
  }
});
