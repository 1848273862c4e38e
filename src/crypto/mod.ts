/** Hashes and curves: what the chain's data is checked with. */
export { keccak256 } from "./keccak.ts";
export { addressOfPublicKey, type RecoverableSignature, recoverAddress } from "./secp256k1.ts";
