/**
 * Committee keys, decoded once.
 *
 * Why it exists: decoding a key costs half a millisecond (a square root and a subgroup check), an epoch has
 * hundreds of them, and neighbouring epochs share most. What must stay true: both caches are bounded; an image is
 * the library's own form of an affine point and is only ever copied back into the instance's memory; a key that
 * is infinity or no point has no image and is left out of every sum.
 */
import { LruMap } from "../base/mod.ts";
import type { CommitteeKeys } from "./bls_certificate.ts";
import { PUBLIC_KEY_BYTES } from "./bls_dialect.ts";
import { G1, type MclModule, type Pointer } from "./bls_wasm_module.ts";

/** Sixteen full committees of 250 with nothing in common, about a megabyte. */
const KEY_LIMIT = 4096;
/** About 40 KB each. */
const COMMITTEE_LIMIT = 32;

/** A committee as the library computes with it, outside the library's memory. */
export interface DecodedCommittee {
  readonly size: number;
  /** Per slot 1 when the key can sign, else 0. */
  readonly usable: Uint8Array;
  /** Per slot the image of the key's point; zeros where it cannot sign. */
  readonly images: Uint8Array;
  /** Image of the sum over all usable slots; repeats count each time. May be infinity. */
  readonly total: Uint8Array;
}

function cacheKey(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

export class CommitteeCache {
  readonly #mcl: MclModule;
  readonly #block: Pointer;
  readonly #input: Pointer;
  readonly #point: Pointer;
  readonly #sum: Pointer;
  readonly #keys = new LruMap<string, Uint8Array | "unusable">(KEY_LIMIT);
  readonly #committees = new LruMap<CommitteeKeys, DecodedCommittee>(COMMITTEE_LIMIT);
  #decoded = 0;

  constructor(mcl: MclModule) {
    this.#mcl = mcl;
    this.#block = mcl.allocate(PUBLIC_KEY_BYTES + 2 * G1);
    this.#input = this.#block;
    this.#point = this.#input + PUBLIC_KEY_BYTES;
    this.#sum = this.#point + G1;
  }
  /** Gives the memory back; nothing may be called afterwards. */
  close(): void {
    this.#mcl.free(this.#block);
  }
  /** How many keys were really decoded so far, for tests and figures. */
  get decodedKeys(): number {
    return this.#decoded;
  }
  /**
   * The image of a public key, or `unusable` for infinity and for anything that does not decode.
   *
   * @param key 48 bytes.
   */
  key(key: Uint8Array): Uint8Array | "unusable" {
    const name = cacheKey(key);
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const image = this.#decode(key);
    this.#keys.set(name, image);
    return image;
  }
  #decode(key: Uint8Array): Uint8Array | "unusable" {
    const { f } = this.#mcl;
    this.#decoded++;
    this.#mcl.write(this.#input, key);
    const read = f._mclBnG1_deserialize(this.#point, this.#input, PUBLIC_KEY_BYTES);
    if (read !== PUBLIC_KEY_BYTES || f._mclBnG1_isZero(this.#point) === 1) return "unusable";
    f._mclBnG1_normalize(this.#point, this.#point);
    return this.#mcl.read(this.#point, G1);
  }
  /** The decoded committee; gives the thread a chance to breathe after each new key. */
  *committee(committee: CommitteeKeys): Generator<void, DecodedCommittee, void> {
    const known = this.#committees.get(committee);
    if (known !== undefined) return known;
    const { size } = committee;
    const usable = new Uint8Array(size);
    const images = new Uint8Array(size * G1);
    for (let slot = 0; slot < size; slot++) {
      const before = this.#decoded;
      const image = this.key(committee.key(slot));
      if (image !== "unusable") {
        usable[slot] = 1;
        images.set(image, slot * G1);
      }
      if (this.#decoded !== before) yield;
    }
    const decoded = { size, usable, images, total: this.#total(usable, images) };
    this.#committees.set(committee, decoded);
    return decoded;
  }
  #total(usable: Uint8Array, images: Uint8Array): Uint8Array {
    const { f } = this.#mcl;
    f._mclBnG1_clear(this.#sum);
    for (let slot = 0; slot < usable.length; slot++) {
      if (usable[slot] !== 1) continue;
      this.#mcl.write(this.#point, images.subarray(slot * G1, (slot + 1) * G1));
      f._mclBnG1_add(this.#sum, this.#sum, this.#point);
    }
    f._mclBnG1_normalize(this.#sum, this.#sum);
    return this.#mcl.read(this.#sum, G1);
  }
}
