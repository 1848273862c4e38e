/** Metrics, HTTP, status, and the contract between commands and node. */
export * from "./surface.ts";
