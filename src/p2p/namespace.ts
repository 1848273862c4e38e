/**
 * From a namespace string to the key under which the DHT stores its providers.
 *
 * Why it exists: two implementations find each other only when they hash the same text in the same way. What must
 * stay true: the key is the 34-byte SHA-256 multihash of the UTF-8 text; CID version and codec are decoration that
 * never reaches the wire (sync-protocol.md §1.6).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";

const SHA2_256 = 0x12;
const RAW_CODEC = 0x55;

/** The 34-byte multihash (0x12 0x20 ‖ SHA-256) that ADD_PROVIDER and GET_PROVIDERS carry. */
export function namespaceMultihash(namespace: string): Uint8Array {
  return Digest.create(SHA2_256, sha256(new TextEncoder().encode(namespace))).bytes;
}

/** The CIDv1 (raw codec) around the multihash, the form that the DHT library takes; text form `bafkrei…`. */
export function namespaceCid(namespace: string): CID {
  return CID.createV1(RAW_CODEC, Digest.create(SHA2_256, sha256(new TextEncoder().encode(namespace))));
}
