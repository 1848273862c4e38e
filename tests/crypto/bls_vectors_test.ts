/** Both implementations against bytes that the native library and real networks made. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fromHex, toHex } from "../../src/base/mod.ts";
import type { Bls } from "../../src/crypto/mod.ts";
import { CommitteeKeys, WasmBls } from "../../src/crypto/mod.ts";
import { bigintToLittleEndian, payloadToField } from "../../src/crypto/bls_dialect.ts";
import { ReferenceBls } from "../../src/crypto/bls_reference.ts";
import { vectorJson } from "../vectors/load.ts";

interface NativeVector {
  readonly op: "pub" | "signhash" | "sign";
  readonly sk: string;
  readonly msg?: string;
  readonly out: string;
}
interface PublicVectors {
  readonly generator: string;
  readonly keyProof: Record<"secretKey" | "publicKey" | "message" | "signature", string>;
  readonly commits: {
    readonly publicKeys: readonly string[];
    readonly items: ReadonlyArray<{
      readonly number: number;
      readonly viewID: number;
      readonly bitmap: string;
      readonly hash: string;
      readonly signature: string;
    }>;
  };
}

const native = vectorJson<NativeVector[]>("bls-native.json");
const published = vectorJson<PublicVectors>("bls-public.json");
const implementations: Bls[] = [new ReferenceBls(), await WasmBls.create()];

/** The text API of the native library hashes first; the chain's never does. */
function payloadOf(vector: NativeVector): Uint8Array {
  const message = fromHex(vector.msg ?? "");
  return vector.op === "sign" ? new Uint8Array(createHash("sha512").update(message).digest()) : message;
}

function stakingPayload(number: number, hash: string, viewId: number): Uint8Array {
  const payload = new Uint8Array(48);
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(number), true);
  payload.set(fromHex(hash), 8);
  view.setBigUint64(40, BigInt(viewId), true);
  return payload;
}

for (const bls of implementations) {
  Deno.test(`${bls.name}: keys and signatures are those of the native library`, () => {
    assert.equal(native.length, 360);
    native.forEach((vector, i) => {
      const secretKey = fromHex(vector.sk);
      const made = vector.op === "pub" ? bls.publicKeyOf(secretKey) : bls.sign(secretKey, payloadOf(vector));
      assert.equal(toHex(made), vector.out, `vector ${i} (${vector.op})`);
    });
  });

  Deno.test(`${bls.name}: signatures of the native library verify, and decode`, () => {
    // Every signature was compared above; verifying takes 10 to 20 ms each, so these are samples.
    const step = bls.name === "reference" ? 8 : 3;
    const signatures = native.filter((vector) => vector.op !== "pub");
    for (let i = 0; i < signatures.length; i += step) {
      const vector = signatures[i] as NativeVector;
      const key = bls.publicKeyOf(fromHex(vector.sk));
      assert.ok(bls.verify(key, payloadOf(vector), fromHex(vector.out)), `signature ${i}`);
    }
    for (const vector of native) {
      const bytes = fromHex(vector.out);
      const kind = vector.op === "pub" ? bls.publicKeyKind(bytes) : bls.signatureKind(bytes);
      assert.equal(kind, "point", vector.out);
    }
  });

  Deno.test(`${bls.name}: generator, key proof and three commits of real networks`, () => {
    const one = bigintToLittleEndian(1n, 32);
    assert.equal(toHex(bls.publicKeyOf(one)), published.generator);

    const proof = published.keyProof;
    const message = fromHex(proof.message);
    assert.equal(toHex(bls.publicKeyOf(fromHex(proof.secretKey))), proof.publicKey);
    assert.equal(toHex(bls.sign(fromHex(proof.secretKey), message)), proof.signature);
    assert.ok(bls.verify(fromHex(proof.publicKey), message, fromHex(proof.signature)));

    const committee = CommitteeKeys.of(published.commits.publicKeys.map(fromHex));
    const inputs = published.commits.items.map((item) => ({
      payload: stakingPayload(item.number, item.hash, item.viewID),
      signature: fromHex(item.signature),
      bitmap: fromHex(item.bitmap),
    }));
    assert.equal(inputs.length, 3);
    for (const input of inputs) {
      assert.deepEqual(bls.verifyCertificate(committee, input), { valid: true, signers: 6 });
    }
    assert.deepEqual(
      bls.verifyCertificates(committee, inputs),
      inputs.map(() => ({ valid: true, signers: 6 })),
    );
  });

  Deno.test(`${bls.name}: the worked example, from payload to verdict`, () => {
    // consensus-verification.md §a.7
    const hash = "f70a5fbd2398a497643b62e0e8c0d8161588da72d2204cb41b50c11c3ddd1a64";
    const payload = fromHex(`ef01000000000000${hash}ef01000000000000`);
    assert.deepEqual(payload, stakingPayload(495, hash, 495));
    assert.equal(
      payloadToField(payload).toString(16),
      "1ef641add3d1cc1501bb44c20d272da881516d8c0e8e0623b6497a49823bd5f0af700000000000001ef",
    );
    const point = bls.payloadPoint(payload);
    assert.ok(point !== undefined);
    assert.equal(
      toHex(point),
      "117d912062907d0b40b53d89a32697792ad146b1cb1b96500d2ed65e8961022767d6c78448b4b76857e5f97cf734e80e" +
        "5dc9f326204931ee93231d54e29177b3b29b7b765c4af914c76732f5ad9e70c70420ebbb034ffceecce91a6dbee0c48e",
    );
    const key = bls.addPublicKeys(published.commits.publicKeys.map(fromHex));
    assert.equal(
      toHex(key),
      "45ad0cf568c22eb9e40b84c9260c871b8ce151c2b95c7d6bd205f8eba018794c3af9bd8a85f50615fbf430d6522fea10",
    );
    const signature = fromHex(
      "3efbaa5baa0528b7abf32a17d95049db07589d4c41ef766c846b2b6499a871d0d9ed202d5d30fa551168f9650a74fa0d" +
        "c8c978e0a683ed57f5706d1175181fdbd8e4273f7673a8c2a3bf1010336e69b09bae4d3727be5142b232a5e09cc51980",
    );
    assert.ok(bls.verify(key, payload, signature));
  });
}
