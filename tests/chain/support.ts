/**
 * What the codec tests share: reading `go-rlp.txt`, expecting an error code, a test key that signs.
 *
 * Why it exists: a dozen test files compare with the same vectors. What must stay true: nothing here decodes
 * or encodes anything the tests are about.
 */
import assert from "node:assert/strict";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { equalBytes, fromHex, HsyncError, toHex } from "../../src/base/mod.ts";
import type { HeaderFields, HeaderVersion } from "../../src/chain/mod.ts";
import { addressOfPublicKey, keccak256 } from "../../src/crypto/mod.ts";
import { vectorText } from "../vectors/load.ts";

export const hex = fromHex;

/** `count` times the byte of two hex digits. */
export function repeat(byte: string, count: number): Uint8Array {
  return fromHex(byte.repeat(count));
}

/** Asserts equal bytes, showing hex on failure. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array | string, what = ""): void {
  const want = typeof expected === "string" ? fromHex(expected) : expected;
  if (!equalBytes(actual, want)) assert.equal(toHex(actual), toHex(want), what);
}

/** Asserts that `fn` throws an `HsyncError` of this code, blaming the sender of the bytes. */
export function refuses(fn: () => unknown, code: string, what = ""): void {
  assert.throws(fn, (error) => {
    assert.ok(error instanceof HsyncError, `${what}: threw ${error}`);
    assert.equal(error.code, code, `${what}: ${error.message}`);
    assert.equal(error.fault, "DATA", what);
    return true;
  }, what);
}

/** The bytes of an entry of `go-rlp.txt`, after checking the length and hash that stand beside them. */
export function goRlp(name: string): Uint8Array {
  const lines = vectorText("go-rlp.txt").split("\n");
  const at = lines.findIndex((line) => line.startsWith(`${name} len=`));
  const match = /len=(\d+) keccak=([0-9a-f]{64})/.exec(lines[at] ?? "");
  assert.ok(match !== null, `no entry ${name} in go-rlp.txt`);
  const bytes = fromHex((lines[at + 1] ?? "").trim());
  assert.equal(bytes.length, Number(match[1]));
  assert.equal(toHex(keccak256(bytes)), match[2]);
  return bytes;
}

const TEST_KEY = repeat("46", 32);

/** The address (20 bytes) of the key that `sign` uses. */
export const testAddress: Uint8Array = addressOfPublicKey(secp256k1.getPublicKey(TEST_KEY, false));

/** Signs a 32-byte hash with a fixed test key; s is in the lower half. */
export function sign(hash: Uint8Array): { r: bigint; s: bigint; recoveryId: number } {
  const bytes = secp256k1.sign(hash, TEST_KEY, { prehash: false, format: "recovered" });
  const { r, s } = secp256k1.Signature.fromBytes(bytes, "recovered");
  return { r, s, recoveryId: bytes[0] as number };
}

/** Header fields that are all zero or empty; `change` sets some. */
export function zeroHeader(version: HeaderVersion, change: Partial<HeaderFields> = {}): HeaderFields {
  const zero = (length: number) => new Uint8Array(length);
  const empty = zero(0);
  const root = version === "v0"
    ? fromHex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
    : zero(32);
  return {
    version,
    parentHash: zero(32),
    coinbase: zero(20),
    stateRoot: zero(32),
    txRoot: zero(32),
    receiptsRoot: zero(32),
    outgoingReceiptHash: root,
    incomingReceiptHash: root,
    bloom: zero(256),
    number: 0,
    gasLimit: 0n,
    gasUsed: 0n,
    time: 0n,
    extra: empty,
    mixDigest: zero(32),
    viewId: 0n,
    epoch: 0,
    shardId: 0,
    lastCommitSignature: zero(96),
    lastCommitBitmap: empty,
    shardStateHash: zero(32),
    vrf: empty,
    vdf: empty,
    shardState: empty,
    crossLinks: empty,
    slashes: empty,
    ...change,
  };
}
