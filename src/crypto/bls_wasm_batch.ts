/**
 * Many certificates of one committee in one check.
 *
 * Why it exists: a single verification spends most of its time on two pairings and on clearing the cofactor of one
 * point; summed with random weights, hundreds of certificates share them (consensus-verification.md §f):
 *
 *     e(-G, Σ rᵢSᵢ) · Π e(key sum, c(Σ rᵢPᵢ)) = 1     with Pᵢ the raw point of payload i and c the clearing
 *
 * What must stay true, for the sum to prove every part: each signature has passed its own subgroup check
 * (the group around it has small factors); the weights come from the system's generator, are drawn after all points
 * of the check lie in memory, and are new for every check, also for the halves of a failed one; a single certificate is
 * never judged by a sum. A batch is a sequence of short steps, so that whoever runs it can let others go first.
 */
import type { BitmapGroup } from "./bls_batch_plan.ts";
import { groupByBitmap, planPairings } from "./bls_batch_plan.ts";
import {
  type CertificateInput,
  type CertificateVerdict,
  type CommitteeKeys,
  refused,
  requireBatch,
} from "./bls_certificate.ts";
import { SIGNATURE_BYTES } from "./bls_dialect.ts";
import type { DecodedCommittee } from "./bls_wasm_committee.ts";
import type { MclMap } from "./bls_wasm_map.ts";
import { FR, G1, G2, GT, internalError, type MclModule, type Pointer } from "./bls_wasm_module.ts";

/**
 * A weight has 63 bits of which the lowest is set. It must stay below |x| ≈ 2^63.7: raw points lie outside the
 * subgroup, where the library's shortcut for long scalars does not hold.
 */
const WEIGHT_BYTES = 8;

/** How much is done between two breaths. */
export interface Grain {
  /** Points per multi-multiplication; more is cheaper per point. */
  readonly points: number;
  /** Pairs per Miller loop; more is cheaper per pair. */
  readonly pairs: number;
}
/** For a thread that has nothing else to do. */
export const COARSE: Grain = { points: 512, pairs: 32 };
/** For a thread that must answer others: a step stays near 10 ms. */
export const FINE: Grain = { points: 16, pairs: 2 };

/** What a batch needs besides its certificates. */
export interface BatchTools {
  readonly mcl: MclModule;
  readonly map: MclMap;
  /** Address of -G. */
  readonly minusGenerator: Pointer;
}

/** A group whose accepted members lie at [start, end) of the batch's vectors. */
interface PlacedGroup {
  readonly group: BitmapGroup;
  /** Address of the sum of its signers' keys. */
  readonly key: Pointer;
  readonly start: number;
  readonly end: number;
}

/** One allocation for everything a batch holds, so that there is one thing to give back. */
class BatchMemory {
  readonly #mcl: MclModule;
  readonly #block: Pointer;
  readonly images: Pointer;
  readonly total: Pointer;
  readonly groupKeys: Pointer;
  readonly signatures: Pointer;
  readonly points: Pointer;
  readonly weights: Pointer;
  readonly sums: Pointer;
  readonly pairKeys: Pointer;
  readonly pairPoints: Pointer;
  readonly partial: Pointer;
  readonly product: Pointer;
  readonly factor: Pointer;
  readonly input: Pointer;

  constructor(mcl: MclModule, slots: number, certificates: number, groups: number) {
    this.#mcl = mcl;
    let size = 0;
    const plan = (bytes: number): number => {
      const offset = size;
      size += bytes;
      return offset;
    };
    const images = plan(slots * G1);
    const total = plan(G1);
    const groupKeys = plan(groups * G1);
    const signatures = plan(certificates * G2);
    const points = plan(certificates * G2);
    const weights = plan(certificates * FR);
    const sums = plan(groups * G2);
    const pairKeys = plan((groups + 1) * G1);
    const pairPoints = plan((groups + 1) * G2);
    const partial = plan(G2);
    const product = plan(GT);
    const factor = plan(GT);
    const input = plan(SIGNATURE_BYTES);
    const block = this.#block = mcl.allocate(size);
    this.images = block + images;
    this.total = block + total;
    this.groupKeys = block + groupKeys;
    this.signatures = block + signatures;
    this.points = block + points;
    this.weights = block + weights;
    this.sums = block + sums;
    this.pairKeys = block + pairKeys;
    this.pairPoints = block + pairPoints;
    this.partial = block + partial;
    this.product = block + product;
    this.factor = block + factor;
    this.input = block + input;
  }
  free(): void {
    this.#mcl.free(this.#block);
  }
}

/**
 * The verdicts of a batch, step by step. The inputs must not change before the last step; leaving early (`return()`
 * on the generator) gives all memory back.
 *
 * @throws {HsyncError} BLS_EMPTY_BATCH; BLS_INTERNAL when the library contradicts itself.
 */
export function* verifyBatchSteps(
  tools: BatchTools,
  committee: CommitteeKeys,
  decoded: DecodedCommittee,
  inputs: readonly CertificateInput[],
  grain: Grain,
): Generator<void, CertificateVerdict[], void> {
  requireBatch(inputs);
  const { groups, verdicts } = groupByBitmap(committee, decoded.usable, inputs);
  const remaining = groups.reduce((sum, group) => sum + group.members.length, 0);
  if (remaining > 0) {
    const memory = new BatchMemory(tools.mcl, decoded.size, remaining, groups.length);
    try {
      yield* new Batch(tools, decoded, memory, grain, verdicts).run(groups, inputs);
    } finally {
      memory.free();
    }
  }
  return verdicts.map((verdict, i) => {
    if (verdict === undefined) throw internalError(`certificate ${i} of a batch was left without a verdict`);
    return verdict;
  });
}

class Batch {
  readonly #mcl: MclModule;
  readonly #placed: PlacedGroup[] = [];
  /** Position in the vectors → index of the certificate. */
  readonly #order: number[] = [];

  constructor(
    private readonly tools: BatchTools,
    private readonly decoded: DecodedCommittee,
    private readonly memory: BatchMemory,
    private readonly grain: Grain,
    private readonly verdicts: Array<CertificateVerdict | undefined>,
  ) {
    this.#mcl = tools.mcl;
  }

  *run(groups: readonly BitmapGroup[], inputs: readonly CertificateInput[]): Generator<void, void, void> {
    this.#mcl.write(this.memory.images, this.decoded.images);
    this.#mcl.write(this.memory.total, this.decoded.total);
    for (const group of groups) yield* this.#place(group, inputs);
    if (this.#order.length > 0) yield* this.#judge(0, this.#order.length, false);
  }

  /** Reads the points of a group's members into the vectors, refusing those that have none. */
  *#place(group: BitmapGroup, inputs: readonly CertificateInput[]): Generator<void, void, void> {
    const key = this.memory.groupKeys + this.#placed.length * G1;
    this.#sumOfSigners(key, group);
    if (this.#mcl.f._mclBnG1_isZero(key) === 1) {
      for (const index of group.members) {
        this.verdicts[index] = refused("AGGREGATE_KEY_INFINITY", group.signers);
      }
      return;
    }
    const start = this.#order.length;
    for (const index of group.members) {
      const input = inputs[index];
      if (input === undefined) throw internalError(`a batch lost its certificate ${index}`);
      const fault = this.#readPoints(this.#order.length, input);
      if (fault === undefined) this.#order.push(index);
      else this.verdicts[index] = refused(fault, group.signers);
      yield;
    }
    if (this.#order.length > start) this.#placed.push({ group, key, start, end: this.#order.length });
  }
  #readPoints(
    position: number,
    input: CertificateInput,
  ): "SIGNATURE_ENCODING" | "SIGNATURE_INFINITY" | "PAYLOAD_UNUSABLE" | undefined {
    const { f } = this.#mcl;
    const signature = this.memory.signatures + position * G2;
    this.#mcl.write(this.memory.input, input.signature);
    // Includes the subgroup check that makes the weighted sum sound.
    if (f._mclBnG2_deserialize(signature, this.memory.input, SIGNATURE_BYTES) !== SIGNATURE_BYTES) {
      return "SIGNATURE_ENCODING";
    }
    if (f._mclBnG2_isZero(signature) === 1) return "SIGNATURE_INFINITY";
    const mapped = this.tools.map.raw(this.memory.points + position * G2, input.payload);
    return mapped ? undefined : "PAYLOAD_UNUSABLE";
  }
  /** The signers' keys added up, or the others' taken from the total: whichever are fewer. */
  #sumOfSigners(out: Pointer, group: BitmapGroup): void {
    const { f } = this.#mcl;
    if (group.present.length <= group.absent.length) {
      f._mclBnG1_clear(out);
      for (const slot of group.present) f._mclBnG1_add(out, out, this.memory.images + slot * G1);
    } else {
      this.#mcl.copy(out, this.memory.total, G1);
      for (const slot of group.absent) f._mclBnG1_sub(out, out, this.memory.images + slot * G1);
    }
  }

  /**
   * Gives a verdict to each of [from, to), halving what fails until the bad ones stand alone.
   *
   * @param knownBad that a check of the whole range would fail, so that it is spared. @returns how many are bad.
   */
  *#judge(from: number, to: number, knownBad: boolean): Generator<void, number, void> {
    if (to - from === 1 || !knownBad) {
      const good = yield* this.#holds(from, to);
      if (good || to - from === 1) {
        for (let position = from; position < to; position++) this.#settle(position, good);
        return good ? 0 : 1;
      }
    }
    const middle = (from + to) >> 1;
    const left = yield* this.#judge(from, middle, false);
    // Where more than a quarter is bad, sums of the rest are likely to fail too: ask one by one.
    const right = left * 4 > middle - from
      ? yield* this.#judgeEach(middle, to)
      : yield* this.#judge(middle, to, left === 0);
    if (left + right === 0) throw internalError("a batch failed as a whole and passed in its parts");
    return left + right;
  }
  *#judgeEach(from: number, to: number): Generator<void, number, void> {
    let bad = 0;
    for (let position = from; position < to; position++) {
      bad += yield* this.#judge(position, position + 1, true);
    }
    return bad;
  }
  #settle(position: number, good: boolean): void {
    const index = this.#order[position] as number;
    const signers = this.#groupAt(position).group.signers;
    this.verdicts[index] = good ? { valid: true, signers } : refused("SIGNATURE_MISMATCH", signers);
  }
  #groupAt(position: number): PlacedGroup {
    const placed = this.#placed.find(({ start, end }) => start <= position && position < end);
    if (placed === undefined) throw internalError(`position ${position} of a batch belongs to no bitmap`);
    return placed;
  }

  /** The one equation over [from, to). */
  *#holds(from: number, to: number): Generator<void, boolean, void> {
    this.#drawWeights(from, to);
    const parts: PlacedGroup[] = [];
    for (const placed of this.#placed) {
      const start = Math.max(from, placed.start);
      const end = Math.min(to, placed.end);
      if (start >= end) continue;
      const sum = this.memory.sums + parts.length * G2;
      yield* this.#weightedSum(sum, this.memory.points, start, end);
      parts.push({ ...placed, start, end });
    }
    const pairs = yield* this.#keyPairs(parts);
    this.#mcl.copy(this.memory.pairKeys + pairs * G1, this.tools.minusGenerator, G1);
    yield* this.#weightedSum(this.memory.pairPoints + pairs * G2, this.memory.signatures, from, to);
    return yield* this.#productIsOne(pairs + 1);
  }
  #drawWeights(from: number, to: number): void {
    const { f } = this.#mcl;
    const count = to - from;
    const random = new Uint8Array(WEIGHT_BYTES * count);
    if (count === 1) random[0] = 1; // alone, a certificate is checked as it is
    else {
      for (let at = 0; at < random.length; at += 65536) {
        crypto.getRandomValues(random.subarray(at, at + 65536));
      }
    }
    for (let i = 0; i < count; i++) {
      const weight = random.subarray(i * WEIGHT_BYTES, (i + 1) * WEIGHT_BYTES);
      weight[0] = (weight[0] as number) | 1;
      weight[WEIGHT_BYTES - 1] = (weight[WEIGHT_BYTES - 1] as number) & 0x7f;
      this.#mcl.write(this.memory.input, weight);
      const at = this.memory.weights + (from + i) * FR;
      if (f._mclBnFr_setLittleEndian(at, this.memory.input, WEIGHT_BYTES) !== 0) {
        throw internalError("refuses a weight");
      }
    }
  }
  /** out = Σ weight · point over [from, to) of a vector. */
  *#weightedSum(out: Pointer, vector: Pointer, from: number, to: number): Generator<void, void, void> {
    const { f } = this.#mcl;
    if (to - from === 1) {
      f._mclBnG2_mul(out, vector + from * G2, this.memory.weights + from * FR);
      yield;
      return;
    }
    f._mclBnG2_clear(out);
    for (let at = from; at < to; at += this.grain.points) {
      const count = Math.min(this.grain.points, to - at);
      const [points, weights] = [vector + at * G2, this.memory.weights + at * FR];
      f._mclBnG2_mulVec(this.memory.partial, points, weights, count);
      f._mclBnG2_add(out, out, this.memory.partial);
      yield;
    }
  }
  /** Writes the pairs of keys and cleared points. @returns how many. */
  *#keyPairs(parts: readonly PlacedGroup[]): Generator<void, number, void> {
    const plan = planPairings(parts.map((part) => part.group));
    let pairs = 0;
    if (plan.by === "bitmap") {
      for (const [i, part] of parts.entries()) {
        this.#mcl.copy(this.memory.pairKeys + pairs * G1, part.key, G1);
        this.tools.map.clearCofactor(this.memory.pairPoints + pairs * G2, this.memory.sums + i * G2);
        pairs++;
        yield;
      }
      return pairs;
    }
    const everyone = parts.map((_, i) => i);
    yield* this.#absencePair(pairs++, everyone, this.memory.total, plan.always);
    for (const pattern of plan.patterns) {
      yield* this.#absencePair(pairs++, pattern.groups, undefined, pattern.slots);
    }
    return pairs;
  }
  /** Pair number `pair`: (base less the keys of `slots`, the cleared sum over `groups`). */
  *#absencePair(
    pair: number,
    groups: readonly number[],
    base: Pointer | undefined,
    slots: readonly number[],
  ): Generator<void, void, void> {
    const { f } = this.#mcl;
    const key = this.memory.pairKeys + pair * G1;
    const point = this.memory.pairPoints + pair * G2;
    if (base === undefined) f._mclBnG1_clear(key);
    else this.#mcl.copy(key, base, G1);
    for (const slot of slots) f._mclBnG1_sub(key, key, this.memory.images + slot * G1);
    f._mclBnG2_clear(point);
    for (const group of groups) f._mclBnG2_add(point, point, this.memory.sums + group * G2);
    this.tools.map.clearCofactor(point, point);
    yield;
  }
  /** True when the product of the pairings of the first `pairs` pairs is one. Leaves the pairs in another order. */
  *#productIsOne(pairs: number): Generator<void, boolean, void> {
    const { f } = this.#mcl;
    const { pairKeys, pairPoints, product, factor } = this.memory;
    // A pair with infinity contributes one; close the gaps so that the library never sees it.
    let live = 0;
    for (let i = 0; i < pairs; i++) {
      if (f._mclBnG1_isZero(pairKeys + i * G1) === 1 || f._mclBnG2_isZero(pairPoints + i * G2) === 1) {
        continue;
      }
      if (live !== i) {
        this.#mcl.copy(pairKeys + live * G1, pairKeys + i * G1, G1);
        this.#mcl.copy(pairPoints + live * G2, pairPoints + i * G2, G2);
      }
      live++;
    }
    if (live === 0) return true;
    for (let at = 0; at < live; at += this.grain.pairs) {
      const count = Math.min(this.grain.pairs, live - at);
      const target = at === 0 ? product : factor;
      f._mclBn_millerLoopVec(target, pairKeys + at * G1, pairPoints + at * G2, count);
      if (at > 0) f._mclBnGT_mul(product, product, factor);
      yield;
    }
    f._mclBn_finalExp(product, product);
    return f._mclBnGT_isOne(product) === 1;
  }
}
