/** Signed chains of our own: honest blocks are certified, every kind of forgery is refused for its own reason. */
import assert from "node:assert/strict";
import { equalBytes, HsyncError } from "../../src/base/mod.ts";
import { type Bls, WasmBls } from "../../src/crypto/mod.ts";
import { decodeBlock, type NetworkParams, splitCommitSig } from "../../src/chain/mod.ts";
import {
  checkHeader,
  CommitteeBook,
  epochCommittee,
  inThread,
  planCertificate,
  verifyPlan,
} from "../../src/consensus/mod.ts";
import {
  blsSigner,
  buildBlocks,
  type BuiltBlock,
  ChainBuilder,
  forgeNext,
  FORGERIES,
  type Forgery,
  type TestNetwork,
  testNetwork,
} from "../builder/mod.ts";

const SEED = 31;
const bls: Bls = await WasmBls.create();
const verifier = inThread(bls);

function signedNetwork(seed = SEED): TestNetwork {
  return testNetwork({ seed, epochLength: 8, signer: blsSigner(bls) });
}

/** A verifier of one chain as the pipeline would run it, one block at a time. */
class Follower {
  readonly #book: CommitteeBook;
  readonly #states = new Map<number, Uint8Array>();
  #head: BuiltBlock;

  constructor(readonly params: NetworkParams, genesis: BuiltBlock, shardId: number) {
    this.#book = new CommitteeBook(params, shardId, (epoch) => Promise.resolve(this.#states.get(epoch)));
    this.#head = genesis;
  }
  /** Accepts the next block or throws; nothing changes when it throws. */
  async accept(built: BuiltBlock): Promise<void> {
    const { header } = decodeBlock(built.bytes);
    checkHeader(this.#head.block.header, header, this.params);
    const { committee } = await this.#book.committee(header.epoch, header.shardId);
    await verifyPlan(planCertificate(header, splitCommitSig(built.commitSig), committee), verifier);
    const epoch = this.#book.offer(header);
    if (epoch !== undefined) this.#states.set(epoch, header.shardState);
    this.#book.certified(header.number, header.hash);
    this.#head = built;
  }
}

function refusedAs(pattern: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HsyncError, String(error));
    assert.equal(error.fault, "DATA", error.message);
    const matches = pattern.endsWith("*")
      ? error.code.startsWith(pattern.slice(0, -1))
      : error.code === pattern;
    assert.ok(matches, `${error.code} instead of ${pattern}: ${error.message}`);
    return true;
  };
}

for (const shardId of [0, 1]) {
  Deno.test(`a signed chain of shard ${shardId} over six epochs is certified block by block (seed ${SEED})`, async () => {
    const network = signedNetwork();
    const blocks = buildBlocks(network, 50, { shardId, absence: 0.3 });
    const follower = new Follower(network.params, blocks[0] as BuiltBlock, shardId);
    for (const built of blocks.slice(1)) await follower.accept(built);
    assert.ok((blocks.at(-1)?.block.header.epoch ?? 0) >= 5);
  });
}

/** Heights to forge at: before staking and after, within an epoch (8 blocks) and at its first block. */
const PLACES = [12, 16, 21, 24];

for (const [kind, code] of Object.entries(FORGERIES)) {
  Deno.test(`forgery refused: ${kind} (seed ${SEED})`, async () => {
    const network = signedNetwork();
    const builder = ChainBuilder.start(network, { absence: 0 });
    const follower = new Follower(network.params, builder.head, 0);
    while (builder.head.number < Math.max(...PLACES)) {
      const next = builder.head.number + 1;
      if (PLACES.includes(next)) {
        const forged = forgeNext(builder.fork(7), kind as Forgery);
        assert.equal(forged.number, next);
        // At the first block of an epoch the parent's certificate belongs to another committee: any reason will do.
        const loose = kind === "swapped-signature" && next % 8 === 0;
        await assert.rejects(follower.accept(forged), refusedAs(loose ? "CERT_*" : code));
      }
      await follower.accept(builder.next());
    }
  });
}

Deno.test(`two different blocks of one height can both be certified (seed ${SEED})`, async () => {
  const network = signedNetwork();
  const builder = ChainBuilder.start(network);
  for (let i = 0; i < 10; i++) builder.next();
  const other = builder.fork(1);
  const [a, b] = [builder.next(), other.next()];
  assert.equal(a.number, b.number);
  assert.ok(!equalBytes(a.hash, b.hash));
  const committee = builder.committee(a.block.header.epoch);
  for (const built of [a, b]) {
    await verifyPlan(
      planCertificate(built.block.header, splitCommitSig(built.commitSig), committee),
      verifier,
    );
  }
});

Deno.test("a member whose key is no point takes no part; a certificate that counts on it is refused", async () => {
  const network = signedNetwork();
  const builder = ChainBuilder.start(network, { absence: 0 });
  const built = builder.next();
  const { header } = built.block;
  const honest = builder.committee(0);
  const slots = honest.slots.map((slot, i) =>
    i === 8 ? { ...slot, blsKey: new Uint8Array(48).fill(0xff) } : slot
  );
  const broken = epochCommittee(network.params, 0, { shardId: 0, slots });
  const without = Uint8Array.of(0xff, 0x00);
  const sig = builder.certificate(built.block, { shardId: 0, slots: honest.slots }, without, false);
  await verifyPlan(planCertificate(header, sig, broken), verifier);
  const full = builder.certificate(
    built.block,
    { shardId: 0, slots: honest.slots },
    Uint8Array.of(0xff, 0x01),
    false,
  );
  await assert.rejects(
    verifyPlan(planCertificate(header, full, broken), verifier),
    refusedAs("CERT_SIGNER_KEY_UNUSABLE"),
  );
});

Deno.test("the committee of another epoch or shard is our own mistake, not the certificate's", () => {
  const network = signedNetwork();
  const builder = ChainBuilder.start(network);
  const built = builder.next();
  assert.throws(
    () => planCertificate(built.block.header, splitCommitSig(built.commitSig), builder.committee(1)),
    (e: unknown) => e instanceof HsyncError && e.code === "CERT_WRONG_COMMITTEE" && e.fault === "NONE",
  );
});
