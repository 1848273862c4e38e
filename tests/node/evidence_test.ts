/** Evidence of a conflict as a file: whole, told by its name, and kept as it was first written. */
import assert from "node:assert/strict";
import { HsyncError, nullLogger } from "../../src/base/mod.ts";
import { parentCommitSig } from "../../src/chain/mod.ts";
import { type ConflictEvidence, evidenceName, evidenceText } from "../../src/consensus/mod.ts";
import { EvidenceFiles } from "../../src/node/evidence.ts";
import { CountingMeter } from "../sync/support/rig.ts";
import { at, recordedChain } from "../sync/support/chains.ts";

const CHAIN = recordedChain(0);
function evidence(foundAt: number): ConflictEvidence {
  const side = (number: number) => {
    const { header, hash } = at(CHAIN, number).block;
    return {
      hash,
      header,
      certificate: parentCommitSig(at(CHAIN, number + 1).block.header),
      streamId: undefined,
    };
  };
  return { network: "localnet", shardId: 0, number: 40, ours: side(40), theirs: side(41), foundAt };
}

Deno.test("evidence of a conflict is one file, which a second finding leaves as it is", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const files = new EvidenceFiles(`${dir}/evidence`, nullLogger);
    const first = evidence(1_000);
    await files.save(first);
    await files.save(evidence(2_000));
    const names = [...Deno.readDirSync(`${dir}/evidence`)].map((entry) => entry.name);
    assert.deepEqual(names, [evidenceName(first)]);
    assert.equal(await Deno.readTextFile(`${dir}/evidence/${names[0]}`), evidenceText(first));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("kept evidence is read again; what is damaged is passed over, and each conflict counts once", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const meter = new CountingMeter();
    const files = new EvidenceFiles(dir, nullLogger, meter);
    assert.deepEqual(await new EvidenceFiles(`${dir}/none`, nullLogger).kept(), []);
    const record = evidence(1_000);
    await files.save(record);
    await files.save(evidence(2_000));
    const text = evidenceText(record);
    const damaged = {
      "conflict-cut.json": text.slice(0, 200),
      "conflict-empty.json": "",
      "conflict-other.json": JSON.stringify({ kind: "something else" }),
      "conflict-hash.json": text.replace(/"hash": "0x../, '"hash": "0x'),
      "conflict-number.json": text.replace('"number": 40', '"number": -1'),
      "conflict-null.json": "null",
      "readme.txt": "not a record",
    };
    for (const [name, content] of Object.entries(damaged)) {
      await Deno.writeTextFile(`${dir}/${name}`, content);
    }
    const { network, shardId, number, ours, theirs } = record;
    assert.deepEqual(await files.kept(), [{
      path: files.pathOf(record),
      summary: { network, shardId, number, ours: ours.hash, theirs: theirs.hash },
    }]);
    assert.equal(meter.count("hmy_sync_conflicting_certificates", { ShardID: "0" }), 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a place that cannot be written to is said, with what to look at", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/evidence`, "a file where the folder should be");
    await assert.rejects(
      new EvidenceFiles(`${dir}/evidence`, nullLogger).save(evidence(1_000)),
      (e: unknown) => e instanceof HsyncError && e.code === "EVIDENCE_WRITE" && e.hint !== undefined,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
