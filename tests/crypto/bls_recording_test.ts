/**
 * Certificates of real networks: every one verifies, and no flipped bit goes unnoticed.
 *
 * The committees here are read from the recording; that hsync derives the same ones from headers is tested where it
 * derives them.
 */
import assert from "node:assert/strict";
import { fromHex, SeededRandom } from "../../src/base/mod.ts";
import {
  type CertificateInput,
  type CertificateVerifier,
  CommitteeKeys,
  createCertificateVerifier,
  isMarked,
  markedSlots,
} from "../../src/crypto/mod.ts";
import { recordedBlocks, vectorJson, vectorLines } from "../vectors/load.ts";
import { withFlippedBit } from "./support/bls.ts";

const SEED = 681;
const SHARDS = [0, 1] as const;

interface RecordedEpoch {
  readonly epoch: number;
  readonly state: Readonly<Record<string, ReadonlyArray<{ readonly blsKey: string }>>>;
}
interface Recorded {
  readonly number: number;
  readonly committee: CommitteeKeys;
  readonly input: CertificateInput;
}

function recorded(shard: 0 | 1): Recorded[] {
  const committees = new Map<number, CommitteeKeys>();
  for (const { epoch, state } of vectorLines<RecordedEpoch>(`localnet/s${shard}.epochs.jsonl.gz`)) {
    const slots = state[String(shard)];
    if (slots !== undefined) {
      committees.set(
        epoch,
        CommitteeKeys.of(slots.map((slot) => fromHex(slot.blsKey))),
      );
    }
  }
  const out: Recorded[] = [];
  for (const block of recordedBlocks(shard)) {
    if (block.number === 0) continue; // genesis is not signed
    const committee = committees.get(block.epoch);
    assert.ok(committee !== undefined, `committee of epoch ${block.epoch}`);
    const pair = fromHex(block.commitSig);
    const input = {
      payload: fromHex(block.commitPayload),
      signature: pair.subarray(0, 96),
      bitmap: pair.subarray(96),
    };
    out.push({ number: block.number, committee, input });
  }
  return out;
}

/** All cores: these tests are thousands of single checks. */
async function withVerifier(run: (verifier: CertificateVerifier) => Promise<void>): Promise<void> {
  const verifier = createCertificateVerifier({ workers: navigator.hardwareConcurrency });
  try {
    await run(verifier);
  } finally {
    verifier.close();
  }
}

const FIELD_BITS = 381;
/** What can be flipped in a certificate: the places follow one another in this order. */
const PARTS = ["signature", "bitmap", "payload", "key"] as const;
function places({ committee, input }: Recorded): Record<typeof PARTS[number], number> {
  const payload = Math.min(FIELD_BITS, input.payload.length * 8); // 320 bits before staking
  return { signature: 96 * 8, bitmap: committee.size, payload, key: 48 * 8 };
}
function countPlaces(certificate: Recorded): number {
  return Object.values(places(certificate)).reduce((sum, count) => sum + count, 0);
}
/** The certificate with one thing wrong, and the name of it. */
function flipped(certificate: Recorded, place: number): { what: string; certificate: Recorded } {
  const { committee, input } = certificate;
  const limits = places(certificate);
  let bit = place;
  for (const part of PARTS) {
    if (bit >= limits[part]) {
      bit -= limits[part];
      continue;
    }
    const what = `block ${certificate.number}: ${part}, bit ${bit}`;
    if (part === "key") {
      const signers = markedSlots(input.bitmap, committee.size);
      const signer = signers[certificate.number % signers.length] as number;
      const keys = Array.from({ length: committee.size }, (_, slot) => committee.key(slot));
      keys[signer] = withFlippedBit(committee.key(signer), bit);
      return { what, certificate: { ...certificate, committee: CommitteeKeys.of(keys) } };
    }
    return {
      what,
      certificate: { ...certificate, input: { ...input, [part]: withFlippedBit(input[part], bit) } },
    };
  }
  throw new RangeError(`a certificate has no place ${place}`);
}

/** Asks about each forgery alone (a batch would only add the search for what is known to be bad). */
async function allRefused(
  verifier: CertificateVerifier,
  forgeries: Iterable<ReturnType<typeof flipped>>,
): Promise<number> {
  let count = 0;
  let pending: Promise<void>[] = [];
  for (const { what, certificate } of forgeries) {
    count++;
    pending.push(
      verifier.verify(certificate.committee, certificate.input)
        .then((verdict) => assert.equal(verdict.valid, false, `seed ${SEED}, ${what}: accepted`)),
    );
    if (pending.length === 256) {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
  return count;
}

Deno.test("all 681 certificates of the recorded network verify, epoch by epoch in batches", async () => {
  await withVerifier(async (verifier) => {
    let valid = 0;
    let partial = 0;
    for (const shard of SHARDS) {
      const byCommittee = Map.groupBy(recorded(shard), ({ committee }) => committee);
      for (const [committee, certificates] of byCommittee) {
        const verdicts = await verifier.verifyBatch(committee, certificates.map(({ input }) => input));
        verdicts.forEach((verdict, i) => {
          assert.ok(verdict.valid, `shard ${shard}, block ${certificates[i]?.number}`);
          valid++;
          if (verdict.signers < committee.size) partial++;
        });
      }
    }
    assert.equal(valid, 681);
    assert.equal(partial, 338 + 31);
  });
});

Deno.test("the certificate in the node's own database verifies too, also where it shows other signers", async () => {
  await withVerifier(async (verifier) => {
    let differing = 0;
    for (const shard of SHARDS) {
      const blocks = recordedBlocks(shard);
      const others = recorded(shard).flatMap((certificate) => {
        const block = blocks[certificate.number];
        const isOther = block !== undefined && block.commitSigStored.length > 2 + 2 * 96 &&
          block.commitSigStored !== block.commitSig;
        return isOther ? [{ ...certificate, pair: fromHex(block.commitSigStored) }] : [];
      });
      differing += others.length;
      for (const { number, committee, input, pair } of others.slice(0, 20)) {
        const stored = { ...input, signature: pair.subarray(0, 96), bitmap: pair.subarray(96) };
        assert.ok((await verifier.verify(committee, stored)).valid, `shard ${shard}, block ${number}`);
      }
    }
    assert.ok(differing > 0);
  });
});

for (const shard of SHARDS) {
  Deno.test(`every flipped bit of one certificate of shard ${shard} makes it bad`, async () => {
    const certificates = recorded(shard);
    const certificate = certificates[Math.floor(certificates.length / 2)] as Recorded;
    await withVerifier(async (verifier) => {
      assert.ok((await verifier.verify(certificate.committee, certificate.input)).valid);
      const count = countPlaces(certificate);
      const forgeries = Array.from({ length: count }, (_, place) => flipped(certificate, place));
      assert.equal(await allRefused(verifier, forgeries), 768 + certificate.committee.size + 381 + 384);
    });
  });
}

Deno.test("eight seeded flips of every other certificate make it bad", async () => {
  const random = new SeededRandom(SEED);
  function* forgeries() {
    for (const shard of SHARDS) {
      for (const certificate of recorded(shard)) {
        for (let i = 0; i < 8; i++) yield flipped(certificate, random.int(countPlaces(certificate)));
      }
    }
  }
  await withVerifier(async (verifier) => {
    assert.equal(await allRefused(verifier, forgeries()), 8 * 681);
  });
});

Deno.test("spare bits of recorded bitmaps change no verdict and no count", async () => {
  await withVerifier(async (verifier) => {
    for (const shard of SHARDS) {
      const partial = recorded(shard).find(({ committee, input }) =>
        !isMarked(input.bitmap, 0) || markedSlots(input.bitmap, committee.size).length < committee.size
      );
      assert.ok(partial !== undefined);
      const { committee, input } = partial;
      const plain = await verifier.verify(committee, input);
      assert.ok(plain.valid);
      for (let bit = committee.size; bit < input.bitmap.length * 8; bit++) {
        const bitmap = withFlippedBit(input.bitmap, bit);
        assert.deepEqual(await verifier.verify(committee, { ...input, bitmap }), plain);
      }
    }
  });
});

interface MainnetHeader {
  readonly number: number;
  readonly epoch: number;
  readonly hash: string;
  readonly commitSig?: string;
  readonly commitBitmap?: string;
}
interface AccountTables {
  readonly instances: Readonly<
    Record<
      string,
      ReadonlyArray<{
        readonly fromEpoch: number;
        readonly shards: number;
        readonly slotsPerShard: number;
        readonly harmonySlotsPerShard: number;
        readonly harmonyAccounts: string;
        readonly fnAccounts: string;
      }>
    >
  >;
  readonly accounts: Readonly<Record<string, ReadonlyArray<readonly [string, string]>>>;
}

/** Committee of mainnet shard 0 before staking, from the account tables (consensus-verification.md §e.3). */
function mainnetCommittee(epoch: number): CommitteeKeys {
  const tables = vectorJson<AccountTables>("genesis-accounts.json");
  const instance = tables.instances["mainnet"]?.findLast(({ fromEpoch }) => fromEpoch <= epoch);
  assert.ok(instance !== undefined);
  const keys: Uint8Array[] = [];
  for (let slot = 0; slot < instance.slotsPerShard; slot++) {
    const harmony = slot < instance.harmonySlotsPerShard;
    const row = harmony ? slot : slot - instance.harmonySlotsPerShard;
    const table = tables.accounts[harmony ? instance.harmonyAccounts : instance.fnAccounts];
    const key = table?.[row * instance.shards]?.[1];
    assert.ok(key !== undefined);
    keys.push(fromHex(key));
  }
  return CommitteeKeys.of(keys);
}

Deno.test("five certificates of mainnet verify against committees of 250", async () => {
  const { mainnet_shard0_headers: headers } = vectorJson<{ mainnet_shard0_headers: MainnetHeader[] }>(
    "chain-public.json",
  );
  await withVerifier(async (verifier) => {
    const signers: number[] = [];
    for (const header of headers.filter(({ epoch }) => epoch < 186)) {
      assert.ok(header.commitSig !== undefined && header.commitBitmap !== undefined);
      const payload = new Uint8Array(40); // before staking: number and hash only
      new DataView(payload.buffer).setBigUint64(0, BigInt(header.number), true);
      payload.set(fromHex(header.hash), 8);
      const verdict = await verifier.verify(mainnetCommittee(header.epoch), {
        payload,
        signature: fromHex(header.commitSig),
        bitmap: fromHex(header.commitBitmap),
      });
      assert.ok(verdict.valid, `block ${header.number}`);
      signers.push(verdict.signers);
    }
    assert.equal(signers.length, 5);
    assert.ok(signers.every((count) => count >= 167 && count < 250)); // two thirds of 250, never all
  });
});
