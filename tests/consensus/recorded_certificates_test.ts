/**
 * Every certificate of the recorded networks, judged by committees that were derived from the headers alone.
 *
 * The committees of epoch 0 come from our own genesis, all later ones from headers whose certificates were verified
 * before; mainnet's from the account tables.
 */
import assert from "node:assert/strict";
import { fromHex, HsyncError, SeededRandom, toHex } from "../../src/base/mod.ts";
import { WasmBls } from "../../src/crypto/mod.ts";
import {
  type CommitSig,
  decodeHeader,
  decodeShardState,
  encodeShardState,
  type Header,
  networkParams,
  nextEpoch,
  splitCommitSig,
} from "../../src/chain/mod.ts";
import {
  CommitteeBook,
  type EpochCommittee,
  epochCommittee,
  inThread,
  planCertificate,
  verifyPlan,
  verifyPlans,
} from "../../src/consensus/mod.ts";
import { recordedBlocks, vectorJson } from "../vectors/load.ts";

const SEED = 4;
const verifier = inThread(await WasmBls.create());

interface Certified {
  readonly header: Header;
  readonly sig: CommitSig;
  readonly committee: EpochCommittee;
}

/** All blocks of a recorded shard with certificate and committee; nothing is taken from the recorded committee lists. */
async function follow(shard: 0 | 1): Promise<Certified[]> {
  const params = networkParams("localnet");
  const stored = new Map<number, Uint8Array>();
  const book = new CommitteeBook(params, shard, (epoch) => Promise.resolve(stored.get(epoch)));
  const out: Certified[] = [];
  for (const recorded of recordedBlocks(shard)) {
    if (recorded.number === 0) continue;
    const header = decodeHeader(fromHex(recorded.headerRLP));
    const { committee, provisionalFrom } = await book.committee(header.epoch, shard);
    assert.equal(provisionalFrom, undefined, "a committee may be used only after its block is certified");
    out.push({ header, sig: splitCommitSig(fromHex(recorded.commitSig)), committee });
    const epoch = book.offer(header);
    if (epoch !== undefined) {
      await assert.rejects(async () => {
        const found = await book.committee(epoch, shard);
        if (found.provisionalFrom !== undefined) throw new Error("provisional");
      }, /provisional/);
      stored.set(epoch, header.shardState);
      book.certified(header.number, header.hash);
    }
  }
  return out;
}

const SHARDS: ReadonlyArray<readonly [0 | 1, number, number]> = [[0, 426, 338], [1, 255, 31]];

for (const [shard, count, partial] of SHARDS) {
  Deno.test(`all ${count} certificates of recorded shard ${shard} have quorum and verify`, async () => {
    const all = await follow(shard);
    assert.equal(all.length, count);
    const plans = all.map(({ header, sig, committee }) => planCertificate(header, sig, committee));
    assert.equal(plans.filter((plan) => plan.tally.signers < plan.tally.slots).length, partial);
    const recorded = recordedBlocks(shard);
    for (const [i, plan] of plans.entries()) {
      assert.equal("0x" + toHex(plan.input.payload), recorded[i + 1]?.commitPayload);
    }
    const verdicts = await verifyPlans(plans, verifier);
    assert.deepEqual(verdicts.filter((error) => error !== undefined), []);
  });

  Deno.test(`in recorded shard ${shard} no certificate verifies for another block (seed ${SEED})`, async () => {
    const all = await follow(shard);
    const random = new SeededRandom(SEED + shard);
    const plans = [];
    for (let i = 0; i < 25; i++) {
      const one = all[random.int(all.length)] as Certified;
      const other = all[random.int(all.length)] as Certified;
      if (one === other || one.sig.bitmap.length !== other.sig.bitmap.length) continue;
      try {
        plans.push(planCertificate(one.header, other.sig, one.committee));
      } catch (error) {
        assert.ok(error instanceof HsyncError && error.fault === "DATA");
      }
    }
    assert.ok(plans.length > 10);
    for (const verdict of await verifyPlans(plans, verifier)) {
      assert.ok(verdict?.fault === "DATA" && verdict.code.startsWith("CERT_"));
    }
  });

  Deno.test(`in recorded shard ${shard} one signer below quorum fails, spare bits change nothing`, async () => {
    const all = await follow(shard);
    let belowQuorum = 0;
    const same = [];
    for (const { header, sig, committee } of all) {
      const { slots } = committee;
      const spare = sig.bitmap.slice();
      for (let bit = slots.length; bit < 8 * spare.length; bit++) {
        spare[bit >> 3] = (spare[bit >> 3] ?? 0) | 1 << (bit & 7);
      }
      const plan = planCertificate(header, { ...sig, bitmap: spare }, committee);
      assert.equal(plan.tally.power, planCertificate(header, sig, committee).tally.power);
      if (header.number % 20 === 0) same.push(plan);
      // Take signers away, one by one, until the quorum is gone.
      const fewer = sig.bitmap.slice();
      let reached = true;
      for (let bit = 0; bit < slots.length && reached; bit++) {
        fewer[bit >> 3] = (fewer[bit >> 3] ?? 0) & ~(1 << (bit & 7));
        reached = committee.quorum.tally(fewer).reached;
      }
      assert.ok(!reached);
      assert.throws(
        () => planCertificate(header, { ...sig, bitmap: fewer }, committee),
        (e: unknown) => e instanceof HsyncError && e.code === "CERT_BELOW_QUORUM" && e.fault === "DATA",
      );
      belowQuorum++;
    }
    assert.equal(belowQuorum, count);
    assert.ok((await verifyPlans(same, verifier)).every((error) => error === undefined));
  });
}

Deno.test("the five certificates of real mainnet blocks verify with the committees of the account tables", async () => {
  const { mainnet_shard0_headers: raw } = vectorJson<
    { mainnet_shard0_headers: Array<{ headerRlp: string; commitSig: string; commitBitmap: string }> }
  >("chain-public.json");
  const params = networkParams("mainnet");
  let verified = 0;
  for (const { headerRlp, commitSig, commitBitmap } of raw) {
    const header = decodeHeader(fromHex(headerRlp));
    const table = params.tableCommittees(header.epoch)?.[0];
    if (table === undefined) continue;
    const sig = { signature: fromHex(commitSig), bitmap: fromHex(commitBitmap) };
    await verifyPlan(planCertificate(header, sig, epochCommittee(params, header.epoch, table)), verifier);
    verified++;
  }
  assert.equal(verified, 5);
});

Deno.test("the next-epoch rule leads along both recorded chains, and every hand-over encodes again", () => {
  const params = networkParams("localnet");
  for (const shard of [0, 1] as const) {
    let expected = 0;
    for (const recorded of recordedBlocks(shard)) {
      const header = decodeHeader(fromHex(recorded.headerRLP));
      assert.equal(header.epoch, expected, `shard ${shard}, block ${header.number}`);
      expected = nextEpoch(header, undefined, params);
      if (header.shardState.length === 0) continue;
      assert.equal(toHex(encodeShardState(decodeShardState(header.shardState))), toHex(header.shardState));
    }
  }
});
