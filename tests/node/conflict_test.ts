/** Two certified blocks of one height, on whole nodes: everything stops there, says so, and stays so after a restart. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { toHex } from "../../src/base/mod.ts";
import { parentCommitSig } from "../../src/chain/mod.ts";
import { type ConflictEvidence, evidenceName, evidenceText } from "../../src/consensus/mod.ts";
import type { HsyncNode } from "../../src/node/mod.ts";
import { storeDirectory } from "../../src/store/mod.ts";
import type { StatusDocument } from "../../src/api/mod.ts";
import type { ChainReader } from "../../src/stream/mod.ts";
import { ChainBuilder } from "../builder/mod.ts";
import { at, recordedChain, tip } from "../sync/support/chains.ts";
import { delivered, memoryStore, signedChain, signedNetwork } from "../sync/support/certified.ts";
import { failureOf, nodeConfig, reaches, readerOf, Started, startNode, startPeer } from "./peers.ts";
import { hsync, localFlags, Process } from "./support.ts";

const SEED = 83;
const NETWORK = signedNetwork({ seed: SEED, epochLength: 16, electedSlots: 3, shardCount: 1 });
const CHAIN = signedChain(NETWORK, 40, { absence: 0 });
const FORK = (() => {
  const builder = ChainBuilder.start(NETWORK, { absence: 0 });
  while (builder.head.number < 30) builder.next();
  const fork = builder.fork(4);
  const blocks = CHAIN.blocks.slice(0, 31);
  for (let n = 31; n <= 45; n++) blocks.push(delivered(fork.next()));
  return { blocks };
})();

/** Answers out of one chain, then out of another. */
function turning(): { readonly reader: ChainReader; turn(): void } {
  let now = readerOf(CHAIN.blocks);
  const reader: ChainReader = {
    head: () => now.head(),
    lowest: () => now.lowest(),
    hashAt: (n) => now.hashAt(n),
    numberOf: (h) => now.numberOf(h),
    blockAt: (n) => now.blockAt(n),
    receiptsAt: (n) => now.receiptsAt(n),
  };
  return { reader, turn: () => now = readerOf(FORK.blocks) };
}
function finding(status: StatusDocument) {
  return status.sync.diagnosis.find((d) => d.code === "CONFLICTING_CERTIFICATES");
}
function assertStopped(node: HsyncNode, disputed: RegExp): void {
  const status = node.status();
  assert.equal(status.sync.state, "stalled");
  assert.equal(status.sync.diagnosis[0]?.code, "CONFLICTING_CERTIFICATES");
  assert.match(finding(status)?.text ?? "", disputed);
  assert.match(finding(status)?.hint ?? "", /--sync\.anchor-file.*hsync db unwind --to/);
  assert.doesNotMatch(JSON.stringify(status.sync.waiting), /restart/);
}

Deno.test(`a node that is shown two certified chains stops, serves on and stays stopped until an anchor or an unwind (seed ${SEED})`, async () => {
  const started = new Started();
  try {
    const network = NETWORK.params.name;
    const { reader, turn } = turning();
    const peers = [
      started.add(
        await startPeer([{ service: "sync", shardId: 0, reader: readerOf(CHAIN.blocks) }], network),
      ),
      started.add(await startPeer([{ service: "sync", shardId: 0, reader }], network)),
    ];
    const more = ["--prometheus", "--prometheus.port", "0"];
    const open = (flags: readonly string[] = []) =>
      startNode(nodeConfig(started.dir, 0, peers, [...more, ...flags]), { params: NETWORK.params, store });
    const store = await memoryStore(NETWORK.params, 0);
    started.defer(() => store.close());
    const node = await open();
    let disputed: RegExp;
    try {
      await reaches(node, tip(CHAIN));
      turn();
      const error = await failureOf(node);
      assert.match(error.message, /two blocks of shard 0 at height \d+ are certified/);
      const number = Number(/at height (\d+)/.exec(error.message)?.[1]);
      const hashes = [CHAIN, FORK].map((chain) => toHex(at(chain, number).block.hash));
      const folder = /the evidence is in (.*)\/[^/]*$/.exec(finding(node.status())?.text ?? "")?.[1] ?? "";
      const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
      assert.equal(names.length, 1);
      for (const hash of hashes) assert.ok((await Deno.readTextFile(`${folder}/${names[0]}`)).includes(hash));
      disputed = new RegExp(`height ${number} .*${hashes[0]}.*${hashes[1]}.*${names[0]}`);
      assertStopped(node, disputed);
      const metrics = await (await fetch(`${node.statusUrl}/metrics`)).text();
      assert.match(metrics, /hmy_sync_conflicting_certificates\{[^}]*ShardID="0"[^}]*\} 1\n/);
      assert.match(metrics, /hmy_sync_stalled_reason\{[^}]*code="CONFLICTING_CERTIFICATES"[^}]*\} 1\n/);
      assert.equal((await fetch(`${node.statusUrl}/ready`)).status, 503);
      assert.ok(node.host.addresses().length > 0, "it serves all the same");
    } finally {
      await node.stop();
    }

    const again = await open();
    try {
      assert.equal(again.driver?.failed?.exitCode, 11);
      assertStopped(again, disputed);
      const metrics = await (await fetch(`${again.statusUrl}/metrics`)).text();
      assert.match(metrics, /hmy_sync_conflicting_certificates\{[^}]*ShardID="0"[^}]*\} 1\n/);
    } finally {
      await again.stop();
    }

    const anchors = `${started.dir}/anchors.json`;
    const { number, hash } = at(CHAIN, tip(CHAIN)).block;
    await Deno.writeTextFile(
      anchors,
      JSON.stringify({ anchors: [{ shard: 0, number, hash: `0x${toHex(hash)}` }], never: [] }),
    );
    const anchored = await open(["--sync.anchor-file", anchors]);
    assert.equal(anchored.conflict, undefined);
    await anchored.stop();

    const still = await open();
    assert.notEqual(still.conflict, undefined);
    await still.stop();
    await store.unwindTo(30);
    const unwound = await open();
    assert.equal(unwound.conflict, undefined);
    await unwound.stop();
  } finally {
    await started.end();
  }
});

const RECORDING = fileURLToPath(new URL("../vectors/localnet/s0.blocks.jsonl.gz", import.meta.url));

/** Evidence against recorded block `number`, as an earlier run would have left it. */
function recordedEvidence(number: number): ConflictEvidence {
  const chain = recordedChain(0);
  const { header, hash } = at(chain, number).block;
  const certificate = parentCommitSig(at(chain, number + 1).block.header);
  const side = { hash, header, certificate, streamId: undefined };
  const theirs = { ...side, hash: new Uint8Array(32).fill(7) };
  return { network: "localnet", shardId: 0, number, ours: side, theirs, foundAt: 0 };
}

Deno.test("a process that is stopped by a conflict stays up until it is asked to end, and ends with exit code 11", async () => {
  const dir = await Deno.makeTempDir();
  try {
    assert.equal((await hsync(["db", "import", RECORDING, ...localFlags(dir)])).code, 0);
    const folder = `${storeDirectory(dir, 0)}/evidence`;
    await Deno.mkdir(folder, { recursive: true });
    const evidence = recordedEvidence(400);
    await Deno.writeTextFile(`${folder}/${evidenceName(evidence)}`, evidenceText(evidence));
    await Deno.writeTextFile(`${folder}/conflict-damaged.json`, "{");

    const node = new Process(["run", ...localFlags(dir)]);
    const url = (await node.line(/status\s+(http:\S+\/status)/))[1] as string;
    let status: StatusDocument;
    do status = await (await fetch(url)).json(); while (finding(status) === undefined);
    assert.match(finding(status)?.text ?? "", /height 400 /);
    node.kill("SIGTERM");
    const stopped = await node.end();
    assert.equal(stopped.code, 11, stopped.stderr);
    assert.match(stopped.stderr, /at height 400 are certified/);

    const bounded = await hsync(["run", ...localFlags(dir, ["--exit-when-synced", "--deadline", "120"])]);
    assert.equal(bounded.code, 11, bounded.stderr);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test(`a store that a node opens itself begins with the genesis of the network that it was given (seed ${SEED})`, async () => {
  const started = new Started();
  try {
    const node = started.add(await startNode(nodeConfig(started.dir, 0, []), { params: NETWORK.params }));
    assert.deepEqual(await node.store.hashAt(0), NETWORK.params.genesisBlock(0).hash);
  } finally {
    await started.end();
  }
});
