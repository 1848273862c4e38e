/**
 * Opening a store: whose is it, may we write it, is it whole.
 *
 * Why it exists: everything that can be wrong with a store is found here, before the node promises anything to
 * anybody. What must stay true: a store of another chain or version is left as it was found; whatever was taken
 * (lock, lease, database) is given back when opening fails; `meta` is the first row of a new store and `state` the
 * last, so a creation that was cut off is simply done again.
 */
import {
  type Clock,
  equalBytes,
  ExitCode,
  HsyncError,
  type Logger,
  type Meter,
  nullLogger,
  nullMeter,
  SystemRandom,
  to0x,
  toHex,
} from "../base/mod.ts";
import { decodeHeader, joinCommitSig, parentCommitSig } from "../chain/mod.ts";
import { KvChainStore } from "./chain_store.ts";
import { DeadlineKv } from "./deadline_kv.ts";
import { bytesOfFiles, DiskGuard, type DiskProbe, probeOf } from "./disk.ts";
import { damaged, foreign, openFailed, writeFailed } from "./failures.ts";
import { Keys, ROOT } from "./keys.ts";
import { type Kv, openDenoKv } from "./kv.ts";
import { Lease } from "./lease.ts";
import { type Lock, takeLock } from "./lock.ts";
import { encodeMark } from "./marks.ts";
import { Staging } from "./staging.ts";
import { type ChainState, decodeMeta, decodeState, encodeMeta, encodeState, SCHEMA } from "./state.ts";
import { writeBlocks } from "./steps.ts";
import { ChainTables, type ParentCommitSig } from "./tables.ts";
import { ASSURANCES, type ChainStore, type StoreMeta } from "./types.ts";
import { WriteBatch } from "./write_batch.ts";

/** Where a store lies. */
export type StoreLocation =
  /** A directory of its own, `storeDirectory(…)`. */
  | { readonly kind: "file"; readonly dir: string }
  /** In this process, gone with it. */
  | { readonly kind: "memory" }
  /** A Deno KV server; the token is read from `DENO_KV_ACCESS_TOKEN`. */
  | { readonly kind: "remote"; readonly url: string };

export interface OpenStoreOptions {
  readonly location: StoreLocation;
  /** For a remote store: the local directory that is locked and by which our own lease is known again. */
  readonly lockDir?: string;
  readonly network: string;
  readonly shardId: number;
  /** Block 0, which a new store begins with and an old one must begin with. */
  readonly genesis: {
    /** 32 bytes. */
    readonly hash: Uint8Array;
    /** Whole block, wire form. */
    readonly bytes: Uint8Array;
    readonly headerBytes: Uint8Array;
    /** The committees of the first epoch. */
    readonly shardState?: { readonly epoch: number; readonly bytes: Uint8Array };
  };
  readonly clock: Clock;
  readonly logger?: Logger;
  readonly meter?: Meter;
  /** What is staged in memory before it spills into the store; zeros: nothing (`UseMemDB = false`). */
  readonly staging?: { readonly blocks: number; readonly bytes: number };
  /**
   * To be read beside the process that writes it: takes no lock, repairs nothing, refuses writes, sees the chain as
   * of its opening. A store that does not exist is then an error.
   */
  readonly readOnly?: boolean;
  /** Our peer id, for the lock file. */
  readonly peerId?: string;
  /** Opens a database by path, `:memory:` or URL; a seam for tests. */
  readonly kvFactory?: (target: string) => Promise<Kv>;
  readonly diskProbe?: DiskProbe;
  /** How a header tells its parent's certificate; a seam for tests with blocks that are none. */
  readonly parentCommitSig?: ParentCommitSig;
}

/** The directory of a shard's store inside the data directory (config-cli-metrics.md §6.3). */
export function storeDirectory(dataDir: string, shardId: number): string {
  return `${dataDir}/harmony_kv_${shardId}`;
}

const STAGING = { blocks: 1_024, bytes: 64 * 1024 ** 2 };

function pairInHeader(headerBytes: Uint8Array): Uint8Array | undefined {
  try {
    return joinCommitSig(parentCommitSig(decodeHeader(headerBytes)));
  } catch (error) {
    if (error instanceof HsyncError) return undefined;
    throw error;
  }
}

/** The database of a location, and its name for messages (a URL without user and password). */
function targetOf(location: StoreLocation): { target: string; where: string } {
  if (location.kind === "memory") return { target: ":memory:", where: "memory" };
  if (location.kind === "file") return { target: `${location.dir}/chain.sqlite3`, where: location.dir };
  try {
    const url = new URL(location.url);
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError(`scheme ${url.protocol}`);
    return { target: location.url, where: url.origin };
  } catch (cause) {
    throw new HsyncError("STORE_URL", "the database URL is not an http(s) URL", {
      hint: "write it as --db.url http://HOST:PORT",
      exitCode: ExitCode.CONFIG_INVALID,
      cause,
    });
  }
}

/**
 * Opens the store, creating it when there is none.
 *
 * @throws {HsyncError} STORE_LOCKED, STORE_FOREIGN (exit 11), STORE_DAMAGED (10), STORE_DISK_LOW (12),
 * STORE_UNREACHABLE, STORE_URL, STORE_WRITE_FAILED; STORE_MISSING when `readOnly`.
 */
export async function openStore(options: OpenStoreOptions): Promise<ChainStore> {
  const opening = new Opening(options);
  try {
    return await opening.run();
  } catch (error) {
    await opening.release();
    throw error;
  }
}

class Opening {
  readonly #o: OpenStoreOptions;
  readonly #logger: Logger;
  readonly #keys: Keys;
  readonly #where: string;
  readonly #target: string;
  #lock: Lock | undefined;
  #kv: Kv | undefined;
  #lease: Lease | undefined;
  #disk: DiskGuard | undefined;

  constructor(options: OpenStoreOptions) {
    this.#o = options;
    this.#logger = (options.logger ?? nullLogger).child("store");
    this.#keys = new Keys(options.network, options.shardId);
    const { target, where } = targetOf(options.location);
    this.#target = target;
    this.#where = where;
  }

  async run(): Promise<ChainStore> {
    const { location, clock, network, shardId, genesis, readOnly = false } = this.#o;
    const dir = location.kind === "file" ? location.dir : this.#o.lockDir;
    if (readOnly) await this.#mustExist();
    else if (dir !== undefined) this.#lock = await takeLock(dir, clock, this.#o.peerId);
    if (!readOnly && location.kind === "file") await this.#noticeGoStore(location.dir);
    const kv = await this.#connect();
    const known = await this.#identify(kv);
    if (readOnly && !known) throw this.#missing();
    const disk = await this.#measure();
    if (location.kind === "remote" && !readOnly) await this.#takeLease(kv);
    const meta: StoreMeta = { network, shardId, genesisHash: genesis.hash, schema: SCHEMA };
    const { state, stamp } = await this.#stateOf(kv, meta);
    const fence = () => this.#lease?.checks() ?? [];
    const staging = new Staging(kv, this.#keys, fence, this.#o.staging ?? STAGING);
    await staging.open();
    const store = new KvChainStore({
      kv,
      keys: this.#keys,
      meta,
      state,
      stamp,
      clock,
      logger: this.#logger,
      meter: this.#o.meter ?? nullMeter,
      staging,
      disk,
      parentCommitSig: this.#o.parentCommitSig ?? pairInHeader,
      fence,
      readOnly,
      release: () => this.release(),
    });
    if (!readOnly) await store.repair();
    disk.start();
    return store;
  }

  #missing(): HsyncError {
    return new HsyncError("STORE_MISSING", `there is no store of ${this.#keys.chain} at ${this.#where}`, {
      hint: "check --datadir, --network and --run.shard",
    });
  }

  /** Opening a database creates it; a reader must not. */
  async #mustExist(): Promise<void> {
    if (this.#o.location.kind !== "file") return;
    const there = await Deno.stat(this.#target).catch(() => undefined);
    if (there === undefined) throw this.#missing();
  }

  /** The Go node's database may lie next to ours; it is never opened (config-cli-metrics.md §6.3). */
  async #noticeGoStore(dir: string): Promise<void> {
    const path = `${dir}/../harmony_db_${this.#o.shardId}`;
    const there = await Deno.stat(path).catch(() => undefined);
    if (there !== undefined) this.#logger.info("the Go node's database beside ours is not used", { path });
  }

  async #connect(): Promise<Kv> {
    const { location, clock, kvFactory = openDenoKv } = this.#o;
    const remote = location.kind === "remote";
    try {
      const kv = await kvFactory(this.#target);
      this.#kv = remote ? new DeadlineKv(kv, clock) : kv;
    } catch (error) {
      throw openFailed(this.#where, remote, error);
    }
    return this.#kv;
  }

  /** True when this chain is there, false when the store is empty. Writes nothing. @throws STORE_FOREIGN. */
  async #identify(kv: Kv): Promise<boolean> {
    const { network, shardId, genesis, location } = this.#o;
    const row = await kv.get(this.#keys.key("meta"));
    if (row === undefined) {
      // A database that many share may hold other chains; a directory holds one.
      if (location.kind === "file") await this.#refuseOthers(kv);
      return false;
    }
    const meta = decodeMeta(row.value);
    if (meta.network !== network || meta.shardId !== shardId) {
      throw damaged("the record meta names another chain");
    }
    if (!equalBytes(meta.genesisHash, genesis.hash)) {
      throw foreign(
        `the store at ${this.#where} begins with the genesis block ${to0x(meta.genesisHash)}, not ${
          to0x(genesis.hash)
        }`,
        "it was made for another network of the same name; name another directory with --datadir",
      );
    }
    return true;
  }

  async #refuseOthers(kv: Kv): Promise<void> {
    for await (const row of kv.list({ start: [ROOT, ""], end: [ROOT, "\u{10ffff}"] }, { limit: 1 })) {
      const chain = String(row.key[1]);
      if (chain === this.#keys.chain) throw damaged("the record meta is missing");
      const [network, shard] = chain.split("/");
      throw foreign(
        `the store at ${this.#where} holds network ${network}, shard ${shard}, not ${this.#o.network}, shard ${this.#o.shardId}`,
        "check --network and --run.shard, or name another directory with --datadir",
      );
    }
  }

  async #measure(): Promise<DiskGuard> {
    const { location, clock, readOnly = false, diskProbe } = this.#o;
    const file = location.kind === "file";
    this.#disk = new DiskGuard({
      probe: diskProbe ?? (file ? probeOf(location.dir) : undefined),
      storeBytes: () => file ? bytesOfFiles(this.#target) : Promise.resolve(undefined),
      clock,
      logger: this.#logger,
      meter: this.#o.meter ?? nullMeter,
    });
    await this.#disk.refresh();
    if (!readOnly) this.#disk.check(ExitCode.DISK_FULL);
    return this.#disk;
  }

  async #takeLease(kv: Kv): Promise<void> {
    const id = this.#lock?.holderId ?? toHex(new SystemRandom().bytes(16));
    let host = "unknown";
    try {
      host = Deno.hostname();
    } catch {
      // Not permitted: the message to the other process will name no host.
    }
    this.#lease = await Lease.take(kv, this.#keys, {
      holder: { id, pid: Deno.pid, host },
      clock: this.#o.clock,
      logger: this.#logger,
      url: this.#where,
    });
  }

  /** The stored state, or that of a chain that was begun just now. */
  async #stateOf(kv: Kv, meta: StoreMeta): Promise<{ state: ChainState; stamp: string }> {
    const row = await kv.get(this.#keys.key("state"));
    if (row !== undefined) return { state: decodeState(row.value), stamp: row.versionstamp };
    for await (const run of kv.list(this.#keys.range("hash", 1), { limit: 1 })) {
      throw damaged(`the record state is missing, but there are blocks (${String(run.key[3])} and more)`);
    }
    if (this.#o.readOnly === true) throw this.#missing();
    return await this.#create(kv, meta);
  }

  async #create(kv: Kv, meta: StoreMeta): Promise<{ state: ChainState; stamp: string }> {
    const { genesis, clock } = this.#o;
    const what = `beginning the store of ${this.#keys.chain}`;
    const state: ChainState = {
      head: { number: 0, hash: genesis.hash },
      lowest: 0,
      counts: ASSURANCES.map(() => 0),
      checkpoints: {},
      at: clock.now(),
      commits: 0,
    };
    const stateKey = this.#keys.key("state");
    const tables = new ChainTables(kv, this.#keys, () => state, () => undefined);
    const fence = [...(this.#lease?.checks() ?? []), { key: stateKey, versionstamp: null }];
    const batch = new WriteBatch(kv, what, fence);
    await batch.set(this.#keys.key("meta"), encodeMeta(meta));
    await batch.flush();
    const block = { ...genesis, number: 0, parentHash: new Uint8Array(32), assurance: "linked" as const };
    const rows = await writeBlocks(tables, this.#keys, batch, [block]);
    const marks = tables.marks.edit();
    await marks.set(0, encodeMark("linked", undefined));
    try {
      const stamp = await batch.finish([...rows, ...marks.mutations(), {
        key: stateKey,
        value: encodeState(state),
      }]);
      if (stamp !== undefined) {
        this.#logger.info("new store", { chain: this.#keys.chain, at: this.#where });
        return { state, stamp };
      }
    } catch (error) {
      throw writeFailed(what, error);
    }
    throw foreign(`${what}: another process has begun it at the same time`, "start only one hsync per chain");
  }

  /** Gives back whatever was taken; reports, but does not repeat, what fails. */
  async release(): Promise<void> {
    const steps: Array<() => void | Promise<void>> = [
      () => this.#disk?.close(),
      () => this.#lease?.release(),
      () => this.#kv?.close(),
      () => this.#lock?.release(),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        this.#logger.warn("closing the store", { error });
      }
    }
  }
}
