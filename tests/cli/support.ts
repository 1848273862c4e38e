/**
 * Runs command lines in tests: a recorder in place of the terminal, a double in place of the node.
 *
 * Why it exists: exit codes and lines are the contract of the command line; no test starts a process for them.
 */
import assert from "node:assert/strict";
import type { ExitCode } from "../../src/base/mod.ts";
import type { CliIo, NodeCommands, ProgressSnapshot } from "../../src/api/mod.ts";
import { main } from "../../src/cli/main.ts";

export interface Run {
  readonly code: ExitCode;
  readonly out: readonly string[];
  readonly err: readonly string[];
  /** Names and options of the node's functions that were called. */
  readonly calls: ReadonlyArray<readonly [name: string, ...args: unknown[]]>;
}

class Recorder implements CliIo {
  readonly terminal = false;
  readonly outLines: string[] = [];
  readonly errLines: string[] = [];
  out(line: string): void {
    this.outLines.push(line);
  }
  err(line: string): void {
    this.errLines.push(line);
  }
  progress(): void {}
  onStop(): () => void {
    return () => {};
  }
  onReload(): () => void {
    return () => {};
  }
}

/** Runs a command line. @param over functions of the node that do something else than return 0. */
export async function run(argv: readonly string[], over: Partial<NodeCommands> = {}): Promise<Run> {
  const io = new Recorder();
  const calls: Array<readonly [string, ...unknown[]]> = [];
  const note = (name: string) => (...args: unknown[]): Promise<ExitCode> => {
    calls.push([name, ...args.filter((a) => a !== io)]);
    return Promise.resolve(0);
  };
  const node: NodeCommands = {
    runNode: note("runNode"),
    runLight: note("runLight"),
    runDemo: note("runDemo"),
    dbImport: note("dbImport"),
    dbExport: note("dbExport"),
    dbInfo: note("dbInfo"),
    dbVerify: note("dbVerify"),
    dbUnwind: note("dbUnwind"),
    runDoctor: note("runDoctor"),
    tryPeer: note("tryPeer"),
    ...over,
  };
  const code = await main(argv, { node: () => Promise.resolve(node), io });
  return { code, out: io.outLines, err: io.errLines, calls };
}

/** Runs a test with a directory of its own. */
export async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The one `error:` line of a failed run. */
export function errorOf(result: Run): string {
  assert.notEqual(result.code, 0, "it did not fail");
  const lines = result.err.filter((l) => l.startsWith("error:"));
  assert.equal(lines.length, 1, result.err.join("\n"));
  assert.ok(lines[0]?.includes("; hint: "), lines[0]);
  return lines[0] ?? "";
}

export const SNAPSHOT: ProgressSnapshot = {
  network: "testnet",
  shard: 0,
  state: "syncing",
  mode: "longRange",
  height: 54_321_600,
  startHeight: 54_300_000,
  target: 54_330_112,
  stage: "States",
  cycle: { number: 129, from: 54_321_472, to: 54_321_984 },
  rates: { hashes: 812.4, bodies: 305.1, insert: 96.24 },
  etaSeconds: 89,
  bottleneck: "execution",
  streams: { active: 5, reserved: 2, cooling: 3, need: 3 },
  requests: { pending: 4, waiting: 12 },
  bytesPerSecond: 2_100_000,
  note: undefined,
  assurance: "linked",
};
