/** Hashes and curves: what the chain's data is checked with. */
export { keccak256 } from "./keccak.ts";
export { addressOfPublicKey, type RecoverableSignature, recoverAddress } from "./secp256k1.ts";
/** BLS in Harmony's dialect: certificates against committees. */
export type { Bls, PointKind } from "./bls.ts";
export {
  CERTIFICATE_FAULTS,
  type CertificateFault,
  type CertificateInput,
  type CertificateVerdict,
  CommitteeKeys,
  countMarked,
  isMarked,
  markedSlots,
} from "./bls_certificate.ts";
export { PUBLIC_KEY_BYTES, SECRET_KEY_BYTES, SIGNATURE_BYTES } from "./bls_dialect.ts";
export { WasmBls } from "./bls_wasm.ts";
/** Signing, for the chains that tests build: the node signs nothing. */
export { addSecretKeys, secretKeyFromSeed } from "./bls_secret.ts";
export { type CertificateVerifier, createCertificateVerifier, type VerifierOptions } from "./bls_verifier.ts";
