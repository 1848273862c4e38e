import assert from "node:assert/strict";
import { toHex } from "../../src/base/mod.ts";
import {
  type CrossLink,
  decodeCrossLink,
  decodeCrossLinks,
  decodeHeader,
  decodeSlashRecords,
  encodeCrossLink,
  encodeCrossLinks,
  encodeSlashRecords,
} from "../../src/chain/mod.ts";
import { recordedBlocks, vectorJson } from "../vectors/load.ts";
import { goRlp, hex, refuses, repeat, sameBytes } from "./support.ts";

Deno.test("a mainnet header's three cross-links", () => {
  const { mainnet_shard0_headers: headers } = vectorJson<
    { mainnet_shard0_headers: { number: number; headerRlp: string }[] }
  >("chain-public.json");
  const recorded = headers.find((header) => header.number === 23361200);
  const header = decodeHeader(hex(recorded?.headerRlp ?? ""));
  const links = decodeCrossLinks(header.crossLinks);
  assert.deepEqual(links.map((link) => [link.shardId, link.epoch]), [[1, 885], [2, 885], [3, 885]]);
  assert.equal(links[2]?.bitmap.length, 33);
  sameBytes(encodeCrossLinks(links), header.crossLinks);
  for (const link of links) assert.deepEqual(decodeCrossLink(encodeCrossLink(link)), link);
});

Deno.test("recorded beacon headers carry as many cross-links as recorded, naming recorded blocks", () => {
  const other = recordedBlocks(1);
  let seen = 0;
  for (const recorded of recordedBlocks(0)) {
    const header = decodeHeader(hex(recorded.headerRLP));
    const links = decodeCrossLinks(header.crossLinks);
    assert.equal(links.length, recorded.crossLinks, `block ${recorded.number}`);
    sameBytes(encodeCrossLinks(links), header.crossLinks);
    for (const link of links) {
      const linked = other[link.blockNumber];
      if (linked === undefined) continue;
      assert.equal(`0x${toHex(link.hash)}`, linked.hash);
      assert.equal(link.viewId, BigInt(linked.viewID));
      assert.equal(link.epoch, linked.epoch);
      seen++;
    }
  }
  assert.ok(seen > 50, `${seen} cross-links compared`);
});

const LINK: CrossLink = {
  hash: repeat("11", 32),
  blockNumber: 80,
  viewId: 80n,
  signature: repeat("22", 96),
  bitmap: hex("3f"),
  shardId: 1,
  epoch: 14,
};

Deno.test("cross-links out of order or of the first blocks are refused", () => {
  const list = (...links: Partial<CrossLink>[]) =>
    encodeCrossLinks(links.map((change) => ({ ...LINK, ...change })));
  assert.equal(decodeCrossLinks(hex("")).length, 0);
  assert.equal(decodeCrossLinks(list({}, { blockNumber: 81 }, { shardId: 2, blockNumber: 3 })).length, 3);
  assert.equal(decodeCrossLinks(list({}, {})).length, 2);
  refuses(() => decodeCrossLinks(list({ shardId: 2 }, {})), "CROSSLINK_ORDER");
  refuses(() => decodeCrossLinks(list({}, { blockNumber: 79 })), "CROSSLINK_ORDER");
  refuses(() => decodeCrossLinks(list({ viewId: 81n }, {})), "CROSSLINK_ORDER");
  refuses(() => decodeCrossLinks(list({ blockNumber: 1 })), "CROSSLINK_NUMBER");
  refuses(() => decodeCrossLinks(hex("80")), "RLP_KIND");
  refuses(() => decodeCrossLinks(new Uint8Array([...list({}), 0xc0])), "RLP_TRAILING");
});

Deno.test("a slash record has Go's bytes, both ways", () => {
  const vote = (first: string) => ({
    signerKeys: [repeat("33", 48)],
    blockHash: hex(first + "00".repeat(31)),
    signature: repeat("55", 96),
  });
  const records = [{
    epoch: 10,
    shardId: 0,
    height: 5n,
    viewId: 6n,
    firstVote: vote("01"),
    secondVote: vote("02"),
    offender: repeat("11", 20),
    reporter: repeat("22", 20),
  }];
  sameBytes(encodeSlashRecords(records), goRlp("Slash"));
  assert.deepEqual(decodeSlashRecords(goRlp("Slash")), records);
  assert.deepEqual(decodeSlashRecords(encodeSlashRecords([])), []);
  refuses(() => decodeSlashRecords(hex("c1c0")), "RLP_TOO_FEW");
});
