/**
 * The map of payloads to the signature group in two halves, in the library's memory.
 *
 * Why it exists: the library maps and clears the cofactor in one call. Clearing is the dearer half and linear, so a
 * batch sums raw points first and clears once per sum (consensus-verification.md §f). What must stay true:
 * `raw` followed by `clearCofactor` is the map of consensus-verification.md §a.5 for every payload.
 */
import { CURVE_PARAMETER, FIELD_ORDER, PAYLOAD_BYTES } from "./bls_dialect.ts";
import { FP, FP2, G2, internalError, type MclModule, type Pointer } from "./bls_wasm_module.ts";

/** Bits of |x| below the leading one, from the top. */
const PARAMETER_BITS = Array.from(CURVE_PARAMETER.toString(2).slice(1), (bit) => bit === "1");

export class MclMap {
  readonly #mcl: MclModule;
  readonly #block: Pointer;
  // constants
  readonly #one: Pointer;
  readonly #b: Pointer;
  readonly #c1: Pointer;
  readonly #c2: Pointer;
  readonly #psiX: Pointer;
  readonly #psiY: Pointer;
  // scratch
  readonly #input: Pointer;
  readonly #t: Pointer;
  readonly #w: Pointer;
  readonly #x: Pointer;
  readonly #y: Pointer;
  readonly #v: Pointer;
  readonly #p1: Pointer;
  readonly #p2: Pointer;
  readonly #p3: Pointer;

  constructor(mcl: MclModule) {
    this.#mcl = mcl;
    let at = this.#block = mcl.allocate(4 * FP + 8 * FP2 + 3 * G2 + PAYLOAD_BYTES);
    const take = (size: number): Pointer => {
      const here = at;
      at += size;
      return here;
    };
    this.#one = take(FP);
    this.#c1 = take(FP);
    this.#c2 = take(FP);
    this.#b = take(FP2);
    this.#psiX = take(FP2);
    this.#psiY = take(FP2);
    this.#t = take(FP);
    this.#w = take(FP2);
    this.#x = take(FP2);
    this.#y = take(FP2);
    this.#v = take(FP2);
    this.#p1 = take(G2);
    this.#p2 = take(G2);
    this.#p3 = take(G2);
    this.#input = take(PAYLOAD_BYTES);
    this.#constants();
  }
  /** Gives the memory back; nothing may be called afterwards. */
  close(): void {
    this.#mcl.free(this.#block);
  }

  #constants(): void {
    const f = this.#mcl.f;
    f._mclBnFp_setInt32(this.#one, 1);
    f._mclBnFp_setInt32(this.#b, 4);
    f._mclBnFp_setInt32(this.#b + FP, 4);
    // c1 = √-3, c2 = (√-3 - 1)/2
    f._mclBnFp_setInt32(this.#t, -3);
    if (f._mclBnFp_squareRoot(this.#c1, this.#t) !== 0) throw internalError("finds no root of -3");
    f._mclBnFp_sub(this.#c2, this.#c1, this.#one);
    f._mclBnFp_setInt32(this.#t, 2);
    f._mclBnFp_div(this.#c2, this.#c2, this.#t);
    // ψ multiplies the conjugated coordinates by (1+i)^(-(p-1)/3) and (1+i)^(-(p-1)/2)
    this.#inverseOfTwistPower(this.#psiX, (FIELD_ORDER - 1n) / 3n);
    this.#inverseOfTwistPower(this.#psiY, (FIELD_ORDER - 1n) / 2n);
  }
  /** out = (1 + i)^-exponent */
  #inverseOfTwistPower(out: Pointer, exponent: bigint): void {
    const f = this.#mcl.f;
    this.#mcl.copy(this.#v, this.#one, FP);
    this.#mcl.copy(this.#v + FP, this.#one, FP);
    this.#mcl.copy(out, this.#v, FP2);
    for (const bit of exponent.toString(2).slice(1)) {
      f._mclBnFp2_sqr(out, out);
      if (bit === "1") f._mclBnFp2_mul(out, out, this.#v);
    }
    f._mclBnFp2_inv(out, out);
  }

  /**
   * The payload's point on the twist before the cofactor is cleared, with z = 1.
   *
   * @returns false, and nothing written, for a payload that stands for zero (consensus-verification.md §a.5).
   */
  raw(out: Pointer, payload: Uint8Array): boolean {
    const { f } = this.#mcl;
    const [t, w, x, y, v] = [this.#t, this.#w, this.#x, this.#y, this.#v];
    this.#readPayload(payload);
    if (f._mclBnFp_isZero(t) === 1) return false;
    // w = c1·t / (1 + b + t²)
    f._mclBnFp_sqr(w, t);
    f._mclBnFp_add(w, w, this.#one);
    f._mclBnFp_clear(w + FP);
    f._mclBnFp2_add(w, w, this.#b);
    f._mclBnFp2_inv(w, w);
    f._mclBnFp_mul(v, this.#c1, t);
    f._mclBnFp_mul(w, w, v);
    f._mclBnFp_mul(w + FP, w + FP, v);
    // x1 = c2 - t·w
    f._mclBnFp_mul(x, w, t);
    f._mclBnFp_mul(x + FP, w + FP, t);
    f._mclBnFp_sub(x, this.#c2, x);
    f._mclBnFp_neg(x + FP, x + FP);
    for (let candidate = 1; candidate <= 3; candidate++) {
      if (candidate === 2) { // x2 = -1 - x1
        f._mclBnFp2_neg(x, x);
        f._mclBnFp_sub(x, x, this.#one);
      } else if (candidate === 3) { // x3 = 1 + 1/w²
        f._mclBnFp2_sqr(x, w);
        f._mclBnFp2_inv(x, x);
        f._mclBnFp_add(x, x, this.#one);
      }
      f._mclBnFp2_sqr(v, x);
      f._mclBnFp2_mul(v, v, x);
      f._mclBnFp2_add(v, v, this.#b);
      if (f._mclBnFp2_squareRoot(y, v) !== 0) continue;
      this.#mcl.copy(out, x, FP2);
      this.#mcl.copy(out + FP2, y, FP2);
      this.#mcl.copy(out + 2 * FP2, this.#one, FP);
      f._mclBnFp_clear(out + 2 * FP2 + FP);
      return true;
    }
    throw internalError("the map found no point, which cannot be");
  }
  #readPayload(payload: Uint8Array): void {
    const counted = payload.subarray(0, PAYLOAD_BYTES);
    this.#mcl.write(this.#input, counted);
    this.#mcl.f._mclBnFp_clear(this.#t);
    if (
      counted.length > 0 &&
      this.#mcl.f._mclBnFp_setLittleEndian(this.#t, this.#input, counted.length) !== 0
    ) throw internalError("cannot read a payload as a number");
  }
  /** out = (x² - x - 1)P + (x - 1)ψ(P) + ψ²(2P), the point of the subgroup that belongs to P; may be in place. */
  clearCofactor(out: Pointer, point: Pointer): void {
    const { f } = this.#mcl;
    const [a, b] = [this.#p1, this.#p2];
    if (f._mclBnG2_isZero(point) === 1) {
      f._mclBnG2_clear(out);
      return;
    }
    this.#timesParameter(a, point);
    f._mclBnG2_sub(a, a, point); // (x-1)P
    this.#timesParameter(b, a);
    f._mclBnG2_sub(b, b, point); // (x²-x-1)P
    this.#psi(a);
    f._mclBnG2_add(b, b, a);
    f._mclBnG2_dbl(a, point);
    this.#psi(a);
    this.#psi(a);
    f._mclBnG2_add(out, b, a);
  }
  /** out = xP, x negative; plain doubling and adding, right for points outside the subgroup too; out ≠ point. */
  #timesParameter(out: Pointer, point: Pointer): void {
    const { f } = this.#mcl;
    this.#mcl.copy(this.#p3, point, G2);
    this.#mcl.copy(out, point, G2);
    for (const bit of PARAMETER_BITS) {
      f._mclBnG2_dbl(out, out);
      if (bit) f._mclBnG2_add(out, out, this.#p3);
    }
    f._mclBnG2_neg(out, out);
  }
  /** The untwist-Frobenius-twist map, in place. */
  #psi(point: Pointer): void {
    const { f } = this.#mcl;
    for (const coordinate of [point, point + FP2, point + 2 * FP2]) {
      f._mclBnFp_neg(coordinate + FP, coordinate + FP);
    }
    f._mclBnFp2_mul(point, point, this.#psiX);
    f._mclBnFp2_mul(point + FP2, point + FP2, this.#psiY);
  }
}
