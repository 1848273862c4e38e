/**
 * Checks of `hsync doctor` that need nobody else: files, disk, limits, ports, store.
 *
 * Why it exists: most nodes that do not start, do not start for one of these. What must stay true: nothing is created that is
 * not removed again, and a file of the operator is only read.
 */
import { dirname, join } from "node:path";
import { getHeapStatistics } from "node:v8";
import { askAdmin, readProcess } from "../../api/mod.ts";
import { type Clock, HsyncError } from "../../base/mod.ts";
import type { LoadedConfig } from "../../config/mod.ts";
import { decodeKeyFile } from "../../p2p/mod.ts";
import { mayImport, probeOf, storeDirectory } from "../../store/mod.ts";
import { openConfiguredChain } from "../chain.ts";
import { type Check, fail, ok, reasonOf, skip, warn } from "./check.ts";

/** Below it a node with some hundred peers runs out. */
const GOOD_FDS = 8_192;
const LEAST_FDS = 1_024;
/** Deno's heap on small machines is too small for a node in a hurry. */
const GOOD_HEAP = 2 * 1024 ** 3;
const TRIAL_BYTES = 8 * 1024 * 1024;
const TRIAL_SYNCS = 8;
/** A commit waits for the disk; slower ones than this are felt. */
const SLOW_SYNC_MS = 100;
const SLOW_MB_PER_SECOND = 20;

export function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The directory itself, or the nearest one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  for (let at = path;; at = dirname(at)) if (await isThere(at) || dirname(at) === at) return at;
}

export function configCheck(loaded: LoadedConfig): Check {
  return {
    name: "configuration",
    run: () => {
      const where = loaded.file?.path ?? "defaults and flags";
      const n = loaded.notices.length;
      if (n === 0) return ok(`${where}: nothing to remark`);
      return warn(
        `${where}: valid, with ${n} ${n === 1 ? "notice" : "notices"}`,
        "`hsync config check` shows them",
      );
    },
  };
}

export function dataDirCheck(dataDir: string): Check {
  return {
    name: "data directory",
    run: async () => {
      const folder = await nearestFolder(dataDir);
      const probe = join(folder, `.hsync-doctor-${Deno.pid}`);
      try {
        await Deno.writeTextFile(probe, "", { createNew: true });
        await Deno.remove(probe);
      } catch (error) {
        return fail(
          `${folder} cannot be written (${reasonOf(error)})`,
          "check its owner, or name another with --datadir",
        );
      }
      return ok(folder === dataDir ? `${dataDir} can be written` : `${dataDir} can be made in ${folder}`);
    },
  };
}

export function diskSpaceCheck(dataDir: string): Check {
  return {
    name: "disk space",
    run: async () => {
      const space = await probeOf(await nearestFolder(dataDir))();
      if (space === undefined) return skip("the system does not tell");
      const { freeBytes, totalBytes } = space;
      const text = `${gigabytes(freeBytes)} of ${gigabytes(totalBytes)} free`;
      if (mayImport(false, freeBytes, totalBytes)) return ok(text);
      return fail(
        text,
        "free some, or move --datadir: below 5 % or 2 GiB a node stops importing until 7 % are free",
      );
    },
  };
}

export function diskSpeedCheck(dataDir: string, clock: Clock): Check {
  return {
    name: "disk speed",
    run: async (signal) => {
      const folder = await nearestFolder(dataDir);
      const path = join(folder, `.hsync-doctor-${Deno.pid}.speed`);
      const file = await Deno.open(path, { write: true, createNew: true });
      try {
        const block = new Uint8Array(TRIAL_BYTES / TRIAL_SYNCS).fill(0x5a);
        const waits: number[] = [];
        const begun = clock.monotonic();
        for (let i = 0; i < TRIAL_SYNCS && !signal.aborted; i++) {
          for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
          const written = clock.monotonic();
          await file.sync();
          waits.push(clock.monotonic() - written);
        }
        const megabytes = waits.length * block.length / 1e6;
        const rate = megabytes / Math.max(1e-3, (clock.monotonic() - begun) / 1000);
        const wait = waits.sort((a, b) => a - b)[waits.length >> 1] ?? 0;
        const text = `${Math.round(rate)} MB/s, a sync takes ${wait.toFixed(1)} ms`;
        return wait > SLOW_SYNC_MS || rate < SLOW_MB_PER_SECOND
          ? warn(text, "importing waits for the disk here; an SSD is much faster")
          : ok(text);
      } finally {
        file.close();
        await Deno.remove(path);
      }
    },
  };
}

export function keyFileCheck(path: string): Check {
  return {
    name: "key file",
    run: async () => {
      let text: string;
      try {
        text = await Deno.readTextFile(path);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return ok(`${path} will be made at the first start`);
        return fail(
          `${path} cannot be read (${reasonOf(error)})`,
          "check its owner, or name another with --p2p.keyfile",
        );
      }
      const { peerId } = decodeKeyFile(text, path);
      const { mode } = await Deno.stat(path);
      if (Deno.build.os !== "windows" && mode !== null && (mode & 0o077) !== 0) {
        const rights = (mode & 0o777).toString(8);
        return fail(`${path} has mode ${rights}: others can read the node's identity`, `chmod 600 ${path}`);
      }
      return ok(`${path}: ${peerId}`);
    },
  };
}

export function descriptorCheck(): Check {
  return {
    name: "open files",
    run: () => {
      const { maxFds } = readProcess();
      if (maxFds === undefined) return skip("the system does not tell how many are allowed");
      const text = `${maxFds} allowed`;
      const fix = "set LimitNOFILE=65536 in the unit, or `ulimit -n 65536` in the shell";
      return maxFds < LEAST_FDS ? fail(text, fix) : maxFds < GOOD_FDS ? warn(text, fix) : ok(text);
    },
  };
}

export function heapCheck(): Check {
  return {
    name: "memory limit",
    run: () => {
      const { heap_size_limit: limit } = getHeapStatistics();
      const text = `the heap may grow to ${gigabytes(limit)}`;
      if (limit >= GOOD_HEAP) return ok(text);
      return warn(text, "set DENO_V8_FLAGS=--max-old-space-size=4096 in the unit");
    },
  };
}

/** True while a node of this data directory runs: it is then the one that holds the ports. */
function isNodeRunning(dir: string): Promise<boolean> {
  return askAdmin(dir, { method: "GET", path: "/status" }, { timeoutMs: 3_000 }).then(
    () => true,
    () => false,
  );
}

/** Whether an address can be listened on. */
export function portCheck(options: {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
  readonly flag: string;
  /** Store directory of the node that may be running here. */
  readonly dir: string;
}): Check {
  const { name, ip, port, flag, dir } = options;
  return {
    name,
    run: async () => {
      if (port === 0) return ok("any free one");
      try {
        Deno.listen({ hostname: ip, port }).close();
        return ok(`${ip}:${port} is free`);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) {
          return fail(
            `${ip}:${port} cannot be listened on (${reasonOf(error)})`,
            `name another address; see ${flag}`,
          );
        }
        if (await isNodeRunning(dir)) return ok(`${ip}:${port} is taken, by the node that runs here`);
        return fail(
          `${ip}:${port} is taken by another program`,
          `stop it, or choose another port with ${flag}`,
        );
      }
    },
  };
}

export function storeCheck(loaded: LoadedConfig, clock: Clock): Check {
  return {
    name: "store",
    run: async () => {
      const { config } = loaded;
      try {
        const store = await openConfiguredChain(config, { clock, readOnly: true });
        try {
          const { number } = store.head();
          return ok(`block ${number}, ${number === 0 ? "genesis only" : store.lowestAssurance()}`);
        } finally {
          await store.close();
        }
      } catch (error) {
        if (error instanceof HsyncError && error.code === "STORE_MISSING") {
          return ok(`none yet in ${storeDirectory(config.dataDir, config.shard)}`);
        }
        throw error;
      }
    },
  };
}
