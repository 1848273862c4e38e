/**
 * Loads configurations in tests without touching the disk or the environment.
 *
 * Why it exists: every test states its command line, its file and nothing else.
 */
import assert from "node:assert/strict";
import { HsyncError } from "../../src/base/mod.ts";
import { FLAGS, loadConfig, type LoadedConfig, parseArgv } from "../../src/config/mod.ts";

export interface World {
  /** Text of the file called `harmony.conf`, which `-c harmony.conf` then finds. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly existing?: readonly string[];
}

/** Loads with a command line as one would type it. */
export function load(line: string, world: World = {}): LoadedConfig {
  const argv = line.split(" ").filter((w) => w !== "");
  const { flags } = parseArgv(argv, FLAGS);
  const named = world.file !== undefined && !flags.has("config") && world.env?.["HSYNC_CONFIG"] === undefined;
  return loadConfig({
    flags,
    ...(named ? { path: "harmony.conf" } : {}),
    env: (name) => world.env?.[name],
    readText: (path) => {
      if (world.file !== undefined && path === "harmony.conf") return world.file;
      throw Object.assign(new Error(`no ${path}`), { code: "ENOENT" });
    },
    exists: (path) => (world.existing ?? []).includes(path),
  });
}

/** The error that a call throws. */
export function failure(fn: () => unknown): HsyncError {
  try {
    fn();
  } catch (error) {
    assert.ok(error instanceof HsyncError, String(error));
    assert.ok(error.hint !== undefined && error.hint !== "", `no hint: ${error.message}`);
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

/** Codes of the notices. */
export function codes(loaded: LoadedConfig): string[] {
  return loaded.notices.map((n) => n.code);
}

export function fixture(name: string): string {
  return Deno.readTextFileSync(new URL(`./fixtures/${name}`, import.meta.url));
}
