/** Hashes and curves: what the chain's data is checked with. */
export { keccak256 } from "./keccak.ts";
