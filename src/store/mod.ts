/** The chain store over Deno KV. */
export * from "./types.ts";
