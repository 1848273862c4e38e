/**
 * Who we are on the network: a private key in a `.hmykey` file, and the peer id that follows from it.
 *
 * Why it exists: peers remember each other by peer id (cooldowns, trusted lists), so an identity must survive
 * restarts, and an operator must be able to bring the key file of a Go node along (sync-protocol.md §1.2).
 * What must stay true: a file that exists is never replaced, whatever is wrong with it; a new file appears whole or
 * not at all, readable by its owner only.
 */
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import type { PrivateKey } from "@libp2p/interface";
import { base64 } from "@scure/base";
import { dirname, join } from "node:path";
import { ExitCode, HsyncError, type Logger, nullLogger, SystemRandom, toHex } from "../base/mod.ts";

/** Name of the key file where none is configured. */
export const KEY_FILE_NAME = ".hmykey";

/** A private key with its public name. */
export interface Identity {
  readonly privateKey: PrivateKey;
  /** base58btc peer id text. */
  readonly peerId: string;
  /** Where it is stored, undefined for one that lives in memory only. */
  readonly path: string | undefined;
  /** True when it was made just now. */
  readonly created: boolean;
}

function unreadable(path: string, why: string, cause?: unknown): HsyncError {
  return new HsyncError("KEYFILE_UNREADABLE", `key file ${path}: ${why}`, {
    exitCode: ExitCode.RUNTIME,
    hint:
      "restore the file, name another one with --p2p.keyfile, or move it away to start with a new identity",
    cause,
  });
}

function toIdentity(privateKey: PrivateKey, path: string | undefined, created: boolean): Identity {
  return { privateKey, peerId: peerIdFromPrivateKey(privateKey).toString(), path, created };
}

/** A new Ed25519 identity that is stored nowhere. */
export async function newIdentity(): Promise<Identity> {
  return toIdentity(await generateKeyPair("Ed25519"), undefined, true);
}

/**
 * The text of a key file: a JSON object whose only member `key` is the base64 of the libp2p PrivateKey protobuf.
 * Indented by a tab, as Go writes it.
 */
export function encodeKeyFile(identity: Identity): string {
  return JSON.stringify({ key: base64.encode(privateKeyToProtobuf(identity.privateKey)) }, null, "\t");
}

/**
 * Reads the text of a key file (RSA, Ed25519 or secp256k1; the network library has no peer ids for ECDSA keys).
 * @throws {HsyncError} KEYFILE_UNREADABLE naming `path` and what is wrong, never showing key material.
 */
export function decodeKeyFile(text: string, path: string): Identity {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unreadable(path, text.trim() === "" ? "it is empty" : "it is not JSON");
  }
  const key = typeof json === "object" && json !== null && "key" in json ? json.key : undefined;
  if (typeof key !== "string") throw unreadable(path, 'it has no text member "key"');
  let bytes: Uint8Array;
  try {
    bytes = base64.decode(key.trim());
  } catch {
    throw unreadable(path, 'its member "key" is not base64');
  }
  // The first field of the protobuf is the key type: RSA 0, Ed25519 1, secp256k1 2, ECDSA 3.
  const type = bytes[0] === 0x08 ? bytes[1] : undefined;
  if (type === undefined) throw unreadable(path, "the key in it is damaged");
  if (type > 2) {
    const name = type === 3 ? "ECDSA keys are" : `key type ${type} is`;
    throw unreadable(path, `${name} not supported (RSA, Ed25519 and secp256k1 are)`);
  }
  try {
    return toIdentity(privateKeyFromProtobuf(bytes), path, false);
  } catch (cause) {
    throw unreadable(path, "the key in it is damaged", cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw unreadable(path, "it cannot be looked at", error);
  }
}

/**
 * The place of the key file: what is configured; else `.hmykey` in the working directory when there is one (so that
 * the file of a Go node keeps working); else in the data directory, so that two nodes started in one folder do not
 * share a peer id.
 */
export async function keyFilePath(
  options: { readonly configured?: string | undefined; readonly dataDir: string; readonly cwd?: string },
): Promise<string> {
  if (options.configured !== undefined && options.configured !== "") return options.configured;
  const local = join(options.cwd ?? Deno.cwd(), KEY_FILE_NAME);
  return await exists(local) ? local : join(options.dataDir, KEY_FILE_NAME);
}

/** Writes a new file of mode 0600 so that it is either whole or absent, and never replaces one. */
async function createKeyFile(path: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${toHex(new SystemRandom().bytes(6))}.tmp`;
  const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
  try {
    try {
      await file.write(new TextEncoder().encode(text));
      await file.sync();
    } finally {
      file.close();
    }
    try {
      await Deno.link(temporary, path);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw error;
      // A file system without hard links: rename would replace, so look once more just before.
      if (await exists(path)) throw new Deno.errors.AlreadyExists(path);
      await Deno.rename(temporary, path);
    }
  } finally {
    await Deno.remove(temporary).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/**
 * The identity of a key file, made and written when there is none.
 * @throws {HsyncError} KEYFILE_UNREADABLE (exit code 1) when a file is there but of no use, or when none can be written.
 */
export async function loadIdentity(path: string, log: Logger = nullLogger): Promise<Identity> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw unreadable(path, error instanceof Error ? error.message : "it cannot be read", error);
    }
    const made = await newIdentity();
    try {
      await createKeyFile(path, encodeKeyFile(made));
    } catch (cause) {
      if (cause instanceof Deno.errors.AlreadyExists) return loadIdentity(path, log);
      throw new HsyncError("KEYFILE_UNREADABLE", `key file ${path}: it cannot be written`, {
        exitCode: ExitCode.RUNTIME,
        hint: "check the folder's owner and free space, or name another place with --p2p.keyfile",
        cause,
      });
    }
    log.info("new network identity", { peerId: made.peerId, path });
    return { ...made, path };
  }
  const { mode } = await Deno.stat(path);
  if (mode !== null && Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
    log.warn("the key file can be read by others; chmod 600 it", { path });
  }
  return decodeKeyFile(text, path);
}
