/**
 * Harmony's BLS dialect on mcl in WebAssembly: the route the node takes.
 *
 * Why it exists: it is what makes checking every certificate affordable, alone and in batches. What must stay
 * true: it decides as the reference does, in every case; memory taken from the library goes back, whatever
 * happens; after an internal error the instance is not used again (its owner drops it).
 */
import { HsyncError, toHex } from "../base/mod.ts";
import type { Bls, PointKind } from "./bls.ts";
import type { CertificateInput, CertificateVerdict, CommitteeKeys } from "./bls_certificate.ts";
import {
  bigintToLittleEndian,
  GENERATOR_HEX,
  PUBLIC_KEY_BYTES,
  SECRET_KEY_BYTES,
  SIGNATURE_BYTES,
} from "./bls_dialect.ts";
import { secretScalar } from "./bls_secret.ts";
import { COARSE, type Grain, verifyBatchSteps } from "./bls_wasm_batch.ts";
import { CommitteeCache } from "./bls_wasm_committee.ts";
import { MclMap } from "./bls_wasm_map.ts";
import { FR, G1, G2, GT, internalError, MclModule, type Pointer } from "./bls_wasm_module.ts";

/** Runs steps to their end at once. */
function finish<T>(steps: Generator<void, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

export class WasmBls implements Bls {
  readonly name = "wasm";
  readonly #mcl: MclModule;
  readonly #map: MclMap;
  readonly #committees: CommitteeCache;
  readonly #generator: Pointer;
  readonly #minusGenerator: Pointer;
  // scratch, never in use between two calls
  readonly #input: Pointer;
  readonly #scalar: Pointer;
  readonly #keys: Pointer;
  readonly #points: Pointer;
  readonly #product: Pointer;

  private constructor(mcl: MclModule) {
    this.#mcl = mcl;
    this.#map = new MclMap(mcl);
    this.#committees = new CommitteeCache(mcl);
    this.#input = mcl.allocate(SIGNATURE_BYTES);
    this.#scalar = mcl.allocate(FR);
    this.#keys = mcl.allocate(2 * G1);
    this.#points = mcl.allocate(2 * G2);
    this.#product = mcl.allocate(GT);
    this.#generator = mcl.allocate(G1);
    this.#minusGenerator = mcl.allocate(G1);
  }
  /**
   * A new instance with memory of its own (about 2 MB) and empty caches.
   *
   * @throws {HsyncError} BLS_INTERNAL: the library cannot be loaded or speaks another dialect.
   */
  static async create(): Promise<WasmBls> {
    const bls = new WasmBls(await MclModule.load());
    bls.#deriveGenerator();
    return bls;
  }
  #deriveGenerator(): void {
    const { f } = this.#mcl;
    const one = this.#points;
    f._mclBnFp_setInt32(one, 1);
    if (f._mclBnFp_mapToG1(this.#generator, one) !== 0) throw internalError("cannot derive the generator");
    f._mclBnG1_normalize(this.#generator, this.#generator);
    f._mclBnG1_neg(this.#minusGenerator, this.#generator);
    if (toHex(this.#writeG1(this.#generator)) !== GENERATOR_HEX) {
      throw internalError("derives another generator than the network's");
    }
  }

  /** Bytes of the library's memory that are in use, and its size: a test watches both. */
  get memory(): { readonly owned: number; readonly size: number } {
    return { owned: this.#mcl.owned, size: this.#mcl.memorySize };
  }
  /** How many public keys were really decoded so far. */
  get decodedKeys(): number {
    return this.#committees.decodedKeys;
  }

  publicKeyKind(bytes: Uint8Array): PointKind {
    return this.#readG1(this.#keys, bytes);
  }
  signatureKind(bytes: Uint8Array): PointKind {
    return this.#readG2(this.#points, bytes);
  }
  payloadPoint(payload: Uint8Array): Uint8Array | undefined {
    return this.#mapPayload(this.#points, payload) ? this.#writeG2(this.#points) : undefined;
  }
  addPublicKeys(keys: readonly Uint8Array[]): Uint8Array {
    const { f } = this.#mcl;
    const [sum, point] = [this.#keys, this.#keys + G1];
    f._mclBnG1_clear(sum);
    for (const key of keys) {
      if (this.#readG1(point, key) === "invalid") {
        throw new HsyncError("BLS_POINT", "a public key to be added does not decode");
      }
      f._mclBnG1_add(sum, sum, point);
    }
    return this.#writeG1(sum);
  }
  addSignatures(signatures: readonly Uint8Array[]): Uint8Array {
    const { f } = this.#mcl;
    const [sum, point] = [this.#points, this.#points + G2];
    f._mclBnG2_clear(sum);
    for (const signature of signatures) {
      if (this.#readG2(point, signature) === "invalid") {
        throw new HsyncError("BLS_POINT", "a signature to be added does not decode");
      }
      f._mclBnG2_add(sum, sum, point);
    }
    return this.#writeG2(sum);
  }
  publicKeyOf(secretKey: Uint8Array): Uint8Array {
    this.#readScalar(secretKey);
    this.#mcl.f._mclBnG1_mul(this.#keys, this.#generator, this.#scalar);
    return this.#writeG1(this.#keys);
  }
  sign(secretKey: Uint8Array, payload: Uint8Array): Uint8Array {
    this.#readScalar(secretKey);
    if (!this.#mapPayload(this.#points, payload)) {
      throw new HsyncError("BLS_PAYLOAD", "a payload of zeros cannot be signed");
    }
    this.#mcl.f._mclBnG2_mul(this.#points, this.#points, this.#scalar);
    return this.#writeG2(this.#points);
  }
  verify(publicKey: Uint8Array, payload: Uint8Array, signature: Uint8Array): boolean {
    const { f } = this.#mcl;
    this.#mcl.copy(this.#keys, this.#minusGenerator, G1);
    if (this.#readG1(this.#keys + G1, publicKey) !== "point") return false;
    if (this.#readG2(this.#points, signature) !== "point") return false;
    if (!this.#mapPayload(this.#points + G2, payload)) return false;
    f._mclBn_millerLoopVec(this.#product, this.#keys, this.#points, 2);
    f._mclBn_finalExp(this.#product, this.#product);
    return f._mclBnGT_isOne(this.#product) === 1;
  }
  verifyCertificate(committee: CommitteeKeys, input: CertificateInput): CertificateVerdict {
    const [verdict] = this.verifyCertificates(committee, [input]);
    if (verdict === undefined) throw internalError("gave no verdict on a certificate");
    return verdict;
  }
  verifyCertificates(
    committee: CommitteeKeys,
    inputs: readonly CertificateInput[],
  ): CertificateVerdict[] {
    return finish(this.verifySteps(committee, inputs, COARSE));
  }
  /**
   * The same in short steps. Several may be under way at once; the inputs must not change meanwhile, and `return()`
   * on the generator gives up early.
   */
  *verifySteps(
    committee: CommitteeKeys,
    inputs: readonly CertificateInput[],
    grain: Grain,
  ): Generator<void, CertificateVerdict[], void> {
    const decoded = yield* this.#committees.committee(committee);
    const tools = { mcl: this.#mcl, map: this.#map, minusGenerator: this.#minusGenerator };
    return yield* verifyBatchSteps(tools, committee, decoded, inputs, grain);
  }

  #readScalar(secretKey: Uint8Array): void {
    this.#mcl.write(this.#input, bigintToLittleEndian(secretScalar(secretKey), SECRET_KEY_BYTES));
    if (this.#mcl.f._mclBnFr_setLittleEndian(this.#scalar, this.#input, SECRET_KEY_BYTES) !== 0) {
      throw internalError("refuses a secret key");
    }
  }
  #mapPayload(out: Pointer, payload: Uint8Array): boolean {
    if (!this.#map.raw(out, payload)) return false;
    this.#map.clearCofactor(out, out);
    return true;
  }
  #readG1(out: Pointer, bytes: Uint8Array): PointKind {
    const { f } = this.#mcl;
    if (bytes.length !== PUBLIC_KEY_BYTES) return "invalid";
    this.#mcl.write(this.#input, bytes);
    if (f._mclBnG1_deserialize(out, this.#input, PUBLIC_KEY_BYTES) !== PUBLIC_KEY_BYTES) return "invalid";
    return f._mclBnG1_isZero(out) === 1 ? "infinity" : "point";
  }
  #readG2(out: Pointer, bytes: Uint8Array): PointKind {
    const { f } = this.#mcl;
    if (bytes.length !== SIGNATURE_BYTES) return "invalid";
    this.#mcl.write(this.#input, bytes);
    if (f._mclBnG2_deserialize(out, this.#input, SIGNATURE_BYTES) !== SIGNATURE_BYTES) return "invalid";
    return f._mclBnG2_isZero(out) === 1 ? "infinity" : "point";
  }
  #writeG1(point: Pointer): Uint8Array {
    const written = this.#mcl.f._mclBnG1_serialize(this.#input, SIGNATURE_BYTES, point);
    if (written !== PUBLIC_KEY_BYTES) throw internalError("cannot write a public key");
    return this.#mcl.read(this.#input, PUBLIC_KEY_BYTES);
  }
  #writeG2(point: Pointer): Uint8Array {
    const written = this.#mcl.f._mclBnG2_serialize(this.#input, SIGNATURE_BYTES, point);
    if (written !== SIGNATURE_BYTES) throw internalError("cannot write a signature");
    return this.#mcl.read(this.#input, SIGNATURE_BYTES);
  }
}
