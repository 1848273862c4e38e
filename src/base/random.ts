/**
 * Randomness as a parameter, except for cryptography.
 *
 * Why it exists: jitter, shuffles and simulations must replay from a printed seed. What must stay true:
 * nothing that security rests on (batch scalars, request ids on the wire, keys) ever uses `SeededRandom`.
 */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[];
  /** `n` random bytes. */
  bytes(n: number): Uint8Array;
}

abstract class RandomBase implements Random {
  abstract next(): number;
  int(n: number): number {
    return Math.floor(this.next() * n);
  }
  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const a = out[i] as T;
      out[i] = out[j] as T;
      out[j] = a;
    }
    return out;
  }
  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i++) out[i] = this.int(256);
    return out;
  }
}

/** Replayable generator (xoshiro128**), seeded through splitmix32. Not for cryptography. */
export class SeededRandom extends RandomBase {
  readonly seed: number;
  #s: [number, number, number, number];
  constructor(seed: number) {
    super();
    this.seed = seed >>> 0;
    let x = this.seed;
    const mix = () => {
      x = (x + 0x9e3779b9) | 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    this.#s = [mix(), mix(), mix(), mix()];
  }
  next(): number {
    const s = this.#s;
    const r = Math.imul(s[1], 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result / 4294967296;
  }
}

/** The system's generator. */
export class SystemRandom extends RandomBase {
  next(): number {
    const a = new Uint32Array(1);
    crypto.getRandomValues(a);
    return (a[0] as number) / 4294967296;
  }
  override bytes(n: number): Uint8Array {
    const out = new Uint8Array(n);
    for (let i = 0; i < n; i += 65536) crypto.getRandomValues(out.subarray(i, Math.min(n, i + 65536)));
    return out;
  }
}
