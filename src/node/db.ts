/**
 * `hsync db …`: a store without a network.
 *
 * Why it exists: chains are carried between machines as files, and an operator asks a store what it holds. What must
 * stay true: a block from a file is checked exactly as one from a peer; a bad file costs nothing that is stored.
 */
import { equalBytes, ExitCode, HsyncError, nullLogger, SystemClock, to0x } from "../base/mod.ts";
import type { CliIo, DbExportOptions, DbImportOptions, DbInfoOptions } from "../api/mod.ts";
import { checkBody, type NetworkParams, receiptsRoot } from "../chain/mod.ts";
import type { LoadedConfig } from "../config/mod.ts";
import {
  type CandidateBlock,
  type ChainStore,
  exportBlocks,
  importBlocks,
  type ImportResult,
  type VerifiedBlocks,
} from "../store/mod.ts";
import { appendRow, type BatchVerifier, type FetchedBlock } from "../sync/mod.ts";
import { openConfiguredChain, paramsOf } from "./chain.ts";
import { configuredAnchors } from "./anchor_file.ts";
import { requireCheckpoints } from "./epoch_store.ts";
import { makeVerifier } from "./verifier.ts";

/** Blocks of files have no sender. */
const FILE = "file";

function fetched({ block, commitSig }: CandidateBlock): FetchedBlock {
  return {
    number: block.number,
    hash: block.hash,
    parentHash: block.header.parentHash,
    size: block.bytes.length,
    streamId: FILE,
    delivered: { block, commitSig: commitSig ?? new Uint8Array(0) },
  };
}

/** Receipts of a file must have the root that the header names. */
function checkReceipts({ block, receipts }: CandidateBlock): void {
  if (receipts === undefined || equalBytes(receiptsRoot(receipts), block.header.receiptsRoot)) return;
  throw new HsyncError(
    "IMPORT_RECEIPTS",
    `block ${block.number} of the file: its receipts do not have the header's root`,
    {
      fault: "DATA",
      blockNumber: block.number,
      hint: "the file is damaged from here on; what came before is stored",
    },
  );
}

export interface ImportTarget {
  readonly store: ChainStore;
  readonly params: NetworkParams;
  readonly shardId: number;
  readonly verifier: BatchVerifier;
}

/** Imports a file's bytes into a store, judging each block as the pipeline would. @throws what `importBlocks` throws */
export function importInto(
  target: ImportTarget,
  source: AsyncIterable<Uint8Array>,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (height: number) => void } = {},
): Promise<ImportResult> {
  const { store, params, shardId, verifier } = target;
  const signal = options.signal ?? new AbortController().signal;
  const verify = async (candidates: readonly CandidateBlock[], last: boolean): Promise<VerifiedBlocks> => {
    let error: unknown;
    const sound: CandidateBlock[] = [];
    for (const candidate of candidates) {
      try {
        checkBody(candidate.block, { shardId });
        checkReceipts(candidate);
        sound.push(candidate);
      } catch (cause) {
        error = cause;
        break;
      }
    }
    if (sound.length === 0) return { good: [], error };
    const verdict = await verifier.verify(sound.map(fetched), {
      parent: store.head(),
      target: last ? sound.at(-1)?.block.number ?? 0 : Number.MAX_SAFE_INTEGER,
      child: undefined,
      signal,
    });
    if (verdict.bodies !== undefined) await store.markBodies(verdict.bodies);
    const good = verdict.accepted.map((acceptance, i) => {
      const { block, receipts } = sound[i] as CandidateBlock;
      return appendRow(block, acceptance, params, receipts);
    });
    if (verdict.refusal === undefined) return { good, error };
    const { number, text } = verdict.refusal;
    return {
      good,
      error: new HsyncError("IMPORT_REFUSED", `block ${number} of the file: ${text}`, {
        fault: "DATA",
        blockNumber: number,
        hint: "what came before it is stored; get the rest from another source",
      }),
    };
  };
  return importBlocks(store, source, { ...options, verify });
}

async function openFile(path: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    return (await Deno.open(path)).readable;
  } catch (cause) {
    throw new HsyncError(
      "FILE_UNREADABLE",
      `cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`,
      {
        exitCode: ExitCode.USAGE,
        hint: "check the path of the file",
        cause,
      },
    );
  }
}

/**
 * `hsync db import FILE`.
 *
 * @throws {HsyncError} naming the block at which the file went wrong; what `configuredAnchors` throws.
 */
export async function dbImport(loaded: LoadedConfig, options: DbImportOptions, io: CliIo): Promise<ExitCode> {
  const { config } = loaded;
  const clock = new SystemClock();
  const params = paramsOf(config);
  const anchors = await configuredAnchors(params, config.sync);
  const source = await openFile(options.file);
  const store = await openConfiguredChain(config, { clock });
  const checks = makeVerifier({
    params,
    store,
    anchors,
    config: config.sync,
    logger: nullLogger,
    clock,
  });
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  const begun = clock.monotonic();
  const before = store.head().number;
  try {
    await requireCheckpoints(store, config.sync.checkpoints);
    await checks.prepare(abort.signal);
    const result = await importInto(
      { store, params, shardId: config.shard, verifier: checks.verifier },
      source,
      {
        signal: abort.signal,
        onProgress: (height) => {
          if (!config.run.quiet) io.err(`imported up to block ${height}`);
        },
      },
    );
    const seconds = (clock.monotonic() - begun) / 1000;
    io.out(
      `imported blocks=${result.imported} known=${result.known} head=${store.head().number} hash=${
        to0x(store.head().hash)
      } seconds=${seconds.toFixed(1)} assurance=${store.lowestAssurance()}`,
    );
    if (config.shard !== 0 && result.imported > 0 && !config.run.quiet) {
      io.err(
        "the committees in these blocks stand on the shard's own word until `hsync run` asks the beacon chain",
      );
    }
    return ExitCode.OK;
  } catch (error) {
    io.err(`kept ${store.head().number - before} blocks, up to block ${store.head().number}`);
    throw error;
  } finally {
    off();
    await checks.close();
    await store.close();
  }
}

/** `hsync db export FILE`: never overwrites a file, and leaves none behind when it fails. */
export async function dbExport(loaded: LoadedConfig, options: DbExportOptions, io: CliIo): Promise<ExitCode> {
  const store = await openConfiguredChain(loaded.config, { clock: new SystemClock(), readOnly: true });
  const abort = new AbortController();
  const off = io.onStop(() => abort.abort());
  try {
    let file: Deno.FsFile;
    try {
      file = await Deno.open(options.file, { write: true, createNew: true });
    } catch (cause) {
      throw new HsyncError(
        "FILE_EXISTS",
        `cannot create ${options.file}: ${cause instanceof Error ? cause.message : cause}`,
        {
          exitCode: ExitCode.USAGE,
          hint: "name a file that does not exist yet, in a folder that can be written",
          cause,
        },
      );
    }
    let count: number;
    try {
      try {
        count = await exportBlocks(store, async (bytes) => {
          for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
        }, {
          ...(options.from === undefined ? {} : { from: options.from }),
          ...(options.to === undefined ? {} : { to: options.to }),
          signal: abort.signal,
        });
        await file.sync();
      } finally {
        file.close();
      }
    } catch (error) {
      await Deno.remove(options.file);
      throw error;
    }
    const { size } = await Deno.stat(options.file);
    io.out(`exported blocks=${count} bytes=${size} file=${options.file}`);
    return ExitCode.OK;
  } finally {
    off();
    await store.close();
  }
}

/** `hsync db info [--json]`: also beside a running node. */
export async function dbInfo(loaded: LoadedConfig, options: DbInfoOptions, io: CliIo): Promise<ExitCode> {
  const store = await openConfiguredChain(loaded.config, { clock: new SystemClock(), readOnly: true });
  try {
    const info = await store.info();
    const { meta, head, certified, disk, lowest, assurances } = info;
    const document = {
      network: meta.network,
      shard: meta.shardId,
      genesis: to0x(meta.genesisHash),
      schema: meta.schema,
      head: { number: head.number, hash: to0x(head.hash) },
      lowest,
      certified,
      assurances,
      size: disk.storeBytes ?? null,
      freeBytes: disk.freeBytes ?? null,
    };
    if (options.json) {
      io.out(JSON.stringify(document));
      return ExitCode.OK;
    }
    io.out(`network    ${document.network}, shard ${document.shard}`);
    io.out(`genesis    ${document.genesis}`);
    io.out(`head       ${document.head.number} ${document.head.hash}`);
    io.out(`lowest     ${document.lowest}`);
    io.out(`certified  up to ${document.certified}`);
    io.out(`assurance  ${Object.entries(assurances).map(([name, n]) => `${name} ${n}`).join(", ")}`);
    io.out(`size       ${document.size ?? "unknown"} bytes (${document.freeBytes ?? "unknown"} bytes free)`);
    return ExitCode.OK;
  } finally {
    await store.close();
  }
}
