/**
 * One process per data directory.
 *
 * Why it exists: two writers of one store would each believe in their own head. What must stay true: the lock is
 * the system's (advisory, on an open file), so a process that died in any way holds nothing; the text of the file
 * only says whom to ask. The file survives: it also keeps the directory's holder id, by which a lease in a remote
 * database is recognised as our own after a crash.
 */
import { type Clock, SystemRandom, toHex } from "../base/mod.ts";
import { openFailed, storeLocked } from "./failures.ts";

export interface Lock {
  /** 32 hex digits, the same for every run in this directory. */
  readonly holderId: string;
  release(): void;
}

interface LockText {
  readonly id: string;
  readonly pid: number;
  readonly started: string;
  readonly peer?: string;
}

function readText(path: string): Partial<LockText> {
  try {
    const json: unknown = JSON.parse(Deno.readTextFileSync(path));
    return typeof json === "object" && json !== null ? json as Partial<LockText> : {};
  } catch {
    // Empty (another process is just writing it), or not readable while locked: nobody can be named.
    return {};
  }
}

/**
 * Creates `dir` when needed and takes `dir/LOCK`.
 * @throws {HsyncError} STORE_LOCKED (exit 11) naming the process that holds it; STORE_UNREACHABLE when the
 * directory cannot be created or written.
 */
export async function takeLock(dir: string, clock: Clock, peerId?: string): Promise<Lock> {
  const path = `${dir}/LOCK`;
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(dir, { recursive: true });
    file = await Deno.open(path, { read: true, write: true, create: true });
  } catch (error) {
    throw openFailed(dir, false, error);
  }
  try {
    const known = readText(path);
    if (!await file.tryLock(true)) {
      const who = known.pid === undefined ? "another process" : `process ${known.pid}`;
      const since = known.started === undefined ? "" : ` since ${known.started}`;
      const peer = known.peer === undefined ? "" : ` (peer ${known.peer})`;
      throw storeLocked(
        `the store in ${dir} is in use by ${who}${peer}${since}`,
        "stop that process, or name another directory with --datadir",
      );
    }
    const holderId = typeof known.id === "string" && /^[0-9a-f]{32}$/.test(known.id)
      ? known.id
      : toHex(new SystemRandom().bytes(16));
    const text: LockText = {
      id: holderId,
      pid: Deno.pid,
      started: new Date(clock.now()).toISOString(),
      ...(peerId === undefined ? {} : { peer: peerId }),
    };
    await file.truncate(0);
    await file.write(new TextEncoder().encode(JSON.stringify(text) + "\n"));
    return {
      holderId,
      release: () => {
        // Closing alone gives the lock back only when the last copy of the handle is gone: a child that is being
        // started, or a thread that is done with it but has not let go, may hold one a moment longer.
        file.unlockSync();
        file.close();
      },
    };
  } catch (error) {
    file.close();
    throw error;
  }
}
