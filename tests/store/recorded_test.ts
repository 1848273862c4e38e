/** The store holding a chain that the real Go node made, with real headers telling the certificates. */
import assert from "node:assert/strict";
import { fromHex, ManualClock } from "../../src/base/mod.ts";
import { decodeBlock } from "../../src/chain/mod.ts";
import { type AppendBlock, openStore } from "../../src/store/mod.ts";
import type { ChainReader } from "../../src/stream/types.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { appendAll, using } from "./suite/case.ts";

for (const shard of [0, 1] as const) {
  Deno.test(`the recorded chain of shard ${shard} is served as the Go node serves it`, async () => {
    const recorded = recordedBlocks(shard);
    const blocks: AppendBlock[] = recorded.map((line) => {
      const block = decodeBlock(fromHex(line.blockRLP));
      return {
        number: block.number,
        hash: block.hash,
        parentHash: block.header.parentHash,
        bytes: block.bytes,
        headerBytes: block.header.bytes,
        commitSig: fromHex(line.commitSig),
        receipts: [fromHex(line.receiptsRLP)],
        assurance: "linked",
      };
    });
    const genesis = blocks[0] as AppendBlock;
    const opening = openStore({
      network: "localnet",
      shardId: shard,
      genesis,
      location: { kind: "memory" },
      clock: new ManualClock(),
    });
    await using(opening, async (store) => {
      // A store is what the server side of the stream protocol reads.
      const reader: ChainReader = store;
      await appendAll(store, blocks.slice(1), 50);
      assert.equal(reader.head().number, blocks.length - 1);
      for (const [i, line] of recorded.entries()) {
        const read = await reader.blockAt(i);
        assert.deepEqual(read?.bytes, fromHex(line.blockRLP));
        assert.deepEqual(await reader.hashAt(i), fromHex(line.hash));
        assert.equal(await reader.numberOf(fromHex(line.hash)), i);
        if (i > 0) {
          assert.deepEqual(read?.commitSig, fromHex(line.commitSig), `certificate of block ${i}`);
          assert.deepEqual(await reader.receiptsAt(i), [fromHex(line.receiptsRLP)]);
        }
      }
      assert.deepEqual(await store.commitSigAt(0), new Uint8Array(96));
      let n = 0;
      for await (const { number, bytes } of store.headers(0, 1_000)) {
        assert.deepEqual(bytes, new Uint8Array((blocks[number] as AppendBlock).headerBytes));
        n++;
      }
      assert.equal(n, blocks.length);
    });
  });
}
