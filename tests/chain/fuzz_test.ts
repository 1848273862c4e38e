/** Damaged and made-up bytes: whatever a peer sends, decoding ends in a value or in an error that blames it. */
import assert from "node:assert/strict";
import { concat, equalBytes, HsyncError, SeededRandom, toHex } from "../../src/base/mod.ts";
import {
  type Block,
  checkBody,
  decodeBlock,
  decodeBody,
  decodeCrossLinks,
  decodeCXReceipt,
  decodeCXReceiptsProof,
  decodeHeader,
  decodeReceipt,
  decodeSlashRecords,
  decodeStakingMessage,
  decodeStakingTransaction,
  decodeStoredReceipt,
  decodeTransaction,
  encodeBlock,
  encodeHeader,
  rlpListItems,
  sealTagged,
  splitCommitSig,
} from "../../src/chain/mod.ts";
import { recordedBlocks } from "../vectors/load.ts";
import { hex, repeat } from "./support.ts";

/** Runs `fn`; undefined when it threw as it may. */
function attempt<T>(fn: () => T, what: () => string): T | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof HsyncError && error.fault === "DATA") return undefined;
    throw new Error(`${what()}: ${error}`, { cause: error });
  }
}

/** Asks everything of a block that can be asked. */
function useFully(block: Block, what: () => string): void {
  for (const shardId of [0, 1]) attempt(() => checkBody(block, { shardId }), what);
  const transactions = attempt(() => block.transactions(), what) ?? [];
  for (const tx of transactions) void [tx.hash, tx.ethHash, tx.signingHash, tx.kind];
  attempt(() => transactions[0]?.sender, what);
  const staking = attempt(() => block.stakingTransactions(), what) ?? [];
  for (const tx of staking) attempt(() => [tx.hash, tx.signingHash, tx.message()], what);
  attempt(() => staking[0]?.sender, what);
  attempt(() => block.incomingReceipts(), what);
  attempt(() => decodeCrossLinks(block.header.crossLinks), what);
  attempt(() => decodeSlashRecords(block.header.slashes), what);
}

const DECODERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  decodeHeader,
  decodeBlock,
  decodeBody,
  decodeTransaction,
  decodeStakingTransaction,
  decodeStakingMessage: (bytes) =>
    [0, 1, 2, 3, 4].map((d) => attempt(() => decodeStakingMessage(d, bytes), () => "")),
  decodeReceipt,
  decodeStoredReceipt,
  decodeCXReceipt,
  decodeCXReceiptsProof,
  decodeCrossLinks,
  decodeSlashRecords,
  splitCommitSig,
  items: (bytes) => rlpListItems(bytes, "items"),
};

/** One random change: a bit, a byte, an inserted or removed run, a cut, a doubled piece. */
function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.int(bytes.length);
  const copy = bytes.slice();
  switch (random.int(7)) {
    case 0:
      copy[at] = (copy[at] as number) ^ (1 << random.int(8));
      return copy;
    case 1:
      copy[at] = random.int(256);
      return copy;
    case 2:
      return copy.subarray(0, at);
    case 3:
      return concat(copy.subarray(0, at), random.bytes(1 + random.int(4)), copy.subarray(at));
    case 4:
      return concat(copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + random.int(40))));
    case 5:
      return concat(copy.subarray(0, at), copy.subarray(at - Math.min(at, 1 + random.int(200))));
    default: {
      // A prefix byte that claims something long.
      copy[at] = [0xb8, 0xbb, 0xbf, 0xf8, 0xfb, 0xff][random.int(6)] as number;
      return copy;
    }
  }
}

Deno.test("mutated blocks never give anything but a block or an error that blames the sender", () => {
  const random = new SeededRandom(20261122);
  const interesting = ([0, 1] as const).flatMap((shard) => recordedBlocks(shard))
    .filter((block) => block.incomingProofs > 0 || block.stakingTxs.length > 0 || block.number < 3);
  let decoded = 0;
  for (let round = 0; round < 2500; round++) {
    const recorded = interesting[random.int(interesting.length)] ?? assert.fail();
    let bytes = hex(recorded.blockRLP);
    for (let changes = 1 + random.int(2); changes > 0 && bytes.length > 0; changes--) {
      bytes = mutate(bytes, random);
    }
    const what = () => `seed ${random.seed}, round ${round}: ${toHex(bytes)}`;
    const block = attempt(() => decodeBlock(bytes), what);
    if (block === undefined) continue;
    decoded++;
    // Whatever is accepted has one encoding, the one that came.
    if (!equalBytes(encodeHeader(block.header), block.header.bytes)) assert.fail(what());
    const again = attemptEncode(block);
    if (again !== undefined && !equalBytes(again, bytes)) assert.fail(what());
    useFully(block, what);
  }
  assert.ok(decoded > 200, `only ${decoded} mutations still decoded: the fuzzing does not reach the inside`);
});

/** The block from its parts; undefined when its tag does not fit its header. */
function attemptEncode(block: Block): Uint8Array | undefined {
  const fits = { v0: "", v1: "v1", v2: "v1", v3: "v2" }[block.header.version] === block.tag;
  return fits ? encodeBlock({ header: block.header, ...block.body }) : undefined;
}

Deno.test("no change to a block's bytes passes the checks of its arrival under the asked hash", () => {
  const random = new SeededRandom(4711);
  const blocks = recordedBlocks(0).filter((block) => block.incomingProofs === 0 && block.txs.length > 0);
  for (let round = 0; round < 3000; round++) {
    const recorded = blocks[random.int(blocks.length)] ?? assert.fail();
    const original = hex(recorded.blockRLP);
    const bytes = mutate(original, random);
    if (bytes.length === 0 || equalBytes(bytes, original)) continue;
    const what = () => `seed ${random.seed}, round ${round}: ${toHex(bytes)}`;
    const passed = attempt(() => {
      const block = decodeBlock(bytes);
      checkBody(block, { shardId: 0 });
      return `0x${toHex(block.hash)}` === recorded.hash;
    }, what);
    if (passed === true) assert.fail(what());
  }
});

Deno.test("every decoder survives made-up bytes", () => {
  const random = new SeededRandom(99);
  const prefixes = [
    0x00,
    0x7f,
    0x80,
    0x81,
    0xa0,
    0xb7,
    0xb8,
    0xb9,
    0xbf,
    0xc0,
    0xc1,
    0xd0,
    0xf7,
    0xf8,
    0xf9,
    0xff,
  ];
  for (let round = 0; round < 4000; round++) {
    let bytes = random.bytes(random.int(60));
    for (let i = 0; i < bytes.length; i++) {
      if (random.int(3) === 0) bytes[i] = prefixes[random.int(prefixes.length)] as number;
    }
    if (random.int(4) === 0) bytes = sealTagged(["v1", "v2", "v3", "zz"][random.int(4)] as string, bytes);
    for (const [name, decode] of Object.entries(DECODERS)) {
      attempt(() => decode(bytes), () => `${name}, seed ${random.seed}, round ${round}: ${toHex(bytes)}`);
    }
  }
});

Deno.test("claims of enormous length and floods of tiny items cost nothing", () => {
  const huge = [hex("bbffffffff"), hex("bfffffffffffffffff"), hex("fbffffffff"), hex("ffffffffffffffffff")];
  const flood = repeat("80", 4_000_000);
  const list = concat(hex("fa3d0900"), flood);
  const empties = concat(hex("fa3d0900"), repeat("c0", 4_000_000));
  for (const bytes of [...huge, flood, list, empties]) {
    for (const [name, decode] of Object.entries(DECODERS)) attempt(() => decode(bytes), () => name);
  }
});
