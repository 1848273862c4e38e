/**
 * Addresses as people write them: `one1…`.
 *
 * Why it exists: the genesis tables and every tool around the chain use this text form. What must stay true: text with a
 * wrong checksum, another prefix or another length is refused, never guessed at.
 */
import { bech32 } from "@scure/base";
import { HsyncError, safeText } from "../base/mod.ts";

const ADDRESS_PREFIX = "one";

/**
 * The 20 bytes of a `one1…` address.
 *
 * @throws {HsyncError} ADDRESS_INVALID
 */
export function parseAddress(text: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    const { prefix, words } = bech32.decode(text as `${string}1${string}`);
    if (prefix === ADDRESS_PREFIX) bytes = bech32.fromWords(words);
  } catch (cause) {
    throw invalidAddress(text, cause);
  }
  if (bytes === undefined || bytes.length !== 20) throw invalidAddress(text);
  return bytes;
}

function invalidAddress(text: string, cause?: unknown): HsyncError {
  return new HsyncError("ADDRESS_INVALID", `"${safeText(text, 100)}" is not a Harmony address`, {
    hint: "a Harmony address begins with one1 and has 42 characters",
    cause,
  });
}

/** The `one1…` text of 20 address bytes. @throws {RangeError} another length. */
export function formatAddress(address: Uint8Array): string {
  if (address.length !== 20) throw new RangeError(`an address has 20 bytes, not ${address.length}`);
  return bech32.encode(ADDRESS_PREFIX, bech32.toWords(address));
}
