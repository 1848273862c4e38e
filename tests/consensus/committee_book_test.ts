/** Committees count once their block is certified, and not before. */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { type Header, networkParams } from "../../src/chain/mod.ts";
import { CommitteeBook } from "../../src/consensus/mod.ts";
import { buildBlocks, ChainBuilder, testNetwork } from "../builder/mod.ts";

function unknown(error: unknown): boolean {
  return error instanceof HsyncError && error.code === "COMMITTEE_UNKNOWN" && error.fault === "NONE" &&
    error.retryable;
}

const nothing = () => Promise.resolve(undefined);

/** The last headers of the epochs 0, 1, 2 … of a chain with epochs of ten blocks. */
function lastHeaders(network: ReturnType<typeof testNetwork>, shardId = 0): Header[] {
  return buildBlocks(network, 60, { shardId }).map((b) => b.block.header)
    .filter((h) => h.number > 0 && h.shardState.length > 0);
}

Deno.test("epoch 0 comes from genesis, the next from its last block, provisional until certified", async () => {
  const network = testNetwork({ seed: 1, epochLength: 10 });
  const book = new CommitteeBook(network.params, 0, nothing);
  const first = await book.committee(0, 0);
  assert.equal(first.provisionalFrom, undefined);
  assert.deepEqual(first.committee.slots, network.committee(0, 0).slots);
  assert.equal(first.committee.quorum.kind, "uniform");
  assert.equal((await book.committee(0, 1)).committee.shardId, 1, "genesis has every shard's");
  await assert.rejects(book.committee(1, 0), unknown);

  const [end0, end1] = lastHeaders(network);
  assert.ok(end0 && end1);
  assert.equal(book.offer(end0), 1);
  assert.equal((await book.committee(1, 0)).provisionalFrom, 9);
  assert.equal(book.offer(end1), 2);
  assert.equal((await book.committee(2, 0)).provisionalFrom, 19);
  book.certified(9, end0.hash);
  assert.equal((await book.committee(1, 0)).provisionalFrom, undefined);
  assert.equal((await book.committee(2, 0)).provisionalFrom, 19);
  assert.equal((await book.committee(2, 0)).committee.quorum.kind, "stake");
  assert.ok((await book.committee(2, 0)).committee.staking);
});

Deno.test("blocks that hand over nothing are no offer, and genesis needs none", () => {
  const network = testNetwork({ seed: 1, epochLength: 10 });
  const book = new CommitteeBook(network.params, 0, nothing);
  assert.equal(book.offer(network.params.genesisBlock(0).header), undefined);
  assert.equal(book.offer(buildBlocks(network, 3)[3]?.block.header as Header), undefined);
});

Deno.test("certifying one candidate forgets the other's committees", async () => {
  const network = testNetwork({ seed: 2, epochLength: 10 });
  const builder = ChainBuilder.start(network);
  for (let i = 0; i < 8; i++) builder.next();
  const other = builder.fork(1);
  const [good, bad] = [builder.next().block.header, other.next().block.header];
  const book = new CommitteeBook(network.params, 0, nothing);
  book.offer(bad);
  book.certified(9, good.hash);
  await assert.rejects(book.committee(1, 0), unknown);
  book.offer(good);
  book.certified(9, good.hash);
  assert.equal((await book.committee(1, 0)).provisionalFrom, undefined);
});

Deno.test("offers above an abandoned height are forgotten", async () => {
  const network = testNetwork({ seed: 3, epochLength: 10 });
  const book = new CommitteeBook(network.params, 0, nothing);
  const headers = lastHeaders(network);
  for (const header of headers) book.offer(header);
  book.forgetAbove(19);
  assert.equal((await book.committee(2, 0)).provisionalFrom, 19);
  await assert.rejects(book.committee(3, 0), unknown);
  book.certified(9, headers[0]?.hash as Uint8Array);
  book.reset();
  await assert.rejects(book.committee(1, 0), unknown);
});

Deno.test("stored committees count, are read once, and keep one handle per set of keys", async () => {
  const network = testNetwork({ seed: 4, epochLength: 10 });
  const states = new Map(lastHeaders(network).map((h) => [h.epoch + 1, h.shardState]));
  let reads = 0;
  const book = new CommitteeBook(network.params, 0, (epoch) => {
    reads++;
    return Promise.resolve(states.get(epoch));
  });
  const a = await book.committee(3, 0);
  const b = await book.committee(3, 0);
  assert.equal(a.committee, b.committee);
  assert.equal(reads, 1);
  assert.equal((await book.committee(3, 1)).committee.shardId, 1);
  const again = new CommitteeBook(network.params, 0, (epoch) => Promise.resolve(states.get(epoch)));
  assert.equal((await again.committee(3, 0)).committee.keys, a.committee.keys);
});

Deno.test("a store that cannot be read is an error, not an unknown committee", async () => {
  const network = testNetwork({ seed: 5 });
  const book = new CommitteeBook(
    network.params,
    0,
    () => Promise.reject(new HsyncError("STORE_READ", "broken")),
  );
  await assert.rejects(
    book.committee(7, 0),
    (e: unknown) => e instanceof HsyncError && e.code === "STORE_READ",
  );
});

Deno.test("before staking another shard's committees come from the account tables", async () => {
  const params = networkParams("mainnet");
  const book = new CommitteeBook(params, 0, nothing);
  const found = await book.committee(60, 3);
  assert.equal(found.provisionalFrom, undefined);
  assert.equal(found.committee.slots.length, 250);
  await assert.rejects(book.committee(60, 0), unknown, "our own must be handed over");
  await assert.rejects(book.committee(186, 3), unknown, "from staking on they are elected");
});

Deno.test("a shard that has no committee any more is unknown, its chain has ended", async () => {
  const network = testNetwork({ seed: 6, epochLength: 10 });
  const states = new Map(lastHeaders(network).map((h) => [h.epoch + 1, h.shardState]));
  const book = new CommitteeBook(network.params, 0, (epoch) => Promise.resolve(states.get(epoch)));
  await assert.rejects(book.committee(3, 2), unknown);
});

Deno.test("offers are bounded", () => {
  const network = testNetwork({ seed: 7, epochLength: 1, shardCount: 1 });
  const book = new CommitteeBook(network.params, 0, nothing);
  const headers = buildBlocks(network, 300).map((b) => b.block.header);
  assert.throws(
    () => headers.forEach((header) => book.offer(header)),
    (e: unknown) => e instanceof HsyncError && e.code === "COMMITTEE_BACKLOG" && e.fault === "NONE",
  );
});
