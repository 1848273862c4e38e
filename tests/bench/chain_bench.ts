/**
 * How fast one core decodes, hashes and checks recorded blocks: `deno run -A tests/bench/chain_bench.ts`.
 *
 * Goals: 20,000 header decodes with hash and 5,000 whole-block checks a second. The best of five rounds is
 * printed, since other work on the machine only ever makes a round slower.
 */
import { equalBytes, fromHex } from "../../src/base/mod.ts";
import {
  acceptsOutgoingReceiptHash,
  checkBody,
  decodeBlock,
  decodeCXReceipt,
  decodeHeader,
  receiptsRoot,
  rlpListItems,
} from "../../src/chain/mod.ts";
import { keccak256 } from "../../src/crypto/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { figure } from "./support/figures.ts";

const blocks = ([0, 1] as const).flatMap((shardId) =>
  recordedBlocks(shardId).map((recorded) => ({
    shardId,
    header: fromHex(recorded.headerRLP),
    block: fromHex(recorded.blockRLP),
    receipts: fromHex(recorded.receiptsRLP),
    outgoing: Object.values(recorded.outgoingReceiptsRLP ?? {}).map(fromHex),
  }))
);
type Item = typeof blocks[number];

function measure(name: string, goal: number | undefined, work: (item: Item) => void): void {
  let best = 0;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    let done = 0;
    do {
      for (const item of blocks) work(item);
      done += blocks.length;
    } while (performance.now() - start < 400);
    best = Math.max(best, done / (performance.now() - start) * 1000);
  }
  const rate = Math.round(best).toLocaleString("en-US").padStart(9);
  if (goal !== undefined) figure({ what: name, value: best, unit: "/s", goal });
  console.log(
    `${name.padEnd(62)} ${rate}/s${goal === undefined ? "" : `  (goal ${goal.toLocaleString("en-US")})`}`,
  );
}

const bytes = blocks.reduce((sum, item) => sum + item.block.length, 0);
console.log(
  `${blocks.length} recorded blocks of two shards, ${Math.round(bytes / blocks.length)} bytes on average`,
);

const sample = blocks.map((item) => item.header).sort((a, b) =>
  a.length - b.length
)[blocks.length >> 1] as Uint8Array;
measure(`keccak-256 of ${sample.length} bytes`, undefined, () => void keccak256(sample));
measure("header: decode", undefined, (item) => void decodeHeader(item.header));
measure("header: decode, hash", 20_000, (item) => void decodeHeader(item.header).hash);
measure("block: decode (header decoded, body cut up)", undefined, (item) => void decodeBlock(item.block));
measure("block: decode, hash, every check of the body", 5_000, (item) => {
  const block = decodeBlock(item.block);
  void block.hash;
  checkBody(block, item);
});
measure("block: the same, and receipt root and outgoing receipt hash", 5_000, (item) => {
  const block = decodeBlock(item.block);
  void block.hash;
  checkBody(block, item);
  const outgoing = item.outgoing.flatMap((list) => rlpListItems(list, "receipts").map(decodeCXReceipt));
  if (
    !equalBytes(receiptsRoot(rlpListItems(item.receipts, "receipts")), block.header.receiptsRoot) ||
    !acceptsOutgoingReceiptHash(block.header.outgoingReceiptHash, outgoing)
  ) throw new Error(`block ${block.number} does not hold`);
});

const busy = blocks.slice(0, 200);
const recover = () =>
  busy.reduce((done, item) => {
    const transactions = decodeBlock(item.block).transactions();
    for (const tx of transactions) void tx.sender;
    return done + transactions.length;
  }, 0);
recover();
const start = performance.now();
const recovered = recover();
const rate = Math.round(recovered / (performance.now() - start) * 1000);
console.log(
  `${"transaction: decode, recover the sender".padEnd(62)} ${rate.toLocaleString("en-US").padStart(9)}/s`,
);
