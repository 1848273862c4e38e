/** Incoming receipts proven by headers of their source shards, beside the pipeline: liars, silence, restarts, bounds. */
import assert from "node:assert/strict";
import { createLogger, HsyncError, type LogRecord, ManualClock } from "../../src/base/mod.ts";
import {
  decodeBlock,
  encodeBlock,
  encodeCXReceiptsProof,
  type HeaderFields,
  makeHeader,
  networkParams,
} from "../../src/chain/mod.ts";
import type { ChainStore } from "../../src/store/mod.ts";
import type { DeliveredBlock } from "../../src/stream/mod.ts";
import { appendRow, BodyProver, type SourceShards } from "../../src/sync/mod.ts";
import { MemoryMeter } from "../stream/support/meter.ts";
import { memoryStore, recordedChain } from "./support/certified.ts";
import { at, type TestChain, tip, upTo } from "./support/chains.ts";
import { until } from "./support/epoch_world.ts";
import { FakePeers, type Script } from "./support/peers.ts";

const CHAINS = [recordedChain(0), recordedChain(1)] as const;
const PARAMS = networkParams("localnet");
/** Blocks that take in receipts, and those of them that headers of the source shard prove. */
const TAKING = [56, 36] as const;
const PROVABLE = [56, 34] as const;

function takes(chain: TestChain, to = tip(chain)): number[] {
  return chain.blocks.slice(1, to + 1).filter(({ block }) => block.incomingReceiptItems().length > 0)
    .map(({ block }) => block.number);
}
async function append(store: ChainStore, blocks: readonly DeliveredBlock[]): Promise<void> {
  for (let from = 0; from < blocks.length; from += 128) {
    await store.append(
      blocks.slice(from, from + 128).map(({ block, commitSig }) =>
        appendRow(block, {
          assurance: "signed",
          commitSig,
          ...(block.incomingReceiptItems().length === 0 ? {} : { body: "unproven" }),
        }, PARAMS)
      ),
    );
  }
}
async function proven(store: ChainStore): Promise<number[]> {
  const out: number[] = [];
  for (let n = 1; n <= store.head().number; n++) {
    if ((await store.recordAt(n))?.body === "proven") out.push(n);
  }
  return out;
}

/** A store of a recorded chain whose receipts are unproven, nodes of the other shard, and a prover. */
class Rig {
  readonly peers: FakePeers;
  readonly logs: LogRecord[] = [];
  readonly meter = new MemoryMeter();
  readonly opened: number[] = [];
  prover: BodyProver;

  private constructor(readonly shardId: 0 | 1, readonly clock: ManualClock, readonly store: ChainStore) {
    this.peers = new FakePeers(clock);
    this.prover = this.#make();
  }
  static async open(shardId: 0 | 1, chain: TestChain = CHAINS[shardId]): Promise<Rig> {
    const clock = new ManualClock();
    const store = await memoryStore(PARAMS, shardId, clock);
    await append(store, chain.blocks.slice(1));
    return new Rig(shardId, clock, store);
  }
  #make(): BodyProver {
    const sources: SourceShards = {
      peersOf: (shardId) => {
        this.opened.push(shardId);
        return Promise.resolve(shardId === 1 - this.shardId ? this.peers : undefined);
      },
    };
    const { store, clock, meter } = this;
    const logger = createLogger({
      level: "debug",
      sinks: [(r) => this.logs.push(r)],
      now: () => clock.now(),
    });
    return new BodyProver({ store, sources, clock, logger, meter });
  }
  get source(): TestChain {
    return CHAINS[1 - this.shardId] as TestChain;
  }
  honest(): Script {
    return { chain: this.source };
  }
  /** Small steps: the store's own work takes real time, of which a short virtual time must have enough. */
  until(done: () => boolean, ms = 120_000): Promise<void> {
    return until(this.clock, done, () => this.prover.status(), ms, Math.max(1, Math.floor(ms / 4_000)));
  }
  async restart(): Promise<void> {
    await this.stop();
    this.prover = this.#make();
    this.prover.start();
  }
  async stop(): Promise<void> {
    const stopping = this.prover.stop();
    await this.clock.advance(1);
    await stopping;
  }
  async close(): Promise<void> {
    await this.stop();
    await this.store.close();
    assert.equal(this.clock.pending, 0);
  }
}
async function withRig(shardId: 0 | 1, story: (rig: Rig) => Promise<void>, chain?: TestChain): Promise<void> {
  const rig = await Rig.open(shardId, chain);
  try {
    await story(rig);
  } finally {
    await rig.close();
  }
}

for (const shardId of [0, 1] as const) {
  Deno.test(`an honest node of the source shard proves ${PROVABLE[shardId]} of ${TAKING[shardId]} blocks of shard ${shardId}`, async () => {
    await withRig(shardId, async (rig) => {
      assert.equal(takes(CHAINS[shardId]).length, TAKING[shardId]);
      rig.peers.add("honest", rig.honest());
      rig.prover.start();
      await rig.until(() => rig.prover.status().proven === PROVABLE[shardId]);
      assert.equal((await proven(rig.store)).length, PROVABLE[shardId]);
      await rig.until(() => rig.prover.status().reasons.other === TAKING[shardId] - PROVABLE[shardId]);
      const status = rig.prover.status();
      assert.deepEqual(rig.opened, status.waiting === 0 ? [1] : [0], "one protocol, and only when needed");
      assert.equal(status.lookedTo, tip(CHAINS[shardId]));
      assert.equal(rig.meter.get("hmy_sync_bodies_proven", { ShardID: `${shardId}` }), PROVABLE[shardId]);
      assert.deepEqual(rig.peers.reports, []);
      // Ten headers a request, and nothing is asked twice.
      assert.ok(rig.peers.count("bodies") <= 20, `${rig.peers.count("bodies")} requests`);
      // What is served to others is what came.
      for (const n of takes(CHAINS[shardId])) {
        assert.deepEqual((await rig.store.blockAt(n))?.bytes, at(CHAINS[shardId], n).block.bytes);
      }
    });
  });
}

/** The block with other header fields. */
function altered({ block, commitSig }: DeliveredBlock, change: Partial<HeaderFields>): DeliveredBlock {
  const header = makeHeader({ ...block.header, ...change });
  return { block: decodeBlock(encodeBlock({ ...block.body, header })), commitSig };
}

/** Lies about headers of the source shard, by name; each takes an honest block. */
const LIES: Readonly<Record<string, (block: DeliveredBlock) => DeliveredBlock>> = {
  "another parent": (b) => altered(b, { parentHash: new Uint8Array(32).fill(7) }),
  "a forged signature": (b) => altered(b, { lastCommitSignature: new Uint8Array(96).fill(9) }),
  "another bitmap beside the true signature": (b) =>
    altered(b, { lastCommitBitmap: new Uint8Array(b.block.header.lastCommitBitmap.length).fill(255) }),
  "an endless bitmap": (b) => altered(b, { lastCommitBitmap: new Uint8Array(100_000) }),
  "no bitmap": (b) => altered(b, { lastCommitBitmap: new Uint8Array(0) }),
};
for (const [name, lie] of Object.entries(LIES)) {
  Deno.test(`a header with ${name} proves nothing, and the honest node's header does`, async () => {
    const bodies = (_: readonly number[], honest: DeliveredBlock[]) => honest.map(lie);
    await withRig(0, async (rig) => {
      for (const id of ["a", "b", "c"]) rig.peers.add(id, { chain: rig.source, bodies });
      rig.prover.start();
      await rig.until(() => rig.prover.status().reasons.other === TAKING[0]);
      assert.deepEqual(await proven(rig.store), []);
      rig.peers.add("honest", rig.honest());
      // Its coming is enough: nobody waits for a rest to end.
      await rig.until(() => rig.prover.status().proven === TAKING[0], 10_000);
      assert.equal((await proven(rig.store)).length, TAKING[0]);
      assert.ok(rig.peers.has("honest"));
      assert.deepEqual(rig.peers.reports, [], "a header that does not fit may be the body's lie");
    });
  });
}

Deno.test("a silent node and one that sends blocks with other numbers cost time, not proofs", async () => {
  await withRig(1, async (rig) => {
    rig.peers.add("silent", { chain: rig.source, silent: (kind) => kind === "bodies" });
    // The stream layer would remove who answers so; here it does not, and it does not help.
    rig.peers.add("other", {
      chain: rig.source,
      bodies: (numbers) => numbers.map((n) => at(rig.source, n - 1)),
    });
    rig.peers.add("honest", rig.honest());
    rig.prover.start();
    await rig.until(() => rig.prover.status().proven === PROVABLE[1]);
    assert.ok(rig.peers.has("honest"));
  });
});

Deno.test("a node is asked for nothing at or above its head, and again when it has gone further", async () => {
  await withRig(0, async (rig) => {
    let height = 100;
    rig.peers.add("behind", { chain: rig.source, claims: () => height });
    rig.prover.start();
    await rig.until(() => rig.prover.status().reasons.lacking > 0);
    const first = rig.prover.status().proven;
    assert.ok(first > 0 && first < TAKING[0]);
    const asked = rig.peers.requests.filter((r) => r.kind === "bodies").flatMap((r) => r.numbers);
    assert.ok(Math.max(...asked) < height);
    height = tip(rig.source);
    await rig.until(() => rig.prover.status().proven === TAKING[0], 600_000);
  });
});

Deno.test("nobody serves the source shard: it is said in status, metric and log, and resumes when somebody comes", async () => {
  await withRig(1, async (rig) => {
    rig.prover.start();
    await rig.until(() => rig.prover.status().reasons.nobody === TAKING[1]);
    await rig.until(() => rig.logs.some((r) => r.message.includes("wait for a proof")), 800_000);
    const { since, lowest, waiting } = rig.prover.status();
    assert.equal(waiting, TAKING[1]);
    assert.equal(lowest, takes(CHAINS[1])[0]);
    assert.ok(since !== undefined && rig.clock.now() - since >= 60_000);
    assert.equal(rig.meter.get("hmy_sync_bodies_waiting", { ShardID: "1" }), TAKING[1]);
    const lines = () => rig.logs.filter((r) => r.message.includes("wait for a proof")).length;
    const before = lines();
    await rig.clock.advance(5 * 60_000);
    assert.equal(lines(), before, "not every minute");
    rig.peers.add("honest", rig.honest());
    await rig.until(() => rig.prover.status().proven === PROVABLE[1], 10_000);
  });
});

Deno.test("blocks of an earlier run are proven after a restart, whatever became of its record", async () => {
  for (const record of ["kept", "lost", "damaged", "of another chain"] as const) {
    await withRig(0, async (rig) => {
      rig.prover.start();
      await rig.until(() => rig.prover.status().reasons.nobody === TAKING[0]);
      await rig.stop();
      const kept = await rig.store.record("bodies/waiting");
      assert.ok(kept !== undefined);
      const text = new TextDecoder().decode(kept);
      if (record === "lost") await rig.store.removeRecord("bodies/waiting");
      if (record === "damaged") await rig.store.putRecord("bodies/waiting", new Uint8Array([1, 2, 3]));
      if (record === "of another chain") {
        const other = text.replace(/"hash":"[0-9a-f]{2}/, '"hash":"77').replace(
          /"waiting":\[.*\]/,
          '"waiting":[]',
        );
        await rig.store.putRecord("bodies/waiting", new TextEncoder().encode(other));
      }
      rig.peers.add("honest", rig.honest());
      await rig.restart();
      await rig.until(() => rig.prover.status().proven === TAKING[0], 30_000);
      // Nothing is left to do, nor to ask.
      const asked = rig.peers.requests.length;
      await rig.restart();
      await rig.clock.advance(120_000);
      assert.equal(rig.peers.requests.length, asked);
      assert.equal(rig.prover.status().waiting, 0);
    });
  }
});

Deno.test("blocks that are stored while it runs are noticed, and an unwound one is forgotten", async () => {
  const [first] = takes(CHAINS[0]);
  assert.ok(first !== undefined);
  await withRig(0, async (rig) => {
    rig.peers.add("honest", rig.honest());
    rig.prover.start();
    await rig.clock.advance(1_000);
    assert.deepEqual(rig.opened, []);
    await append(rig.store, CHAINS[0].blocks.slice(first, first + 40));
    rig.prover.notice();
    await rig.until(() => rig.prover.status().proven === takes(CHAINS[0], first + 39).length, 5_000);
    await rig.store.unwindTo(first - 1);
    await append(rig.store, CHAINS[0].blocks.slice(first, first + 10));
    rig.prover.notice();
    const again = takes(CHAINS[0], first + 9).length;
    await rig.until(() => rig.prover.status().proven === takes(CHAINS[0], first + 39).length + again, 5_000);
  }, upTo(CHAINS[0], first - 1));
});

Deno.test("receipts that name a shard that is not, or a block that never comes, wait without holding up the others", async () => {
  const forge = (n: number, change: Partial<HeaderFields>): DeliveredBlock => {
    const honest = at(CHAINS[0], n);
    const items = honest.block.incomingReceipts().map((proof) => {
      const header = makeHeader({ ...proof.header, ...change });
      return encodeCXReceiptsProof({
        ...proof,
        header,
        merkleProof: {
          ...proof.merkleProof,
          shardId: header.shardId,
          blockNumber: header.number,
          blockHash: header.hash,
        },
      });
    });
    const bytes = encodeBlock({ header: honest.block.header, ...honest.block.body, incomingReceipts: items });
    return { ...honest, block: decodeBlock(bytes) };
  };
  const numbers = takes(CHAINS[0]);
  const [one, two] = [numbers[3], numbers[7]] as [number, number];
  const blocks = [...CHAINS[0].blocks];
  blocks[one] = forge(one, { shardId: 4_000_000 });
  blocks[two] = forge(two, { number: 1_000_000_000 });
  await withRig(0, async (rig) => {
    rig.peers.add("honest", rig.honest());
    rig.prover.start();
    await rig.until(() => rig.prover.status().proven === TAKING[0] - 2);
    await rig.clock.advance(3_600_000);
    await rig.until(() => rig.prover.status().reasons.lacking === 1);
    const { givenUp, waiting } = rig.prover.status();
    assert.deepEqual({ givenUp, waiting }, { givenUp: 1, waiting: 1 });
    assert.deepEqual(rig.opened.filter((id) => id === 1).length, 1);
    assert.ok(rig.peers.count("height") < 40, `${rig.peers.count("height")} questions in an hour`);
    assert.deepEqual(rig.peers.reports, []);
  }, { blocks });
});

Deno.test("a store that fails for a while loses nothing", async () => {
  await withRig(1, async (rig) => {
    const { store } = rig;
    const mark = store.markBodies.bind(store);
    let failing = true;
    store.markBodies = (marks) =>
      failing ? Promise.reject(new HsyncError("STORE_WRITE_FAILED", "no space")) : mark(marks);
    rig.peers.add("honest", rig.honest());
    rig.prover.start();
    await rig.clock.advance(2_000);
    assert.deepEqual(await proven(store), []);
    failing = false;
    await rig.until(() => rig.prover.status().proven === PROVABLE[1], 600_000);
  });
});
