import assert from "node:assert/strict";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { toHex } from "../../src/base/mod.ts";
import { keccak256, recoverAddress } from "../../src/crypto/mod.ts";
import { refuses, sign, testAddress } from "../chain/support.ts";

const ORDER = secp256k1.Point.Fn.ORDER;
const hash = keccak256(new TextEncoder().encode("recover me"));

Deno.test("the address of the signing key is recovered", () => {
  // The key of 32 times 46 and its address stand in EIP-155's own example.
  assert.equal(toHex(testAddress), "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
  assert.equal(toHex(recoverAddress(hash, sign(hash))), toHex(testAddress));
});

Deno.test("a signature over something else gives another address", () => {
  assert.notEqual(toHex(recoverAddress(keccak256(hash), sign(hash))), toHex(testAddress));
});

Deno.test("an s in the upper half is refused unless it is allowed", () => {
  const { r, s, recoveryId } = sign(hash);
  const high = { r, s: ORDER - s, recoveryId: 1 - recoveryId };
  refuses(() => recoverAddress(hash, high), "SIGNATURE_INVALID");
  assert.equal(toHex(recoverAddress(hash, high, { allowHighS: true })), toHex(testAddress));
});

Deno.test("signatures out of range are refused", () => {
  const good = sign(hash);
  const bad = [
    { ...good, r: 0n },
    { ...good, s: 0n },
    { ...good, r: ORDER },
    { ...good, s: ORDER },
    { ...good, r: 1n << 300n },
    { ...good, recoveryId: 2 },
    { ...good, recoveryId: -1 },
    // No point of the curve has this x coordinate.
    { ...good, r: 5n },
  ];
  for (const signature of bad) {
    refuses(
      () => recoverAddress(hash, signature, { allowHighS: true }),
      "SIGNATURE_INVALID",
      `r=${signature.r}`,
    );
  }
});
