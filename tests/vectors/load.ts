/**
 * Reads the recorded vectors.
 *
 * Why it exists: tests of every folder use the same recordings, and none should know how they are packed.
 * What must stay true: paths are relative to this directory, and a big file is parsed once per process.
 */
import { gunzipSync } from "node:zlib";

const cache = new Map<string, unknown>();

function once<T>(name: string, read: () => T): T {
  const known = cache.get(name);
  if (known !== undefined) return known as T;
  const value = read();
  cache.set(name, value);
  return value;
}

/** Raw bytes of a vector file. */
export function vectorBytes(name: string): Uint8Array {
  return Deno.readFileSync(new URL(name, import.meta.url));
}

/** Text of a vector file; a name that ends in `.gz` is unpacked. */
export function vectorText(name: string): string {
  const bytes = vectorBytes(name);
  return new TextDecoder().decode(name.endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** A JSON vector file. The caller states the shape; the files are part of the repository. */
export function vectorJson<T>(name: string): T {
  return once(name, () => JSON.parse(vectorText(name)) as T);
}

/** The lines of a JSON-lines file, plain or gzipped. */
export function vectorLines<T>(name: string): T[] {
  return once(name, () => {
    const lines: T[] = [];
    for (const line of vectorText(name).split("\n")) if (line !== "") lines.push(JSON.parse(line) as T);
    return lines;
  });
}

/** One transaction of a recorded block. */
export interface RecordedTransaction {
  readonly hash: string;
  readonly hashByType: string;
  readonly sender: string;
  readonly kind: string;
  readonly [key: string]: unknown;
}
