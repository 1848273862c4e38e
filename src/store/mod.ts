/** The chain store over Deno KV, and the files that chains come and go in. Other folders import only from here. */
export { type BlockFileHeader, BlockFileWriter, type ByteSink, type FileBlock } from "./block_file.ts";
export { type DiskProbe, mayImport, probeOf } from "./disk.ts";
export {
  type Kv,
  KV_LIMITS,
  type KvCheck,
  type KvEntry,
  type KvKey,
  type KvListOptions,
  type KvMutation,
  type KvRange,
  openDenoKv,
} from "./kv.ts";
export { openStore, type OpenStoreOptions, storeDirectory, type StoreLocation } from "./open.ts";
export { APPEND_BLOCKS } from "./steps.ts";
export {
  type CandidateBlock,
  exportBlocks,
  type ExportOptions,
  importBlocks,
  type ImportOptions,
  type ImportResult,
  openBlocks,
  type OpenedBlocks,
  type VerifiedBlocks,
} from "./transfer.ts";
export * from "./types.ts";
