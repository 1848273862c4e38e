/** The chain store over Deno KV. Other folders import only from here. */
export { type DiskProbe } from "./disk.ts";
export {
  type Kv,
  KV_LIMITS,
  type KvCheck,
  type KvEntry,
  type KvKey,
  type KvMutation,
  openDenoKv,
} from "./kv.ts";
export { openStore, type OpenStoreOptions, storeDirectory, type StoreLocation } from "./open.ts";
export { APPEND_BLOCKS } from "./steps.ts";
export * from "./types.ts";
