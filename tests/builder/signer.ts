/**
 * Signing as a plug: chains are built with or without real signatures.
 *
 * Why it exists: most tests need linked blocks by the thousand and never look at a signature; those of certificates need
 * real ones. What must stay true: without a signer no key or signature is valid, so that nothing can pass for signed.
 */
import type { SeededRandom } from "../../src/base/mod.ts";
import { addSecretKeys, type Bls, secretKeyFromSeed } from "../../src/crypto/mod.ts";

/** Makes keys and aggregate signatures. */
export interface ChainSigner {
  /** A secret key out of seeded randomness, 32 bytes. */
  secretKey(random: SeededRandom): Uint8Array;
  /** Its public key, 48 bytes. */
  publicKey(secretKey: Uint8Array): Uint8Array;
  /** The aggregate signature of all these keys over a payload, 96 bytes. */
  sign(secretKeys: readonly Uint8Array[], payload: Uint8Array): Uint8Array;
}

/** No signatures at all: keys and signatures are noise of the right length. */
export function noiseSigner(random: SeededRandom): ChainSigner {
  return {
    secretKey: (source) => source.bytes(32),
    publicKey: () => random.bytes(48),
    sign: () => random.bytes(96),
  };
}

/** Real signatures in Harmony's dialect. One signature by the sum of the keys equals the sum of their signatures. */
export function blsSigner(bls: Pick<Bls, "publicKeyOf" | "sign">): ChainSigner {
  return {
    secretKey: (random) => secretKeyFromSeed(random.bytes(48)),
    publicKey: (secretKey) => bls.publicKeyOf(secretKey),
    sign: (secretKeys, payload) => bls.sign(addSecretKeys(secretKeys), payload),
  };
}
